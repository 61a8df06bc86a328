//! The global options: which stack, which account, and how it is reached.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::kind::Pace;
use crate::stack::is_region;

/// What holds for all commands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The stack file [default: lakewright.toml, else stacks/shop.toml]
    #[arg(long = "stack", value_name = "FILE", global = true)]
    pub stack_file: Option<PathBuf>,
    /// The value of a variable of the stack file's `[vars]`; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", global = true)]
    pub var: Vec<String>,
    /// The AWS region, instead of the stack's
    #[arg(long, global = true, value_parser = region_name)]
    pub region: Option<String>,
    /// The profile of the AWS configuration files
    #[arg(long, global = true)]
    pub profile: Option<String>,
    /// Works with the credentials at hand, instead of as the role that [stack] names
    #[arg(long, global = true)]
    pub no_role: bool,
    /// Where all AWS services are, instead of on the internet
    #[arg(long, value_name = "URL", global = true)]
    pub endpoint_url: Option<String>,
    /// Takes an endpoint on another machine without encryption, where nobody can listen; LAKEWRIGHT_INSECURE_ENDPOINT=1 does too
    #[arg(long, global = true)]
    pub insecure_endpoint: bool,
    /// Talks to what `lakewright up` runs on this machine
    #[arg(long, global = true, conflicts_with_all = ["endpoint_url", "profile"])]
    pub local: bool,
    /// How soon the account shows a change [default: local with --local, else aws]
    #[arg(long, value_enum, global = true, env = "LAKEWRIGHT_PACE")]
    pub pace: Option<PaceName>,
    /// Where `lakewright up` keeps everything
    #[arg(long, value_name = "DIR", global = true, default_value = ".lakewright")]
    pub data: PathBuf,
    /// The agents' program that hosts install [default: the one beside this program, else on PATH]
    #[arg(long, value_name = "FILE", global = true, env = "LAKEWRIGHT_AGENT")]
    pub agent: Option<PathBuf>,
    /// The agents' program for hosts with other processors than that one's: arm64 beside x86_64, or the other way round
    #[arg(long, value_name = "FILE", global = true, env = "LAKEWRIGHT_OTHER_AGENT")]
    pub other_agent: Option<PathBuf>,
    /// The stream job that Spark runs [default: stream-spark/lakewright-stream.jar beside this program or in the folder above]
    #[arg(long, value_name = "FILE", global = true, env = "LAKEWRIGHT_STREAM_JOB")]
    pub stream_job: Option<PathBuf>,
    /// The program `lakewright` for x86_64 that the builds of a pipeline run [default: this one]
    #[arg(long, value_name = "FILE", global = true, env = "LAKEWRIGHT_PROGRAM")]
    pub program: Option<PathBuf>,
}

impl Global {
    /// Whether the role that a stack names is assumed: on this machine nothing is another's.
    pub fn assumes(&self) -> bool {
        !self.no_role && !self.local
    }

    /// How soon the account shows a change: nothing but an option says so, for what answers at an endpoint may be AWS.
    pub fn pace(&self) -> Pace {
        match self.pace {
            Some(PaceName::Local) => Pace::LOCAL,
            None if self.local => Pace::LOCAL,
            Some(PaceName::Aws) | None => Pace::AWS,
        }
    }
}

/// The name of a [`Pace`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PaceName {
    /// Within a minute, as AWS does.
    Aws,
    /// At once, as an account on this machine does.
    Local,
}

/// A region's name.
pub fn region_name(text: &str) -> Result<String, String> {
    if is_region(text) { Ok(text.to_owned()) } else { Err("regions are named as in eu-north-1".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_on_this_machine_may_lead_to_aws() {
        let global = |local: bool, pace| Global {
            stack_file: None,
            var: Vec::new(),
            region: None,
            profile: None,
            no_role: false,
            endpoint_url: (!local).then(|| "http://127.0.0.1:4566".to_owned()),
            insecure_endpoint: false,
            local,
            pace,
            data: PathBuf::from(".lakewright"),
            agent: None,
            other_agent: None,
            stream_job: None,
            program: None,
        };
        assert_eq!(global(false, None).pace(), Pace::AWS);
        assert_eq!(global(false, Some(PaceName::Local)).pace(), Pace::LOCAL);
        assert_eq!(global(true, None).pace(), Pace::LOCAL);
        assert_eq!(global(true, Some(PaceName::Aws)).pace(), Pace::AWS);
    }
}
