//! What the scanner takes for JSON.

use super::*;

fn accepts(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.value().and_then(|_| scanner.end()).is_ok()
}

#[test]
fn it_accepts_what_serde_json_accepts_and_nothing_else() {
    let texts = [
        "{}",
        "[]",
        " [ 1 , 2 ] ",
        "{\"a\":{\"b\":[null,true,false,-0.5e+3]}}",
        "\"\\u00e9\\ud83d\\ude00\"",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "tru",
        "nul",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\"}",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"a\nb\"",
        "\"abcdefgh\u{1}\"",
        "\"open",
        "[1 2]",
        "1 2",
        "",
        "   ",
        "[[[[[[]]]]]]",
        "-0",
        "0e0",
        "\"é\u{7f}ÿabcdefghijklmnop\"",
        "{\"a\":1 \"b\":2}",
        "[}",
        "\"\\",
        "\"\\u12\"",
        "nulll",
        "{\"\":\"\"}",
    ];
    for text in texts {
        assert_eq!(accepts(text), serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
    }
}

#[test]
fn cut_and_mutated_messages_are_judged_as_serde_json_does() {
    let message = r#"{"table":"sales","data":{"a\n\"b":"\u00e9","n":-12.50e2,"l":[1,[],{"x":null}],"t":true}}"#;
    for end in 0..message.len() {
        assert!(!accepts(&message[..end]), "{end}");
        for byte in [b'"', b'\\', b',', b'}', b' ', b'0', b'\n', b'e', b':'] {
            let mut bytes = message.as_bytes().to_vec();
            bytes[end] = byte;
            let text = String::from_utf8(bytes).expect("ASCII");
            let expected = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            assert_eq!(accepts(&text), expected, "{text}");
        }
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow() {
    let deep = "[".repeat(100_000);
    assert_eq!(Scanner::new(&deep).value().expect_err("too deep").expected(), "less nesting");
}

#[test]
fn names_are_recognised_whatever_their_length() {
    for name in ["", "a", "fifteen_byte", "sixteen_bytes", "a_name_of_more_than_sixteen_bytes", "é\"\\\n"] {
        let written = format!("{}:1}}", serde_json::Value::from(name));
        for text in [written.clone(), format!("{written}                    ")] {
            let mut scanner = Scanner::new(&text);
            assert!(scanner.takes(&Name::new(name)), "{text}");
            assert!(scanner.next_is(b'1'), "{text}");
            for other in
                ["b", "sixteen_byteS", "a_name_of_more_than_sixteen_byteS", "a_name_of_more_than_sixteen_bytes_"]
            {
                assert!(!Scanner::new(&text).takes(&Name::new(other)), "{text}: {other}");
            }
            for end in 0..written.len() - 2 {
                if text.is_char_boundary(end) {
                    assert!(!Scanner::new(&text[..end]).takes(&Name::new(name)), "{}", &text[..end]);
                }
            }
        }
    }
}
