//! The tests of the whole agent, in one program: each would link the agent, Iceberg and the Kafka log anew.

mod bad_input;
mod exactly_once;
mod group;
mod identity;
mod schema;
mod topics;
mod world;

/// At so many desks messages are decoded, however many cores the machine has.
const DESKS: usize = 3;
