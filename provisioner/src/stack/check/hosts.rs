//! Checks of hosts, their data volumes, and what roles may do besides.

use std::collections::BTreeMap;
use std::ops::Range;

use lakewright_iam::Arn;
use serde_json::Value;

use super::Checker;
use crate::kinds::{self, policy};
use crate::stack::decode::{At, Entry};
use crate::stack::diagnostics::Diagnostic;
use crate::stack::functions::Statement;
use crate::stack::hosts::Host;

impl Checker<'_> {
    pub(super) fn hosts(&mut self) {
        let file = self.file;
        for host in &file.hosts {
            let kind = &host.value.instance_type;
            if kind.sound && !is_instance_type(kind) {
                let title = format!("`{}` is no EC2 instance type", kind.value);
                self.push(
                    Diagnostic::new(kind.span.clone(), title, "no such shape")
                        .help("write it as in `t3.small` or `m7g.large`"),
                );
            }
            self.key(host.value.key.as_ref(), &host.span);
            for (index, agent) in host.value.agents.iter().enumerate() {
                if agent.sound
                    && host.value.agents[..index].iter().any(|other| other.sound && other.value == agent.value)
                {
                    let title = format!("agent `{}` stands here twice", agent.word());
                    self.push(Diagnostic::new(agent.span.clone(), title, "a host runs an agent once"));
                }
            }
            if let Some(image) = host.value.image.as_ref().filter(|image| image.sound)
                && !image.starts_with("resolve:ssm:")
                && !image.starts_with("ami-")
            {
                self.push(
                    Diagnostic::new(image.span.clone(), format!("`{}` is no image", image.value), "can't be started")
                        .help("write an image's id, `ami-…`, or `resolve:ssm:PARAMETER`"),
                );
            }
            self.data_volume(host);
            self.statements(&host.value.statements);
        }
    }

    /// A data volume is one that EBS makes, and the hosts that it gives names of their own take nobody else's.
    fn data_volume(&mut self, host: &Entry<Host>) {
        let section = &host.value;
        let Some(gib) = &section.data_volume_gib else {
            let written = [
                (
                    "data_volume_type",
                    Some(&section.data_volume_type).filter(|kind| kind.written()).map(|kind| &kind.span),
                ),
                ("data_volume_iops", section.data_volume_iops.as_ref().map(|iops| &iops.span)),
                ("data_volume_throughput", section.data_volume_throughput.as_ref().map(|rate| &rate.span)),
            ];
            for (name, span) in written {
                if let Some(span) = span {
                    let title = format!("`{name}` of a host without a data volume");
                    self.push(
                        Diagnostic::new(span.clone(), title, "nothing has it")
                            .help("`data_volume_gib` gives the host a data volume"),
                    );
                }
            }
            return;
        };
        let sound = gib.sound
            && section.data_volume_iops.as_ref().is_none_or(|iops| iops.sound)
            && section.data_volume_throughput.as_ref().is_none_or(|rate| rate.sound);
        // Which zone it gets is known later, and not judged here.
        let zone = "${subnet.a.zone}".to_owned();
        if let Some(spec) = section.data_volume(zone, None).filter(|_| sound) {
            let spec = serde_json::to_value(&spec).expect("a spec holds only what JSON has");
            let kind = kinds::named("volume").expect("volumes are a kind");
            if let Err(error) = kind.normalise(&spec) {
                let title = format!("EBS makes no such data volume: {}", error.root_cause());
                self.push(Diagnostic::new(gib.span.clone(), title, "of this host"));
            }
        }
        for index in 0..section.count.0 {
            let name = format!("{}-{index}", host.name);
            if let Some(other) = self.file.hosts.get(&name) {
                let title = format!("the host `{name}` is one of the hosts `{}`", host.name);
                self.push(
                    Diagnostic::new(other.span.clone(), title, "name taken").help(
                        "hosts with a data volume have names of their own, NAME-0, NAME-1 …; choose another name",
                    ),
                );
            }
        }
    }

    /// Every Sid of a role's own statements is another one, of such characters as IAM takes.
    fn sids(&mut self, statements: &[At<Statement>]) {
        let mut seen: BTreeMap<&str, &Range<usize>> = BTreeMap::new();
        for statement in statements.iter().filter(|statement| statement.sound) {
            let Some(sid) = statement.0["Sid"].as_str().filter(|sid| !sid.is_empty()) else { continue };
            if !policy::is_plain_sid(sid) {
                let title = format!("`{sid}` can't be a `Sid`");
                let told = Diagnostic::new(statement.span.clone(), title, "IAM refuses it");
                self.push(told.help("write letters and digits only"));
            }
            if let Some(first) = seen.insert(sid, &statement.span) {
                let title = format!("two statements have the Sid `{sid}`");
                let mut told = Diagnostic::new(statement.span.clone(), title, "it stands here again");
                told.also.push((first.clone(), "it stands here first".to_owned()));
                self.push(told.help("give each a Sid of its own: IAM refuses the policy otherwise"));
            }
        }
    }

    /// A role's own statements are such that IAM takes them.
    pub(super) fn statements(&mut self, statements: &[At<Statement>]) {
        self.sids(statements);
        for statement in statements.iter().filter(|statement| statement.sound) {
            self.statement(statement);
            let members: [(_, fn(&str) -> bool, _); 2] = [
                ("Action", is_action, "an action looks like `s3:GetObject`, with `*` for any"),
                (
                    "Resource",
                    is_resource,
                    "a resource is an ARN, `${bucket.raw.arn}` for one of this stack's, or `*` for everything",
                ),
            ];
            for (name, fits, help) in members {
                for text in texts(&statement.0[name]).into_iter().filter(|text| !fits(text)) {
                    let title = format!("`{text}` can't stand in `{name}`");
                    self.push(Diagnostic::new(statement.span.clone(), title, "IAM refuses it").help(help));
                }
            }
        }
    }
}

/// A text, or the texts of a list.
fn texts(value: &Value) -> Vec<&str> {
    let all = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    all.iter().filter_map(Value::as_str).collect()
}

impl Checker<'_> {
    /// The pipeline is one that its provider can name.
    pub(super) fn ci(&mut self) {
        let Some(ci) = &self.file.ci else { return };
        let repository = &ci.repository;
        if repository.sound && !is_repository(repository) {
            let title = format!("`{}` is no repository", repository.value);
            self.push(Diagnostic::new(repository.span.clone(), title, "must be `owner/name`"));
        }
        let names = [("branch", Some(&ci.branch)), ("environment", ci.environment.as_ref())];
        for (what, name) in names {
            let Some(name) = name.filter(|name| name.sound) else { continue };
            if name.is_empty() || name.contains(['*', '?', ' ', ':']) {
                let title = format!("`{}` is no {what}", name.value);
                self.push(
                    Diagnostic::new(name.span.clone(), title, "must be one name")
                        .help("runs of exactly one may apply the stack: a pattern would let others in"),
                );
            }
        }
        if let Some(environment) = ci.environment.as_ref().filter(|_| ci.branch.written()) {
            let title = "`branch` and `environment` exclude each other";
            self.push(
                Diagnostic::new(environment.span.clone(), title, "GitHub's token names the environment alone")
                    .help("leave `branch` out, and let the environment's rules on GitHub name the branches"),
            );
        }
    }
}

impl Checker<'_> {
    /// Those who apply the stack are roles and users, and not everybody.
    pub(super) fn deployers(&mut self) {
        let file = self.file;
        let named = &file.stack.deployers;
        let is_applied = file.ci.is_some() || file.pipeline.is_some() || file.stack.role.is_some();
        if named.sound && named.written() && named.is_empty() && !is_applied {
            self.push(
                Diagnostic::new(named.span.clone(), "nobody could apply the stack", "names nobody")
                    .help("name who does, as in `deployers = [\"role/deployer\"]`, or leave the line out"),
            );
        }
        for one in named.iter().filter(|one| one.sound) {
            if let Some(label) = deployer_mistake(one) {
                let title = format!("`{}` is nobody who could apply the stack", one.value);
                self.push(
                    Diagnostic::new(one.span.clone(), title, label)
                        .help("write a role or user of the stack's account, `role/deployer`, or an ARN of IAM")
                        .help("`*` stands for a part of a name, as in `role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Admin_*`"),
                );
            }
        }
    }
}

/// What is wrong with a text as the pattern of a deployer's ARN, or of what such an ARN ends with.
fn deployer_mistake(text: &str) -> Option<&'static str> {
    let thing = if text.starts_with("arn:") {
        let of_iam = |arn: &Arn<'_>| arn.is_of_aws() && arn.service == "iam" && arn.region.is_empty();
        match Arn::parse(text).filter(|arn| of_iam(arn) && arn.owner().is_some()) {
            Some(arn) => arn.resource,
            None => return Some("no ARN of IAM in an account"),
        }
    } else {
        text
    };
    let Some((_, name)) = thing.split_once('/').filter(|(kind, _)| ["role", "user"].contains(kind)) else {
        return Some("neither a role nor a user");
    };
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-/*?".contains(c)) {
        return Some("IAM has no such names");
    }
    (!name.chars().any(|c| c.is_ascii_alphanumeric())).then_some("would let everybody in")
}

/// Whether a text is a repository of GitHub's, `owner/name`.
fn is_repository(text: &str) -> bool {
    let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    text.split_once('/').is_some_and(|(owner, name)| word(owner) && word(name))
}

/// Whether a text has the shape of an IAM action.
fn is_action(text: &str) -> bool {
    let word = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    text == "*" || text.split_once(':').is_some_and(|(service, action)| word(service, "-") && word(action, "*?"))
}

/// Whether a text has the shape of what a policy names as a resource.
fn is_resource(text: &str) -> bool {
    text == "*" || text.starts_with("${") || Arn::parse(text).is_some()
}

/// Whether a text has the shape of an instance type: family with a generation, dot, size.
fn is_instance_type(text: &str) -> bool {
    let Some((family, size)) = text.split_once('.') else { return false };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let family_fine = family.starts_with(|c: char| c.is_ascii_lowercase())
        && family.chars().any(|c| c.is_ascii_digit())
        && family.chars().all(plain);
    let named = ["nano", "micro", "small", "medium", "large", "xlarge", "metal"].contains(&size);
    let number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let multiple = size.strip_suffix("xlarge").is_some_and(number)
        || size.strip_prefix("metal-").and_then(|size| size.strip_suffix("xl")).is_some_and(number);
    family_fine && (named || multiple)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_types_are_told_from_others() {
        assert!(is_instance_type("t3.small") && is_instance_type("m7g.2xlarge") && is_instance_type("c7i.metal-24xl"));
        assert!(!is_instance_type("t3") && !is_instance_type("small") && !is_instance_type("t3.tiny"));
    }

    #[test]
    fn deployers_are_roles_and_users_and_not_everybody() {
        for fine in [
            "role/deployer",
            "user/teams/data/anna",
            "role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Admin_*",
            "arn:aws:iam::123456789012:role/deployer",
            "arn:aws-us-gov:iam::123456789012:user/anna",
        ] {
            assert_eq!(deployer_mistake(fine), None, "{fine}");
        }
        for wrong in [
            "*",
            "deployer",
            "role/*",
            "role/",
            "role/*/?",
            "role/a b",
            "group/admins",
            "arn:aws:iam::*:role/deployer",
            "arn:aws:iam::123456789012:*",
            "arn:aws:iam::123456789012:role/*",
            "arn:aws:sts::123456789012:assumed-role/deployer/me",
            "arn:aws:s3:::bucket",
        ] {
            assert!(deployer_mistake(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn actions_and_resources_are_told_from_others() {
        assert!(is_action("s3:GetObject") && is_action("kafka-cluster:*") && is_action("*"));
        assert!(!is_action("GetObject") && !is_action("s3:") && !is_action("s3:Get Object"));
        assert!(is_resource("arn:aws:s3:::mine/*") && is_resource("*") && is_resource("${bucket.raw.arn}/x"));
        assert!(!is_resource("mine") && !is_resource("arn:aws:s3"));
    }
}
