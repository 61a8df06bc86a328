//! A search index on loopback that speaks a part of Elasticsearch's API: `_bulk`, `_search`, `_count` and what they need.
//!
//! What `_bulk` has answered is on disk and is found by the next search: every answer waits for a commit, which
//! requests that arrive together share.

mod aliases;
mod analysis;
mod answer;
mod cursors;
mod date;
mod document;
mod field;
mod http;
mod login;
mod mapping;
mod members;
mod operation;
mod ordered;
mod patience;
mod pattern;
mod place;
mod query;
mod rebuild;
mod scoring;
mod search;
mod snapshot;
mod stamp;
mod strict;
mod template;
mod writer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use hyper_util::service::TowerToHyperService;
use lakewright_platform::listen::{self, Limits};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::writer::Store;

/// The layout of the data folder; another one can't be read.
const VERSION: &str = "3";
/// The layouts before it, from which documents are brought over.
const BEFORE: [&str; 2] = ["1", "2"];

/// What an index is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder of its data; made when missing.
    pub data: PathBuf,
    /// The port on 127.0.0.1; 0 for a free one.
    pub port: u16,
    /// Who may log in. Without it, whoever reaches the index does everything.
    pub logins: Option<Arc<dyn Logins>>,
    /// Which server it stands for.
    pub product: Product,
}

/// A server whose API it speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Product {
    /// Elasticsearch 8.
    #[default]
    Elasticsearch,
    /// OpenSearch 2.
    OpenSearch,
}

/// Who may log in to an index, and to do what.
pub trait Logins: std::fmt::Debug + Send + Sync {
    /// What a user with a password may do; none for nobody.
    fn may(&self, user: &str, password: &str) -> Option<Access>;
}

/// What a user may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    Everything,
    /// Putting new documents into the indices whose names begin so, as Elasticsearch's rights `create_doc` and
    /// `auto_configure` have it, and the templates and policies that these indices are made by.
    Creating(String),
}

/// A running search index.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
    store: Arc<Store>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and lets the requests in hand finish.
    pub async fn shutdown(self) {
        self.stop.cancel();
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the search server ended in a panic");
        }
        self.store.close().await;
    }
}

/// Starts a search index; it answers when this returns.
///
/// # Errors
/// The port is in use, the folder can't be written, is in use or was made by another version.
pub async fn serve(config: Config) -> Result<Running> {
    let Config { data, port, logins, product } = config;
    std::fs::create_dir_all(&data).with_context(|| format!("make the data folder {}", data.display()))?;
    check_version(&data)?;
    let store = Arc::new(Store::open(&data).with_context(|| format!("open the search index in {}", data.display()))?);
    let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| {
        format!("listen on 127.0.0.1:{port} for the search index; is the port in use? 0 takes a free one")
    })?;
    let address = listener.local_addr().context("ask for the search index's address")?;
    let stop = CancellationToken::new();
    let routes = TowerToHyperService::new(http::router(Arc::clone(&store), logins, product));
    let server = tokio::spawn(listen::serve(listener, Limits::default(), routes, stop.clone()));
    Ok(Running { address, stop, server, store })
}

fn check_version(data: &std::path::Path) -> Result<()> {
    let path = data.join("VERSION");
    // Of two that begin at once the other one waits, and finds what this one has made of an older layout.
    let opening = data.join("opening.lock");
    let opening = std::fs::File::create(&opening).with_context(|| format!("make {}", opening.display()))?;
    opening.lock().context("wait for another program that opens the search index")?;
    match std::fs::read_to_string(&path) {
        Ok(found) if found.trim() == VERSION => rebuild::forget(data),
        Ok(found) if BEFORE.contains(&found.trim()) => {
            rebuild::rebuild(data).with_context(|| format!("renew the search index in {}", data.display()))?;
            rebuild::seal(data, VERSION)?;
            rebuild::forget(data)
        }
        Ok(found) => anyhow::bail!(
            "the search index in {} was made by version {} of its layout, this program reads version {VERSION}; \
             use the program that made it, or another folder",
            data.display(),
            found.trim()
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::write(&path, VERSION).with_context(|| format!("write {}", path.display()))
        }
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}
