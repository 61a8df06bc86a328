//! The kind `parameter` against an account: made once, found as meant, changed, gone.

use crate::account::{ACCOUNT, REGION, account, kind};
use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use lakewright::resource::{Address, Condition};
use lakewright::services::Services as _;
use lakewright_aws::ask;
use serde_json::json;

const NAME: &str = "/shop/lake/bucket";

#[tokio::test]
async fn parameters_with_all_their_fields() {
    let account = account().await;
    let plain = json!({"name": NAME, "value": "shop-lake"});
    let made = account.create("parameter.bucket", plain.clone()).await;
    assert_eq!(made.id, format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{NAME}"));
    let full = json!({"name": NAME, "value": "other", "description": "Where raw tables are."});
    for spec in [&full, &plain, &full] {
        account.update("parameter.bucket", spec.clone()).await;
    }
    account.delete("parameter.bucket", &full).await;
    let list = json!({"name": "/shop/zones", "value": "a,b", "type": "StringList"});
    account.create("parameter.zones", list.clone()).await;
    account.delete("parameter.zones", &list).await;
}

#[tokio::test]
async fn what_no_spec_says_stays() {
    let account = account().await;
    account.create("parameter.image", json!({"name": NAME, "value": "1"})).await;
    let ssm = account.context.aws.ssm();
    let call = ssm.put_parameter().name(NAME).value("1").overwrite(true);
    ask(call.allowed_pattern("^[0-9]+$").data_type("integer").send()).await.unwrap();
    account.update("parameter.image", json!({"name": NAME, "value": "2"})).await;
    let described = ask(ssm.describe_parameters().send()).await.unwrap();
    let described = &described.parameters()[0];
    assert_eq!((described.allowed_pattern(), described.data_type()), (Some("^[0-9]+$"), Some("integer")));
}

#[tokio::test]
async fn a_parameter_of_another_tier_is_replaced() {
    let account = account().await;
    let address: Address = "parameter.bucket".parse().unwrap();
    account.create("parameter.bucket", json!({"name": NAME, "value": "a"})).await;
    let call = account.context.aws.ssm().put_parameter().name(NAME).value("a").overwrite(true);
    ask(call.tier(ParameterTier::Advanced).send()).await.unwrap();
    let spec = kind(&address).normalise(&json!({"name": NAME, "value": "a"})).unwrap();
    let live = account.find(&address, &spec).await.unwrap();
    let Condition::Failed(reason) = live.condition else { panic!("{:?}", live.condition) };
    assert!(reason.contains("the tier Advanced"), "{reason}");
}

#[tokio::test]
async fn parameters_of_others_are_left_alone_until_they_are_adopted() {
    let account = account().await;
    let address: Address = "parameter.bucket".parse().unwrap();
    let spec = kind(&address).normalise(&json!({"name": NAME, "value": "a"})).unwrap();
    let call = account.context.aws.ssm().put_parameter().name(NAME).value("a");
    ask(call.r#type(ParameterType::String).send()).await.unwrap();
    let refused = account.refused("parameter.bucket", spec.clone()).await;
    assert!(refused.contains(&format!("the parameter {NAME} is there already and isn't this stack's")), "{refused}");
    assert!(account.find(&address, &spec).await.is_none());
    let arn = format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{NAME}");
    for id in [NAME, &arn] {
        let live = kind(&address).read(&account.context, &address, id).await.unwrap().unwrap();
        assert_eq!((&live.id, &live.spec), (&arn, &spec));
    }
    assert!(kind(&address).read(&account.context, &address, "/none").await.unwrap().is_none());
}

/// A parameter that shows late is waited for, so that whatever comes next can look it up.
#[tokio::test]
async fn a_parameter_that_shows_late_is_waited_for() {
    let account = account().await;
    account.faults("[[fault]]\noperation = \"GetParameter\"\ntimes = 2\nerror = \"ParameterNotFound\"\nstatus = 400\n");
    account.create("parameter.bucket", json!({"name": NAME, "value": "a"})).await;
}
