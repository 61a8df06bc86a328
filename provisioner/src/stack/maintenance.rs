//! Which Iceberg tables of a stack are maintained, and what of each is kept.

use lakewright_config::agents::stream::Maintenance;

use super::agents::Stream;
use super::sql::Zone;
use super::{File, Stack, TableSection};

/// How many commits a raw table's snapshots are kept for unless the file says otherwise: every commit writes the list of them anew.
const KEPT_COMMITS: u64 = 1_000;
/// A day, and a minute for clocks that differ.
const LEAST_WAREHOUSE_ORPHANS_MS: u64 = 86_400_000 + 60_000;
/// The properties of a table by which its snapshots are kept.
pub(super) const SNAPSHOTS_AGE: &str = "history.expire.max-snapshot-age-ms";
/// The same by their number.
pub(super) const SNAPSHOTS_LEAST: &str = "history.expire.min-snapshots-to-keep";

/// A day in milliseconds.
pub(super) const DAY_MS: u64 = 86_400_000;

/// The whole days that Glue's optimizers take for a span in milliseconds: one at least.
pub(super) fn glue_days(milliseconds: u64) -> u64 {
    milliseconds.div_ceil(DAY_MS).max(1)
}

/// A table that can be maintained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintainable {
    /// Where it stands.
    pub zone: Zone,
    /// Its Glue database.
    pub database: String,
    /// Its name there.
    pub name: String,
    /// What of it is kept.
    pub settings: Maintenance,
}

impl Maintainable {
    /// `DATABASE.NAME`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.database, self.name)
    }
}

impl Stream {
    /// How old, in milliseconds, snapshots of raw tables get.
    pub(super) fn kept_ms(&self) -> u64 {
        self.snapshots_age.as_ref().map_or(self.commit_interval.0 * KEPT_COMMITS, |age| age.0)
    }

    /// How tables are maintained, by whomever.
    pub(super) fn settings(&self) -> Maintenance {
        Maintenance {
            every_ms: self.maintenance_interval.0,
            readers_grace_ms: self.readers_grace.0,
            orphans_age_ms: self.orphans_after.0,
            ..Maintenance::default()
        }
    }
}

impl File {
    /// How old, in milliseconds, a file of the warehouse must be that nothing refers to before it is deleted. Unlike the stream
    /// agent, Spark commits files however long it has held them, which a run's timeout bounds; and Iceberg's procedure refuses to
    /// look at files that are younger than a day.
    pub(super) fn warehouse_orphans_ms(&self) -> u64 {
        let longest_run = self.batch.as_ref().map_or(0, |batch| batch.timeout.0);
        self.agents.stream.orphans_after.0.max(LEAST_WAREHOUSE_ORPHANS_MS).max(2 * longest_run)
    }
}

impl Stack {
    /// The stack's own Iceberg tables: those of the raw zone, then those of the models.
    pub fn maintainable(&self) -> Vec<Maintainable> {
        let section = &self.file.agents.stream;
        let warehouse = self.name().replace('-', "_");
        let mut settings = section.settings();
        // The agents may still work by an older file, which lets them hold files for longer, or for any time.
        settings.orphans_age_ms = settings.orphans_age_ms.max(Maintenance::default().orphans_age_ms);
        let number = |table: Option<&TableSection>, property: &str| {
            let own = table.and_then(|table| table.properties.iter().find(|own| own.name == property));
            own.and_then(|own| own.value.0.parse::<u64>().ok())
        };
        let raw = |name: &str, table: Option<&TableSection>| Maintainable {
            zone: Zone::Raw,
            database: format!("{warehouse}_raw"),
            name: name.to_owned(),
            settings: Maintenance {
                snapshots_max_age_ms: Some(number(table, SNAPSHOTS_AGE).unwrap_or(section.kept_ms())),
                min_snapshots: Some(
                    number(table, SNAPSHOTS_LEAST).map_or(section.min_snapshots_to_keep.0 as u32, |least| least as u32),
                ),
                ..settings.clone()
            },
        };
        let tables = self.file.tables.iter();
        let own = tables
            .filter(|one| one.value.is_in_catalog() && one.value.existing.is_none())
            .map(|one| raw(&one.name, Some(&one.value)));
        let letters = self.file.tables.iter().next().map(|_| raw("dead_letters", None));
        // The models' runner writes no properties of expiry: without a word of the file Iceberg's own defaults hold.
        let models = self.models.iter().map(|model| Maintainable {
            zone: Zone::Warehouse,
            database: warehouse.clone(),
            name: model.name.clone(),
            settings: Maintenance {
                snapshots_max_age_ms: section.snapshots_age.as_ref().map(|age| age.0),
                min_snapshots: Some(section.min_snapshots_to_keep.0 as u32),
                orphans_age_ms: settings.orphans_age_ms.max(self.file.warehouse_orphans_ms()),
                ..settings.clone()
            },
        });
        own.chain(letters).chain(models).collect()
    }
}
