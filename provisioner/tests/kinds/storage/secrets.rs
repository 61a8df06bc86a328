//! Secrets: their values, and passwords that grow old.

use std::time::{Duration, SystemTime};

use lakewright::kind::{Clock, Context, Wanted};
use lakewright::resource::{Address, Live};
use lakewright::services::Services as _;
use lakewright_aws::ask;
use serde_json::{Value, json};

use crate::account::{Account, account, kind};

const DAY: Duration = Duration::from_hours(24);

async fn value(account: &Account, secret: &str) -> Value {
    let call = account.context.aws.secrets_manager().get_secret_value().secret_id(secret);
    serde_json::from_str(ask(call.send()).await.unwrap().secret_string().unwrap()).unwrap()
}

#[tokio::test]
async fn secrets() {
    let account = account().await;
    let spec = json!({"name": "AmazonMSK_shop_app", "username": "app"});
    let made = account.create("secret.app", spec.clone()).await;
    let first = value(&account, &made.id).await;
    assert_eq!((&first["username"], first["password"].as_str().unwrap().len()), (&json!("app"), 32));
    let other =
        json!({"name": "AmazonMSK_shop_app", "username": "shop", "description": "for apps", "recovery_days": 9});
    account.update("secret.app", other.clone()).await;
    let second = value(&account, &made.id).await;
    assert_eq!((&second["username"], &second["password"]), (&json!("shop"), &first["password"]));
    account.delete("secret.app", &other).await;
    // Made again while it waits for its deletion: the password comes back.
    account.create("secret.app", other.clone()).await;
    let third = value(&account, &made.id).await;
    assert_eq!(third["password"], first["password"]);
    let theirs = account.context.aws.secrets_manager().create_secret().name("theirs").secret_string("x");
    ask(theirs.send()).await.unwrap();
    let message = account.refused("secret.other", json!({"name": "theirs", "username": "x"})).await;
    assert!(message.contains("isn't this stack's"), "{message}");
}

/// A password that is too old is shown, and renewed once, whatever lists say of it then.
#[tokio::test]
async fn secrets_that_grow_old() {
    let account = account().await;
    let day = |days: u32| Context { clock: Clock::at(SystemTime::now() + DAY * days), ..account.context.clone() };
    let address: Address = "secret.app".parse().unwrap();
    let normalised = |spec: Value| kind(&address).normalise(&spec).unwrap();
    let never = normalised(json!({"name": "AmazonMSK_shop_app", "username": "app"}));
    let spec = normalised(json!({"name": "AmazonMSK_shop_app", "username": "app", "rotate_after_days": 90}));
    let made = kind(&address).create(&account.context, &address, &never).await.unwrap();
    let first = value(&account, &made.id).await;
    let found = async |days: u32, wanted: &Value| {
        let wanted = [Wanted { address: &address, spec: wanted }];
        kind(&address).find(&day(days), &wanted).await.unwrap().pop().unwrap()
    };
    let due = |live: &Live| live.departures.iter().any(|one| one.path == "password" && one.aged);
    assert!(!due(&found(3000, &never).await), "nobody says that it gets too old");

    // The file says so now, and it is too old already: one change.
    let live = found(91, &spec).await;
    assert!(due(&live) && !due(&found(89, &spec).await));
    let both = ["rotate_after_days".to_owned(), "password".to_owned()];
    kind(&address).update(&day(91), &live, &spec, &both).await.unwrap();
    let second = value(&account, &made.id).await;
    assert_ne!(second["password"], first["password"]);
    let after = found(91, &spec).await;
    assert_eq!((after.spec["rotate_after_days"].as_u64(), due(&after)), (Some(90), false));
    assert!(due(&found(182, &spec).await) && !due(&found(180, &spec).await), "its age begins anew");
    // An apply that was planned by a list that was behind changes nothing more.
    kind(&address).update(&day(92), &live, &spec, &both[1..]).await.unwrap();
    assert_eq!(value(&account, &made.id).await, second);

    // Another user name makes the password no younger; what it was last is kept beside it.
    let renamed = normalised(json!({"name": "AmazonMSK_shop_app", "username": "shop", "rotate_after_days": 90}));
    kind(&address).update(&day(170), &after, &renamed, &["username".to_owned()]).await.unwrap();
    assert!(due(&found(182, &renamed).await));
    let live = found(182, &renamed).await;
    kind(&address).update(&day(182), &live, &renamed, &both[1..]).await.unwrap();
    let call =
        account.context.aws.secrets_manager().get_secret_value().secret_id(&made.id).version_stage("AWSPREVIOUS");
    let previous: Value = serde_json::from_str(ask(call.send()).await.unwrap().secret_string().unwrap()).unwrap();
    assert_eq!(previous["password"], second["password"]);
    assert_eq!(value(&account, &made.id).await["username"], "shop");

    // By hand it begins anew too, and nothing rotates any more where the file says so no longer.
    kind(&address).rotate(&day(300), &live, &day(300).clock.token()).await.unwrap();
    assert!(!due(&found(389, &renamed).await) && due(&found(390, &renamed).await));
    kind(&address).update(&day(300), &live, &never, &["rotate_after_days".to_owned()]).await.unwrap();
    let last = found(3000, &never).await;
    assert_eq!((last.spec["rotate_after_days"].as_u64(), due(&last)), (None, false));
}
