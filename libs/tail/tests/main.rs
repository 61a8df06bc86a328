//! Files and the journal as operators have them: rotated, truncated, packed, torn, gone.

mod bad_input;
mod journal;
mod random;
mod restart;
mod rotation;
mod support;
