//! How many things of each kind AWS's own lists have, against what is wanted and what others have.

use std::collections::BTreeSet;

use aws_sdk_emrserverless::types::{JobRunMode, JobRunState};
use aws_sdk_kms::types::{KeyManagerType, KeyState};
use lakewright::resource::Address;
use lakewright::services::Services as _;
use lakewright_aws::{ask, ask_all};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{NatGatewayState, VolumeAttachment};

use super::World;

impl World {
    /// Asserts that each list holds what is wanted and what others have, and nothing else.
    pub(super) async fn count(&self, wanted: &BTreeSet<Address>, file: &str) {
        let (seed, aws) = (self.seed, self.context().aws);
        let count = |kind: &str| wanted.iter().filter(|address| address.kind == kind).count();
        macro_rules! holds {
            ($kind:literal, $call:expr, $list:ident, $others:expr) => {
                let answer = ask($call.send()).await.unwrap();
                let found = answer.$list().len();
                assert_eq!(found, count($kind) + $others, "seed {seed}: {}: {answer:#?}\n{file}", $kind);
            };
        }
        let ec2 = aws.ec2();
        let vpcs = 4 + usize::from(self.twin.is_some());
        holds!("vpc", ec2.describe_vpcs(), vpcs, vpcs);
        holds!("subnet", ec2.describe_subnets(), subnets, 3);
        holds!("internet_gateway", ec2.describe_internet_gateways(), internet_gateways, 0);
        // Each VPC has one of its own of these two.
        holds!("route_table", ec2.describe_route_tables(), route_tables, vpcs + count("vpc"));
        holds!("security_group", ec2.describe_security_groups(), security_groups, vpcs + count("vpc"));
        holds!("vpc_endpoint", ec2.describe_vpc_endpoints(), vpc_endpoints, 0);
        holds!("elastic_ip", ec2.describe_addresses(), addresses, 0);
        holds!("flow_log", ec2.describe_flow_logs(), flow_logs, 0);
        holds!("launch_template", ec2.describe_launch_templates(), launch_templates, 0);
        holds!("private_zone", aws.route53().list_hosted_zones(), hosted_zones, 0);
        holds!("secret", aws.secrets_manager().list_secrets(), secret_list, 1);
        holds!("msk_configuration", aws.kafka().list_configurations(), configurations, 0);
        holds!("log_group", aws.logs().describe_log_groups(), log_groups, 1);
        holds!("session_document", aws.ssm().list_documents(), document_identifiers, 0);
        holds!("parameter", aws.ssm().describe_parameters(), parameters, 0);
        holds!("queue", aws.sqs().list_queues(), queue_urls, 0);
        holds!("database", aws.glue().get_databases(), database_list, 0);
        holds!("function", aws.lambda().list_functions(), functions, 0);
        holds!("schedule_rule", aws.event_bridge().list_rules(), rules, 0);
        holds!("build_project", aws.code_build().list_projects(), projects, 0);
        holds!("pipeline", aws.code_pipeline().list_pipelines(), pipelines, 0);
        holds!("cluster", aws.kafka().list_clusters_v2(), cluster_info_list, count("serverless_cluster"));
        holds!("role", aws.iam().list_roles(), roles, 2);
        // The bucket of leases is there for as long as a stack exists.
        let of_leases = usize::from(!wanted.is_empty());
        holds!("bucket", aws.s3_client().list_buckets(), buckets, 2 + of_leases);

        let gateways = ask(ec2.describe_nat_gateways().send()).await.unwrap();
        let gateways = gateways.nat_gateways().iter().filter(|one| one.state() == Some(&NatGatewayState::Available));
        assert_eq!(gateways.count(), count("nat_gateway"), "seed {seed}: NAT gateways\n{file}");
        let volumes = ask(ec2.describe_volumes().send()).await.unwrap();
        // Hosts have one each that ends with them.
        let stays = volumes.volumes().iter().filter(|volume| {
            volume.attachments().first().and_then(VolumeAttachment::delete_on_termination) != Some(true)
        });
        assert_eq!(stays.count(), count("volume"), "seed {seed}: volumes\n{file}");
        self.count_streams(count("job_run"), file).await;
        let mut keys = 0;
        for key in ask_all(aws.kms().list_keys().into_paginator().items().send()).await.unwrap() {
            let key = ask(aws.kms().describe_key().key_id(key.key_id.unwrap()).send()).await.unwrap();
            let key = key.key_metadata.unwrap();
            let is_own = key.key_manager == Some(KeyManagerType::Customer);
            keys += usize::from(is_own && key.key_state == Some(KeyState::Enabled));
        }
        // Three are others', and one signs what the stack knows of itself for as long as there is anything of it.
        let others = if wanted.is_empty() { 3 } else { 4 };
        assert_eq!(keys, count("key") + others, "seed {seed}: keys\n{file}");
    }

    /// Asserts that so many runs of EMR Serverless go on, whatever became of others.
    async fn count_streams(&self, wanted: usize, file: &str) {
        let emr = self.context().aws.emr_serverless();
        let mut found = Vec::new();
        for one in ask_all(emr.list_applications().into_paginator().items().send()).await.unwrap() {
            let runs = emr.list_job_runs().application_id(&one.id).mode(JobRunMode::Streaming);
            let runs = runs.states(JobRunState::Running).states(JobRunState::Submitted).states(JobRunState::Scheduled);
            found.extend(ask_all(runs.states(JobRunState::Pending).into_paginator().items().send()).await.unwrap());
        }
        assert_eq!(found.len(), wanted, "seed {}: runs: {found:#?}\n{file}", self.seed);
    }

    /// How many aliases of keys are named after the stack.
    pub(super) async fn aliases(&self) -> usize {
        let aliases = ask_all(self.context().aws.kms().list_aliases().into_paginator().items().send()).await.unwrap();
        aliases.iter().filter(|alias| alias.alias_name().is_some_and(|name| name.contains("random"))).count()
    }
}
