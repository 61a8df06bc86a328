//! Options that several commands take.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::resource::Address;

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
    #[arg(long, global = true, value_parser = super::init::region_name)]
    pub region: Option<String>,
    /// The profile of the AWS configuration files
    #[arg(long, global = true)]
    pub profile: Option<String>,
    /// Where all AWS services are, instead of on the internet
    #[arg(long, value_name = "URL", global = true)]
    pub endpoint_url: Option<String>,
    /// Talks to what `lakewright up` runs on this machine
    #[arg(long, global = true, conflicts_with_all = ["endpoint_url", "profile"])]
    pub local: bool,
    /// How soon the account shows a change [default: local with --local, else aws]
    #[arg(long, value_enum, global = true, env = "LAKEWRIGHT_PACE")]
    pub pace: Option<Pace>,
    /// Where `lakewright up` keeps everything
    #[arg(long, value_name = "DIR", global = true, default_value = ".lakewright")]
    pub data: PathBuf,
    /// The agents' program that hosts install [default: the one beside this program, else on PATH]
    #[arg(long, value_name = "FILE", global = true, env = "LAKEWRIGHT_AGENT")]
    pub agent: Option<PathBuf>,
    /// The agents' program for hosts with other processors than that one's: arm64 beside x86_64, or the other way round
    #[arg(long, value_name = "FILE", global = true, env = "LAKEWRIGHT_OTHER_AGENT")]
    pub other_agent: Option<PathBuf>,
}

impl Global {
    /// How soon the account shows a change: nothing but an option says so, for what answers at an endpoint may be AWS.
    pub fn pace(&self) -> Pace {
        self.pace.unwrap_or(if self.local { Pace::Local } else { Pace::Aws })
    }
}

/// How soon an account shows a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pace {
    /// Within a minute, as AWS does.
    Aws,
    /// At once, as an account on this machine does.
    Local,
}

/// How an apply or a destroy goes about it.
#[derive(Debug, Clone, Args)]
pub struct How {
    /// Answers the question with yes
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// What may lose data: an address such as bucket.raw, or all; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    pub allow_data_loss: Vec<Loss>,
}

/// How a plan is written.
#[derive(Debug, Clone, Args)]
pub struct Written {
    /// How the plan is written on standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Exits 2 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Shows long values of new resources in full
    #[arg(long)]
    pub full: bool,
}

/// What may lose data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// Everything.
    All,
    /// One resource.
    Of(Address),
}

impl std::str::FromStr for Loss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" { Ok(Self::All) } else { text.parse().map(Self::Of) }
    }
}

/// How a graph is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Picture {
    /// A picture for a browser.
    Svg,
    /// The language of Graphviz.
    Dot,
}

/// How a plan is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For a comment on a pull request.
    Markdown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_addresses_or_all() {
        assert_eq!("all".parse(), Ok(Loss::All));
        assert_eq!("bucket.raw".parse(), Ok(Loss::Of(Address::new("bucket", "raw"))));
        assert!("everything".parse::<Loss>().expect_err("no address").contains("no address"));
    }

    #[test]
    fn an_endpoint_on_this_machine_may_lead_to_aws() {
        let global = |local: bool, pace| Global {
            stack_file: None,
            var: Vec::new(),
            region: None,
            profile: None,
            endpoint_url: (!local).then(|| "http://127.0.0.1:4566".to_owned()),
            local,
            pace,
            data: PathBuf::from(".lakewright"),
            agent: None,
            other_agent: None,
        };
        assert_eq!(global(false, None).pace(), Pace::Aws);
        assert_eq!(global(false, Some(Pace::Local)).pace(), Pace::Local);
        assert_eq!(global(true, None).pace(), Pace::Local);
        assert_eq!(global(true, Some(Pace::Aws)).pace(), Pace::Aws);
    }
}
