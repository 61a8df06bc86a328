//! What goes wrong on a bad day.

use std::fmt::Write as _;

use rand::Rng;
use rand::rngs::StdRng;

use super::model::one_of;

/// Fault rules of a bad day; `bad` from 0 to 3 says how bad.
pub fn faults(rng: &mut StdRng, bad: u32) -> String {
    let mut out = format!("seed = {}\n", rng.random::<u32>());
    for _ in 0..rng.random_range(0..=bad) {
        let times = rng.random_range(1..=2 * bad);
        let chance = one_of(rng, &[0.02, 0.05, 0.1]);
        let effect = match rng.random_range(0..7) {
            0 => "error = \"InternalFailure\"\nstatus = 500",
            1 => "throttle = true",
            2 => "error = \"AccessDenied\"\nstatus = 403\nmutating = true",
            3 => "lost = true",
            4 => "lost = \"request\"",
            5 => "latency = \"20ms\"",
            _ => "invisible = \"150ms\"\noperation = \"Create*\"",
        };
        write!(out, "[[fault]]\nprobability = {chance}\ntimes = {times}\n{effect}\n")
            .expect("a string takes everything");
    }
    out
}
