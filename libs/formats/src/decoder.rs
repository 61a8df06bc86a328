//! A topic's messages as JSON text, whatever they are written in.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::debezium::{Row, Skipped, Unwrapper};
use crate::registry::{Body, Schemas};
use crate::reject::{Cause, Reject};
use crate::schema::Schema;
use crate::taken::{Refusal, Taken};
use crate::transcode::transcode_taken;
use crate::wire::{self, SchemaId};

/// How the messages of a topic say what they are written in.
#[derive(Debug, Clone)]
pub enum Wire {
    /// JSON text.
    Text,
    /// Avro's binary encoding by one schema, without a header.
    Avro(Arc<Schema>),
    /// Confluent's header, and its registry.
    Confluent(Schemas),
    /// AWS Glue's header, and its registry.
    Glue(Schemas),
}

/// Room for an envelope's text above this many bytes is given back after the message.
const ROOM: usize = 1 << 20;

/// Makes JSON text of messages. It keeps buffers between them, so that each thread has its own; clones share the registry.
#[derive(Debug, Clone)]
pub struct Decoder {
    wire: Wire,
    envelopes: Option<Unwrapper>,
    /// What of a message becomes columns.
    taken: Taken,
    /// The schema of the last message.
    last: Option<(SchemaId, Body)>,
    scratch: String,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded {
    /// Text.
    Text,
    /// Nothing that becomes a row, and nothing wrong.
    Skipped(Skipped),
}

/// Why there is no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The message can't be read, now or ever.
    Reject(Reject),
    /// The schema isn't known yet: [`Decoder::learn`] it, and decode the message again.
    Unknown(SchemaId),
}

impl From<Reject> for Failure {
    fn from(reject: Reject) -> Self {
        Self::Reject(reject)
    }
}

impl Decoder {
    /// A decoder of messages that are the rows themselves.
    pub fn new(wire: Wire) -> Self {
        Self { wire, envelopes: None, taken: Taken::All, last: None, scratch: String::new() }
    }

    /// A decoder of Debezium's change events: the text is the row with [`crate::MEMBERS`].
    pub fn debezium(wire: Wire) -> Self {
        Self { envelopes: Some(Unwrapper::default()), ..Self::new(wire) }
    }

    /// The same, which doesn't refuse a message for a value without a text that isn't taken. Of a change event, `before` and
    /// `after` are its members.
    #[must_use]
    pub fn taking(self, taken: Taken) -> Self {
        Self { taken, ..self }
    }

    /// Makes the text of a record's value, in place of what `out` held.
    ///
    /// # Errors
    /// The message can't be read, or its schema isn't known yet; `out` is empty then.
    pub fn decode(&mut self, message: Option<&[u8]>, out: &mut String) -> Result<Decoded, Failure> {
        out.clear();
        let Some(message) = message else { return Ok(Decoded::Skipped(Skipped::Tombstone)) };
        let Some(mut envelopes) = self.envelopes.take() else {
            let refusals = self.text(message, out)?;
            return match refusals.into_iter().next() {
                None => Ok(Decoded::Text),
                Some(refusal) => {
                    out.clear();
                    Err(refusal.reject.into())
                }
            };
        };
        let mut scratch = std::mem::take(&mut self.scratch);
        let text = self.text(message, &mut scratch);
        let outcome = text.and_then(|refusals| {
            Ok(envelopes.unwrap(&scratch, Row { taken: &self.taken, refusals: &refusals }, out)?)
        });
        self.envelopes = Some(envelopes);
        scratch.clear();
        scratch.shrink_to(ROOM);
        self.scratch = scratch;
        Ok(outcome?.map_or(Decoded::Text, Decoded::Skipped))
    }

    /// The schema that the last message was written by, if it is one of Avro and named by the message.
    pub fn last_schema(&self) -> Option<(SchemaId, &Schema)> {
        match &self.last {
            Some((id, Body::Avro(schema))) => Some((*id, schema)),
            _ => None,
        }
    }

    /// Appends the text of a message; gives the values without a text that are taken.
    fn text(&mut self, message: &[u8], out: &mut String) -> Result<Vec<Refusal>, Failure> {
        let taken = &self.taken;
        let refusals = match &self.wire {
            Wire::Text => push_text(message, out).map(|()| Vec::new()),
            Wire::Avro(schema) => transcode_taken(schema, message, taken, out),
            Wire::Confluent(schemas) => {
                let (id, data) = wire::confluent(message)?;
                push(known(&mut self.last, schemas, id)?, data, taken, out)
            }
            Wire::Glue(schemas) => {
                let (id, data) = wire::glue(message)?;
                push(known(&mut self.last, schemas, id)?, &data, taken, out)
            }
        };
        Ok(refusals?)
    }

    /// Waits until the registry has said what an id stands for, however long it is away; `false` when the token was cancelled
    /// meanwhile.
    ///
    /// # Errors
    /// There is no schema that messages of this id could be read by.
    pub async fn learn(&self, id: SchemaId, shutdown: &CancellationToken) -> Result<bool, Reject> {
        match &self.wire {
            Wire::Confluent(schemas) | Wire::Glue(schemas) => Ok(schemas.wait(id, shutdown).await?.is_some()),
            Wire::Text | Wire::Avro(_) => Ok(true),
        }
    }
}

fn known<'a>(last: &'a mut Option<(SchemaId, Body)>, schemas: &Schemas, id: SchemaId) -> Result<&'a Body, Failure> {
    if last.as_ref().is_none_or(|(known, _)| *known != id) {
        let body = schemas.known(id)?.ok_or(Failure::Unknown(id))?;
        *last = Some((id, body));
    }
    last.as_ref().map(|(_, body)| body).ok_or(Failure::Unknown(id))
}

fn push(body: &Body, data: &[u8], taken: &Taken, out: &mut String) -> Result<Vec<Refusal>, Reject> {
    match body {
        Body::Avro(schema) => transcode_taken(schema, data, taken, out),
        Body::Json => push_text(data, out).map(|()| Vec::new()),
    }
}

fn push_text(data: &[u8], out: &mut String) -> Result<(), Reject> {
    let text =
        std::str::from_utf8(data).map_err(|error| Reject::of(Cause::Data, format!("the text isn't UTF-8: {error}")))?;
    out.push_str(text);
    Ok(())
}
