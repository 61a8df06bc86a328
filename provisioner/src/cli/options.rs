//! Options that several commands take.

use clap::{Args, ValueEnum};

use crate::app::Loss;
use crate::plan;
use crate::resource::Address;

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
    /// Exits 2 when there are changes, or blocked resources
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Shows long values of new resources in full
    #[arg(long)]
    pub full: bool,
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

/// How the reference of resource kinds is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Reference {
    /// For people.
    Markdown,
    /// The JSON Schema of each kind's fields, by kind.
    Json,
}

/// Which part of a stack a command is about.
#[derive(Debug, Clone, Default, Args)]
pub struct Part {
    /// Only this address and what it needs, as in `table.sales` or `topic.*`; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    pub target: Vec<String>,
    /// Not this address, nor what needs it; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    pub exclude: Vec<String>,
    /// Deletes what carries the stack's tags at this address and isn't known to be its own; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    pub delete_claimed: Vec<Address>,
}

/// Which part of a stack is deleted.
#[derive(Debug, Clone, Default, Args)]
pub struct Deleted {
    /// Only this address and what needs it, which goes first, as in `table.sales` or `topic.*`; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    pub target: Vec<String>,
    /// Not this address, nor what it needs; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    pub exclude: Vec<String>,
    /// Deletes what carries the stack's tags at this address and isn't known to be its own, too; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    pub delete_claimed: Vec<Address>,
}

impl Deleted {
    /// The options of a plan for that part.
    pub fn options(self) -> plan::Options {
        let Self { target, exclude, delete_claimed } = self;
        Part { target, exclude, delete_claimed }.options()
    }
}

impl Part {
    /// The options of a plan for that part.
    pub fn options(self) -> plan::Options {
        plan::Options {
            targets: self.target,
            excludes: self.exclude,
            delete_claimed: self.delete_claimed.into_iter().collect(),
            ..plan::Options::default()
        }
    }
}

/// A SHA-256 in hexadecimal digits, for the command line.
pub fn sha256(text: &str) -> Result<String, String> {
    let fits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if fits { Ok(text.to_ascii_lowercase()) } else { Err("a SHA-256 has 64 hexadecimal digits".to_owned()) }
}

/// An account number, for the command line.
pub fn twelve_digits(text: &str) -> Result<String, String> {
    if lakewright_iam::is_account(text) { Ok(text.to_owned()) } else { Err("an account has twelve digits".to_owned()) }
}
