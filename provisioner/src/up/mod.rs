//! `lakewright up`: the whole stack on this machine.

mod agents;
mod child;
mod deployer;
mod ending;
mod logs;
mod pace;
mod parts;
mod report;
mod run;
mod samples;
mod status;
mod verify;
mod view;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::app::Loss;
pub use run::run;

/// What `up` can be given.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The stack file
    pub stack: Option<PathBuf>,
    /// Ends after this time, as in 90s, 5m or 2h, and verifies what was done
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Duration>,
    /// A Kafka to use instead of the embedded log
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// An AWS endpoint to use instead of the embedded account, with your credentials; its MSK names the Kafka
    #[arg(long, value_name = "URL")]
    pub aws: Option<String>,
    /// A search cluster to use instead of the embedded index; with a password, by the variable
    #[arg(long, value_name = "URL", env = "LAKEWRIGHT_SEARCH_URL", hide_env_values = true)]
    pub search: Option<String>,
    /// Sample messages a second for each topic that the stack reads and none of its agents produces to, made of what its tables
    /// declare; 0 for none [default: 5; none for a Kafka or an account that isn't this machine's]
    #[arg(long, value_name = "RATE", value_parser = samples::rate)]
    pub samples: Option<f64>,
    /// Old snapshots of tables, and older versions of objects, stay this long on this machine
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    pub keep: Duration,
    /// What may lose data when the stack file has changed since the last time: an address, or all
    #[arg(long, value_name = "ADDRESS")]
    pub allow_data_loss: Vec<Loss>,
    /// Lets every call to the account on this machine pass, whatever IAM's policies say
    #[arg(long)]
    pub permissive: bool,
    /// Plain lines instead of the live view
    #[arg(long)]
    pub plain: bool,
}

/// The duration that a text such as `90s`, `5m`, `2h` or `1h30m` means.
pub fn duration(text: &str) -> Result<Duration, String> {
    let span = lakewright_config::span(text).filter(|span| !span.is_zero());
    span.ok_or_else(|| format!("`{text}` is no duration; write it as 90s, 5m, 2h or 1h30m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("2h", 7200), ("1h30m", 5400), ("1 min", 60)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "5", "m", "0s", "3 weeks"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
