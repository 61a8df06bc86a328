//! A schema registry on loopback that speaks a part of Confluent's REST API: subjects, their versions, schemas by id.
//!
//! <https://docs.confluent.io/platform/current/schema-registry/develop/api.html>

mod http;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use hyper_util::service::TowerToHyperService;
use lakewright_platform::listen::{self, Limits};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::store::Store;

/// What a registry is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder of its data; made when missing.
    pub data: PathBuf,
    /// The port on 127.0.0.1; 0 for a free one.
    pub port: u16,
}

/// A running registry.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
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
            tracing::error!(%error, "the schema registry ended in a panic");
        }
    }
}

/// Starts a registry; it answers when this returns.
///
/// # Errors
/// The port is in use, the folder can't be written, or what it holds can't be read.
pub async fn serve(config: Config) -> Result<Running> {
    let Config { data, port } = config;
    std::fs::create_dir_all(&data).with_context(|| format!("make the data folder {}", data.display()))?;
    let store = Arc::new(Store::open(data.join("schemas.json"))?);
    let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| {
        format!("listen on 127.0.0.1:{port} for the schema registry; is the port in use? 0 takes a free one")
    })?;
    let address = listener.local_addr().context("ask for the schema registry's address")?;
    let stop = CancellationToken::new();
    let routes = TowerToHyperService::new(http::router(store));
    let server = tokio::spawn(listen::serve(listener, Limits::default(), routes, stop.clone()));
    Ok(Running { address, stop, server })
}
