//! How soon the allocator gives freed memory back to the system.
#![expect(unsafe_code, reason = "the allocator's options have no safe binding")]

use std::ffi::{c_int, c_long};

/// `mi_option_purge_delay`, for which the binding has no name: after so many milliseconds.
const PURGE_DELAY: c_int = 15;
/// What the stream agent frees at a commit is most of what it had.
pub const STREAM: c_long = 0;
/// The shipper frees what it needs again for the next request.
pub const SHIPPER: c_long = 50;

/// Lets freed memory go back after so many milliseconds; `docs/performance.md` says what it takes. `MIMALLOC_PURGE_DELAY` in the environment
/// wins.
///
/// To be called before the program has a second thread.
pub fn give_back_after(milliseconds: c_long) {
    // SAFETY: the function writes to a table that the allocator reads, and no other thread runs that could.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, milliseconds) };
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Prints what a process of its own has as delay, before and after; run by the test below.
    #[test]
    #[ignore = "it is run with an environment of its own"]
    #[expect(clippy::print_stdout, reason = "another test reads it")]
    fn child() {
        // SAFETY: the value is read, and nobody writes it.
        let delay = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        let before = delay();
        give_back_after(STREAM);
        println!("delay {before} {}", delay());
    }

    fn delays(in_environment: Option<&str>) -> String {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "memory::tests::child", "--ignored", "--nocapture", "--test-threads=1"]);
        match in_environment {
            Some(delay) => command.env("MIMALLOC_PURGE_DELAY", delay),
            None => command.env_remove("MIMALLOC_PURGE_DELAY"),
        };
        let out = command.output().expect("run");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let found = text.lines().find_map(|line| Some(line.split_once("delay ")?.1.to_owned()));
        found.unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn the_delay_is_none_unless_the_environment_says_so() {
        let default = delays(None);
        assert!(default.ends_with(" 0") && !default.starts_with("0 "), "{default}");
        // That it is this option, and that it stays as it was given.
        assert_eq!(delays(Some("777")), "777 777");
    }
}
