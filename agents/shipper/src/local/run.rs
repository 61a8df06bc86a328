//! The pipes from the sources of this host.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lakewright_config::agents::shipper::sources::{LocalSource as Declaration, index_of};

use super::{LocalSource, Reading};
use crate::backup::{BackupSink, Limits};
use crate::metrics::PipeMetrics;
use crate::pipe::Pipe;
use crate::{BACKUP_BATCH, BATCHES, Shipper, shape_of};

/// The room of a pipe from a source of this host, in KiB.
const ROOM: usize = 8 << 10;
/// How many bytes of lines and objects the backup of such a source holds.
const HELD: usize = 6 << 20;

impl Shipper {
    fn declared(&self, name: &str) -> Result<&Declaration> {
        self.config.sources.get(name).with_context(|| format!("this is a bug in lakewright: no source `{name}`"))
    }

    fn open(&self, name: &str, sink: &str, reading: Reading, metrics: &PipeMetrics) -> Result<LocalSource> {
        let declared = (name, self.declared(name)?);
        LocalSource::open(declared, sink, &self.agent.state_dir, reading, metrics.clone())
    }

    /// Ships a source of this host to its index.
    pub(crate) async fn index_local(&self, name: &str) -> Result<()> {
        let (agent, config) = (&self.agent, &self.config);
        let metrics = self.metrics.local_pipe("index", name);
        let reading = Reading {
            bytes: self.bulk_bytes(ROOM),
            interval: Duration::from_millis(config.bulk_interval_ms),
            room: ROOM,
            weight: self.weight(),
        };
        let source = self.open(name, "index", reading, &metrics)?;
        let index = index_of(&config.index, name);
        let search = self.search(shape_of(config, Some(name), &index), &metrics)?;
        let settings = self.settings(index, self.declared(name)?.time_field.clone());
        tracing::info!(search = search.shown(), source = name, "shipping to the index");
        let sink = self.index_sink(search, settings, &metrics)?;
        metrics.trouble.of("pipe").ends();
        Pipe { agent, metrics: &metrics }.run(source, sink).await
    }

    /// Ships a source of this host to the backup.
    pub(crate) async fn back_up_local(&self, name: &str) -> Result<()> {
        let (agent, config) = (&self.agent, &self.config);
        let metrics = self.metrics.local_pipe("backup", name);
        let reading = Reading { bytes: (ROOM << 10) / 2 / BATCHES, interval: BACKUP_BATCH, room: ROOM, weight: 1 };
        let source = self.open(name, "backup", reading, &metrics)?;
        let limits = Limits { held: HELD, ..self.limits() };
        tracing::info!(
            bucket = config.backup_bucket,
            prefix = config.backup_prefix,
            source = name,
            "shipping to the backup"
        );
        let sink = BackupSink::new(self.store(&metrics), limits, metrics.clone())?;
        metrics.trouble.of("pipe").ends();
        Pipe { agent, metrics: &metrics }.run(source, sink).await
    }
}
