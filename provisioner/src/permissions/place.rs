//! What a stack's things are called, as policies name them.

use std::collections::BTreeSet;

use lakewright_iam::{Arn, partition};
use serde_json::Value;

use super::Deployer;
use crate::kinds;
use crate::names;
use crate::reference::{Reference, resolve};
use crate::resource::{Address, Resource};

/// The types of EC2's resources, by what their identifiers begin with.
const PARTS: &[(&str, &str)] = &[
    ("eipalloc-", "elastic-ip"),
    ("rtb-", "route-table"),
    ("sg-", "security-group"),
    ("subnet-", "subnet"),
    ("vpc-", "vpc"),
];

impl Deployer<'_> {
    /// The ARN of a template that names no field of a spec.
    pub(super) fn arn(&self, template: &str) -> String {
        self.whole(self.given(template))
    }

    /// What the stack's resources are called, under some words of [`Facts::arns`](crate::kind::Facts::arns).
    pub(super) fn named(&self, words: &[&str]) -> BTreeSet<String> {
        let of = |resource: &Resource| {
            let arns = kinds::named(&resource.address.kind).map_or(&[][..], |kind| kind.facts().arns);
            let templates = arns.iter().filter(|(word, _)| words.contains(word)).map(|(_, template)| *template);
            templates.flat_map(|template| self.filled(resource, template)).collect::<Vec<_>>()
        };
        self.desired.resources.iter().flat_map(of).collect()
    }

    /// A template for one resource: several times where a field is a list, never where a field says nothing yet.
    pub(super) fn filled(&self, resource: &Resource, template: &str) -> Vec<String> {
        let given = self.given(template);
        let mut all = vec![String::new()];
        let mut rest = given.as_str();
        while let Some((before, (field, behind))) =
            rest.split_once('{').and_then(|(b, r)| Some((b, r.split_once('}')?)))
        {
            let (name, form) = field.split_once(':').unwrap_or((field, ""));
            let is_whole = before.is_empty() && behind.is_empty();
            let values = self.values(&resource.spec[name], is_whole);
            let values: Vec<String> = values.iter().map(|value| formed(value, form, is_whole)).collect();
            all =
                all.iter().flat_map(|text| values.iter().map(move |value| format!("{text}{before}{value}"))).collect();
            rest = behind;
        }
        all.iter().map(|text| self.whole(format!("{text}{rest}"))).collect()
    }

    /// The template with what stands in no spec.
    fn given(&self, template: &str) -> String {
        let Self { desired, account, region, state_bucket, .. } = self;
        let stack = &desired.stack;
        template
            .replace("{region}", region)
            .replace("{account}", account)
            .replace("{partition}", partition(region))
            .replace("{stack}", stack)
            .replace("{database}", &names::database(stack))
            .replace("{artifacts}", &names::bucket(stack, "artifacts", account))
            .replace("{state}", state_bucket)
    }

    /// What begins with a service is an ARN.
    fn whole(&self, text: String) -> String {
        if text.contains(':') && !text.starts_with("arn:") {
            return format!("arn:{}:{text}", partition(self.region));
        }
        text
    }

    /// The texts of a field, those of references as far as they follow from the file.
    fn values(&self, field: &Value, is_whole: bool) -> Vec<String> {
        match field {
            Value::String(text) => self.value(text, is_whole).into_iter().collect(),
            Value::Array(items) => items.iter().flat_map(|item| self.values(item, is_whole)).collect(),
            _ => Vec::new(),
        }
    }

    fn value(&self, text: &str, is_whole: bool) -> Option<String> {
        let resolved = resolve(&text.into(), &|reference| match reference.output.as_str() {
            "arn" if is_whole => self.called(reference),
            "arn" | "name" => self.name_of(&reference.address),
            _ => None,
        });
        resolved.as_str().filter(|text| !text.is_empty() && !text.contains("${")).map(str::to_owned)
    }

    fn name_of(&self, address: &Address) -> Option<String> {
        let resource = self.desired.resources.iter().find(|one| one.address == *address)?;
        let field = kinds::named(&address.kind)?.facts().identified_by.first()?;
        resource.spec[field].as_str().map(str::to_owned)
    }

    /// What an output will be, as a pattern: as much of it as follows from the file.
    pub(super) fn called(&self, reference: &Reference) -> Option<String> {
        let Reference { address, output } = reference;
        if output == "name" {
            return self.name_of(address);
        }
        let resource = self.desired.resources.iter().find(|one| one.address == *address)?;
        let arns = kinds::named(&address.kind)?.facts().arns;
        let of_word = arns.iter().find(|(word, _)| word == output);
        let templates = of_word.into_iter().chain(arns.iter().filter(|_| output == "arn"));
        templates.flat_map(|(_, template)| self.filled(resource, template)).find(|text| text.starts_with("arn:"))
    }

    /// The parts of networks that the stack names by their identifiers.
    pub(super) fn borrowed(&self) -> BTreeSet<String> {
        let arn = |text: &str| {
            let (_, kind) = PARTS.iter().find(|(begin, _)| is_id(text, begin))?;
            Some(self.arn(&format!("ec2:{{region}}:{{account}}:{kind}/{text}")))
        };
        self.texts().into_iter().filter_map(arn).collect()
    }

    /// The ARNs of those services and types that stand in the stack's specs.
    pub(super) fn mentioned(&self, types: &[(&str, &str)]) -> BTreeSet<String> {
        let fits = |text: &&str| {
            let Some(arn) = Arn::parse(text) else { return false };
            let is_of = |kind: &str| arn.resource.strip_prefix(kind).is_some_and(|rest| rest.starts_with('/'));
            let is_plain = !text.contains(|c: char| "*?$".contains(c) || c.is_whitespace());
            is_plain && types.iter().any(|(other, kind)| *other == arn.service && is_of(kind))
        };
        self.texts().into_iter().filter(fits).map(str::to_owned).collect()
    }

    /// The texts in all specs but those in policies, which say what others may do.
    fn texts(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.desired.resources.iter().for_each(|resource| collect(&resource.spec, &mut found));
        found
    }
}

fn collect<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) if members.contains_key("Statement") => {}
        Value::Object(members) => members.values().for_each(|member| collect(member, found)),
        _ => {}
    }
}

/// A value as a template wants it; `is_whole` says that the template is nothing else. In a value a star is a star.
fn formed(value: &str, form: &str, is_whole: bool) -> String {
    let bare = value.split_once("://").map_or(value, |(_, rest)| rest);
    let text = match form {
        "folder" => value.split_inclusive('/').next().unwrap_or_default().to_owned(),
        "parent" => bare.rsplit_once('/').map_or(bare, |(parent, _)| parent).to_owned() + "/",
        "host" => bare.trim_end_matches('/').to_owned(),
        // Letters are small, no dot ends it, and what no name may hold stands as its number.
        // <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html>
        "domain" => return value.trim_end_matches('.').to_lowercase().replace('*', "\\052"),
        // A field that is an ARN, where a name is wanted.
        _ => match Arn::parse(value).filter(|_| !is_whole) {
            Some(arn) => arn.resource.split(['/', ':']).nth(1).unwrap_or(arn.resource).to_owned(),
            None => value.to_owned(),
        },
    };
    text.replace('$', "${$}").replace('*', "${*}").replace('?', "${?}")
}

/// Whether a text is an identifier of EC2 that begins so.
fn is_id(text: &str, begin: &str) -> bool {
    let is_number = |rest: &str| rest.len() >= 8 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.strip_prefix(begin).is_some_and(is_number)
}
