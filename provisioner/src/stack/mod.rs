//! The stack file: its typed sections, its mistakes, and the resources that it stands for.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

mod agents;
mod check;
mod declare;
mod decode;
mod diagnostics;
mod expand;
mod hosts;
mod models;
mod resource;
mod sections;
mod sql;
mod tables;
mod units;
mod values;

#[cfg(test)]
mod tests;

pub use agents::{Agents, BatchAgent, Producer, Shipper, Stream};
pub use decode::{At, Entry, Named};
pub use diagnostics::{Diagnostic, Diagnostics, Source};
pub use expand::{Artifact, RUN_MODELS, Target, expand};
pub use hosts::{Agent, Host};
pub use models::{Model, ModelFile, Read};
pub use resource::Own;
pub use sections::{Authentication, Bucket, File, Kafka, Key, Network, Secret, StackSection, Topic};
pub use sql::Zone;
pub use tables::{Architecture, Batch, ColumnSection, ColumnTable, Query, Search, TableSection};
pub use units::{Period, Size};
pub use values::{Cidr, Setting, Share, Whole};

use decode::{Decode, Decoder};

/// A stack without mistakes.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// The stack file.
    pub file: File,
    /// The models, each after those that it reads.
    pub models: Vec<Model>,
    /// The stack file's text and those of the models, as snippets show them.
    pub sources: Vec<Source>,
}

impl Stack {
    /// The stack's name.
    pub fn name(&self) -> &str {
        &self.file.stack.name
    }
}

/// Reads a stack file and the models beside it. The error is [`Diagnostics`] when they hold mistakes.
pub fn load(path: &Path) -> Result<Stack> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read the stack file {}", path.display()))?;
    let models = match models_folder(&text) {
        Some(folder) => read_models(&path.parent().unwrap_or(Path::new("")).join(folder))?,
        None => None,
    };
    Ok(parse(path, &text, models)?)
}

/// The stack in a text and its models' files (`None` when there is no such folder), or all their mistakes.
pub fn parse(path: &Path, text: &str, models: Option<Vec<ModelFile>>) -> Result<Stack, Diagnostics> {
    let mut sources = vec![Source { path: path.display().to_string(), text: text.to_owned() }];
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What TOML can't read is mended first: what follows it would be misread.
        let list = errors.iter().map(|error| {
            let span = error.span().unwrap_or(0..0);
            Diagnostic::new(span, "this is no valid TOML", error.message())
        });
        return Err(Diagnostics::new(sources, list.collect()));
    }
    let span = table.span();
    let node = Spanned::new(span, DeValue::Table(table.into_inner()));
    let mut decoder = Decoder::default();
    let file = File::decode(&node, &mut decoder).expect("a document is a table");
    let mut list = decoder.list;
    check::check(&file, &mut list);

    let mut read = Vec::new();
    if let Some(batch) = &file.batch {
        match &models {
            Some(files) => {
                for model in files {
                    sources.push(Source { path: model.path.clone(), text: model.text.clone() });
                    read.push(models::read(model, sources.len() - 1, &mut list));
                }
                check::check_models(&file, batch, &read, &mut list);
            }
            None => list.push(
                Diagnostic::new(
                    batch.models.span_or(&batch.span),
                    format!("the models' folder `{}` doesn't exist", *batch.models),
                    "no such folder beside the stack file",
                )
                .help("make it and put a file NAME.sql into it for each table of the warehouse"),
            ),
        }
    }
    if !list.is_empty() {
        return Err(Diagnostics::new(sources, list));
    }
    let order = models::order(&read).expect("circles were refused");
    let models = order.into_iter().map(|index| read[index].clone()).collect();
    Ok(Stack { file, models, sources })
}

/// The JSON Schema of a stack file, for editors.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(File).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".into(), "Lakewright stack".into());
    }
    schema
}

/// The folder of the models that a text names; `None` when it has no `[batch]` section.
fn models_folder(text: &str) -> Option<String> {
    let (table, _) = DeTable::parse_recoverable(text);
    let batch = table.get_ref().get("batch")?.get_ref().as_table()?;
    let named = batch.get("models").and_then(|folder| folder.get_ref().as_str());
    Some(named.unwrap_or("models").to_owned())
}

/// The models of a folder by name; `None` when there is no such folder.
fn read_models(folder: &Path) -> Result<Option<Vec<ModelFile>>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let context = || format!("read the models in {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        if path.extension().is_some_and(|extension| extension == "sql") {
            let text = std::fs::read_to_string(&path).with_context(|| format!("read the model {}", path.display()))?;
            files.push(ModelFile { name: name.to_owned(), path: path.display().to_string(), text });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Some(files))
}
