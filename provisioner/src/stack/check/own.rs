//! Checks of single resources: their kinds' schemas say which values a field takes.

use std::collections::BTreeSet;
use std::ops::Range;

use regex::Regex;
use serde_json::Value;

use super::Checker;
use crate::kinds;
use crate::stack::decode::Entry;
use crate::stack::diagnostics::{Diagnostic, nearest, suggest};
use crate::stack::resource::Own;

impl Checker<'_> {
    /// Single resources are of a kind that there is, and as their kind wants them.
    pub(super) fn own_resources(&mut self) {
        for kind in &self.file.resource {
            let Some(known) = kinds::named(&kind.name) else {
                self.no_kind(&kind.name, &kind.span);
                continue;
            };
            for one in kind.value.iter().filter(|one| !one.value.spec.is_null()) {
                if one.name.chars().any(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))) {
                    let title = format!("`{}` can't be the name of a resource", one.name);
                    self.push(Diagnostic::new(one.span.clone(), title, "only letters, digits, `-` and `_`"));
                }
                let schema = known.schema();
                let misfits = misfits(&schema, &one.value.spec);
                for misfit in &misfits {
                    self.push(misfit.told(&kind.name, one));
                }
                if let (true, Err(error)) = (misfits.is_empty(), known.normalise(&one.value.spec)) {
                    let title = format!("`{}.{}`: {}", kind.name, one.name, error.root_cause());
                    self.push(
                        Diagnostic::new(one.span.clone(), title, format!("no {} can be made of this", kind.name))
                            .help(format!("docs/kinds.md lists the fields of {}", kind.name)),
                    );
                }
            }
        }
    }
}

/// A value that a schema doesn't take.
#[derive(Debug, PartialEq, Eq)]
struct Misfit {
    /// The way to it, `columns[2].type`; empty for the whole spec.
    path: String,
    /// What is wrong with it.
    what: String,
    /// What would be right.
    cure: Option<String>,
}

impl Misfit {
    fn told(&self, kind: &str, one: &Entry<Own>) -> Diagnostic {
        let field = self.path.split(['.', '[']).next().unwrap_or_default();
        let place: &Range<usize> = one.value.places.get(field).unwrap_or(&one.span);
        let title = match self.path.as_str() {
            "" => format!("`{kind}.{}`: {}", one.name, self.what),
            path => format!("`{kind}.{}`: `{path}` {}", one.name, self.what),
        };
        let cure = self.cure.clone().unwrap_or_else(|| format!("docs/kinds.md lists the fields of {kind}"));
        Diagnostic::new(place.clone(), title, format!("no {kind} can be made of this")).help(cure)
    }
}

/// What a schema doesn't take of a spec.
fn misfits(schema: &Value, spec: &Value) -> Vec<Misfit> {
    let mut check = Check { root: schema, found: Vec::new() };
    check.value(schema, spec, "");
    check.found
}

struct Check<'a> {
    /// The schema that references lead into.
    root: &'a Value,
    found: Vec<Misfit>,
}

impl<'a> Check<'a> {
    fn misfit(&mut self, path: &str, what: String, cure: Option<String>) {
        self.found.push(Misfit { path: path.to_owned(), what, cure });
    }

    fn value(&mut self, schema: &'a Value, value: &Value, path: &str) {
        if let Some(target) = schema["$ref"].as_str() {
            return self.value(self.root.pointer(target.trim_start_matches('#')).unwrap_or(&Value::Null), value, path);
        }
        if let Some(alternatives) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            return self.alternatives(schema, alternatives, value, path);
        }
        if !is_of(&schema["type"], value) {
            return self.misfit(
                path,
                format!("is {}, and must be {}", called(value), wanted(&schema["type"])),
                doc(schema),
            );
        }
        match value {
            Value::String(text) => self.text(schema, text, path),
            Value::Number(number) => {
                if let Some(all) = schema["enum"].as_array().filter(|all| !all.contains(value)) {
                    let all: Vec<String> = all.iter().map(Value::to_string).collect();
                    return self.misfit(
                        path,
                        format!("can't be {value}"),
                        Some(format!("write one of {}", all.join(", "))),
                    );
                }
                let number = number.as_f64().unwrap_or_default();
                let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
                if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
                    let range =
                        [least.map(|least| format!("at least {least}")), most.map(|most| format!("at most {most}"))];
                    let range: Vec<String> = range.into_iter().flatten().collect();
                    self.misfit(path, format!("can't be {value}: {}", range.join(", ")), doc(schema));
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate().filter(|_| schema["items"].is_object()) {
                    self.value(&schema["items"], item, &format!("{path}[{at}]"));
                }
            }
            Value::Object(members) => self.members(schema, members, path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn text(&mut self, schema: &'a Value, text: &str, path: &str) {
        if let Some(all) = schema["enum"].as_array() {
            if !all.iter().any(|one| one == text) {
                self.none_of(all.iter(), text, path);
            }
            return;
        }
        // A text with a reference in it is known only when that is made.
        if text.contains("${") {
            return;
        }
        let (least, most) = (schema["minLength"].as_u64(), schema["maxLength"].as_u64());
        let length = text.chars().count() as u64;
        if text.is_empty() && least.is_some_and(|least| least > 0) {
            self.misfit(path, "is empty".to_owned(), doc(schema));
        } else if let Some(least) = least.filter(|least| length < *least) {
            self.misfit(path, format!("is too short: at least {least} characters"), doc(schema));
        } else if let Some(most) = most.filter(|most| length > *most) {
            self.misfit(path, format!("has {length} characters, and may have {most}"), doc(schema));
        } else if let Some(pattern) = schema["pattern"].as_str()
            && !Regex::new(pattern).expect("a test compiles the patterns of all kinds").is_match(text)
        {
            self.misfit(path, format!("can't be `{text}`: must fit {pattern}"), doc(schema));
        }
    }

    fn members(&mut self, schema: &'a Value, members: &serde_json::Map<String, Value>, path: &str) {
        let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let known = schema["properties"].as_object();
        let names = || known.into_iter().flatten().map(|(name, _)| name.as_str());
        let mut meant = BTreeSet::new();
        for (name, value) in members {
            let other = &schema["additionalProperties"];
            match known.and_then(|known| known.get(name)) {
                Some(member) => self.value(member, value, &under(name)),
                None if other == &Value::Bool(false) => {
                    meant.extend(nearest(name, names()));
                    let cure = suggest(name, names().collect::<Vec<_>>(), "fields");
                    self.misfit(&under(name), "is no field of it".to_owned(), Some(cure));
                }
                None if other.is_object() => self.value(other, value, &under(name)),
                None => {}
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            // One that is misspelt is told once.
            if !members.contains_key(name) && !meant.contains(name) {
                let cure = known.and_then(|known| doc(&known[name]));
                self.misfit(path, format!("has no `{name}`"), cure);
            }
        }
    }

    fn alternatives(&mut self, schema: &'a Value, all: &'a [Value], value: &Value, path: &str) {
        let mut closest: Option<Vec<Misfit>> = None;
        for one in all {
            let mut check = Check { root: self.root, found: Vec::new() };
            match one.get("const") {
                Some(only) if only == value => return,
                Some(_) => continue,
                None => check.value(one, value, path),
            }
            if check.found.is_empty() {
                return;
            }
            // What is wrong inside of one says more than that none is of the type.
            let nearer = check.found.iter().any(|misfit| misfit.path != path || !misfit.what.contains("must be"));
            if closest.is_none() || nearer {
                closest = Some(check.found);
            }
        }
        match (value, closest) {
            (Value::String(text), None) => self.none_of(all.iter().filter_map(|one| one.get("const")), text, path),
            (_, Some(found)) => self.found.extend(found),
            (_, None) => self.misfit(path, format!("is {}, and must be a text", called(value)), doc(schema)),
        }
    }

    fn none_of<'b>(&mut self, all: impl Iterator<Item = &'b Value>, text: &str, path: &str) {
        let all: Vec<&str> = all.filter_map(Value::as_str).collect();
        self.misfit(path, format!("can't be `{text}`"), Some(suggest(text, all.iter().copied(), "values")));
    }
}

/// The first sentence that a schema says of itself.
fn doc(schema: &Value) -> Option<String> {
    let text = schema["description"].as_str()?.replace('\n', " ");
    let end = text.find(". ").map_or(text.len(), |end| end + 1);
    Some(text[..end].trim_end_matches('.').to_owned())
}

fn is_of(kind: &Value, value: &Value) -> bool {
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => value.is_null(),
    };
    match kind {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
        _ => true,
    }
}

fn wanted(kind: &Value) -> String {
    let kinds = match kind {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
        kind => kind.as_str().into_iter().collect::<Vec<_>>(),
    };
    let word = |kind: &str| match kind {
        "string" => "a text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "array" => "a list",
        _ => "a table",
    };
    kinds.into_iter().map(word).collect::<Vec<_>>().join(" or ")
}

fn called(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: &str, spec: &Value) -> Vec<String> {
        let schema = kinds::named(kind).expect("a kind").schema();
        let tell = |misfit: Misfit| format!("{} {} ({})", misfit.path, misfit.what, misfit.cure.unwrap_or_default());
        misfits(&schema, spec).into_iter().map(tell).collect()
    }

    #[test]
    fn every_misfit_is_told_with_its_path_and_its_cure() {
        let spec =
            json!({"name": "", "log_group": 7, "pattern": "", "namespace": "a:b", "metrc": "x", "unit": "Cuont"});
        let expected = [
            "log_group is a number, and must be a text (The log group's name)",
            "metrc is no field of it (did you mean `metric`?)",
        ];
        let told = told("metric_filter", &spec);
        for text in expected {
            assert!(told.iter().any(|one| one == text), "{text}: {told:#?}");
        }
        for path in ["name", "namespace", "unit"] {
            assert!(told.iter().any(|one| one.starts_with(&format!("{path} "))), "{path}: {told:#?}");
        }
        assert!(
            !told.iter().any(|one| one.contains("has no `metric`")),
            "a misspelt field isn't missing, too: {told:#?}"
        );
    }

    #[test]
    fn numbers_are_of_those_that_aws_takes() {
        let group = |days: u32| told("log_group", &json!({"name": "/a", "retention_days": days}));
        assert_eq!(group(365), [""; 0]);
        assert!(group(17)[0].starts_with("retention_days can't be 17 (write one of 1, 3,"), "{:?}", group(17));
        let rule =
            |port: i32| json!({"vpc": "vpc-1", "name": "a", "description": "d", "ingress": [{"from_port": port}]});
        assert_eq!(told("security_group", &rule(443)), [""; 0]);
        assert!(told("security_group", &rule(70_000))[0].starts_with("ingress[0].from_port can't be 70000"));
        let topic = |partitions: u32| json!({"cluster": "${cluster.main.arn}", "name": "a", "partitions": partitions, "replication": 3});
        assert_eq!((told("topic", &topic(1)).len(), told("topic", &topic(0)).len()), (0, 1));
    }

    #[test]
    fn what_is_known_after_apply_is_not_judged() {
        let subnet = |vpc: &str| json!({"vpc": vpc, "cidr": "10.0.0.0/24", "zone": "eu-north-1a"});
        assert_eq!(told("subnet", &subnet("${vpc.main.id}")), [""; 0]);
        assert_eq!(told("subnet", &subnet("vpc-0123456789abcdef0")), [""; 0]);
        assert_eq!(told("subnet", &subnet("vpc.main")).len(), 1);
    }

    #[test]
    fn parts_within_parts_are_judged_by_the_one_that_they_mean() {
        let spec = json!({
            "name": "shop", "kafka_version": "3.9.x", "brokers": 3, "instance_type": "kafka.m7g.large", "subnets": ["subnet-1"],
            "security_groups": [], "storage_gib": 100, "encryption_key": "k", "authentication": {"iam": "yes"},
            "monitoring": "per_brokr", "logs": {"prefx": "x"},
        });
        let told = told("cluster", &spec);
        for path in ["authentication.iam", "monitoring", "logs.prefx"] {
            assert!(told.iter().any(|one| one.starts_with(&format!("{path} "))), "{path}: {told:#?}");
        }
    }

    /// Real values that AWS takes, by field.
    #[test]
    fn what_aws_takes_is_taken() {
        let zones = ["eu-north-1a", "us-west-2-lax-1a", "us-east-1-wl1-bos-wlz-1", "eusc-de-east-1a", "us-gov-west-1b"];
        let keys = [
            "arn:aws:kms:eu-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws-cn:kms:cn-north-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab",
            "arn:aws-us-gov:kms:us-gov-west-1:123456789012:alias/shop",
            "alias/aws/s3",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "mrk-1234abcd12ab34cd56ef1234567890ab",
        ];
        let roles = [
            "arn:aws:iam::123456789012:role/service-role/team/build",
            "arn:aws-cn:iam::123456789012:role/build",
            "arn:aws-us-gov:iam::123456789012:role/build",
            "arn:aws-eusc:iam::123456789012:role/build",
        ];
        let clusters = [
            "arn:aws:kafka:eu-north-1:123456789012:cluster/shop/1234abcd-12ab-34cd-56ef-1234567890ab-2",
            "arn:aws-cn:kafka:cn-north-1:123456789012:cluster/shop/1234abcd-12ab-34cd-56ef-1234567890ab-2",
            "arn:aws-us-gov:kafka:us-gov-west-1:123456789012:cluster/shop/1234abcd-12ab-34cd-56ef-1234567890ab-2",
        ];
        let groups = ["/aws/lambda/x", "API-Gateway-Execution-Logs_abc/prod", "#audit", "aws.batch"];
        let buckets = ["logs.shop.example", "1a2", "shop-raw-123456789012"];
        let targets = [
            "arn:aws:automate:us-east-1:ec2:recover",
            "arn:aws-cn:sns:cn-north-1:123456789012:alarms",
            "arn:aws-us-gov:sns:us-gov-west-1:123456789012:alarms",
            "arn:aws:swf:eu-north-1:123456789012:action/actions/AWS_EC2.InstanceId.Stop/1.0",
            "arn:aws:ssm:eu-north-1:123456789012:opsitem:3#CATEGORY=Performance",
        ];
        let fields: &[(&str, &[&str], &[&str])] = &[
            ("zone", &["subnet", "volume"], &zones),
            ("key", &["bucket", "sns_topic", "pipeline", "volume", "secret", "workgroup"], &keys),
            ("encryption_key", &["cluster"], &keys),
            ("role", &["function", "build_project", "pipeline", "flow_log"], &roles),
            ("cluster", &["topic", "scram_association", "storage_scaling"], &clusters),
            ("name", &["log_group"], &groups),
            ("log_group", &["metric_filter", "function", "build_project", "flow_log"], &groups),
            ("name", &["bucket"], &buckets),
            ("bucket", &["object", "release", "pipeline"], &buckets),
            ("bucket", &["flow_log"], &["arn:aws-us-gov:s3:::flows.shop/vpc/", "arn:aws-cn:s3:::flows"]),
            ("attached", &["role"], &["arn:aws-cn:iam::aws:policy/service-role/AmazonMSKFullAccess"]),
            ("alarm_actions", &["alarm"], &targets),
            ("name", &["alarm", "saved_query"], &["Zu viele Fehler > 5 %: prüfen (täglich)", "売上"]),
            ("image", &["launch_template"], &["resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023:2", "ami-0ab1"]),
            ("instance_type", &["launch_template"], &["u-6tb1.112xlarge", "mac2-m2pro.metal", "m7g.large"]),
            ("launch_template", &["auto_scaling_group"], &["lt-0123456789abcdef0"]),
            (
                "schedule",
                &["schedule_rule"],
                &["cron(0 12 * * ? *)", "cron(15 10 ? * 6L 2026-2028)", "rate(5 minutes)"],
            ),
            ("url", &["oidc_provider"], &["https://oidc.eks.eu-north-1.amazonaws.com/id/0123456789ABCDEF"]),
            ("https", &["sns_topic"], &["https://user:word@example.com:8443/told?by=sns"]),
            ("email", &["sns_topic"], &["team+shop@example.com", "o'hara@example.co.uk"]),
            ("namespace", &["metric_filter"], &["My Shop/Errors of Orders", "Shop"]),
            ("metric", &["metric_filter"], &["Errors (5xx) / minute"]),
            ("release_label", &["emr_application"], &["emr-7.9.0", "emr-spark-8.0-preview", "emr-7.9.0/20250901"]),
            ("name", &["build_project"], &["ab", "0_shop-BUILD"]),
            ("name", &["secret"], &["AmazonMSK_app", "prod/shop/db+x=1@eu.a"]),
            ("name", &["budget"], &["Shop (month) 100 %", "Überblick/alles"]),
            ("location", &["database", "table"], &["s3://logs.shop.example/a b/ü"]),
        ];
        for (field, kinds_of_it, values) in fields {
            for (kind, value) in kinds_of_it.iter().flat_map(|kind| values.iter().map(move |value| (*kind, *value))) {
                let schema = kinds::named(kind).expect("a kind").schema();
                let listed = schema["properties"][field]["type"] == "array";
                let value = if listed { json!([value]) } else { json!(value) };
                let mut found = misfits(&schema, &json!({*field: value}));
                // The spec has this field only.
                found.retain(|misfit| !misfit.path.is_empty());
                assert_eq!(found, [], "{kind}.{field} = {value}");
            }
        }
        assert_eq!(told("subnet", &json!({"vpc": "vpc-1", "cidr": "10.0.0.0/24", "zone": "eu-north-1"})).len(), 1);
    }
}
