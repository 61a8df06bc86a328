//! Who logs in to the search index, by what, and where nobody may go without.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{expanded, mistakes, parsed, shipped, spec};
use crate::checks::{NEVER_IN_PRODUCTION, RULES, findings};
use crate::resource::Desired;
use crate::stack::{Given, load};

/// A stack with a shipper and a search host, with more lines of `[stack]` and of `[search]`.
fn text(stack: &str, search: &str) -> String {
    format!(
        r#"[stack]
name = "shop"
{stack}
[kafka]
[keys.main]
[buckets.raw]
[buckets.backup]
[topics.es_events]
[hosts.app]
agents = ["shipper"]
[hosts.search]
data_volume_gib = 20
[search]
host = "search"
{search}
"#
    )
}

fn with(search: &str) -> Desired {
    expanded(&parsed(&text("keys = \"one\"", search)))
}

fn addresses(desired: &Desired) -> BTreeSet<String> {
    desired.resources.iter().map(|one| one.address.to_string()).collect()
}

fn statement<'a>(policy: &'a Value, sid: &str) -> Option<&'a Value> {
    policy["Statement"].as_array().expect("a list").iter().find(|one| one["Sid"] == sid)
}

fn shippers_search(desired: &Desired) -> Value {
    let config = spec(desired, "object.app-shipper")["content"].as_str().expect("JSON");
    serde_json::from_str::<Value>(config).expect("JSON")["search"].clone()
}

#[test]
fn by_default_there_are_users_with_secrets_that_their_hosts_alone_read() {
    let desired = with("rotate_after = \"90d\"");
    for (user, of) in [("admin", "superuser"), ("shipper", "shipper")] {
        let secret = spec(&desired, &format!("secret.search-{user}"));
        assert_eq!(secret["name"], format!("lakewright/shop/search-{user}"));
        assert_eq!((&secret["username"], &secret["rotate_after_days"]), (&json!(user), &json!(90)));
        assert_eq!(secret["key"], "${key.main.arn}");
        assert!(secret["description"].as_str().is_some_and(|text| text.contains(of)), "{secret}");
    }
    let host = &spec(&desired, "role.search")["policies"]["host"];
    let users = statement(host, "SearchUsers").expect("a statement");
    assert_eq!(users["Resource"], json!(["${secret.search-admin.arn}", "${secret.search-shipper.arn}"]));
    let authority = statement(host, "SearchAuthority").expect("a statement");
    assert_eq!(authority["Action"], json!(["s3:GetObject", "s3:PutObject"]));
    assert_eq!(authority["Resource"], json!(["arn:aws:s3:::shop-artifacts-123456789012/search/authority.pem"]));
    let shipper = &spec(&desired, "role.app")["policies"]["shipper"];
    assert_eq!(
        statement(shipper, "SearchUsers").expect("a statement")["Resource"],
        json!(["${secret.search-shipper.arn}"]),
        "it reads nobody else's"
    );
    assert_eq!(statement(shipper, "SearchAuthority").expect("a statement")["Action"], json!(["s3:GetObject"]));
    assert!(!shipper.to_string().contains("search-admin"));
    assert!(statement(shipper, "SearchUsersKey").is_some());
}

#[test]
fn the_shipper_logs_in_over_tls_and_trusts_what_the_host_published() {
    let desired = with("");
    assert_eq!(
        shippers_search(&desired),
        json!({
            "url": "https://search.shop.internal:9200",
            "login": {
                "secret": "lakewright/shop/search-shipper",
                "authority": "s3://shop-artifacts-123456789012/search/authority.pem",
            },
        })
    );
    let object = desired.resources.iter().find(|one| one.address.to_string() == "object.app-shipper");
    let after = &object.expect("the configuration").after;
    assert!(after.iter().any(|address| address.to_string() == "secret.search-shipper"), "{after:?}");
}

#[test]
fn no_secret_stands_in_the_user_data() {
    let desired = with("");
    let data = spec(&desired, "launch_template.search-0")["user_data"].as_str().expect("text").to_owned();
    assert!(
        data.contains("LOGINS=lakewright/shop/search-\n") && data.contains("NAME=search.shop.internal\n"),
        "{data}"
    );
    assert!(data.len() < 16_384, "EC2 takes 16 KiB of user data, this is {}", data.len());
    assert!(!data.contains("${secret."), "no value of a secret is asked for");
}

#[test]
fn without_a_shipper_there_is_no_user_for_it() {
    assert!(addresses(&with("")).contains("secret.search-shipper"));
    let text = text("keys = \"one\"", "").replace("agents = [\"shipper\"]", "agents = []");
    let desired = expanded(&parsed(&text));
    let all = addresses(&desired);
    assert!(all.contains("secret.search-admin") && !all.contains("secret.search-shipper"), "{all:?}");
    let data = spec(&desired, "launch_template.search-0")["user_data"].as_str().expect("text").to_owned();
    assert!(data.contains("USERS=\"admin:superuser\"\n"), "{data}");
}

#[test]
fn without_logins_nobody_has_a_secret_or_a_right() {
    let desired = with("login = false");
    assert!(!addresses(&desired).iter().any(|address| address.starts_with("secret.")));
    assert_eq!(shippers_search(&desired), json!({ "url": "http://search.shop.internal:9200" }));
    for role in ["role.search", "role.app"] {
        let policies = spec(&desired, role)["policies"].to_string();
        assert!(!policies.contains("SearchUsers") && !policies.contains("SearchAuthority"), "{policies}");
    }
    let found = findings(&desired, &[]);
    let found: Vec<&str> = found.iter().map(|one| one.rule.name).filter(|name| name.starts_with("search")).collect();
    assert_eq!(found, ["search-open"]);
    assert!(!findings(&with(""), &[]).iter().any(|one| one.rule.name.starts_with("search")));
}

#[test]
fn whom_the_shipper_trusts_is_said_by_the_search_host_and_deployers_alone() {
    let desired = expanded(&parsed(&text("deployers = [\"role/deployer\"]", "")));
    let policy = &spec(&desired, "bucket.artifacts")["policy"];
    let denied = statement(policy, "AuthorityByHost").expect("a statement");
    assert_eq!((&denied["Effect"], &denied["Principal"]), (&json!("Deny"), &json!("*")));
    assert_eq!(denied["Resource"], json!(["arn:aws:s3:::shop-artifacts-123456789012/search/*"]));
    let writers = denied["Condition"]["ArnNotLike"]["aws:PrincipalArn"].to_string();
    for writer in ["role/lakewright/shop/shop-search", "role/shop-search", "role/deployer", ":root"] {
        assert!(writers.contains(&format!("{writer}\"")), "{writer}: {writers}");
    }
    // What `apply --move-roles` makes of its role.
    for writer in ["role/lakewright/shop/shop-search-2", "role/shop-search-2"] {
        assert!(writers.contains(&format!("{writer}\"")), "{writer}: {writers}");
    }
    assert!(!writers.contains("shop-app"), "{writers}");
    let open = expanded(&parsed(&text("deployers = [\"role/deployer\"]", "login = false")));
    assert!(statement(&spec(&open, "bucket.artifacts")["policy"], "AuthorityByHost").is_none());
    // Nor does a prefix of the file lead anybody there.
    let said = mistakes(
        &format!(
            "{}\n[agents.shipper]\nbackup_bucket = \"artifacts\"\nbackup_prefix = \"search/x\"\n[buckets.artifacts]\n",
            text("", "")
        ),
        &[],
    );
    assert!(said.contains("whom the shipper trusts stands there"), "{said}");
}

#[test]
fn a_production_stack_has_logins_whatever_its_reasons() {
    let production = "environment = \"production\"";
    let said = mistakes(&text(production, "login = false"), &[]);
    assert!(said.contains("search asks nobody who they are in a production stack"), "{said}");
    assert!(said.contains("take `login = false` away"), "{said}");
    for rule in NEVER_IN_PRODUCTION {
        let allow = format!("[allow.{rule}]\n\"launch_template.search-0\" = \"nobody looks\"\n");
        let said = mistakes(&format!("{}{allow}", text(production, "")), &[]);
        assert!(said.contains(&format!("`{rule}` can't be allowed in a production stack")), "{said}");
        assert_eq!(mistakes(&format!("{}{allow}", text("", "")), &[]), "no mistakes");
    }
    assert_eq!(mistakes(&text(production, ""), &[]), "no mistakes");
    assert_eq!(mistakes(&text("", "login = false"), &[]), "no mistakes");
    assert!(RULES.iter().filter(|rule| NEVER_IN_PRODUCTION.contains(&rule.name)).all(|rule| !rule.fix.is_empty()));
}

#[test]
fn the_shipped_production_stack_refuses_a_search_host_without_logins() {
    let stack = shipped("production.toml");
    let open = findings(&expanded(&stack), &crate::app::allowed(&stack));
    assert!(!open.iter().any(|one| one.rule.name.starts_with("search")), "{open:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/production.toml");
    let shipped = shipped.canonicalize().expect("the stack");
    let models = shipped.with_file_name("models");
    std::os::unix::fs::symlink(models, folder.path().join("models")).expect("linked");
    let path = folder.path().join("open.toml");
    let text = format!("extends = {:?}\n[search]\nlogin = false\n", shipped.to_str().expect("a path"));
    std::fs::write(&path, text).expect("written");
    let error = load(&path, &Given::default()).map(|_| ()).expect_err("it is refused");
    assert!(format!("{error:#}").contains("in a production stack"), "{error:#}");
}

#[test]
fn logins_stand_on_a_host_without_agents() {
    let both =
        |search: &str| mistakes(&text("", search).replace("data_volume_gib = 20", "agents = [\"producer\"]"), &[]);
    let said = both("");
    assert!(said.contains("runs the agent producer") && said.contains("a host of its own"), "{said}");
    assert!(!both("login = false").contains("host of its own"));
    let said = mistakes(&text("", "login = false\nrotate_after = \"90d\""), &[]);
    assert!(said.contains("`rotate_after` has no use"), "{said}");
    let said = mistakes(&format!("{}[secrets.search-admin]\nusername = \"x\"\n", text("", "")), &[]);
    assert!(said.contains("is the search index's own"), "{said}");
}
