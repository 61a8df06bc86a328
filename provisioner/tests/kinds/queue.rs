//! The kind `queue` against an account: made once, found as meant, changed, gone.

use std::time::Duration;

use crate::account::{ACCOUNT, REGION, account, account_with, kind};
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use lakewright::kind::{Context, Departure, Wanted};
use lakewright::resource::{Address, Live};
use lakewright::services::Services as _;
use lakewright_account::Delays;
use lakewright_aws::ask;
use serde_json::{Value, json};

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

async fn find(context: &Context, address: &Address, spec: &Value) -> Live {
    let wanted = [Wanted { address, spec }];
    kind(address).find(context, &wanted).await.unwrap().remove(0)
}

#[tokio::test]
async fn queues_with_all_their_attributes() {
    let account = account().await;
    let orders = arn("orders");
    let failed = json!({"name": "failed", "retention_seconds": 1_209_600, "dead_letter_sources": [orders]});
    account.create("queue.failed", failed.clone()).await;
    let plain = json!({"name": "orders"});
    account.create("queue.orders", plain.clone()).await;
    let full = json!({
        "name": "orders", "retention_seconds": 60, "visibility_timeout_seconds": 0, "delay_seconds": 900,
        "receive_wait_seconds": 20, "max_message_bytes": 1024, "key": "alias/shop", "data_key_reuse_seconds": 86_400,
        "policy": {"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": orders,
        }},
        "dead_letters": {"queue": arn("failed"), "max_receives": 5}, "dead_letter_sources": [],
    });
    account.update("queue.orders", full.clone()).await;
    account.update("queue.orders", plain).await;
    account.update("queue.orders", full.clone()).await;
    account.delete("queue.orders", &full).await;
    account.delete("queue.failed", &failed).await;
}

#[tokio::test]
async fn fifo_queues() {
    let account = account().await;
    let failed = json!({"name": "failed.fifo", "fifo": true});
    account.create("queue.failed", failed).await;
    let dead = json!({"queue": arn("failed.fifo"), "max_receives": 2});
    let orders = json!({"name": "orders.fifo", "fifo": true, "dead_letters": dead});
    account.create("queue.orders", orders.clone()).await;
    let mut by_content = orders;
    by_content["content_based_deduplication"] = json!(true);
    account.update("queue.orders", by_content.clone()).await;
    account.delete("queue.orders", &by_content).await;
}

#[tokio::test]
async fn a_queue_that_holds_nothing_is_empty() {
    let account = account().await;
    let address: Address = "queue.orders".parse().unwrap();
    let made = account.create("queue.orders", json!({"name": "orders"})).await;
    let spec = kind(&address).normalise(&json!({"name": "orders"})).unwrap();
    assert!(find(&account.context, &address, &spec).await.is_empty);
    let sqs = account.context.aws.sqs();
    let url = &made.outputs["url"];
    ask(sqs.send_message().queue_url(url).message_body("one").delay_seconds(9).send()).await.unwrap();
    assert!(!find(&account.context, &address, &spec).await.is_empty, "delayed");
    ask(sqs.purge_queue().queue_url(url).send()).await.unwrap();
    ask(sqs.send_message().queue_url(url).message_body("two").send()).await.unwrap();
    assert!(!find(&account.context, &address, &spec).await.is_empty, "waiting");
    let received = ask(sqs.receive_message().queue_url(url).send()).await.unwrap();
    assert!(!find(&account.context, &address, &spec).await.is_empty, "in flight");
    let handle = received.messages()[0].receipt_handle().unwrap();
    ask(sqs.delete_message().queue_url(url).receipt_handle(handle).send()).await.unwrap();
    assert!(find(&account.context, &address, &spec).await.is_empty);
}

#[tokio::test]
async fn a_queue_in_clear_is_encrypted_again() {
    let account = account().await;
    let address: Address = "queue.orders".parse().unwrap();
    let made = account.create("queue.orders", json!({"name": "orders"})).await;
    let spec = kind(&address).normalise(&json!({"name": "orders"})).unwrap();
    let call = account.context.aws.sqs().set_queue_attributes().queue_url(&made.outputs["url"]);
    ask(call.attributes(Attribute::SqsManagedSseEnabled, "false").send()).await.unwrap();
    let live = find(&account.context, &address, &spec).await;
    assert_eq!(live.departures.iter().map(Departure::field).collect::<Vec<_>>(), ["key"]);
    kind(&address).update(&account.context, &live, &spec, &["key".to_owned()]).await.unwrap();
    assert!(find(&account.context, &address, &spec).await.departures.is_empty());
}

#[tokio::test]
async fn queues_of_others_are_left_alone_until_they_are_adopted() {
    let account = account().await;
    let address: Address = "queue.orders".parse().unwrap();
    let spec = kind(&address).normalise(&json!({"name": "orders"})).unwrap();
    let made = ask(account.context.aws.sqs().create_queue().queue_name("orders").send()).await.unwrap();
    // SQS would take the call for one that it has answered: the attributes are the same.
    let refused = account.refused("queue.orders", spec.clone()).await;
    assert!(refused.contains("the queue orders is there already and isn't this stack's"), "{refused}");
    assert!(account.find(&address, &spec).await.is_none());
    for id in ["orders", &arn("orders"), made.queue_url().unwrap()] {
        let live = kind(&address).read(&account.context, &address, id).await.unwrap().unwrap();
        assert_eq!((live.id, &live.spec), (arn("orders"), &spec));
    }
    assert!(kind(&address).read(&account.context, &address, "none").await.unwrap().is_none());

    let other = Context { stack: "other".to_owned(), ..account.context.clone() };
    let spec = kind(&address).normalise(&json!({"name": "theirs"})).unwrap();
    kind(&address).create(&other, &address, &spec).await.unwrap();
    let refused = account.refused("queue.orders", spec).await;
    assert!(refused.contains("isn't this stack's, but the stack other's"), "{refused}");
}

#[tokio::test]
async fn the_name_of_a_deleted_queue_is_waited_for() {
    let account = account_with(Delays::Scaled(0.02)).await;
    let address: Address = "queue.orders".parse().unwrap();
    let of = |delay: u32| kind(&address).normalise(&json!({"name": "orders", "delay_seconds": delay})).unwrap();
    kind(&address).create(&account.context, &address, &of(0)).await.unwrap();
    let live = find(&account.context, &address, &of(0)).await;
    kind(&address).delete(&account.context, &live).await.unwrap();
    let sqs = account.context.aws.sqs();
    let refused = ask(sqs.create_queue().queue_name("orders").send()).await.expect_err("its name isn't free");
    assert_eq!(refused.code, "AWS.SimpleQueueService.QueueDeletedRecently");
    kind(&address).create(&account.context, &address, &of(5)).await.unwrap();
    // A change shows late, and its end is waited for.
    let live = find(&account.context, &address, &of(5)).await;
    kind(&address).update(&account.context, &live, &of(7), &["delay_seconds".to_owned()]).await.unwrap();
    assert_eq!(find(&account.context, &address, &of(7)).await.spec, of(7));
}

#[tokio::test]
async fn a_dead_letter_queue_that_isnt_known_yet_is_waited_for() {
    let account = account().await;
    let dead = json!({"queue": arn("failed"), "max_receives": 5});
    let orders = async { account.create("queue.orders", json!({"name": "orders", "dead_letters": dead})).await };
    let failed = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        ask(account.context.aws.sqs().create_queue().queue_name("failed").send()).await.unwrap();
    };
    tokio::join!(orders, failed);
}
