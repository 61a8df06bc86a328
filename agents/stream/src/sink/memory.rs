//! A sink in memory for tests: as strict as the contract, with faults on demand.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use iceberg::spec::{NestedField, Schema, SchemaRef};
use lakewright_config::Evolved;
use lakewright_lake::NewColumn;
use parking_lot::Mutex;
use uuid::Uuid;

use super::{Blame, Fault, Opened, Refusal, Shared, Sink, Version, Written};
use crate::evolve::Evolution;
use crate::room::Room;
use crate::settled::Settled;

/// What the next commit meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another writer is faster, and changes nothing that matters.
    Overtaken,
    /// It is refused.
    Refused(Blame),
    /// It takes effect, unless another writer was faster, and nobody hears of it.
    Lost,
}

/// A table that several sinks may write to.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) schema: SchemaRef,
    pub(crate) schema_version: Version,
    /// The columns that messages brought.
    pub(crate) evolved: Evolved,
    pub(crate) version: u64,
    pub(crate) settled: Settled,
    pub(crate) rows: Vec<RecordBatch>,
    /// What was settled before each commit, with how many batches.
    past: Vec<(Settled, usize)>,
    pub(crate) next: VecDeque<Next>,
    /// Columns of these names are refused.
    pub(crate) refused: Vec<&'static str>,
    /// Rows of these offsets can't be written.
    pub(crate) poison: Vec<i64>,
    /// Writing a row of this offset panics.
    pub(crate) panics: Option<i64>,
    /// More rows than that can't be written together.
    pub(crate) most: usize,
    /// Why it can't be opened.
    pub(crate) shut: Option<Blame>,
    /// Who has a turn.
    pub(crate) turn: Option<Uuid>,
    /// Other writers are always faster, but for one that has a turn.
    pub(crate) is_crowded: bool,
}

impl Shelf {
    pub(crate) fn new(schema: SchemaRef) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            schema,
            schema_version: Version::default(),
            evolved: Evolved::default(),
            version: 0,
            settled: Settled::default(),
            rows: Vec::new(),
            past: Vec::new(),
            next: VecDeque::new(),
            refused: Vec::new(),
            poison: Vec::new(),
            panics: None,
            most: usize::MAX,
            shut: None,
            turn: None,
            is_crowded: false,
        }))
    }

    fn opened(&self) -> Opened {
        let names = self.schema.as_struct().fields().iter().map(|field| field.name.to_lowercase());
        Opened {
            schema: self.schema.clone(),
            version: self.schema_version.clone(),
            settled: self.settled.clone(),
            evolution: Evolution { evolved: self.evolved.clone(), taken: names.collect(), ..Evolution::default() },
        }
    }

    /// What happens to a change that comes now; one that is refused ends here.
    fn meets(&mut self) -> Result<Option<Next>, Refusal> {
        let next = self.next.pop_front();
        match next {
            Some(Next::Overtaken) => self.version += 1,
            Some(Next::Refused(blame)) => {
                return Err(Refusal::Failed(Fault::new(blame, anyhow!("the shelf takes nothing"))));
            }
            Some(Next::Lost) | None => {}
        }
        Ok(next)
    }

    /// Goes back to before the last commit, as a rollback of a table to an older snapshot does; not to before the first.
    pub(crate) fn roll_back(&mut self) {
        if self.past.len() > 1
            && let Some((settled, batches)) = self.past.pop()
        {
            self.settled = settled;
            self.rows.truncate(batches);
            self.version += 1;
        }
    }

    /// Forgets what there was before the last commits: it can't go back any more.
    pub(crate) fn forget_past(&mut self) {
        self.past.clear();
    }

    /// How many commits there were.
    pub(crate) fn commits(&self) -> usize {
        self.past.len()
    }

    /// The topics' ids and offsets of its rows, sorted.
    pub(crate) fn places(&self) -> Vec<(String, i64)> {
        let of = |rows: &RecordBatch| {
            let ids = rows.column_by_name("kafka_topic_id").expect("every table has it").as_string::<i32>().clone();
            let ids: Vec<String> = ids.iter().flatten().map(str::to_owned).collect();
            ids.into_iter().zip(offsets(rows)).collect::<Vec<_>>()
        };
        let mut places: Vec<(String, i64)> = self.rows.iter().flat_map(of).collect();
        places.sort_unstable();
        places
    }

    /// The offsets of its rows, sorted.
    pub(crate) fn offsets(&self) -> Vec<i64> {
        let mut offsets: Vec<i64> = self.rows.iter().flat_map(offsets).collect();
        offsets.sort_unstable();
        offsets
    }

    /// The texts of a column, in the order of the offsets.
    pub(crate) fn texts(&self, column: &str) -> Vec<String> {
        let mut texts: Vec<(i64, String)> = Vec::new();
        for batch in &self.rows {
            let values = batch.column_by_name(column).expect("the column").as_string::<i32>();
            texts.extend(offsets(batch).into_iter().zip(values.iter().flatten().map(str::to_owned)));
        }
        texts.sort();
        texts.into_iter().map(|(_, text)| text).collect()
    }
}

fn offsets(batch: &RecordBatch) -> Vec<i64> {
    let column = batch.column_by_name("kafka_offset").expect("every table has it");
    column.as_primitive::<Int64Type>().values().to_vec()
}

/// A writer to a shelf.
pub(crate) struct MemorySink {
    shelf: Arc<Mutex<Shelf>>,
    id: Uuid,
    found: u64,
    written: Vec<RecordBatch>,
    finished: Vec<RecordBatch>,
}

impl MemorySink {
    pub(crate) fn new(shelf: &Arc<Mutex<Shelf>>) -> Self {
        Self { shelf: Arc::clone(shelf), id: Uuid::new_v4(), found: 0, written: Vec::new(), finished: Vec::new() }
    }
}

impl Sink for MemorySink {
    async fn open(&mut self) -> Result<Opened, Fault> {
        let shelf = self.shelf.lock();
        if let Some(blame) = shelf.shut {
            return Err(Fault::new(blame, anyhow!("the shelf is shut")));
        }
        self.found = shelf.version;
        Ok(shelf.opened())
    }

    async fn write(&mut self, rows: RecordBatch, _room: Option<Room>) -> Result<(), Fault> {
        let shelf = self.shelf.lock();
        for offset in offsets(&rows) {
            assert_ne!(shelf.panics, Some(offset), "no row like this");
        }
        self.written.push(rows);
        Ok(())
    }

    async fn finish(&mut self) -> Result<Written, Fault> {
        let shelf = self.shelf.lock();
        let written = std::mem::take(&mut self.written);
        if let Some(offset) = written.iter().flat_map(offsets).find(|offset| shelf.poison.contains(offset)) {
            return Err(Fault::new(Blame::Rows, anyhow!("{offset} is poison")));
        }
        if written.iter().map(RecordBatch::num_rows).sum::<usize>() > shelf.most {
            return Err(Fault::new(Blame::Rows, anyhow!("more than {} rows", shelf.most)));
        }
        self.finished.extend(written);
        let bytes = self.finished.iter().map(|rows| rows.num_rows() as u64).sum();
        Ok(Written { files: usize::from(!self.finished.is_empty()), bytes })
    }

    async fn commit(&mut self, settled: &Settled, _before: &Settled) -> Result<Opened, Refusal> {
        let mut shelf = self.shelf.lock();
        let next = shelf.meets()?;
        if shelf.is_crowded && shelf.turn != Some(self.id) {
            shelf.version += 1;
        }
        // Whether the answer is heard or not: a commit on top of something else never takes effect.
        if shelf.version != self.found {
            return Err(Refusal::Conflict);
        }
        shelf.version += 1;
        let past = (std::mem::replace(&mut shelf.settled, settled.clone()), shelf.rows.len());
        shelf.past.push(past);
        shelf.rows.append(&mut self.finished);
        if next == Some(Next::Lost) {
            return Err(Refusal::Unknown(anyhow!("no answer")));
        }
        self.found = shelf.version;
        Ok(shelf.opened())
    }

    async fn add_columns(&mut self, columns: &[NewColumn]) -> Result<(), Refusal> {
        let mut shelf = self.shelf.lock();
        let next = shelf.meets()?;
        if shelf.version != self.found {
            return Err(Refusal::Conflict);
        }
        if columns.iter().any(|column| shelf.refused.contains(&column.name.as_str())) {
            return Err(Refusal::Failed(Fault::new(Blame::Rows, anyhow!("no column like this"))));
        }
        shelf.version += 1;
        shelf.schema_version.schema += 1;
        let mut fields = shelf.schema.as_struct().fields().to_vec();
        for NewColumn { name, member, column_type } in columns {
            assert!(fields.iter().all(|field| field.name != *name), "{name} is there");
            let mut last = shelf.schema.highest_field_id().max(fields.iter().map(|field| field.id).max().unwrap_or(0));
            let id = last + 1;
            last = id;
            let kind = lakewright_lake::iceberg_type(column_type, &mut last);
            fields.push(Arc::new(NestedField::optional(id, name, kind)));
            shelf.evolved.add(id, member);
        }
        shelf.schema = Arc::new(Schema::builder().with_fields(fields).build().expect("a schema"));
        self.found = shelf.version;
        drop(shelf);
        self.forget();
        if next == Some(Next::Lost) { Err(Refusal::Unknown(anyhow!("no answer"))) } else { Ok(()) }
    }

    async fn discard(&mut self) {
        self.finished.clear();
    }

    fn forget(&mut self) {
        self.written.clear();
        self.finished.clear();
    }
}

impl Shared for MemorySink {
    async fn take_turn(&mut self, _at_most: Duration) -> bool {
        self.give_way().await;
        self.shelf.lock().turn = Some(self.id);
        true
    }

    async fn give_way(&mut self) -> bool {
        let mut waited = false;
        while self.shelf.lock().turn.is_some_and(|turn| turn != self.id) {
            waited = true;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        waited
    }

    async fn end_turn(&mut self) {
        let mut shelf = self.shelf.lock();
        if shelf.turn == Some(self.id) {
            shelf.turn = None;
        }
    }
}
