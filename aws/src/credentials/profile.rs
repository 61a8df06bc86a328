//! Where credentials come from, as the environment and AWS's configuration files say it, and what to do when that gives none.

use std::env;

use aws_config::profile::ProfileSet;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};

/// The source of credentials, as far as a message needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Keys that a program gave.
    Given,
    /// Keys in the environment.
    Environment,
    /// A role for a token in a file, named in the environment.
    WebIdentity,
    /// A profile that the configuration files don't have, and those that they have.
    NoProfile(String, Vec<String>),
    /// IAM Identity Center.
    Sso(String),
    /// A role, with its ARN.
    Role(String, String),
    /// A command that prints credentials.
    Process(String),
    /// Another profile, of keys.
    Profile(String),
    /// A role that a connection assumes, by its ARN.
    Assumed(String),
    /// Nothing is configured: what is left is the machine's or the container's own role.
    Machine,
}

/// The profiles of this machine, and the one that is meant.
#[derive(Debug)]
pub struct Profiles {
    /// All of them; none if the files can't be read.
    pub set: Option<ProfileSet>,
    /// The name of the one that is meant.
    pub name: String,
    /// Whether an option names it, which goes before keys in the environment.
    pub asked: bool,
}

impl Profiles {
    /// Reads the configuration files; `asked` is the profile that an option names.
    pub async fn load(asked: Option<&str>) -> Self {
        let name = asked.map(str::to_owned).or_else(|| variable("AWS_PROFILE")).unwrap_or_else(|| "default".to_owned());
        let files = EnvConfigFiles::default();
        let set = aws_config::profile::load(&Fs::real(), &Env::real(), &files, Some(name.clone().into())).await.ok();
        Self { set, name, asked: asked.is_some() }
    }

    /// A setting of a profile.
    pub fn get(&self, profile: &str, setting: &str) -> Option<&str> {
        self.set.as_ref()?.get_profile(profile)?.get(setting)
    }

    /// Where credentials come from, in the order in which the SDK looks.
    pub fn origin(&self) -> Origin {
        if !self.asked && variable("AWS_ACCESS_KEY_ID").is_some() {
            return Origin::Environment;
        }
        let name = || self.name.clone();
        let has = |setting: &str| self.get(&self.name, setting).is_some();
        let all: Vec<String> = self.set.iter().flat_map(ProfileSet::profiles).map(str::to_owned).collect();
        if !all.contains(&self.name) {
            return match (self.name.as_str(), variable("AWS_WEB_IDENTITY_TOKEN_FILE")) {
                ("default", Some(_)) => Origin::WebIdentity,
                ("default", None) => Origin::Machine,
                _ => Origin::NoProfile(name(), all),
            };
        }
        match self.get(&self.name, "role_arn") {
            Some(role) => Origin::Role(name(), role.to_owned()),
            None if has("sso_session") || has("sso_start_url") => Origin::Sso(name()),
            None if has("credential_process") => Origin::Process(name()),
            None => Origin::Profile(name()),
        }
    }
}

/// A variable of the environment that isn't empty.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

impl Origin {
    /// One sentence: that there are no credentials, why, and what to do.
    pub fn refusal(&self, cause: &str) -> String {
        match self {
            Self::Given => format!("the AWS credentials can't be used: {cause}"),
            Self::Environment => format!(
                "the AWS credentials in the environment can't be used ({cause}); set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY anew, or unset them and set AWS_PROFILE"
            ),
            Self::WebIdentity => format!(
                "no AWS credentials for the web identity token ({cause}); look at AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, \
                 and whether the role trusts the token's issuer"
            ),
            Self::NoProfile(name, all) => {
                let others = if all.is_empty() { "they have none".to_owned() } else { format!("they have {}", all.join(", ")) };
                format!(
                    "AWS's configuration files have no profile `{name}` ({others}); choose one with --profile or AWS_PROFILE, or \
                     make it with `aws configure sso --profile {name}`"
                )
            }
            Self::Sso(name) => format!(
                "the profile `{name}` has no valid session of IAM Identity Center ({cause}); run `aws sso login --profile {name}`"
            ),
            Self::Role(name, role) => format!(
                "the profile `{name}` can't assume {role} ({cause}); the role's trust policy has to name who you are, with \
                 `external_id` and `mfa_serial` in the profile if it asks for them"
            ),
            Self::Process(name) => format!(
                "the `credential_process` of the profile `{name}` gave no credentials ({cause}); run its command by hand to see \
                 why"
            ),
            Self::Profile(name) => format!(
                "the profile `{name}` gives no credentials ({cause}); add keys or a role to it, or choose another with --profile"
            ),
            Self::Assumed(role) => format!("the role {role} can't be assumed: {cause}"),
            Self::Machine => "there are no AWS credentials: set AWS_PROFILE to a profile of ~/.aws/config (`aws configure sso` makes one), or \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                .to_owned(),
        }
    }

    /// What to do when a service says that the credentials have expired.
    pub fn renewal(&self) -> String {
        match self {
            Self::Sso(name) => format!("run `aws sso login --profile {name}`"),
            Self::Environment => "export fresh credentials, or unset them and set AWS_PROFILE".to_owned(),
            Self::Process(name) => {
                format!("run the `credential_process` of the profile `{name}` by hand to see why it gives old ones")
            }
            Self::Role(name, _) | Self::Profile(name) | Self::NoProfile(name, _) => {
                format!("give the profile `{name}` fresh credentials")
            }
            Self::WebIdentity => "let the pipeline fetch a fresh web identity token".to_owned(),
            Self::Assumed(role) => format!("run it again: the sessions of {role} may have been ended (revoked)"),
            Self::Given | Self::Machine => "run it again with fresh credentials".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_what_to_do() {
        let named = "work".to_owned();
        for (origin, todo) in [
            (Origin::Given, "can't be used: gone"),
            (Origin::Environment, "AWS_ACCESS_KEY_ID"),
            (Origin::WebIdentity, "AWS_WEB_IDENTITY_TOKEN_FILE"),
            (Origin::NoProfile(named.clone(), vec!["home".into()]), "they have home"),
            (Origin::Sso(named.clone()), "aws sso login --profile work"),
            (Origin::Role(named.clone(), "arn:aws:iam::1:role/r".into()), "can't assume arn:aws:iam::1:role/r (gone)"),
            (Origin::Process(named.clone()), "run its command by hand"),
            (Origin::Assumed("arn:aws:iam::1:role/r".into()), "arn:aws:iam::1:role/r can't be assumed: gone"),
            (Origin::Profile(named), "choose another with --profile"),
            (Origin::Machine, "aws configure sso"),
        ] {
            let refusal = origin.refusal("gone");
            assert!(refusal.contains(todo) && !refusal.contains("  "), "{refusal}");
            assert!(!origin.renewal().is_empty() && !origin.renewal().contains("  "), "{origin:?}");
        }
    }
}
