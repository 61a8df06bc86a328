//! The stack file: its typed sections, its mistakes, and the resources that it stands for.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

mod account;
mod agents;
mod check;
mod ci;
mod declare;
mod decode;
mod diagnostics;
mod engine;
mod expand;
mod fields;
mod functions;
mod hosts;
mod kafka;
mod keys;
mod layers;
mod maintenance;
mod models;
mod network;
mod pipeline;
mod queries;
mod readable;
mod resource;
mod scenario;
mod schema;
mod sections;
mod sources;
mod sql;
mod tables;
mod tags;
mod transforms;
mod units;
mod values;
mod variables;
mod watch;

#[cfg(test)]
mod composition;
#[cfg(test)]
mod tests;

pub use agents::{AclUser, AclsAgent, Agents, BatchAgent, Producer, Shipper, Stream};
pub use check::{LONGEST_BUDGET_ADDRESS, foreign_boundary, host_name_mistake, is_region, stack_name_mistake};
pub use ci::{Ci, Provider};
pub use decode::{At, Entry, Named};
pub use diagnostics::{Diagnostic, Diagnostics, Source, suggest};
pub use expand::{Artifact, Programs, RUN_MODELS, Target, expand, unmade, unprogrammed};
pub use functions::{Code, Codes, Function, Statement};
pub use hosts::{Agent, Host, Refresh, VolumeType};
pub use kafka::{Authentication, ClusterType, ExistingCluster, Kafka, Monitoring, Topic, Ways};
pub use layers::locate;
pub use maintenance::Maintainable;
pub use models::{Model, ModelFile, tell_models};
pub use network::{Existing, Nat, Network, Subnets};
pub use pipeline::Pipeline;
pub use queries::{Database, QuerySection, SavedQuery};
pub use resource::Own;
pub use sections::{Bucket, File, Key, Secret, StackSection};
pub use sources::{SourceSection, SourceType};
pub use sql::Zone;
pub use tables::{
    Architecture, Batch, ColumnSection, ColumnTable, Format, OnTombstone, Query, Search, TableSection, Unknown,
    WarehouseMaintainedBy,
};
pub use transforms::TransformSection;
pub use units::{Age, Period, Size};
pub use values::{Cidr, Setting, Share, Whole};
pub use variables::{Declared, Given};
pub use watch::{Alarms, Budget};

use decode::{Decode, Decoder};
use layers::Layers;
use variables::Values;

/// A stack without mistakes.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// The stack file.
    pub file: File,
    /// The models, each after those that it reads.
    pub models: Vec<Model>,
    /// The code of its functions.
    pub codes: Codes,
    /// The queries that are saved in the workgroup.
    pub queries: Vec<SavedQuery>,
    /// The stack file, those that it extends, what the command line and the environment give, and the models, as snippets
    /// show them.
    pub sources: Vec<Source>,
    /// What of the stack file should be written otherwise.
    pub warnings: Diagnostics,
}

impl Stack {
    /// The stack's name.
    pub fn name(&self) -> &str {
        &self.file.stack.name
    }

    /// The name or the ARN, on AWS, of a secret that a section names: one of `[secrets]`, or one of others.
    pub fn secret_id(&self, secret: &str) -> String {
        if secret.starts_with("arn:") { secret.to_owned() } else { expand::secret_name(self, secret) }
    }

    /// The file and line of a place, `stacks/shop.toml:12`.
    pub fn line(&self, span: &Range<usize>) -> Option<String> {
        let (index, span) = locate(&self.sources, span);
        let source = self.sources.get(index)?;
        let before = &source.text[..span.start.min(source.text.len())];
        Some(format!("{}:{}", source.path, before.matches('\n').count() + 1))
    }
}

/// Reads a stack file, those that it extends and the models beside them. The error is [`Diagnostics`] when they hold
/// mistakes.
pub fn load(path: &Path, given: &Given) -> Result<Stack> {
    let open = |path: &Path| std::fs::read_to_string(path).ok();
    assemble(layers::read(path)?, given, read_models, functions::hash, &open)
}

/// The stack in a text and its models' files (`None` when there is no such folder), or all their mistakes.
pub fn parse(path: &Path, text: &str, models: Option<Vec<ModelFile>>) -> Result<Stack, Diagnostics> {
    let file = Source { path: path.display().to_string(), text: text.to_owned() };
    let layers = Layers { files: vec![file], mistakes: Vec::new() };
    let stack = assemble(layers, &Given::default(), |_| Ok(models), |_| Ok(String::new()), &|_| None);
    stack.map_err(|error| error.downcast::<Diagnostics>().expect("nothing is read, so that only mistakes are found"))
}

/// The stack in those files; `models` reads the models of a folder, `code` the hash of a function's code and `open` the file
/// of a saved query.
fn assemble(
    layers: Layers,
    given: &Given,
    models: impl FnOnce(&Path) -> Result<Option<Vec<ModelFile>>>,
    code: impl Fn(&Path) -> Result<String>,
    open: &dyn Fn(&Path) -> Option<String>,
) -> Result<Stack> {
    let Layers { files, mistakes: mut list } = layers;
    let mut sources = files.clone();
    sources.extend(given.sources());
    let values = Values::new(given, &sources, files.len());
    let (mut tree, batch_file) = match layers::merged(&files, &mut list) {
        Ok(merged) => merged,
        // What TOML can't read is fixed first: what follows it would be misread.
        Err(unreadable) => return Err(Diagnostics::new(sources, unreadable).into()),
    };
    let (replaced, own) = values.replace(&mut tree, &mut list);
    let mut decoder = Decoder::default();
    let file = File::decode(&tree, &mut decoder).expect("a document is a table");
    list.append(&mut decoder.list);
    check::check(&file, &mut list);
    replaced.explain(&mut list);
    list.extend(own);
    let codes = functions::codes(&file, &files, code, &mut list);

    let mut read = Vec::new();
    if let Some(batch) = &file.batch {
        let folder = models_folder(batch, &files, batch_file);
        match models(&folder)? {
            Some(models) => {
                for model in &models {
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
    let names: Vec<&str> = read.iter().map(|model| model.name.as_str()).collect();
    let queries = queries::read(&file, open, &names, &mut sources, &mut list);
    if !list.is_empty() {
        return Err(Diagnostics::new(sources, list).into());
    }
    let order = models::order(&read).expect("circles were refused");
    let models = order.into_iter().map(|index| read[index].clone()).collect();
    let warnings = Diagnostics::new(sources.clone(), decoder.warnings);
    let stack = Stack { file, models, codes, queries, sources, warnings };
    let mut list = check::check_specs(&stack, &tree);
    replaced.explain(&mut list);
    if list.is_empty() { Ok(stack) } else { Err(Diagnostics::new(stack.sources, list).into()) }
}

/// The JSON Schema of a stack file, for editors.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(File).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".into(), "Lakewright stack".into());
        schema::allow_variables(object);
    }
    schema
}

/// The folder of the models: beside the file that names it, else beside the first one with such a section.
fn models_folder(batch: &Batch, files: &[Source], first: Option<usize>) -> PathBuf {
    let named = batch.models.written().then(|| locate(files, &batch.models.span).0);
    let file = named.or(first).and_then(|index| files.get(index)).map_or("", |file| file.path.as_str());
    Path::new(file).parent().unwrap_or(Path::new("")).join(batch.models.as_str())
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
