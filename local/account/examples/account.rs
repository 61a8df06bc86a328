//! Runs the account alone: `cargo run -p lakewright-account --example account -- PORT DATA [realistic] [--kafka HOST:PORT]`.

use lakewright_account::{Config, Delays, NoEngine, serve};
use std::io::Write;
use std::sync::Arc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, data, rest @ ..] = arguments.as_slice() else {
        anyhow::bail!("usage: account PORT DATA [realistic] [--kafka HOST:PORT]")
    };
    let delays = if rest.iter().any(|word| word == "realistic") { Delays::Realistic } else { Delays::None };
    let kafka = rest.iter().skip_while(|word| *word != "--kafka").nth(1).cloned();
    let config = Config { data: data.into(), port: port.parse()?, kafka, engine: Arc::new(NoEngine), delays };
    let running = serve(config).await?;
    writeln!(std::io::stdout().lock(), "{{\"account\":\"http://{}\"}}", running.address())?;
    std::future::pending().await
}
