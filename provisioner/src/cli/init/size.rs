//! What AWS sells of each part, by how much a stack is to have.

use crate::stack::Architecture;

/// How much of everything a stack gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Size {
    /// As little as works: to try it out.
    Cheapest,
    /// What a team begins with.
    Standard,
    /// What customers wait for: private subnets, more of everything.
    Production,
}

impl Size {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cheapest, Self::Standard, Self::Production];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cheapest => "cheapest",
            Self::Standard => "standard",
            Self::Production => "production",
        }
    }

    /// The size of that word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.word() == word)
    }

    /// How many zones it stands in when nobody says so.
    pub fn zones(self) -> usize {
        if self == Self::Cheapest { 2 } else { 3 }
    }

    /// The brokers' instance type.
    pub fn broker(self) -> &'static str {
        match self {
            Self::Cheapest => "kafka.t3.small",
            Self::Standard => "kafka.m7g.large",
            Self::Production => "kafka.m7g.xlarge",
        }
    }

    /// Each broker's storage.
    pub fn storage_gib(self) -> u32 {
        match self {
            Self::Cheapest => 20,
            Self::Standard => 100,
            Self::Production => 500,
        }
    }

    /// The instance type of hosts with those processors.
    pub fn host(self, processors: Architecture) -> &'static str {
        match (self, processors) {
            (Self::Cheapest, Architecture::X86) => "t3.small",
            (Self::Cheapest, Architecture::Arm) => "t4g.small",
            (Self::Standard, Architecture::X86) => "t3.medium",
            (Self::Standard, Architecture::Arm) => "t4g.medium",
            (Self::Production, Architecture::X86) => "m7i.large",
            (Self::Production, Architecture::Arm) => "m7g.large",
        }
    }

    /// The instance type of the search host.
    pub fn search_host(self) -> &'static str {
        if self == Self::Cheapest { "t3.medium" } else { "m7i.large" }
    }

    /// The partitions of each topic.
    pub fn partitions(self) -> u32 {
        match self {
            Self::Cheapest => 2,
            Self::Standard => 6,
            Self::Production => 12,
        }
    }
}
