//! A stack that is planned in one account and applied in another, as a role of that one.

use crate::place::{ACCOUNT, Place, REGION, Said};
use lakewright::services::Services as _;
use lakewright_aws::{Aws, ask};
use serde_json::{Value, json};

const ELSEWHERE: &str = "210987654321";
const ROLE: &str = "arn:aws:iam::210987654321:role/teams/deployer";
const ANYTHING: &str =
    r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;

fn stack(lines: &str) -> String {
    format!(
        "[stack]\nname = \"far\"\nregion = \"{REGION}\"\n{lines}\n[resource.sns_topic.hook]\nname = \"far-hook\"\n\
         [resource.log_group.notes]\nname = \"/lakewright/far/notes\"\nretention_days = 7\n"
    )
}

fn far(place: &Place) -> Aws {
    Aws::with_keys(REGION, &place.url, ELSEWHERE, "secret").unwrap()
}

/// A role of the other account that may do anything there.
async fn deployer(place: &Place, trust: &Value) {
    let iam = far(place).iam();
    let call = iam.create_role().role_name("deployer").path("/teams/").assume_role_policy_document(trust.to_string());
    ask(call.send()).await.unwrap();
    let call = iam.put_role_policy().role_name("deployer").policy_name("own").policy_document(ANYTHING);
    ask(call.send()).await.unwrap();
}

async fn topics(aws: &Aws) -> Vec<String> {
    let topics = ask(aws.sns().list_topics().send()).await.unwrap();
    topics.topics().iter().filter_map(|topic| topic.topic_arn().map(str::to_owned)).collect()
}

async fn says(place: &Place, words: &[&str], code: i32) -> Said {
    let said = place.run(words).await;
    assert_eq!(said.code, Some(code), "{words:?}\n{}\n{}", said.out, said.err);
    said
}

/// What the file holds, and its path.
fn write(place: &Place, text: &str) -> String {
    let path = place.folder.path().join("far.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_is_applied_in_the_account_of_its_role() {
    let place = Place::new().await;
    let file = &write(&place, &stack(&format!("role = \"{ROLE}\"")));
    // Before anybody has made the role, it is said what it takes.
    let refused = says(&place, &["plan", file], 1).await.err;
    for part in [
        ROLE,
        "`external_id` in [stack]",
        "AccessDenied",
        "sts:AssumeRole",
        "trust policy",
        "lakewright permissions --for caller",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    let who = json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:root")});
    let trust = json!({"Effect": "Allow", "Principal": who, "Action": "sts:AssumeRole"});
    deployer(&place, &json!({"Version": "2012-10-17", "Statement": [trust]})).await;

    let said = says(&place, &["plan", file, "--format", "json", "--detailed-exitcode"], 2).await;
    let plan: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&plan["account"], &plan["region"], &plan["role"]), (&json!(ELSEWHERE), &json!(REGION), &json!(ROLE)));
    let saved = &place.folder.path().join("far.plan").display().to_string();
    let said = says(&place, &["plan", file, "--out", saved], 0).await;
    assert!(said.err.contains(&format!("Stack far in account {ELSEWHERE}, {REGION}, as {ROLE}\n")), "{}", said.err);
    let header: Value = serde_json::from_str(&std::fs::read_to_string(saved).unwrap()).unwrap();
    assert_eq!((&header["account"], &header["role"]["arn"]), (&json!(ELSEWHERE), &json!(ROLE)));
    let shown = says(&place, &["show", saved, "--format", "markdown"], 0).await.out;
    assert!(shown.contains(&format!("In `account {ELSEWHERE}, {REGION}, as {ROLE}`.")), "{shown}");

    // A saved plan says where it belongs by itself, and isn't applied as anybody else.
    let refused = says(&place, &["apply", saved, "--yes", "--no-role"], 1).await.err;
    assert!(
        refused.contains(&format!("a plan for the account {ELSEWHERE}, and this is the account {ACCOUNT}")),
        "{refused}"
    );
    // Nor as a role, or in an account, that the file says nothing of.
    let other = ROLE.replace("/teams/", "/others/");
    for (lines, theirs, ours) in [
        (format!("role = \"{other}\""), format!("the role {ROLE}"), format!("the role {other}")),
        (String::new(), format!("the role {ROLE}"), "the role nobody".to_owned()),
        (format!("account = \"{ACCOUNT}\""), format!("the account {ELSEWHERE}"), format!("the account {ACCOUNT}")),
    ] {
        let named = write(&place, &stack(&lines));
        let refused = says(&place, &["apply", saved, "--stack", &named, "--yes"], 1).await.err;
        assert!(refused.contains(&format!("a plan for {theirs}, and this is {ours}")), "{refused}");
    }
    let file = &write(&place, &stack(&format!("role = \"{ROLE}\"")));
    says(&place, &["apply", saved, "--stack", file, "--yes"], 0).await;
    assert_eq!(topics(&far(&place)).await, [format!("arn:aws:sns:{REGION}:{ELSEWHERE}:far-hook")]);
    assert_eq!(topics(&place.client()).await, [""; 0]);
    says(&place, &["plan", file, "--drift", "--detailed-exitcode"], 0).await;

    for words in [&["status", file][..], &["outputs", file], &["unlock", file, "--yes"], &["check", file, "--quotas"]] {
        says(&place, words, 0).await;
    }
    let refused = says(&place, &["plan", file, "--no-role"], 1).await.err;
    let both = format!("belongs to the account {ELSEWHERE}, and the credentials are of {ACCOUNT}");
    assert!(refused.contains(&both), "{refused}");
    let refused = says(&place, &["unlock", file, "--no-role", "--yes"], 1).await.err;
    assert!(refused.contains(&both), "{refused}");
    says(&place, &["destroy", file, "--yes", "--allow-data-loss", "all"], 0).await;
    assert_eq!(topics(&far(&place)).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_lets_in_whom_it_trusts_by_what_permissions_prints() {
    let place = Place::enforcing().await;
    let with = |id: &str| stack(&format!("role = \"{ROLE}\"\nexternal_id = \"{id}\""));
    let file = &write(&place, &with("ours"));
    let caller = format!("arn:aws:iam::{ACCOUNT}:root");
    let printed = says(&place, &["permissions", file, "--for", "caller", "--caller", &caller], 0).await;
    let printed: Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(printed["far-caller-1"]["Statement"][0]["Resource"], json!([ROLE]));
    deployer(&place, &printed["far-caller-trust"]).await;
    says(&place, &["apply", file, "--yes"], 0).await;
    assert_eq!(topics(&far(&place)).await.len(), 1);

    let file = &write(&place, &with("theirs"));
    let refused = says(&place, &["plan", file], 1).await.err;
    assert!(refused.contains(ROLE) && refused.contains("the external id `theirs`"), "{refused}");
}

#[tokio::test]
async fn what_permissions_prints_is_of_the_roles_account() {
    let place = Place::new().await;
    let file = &write(&place, &stack(&format!("role = \"{ROLE}\"")));
    let said = says(&place, &["permissions", file], 0).await;
    assert!(said.err.contains(ROLE) && said.out.contains(&format!(":sns:{REGION}:{ELSEWHERE}:")), "{}", said.out);
    assert!(!said.out.contains(ACCOUNT), "{}", said.out);
    // Whoever works as the role can't change it.
    let policies: Value = serde_json::from_str(&said.out).unwrap();
    let mut statements = policies.as_object().unwrap().values().flat_map(|one| one["Statement"].as_array().unwrap());
    let denied = statements.find(|one| one["Sid"] == "TheRole").unwrap();
    assert!(denied["Resource"] == json!([ROLE]) && denied["Action"].to_string().contains("iam:Put*"), "{denied}");
    let refused = says(&place, &["permissions", file, "--caller", ROLE], 1).await.err;
    assert!(refused.contains("--for caller"), "{refused}");
    let refused = says(&place, &["permissions", file, "--for", "caller", "--account", ACCOUNT], 1).await.err;
    assert!(refused.contains(&format!("--account says {ACCOUNT}, and the stack belongs to {ELSEWHERE}")), "{refused}");
    let file = &write(&place, &stack(""));
    let refused = says(&place, &["permissions", file, "--for", "caller"], 1).await.err;
    assert!(refused.contains("names no role") && refused.contains("write `role = "), "{refused}");
}
