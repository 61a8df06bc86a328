//! A thin client of the AWS APIs that Lakewright uses: one `call` for every service, an S3 client, no service crates.
//!
//! Inputs and outputs are JSON values whose members have the names that they have on the wire: EC2
//! `{"VpcId": ["vpc-1"]}`, IAM `{"RoleName": "r"}`, MSK `{"clusterName": "c"}`, Glue `{"DatabaseName": "d"}`.
//! XML answers become values by the rules of [`xml`].

mod answers;
mod client;
mod credentials;
mod endpoint;
pub mod errors;
mod forms;
mod protocol;
mod retry;
mod routes;
mod s3;
mod service;
mod signing;
mod transport;
mod values;
pub mod xml;

pub use client::{Client, Deadline, Options};
pub use errors::{Error, Kind as ErrorKind};
pub use s3::{Head, Listed, Object, Put, S3, S3Request, S3Response};
pub use service::Service;
pub use values::{list, text};
