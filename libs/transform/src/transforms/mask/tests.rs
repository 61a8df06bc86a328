use super::*;

fn hider(what: &[Secret], patterns: &[&str], by: Hiding) -> Hider {
    let settings = Mask {
        fields: Vec::new(),
        what: what.to_vec(),
        patterns: patterns.iter().map(ToString::to_string).collect(),
        by,
        with: "***".to_owned(),
    };
    Masking::new(&settings).expect("a mask").hider
}

fn hidden(what: Secret, text: &str) -> String {
    hider(&[what], &[], Hiding::Replace).text(text).unwrap_or_else(|| text.to_owned())
}

#[test]
fn addresses() {
    for (text, masked) in [
        ("from ann@example.com to Bob.O'Neil+x@mail.example.co.uk.", "from *** to ***."),
        ("<ann@example.com>,(b@c.de)", "<***>,(***)"),
        ("GET /users/ann%40example.com/orders", "GET /users/***/orders"),
        ("user=åsa@exämple.se!", "user=***!"),
        ("mail('ann@example.com')", "mail('***')"),
        ("a@b@c.de", "a@***"),
        ("ssh root@10.0.0.1 root@localhost @media user@ @", "ssh root@10.0.0.1 root@localhost @media user@ @"),
        ("a@b..com x@.com 50%", "a@b..com x@.com 50%"),
    ] {
        assert_eq!(hidden(Secret::Email, text), masked, "{text}");
    }
}

#[test]
fn cards_by_issuer_length_and_check_digit() {
    for card in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4222222222222",
        "5500005555555559",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "30569309025904",
        "3530111333300000",
        "6011111111111117",
        "6200000000000005",
    ] {
        for (before, behind) in
            [("", ""), ("card=", ";"), ("\"", "\""), ("order 17: ", " 12/27"), ("card_", "."), ("\u{e5}", "\u{e5}")]
        {
            let text = format!("{before}{card}{behind}");
            assert_eq!(hidden(Secret::Card, &text), format!("{before}***{behind}"), "{text}");
        }
    }
    let two = "4111 1111 1111 1111 5500 0055 5555 5559";
    assert_eq!(hidden(Secret::Card, two), "*** ***");
}

#[test]
fn numbers_that_are_no_cards_stay() {
    for text in [
        // The check digit is wrong.
        "4111111111111112",
        "5500 0055 5555 5558",
        // Milliseconds, microseconds and nanoseconds, of which one in ten passes the check digit.
        "1647725122227",
        "1548138160707",
        "1767366245123456",
        "1767366245123456789",
        // Part of something longer.
        "41111111111111111111",
        "a4111111111111111",
        "4111111111111111f",
        "0.4111111111111111",
        "4111111111111111.5",
        "47223179-9330-4259-b66c-f2db26efb20c",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "2024-11-30 17:54:04",
        "+46 70 123 45 67",
        "",
    ] {
        assert_eq!(hidden(Secret::Card, text), text);
    }
    let millis =
        (1_700_000_000_000_u64..1_700_000_002_000).filter(|number| hidden(Secret::Card, &number.to_string()) == "***");
    assert_eq!(millis.count(), 0);
}

#[test]
fn tokens() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let key = format!("ghp_{}", "a1".repeat(18));
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    for (text, masked) in [
        (format!("token {jwt}, next"), "token ***, next".to_owned()),
        (format!("Authorization: Bearer {jwt}"), "Authorization: Bearer ***".to_owned()),
        ("authorization: bearer abc.def-123/x== next".to_owned(), "authorization: bearer *** next".to_owned()),
        ("Authorization: Basic dXNlcjpwYXNz".to_owned(), "Authorization: Basic ***".to_owned()),
        ("key AKIAIOSFODNN7EXAMPLE.".to_owned(), "key ***.".to_owned()),
        (format!("aws_secret_access_key={secret}"), "aws_secret_access_key=***".to_owned()),
        (format!("push with {key}"), "push with ***".to_owned()),
        (format!("AIza{}", "b".repeat(35)), "***".to_owned()),
        (format!("xoxb-{}", "12345-abcde"), "***".to_owned()),
    ] {
        assert_eq!(hidden(Secret::Token, &text), masked, "{text}");
    }
    for text in [
        "the bearer of this",
        "bearer documentation",
        "Basic information",
        "eyJhbGciOiJIUzI1NiJ9",
        "AKIA",
        "XAKIAIOSFODNN7EXAMPLE",
        "sk_live_x",
    ] {
        assert_eq!(hidden(Secret::Token, text), text);
    }
}

#[test]
fn patterns_hide_a_match_or_its_secret() {
    let hider = hider(&[], &["pin=(?<secret>[0-9]+)", "[0-9]{6}-[0-9]{4}"], Hiding::Replace);
    assert_eq!(hider.text("pin=1234 born 850709-9805").as_deref(), Some("pin=*** born ***"));
    assert_eq!(hider.text("pin= none"), None);
}

#[test]
fn the_last_four_are_shown_of_what_is_long() {
    let hider = hider(&[Secret::Card], &["[0-9]{8}"], Hiding::Last4);
    assert_eq!(hider.text("4111 1111 1111 1111").as_deref(), Some("***************1111"));
    assert_eq!(hider.text("12345678").as_deref(), Some("********"));
}

#[test]
fn texts_and_numbers_in_json_are_hidden_and_names_are_not() {
    let hider = hider(&[Secret::Email, Secret::Card], &[], Hiding::Replace);
    for (json, masked) in [
        (r#"{"a@b.de" : "a@b.de", "n": [4111111111111111, 17, "x"]}"#, r#"{"a@b.de" : "***", "n": ["***", 17, "x"]}"#),
        (r#""say \"a@b.de\" \n""#, r#""say \"***\" \n""#),
        // Behind escapes.
        (r#""a\u0040b.de""#, r#""***""#),
        (r#"["\ud800 a@b.de"]"#, "[\"\u{fffd} ***\"]"),
        (r#""4111\u0020111111111111""#, r#""4111\u0020111111111111""#),
    ] {
        let found = hider.raw(json).unwrap_or_else(|| json.to_owned());
        assert_eq!(found, masked, "{json}");
        serde_json::from_str::<serde_json::Value>(&found).expect("JSON");
    }
    assert_eq!(hider.raw(r#"{"a":1,"b":["x",null,true,1.5e3]}"#), None);
}

#[test]
fn a_text_on_which_an_expression_takes_long_is_hidden_as_a_whole_from_there_on() {
    let hider = hider(&[], &["(?:.*[^A-Z*]|[A-Z])"], Hiding::Replace);
    let text = "A".repeat(200_000);
    let masked = hider.text(&text).expect("hidden");
    assert!(masked.len() < 4 * text.len() && !masked.contains('A'));
}

#[test]
fn what_a_mask_cannot_be_is_told() {
    let settings = |patterns: &[&str], with: &str| Mask {
        fields: Vec::new(),
        what: vec![Secret::Email],
        patterns: patterns.iter().map(ToString::to_string).collect(),
        by: Hiding::Replace,
        with: with.to_owned(),
    };
    for (settings, part) in [
        (settings(&["a*"], "***"), "matches nothing"),
        (settings(&["("], "***"), "unclosed group"),
        (settings(&[], "x@example.com"), "hidden again"),
        (settings(&[], &"x".repeat(65)), "65 bytes"),
        (Mask { what: Vec::new(), ..settings(&[], "***") }, "nothing is hidden"),
    ] {
        let mistakes = Masking::new(&settings).expect_err(part);
        assert!(mistakes.iter().any(|mistake| mistake.what.contains(part)), "{mistakes:?}");
    }
}
