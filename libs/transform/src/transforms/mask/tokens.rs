//! Tokens and keys, by the prefixes that their issuers give them.

use std::ops::Range;

/// A kind of token: what it begins with, and what follows.
#[derive(Debug)]
struct Kind {
    prefix: &'static str,
    /// Characters beside letters and digits that it is made of.
    signs: &'static [u8],
    /// How many characters there are behind the prefix at least.
    least: usize,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The prefix is part of it.
    Whole,
    /// The prefix stays: the token stands behind it.
    Behind,
    /// The same, behind the name of the header.
    OfHeader,
    /// Parts with dots between them, of a JSON Web Token.
    Parts,
}

const fn kind(prefix: &'static str, signs: &'static [u8], least: usize, shape: Shape) -> Kind {
    Kind { prefix, signs, least, shape }
}

/// What is allowed in the value of an `Authorization` header.
const HEADER: &[u8] = b"-._~+/=";
const WORD: &[u8] = b"_-";

/// No more than bits of the tables below.
static KINDS: [Kind; 29] = [
    kind("Bearer ", HEADER, 8, Shape::Behind),
    kind("bearer ", HEADER, 8, Shape::Behind),
    kind("BEARER ", HEADER, 8, Shape::Behind),
    kind("Basic ", HEADER, 4, Shape::OfHeader),
    kind("basic ", HEADER, 4, Shape::OfHeader),
    // A JSON object in Base64 begins so.
    kind("eyJ", WORD, 10, Shape::Parts),
    // AWS.
    kind("AKIA", b"", 16, Shape::Whole),
    kind("ASIA", b"", 16, Shape::Whole),
    kind("aws_secret_access_key=", b"/+=", 40, Shape::Behind),
    kind("AWS_SECRET_ACCESS_KEY=", b"/+=", 40, Shape::Behind),
    // GitHub and GitLab.
    kind("ghp_", b"", 36, Shape::Whole),
    kind("gho_", b"", 36, Shape::Whole),
    kind("ghu_", b"", 36, Shape::Whole),
    kind("ghs_", b"", 36, Shape::Whole),
    kind("ghr_", b"", 36, Shape::Whole),
    kind("github_pat_", b"_", 22, Shape::Whole),
    kind("glpat-", WORD, 20, Shape::Whole),
    // Slack.
    kind("xoxb-", b"-", 10, Shape::Whole),
    kind("xoxp-", b"-", 10, Shape::Whole),
    kind("xoxa-", b"-", 10, Shape::Whole),
    kind("xoxr-", b"-", 10, Shape::Whole),
    kind("xoxs-", b"-", 10, Shape::Whole),
    // Stripe.
    kind("sk_live_", b"_", 10, Shape::Whole),
    kind("sk_test_", b"_", 10, Shape::Whole),
    kind("rk_live_", b"_", 10, Shape::Whole),
    // Google, npm and OpenAI.
    kind("AIza", WORD, 35, Shape::Whole),
    kind("ya29.", b"_-.", 20, Shape::Whole),
    kind("npm_", b"", 36, Shape::Whole),
    kind("sk-proj-", WORD, 20, Shape::Whole),
];

/// How many bytes at the beginning of prefixes are looked up at each place of a text.
const LOOKED_UP: usize = 3;

/// Finds tokens.
#[derive(Debug)]
pub struct Tokens {
    /// For each of the first bytes of a prefix, by the byte: the kinds that have it there, a bit each.
    tables: Box<[[u32; 256]; LOOKED_UP]>,
}

impl Tokens {
    /// All kinds.
    pub fn new() -> Self {
        let mut tables = Box::new([[0; 256]; LOOKED_UP]);
        for (bit, kind) in KINDS.iter().enumerate() {
            for (table, byte) in tables.iter_mut().zip(kind.prefix.bytes()) {
                table[usize::from(byte)] |= 1 << bit;
            }
        }
        Self { tables }
    }

    /// Adds the places of tokens.
    pub fn find(&self, text: &str, spans: &mut Vec<Range<usize>>) {
        let bytes = text.as_bytes();
        let [first, second, third] = &*self.tables;
        let mut from = 0;
        for (at, next) in bytes.windows(LOOKED_UP).enumerate() {
            let mut kinds = first[usize::from(next[0])] & second[usize::from(next[1])] & third[usize::from(next[2])];
            while kinds != 0 && at >= from {
                let kind = &KINDS[kinds.trailing_zeros() as usize];
                kinds &= kinds - 1;
                if let Some(place) = token(text, at, kind) {
                    from = place.end;
                    spans.push(place);
                }
            }
        }
    }
}

/// The token of a kind that begins there.
fn token(text: &str, at: usize, kind: &Kind) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let behind = bytes[at..].strip_prefix(kind.prefix.as_bytes())?;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || kind.signs.contains(byte);
    // What stands before it must not be part of it: this also keeps the time linear.
    if at.checked_sub(1).is_some_and(|before| is_part(&bytes[before])) {
        return None;
    }
    let length = behind.iter().take_while(|byte| is_part(byte)).count();
    if length < kind.least {
        return None;
    }
    let begin = at + kind.prefix.len();
    let end = begin + length;
    match kind.shape {
        Shape::Whole => Some(at..end),
        Shape::Behind => (kind.least > 8 || is_random(&behind[..length])).then_some(begin..end),
        Shape::OfHeader => is_header(&text[..at]).then_some(begin..end),
        Shape::Parts => parts(bytes, end, is_part).map(|end| at..end),
    }
}

/// Whether it is no word of a sentence: it has a digit or is long.
fn is_random(token: &[u8]) -> bool {
    token.len() >= 20 || token.iter().any(u8::is_ascii_digit)
}

/// Whether the name of the header stands right before it.
fn is_header(before: &str) -> bool {
    let near = before.len().saturating_sub(24);
    before.as_bytes()[near..].to_ascii_lowercase().windows(12).any(|part| part == b"uthorization")
}

/// Where the parts of a JSON Web Token end of which the first ends there; it has two more at least.
fn parts(bytes: &[u8], mut end: usize, is_part: impl Fn(&u8) -> bool) -> Option<usize> {
    let mut count = 0;
    while count < 4 && bytes.get(end) == Some(&b'.') {
        let length = bytes[end + 1..].iter().take_while(|byte| is_part(byte)).count();
        if count == 0 && length == 0 {
            break;
        }
        end += 1 + length;
        count += 1;
    }
    (count >= 2).then_some(end)
}
