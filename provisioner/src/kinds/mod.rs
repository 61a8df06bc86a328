//! The resource kinds: one file and one line each.

mod among;
mod each;
mod ec2;
mod emr;
mod holders;
pub(crate) mod msk;
pub(crate) mod policy;
mod record_sets;
mod rights;
mod spec;
pub(crate) mod statement;
mod tag_lists;
mod tagged;
mod tagging;
mod tags;
#[cfg(test)]
mod testing;
mod wait;

pub mod alarm;
pub mod auto_scaling_group;
pub mod bucket;
pub mod budget;
pub mod build_project;
pub mod cluster;
pub mod dashboard;
pub mod database;
pub mod elastic_ip;
pub mod emr_application;
pub mod flow_log;
pub mod function;
pub mod instance_profile;
pub mod internet_gateway;
pub mod job_run;
pub mod key;
pub mod launch_template;
pub mod log_group;
pub mod managed_policy;
pub mod metric_filter;
pub mod msk_configuration;
pub mod nat_gateway;
pub mod object;
pub mod oidc_provider;
pub mod parameter;
pub mod pipeline;
pub mod private_zone;
pub mod queue;
pub mod record;
pub mod release;
pub mod role;
pub mod route_table;
pub mod saved_query;
pub mod schedule_rule;
pub mod scram_association;
pub mod secret;
pub mod security_group;
pub mod serverless_cluster;
pub mod session_document;
pub mod sns_topic;
pub mod storage_scaling;
pub mod subnet;
pub mod table;
pub mod table_optimizer;
pub mod topic;
pub mod values;
pub mod volume;
pub mod vpc;
pub mod vpc_endpoint;
pub mod workgroup;

use crate::kind::AnyKind;

/// Every kind, in the order in which a stack's resources are made: what has left the stack file goes in reverse.
pub fn all() -> &'static [&'static dyn AnyKind] {
    &[
        &vpc::Vpc,
        &subnet::Subnet,
        &internet_gateway::InternetGateway,
        &elastic_ip::ElasticIp,
        &nat_gateway::NatGateway,
        &route_table::RouteTable,
        &security_group::SecurityGroup,
        &vpc_endpoint::VpcEndpoint,
        &private_zone::PrivateZone,
        &record::Record,
        &key::Key,
        &secret::Secret,
        &queue::Queue,
        &bucket::Bucket,
        &object::Object,
        &release::Release,
        &oidc_provider::OidcProvider,
        &managed_policy::ManagedPolicy,
        &role::Role,
        &instance_profile::InstanceProfile,
        &msk_configuration::MskConfiguration,
        &cluster::Cluster,
        &serverless_cluster::ServerlessCluster,
        &storage_scaling::StorageScaling,
        &scram_association::ScramAssociation,
        &topic::Topic,
        &database::Database,
        &table::Table,
        &table_optimizer::TableOptimizer,
        &emr_application::EmrApplication,
        &job_run::JobRun,
        &workgroup::Workgroup,
        &saved_query::SavedQuery,
        &log_group::LogGroup,
        &session_document::SessionDocument,
        &parameter::Parameter,
        &flow_log::FlowLog,
        &metric_filter::MetricFilter,
        &function::Function,
        &schedule_rule::ScheduleRule,
        &build_project::BuildProject,
        &pipeline::Pipeline,
        &volume::Volume,
        &launch_template::LaunchTemplate,
        &auto_scaling_group::AutoScalingGroup,
        &sns_topic::SnsTopic,
        &alarm::Alarm,
        &dashboard::Dashboard,
        &budget::Budget,
    ]
}

/// The kind of this name.
pub fn named(name: &str) -> Option<&'static dyn AnyKind> {
    all().iter().copied().find(|kind| kind.name() == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_field_of_a_spec_is_declared_and_documented() {
        for kind in all() {
            let schema = kind.schema();
            let properties = schema["properties"].as_object().expect("a spec is an object");
            let declared: BTreeSet<&str> = kind.fields().iter().map(|field| field.name).collect();
            let written: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
            assert_eq!(declared, written, "{}", kind.name());
            for (name, property) in properties {
                assert!(property["description"].is_string(), "{}.{name} has no field docs", kind.name());
            }
            assert!(kind.facts().moving_outputs.iter().all(|name| kind.outputs().contains(name)), "{}", kind.name());
            assert!(kind.facts().unmoving_fields.iter().all(|name| declared.contains(name)), "{}", kind.name());
        }
    }

    #[test]
    fn a_renamed_field_is_one_by_its_new_name_only() {
        let renamed = all().iter().flat_map(|kind| kind.facts().renamed_fields.iter().map(move |names| (*kind, names)));
        let renamed: Vec<_> = renamed.collect();
        assert!(!renamed.is_empty());
        for (kind, (old, new)) in renamed {
            let is_field = |name: &str| kind.fields().iter().any(|field| field.name == name);
            assert!(is_field(new) && !is_field(old), "{}: {old}, {new}", kind.name());
        }
    }

    #[test]
    fn every_kind_says_what_it_must_be_allowed_to_do() {
        for kind in all() {
            assert!(!kind.actions().is_empty(), "{}", kind.name());
            assert!(kind.actions().iter().all(|action| action.contains(':')), "{}", kind.name());
        }
    }

    /// Whether a schema says which texts it takes; one that takes none says enough.
    fn says_which_texts(schema: &serde_json::Value) -> bool {
        let is_text = schema["type"] == "string" || schema["type"] == serde_json::json!(["string", "null"]);
        let limits = ["maxLength", "pattern", "enum", "const"];
        let items = schema.get("items").filter(|items| items.is_object());
        (!is_text || limits.iter().any(|limit| schema.get(limit).is_some())) && items.is_none_or(says_which_texts)
    }

    #[test]
    fn every_text_and_list_of_texts_that_is_a_field_of_a_spec_says_what_aws_takes() {
        // A file of any length may be put into a bucket.
        let free = ["object.content"];
        let fields = |kind: &&'static dyn AnyKind| {
            let (name, schema) = (kind.name(), kind.schema());
            let properties = schema["properties"].as_object().expect("a spec is an object").clone();
            properties.into_iter().map(move |(field, schema)| (format!("{name}.{field}"), schema)).collect::<Vec<_>>()
        };
        let silent = all().iter().flat_map(fields).filter(|(_, schema)| !says_which_texts(schema));
        let silent: Vec<String> =
            silent.map(|(field, _)| field).filter(|field| !free.contains(&field.as_str())).collect();
        assert_eq!(silent, [""; 0]);
    }

    /// The patterns in a schema, however deep.
    fn patterns(schema: &serde_json::Value) -> Vec<&str> {
        let own = schema["pattern"].as_str().into_iter();
        match schema {
            serde_json::Value::Object(members) => own.chain(members.values().flat_map(patterns)).collect(),
            serde_json::Value::Array(items) => items.iter().flat_map(patterns).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_pattern_of_a_schema_is_a_regular_expression() {
        for kind in all() {
            for pattern in patterns(&kind.schema()) {
                assert!(regex::Regex::new(pattern).is_ok(), "{}: {pattern}", kind.name());
            }
        }
        assert!(all().iter().map(|kind| patterns(&kind.schema()).len()).sum::<usize>() > all().len());
    }

    #[test]
    fn names_of_kinds_are_unique() {
        let names: BTreeSet<&str> = all().iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), all().len());
    }
}
