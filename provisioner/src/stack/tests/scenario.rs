//! What the producer simulates beside a steady stream, from the file to its configuration.

use lakewright_config::{Bots, Late, LogFormat, Outage, ProducerConfig, Repeats, SalesDay, Scenario};

use super::{expanded, mistakes, parsed, spec};

const STACK: &str = r#"[stack]
name = "shop"

[network]
zones = ["a", "b"]

[kafka]
brokers = 2
authentication = "none"

[keys.main]
[topics.iceberg_events]
[topics.es_events]
[topics.logs]

[hosts.app]
agents = ["producer"]
"#;

fn config(settings: &str) -> ProducerConfig {
    let desired = expanded(&parsed(&format!("{STACK}{settings}")));
    let content = spec(&desired, "object.app-producer")["content"].as_str().expect("content").to_owned();
    serde_json::from_str(&content).expect("a configuration")
}

#[test]
fn a_scenario_reaches_the_producer() {
    assert_eq!(config("").scenario, Scenario::default());
    let written = config(
        "[agents.producer]\nlog_topic = \"logs\"\nlog_format = \"json\"\nlog_errors = 0.01\n\
         [agents.producer.scenario]\nsales_day = { length = \"1h\", peak = 5 }\noutage = { every = \"10m\", lasts = \"30s\" }\n\
         bots = { count = 2, share = 0.5 }\nlate = { share = 0.1, least = \"1m\", most = \"1d\" }\n\
         [agents.producer.scenario.repeats]\n",
    );
    let expected = Scenario {
        sales_day: Some(SalesDay { length_seconds: 3600, peak: 5 }),
        outage: Some(Outage { every_seconds: 600, lasts_seconds: 30 }),
        bots: Some(Bots { count: 2, share: 0.5 }),
        late: Some(Late { share: 0.1, least_seconds: 60, most_seconds: 86_400 }),
        repeats: Some(Repeats { share: 0.01, after_seconds: 60 }),
    };
    assert_eq!(written.scenario, expected);
    assert_eq!((written.log.format, written.log.errors), (LogFormat::Json, 0.01));
    assert_eq!(written.log.topic.as_deref(), Some("logs"));
}

#[test]
fn what_a_scenario_can_not_be_is_refused_where_it_stands() {
    for (settings, reason) in [
        ("outage = { every = \"1m\", lasts = \"1m\" }", "shorter than the time from one to the next"),
        ("outage = { every = \"1500ms\" }", "must be whole seconds, at most 365d"),
        ("late = { least = \"2h\", most = \"1h\" }", "from 2h to 1h"),
        ("late = { share = 2 }", "must be between 0 and 1"),
        ("bots = { count = 0 }", "must be between 1 and 1000"),
        ("sales_day = { peak = 13 }", "must be between 2 and 12"),
        ("repeats = { after = \"400d\" }", "must be whole seconds, at most 365d"),
        ("outages = { every = \"1h\" }", "unknown key `outages`"),
    ] {
        let text = mistakes(&format!("{STACK}[agents.producer.scenario]\n{settings}\n"), &[]);
        assert!(text.contains(reason) && text.matches("error: ").count() == 1, "{settings}: {text}");
    }
    let max = "[agents.producer]\nrate = \"max\"\n[agents.producer.scenario.sales_day]\n";
    let text = mistakes(&format!("{STACK}{max}"), &[]);
    assert!(text.contains("a sales day needs a rate"), "{text}");
    for (topic, reason) in
        [("es_events", "the application's log and actions go to one topic"), ("log", "there is no topic `log`")]
    {
        let text = mistakes(&format!("{STACK}[agents.producer]\nlog_topic = \"{topic}\"\n"), &[]);
        assert!(text.contains(reason), "{text}");
    }
}
