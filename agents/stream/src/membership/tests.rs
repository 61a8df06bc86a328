use lakewright_config::agents;
use lakewright_config::{KafkaConnection, Table};

use super::*;
use crate::testing::table;

/// An agent's state directory, and what it is started with there.
struct Host {
    state: tempfile::TempDir,
    agent: Agent,
}

impl Host {
    fn new(instance: &str) -> Self {
        let state = tempfile::tempdir().expect("a directory");
        let mut agent = Agent::detached(agents::Agent::Stream, state.path().to_owned());
        agent.instance = Some(instance.to_owned());
        Self { state, agent }
    }

    fn file(&self) -> PathBuf {
        self.state.path().join(FILE)
    }

    fn start(&self, topics: &[&str]) -> Membership {
        Membership::of(&self.agent, &config("lake", topics)).expect("a member")
    }

    /// A start whose assignment stands.
    fn known(&self, topics: &[&str]) -> Membership {
        let mut member = self.start(topics);
        member.is_known().expect("written");
        member
    }
}

fn config(group: &str, topics: &[&str]) -> StreamConfig {
    let of = |(index, topic): (usize, &&str)| Table { topic: (*topic).to_owned(), ..table(&format!("table_{index}")) };
    StreamConfig {
        kafka: KafkaConnection::plaintext("127.0.0.1:9"),
        group: group.to_owned(),
        tables: topics.iter().enumerate().map(of).collect(),
        dead_letters: table("dead_letters"),
        account: None,
        commit_interval_ms: 100,
        commit_bytes: 1 << 20,
        on_reject: agents::stream::OnReject::DeadLetters,
        on_gap: agents::stream::OnGap::Skip,
        maintenance: None,
        orphans_elsewhere_ms: None,
        watch: None,
    }
}

/// The topics that a start asks for first, where they are others than its own.
fn first(member: &Membership) -> Vec<&str> {
    member.before().unwrap_or_default().iter().map(String::as_str).collect()
}

#[test]
fn an_agent_without_a_name_has_no_identity_and_keeps_no_file() {
    let mut host = Host::new("");
    host.agent.instance = None;
    let member = host.start(&["a"]);
    assert_eq!((member.identity(), member.before(), host.file().exists()), (None, None, false));
    let mut kafka = ClientConfig::new();
    member.configure(&mut kafka, &config("lake", &["a"]));
    assert_eq!((kafka.get("group.instance.id"), kafka.get("session.timeout.ms")), (None, Some("6000")));
}

#[test]
fn one_that_starts_again_with_its_topics_asks_for_them_alone() {
    let host = Host::new("data-0");
    let first_start = host.start(&["b", "a", "b"]);
    let identity = first_start.identity().expect("an identity");
    assert!(identity.starts_with("data-0-") && identity.len() == "data-0-".len() + 8, "{identity}");
    let again = host.start(&["a", "b"]);
    assert_eq!((again.identity().as_deref(), again.before()), (Some(identity.as_str()), None));
    let mut kafka = ClientConfig::new();
    again.configure(&mut kafka, &config("lake", &["a", "b"]));
    assert_eq!(
        (kafka.get("group.instance.id"), kafka.get("session.timeout.ms")),
        (Some(identity.as_str()), Some("15000"))
    );
    assert_eq!(host.agent.health.errors(), 0);
}

#[test]
fn one_with_other_topics_asks_for_those_of_before_until_the_group_knows_the_new_ones() {
    let host = Host::new("data-0");
    let identity = host.known(&["a", "gone"]).identity();
    let other = host.start(&["a", "new"]);
    assert_eq!((first(&other), other.identity()), (vec!["a", "gone"], identity.clone()));
    // It crashes before the group knows them: nobody knows by which topics it has what it has.
    assert_eq!(first(&host.start(&["a", "new"])), ["a", "gone"]);
    host.known(&["a", "new"]);
    let again = host.start(&["a", "new"]);
    assert_eq!((again.before(), again.identity()), (None, identity));
}

#[test]
fn one_that_changes_again_before_the_group_knows_is_a_new_member() {
    let host = Host::new("data-0");
    let identity = host.known(&["a"]).identity();
    host.start(&["a", "b"]);
    // Back to what the file had first: the group may have given it partitions by either.
    let back = host.start(&["a"]);
    assert_eq!(back.before(), None);
    assert_ne!(back.identity(), identity);
}

#[test]
fn a_name_or_a_group_of_its_own_makes_it_a_new_member() {
    let mut host = Host::new("data-0");
    let identity = host.known(&["a"]).identity();
    let other_group = Membership::of(&host.agent, &config("other", &["b"])).expect("a member");
    assert_eq!(other_group.before(), None);
    assert_ne!(other_group.identity(), identity);
    // A volume that was moved to another host.
    let before = host.known(&["a"]).identity();
    host.agent.instance = Some("data-1".to_owned());
    let moved = host.start(&["b"]);
    assert_eq!(moved.before(), None);
    assert_ne!(moved.identity(), before);
}

#[test]
fn a_file_that_cannot_be_read_is_shown_and_written_anew() {
    let host = Host::new("data-0");
    let identity = host.known(&["a"]).identity();
    for broken in [&b"{\"group\":\"lake"[..], b"", b"\xff", b"[]"] {
        std::fs::write(host.file(), broken).expect("written");
        let errors = host.agent.health.errors();
        let member = host.start(&["a", "b"]);
        assert_eq!((member.before(), host.agent.health.errors()), (None, errors + 1));
        assert_ne!(member.identity().expect("an identity"), identity.clone().expect("an identity"));
        let said = host.agent.health.last_error().expect("shown");
        assert!(said.contains(FILE) && said.contains("a new member"), "{said}");
        let again = host.start(&["a", "b"]);
        assert_eq!((again.identity(), host.agent.health.errors()), (member.identity(), errors + 1));
    }
}

#[test]
fn one_that_cannot_keep_a_file_has_no_identity() {
    let host = Host::new("data-0");
    std::fs::create_dir(host.file()).expect("a folder in its place");
    let mut member = host.start(&["a"]);
    assert_eq!((member.identity(), member.before()), (None, None));
    let said = host.agent.health.last_error().expect("shown");
    assert!(said.contains(FILE) && said.contains("state directory"), "{said}");
    member.is_known().expect("nothing to keep");
    // Neither has one whose folder is gone.
    let gone = Host::new("data-0");
    std::fs::remove_dir(gone.state.path()).expect("removed");
    assert_eq!(gone.start(&["a"]).identity(), None);
}

#[test]
fn one_whose_identity_was_taken_starts_again_under_another_one() {
    let host = Host::new("data-0");
    let mut member = host.known(&["a"]);
    let identity = member.identity();
    member.give_way().expect("written");
    let again = host.start(&["a"]);
    assert_eq!((again.before(), again.fenced()), (None, 1));
    assert_ne!(again.identity(), identity);
    // It is new to the group, whatever its topics are by then.
    member.give_way().expect("written");
    let other = host.start(&["a", "b"]);
    assert_eq!(other.fenced(), 2);
}

#[test]
fn a_name_that_is_too_long_is_refused() {
    let host = Host::new(&"x".repeat(241));
    let error = Membership::of(&host.agent, &config("lake", &["a"])).expect_err("too long").to_string();
    assert!(error.contains("LAKEWRIGHT_INSTANCE is too long by 1 characters"), "{error}");
}
