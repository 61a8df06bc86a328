//! Makes Cargo unify the features of what macros share, too.

fn main() {}
