//! Bringing the documents of an older layout into the present one.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};
use tantivy::collector::DocSetCollector;
use tantivy::directory::INDEX_WRITER_LOCK;
use tantivy::query::AllQuery;
use tantivy::schema::Value as _;
use tantivy::{Directory as _, Index, IndexWriter, TantivyDocument};

use crate::analysis;
use crate::document::Layout;
use crate::mapping::Mappings;
use crate::stamp::Stamp;
use crate::writer::WRITER_BYTES;

/// Writes the documents in `segments` of the data folder anew. What was written stays until all of it is: begun once more after a
/// kill, it ends alike.
///
/// # Errors
/// The documents can't be read, or not be written.
pub fn rebuild(folder: &Path) -> Result<()> {
    let (present, old, new) = (folder.join("segments"), folder.join("segments.old"), folder.join("segments.new"));
    if old.exists() {
        // It was killed when the new ones stood there already, or not yet.
        remove(&present)?;
        std::fs::rename(&old, &present).with_context(|| format!("put {} back", old.display()))?;
    }
    remove(&new)?;
    if !present.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(&new).with_context(|| format!("make {}", new.display()))?;
    copy(&present, &new, &Mappings::load(&folder.join("mappings.json"))?)?;
    std::fs::rename(&present, &old).with_context(|| format!("set {} aside", present.display()))?;
    std::fs::rename(&new, &present).with_context(|| format!("put {} into place", new.display()))?;
    Ok(())
}

/// Writes the layout's version, on disk when this returns.
///
/// # Errors
/// It can't be written.
pub fn seal(folder: &Path, version: &str) -> Result<()> {
    let (path, new) = (folder.join("VERSION"), folder.join("VERSION.new"));
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(version.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()
    });
    written.with_context(|| format!("write {}", path.display()))
}

/// Removes what was there before, once the new layout's version is written.
///
/// # Errors
/// It can't be removed.
pub fn forget(folder: &Path) -> Result<()> {
    remove(&folder.join("segments.old"))
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path, mappings: &Mappings) -> Result<()> {
    let before = Index::open_in_dir(from).context("open the segments of the older layout")?;
    // A program of the older version that still writes there holds this.
    let _lock = before
        .directory()
        .acquire_lock(&INDEX_WRITER_LOCK)
        .context("take the older index; is another process using it?")?;
    let field = |name: &str| before.schema().get_field(name).context("the older layout lacks a field");
    let (index_field, id_field, source_field) = (field("_index")?, field("_id")?, field("_source")?);
    let searcher = before.reader().context("read the segments of the older layout")?.searcher();
    let (schema, layout) = Layout::schema();
    let after = Index::create_in_dir(to, schema).context("make the segments")?;
    analysis::register(after.tokenizers());
    let mut writer: IndexWriter = after.writer_with_num_threads(1, WRITER_BYTES).context("write the segments")?;
    let mut addresses: Vec<_> = searcher.search(&AllQuery, &DocSetCollector)?.into_iter().collect();
    addresses.sort();
    tracing::info!(documents = addresses.len(), "the search index is brought into a new layout");
    let mut changes: HashMap<String, u64> = HashMap::new();
    for address in addresses {
        let document: TantivyDocument = searcher.doc(address)?;
        let text = |field| document.get_first(field).and_then(|value| value.as_str()).unwrap_or_default();
        let source: Map<String, Value> = serde_json::from_str(text(source_field)).context("a document is no JSON")?;
        let change = changes.entry(text(index_field).to_owned()).or_default();
        let stamp = Stamp { seq_no: *change, primary_term: 1, version: 1 };
        *change += 1;
        writer.add_document(layout.document((text(index_field), text(id_field)), &source, mappings, stamp))?;
    }
    writer.commit().context("commit the segments")?;
    writer.wait_merging_threads().context("merge the segments")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tantivy::doc;
    use tantivy::schema::{JsonObjectOptions, STORED, STRING, Schema, TEXT};

    use super::*;
    use crate::{Config, Product};

    /// A data folder of an older layout with one document.
    fn older(folder: &Path, version: &str) {
        let segments = folder.join("segments");
        std::fs::create_dir_all(&segments).expect("made");
        let mut schema = Schema::builder();
        let (key, index) = (schema.add_text_field("_key", STRING), schema.add_text_field("_index", STRING | STORED));
        let (id, source) = (schema.add_text_field("_id", STRING | STORED), schema.add_text_field("_source", STORED));
        schema.add_json_field("doc", JsonObjectOptions::from(TEXT).set_fast("raw").set_expand_dots_enabled());
        schema.add_json_field("keyword", JsonObjectOptions::from(TEXT));
        schema.add_text_field("all", TEXT);
        let before = Index::create_in_dir(&segments, schema.build()).expect("made");
        let mut writer: IndexWriter = before.writer_with_num_threads(1, WRITER_BYTES).expect("a writer");
        let text = r#"{"text":"don't stop","n":5}"#;
        writer.add_document(doc!(key => "a\u{0}1", index => "a", id => "1", source => text)).expect("added");
        writer.commit().expect("committed");
        let mut mappings = Mappings::default();
        mappings
            .learn("a", serde_json::from_str::<Value>(text).expect("JSON").as_object().expect("an object"))
            .expect("learned");
        std::fs::write(folder.join("mappings.json"), serde_json::to_vec(&mappings).expect("JSON")).expect("written");
        std::fs::write(folder.join("VERSION"), version).expect("written");
    }

    /// How many documents a query finds.
    async fn found(folder: &Path, query: Value) -> u64 {
        let config = Config { data: folder.to_owned(), port: 0, logins: None, product: Product::default() };
        let running = crate::serve(config).await.expect("serves");
        let body = serde_json::json!({ "query": query });
        let (patience, _waiting) = crate::patience::Patience::new(std::time::Duration::from_secs(60));
        let count = crate::search::count(&running.store, ("a", false), &body, &patience).expect("counted");
        running.shutdown().await;
        count["count"].as_u64().expect("a number")
    }

    #[tokio::test]
    async fn documents_of_an_older_layout_are_found_wherever_a_kill_came() {
        for (killed, version) in (0..4).flat_map(|killed| [(killed, "1"), (killed, "2")]) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path();
            older(path, version);
            match killed {
                // In the middle of writing;
                1 => std::fs::create_dir_all(path.join("segments.new/half")).expect("made"),
                // with the old ones set aside and the new ones not in their place;
                2 => std::fs::rename(path.join("segments"), path.join("segments.old")).expect("renamed"),
                // or in their place, and no version written.
                3 => {
                    rebuild(path).expect("rebuilt");
                    assert!(path.join("segments.old").exists());
                }
                _ => {}
            }
            for (query, count) in [
                (serde_json::json!({"match": {"text": "don't"}}), 1),
                (serde_json::json!({"match_phrase": {"text": "don't stop"}}), 1),
                (serde_json::json!({"term": {"n": 5}}), 1),
                (serde_json::json!({"match": {"text": "don"}}), 0),
            ] {
                assert_eq!(found(path, query.clone()).await, count, "layout {version}, killed at {killed}: {query}");
            }
            assert!(!path.join("segments.old").exists() && !path.join("segments.new").exists());
        }
    }
}
