//! `table_optimizer`: what Glue does to an Iceberg table by itself.

mod configuration;
mod reading;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use aws_sdk_glue::types::{CompactionStrategy, TableOptimizerType};
use lakewright_aws::ask;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::configuration::configuration;
use self::reading::{Place, get, is_iceberg, live, read};
use super::each::{One, each};
use super::spec::{in_place, reference, replaces, yes};
use super::values::{RoleArn, words};
use super::{among, database, wait};
use crate::charge::Others;
use crate::kind::{Arn, Billing, Context, Delta, Facts, Field, Found, Kind, Outcome, Step, Wanted};
use crate::kinds::database::DatabaseName;
use crate::kinds::table::TableName;
use crate::resource::{Action, Address};
use crate::services::Services as _;

/// An optimizer of Glue's for an Iceberg table: it puts small files together, lets old snapshots go or deletes what no snapshot
/// refers to. A table has one of each type. It carries no tags: what is found on the stack's own tables belongs to the stack if the
/// stack remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The Glue database's name.
    pub database: DatabaseName,
    /// The table's name.
    pub table: TableName,
    /// What it does: `compaction`, `retention` of snapshots or `orphan_file_deletion`.
    #[serde(rename = "type")]
    pub kind: Type,
    /// The ARN of the role that `glue.amazonaws.com` works as: it reads and writes the table's files and updates the table.
    pub role: RoleArn,
    /// Whether it works. Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How compaction puts rows together: `binpack`, `sort` or `z-order`; the last two by the table's sort order. Default: `binpack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// So many files of a partition are worth a compaction. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub min_input_files: Option<u32>,
    /// So many deletes in a file are worth a compaction. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub delete_file_threshold: Option<u32>,
    /// For how many days retention keeps snapshots. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub snapshots_days: Option<u32>,
    /// How many snapshots retention keeps, however old. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub min_snapshots: Option<u32>,
    /// Whether retention deletes the files of snapshots that it lets go. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_expired_files: Option<bool>,
    /// How many days old a file must be that no snapshot refers to before it is deleted. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub orphans_days: Option<u32>,
    /// How many hours retention, or the deletion of orphans, rests between two runs: 3 to 168. Default: 24.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3, max = 168))]
    pub every_hours: Option<u32>,
}

/// What an optimizer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// Puts small files together.
    Compaction,
    /// Lets old snapshots go.
    Retention,
    /// Deletes files that no snapshot refers to.
    OrphanFileDeletion,
}

impl Type {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Compaction, Self::Retention, Self::OrphanFileDeletion];

    /// The word of Glue's.
    pub fn word(self) -> &'static str {
        match self {
            Self::Compaction => "compaction",
            Self::Retention => "retention",
            Self::OrphanFileDeletion => "orphan_file_deletion",
        }
    }

    /// The name, in addresses, of a table's optimizer of this type.
    pub fn of(self, table: &str) -> String {
        format!("{table}-{}", self.word())
    }

    fn glue(self) -> TableOptimizerType {
        self.word().into()
    }
}

/// How compaction puts rows together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// As they come.
    Binpack,
    /// Sorted by the table's sort order.
    Sort,
    /// By several columns of the sort order at once.
    ZOrder,
}
words!(Strategy => CompactionStrategy);

const FIELDS: &[Field] = &[
    replaces("database"),
    replaces("table"),
    replaces("type"),
    in_place("role"),
    in_place("enabled"),
    in_place("strategy"),
    in_place("min_input_files"),
    in_place("delete_file_threshold"),
    in_place("snapshots_days"),
    in_place("min_snapshots"),
    in_place("clean_expired_files"),
    in_place("orphans_days"),
    in_place("every_hours"),
];
const OUTPUTS: &[&str] = &["table"];
const ACTIONS: &[&str] = &[
    "glue:CreateTableOptimizer",
    "glue:UpdateTableOptimizer",
    "glue:DeleteTableOptimizer",
    "glue:GetTableOptimizer",
    "glue:BatchGetTableOptimizer",
    "glue:GetTables",
    // Glue looks at the table in the caller's name.
    "glue:GetTable",
];
const ARNS: &[Arn] = &[
    ("table", "glue:{region}:{account}:database/{database}"),
    ("table", "glue:{region}:{account}:table/{database}/{table}"),
    ("read", "glue:{region}:{account}:database/{database}"),
    ("read", "glue:{region}:{account}:table/{database}/*"),
];
const FACTS: Facts = Facts {
    is_tagless: true,
    beside: &["database", "table"],
    identified_by: &["database", "table", "type"],
    passes_roles_to: &["glue.amazonaws.com"],
    review: &["role"],
    arns: ARNS,
    billing: Billing::ByUse("the DPU-hours of its runs"),
    ..Facts::of("table_optimizer", "what Glue does to an Iceberg table by itself", FIELDS, OUTPUTS, ACTIONS)
};

/// How many optimizers are asked for at once.
const AT_ONCE: usize = 30;

/// The kind.
#[derive(Debug)]
pub struct TableOptimizer;

#[async_trait]
impl Kind for TableOptimizer {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        let of_compaction = [
            ("strategy", spec.strategy.is_some()),
            ("min_input_files", spec.min_input_files.is_some()),
            ("delete_file_threshold", spec.delete_file_threshold.is_some()),
        ];
        let of_retention = [
            ("snapshots_days", spec.snapshots_days.is_some()),
            ("min_snapshots", spec.min_snapshots.is_some()),
            ("clean_expired_files", spec.clean_expired_files.is_some()),
        ];
        let of_orphans = [("orphans_days", spec.orphans_days.is_some())];
        let all = [
            (Type::Compaction, &of_compaction[..]),
            (Type::Retention, &of_retention[..]),
            (Type::OrphanFileDeletion, &of_orphans[..]),
        ];
        for (kind, fields) in all {
            if let Some((field, _)) = fields.iter().find(|(_, given)| *given && kind != spec.kind) {
                bail!(
                    "{field} is of an optimizer of the type {}, and this one is of {}",
                    kind.word(),
                    spec.kind.word()
                );
            }
        }
        if spec.every_hours.is_some() && spec.kind == Type::Compaction {
            bail!("every_hours isn't of an optimizer of the type compaction: Glue says when it runs");
        }
        spec.fill();
        Ok(())
    }

    fn misfits(&self, address: &Address, spec: &Spec, others: &Others<'_>) -> Vec<String> {
        among::of_its_kind(address, others, |other, theirs: &Spec| {
            let same = (&theirs.database, &theirs.table, theirs.kind) == (&spec.database, &spec.table, spec.kind);
            same.then(|| format!("`{other}` is of the same table and type, and a table has one of each"))
        })
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        match (step.action, step.live, step.spec) {
            (Action::Create, _, Some(spec)) if spec.enabled => {
                vec!["agents leave the table to Glue from their next round on".to_owned()]
            }
            (Action::Delete, Some(live), _) if live.enabled => {
                vec!["Glue leaves the table as it is from now on".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    async fn find_among(
        &self,
        context: &Context,
        wanted: &[Wanted<'_, Spec>],
        beside: &[Wanted<'_>],
    ) -> Result<Vec<Found<Spec>>> {
        // What a reference leads to has its name in the file.
        let named = |text: &str| -> Option<String> {
            let Some(address) = reference(text) else { return Some(text.to_owned()) };
            let spec = beside.iter().find(|one| *one.address == address)?.spec;
            spec["name"].as_str().map(str::to_owned)
        };
        let meant: BTreeMap<Place, &Address> = wanted
            .iter()
            .filter_map(|one| {
                let (database, table) = (named(&one.spec.database)?, named(&one.spec.table)?);
                Some((Place { database, table, kind: one.spec.kind }, one.address))
            })
            .collect();
        let databases: BTreeSet<&str> = meant.keys().map(|place| place.database.as_str()).collect();
        let (own, unread) = database::owned(context, &databases.iter().copied().collect::<Vec<_>>()).await?;
        // What the file names is asked for all the same.
        for (name, error) in unread.into_iter().filter(|(name, _)| !databases.contains(name.as_str())) {
            let error = error.context(format!("whose the database {name} is isn't known"));
            context.reading.keep(FACTS.name, None, &name, Err::<Option<()>, _>(error))?;
        }
        let mut places: BTreeSet<Place> = meant.keys().cloned().collect();
        for live in own {
            if !context.records.is_own(&live.address, &live.id, live.applied.as_deref()).await {
                continue;
            }
            let name = live.spec.name.as_str();
            for table in database::tables(context, name).await?.iter().filter(|table| is_iceberg(table)) {
                let place = |kind| Place { database: name.to_owned(), table: table.name().to_owned(), kind };
                places.extend(Type::ALL.map(place));
            }
        }
        let places: Vec<Place> = places.into_iter().collect();
        let reads = places.chunks(AT_ONCE).map(|places| One {
            address: None,
            id: String::new(),
            read: async move { read(context, places).await.map(Some) },
        });
        let found = each(context, FACTS.name, reads).await?.into_iter().flatten();
        let live = found.map(|(place, optimizer)| {
            let address = meant.get(&place).map(|address| (*address).clone());
            let derived = || Address::new(FACTS.name, place.kind.of(&place.table));
            live(address.unwrap_or_else(derived), &place, &optimizer)
        });
        live.collect()
    }

    async fn create(&self, context: &Context, _address: &Address, spec: &Spec) -> Result<Outcome> {
        let place = Place::of(spec);
        let call = context.aws.glue().create_table_optimizer().catalog_id(&context.account);
        let call = call.database_name(&place.database).table_name(&place.table).r#type(place.kind.glue());
        let call = call.table_optimizer_configuration(configuration(spec, None));
        match wait::visible(context, || ask(call.clone().send())).await {
            Ok(_) => Ok(place.outcome()),
            Err(error) if error.is_already_exists() => {
                // An attempt whose answer was lost made the same.
                let there = get(context, &place).await?.context("the optimizer is there and can't be read")?;
                if configuration::spec(&place, &there)? != *spec {
                    return Err(anyhow::Error::new(error).context(format!("{place} has one that isn't this stack's")));
                }
                Ok(place.outcome())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        let place = Place::of(&live.spec);
        let there = get(context, &place).await?.with_context(|| format!("the optimizer of {place} is gone"))?;
        let call = context.aws.glue().update_table_optimizer().catalog_id(&context.account);
        let call = call.database_name(&place.database).table_name(&place.table).r#type(place.kind.glue());
        let call = call.table_optimizer_configuration(configuration(spec, there.configuration()));
        ask(call.send()).await?;
        Ok(place.outcome())
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let place = Place::of(&live.spec);
        let call = context.aws.glue().delete_table_optimizer().catalog_id(&context.account);
        let call = call.database_name(&place.database).table_name(&place.table).r#type(place.kind.glue());
        wait::found(ask(call.send()).await)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::AnyKind as _;

    pub(super) fn given(kind: &str, more: &Value) -> Value {
        let role = "arn:aws:iam::123456789012:role/shop-optimizers";
        let mut spec = json!({"database": "shop_raw", "table": "sales", "type": kind, "role": role});
        spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        spec
    }

    #[test]
    fn an_optimizer_has_the_settings_of_its_type() {
        let normal = |kind: &str, more: Value| TableOptimizer.normalise(&given(kind, &more));
        let compaction = normal("compaction", json!({})).expect("an optimizer");
        assert_eq!((&compaction["strategy"], &compaction["min_input_files"]), (&json!("binpack"), &json!(100)));
        assert!(compaction.get("every_hours").is_none(), "{compaction}");
        let retention = normal("retention", json!({"snapshots_days": 2})).expect("an optimizer");
        let read =
            ["snapshots_days", "min_snapshots", "clean_expired_files", "every_hours"].map(|name| &retention[name]);
        assert_eq!(read, [&json!(2), &json!(1), &json!(true), &json!(24)]);
        for (kind, more, part) in [
            ("compaction", json!({"orphans_days": 3}), "orphans_days is of"),
            ("compaction", json!({"every_hours": 24}), "Glue says when it runs"),
            ("retention", json!({"strategy": "sort"}), "strategy is of"),
            ("orphan_file_deletion", json!({"min_snapshots": 3}), "min_snapshots is of"),
            ("retention", json!({"every_hours": 2}), "2"),
            ("vacuum", json!({}), "vacuum"),
        ] {
            let refused = normal(kind, more.clone()).expect_err("refused").to_string();
            assert!(refused.contains(part), "{kind} {more}: {refused}");
        }
    }
}
