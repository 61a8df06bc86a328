"""Texts that a JSON Schema or a member of botocore's models takes: whether one does, and samples of them."""

import random
import re
from re import _constants as code
from re import _parser

# What texts are made of where a pattern leaves the choice: plain ones, and those that somebody's pattern forgets.
POOL = [*"azAZ09 -_./:+=,@#&;{}!$*()[]'\"\\<>%^~|?`", *"\t\n\r\0\x1b\x7f\x85\xa0éßÿ–“Ω売😀", "\u2028", "\ufffd", "\ufffe"]
# What `.` isn't.
ANY = [(code.NEGATE, None), *((code.LITERAL, ord(one)) for one in "\n\r\x85\u2028\u2029")]
# The longest sample; limits beyond it are compared as numbers.
LONGEST = 2100
UNBOUNDED = int(_parser.MAXREPEAT)
# How some models say that there is no limit.
ANY_NUMBER = 2**31 - 1


def java(pattern):
    """A pattern of botocore's models, which are in Java's dialect, in Python's."""
    pattern = pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
    pattern = pattern.replace(r"\p{L}\p{Z}\p{N}", r"\w\s")
    return re.sub(r"\(\?i\)([^)]*)\)", r"(?i:\1))", pattern)


class Limits:
    """Which texts are taken: a least and a greatest length, a pattern for the whole text, and patterns for none of it."""

    def __init__(self, least, most, pattern, refused=(), flags=0):
        self.least, self.most, self.flags = least or 0, UNBOUNDED if most in (None, ANY_NUMBER) else most, flags
        self.pattern, self.refused = pattern, [re.compile(one) for one in refused]
        self.parsed = _parser.parse(pattern, flags) if pattern is not None else None
        self.compiled = re.compile(pattern, flags) if pattern is not None else None
        self.classes = {}

    def take(self, text):
        fits = self.compiled is None or self.compiled.fullmatch(text)
        return bool(self.least <= len(text) <= self.most and fits and not any(one.search(text) for one in self.refused))

    def width(self):
        """The least and the greatest length that both the lengths and the pattern allow."""
        least, most = (0, UNBOUNDED) if self.parsed is None else self.parsed.getwidth()
        return max(least, self.least), min(most, self.most)

    def samples(self, seed, count=30):
        """Texts that are taken, the shortest and the longest among them; the same ones for the same seed."""
        draw = random.Random(seed)
        least, most = self.width()
        most = min(most, LONGEST)
        found = {text for one in POOL for text in (one, one + "a", "a" + one, one * least) if self.take(text)}
        found |= {""} if self.take("") else set()
        missing = len(found) + count
        for at in range(count * 10):
            if self.parsed is None:
                length = draw.choice([least, most, draw.randint(least, min(most, least + 12))])
                text = "".join(draw.choices(POOL if at % 2 else POOL[:40], k=length))
            else:
                text = self.made(self.parsed, draw, most if at % 5 == 0 else 8)[:most]
            if self.take(text):
                found.add(text)
            if len(found) >= missing:
                break
        return sorted(found)

    def made(self, nodes, draw, reach):
        """A text that parts of a pattern allow, with at most `reach` repetitions where it sets no narrower limit."""
        text = ""
        for kind, value in nodes:
            if kind is code.LITERAL:
                text += chr(value)
            elif kind in (code.IN, code.NOT_LITERAL, code.ANY):
                text += draw.choice(self.characters(kind, value))
            elif kind is code.BRANCH:
                text += self.made(draw.choice(value[1]), draw, reach)
            elif kind is code.SUBPATTERN:
                text += self.made(value[3], draw, reach)
            elif kind in (code.MAX_REPEAT, code.MIN_REPEAT):
                least, most, inner = value
                most = max(least, min(most, reach))
                times = draw.choice([least, min(most, least + 1), min(most, least + 5), most])
                text += "".join(self.made(inner, draw, 3) for _ in range(times))
            else:
                assert kind in (code.AT, code.ASSERT, code.ASSERT_NOT), kind
        return text

    def characters(self, kind, value):
        """The characters of a part of a pattern that stands for one."""
        items = {code.IN: value, code.NOT_LITERAL: [(code.NEGATE, None), (code.LITERAL, value)], code.ANY: ANY}[kind]
        if id(value) not in self.classes:
            ends = [chr(end) for one, range in items if one is code.RANGE for end in range]
            literals = [chr(value) for one, value in items if one is code.LITERAL]
            fitting = [one for one in [*POOL, *ends, *literals] if in_class(items, one, self.flags)]
            self.classes[id(value)] = value, fitting
        return self.classes[id(value)][1]


def of_schema(schema):
    """The limits of a text's JSON Schema. Its patterns are searched for, but all of them say `^` and `$`."""
    pattern = schema.get("pattern")
    if pattern is not None:
        assert pattern.startswith("^") and pattern.endswith("$"), f"{pattern} isn't about the whole text"
    refused = [one["pattern"] for one in schema.get("not", {}).get("anyOf", [])]
    return Limits(schema.get("minLength"), schema.get("maxLength"), pattern, refused)


def of_member(shape):
    """The limits of a member of botocore's models."""
    metadata = shape.metadata
    pattern = metadata.get("pattern")
    return Limits(metadata.get("min"), metadata.get("max"), pattern and java(pattern), flags=re.ASCII)


def in_class(items, character, flags):
    """Whether a class of a pattern holds a character."""
    holds = False
    for kind, value in items:
        if kind is code.LITERAL:
            holds |= ord(character) == value
        elif kind is code.RANGE:
            holds |= value[0] <= ord(character) <= value[1]
        elif kind is code.CATEGORY:
            name = str(value).rpartition("_")[2].lower()
            letter = {"digit": "d", "space": "s", "word": "w"}[name]
            found = re.match(f"\\{letter}", character, flags) is not None
            holds |= found != ("_NOT_" in str(value))
    return holds != any(kind is code.NEGATE for kind, _ in items)

