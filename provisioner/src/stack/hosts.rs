//! The section of a stack file that stands for EC2 hosts.

use super::declare::{choice, section};
use super::decode::At;
use super::values::Whole;

choice! {
    /// An agent that a host can run.
    Agent {
        /// Simulates the shop: sends events to Kafka.
        Producer = "producer",
        /// Kafka to Iceberg tables of the raw zone, exactly once.
        Stream = "stream",
        /// Kafka to the search cluster and to the S3 backup.
        Shipper = "shipper",
        /// Runs the models on their schedule.
        Batch = "batch",
    }
}

section! {
    /// A group of equal hosts. One that dies is replaced; each starts its agents at boot.
    Host {
        /// The EC2 instance type.
        instance_type: At<String> = At::given("t3.small"),
        /// How many hosts.
        count: At<Whole<0, 100>> = At::given(Whole(1)),
        /// The agents on each of them.
        agents: Vec<At<Agent>> = Vec::new(),
        /// The image: an id, or `resolve:ssm:PARAMETER`, looked up whenever a host starts. Default: the newest Amazon Linux
        /// 2023 for the instance type's processors.
        image: Option<At<String>> = None,
        /// The root volume's size in GiB.
        volume_gib: At<Whole<8, 16_384>> = At::given(Whole(20)),
        /// The key that encrypts the root volume, one of `[keys]`. Default: AWS's own key.
        key: Option<At<String>> = None,
    }
}
