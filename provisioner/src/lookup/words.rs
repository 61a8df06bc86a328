//! A line cut into words, phrases in quotes, values of fields and breaks, each as it is compared.

/// What a piece of a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A word.
    Word,
    /// What stood in quotes.
    Phrase,
    /// `field:value`; whether the value stood in quotes.
    Exact(String, bool),
    /// A comma or the like: what stands around it doesn't belong together.
    Break,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// As it was typed.
    pub raw: String,
    /// As it is compared: in lower case, without diacritics.
    pub fold: String,
    /// What it is.
    pub kind: Kind,
    /// Whether a minus stood before it.
    pub excluded: bool,
    /// Whether `fold` is another word than the one that was typed, which is taken for a slip.
    pub corrected: bool,
}

impl Token {
    fn new(raw: &str, kind: Kind, excluded: bool) -> Self {
        Self { raw: raw.to_owned(), fold: fold(raw), kind, excluded, corrected: false }
    }

    /// Whether it is a word.
    pub fn is_word(&self) -> bool {
        self.kind == Kind::Word
    }
}

/// The text in lower case and without the diacritics of Latin letters; wide digits are digits.
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars().flat_map(char::to_lowercase) {
        let latin = match letter {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ą' | 'ă' => "a",
            'ç' | 'ć' | 'č' => "c",
            'ď' => "d",
            'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' => "e",
            'ğ' => "g",
            'ì' | 'í' | 'î' | 'ï' => "i",
            'ł' => "l",
            'ñ' | 'ń' | 'ň' => "n",
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ő' => "o",
            'ř' => "r",
            'ś' | 'š' | 'ş' => "s",
            'ť' => "t",
            'ù' | 'ú' | 'û' | 'ü' | 'ů' | 'ű' => "u",
            'ý' | 'ÿ' => "y",
            'ź' | 'ż' | 'ž' => "z",
            'ß' => "ss",
            'æ' => "ae",
            'œ' => "oe",
            '’' | '‘' => "'",
            // A combining mark of a letter that was written in two.
            '\u{300}'..='\u{36f}' => "",
            '０'..='９' => {
                out.push(char::from_u32(u32::from(letter) - 0xfee0).unwrap_or(letter));
                continue;
            }
            other => {
                out.push(other);
                continue;
            }
        };
        out.push_str(latin);
    }
    out
}

/// The words of a value that an index holds, as they are compared.
pub fn of_value(value: &str) -> Vec<String> {
    value.split_whitespace().map(fold).filter(|word| word.chars().any(char::is_alphanumeric)).collect()
}

/// Whether a letter is one of a script that puts no spaces between words.
pub fn is_dense(letter: char) -> bool {
    matches!(letter, '\u{3005}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ff66}'..='\u{ff9f}')
}

/// The pieces of a line. `dense` holds the known words of scripts without spaces.
pub fn read(line: &str, dense: &[String]) -> Vec<Token> {
    let letters: Vec<char> = line.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        if letter.is_whitespace() {
            at += 1;
            continue;
        }
        if breaks(letter) {
            tokens.push(Token::new("", Kind::Break, false));
            at += 1;
            continue;
        }
        let next = letters.get(at + 1).copied();
        let excluded =
            matches!(letter, '-' | '−') && next.is_some_and(|next| next.is_alphanumeric() || closing(next).is_some());
        at += usize::from(excluded);
        if let Some(end) = closing(letters[at]) {
            let (text, after) = quoted(&letters, at + 1, end);
            if !text.trim().is_empty() {
                tokens.push(Token::new(text.trim(), Kind::Phrase, excluded));
            }
            at = after;
            continue;
        }
        let start = at;
        while letters
            .get(at)
            .is_some_and(|letter| !letter.is_whitespace() && !breaks(*letter) && closing(*letter).is_none())
        {
            if letters[at] == ':' && is_field(&letters[start..at]) && begins_value(letters.get(at + 1)) {
                break;
            }
            at += 1;
        }
        let word: String = letters[start..at].iter().collect();
        if letters.get(at) == Some(&':') {
            let (value, quotes, after) = value(&letters, at + 1);
            tokens.push(Token::new(&value, Kind::Exact(word, quotes), excluded));
            at = after;
        } else {
            push_word(&mut tokens, &word, excluded, dense);
        }
        // A quote that opens nothing.
        at = at.max(start + 1);
    }
    tokens
}

fn breaks(letter: char) -> bool {
    matches!(letter, ',' | ';' | '、' | '。' | '，' | '|')
}

/// What closes a quotation that the letter opens.
fn closing(letter: char) -> Option<char> {
    Some(match letter {
        '"' => '"',
        '“' | '„' => '”',
        '«' => '»',
        '「' => '」',
        _ => return None,
    })
}

/// The text up to a closing quote or the end, and where it goes on.
fn quoted(letters: &[char], from: usize, end: char) -> (String, usize) {
    let closes = |letter: &char| *letter == end || (end == '”' && matches!(letter, '“' | '"'));
    let length = letters[from..].iter().position(closes).unwrap_or(letters.len() - from);
    (letters[from..from + length].iter().collect(), (from + length + 1).min(letters.len()))
}

fn is_field(letters: &[char]) -> bool {
    let first = letters.first().is_some_and(|letter| letter.is_ascii_alphabetic() || matches!(letter, '_' | '@'));
    first && letters.iter().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '@' | '-'))
}

fn begins_value(letter: Option<&char>) -> bool {
    letter.is_some_and(|letter| !letter.is_whitespace() && !breaks(*letter) && *letter != '/')
}

/// A field's value, whether it stood in quotes, and where the line goes on.
fn value(letters: &[char], from: usize) -> (String, bool, usize) {
    if let Some(end) = closing(letters[from]) {
        let (text, after) = quoted(letters, from + 1, end);
        return (text, true, after);
    }
    let length = letters[from..].iter().position(|letter| letter.is_whitespace() || breaks(*letter));
    let end = length.map_or(letters.len(), |length| from + length);
    (letters[from..end].iter().collect(), false, end)
}

/// Adds a word without the marks around it; one of dates with `..` between them is three.
fn push_word(tokens: &mut Vec<Token>, word: &str, excluded: bool, dense: &[String]) {
    if matches!(word, "-" | "–" | "..") {
        tokens.push(Token::new("..", Kind::Word, false));
        return;
    }
    if let Some((first, second)) =
        word.split_once("..").filter(|(first, second)| !first.is_empty() && !second.is_empty())
    {
        push_word(tokens, first, excluded, dense);
        tokens.push(Token::new("..", Kind::Word, false));
        push_word(tokens, second, excluded, dense);
        return;
    }
    let word = word.trim_matches(|letter: char| !letter.is_alphanumeric() && letter != 'ー');
    let word = without_article(word);
    if word.is_empty() {
        return;
    }
    if word.chars().any(is_dense) {
        cut(tokens, word, excluded, dense);
        return;
    }
    tokens.push(Token::new(word, Kind::Word, excluded));
}

/// The word without a French article or preposition that an apostrophe ties to it, and without an English genitive.
fn without_article(word: &str) -> &str {
    let apostrophes = ['\'', '’'];
    if let Some((before, after)) = word.split_once(apostrophes) {
        if matches!(before.to_lowercase().as_str(), "l" | "d" | "j" | "n" | "s" | "c" | "qu")
            && after.chars().count() > 1
        {
            return after;
        }
        if after == "s" {
            return before;
        }
    }
    word
}

/// Cuts a text without spaces: the longest known word at each place, numbers, Latin words, and what is left between.
fn cut(tokens: &mut Vec<Token>, text: &str, excluded: bool, dense: &[String]) {
    let mut rest = text;
    let mut unknown = String::new();
    while let Some(letter) = rest.chars().next() {
        let spaced = |letter: char| !is_dense(letter);
        let folded = fold(rest);
        let known =
            dense.iter().filter(|word| folded.starts_with(word.as_str())).map(|word| word.chars().count()).max();
        let length: usize = match known {
            Some(count) => rest.chars().take(count).map(char::len_utf8).sum(),
            // Dates have marks between their numbers.
            None if letter.is_numeric() => {
                let goes_on = |letter: char| letter.is_numeric() || matches!(letter, '-' | '/' | '.' | ':');
                rest.find(|letter: char| !goes_on(letter)).unwrap_or(rest.len())
            }
            None if spaced(letter) => {
                rest.find(|letter: char| !spaced(letter) || letter.is_numeric()).unwrap_or(rest.len())
            }
            None => {
                unknown.push(letter);
                rest = &rest[letter.len_utf8()..];
                continue;
            }
        };
        if !unknown.is_empty() {
            tokens.push(Token::new(&std::mem::take(&mut unknown), Kind::Word, excluded));
        }
        tokens.push(Token::new(&rest[..length], Kind::Word, excluded));
        rest = &rest[length..];
    }
    if !unknown.is_empty() {
        tokens.push(Token::new(&unknown, Kind::Word, excluded));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Vec<String> {
        let dense: Vec<String> = ["東京", "で", "購入", "月", "年"].map(str::to_owned).to_vec();
        read(line, &dense)
            .iter()
            .map(|token| {
                let minus = if token.excluded { "-" } else { "" };
                match &token.kind {
                    Kind::Word => format!("{minus}{}", token.fold),
                    Kind::Phrase => format!("{minus}\"{}\"", token.raw),
                    Kind::Exact(field, _) => format!("{minus}{field}={}", token.raw),
                    Kind::Break => ",".to_owned(),
                }
            })
            .collect()
    }

    #[test]
    fn a_line_is_cut_where_people_would() {
        assert_eq!(shown("Chrome, Malmö (2023-09)"), ["chrome", ",", "malmo", "2023-09"]);
        assert_eq!(
            shown("\"matte lipstick\" -Chrome -\"eye liner\""),
            ["\"matte lipstick\"", "-chrome", "-\"eye liner\""]
        );
        assert_eq!(shown("event_type:search at:\"a b\", x"), ["event_type=search", "at=a b", ",", "x"]);
        assert_eq!(shown("http://a/b 10:30 t-shirt a:"), ["http://a/b", "10:30", "t-shirt", "a"]);
        assert_eq!(shown("l'Allemagne aujourd'hui customer's"), ["allemagne", "aujourd'hui", "customer"]);
        assert_eq!(shown("2023-01..2023-02 a - b"), ["2023-01", "..", "2023-02", "a", "..", "b"]);
        assert_eq!(
            shown("2023年9月に東京でlipstick購入"),
            ["2023", "年", "9", "月", "に", "東京", "で", "lipstick", "購入"]
        );
        assert_eq!(shown("\" \"  ' \u{201c}open"), ["\"open\""]);
    }
}
