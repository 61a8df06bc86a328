//! The sections of what the producer simulates beside a steady stream.

use super::declare::section;
use super::decode::At;
use super::units::Period;
use super::values::{Share, Whole};

section! {
    /// What the producer simulates beside a steady stream; what isn't written doesn't happen.
    Scenario {
        /// The rate follows the hours of a day.
        sales_day: Option<SalesDay> = None,
        /// Nothing is sent for a while, and then all of it.
        outage: Option<Outage> = None,
        /// A few customers look at very many pages.
        bots: Option<Bots> = None,
        /// Some messages report what happened long before.
        late: Option<Late> = None,
        /// Some facts are sent again.
        repeats: Option<Repeats> = None,
    }
}

section! {
    /// The rate follows the hours of a day, with its peaks at noon and in the evening; on average it is the producer's `rate`.
    SalesDay {
        /// How long a day takes, in whole seconds: `"1h"` shows one in an hour. Days of 24 hours begin at midnight UTC.
        length: At<Period> = At::given(Period::days(1)),
        /// How many times the average is sent at the busiest time.
        peak: At<Whole<2, 12>> = At::given(Whole(3)),
    }
}

section! {
    /// Nothing is sent for a while. What falls due then is sent at its end as fast as it goes, with the times at which it
    /// happened; at the rate `max` there is nothing to make up for.
    Outage {
        /// From the end of one to the end of the next, in whole seconds.
        every: At<Period> = At::given(Period::seconds(1800)),
        /// How long one lasts, in whole seconds.
        lasts: At<Period> = At::given(Period::seconds(60)),
    }
}

section! {
    /// A few customers look at one page after the other and never leave.
    Bots {
        /// How many.
        count: At<Whole<1, 1000>> = At::given(Whole(3)),
        /// The share of the user actions that are theirs.
        share: At<Share> = At::given(Share(0.2)),
    }
}

section! {
    /// Some messages report what happened long before; the times in them say so.
    Late {
        /// The share of messages that do.
        share: At<Share> = At::given(Share(0.02)),
        /// How long before, at least, in whole seconds.
        least: At<Period> = At::given(Period::seconds(60)),
        /// How long before, at most, in whole seconds; each magnitude between is as likely.
        most: At<Period> = At::given(Period::days(3)),
    }
}

section! {
    /// Some facts are sent again, word for word and with the same key.
    Repeats {
        /// The share of facts that are.
        share: At<Share> = At::given(Share(0.01)),
        /// How long after, in whole seconds.
        after: At<Period> = At::given(Period::seconds(60)),
    }
}
