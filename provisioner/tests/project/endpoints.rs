//! Where requests go and which region signs them, in every partition: asserted on the resolved request, without a network.

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_types::region::Region;
use lakewright::services::Services as _;
use lakewright_aws::{Aws, ask};
use lakewright_ec2::Ec2 as _;
use parking_lot::Mutex;

/// Refuses each request and keeps where it would have gone and who would have signed it.
#[derive(Debug, Clone, Default)]
struct Nowhere(Arc<Mutex<Vec<String>>>);

impl HttpClient for Nowhere {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Nowhere {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let host = request.uri().split('/').nth(2).unwrap_or_default().to_owned();
        let signature = request.headers().get("authorization").unwrap_or_default();
        let region = signature.split('/').nth(2).unwrap_or_default();
        self.0.lock().push(format!("{host} {region}"));
        let status = 400.try_into().expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from("{}"))))
    }
}

/// Where one call of each kind of service goes.
async fn places(change: impl FnOnce(aws_types::sdk_config::Builder) -> aws_types::sdk_config::Builder) -> Vec<String> {
    let keys = Credentials::new("AKIAEXAMPLE", "secret", None, None, "test");
    let builder = SdkConfig::builder()
        .behavior_version(aws_sdk_kms::config::BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .time_source(aws_smithy_async::time::SystemTimeSource::new());
    let nowhere = Nowhere::default();
    let aws = Aws::over(change(builder).build(), SharedHttpClient::new(nowhere.clone())).expect("a connection");
    ask(aws.kms().list_keys().send()).await.expect_err("refused");
    ask(aws.ec2().describe_vpcs().send()).await.expect_err("refused");
    ask(aws.iam().list_roles().send()).await.expect_err("refused");
    ask(aws.sts().get_caller_identity().send()).await.expect_err("refused");
    ask(aws.budgets().describe_budgets().account_id("123456789012").send()).await.expect_err("refused");
    ask(aws.s3_client().head_object().bucket("shop").key("k").send()).await.expect_err("refused");
    ask(aws.s3_client().head_object().bucket("shop.example").key("k").send()).await.expect_err("refused");
    let seen = nowhere.0.lock();
    seen.clone()
}

#[tokio::test]
async fn each_partition_has_its_own_hosts_and_its_own_region_for_global_services() {
    for (region, expected) in [
        (
            "eu-north-1",
            [
                "kms.eu-north-1.amazonaws.com eu-north-1",
                "ec2.eu-north-1.amazonaws.com eu-north-1",
                "iam.amazonaws.com us-east-1",
                "sts.eu-north-1.amazonaws.com eu-north-1",
                "budgets.amazonaws.com us-east-1",
                "shop.s3.eu-north-1.amazonaws.com eu-north-1",
                "s3.eu-north-1.amazonaws.com eu-north-1",
            ],
        ),
        (
            "cn-north-1",
            [
                "kms.cn-north-1.amazonaws.com.cn cn-north-1",
                "ec2.cn-north-1.amazonaws.com.cn cn-north-1",
                "iam.cn-north-1.amazonaws.com.cn cn-north-1",
                "sts.cn-north-1.amazonaws.com.cn cn-north-1",
                "budgets.amazonaws.com.cn cn-northwest-1",
                "shop.s3.cn-north-1.amazonaws.com.cn cn-north-1",
                "s3.cn-north-1.amazonaws.com.cn cn-north-1",
            ],
        ),
        (
            "us-gov-east-1",
            [
                "kms.us-gov-east-1.amazonaws.com us-gov-east-1",
                "ec2.us-gov-east-1.amazonaws.com us-gov-east-1",
                "iam.us-gov.amazonaws.com us-gov-west-1",
                "sts.us-gov-east-1.amazonaws.com us-gov-east-1",
                "budgets.amazonaws.com us-gov-west-1",
                "shop.s3.us-gov-east-1.amazonaws.com us-gov-east-1",
                "s3.us-gov-east-1.amazonaws.com us-gov-east-1",
            ],
        ),
        (
            "eusc-de-east-1",
            [
                "kms.eusc-de-east-1.amazonaws.eu eusc-de-east-1",
                "ec2.eusc-de-east-1.amazonaws.eu eusc-de-east-1",
                "iam.eusc-de-east-1.amazonaws.eu eusc-de-east-1",
                "sts.eusc-de-east-1.amazonaws.eu eusc-de-east-1",
                "budgets.eusc-de-east-1.api.amazonwebservices.eu eusc-de-east-1",
                "shop.s3.eusc-de-east-1.amazonaws.eu eusc-de-east-1",
                "s3.eusc-de-east-1.amazonaws.eu eusc-de-east-1",
            ],
        ),
    ] {
        assert_eq!(places(|builder| builder.region(Region::new(region))).await, expected, "{region}");
    }
}

#[tokio::test]
async fn fips_and_dual_stack_have_hosts_of_their_own() {
    let fips = places(|builder| builder.region(Region::new("us-east-1")).use_fips(true)).await;
    assert_eq!(fips[..2], ["kms-fips.us-east-1.amazonaws.com us-east-1", "ec2-fips.us-east-1.amazonaws.com us-east-1"]);
    assert_eq!(fips[5], "shop.s3-fips.us-east-1.amazonaws.com us-east-1");
    let dual = places(|builder| builder.region(Region::new("eu-north-1")).use_dual_stack(true)).await;
    assert_eq!(dual[..2], ["kms.eu-north-1.api.aws eu-north-1", "ec2.eu-north-1.api.aws eu-north-1"]);
    assert_eq!(dual[5], "shop.s3.dualstack.eu-north-1.amazonaws.com eu-north-1");
}

#[tokio::test]
async fn an_endpoint_serves_all_and_buckets_stand_in_its_path() {
    let endpoint = |builder: aws_types::sdk_config::Builder| {
        builder.region(Region::new("eu-north-1")).endpoint_url("http://127.0.0.1:9000")
    };
    for place in places(endpoint).await {
        assert!(place.starts_with("127.0.0.1:9000 "), "{place}");
    }
}
