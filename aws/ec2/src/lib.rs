//! EC2 by its SDK crate, in a crate of its own: the agents don't link it.

pub use aws_sdk_ec2 as sdk;
use lakewright_aws::{Aws, client};

/// The client of EC2.
pub trait Ec2 {
    /// The client, made when it is first asked for.
    fn ec2(&self) -> sdk::Client;
}

impl Ec2 for Aws {
    fn ec2(&self) -> sdk::Client {
        client!(self, "ec2", aws_sdk_ec2)
    }
}
