//! Runs the account alone: `cargo run -p lakewright-account --example account -- PORT DATA [none|realistic|FACTOR] [--kafka HOST:PORT]`.

use lakewright_account::{Config, Delays, serve};
use std::io::Write;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, data, rest @ ..] = arguments.as_slice() else {
        anyhow::bail!("usage: account PORT DATA [none|realistic|FACTOR] [--kafka HOST:PORT]")
    };
    let pace = rest.first().filter(|word| !word.starts_with("--")).map_or("none", String::as_str);
    let delays: Delays = pace.parse().map_err(anyhow::Error::msg)?;
    let kafka = rest.iter().skip_while(|word| *word != "--kafka").nth(1).cloned();
    let config = Config { port: port.parse()?, kafka, delays, ..Config::new(data) };
    let running = serve(config).await?;
    writeln!(std::io::stdout().lock(), "{{\"account\":\"http://{}\"}}", running.address())?;
    std::future::pending().await
}
