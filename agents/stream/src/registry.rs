//! The schema registries of the tables, and what makes text of the messages that need one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use lakewright_aws::Aws;
use lakewright_config::{ColumnType, Format, Registry, StructField, Table};
use lakewright_formats::registry::{self, Answer, Confluent, Fault, Glue, NoAnswer, Schemas, in_place};
use lakewright_formats::wire::{SCHEMA_HEADER, named_beside};
use lakewright_formats::{Decoded, Decoder, Failure, Member, Reject, SchemaId, Skipped, Taken, Wire};
use lakewright_platform::http::{Client, check_encrypted, without_password};
use lakewright_platform::secret::Secret;
use lakewright_runtime::credentials::{CURRENT, read};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::evolve::Hints;
use crate::infer::make_a_struct;
use crate::record::Metadata;

/// So many bytes of schemas are kept of each registry.
const KEPT: usize = 16 << 20;
/// How long the polling thread waits for a schema before it goes on without the partition.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it waits for it while the registry is known not to answer in time,
const IMPATIENT: Duration = Duration::from_millis(50);
/// which is so long after that was found.
const IMPATIENCE: Duration = Duration::from_secs(30);
/// Room for text above this many bytes is given back after the message.
const ROOM: usize = 1 << 20;

/// The registries that tables name, each with its schemas.
#[derive(Debug, Default)]
pub(crate) struct Registries(BTreeMap<Registry, Source>);

/// A registry.
#[derive(Debug, Clone)]
struct Source {
    /// Its name in messages.
    name: String,
    schemas: Schemas,
    /// Until then nobody waits long for it.
    impatient_until: Arc<Mutex<Option<Instant>>>,
}

impl Registries {
    /// Those of the tables. Nothing is asked yet.
    ///
    /// # Errors
    /// A password would go in clear to another machine; the machine's root certificates can't be read.
    pub(crate) fn of(tables: &[Table], aws: &Aws) -> anyhow::Result<Self> {
        let mut all = BTreeMap::new();
        for table in tables {
            let Some(registry) = &table.reading.registry else { continue };
            if !all.contains_key(registry) {
                let schemas = schemas(registry, aws).with_context(|| format!("table {}: `registry`", table.name))?;
                let source = Source { name: registry.to_string(), schemas, impatient_until: Arc::default() };
                all.insert(registry.clone(), source);
            }
        }
        Ok(Self(all))
    }

    /// The one registry with these schemas.
    #[cfg(test)]
    pub(crate) fn one(registry: Registry, schemas: Schemas) -> Self {
        let source = Source { name: registry.to_string(), schemas, impatient_until: Arc::default() };
        Self([(registry, source)].into())
    }

    /// What makes text of a table's messages, unless they are text.
    pub(crate) fn transcoder(&self, table: &Table) -> Option<Transcoder> {
        let reading = &table.reading;
        let source = reading.registry.as_ref().and_then(|registry| self.0.get(registry)).cloned();
        let wire = match (&reading.registry, &source) {
            (Some(Registry::Glue), Some(source)) => Wire::Glue(source.schemas.clone()),
            (Some(Registry::Confluent { .. }), Some(source)) => Wire::Confluent(source.schemas.clone()),
            _ => Wire::Text,
        };
        let decoder = match reading.format {
            Format::Envelope | Format::Json => return None,
            Format::Avro => Decoder::new(wire),
            Format::Debezium => Decoder::debezium(wire),
        };
        let decoder = decoder.taking(taken(table));
        let envelopes = reading.format == Format::Debezium;
        let confluent = matches!(reading.registry, Some(Registry::Confluent { .. }));
        Some(Transcoder { decoder, envelopes, confluent, source, hints: None })
    }
}

/// What of a table's messages its declared columns take.
fn taken(table: &Table) -> Taken {
    fn of(column: &ColumnType) -> Taken {
        match column {
            ColumnType::List(part) | ColumnType::Map(part) => Taken::Each(Box::new(of(part))),
            ColumnType::Struct(fields) => {
                Taken::Members(fields.iter().map(|field| (field.name.clone(), of(&field.field_type))).collect())
            }
            _ => Taken::All,
        }
    }
    let mut members = HashMap::new();
    for column in &table.columns {
        let member = table.reading.member(&column.name).unwrap_or(&column.name);
        for name in [Some(member), column.was.as_deref()].into_iter().flatten() {
            members.insert(name.to_owned(), of(&column.column_type));
        }
    }
    let row = Taken::Members(members);
    if table.reading.format == Format::Debezium {
        let parts = ["before", "after"].map(|part| (part.to_owned(), row.clone()));
        return Taken::Members(parts.into());
    }
    let steps = table.reading.path.members().iter().rev();
    steps.fold(row, |row, step| Taken::Members([(step.clone(), row)].into()))
}

fn schemas(registry: &Registry, aws: &Aws) -> anyhow::Result<Schemas> {
    if let (Registry::Confluent { .. }, Some(here)) = (registry, in_place()?) {
        return Ok(Schemas::new(Confluent::new(&here, None, Client::new(&here)?)?, KEPT));
    }
    Ok(match registry {
        Registry::Glue => Schemas::new(Glue::new(aws), KEPT),
        Registry::Confluent { url, login: None } => Schemas::new(Confluent::new(url, None, Client::new(url)?)?, KEPT),
        Registry::Confluent { url, login: Some(secret) } => {
            check_encrypted(&without_password(url).0)?;
            let (aws, client) = (aws.clone(), Client::new(url)?);
            let known = Mutex::default();
            Schemas::new(Secured { aws, url: url.clone(), secret: secret.clone(), client, known }, KEPT)
        }
    })
}

/// A registry that asks for a password. The secret is read when it is needed, and again after each failure: somebody may
/// have changed it.
struct Secured {
    aws: Aws,
    url: String,
    secret: String,
    client: Client,
    known: Mutex<Option<Arc<Confluent>>>,
}

impl Secured {
    async fn open(&self) -> anyhow::Result<Arc<Confluent>> {
        let known = self.known.lock().clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = read(&self.aws, &self.secret, CURRENT).await?;
        let found = found.with_context(|| format!("the secret {} holds nothing", self.secret))?;
        let login = Secret::new(&format!("{}:{}", found.username, found.password));
        let opened = Arc::new(Confluent::new(&self.url, Some(&login), self.client.clone())?);
        *self.known.lock() = Some(Arc::clone(&opened));
        Ok(opened)
    }
}

#[async_trait]
impl registry::Registry for Secured {
    async fn ask(&self, id: SchemaId) -> Result<Answer, NoAnswer> {
        let opened = self.open().await.map_err(|error| NoAnswer::Registry(format!("{error:#}")))?;
        let answer = opened.ask(id).await;
        if matches!(answer, Err(NoAnswer::Registry(_))) {
            *self.known.lock() = None;
        }
        answer
    }
}

/// The type of a column for what a schema says of a member: as wide as what may come later, `long` for an int and `double` for a
/// float; a time of day is a `string`, for Spark reads no table that has a `time`; `None` if it isn't simple.
fn hint(member: &Member) -> Option<ColumnType> {
    let scalar = |of: ColumnType| match of {
        ColumnType::Int => Some(ColumnType::Long),
        ColumnType::Float => Some(ColumnType::Double),
        ColumnType::Time => Some(ColumnType::String),
        of if of.is_nested() => None,
        of => Some(of),
    };
    Some(match member.column_type.as_ref()?.parse().ok()? {
        ColumnType::List(element) => ColumnType::List(Box::new(scalar(*element)?)),
        ColumnType::Map(value) => ColumnType::Map(Box::new(scalar(*value)?)),
        ColumnType::Struct(fields) => {
            let field = |StructField { name, field_type }| Some(StructField { name, field_type: scalar(field_type)? });
            let fields: Vec<StructField> = fields.into_iter().map(field).collect::<Option<_>>()?;
            ColumnType::Struct(Some(fields).filter(|fields| make_a_struct(fields))?)
        }
        of => scalar(of)?,
    })
}

/// Whether a record's headers name its schema.
fn names_schema(metadata: &dyn Metadata) -> bool {
    let mut found = false;
    // Headers that can't be read are said where a column takes them.
    let _ = metadata.headers(&mut |name, _| found |= name == SCHEMA_HEADER);
    found
}

/// Makes JSON text of a topic's messages.
#[derive(Debug)]
pub(crate) struct Transcoder {
    decoder: Decoder,
    /// Whether they are Debezium's.
    envelopes: bool,
    /// Whether their schemas are in a registry of Confluent's kind.
    confluent: bool,
    source: Option<Source>,
    /// What a schema says of the members of rows.
    hints: Option<(SchemaId, Arc<Hints>)>,
}

/// Why there is no text of a message.
#[derive(Debug)]
pub(crate) enum NoText {
    Reject(Reject),
    /// It is no row, and nothing is wrong with it.
    Skipped(Skipped),
    /// Its schema isn't known yet.
    Unknown(SchemaId),
}

impl Transcoder {
    /// Whether the format says what a record without a value means.
    pub(crate) fn knows_tombstones(&self) -> bool {
        self.envelopes
    }

    /// Makes the text of a record's value in `made`.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn text(
        &mut self,
        payload: Option<&[u8]>,
        metadata: &dyn Metadata,
        made: &mut String,
    ) -> Result<(), NoText> {
        made.shrink_to(ROOM);
        if self.confluent && payload.is_some() && names_schema(metadata) {
            made.clear();
            return Err(NoText::Reject(named_beside()));
        }
        match self.decoder.decode(payload, made) {
            Ok(Decoded::Text) => Ok(()),
            Ok(Decoded::Skipped(skipped)) => Err(NoText::Skipped(skipped)),
            Err(Failure::Reject(reject)) => Err(NoText::Reject(reject)),
            Err(Failure::Unknown(id)) => Err(NoText::Unknown(id)),
        }
    }

    /// What the schema of the last message says of the members of its row, which stands at a path.
    pub(crate) fn hints(&mut self, path: &[String]) -> Option<Arc<Hints>> {
        let (id, schema) = self.decoder.last_schema()?;
        if let Some((known, hints)) = &self.hints
            && *known == id
        {
            return Some(Arc::clone(hints));
        }
        let after = ["after".to_owned()];
        let members = schema.members(if self.envelopes { &after } else { path }).unwrap_or_default();
        // Of a member that is of several types the value says which.
        let said = members.iter().filter(|member| !member.differs);
        let hints = Arc::new(said.map(|member| (member.name.clone(), hint(member))).collect());
        self.hints = Some((id, Arc::clone(&hints)));
        Some(hints)
    }

    /// Asks the registry for a schema and waits for its answer for a short while. The request goes on afterwards, so that
    /// a slow answer is known the next time.
    ///
    /// # Errors
    /// The registry doesn't say now, for the reason given.
    pub(crate) fn learn(&self, id: SchemaId) -> Result<(), String> {
        let Some(Source { name, schemas, impatient_until }) = &self.source else { return Ok(()) };
        let schemas = schemas.clone();
        let runtime = Handle::current();
        let asked = runtime.spawn(async move { schemas.get(id).await });
        let impatient = impatient_until.lock().is_some_and(|until| Instant::now() < until);
        let patience = if impatient { IMPATIENT } else { PATIENCE };
        let answer = runtime.block_on(async { tokio::time::timeout(patience, asked).await });
        let error = match answer {
            // That there is no such schema is said again when the message is decoded.
            Ok(Ok(Ok(_) | Err(Fault::Reject(_)))) => {
                *impatient_until.lock() = None;
                return Ok(());
            }
            Ok(Ok(Err(Fault::Unavailable(unavailable)))) => unavailable.error,
            Ok(Err(error)) => format!("asking for it failed: {error}"),
            Err(_) => {
                if !impatient {
                    *impatient_until.lock() = Some(Instant::now() + IMPATIENCE);
                }
                "no answer yet".to_owned()
            }
        };
        Err(format!("{id} isn't known, and {name} doesn't say what it is: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use lakewright_formats::Schema;

    use super::*;

    /// The type of a column for a field of this type.
    fn hinted(field: &str) -> Option<String> {
        let text = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{field}}}]}}"#);
        let members = Schema::parse(&text, &[]).expect("a schema").members(&[]).expect("a record");
        hint(&members[0]).map(|column| column.to_string())
    }

    #[test]
    fn no_column_of_a_time_comes_from_a_schema() {
        for (base, unit) in [("int", "time-millis"), ("long", "time-micros")] {
            let time = format!(r#"{{"type":"{base}","logicalType":"{unit}"}}"#);
            for (field, column) in [
                (time.clone(), "string"),
                (format!(r#"["null",{time}]"#), "string"),
                (format!(r#"{{"type":"array","items":{time}}}"#), "list<string>"),
                (format!(r#"{{"type":"map","values":{time}}}"#), "map<string, string>"),
                (
                    format!(
                        r#"{{"type":"record","name":"S","fields":[{{"name":"at","type":{time}}},{{"name":"n","type":"int"}}]}}"#
                    ),
                    "struct<at: string, n: long>",
                ),
            ] {
                assert_eq!(hinted(&field).as_deref(), Some(column), "{field}");
            }
        }
    }

    #[test]
    fn structs_of_a_schema_are_bounded_as_those_of_values_are() {
        let record = |names: &[String]| {
            let fields: Vec<String> = names.iter().map(|name| format!(r#"{{"name":"{name}","type":"int"}}"#)).collect();
            format!(r#"{{"type":"record","name":"S","fields":[{}]}}"#, fields.join(","))
        };
        let names = |count: usize| (0..count).map(|number| format!("m{number}")).collect::<Vec<_>>();
        assert!(hinted(&record(&names(100))).is_some());
        assert_eq!(hinted(&record(&names(101))), None);
        assert_eq!(hinted(&record(&["a".to_owned(), "A".to_owned()])), None);
    }

    #[derive(Debug)]
    struct Headers(&'static [(&'static str, &'static [u8])]);

    impl Metadata for Headers {
        fn key(&self) -> Option<&[u8]> {
            None
        }

        fn timestamp(&self) -> Option<i64> {
            None
        }

        fn headers(&self, each: &mut dyn FnMut(&str, Option<&[u8]>)) -> Result<(), String> {
            self.0.iter().for_each(|(name, value)| each(name, Some(value)));
            Ok(())
        }
    }

    /// A registry that nobody may ask.
    struct Nobody;

    #[async_trait]
    impl registry::Registry for Nobody {
        async fn ask(&self, id: SchemaId) -> Result<Answer, NoAnswer> {
            panic!("asked for {id}")
        }
    }

    #[test]
    fn a_record_whose_header_names_its_schema_is_refused_before_its_data_is_read() {
        let registry = Registry::Confluent { url: "https://registry.example.com".to_owned(), login: None };
        let mut table = crate::testing::table("orders");
        table.reading.format = Format::Avro;
        table.reading.registry = Some(registry.clone());
        let mut transcoder =
            Registries::one(registry, Schemas::new(Nobody, 0)).transcoder(&table).expect("a transcoder");
        // A row of that serializer may begin as an id does.
        let mut text = |headers| transcoder.text(Some(&[0, 0, 0, 0, 7, 2]), &Headers(headers), &mut String::new());
        let named: &[(&str, &[u8])] = &[("trace", b"1"), ("__value_schema_id", &[1; 17])];
        let Err(NoText::Reject(reject)) = text(named) else { panic!("read") };
        assert_eq!(reject.cause, lakewright_formats::Cause::Header);
        assert!(reject.to_string().contains("`__value_schema_id` names its schema"), "{reject}");
        assert!(matches!(text(&[("trace", b"1")]), Err(NoText::Unknown(SchemaId::Confluent(7)))));
    }
}
