//! rsyslog from the same topic to the same endpoint: Debian's packages rsyslog, rsyslog-kafka and rsyslog-elasticsearch.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::usage::{cpu_seconds_of, peak_memory_of};

/// The configuration: raw lines, no id, no time, which is less than the shipper does.
const CONFIG: &str = r#"
global(workDirectory="FOLDER" maxMessageSize="1m")
module(load="imkafka")
module(load="omelasticsearch")
main_queue(queue.type="LinkedList" queue.size="20000" queue.workerthreads="2" queue.dequeuebatchsize="4096")
template(name="raw" type="string" string="%msg%")
input(type="imkafka" topic="TOPIC" broker=["BROKER"] consumergroup="rsyslog" confParam=["auto.offset.reset=earliest"] ruleset="ship")
ruleset(name="ship") {
  action(type="omelasticsearch" server="127.0.0.1" serverport="PORT" template="raw" searchIndex="actions" searchType=""
         bulkmode="on" maxbytes="5m" errorFile="FOLDER/errors")
}
"#;
/// It is given up after so long without a document.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ships so many records and prints what it took.
#[expect(clippy::disallowed_methods, reason = "it runs on a thread that may block")]
pub fn measure(
    topic: &str,
    broker: &str,
    url: &str,
    (records, bytes): (u64, u64),
    taken: impl Fn() -> Result<u64>,
) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_str().context("a path")?;
    let port = url.rsplit(':').next().context("a port")?;
    let config = CONFIG.replace("FOLDER", path).replace("TOPIC", topic).replace("BROKER", broker).replace("PORT", port);
    std::fs::write(folder.path().join("conf"), config)?;
    let before = taken()?;
    let (began, mut moved) = (Instant::now(), Instant::now());
    let mut child = Command::new("rsyslogd")
        .args(["-n", "-f", &format!("{path}/conf"), "-i", &format!("{path}/pid")])
        .stderr(Stdio::null())
        .spawn()
        .context("start rsyslogd: apt-get install rsyslog rsyslog-kafka rsyslog-elasticsearch")?;
    let (mut last, id) = (0, child.id().to_string());
    while last < records && moved.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
        ensure!(child.try_wait()?.is_none(), "rsyslogd ended");
        let now = taken()? - before;
        if now > last {
            (last, moved) = (now, Instant::now());
        }
    }
    let (wall, cpu, memory) = (began.elapsed().as_secs_f64(), cpu_seconds_of(&id)?, peak_memory_of(&id)?);
    child.kill()?;
    child.wait()?;
    ensure!(last > 0, "rsyslog shipped nothing");
    let megabytes = bytes as f64 / 1e6 * last as f64 / records as f64;
    writeln!(
        std::io::stdout().lock(),
        "rsyslog: {last} records, {megabytes:.0} MB: {:.1} MB per CPU-second, {:.1} MB/s in {wall:.1} s, peak memory {memory} MB",
        megabytes / cpu,
        megabytes / wall,
    )?;
    Ok(())
}
