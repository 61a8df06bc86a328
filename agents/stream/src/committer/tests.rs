//! The committer, the ledger, the router and where reading begins, together, against sinks in memory: whatever fails and
//! whenever the agent dies, each record ends up in one table, once.

mod debts;
mod evolving;
mod quarantine;
mod random;
mod rows;
mod simulation;
mod world;
mod writers;
