//! What a network has besides its subnets: interface endpoints, flow logs, and the security groups of endpoints and Spark.

use serde_json::json;

use super::Expansion;
use super::network::{among_themselves, from_group};
use crate::kinds::{flow_log, role, vpc_endpoint};
use crate::names::STREAM_JOB;
use crate::resource::Address;

/// The name of the models' security group, when Spark stands in private subnets.
pub(super) const JOBS: &str = "batch-jobs";
/// The name of the endpoints' security group.
const ENDPOINTS: &str = "endpoints";
/// The name of the flow log, of its role and of its log group.
const FLOW_LOGS: &str = "flow-logs";

impl Expansion<'_> {
    /// The security groups of Spark's workers and of the interface endpoints, which all members reach by HTTPS.
    pub(super) fn network_groups(&mut self) {
        let file = self.file;
        let spark = file.batch.as_ref().filter(|_| file.network.is_private());
        if let Some(batch) = spark {
            self.within(&batch.tags);
            let ingress = vec![among_themselves("workers among themselves")];
            let mut spec = self.security_group(JOBS, format!("the models of {}", self.stack.name()), ingress.clone());
            spec.egress.extend(ingress);
            self.add(Address::new("security_group", JOBS), &spec, &batch.span, vec![]);
        }
        self.stream_group();
        let Some(first) = file.network.endpoints.first() else { return };
        self.within(&file.network.tags);
        let hosts = file.hosts.iter().map(|host| from_group(443, &host.name, "AWS services for hosts"));
        let mut ingress: Vec<_> = hosts.collect();
        let spark = spark.map(|_| JOBS).into_iter().chain(file.streams_on_spark().then_some(STREAM_JOB));
        ingress.extend(spark.map(|group| from_group(443, group, "AWS services for Spark")));
        let description = format!("the endpoints of {}", self.stack.name());
        let mut spec = self.security_group(ENDPOINTS, description, ingress);
        // An endpoint answers and asks nothing by itself.
        spec.egress = vec![];
        self.add(Address::new("security_group", ENDPOINTS), &spec, &first.span, vec![]);
    }

    /// The addresses of the interface endpoints, and their services.
    pub(super) fn interface_endpoints(&self) -> Vec<(Address, &str)> {
        let services = self.file.network.endpoints.iter().map(|service| service.value.as_str());
        services.map(|service| (Address::new("vpc_endpoint", service.replace('.', "-")), service)).collect()
    }

    pub(super) fn endpoints(&mut self) {
        let file = self.file;
        self.within(&file.network.tags);
        let named: Vec<Address> = self.interface_endpoints().into_iter().map(|(address, _)| address).collect();
        for (address, service) in named.into_iter().zip(&file.network.endpoints) {
            let spec = vpc_endpoint::Spec {
                vpc: self.vpc().into(),
                service: service.value.clone(),
                kind: vpc_endpoint::EndpointType::Interface,
                route_tables: vec![],
                subnets: self.subnets().into_iter().map(Into::into).collect(),
                security_groups: vec![Address::new("security_group", ENDPOINTS).output("id").into()],
                private_dns: true,
                policy: None,
            };
            self.add(address, &spec, &service.span, vec![]);
        }
    }

    pub(super) fn flow_logs(&mut self) {
        let network = &self.file.network;
        if !*network.flow_logs {
            return;
        }
        self.within(&network.tags);
        let place = &network.flow_logs.span;
        let (group, role) = (Address::new("log_group", FLOW_LOGS), Address::new("role", FLOW_LOGS));
        self.add(group.clone(), &self.log_group(FLOW_LOGS), place, vec![]);
        let name = self.log_group_name(FLOW_LOGS);
        let arn = self.arn("logs", &format!("log-group:{name}"));
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "FlowLogs",
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogGroups", "logs:DescribeLogStreams"],
                "Resource": [arn.clone(), format!("{arn}:*")],
            }],
        });
        let trust = self.trust_for("vpc-flow-logs.amazonaws.com", Some(&self.arn("ec2", "vpc-flow-log/*")));
        let description = format!("writes the flow logs of {}", self.stack.name());
        let policies = [(FLOW_LOGS.to_owned(), policy)].into();
        let spec = role::Spec { policies, ..self.role(FLOW_LOGS, description, trust) };
        self.add(role.clone(), &spec, place, vec![]);
        let spec = flow_log::Spec {
            vpc: self.vpc().into(),
            traffic: flow_log::Traffic::All,
            log_group: Some(group.output("name").into()),
            role: Some(role.output("arn").into()),
            bucket: None,
            max_aggregation_interval_seconds: 600,
        };
        self.add(Address::new("flow_log", "main"), &spec, place, vec![]);
    }
}
