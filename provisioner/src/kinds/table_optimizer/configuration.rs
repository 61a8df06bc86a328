//! An optimizer's settings as Glue has them.

use anyhow::Result;
use aws_sdk_glue::types::{
    CompactionConfiguration, IcebergCompactionConfiguration, IcebergOrphanFileDeletionConfiguration,
    IcebergRetentionConfiguration, OrphanFileDeletionConfiguration, RetentionConfiguration,
    TableOptimizer as Optimizer, TableOptimizerConfiguration,
};
use lakewright_aws::Needed as _;

use super::{Place, Spec, Strategy, Type};

impl Spec {
    /// Gives what isn't said its default.
    pub(super) fn fill(&mut self) {
        match self.kind {
            Type::Compaction => {
                self.strategy.get_or_insert(Strategy::Binpack);
                self.min_input_files.get_or_insert(100);
                self.delete_file_threshold.get_or_insert(1);
            }
            Type::Retention => {
                self.snapshots_days.get_or_insert(5);
                self.min_snapshots.get_or_insert(1);
                self.clean_expired_files.get_or_insert(true);
                self.every_hours.get_or_insert(24);
            }
            Type::OrphanFileDeletion => {
                self.orphans_days.get_or_insert(3);
                self.every_hours.get_or_insert(24);
            }
        }
    }
}

/// The configuration of a spec. Glue takes it whole: what no spec says stays as it is in `there`.
pub(super) fn configuration(spec: &Spec, there: Option<&TableOptimizerConfiguration>) -> TableOptimizerConfiguration {
    let number = |given: Option<u32>| given.and_then(|given| i32::try_from(given).ok());
    let vpc = there.and_then(|there| there.vpc_configuration()).cloned();
    let all = TableOptimizerConfiguration::builder().role_arn(spec.role.as_str()).enabled(spec.enabled);
    let all = all.set_vpc_configuration(vpc);
    let all = match spec.kind {
        Type::Compaction => {
            let iceberg = IcebergCompactionConfiguration::builder()
                .set_strategy(spec.strategy.as_ref().map(Into::into))
                .set_min_input_files(number(spec.min_input_files))
                .set_delete_file_threshold(number(spec.delete_file_threshold));
            let settings = CompactionConfiguration::builder().iceberg_configuration(iceberg.build());
            all.compaction_configuration(settings.build())
        }
        Type::Retention => {
            let iceberg = IcebergRetentionConfiguration::builder()
                .set_snapshot_retention_period_in_days(number(spec.snapshots_days))
                .set_number_of_snapshots_to_retain(number(spec.min_snapshots))
                .set_clean_expired_files(spec.clean_expired_files)
                .set_run_rate_in_hours(number(spec.every_hours));
            let settings = RetentionConfiguration::builder().iceberg_configuration(iceberg.build());
            all.retention_configuration(settings.build())
        }
        Type::OrphanFileDeletion => {
            let known = there.and_then(|there| there.orphan_file_deletion_configuration()?.iceberg_configuration());
            let iceberg = IcebergOrphanFileDeletionConfiguration::builder()
                .set_orphan_file_retention_period_in_days(number(spec.orphans_days))
                .set_run_rate_in_hours(number(spec.every_hours))
                .set_location(known.and_then(|known| known.location()).map(str::to_owned));
            let settings = OrphanFileDeletionConfiguration::builder().iceberg_configuration(iceberg.build());
            all.orphan_file_deletion_configuration(settings.build())
        }
    };
    all.build()
}

/// What an optimizer that exists is, what Glue doesn't say as its default.
pub(super) fn spec(place: &Place, optimizer: &Optimizer) -> Result<Spec> {
    let all = optimizer.configuration().needed("glue", "TableOptimizer.configuration")?;
    let number = |given: Option<i32>| given.and_then(|given| u32::try_from(given).ok());
    let compaction = all.compaction_configuration().and_then(|one| one.iceberg_configuration());
    let retention = all.retention_configuration().and_then(|one| one.iceberg_configuration());
    let orphans = all.orphan_file_deletion_configuration().and_then(|one| one.iceberg_configuration());
    let every = match place.kind {
        Type::Compaction => None,
        Type::Retention => retention.and_then(IcebergRetentionConfiguration::run_rate_in_hours),
        Type::OrphanFileDeletion => orphans.and_then(IcebergOrphanFileDeletionConfiguration::run_rate_in_hours),
    };
    let mut spec = Spec {
        database: place.database.as_str().into(),
        table: place.table.as_str().into(),
        kind: place.kind,
        role: all.role_arn().unwrap_or_default().into(),
        enabled: all.enabled().unwrap_or_default(),
        strategy: compaction
            .and_then(|one| one.strategy())
            .map(|one| one.as_str().parse().unwrap_or(Strategy::Binpack)),
        min_input_files: number(compaction.and_then(IcebergCompactionConfiguration::min_input_files)),
        delete_file_threshold: number(compaction.and_then(IcebergCompactionConfiguration::delete_file_threshold)),
        snapshots_days: number(retention.and_then(IcebergRetentionConfiguration::snapshot_retention_period_in_days)),
        min_snapshots: number(retention.and_then(IcebergRetentionConfiguration::number_of_snapshots_to_retain)),
        clean_expired_files: retention.and_then(IcebergRetentionConfiguration::clean_expired_files),
        orphans_days: number(
            orphans.and_then(IcebergOrphanFileDeletionConfiguration::orphan_file_retention_period_in_days),
        ),
        every_hours: number(every),
    };
    spec.fill();
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use aws_sdk_glue::types::TableOptimizerVpcConfiguration;
    use serde_json::json;

    use super::super::tests::given;
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_what_others_set_stays() {
        let cases = [
            ("compaction", json!({"strategy": "z-order", "min_input_files": 5, "delete_file_threshold": 2})),
            (
                "retention",
                json!({"snapshots_days": 2, "min_snapshots": 7, "clean_expired_files": false, "every_hours": 3}),
            ),
            ("orphan_file_deletion", json!({"orphans_days": 9, "every_hours": 168, "enabled": false})),
        ];
        let connection = TableOptimizerVpcConfiguration::GlueConnectionName("private".into());
        let there = TableOptimizerConfiguration::builder().vpc_configuration(connection).build();
        for (kind, more) in cases {
            let spec: Spec = serde_json::from_value(given(kind, &more)).expect("a spec");
            let written = configuration(&spec, Some(&there));
            assert_eq!(written.vpc_configuration(), there.vpc_configuration(), "{kind}");
            let optimizer = Optimizer::builder().r#type(spec.kind.glue()).configuration(written).build();
            assert_eq!(super::spec(&Place::of(&spec), &optimizer).expect("read"), spec);
        }
    }
}
