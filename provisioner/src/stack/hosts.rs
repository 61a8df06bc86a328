//! The section of a stack file that stands for EC2 hosts.

use lakewright_config::agents::AGENTS;
pub use lakewright_config::agents::Agent;
use serde_json::Value;

use super::declare::{choice, section};
use super::decode::{At, Decode, Decoder, Named, Node};
use super::diagnostics::{Diagnostic, suggest};
use super::functions::Statement;
use super::tags::Tagged;
use super::values::Whole;

impl Decode for Agent {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let word = <String as Decode>::decode(node, decoder)?;
        let agent = word.parse().ok();
        if agent.is_none() {
            let title = format!("`{}` can't be `{word}`", decoder.path());
            let help = suggest(&word, Self::all().map(Self::word), "choices");
            decoder.push(Diagnostic::new(node.span(), title, "no such choice").help(help));
        }
        agent
    }

    fn placeholder() -> Self {
        AGENTS[0].agent
    }

    fn json(&self) -> Value {
        self.word().into()
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
        /// The key that encrypts the volumes, one of `[keys]`. Default: AWS's own key.
        key: Option<At<String>> = None,
        /// The size in GiB of a volume that outlives the host: the search index stands on it, or else what the agents keep. A
        /// new host takes over the one of the host that died. Each host then stands in one zone, the first in the first zone of
        /// the network and so on, and has a name of its own, `NAME-0`. EBS grows volumes and never shrinks them. Default: no
        /// such volume.
        data_volume_gib: Option<At<Whole<1, 65_536>>> = None,
        /// The data volume's type.
        data_volume_type: At<VolumeType> = At::given(VolumeType::Gp3),
        /// The data volume's operations each second. Default: 3,000 for `gp3`; `io2` needs a number.
        data_volume_iops: Option<At<Whole<100, 256_000>>> = None,
        /// The data volume's throughput in MiB/s, for `gp3` only. Default: 125.
        data_volume_throughput: Option<At<Whole<125, 2000>>> = None,
        /// What becomes of hosts that run when what they are started as changes.
        refresh: At<Refresh> = At::given(Refresh::Never),
        /// Whether Session Manager may open shells and tunnels on the hosts, in place of open ports and SSH keys.
        session_manager: At<bool> = At::given(true),
        /// What the hosts may do besides what their agents need: statements of an IAM policy, each with `Effect`, `Action` and
        /// `Resource`; `"${bucket.raw.arn}"` stands for an output of a resource of this stack.
        statements: At<Vec<At<Statement>>> = At::given(Vec::new()),
        /// TCP ports that the hosts reach anywhere, besides 443 and what their agents need: `[80, 5432]`.
        egress_ports: Vec<At<Whole<1, 65535>>> = Vec::new(),
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts. Hosts that run and their volumes get them without being replaced.
        tags: Tagged = Named(Vec::new()),
    }
}

choice! {
    /// A type of EBS volume.
    VolumeType {
        /// Solid state, for nearly everything.
        Gp3 = "gp3",
        /// Solid state with the operations that are paid for, and fewer lost volumes.
        Io2 = "io2",
        /// Disks, for large files that are read from one end to the other; 125 GiB at least.
        St1 = "st1",
    }
}

choice! {
    /// What becomes of hosts that run when what they are started as changes.
    Refresh {
        /// They stay as they are; new hosts start as the file says.
        Never = "never",
        /// They are replaced one after another, and apply waits for it. A host with a data volume ends before the new one
        /// starts; others end when the new one runs.
        Rolling = "rolling",
    }
}

impl Host {
    /// The names of the groups on AWS that stand for them: one of all, or one of each that has a data volume.
    pub fn groups(&self, name: &str) -> Vec<String> {
        if self.data_volume_gib.is_none() {
            return vec![name.to_owned()];
        }
        (0..self.count.0).map(|index| format!("{name}-{index}")).collect()
    }
}
