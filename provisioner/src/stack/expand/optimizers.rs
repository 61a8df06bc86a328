//! Glue's optimizers of the raw tables, where the stack leaves their maintenance to Glue, and the role that they work as.

use std::collections::BTreeMap;

use super::Expansion;
use super::policy::{Access, Statements};
use super::roles::trust;
use crate::kinds::role;
use crate::kinds::table_optimizer::{self, Type};
use crate::resource::Address;
use crate::stack::agents::MaintainedBy;
use crate::stack::maintenance::glue_days;
use crate::stack::sql::Zone;

/// The name of the role.
const ROLE: &str = "optimizers";
/// Where Glue writes what its optimizers did.
const LOG_GROUPS: [&str; 3] = ["iceberg-compaction", "iceberg-retention", "iceberg-orphan-file-deletion"];
/// An hour in milliseconds.
const HOUR: u64 = 3_600_000;
/// The hours between two runs that Glue takes, and those that it has by itself.
const LEAST_HOURS: u64 = 3;
const MOST_HOURS: u64 = 168;
const HOURS: u32 = 24;

impl Expansion<'_> {
    pub(super) fn optimizers(&mut self) {
        let section = &self.file.agents.stream;
        if section.maintenance.value != MaintainedBy::Glue {
            return;
        }
        let all = self.stack.maintainable();
        let tables: Vec<_> = all.into_iter().filter(|table| table.zone == Zone::Raw).collect();
        if tables.is_empty() {
            return;
        }
        let span = section.maintenance.span.clone();
        self.optimizers_role(&span);
        let role = Address::new("role", ROLE).output("arn");
        let every = section.maintenance_interval.0.div_ceil(HOUR);
        let every = if every < LEAST_HOURS { HOURS } else { every.min(MOST_HOURS) as u32 };
        for table in tables {
            let days = |milliseconds: u64| glue_days(milliseconds) as u32;
            let of = |kind| table_optimizer::Spec {
                database: table.database.as_str().into(),
                table: table.name.as_str().into(),
                kind,
                role: role.as_str().into(),
                enabled: true,
                strategy: None,
                min_input_files: None,
                delete_file_threshold: None,
                snapshots_days: None,
                min_snapshots: None,
                clean_expired_files: None,
                orphans_days: None,
                every_hours: None,
            };
            for kind in Type::ALL {
                let spec = match kind {
                    Type::Compaction => of(kind),
                    Type::Retention => table_optimizer::Spec {
                        snapshots_days: table.settings.snapshots_max_age_ms.map(days),
                        min_snapshots: table.settings.min_snapshots,
                        every_hours: Some(every),
                        ..of(kind)
                    },
                    Type::OrphanFileDeletion => table_optimizer::Spec {
                        orphans_days: Some(days(table.settings.orphans_age_ms)),
                        every_hours: Some(every),
                        ..of(kind)
                    },
                };
                let address = Address::new("table_optimizer", kind.of(&table.name));
                self.add(address, &spec, &span, vec![Address::new("table", table.name.as_str())]);
            }
        }
    }

    /// The role: it reads and writes the files of the raw tables, updates them in the catalog and writes Glue's logs.
    ///
    /// <https://docs.aws.amazon.com/glue/latest/dg/optimization-prerequisites.html>
    fn optimizers_role(&mut self, span: &std::ops::Range<usize>) {
        let mut statements = Statements::default();
        for (index, (bucket, prefixes)) in self.raw_prefixes().into_iter().enumerate() {
            self.objects(&mut statements, &format!("Raw{index}"), Access::Write, &bucket, &prefixes);
        }
        let things = self.own_raw_tables();
        statements.allow("Catalog", &["glue:GetTable", "glue:UpdateTable"], &self.catalog(&things));
        let logs = LOG_GROUPS.map(|name| self.arn("logs", &format!("log-group:/aws-glue/{name}/logs:*")));
        statements.allow("Logs", &["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], &logs);
        let description = format!("the optimizers of the tables of {}", self.stack.name());
        let spec = role::Spec {
            policies: BTreeMap::from([(ROLE.to_owned(), statements.policy())]),
            // Glue doesn't say for what of the account it acts.
            ..self.role(ROLE, description, trust("glue.amazonaws.com"))
        };
        self.add(Address::new("role", ROLE), &spec, span, vec![]);
    }
}
