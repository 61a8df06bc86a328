//! The ports of last time, so that clients find everything where it was.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The ports remembered in a data folder.
#[derive(Debug)]
pub struct Ports {
    path: PathBuf,
    remembered: BTreeMap<String, u16>,
}

impl Ports {
    /// The ports remembered in the folder, which is made when it is missing.
    pub fn open(data: &Path) -> Result<Self> {
        std::fs::create_dir_all(data).with_context(|| format!("make the data folder {}", data.display()))?;
        let path = data.join("ports.json");
        // A file that is missing or torn costs nothing but other ports.
        let remembered =
            std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Ok(Self { path, remembered })
    }

    /// The port to listen on: the one asked for, else the remembered one if it is free, else 0.
    pub fn choose(&self, part: &str, asked: u16) -> u16 {
        if asked != 0 {
            return asked;
        }
        let remembered = self.remembered.get(part).copied().unwrap_or(0);
        if remembered != 0 && TcpListener::bind(("127.0.0.1", remembered)).is_ok() { remembered } else { 0 }
    }

    /// Remembers the ports of the parts that run here.
    pub fn save<const N: usize>(&mut self, ports: [(&str, Option<u16>); N]) -> Result<()> {
        for (part, port) in ports {
            if let Some(port) = port {
                self.remembered.insert(part.to_owned(), port);
            }
        }
        let text = serde_json::to_vec(&self.remembered).context("write the ports as JSON")?;
        std::fs::write(&self.path, text).with_context(|| format!("write {}", self.path.display()))
    }
}
