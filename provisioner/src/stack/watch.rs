//! The sections of a stack file that watch it: alarms and the budget.

use super::declare::section;
use super::decode::{At, Named};
use super::tags::Tagged;
use super::units::Period;
use super::values::{Share, Whole};

section! {
    /// Alarms on what the stack has, each with a description that says what to do, and a dashboard of the same metrics.
    Alarms {
        /// The mail addresses that are notified. AWS asks each to confirm.
        email: Vec<At<String>> = Vec::new(),
        /// The ARN of an SNS topic that is notified, in place of `email`.
        topic_arn: Option<At<String>> = None,
        /// After how long without a sign of life of an agent, in whole minutes.
        silence: At<Period> = At::given(Period::seconds(300)),
        /// How many errors an agent may report in five minutes.
        errors: At<Whole<0, 1_000_000_000>> = At::given(Whole(10)),
        /// How long records may wait for the stream agent or the shipper, in whole minutes.
        lag: At<Period> = At::given(Period::seconds(600)),
        /// Which share of the records of a quarter of an hour may fit no table or no index.
        dead_letters: At<Share> = At::given(Share(0.01)),
        /// How old the warehouse may be, in whole minutes. Default: three times `batch.every`, a quarter of an hour at least.
        warehouse_age: Option<At<Period>> = None,
        /// How full the brokers' disks may be, in percent.
        disk_percent: At<Whole<1, 99>> = At::given(Whole(80)),
        /// Whether there is a dashboard.
        dashboard: At<bool> = At::given(true),
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts.
        tags: Tagged = Named(Vec::new()),
    }
}

section! {
    /// A budget for what carries the stack's tag, once that is activated as a cost-allocation tag in AWS's billing console.
    Budget {
        /// The limit of a month in US dollars.
        monthly_usd: At<Whole<1, 1_000_000_000>>,
        /// The mail addresses that are notified, ten at most.
        email: Vec<At<String>>,
        /// The share of the limit above which they are notified of what was spent, in percent.
        actual_percent: At<Whole<1, 1000>> = At::given(Whole(80)),
        /// The share of the limit above which they are notified of what the month will come to, in percent.
        forecast_percent: At<Whole<1, 1000>> = At::given(Whole(100)),
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts.
        tags: Tagged = Named(Vec::new()),
    }
}
