//! EC2 by its SDK crate, in a crate of its own: the agents don't link it.
