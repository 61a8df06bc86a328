//! Whose a bucket must be: a name can be taken by another account once it is free.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::config::endpoint::Params;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::endpoint::EndpointResolverParams;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// The header by which S3 refuses a request about a bucket of any other account.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>
const HEADER: &str = "x-amz-expected-bucket-owner";
/// The operation that knows no owner: there is no bucket yet.
const CREATE: &str = "CreateBucket";

/// The accounts that buckets belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owners {
    /// That of every bucket that isn't named below.
    pub account: String,
    /// Those of others, by the buckets' names.
    pub elsewhere: BTreeMap<String, String>,
}

impl Owners {
    /// The account that a bucket of that name belongs to.
    pub fn of(&self, bucket: &str) -> &str {
        self.elsewhere.get(bucket).unwrap_or(&self.account)
    }
}

/// Says with every request whose the bucket must be, unless the call has said so itself.
#[derive(Debug)]
pub(crate) struct Expecting(pub Option<Arc<Owners>>);

#[dyn_dispatch_hint]
impl Intercept for Expecting {
    fn name(&self) -> &'static str {
        "lakewright-owners"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(owners) = &self.0 else { return Ok(()) };
        let knows = config.load::<Metadata>().is_some_and(|metadata| metadata.name() != CREATE);
        let bucket = config.load::<EndpointResolverParams>().and_then(|params| params.get::<Params>()?.bucket());
        let Some(bucket) = bucket.filter(|_| knows) else { return Ok(()) };
        let owner = owners.of(bucket).to_owned();
        let headers = context.request_mut().headers_mut();
        if !headers.contains_key(HEADER) {
            headers.try_insert(HEADER, owner)?;
        }
        Ok(())
    }
}
