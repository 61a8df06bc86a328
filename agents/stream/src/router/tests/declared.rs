//! Tables and declarations that differ: what was renamed, what isn't there yet.

use super::*;

#[test]
fn a_renamed_column_takes_messages_under_either_name() {
    let renamed =
        [declared("user_id", "string", true), Column { was: Some("mail".into()), ..declared("email", "string", true) }];
    let columns = |name| {
        let mut fields = vec![("user_id", text(), true), (name, text(), true)];
        fields.extend(place_fields());
        schema(&fields)
    };
    // The catalog may be renamed before or after the agent learns of it.
    for catalog in ["mail", "email"] {
        let users = Rows::declared(&columns(catalog), &renamed, false).expect("users");
        let mut fields = vec![("reason", text(), true)];
        fields.extend(place_fields());
        let dead = Rows::dead_letters(&schema(&fields)).expect("dead letters");
        let topic = Topic {
            name: "facts".into(),
            key: "c/t".into(),
            id: "t".into(),
            tables: vec![("users".into(), 0)],
            way: Way::Envelope,
        };
        let mut router = Router::new(vec![topic], vec![users], vec![false], dead, OnReject::DeadLetters);
        for (offset, data) in [
            r#"{"user_id":"a","mail":"a@x"}"#,
            r#"{"email":"b@x","user_id":"b"}"#,
            r#"{"user_id":"c","mail":"old","email":"c@x"}"#,
            r#"{"email":"d@x","mail":"old","user_id":"d"}"#,
        ]
        .into_iter()
        .enumerate()
        {
            take(&mut router, Some(format!(r#"{{"table":"users","data":{data}}}"#).as_bytes()), offset as i64);
        }
        take(&mut router, Some(br#"{"table":"users","data":{"user_id":"e","mail":"1","mail":"2"}}"#), 9);
        let batches = router.drain().expect("drained");
        let [(Some(0), Batch { rows: users, .. }), (None, Batch { rows: dead, .. })] = batches.as_slice() else {
            panic!("rows and a dead letter: {batches:?}")
        };
        let mails = users.column_by_name(catalog).expect(catalog).as_string::<i32>();
        assert_eq!(mails.iter().flatten().collect::<Vec<_>>(), ["a@x", "b@x", "c@x", "d@x"]);
        let reasons = dead.column_by_name("reason").expect("reason").as_string::<i32>();
        assert_eq!(reasons.value(0), "`mail` stands there twice");
    }
}

#[test]
fn a_table_that_lags_behind_its_declaration_is_refused() {
    let mut fields = vec![("user_id", text(), true)];
    fields.extend(place_fields());
    let user = declared("user_id", "string", true);
    let added = [user.clone(), declared("age", "int", false)];
    let error = Rows::declared(&schema(&fields), &added, false).expect_err("no such column").to_string();
    assert!(error.contains("no column `age` yet"), "{error}");
    let other = [declared("user_id", "int", true)];
    let error = Rows::declared(&schema(&fields), &other, false).expect_err("another type").to_string();
    assert!(error.contains("declared as int, the table has string"), "{error}");
    fields.push(("extra", text(), true));
    let error = Rows::declared(&schema(&fields), &[user], false).expect_err("required").to_string();
    assert!(error.contains("requires the column `extra`"), "{error}");
}
