//! Consumer groups: members come and go, and what is committed stays.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::executor::block_on;
use kafka_protocol::messages::{DescribeGroupsRequest, GroupId, ListGroupsRequest};
use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use crate::clients::{self, PATIENCE};
use crate::support::{Broker, ask, eventually, text, unique};

/// A member of a group in a thread of its own.
struct Member {
    stop: Arc<AtomicBool>,
    assigned: Arc<Mutex<BTreeSet<i32>>>,
    read: Arc<Mutex<Vec<String>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn member(address: &str, group: &str, topic: &str) -> BaseConsumer {
    member_with(address, group, topic, &[])
}

/// The same with more settings.
fn member_with(address: &str, group: &str, topic: &str, settings: &[(&str, &str)]) -> BaseConsumer {
    let mut config = clients::configuration(address);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("heartbeat.interval.ms", "200")
        .set("session.timeout.ms", "6000");
    for (name, value) in settings {
        config.set(*name, *value);
    }
    let consumer: BaseConsumer = config.create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    consumer
}

impl Member {
    /// Reads, and commits each record after it was read.
    fn start(address: &str, group: &str, topic: &str) -> Self {
        Self::start_with(address, group, topic, &[])
    }

    fn start_with(address: &str, group: &str, topic: &str, settings: &[(&str, &str)]) -> Self {
        let consumer = member_with(address, group, topic, settings);
        let stop = Arc::new(AtomicBool::new(false));
        let assigned = Arc::new(Mutex::new(BTreeSet::new()));
        let read = Arc::new(Mutex::new(Vec::new()));
        let thread = std::thread::spawn({
            let (stop, assigned, read) = (stop.clone(), assigned.clone(), read.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    if let Some(Ok(message)) = consumer.poll(Duration::from_millis(50))
                        && consumer.commit_message(&message, CommitMode::Sync).is_ok()
                    {
                        let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
                        read.lock().unwrap().push(value);
                    }
                    let partitions = consumer.assignment().unwrap();
                    *assigned.lock().unwrap() =
                        partitions.elements().iter().map(TopicPartitionListElem::partition).collect();
                }
            }
        });
        Self { stop, assigned, read, thread: Some(thread) }
    }

    fn assigned(&self) -> BTreeSet<i32> {
        self.assigned.lock().unwrap().clone()
    }

    fn leave(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.read.lock().unwrap().clone()
    }
}

/// Waits until the members share six partitions as evenly as they can.
fn shared(members: &[&Member]) {
    eventually("an even assignment", || {
        let sets: Vec<_> = members.iter().map(|member| member.assigned()).collect();
        let all: BTreeSet<i32> = sets.iter().flatten().copied().collect();
        let even = sets.iter().all(|set| set.len() == 6 / members.len());
        (even && all.len() == 6).then_some(())
    });
}

#[test]
fn one_to_three_members_share_the_partitions() {
    let broker = Broker::start();
    let address = broker.address();
    let (topic, group) = (unique("shared"), unique("group"));
    clients::create(address, &topic, 6, &[]).unwrap();
    let producer = clients::producer(address);
    let mut sent = BTreeSet::new();
    let mut send = |round: &str| {
        for partition in 0..6 {
            for number in 0..5 {
                let value = format!("{round} {partition} {number}");
                clients::send(&producer, &topic, partition, &value, None);
                sent.insert(value);
            }
        }
    };
    send("one");
    let first = Member::start(address, &group, &topic);
    shared(&[&first]);
    send("alone");
    let second = Member::start(address, &group, &topic);
    shared(&[&first, &second]);
    send("two");
    let third = Member::start(address, &group, &topic);
    shared(&[&first, &second, &third]);
    send("three");
    let described = ask(address, 5, &DescribeGroupsRequest::default().with_groups(vec![GroupId(text(&group))]));
    assert_eq!((described.groups[0].group_state.as_str(), described.groups[0].members.len()), ("Stable", 3));
    let mut read = first.leave();
    shared(&[&second, &third]);
    send("without the first");
    read.extend(second.leave());
    shared(&[&third]);
    send("the last");
    let total = |read: &[String], third: &Member| {
        let mut all: BTreeSet<String> = read.iter().cloned().collect();
        all.extend(third.read.lock().unwrap().iter().cloned());
        all
    };
    eventually("all records", || (total(&read, &third) == sent).then_some(()));
    read.extend(third.leave());
    let listed = ask(address, 4, &ListGroupsRequest::default());
    let listed = listed.groups.iter().find(|g| g.group_id.as_str() == group).unwrap();
    assert_eq!(listed.group_state.as_str(), "Empty");
}

const COOPERATIVE: (&str, &str) = ("partition.assignment.strategy", "cooperative-sticky");

#[test]
fn cooperative_members_hand_over_single_partitions() {
    let broker = Broker::start();
    let address = broker.address();
    let (topic, group) = (unique("handed"), unique("group"));
    clients::create(address, &topic, 6, &[]).unwrap();
    let producer = clients::producer(address);
    let mut sent = BTreeSet::new();
    // All are read before members come or go: a member doesn't read again what it couldn't commit meanwhile.
    let mut read_round = |round: &str, members: &[&Member]| {
        for partition in 0..6 {
            let value = format!("{round} {partition}");
            clients::send(&producer, &topic, partition, &value, None);
            sent.insert(value);
        }
        eventually("the round's records", || {
            let read = members.iter().flat_map(|member| member.read.lock().unwrap().clone());
            let read: Vec<String> = read.filter(|value| value.starts_with(round)).collect();
            assert!(read.len() <= 6, "something is read twice: {read:?}");
            (read.len() == 6).then_some(())
        });
    };
    let start = || Member::start_with(address, &group, &topic, &[COOPERATIVE]);
    let first = start();
    shared(&[&first]);
    read_round("one", &[&first]);
    let second = start();
    shared(&[&first, &second]);
    let of_first = first.assigned();
    read_round("two", &[&first, &second]);
    let third = start();
    shared(&[&first, &second, &third]);
    assert!(first.assigned().is_subset(&of_first), "what stays stays where it is");
    read_round("three", &[&first, &second, &third]);
    // An eager member has no assignor in common with them.
    let eager = member(address, &group, &topic);
    let refused = eventually("a refusal", || eager.poll(Duration::from_millis(100)).and_then(Result::err));
    assert_eq!(refused.rdkafka_error_code(), Some(RDKafkaErrorCode::InconsistentGroupProtocol));
    drop(eager);
    let mut read = second.leave();
    shared(&[&first, &third]);
    read_round("four", &[&first, &third]);
    read.extend(first.leave());
    read.extend(third.leave());
    assert_eq!((read.len(), read.into_iter().collect::<BTreeSet<_>>()), (sent.len(), sent), "each is read once");
}

#[test]
fn an_instance_that_starts_again_gets_its_partitions_back_and_nobody_else_notices() {
    let broker = Broker::start();
    let address = broker.address();
    let (topic, group) = (unique("kept"), unique("group"));
    clients::create(address, &topic, 6, &[]).unwrap();
    let start = |instance: &str| {
        let settings = [COOPERATIVE, ("group.instance.id", instance), ("session.timeout.ms", "30000")];
        Member::start_with(address, &group, &topic, &settings)
    };
    let (mut first, mut second) = (start("one"), start("two"));
    shared(&[&first, &second]);
    let ids = || {
        let described = ask(address, 5, &DescribeGroupsRequest::default().with_groups(vec![GroupId(text(&group))]));
        let members = described.groups[0].members.iter();
        let ids: BTreeSet<String> = members.map(|member| member.member_id.to_string()).collect();
        (described.groups[0].group_state.to_string(), ids)
    };
    // The one that leads and the one that doesn't, whichever that is.
    for is_first in [true, false] {
        let (again, other) = if is_first { (&mut first, &mut second) } else { (&mut second, &mut first) };
        let (before, of_other) = (again.assigned(), other.assigned());
        let (_, before_ids) = ids();
        again.stop.store(true, Ordering::Relaxed);
        again.thread.take().unwrap().join().unwrap();
        assert_eq!(ids(), ("Stable".to_owned(), before_ids.clone()), "who ends says nothing");
        *again = start(if is_first { "one" } else { "two" });
        eventually("the same partitions", || (again.assigned() == before).then_some(()));
        assert_eq!(other.assigned(), of_other);
        let (state, after) = ids();
        assert_eq!((state.as_str(), after.len(), after.intersection(&before_ids).count()), ("Stable", 2, 1));
    }
    // Two of one identity: the later one has its place.
    let usurper = start("one");
    eventually("its partitions", || (usurper.assigned().len() == 3).then_some(()));
    eventually("the fenced one's end", || first.assigned().is_empty().then_some(()));
    for member in [first, second, usurper] {
        member.leave();
    }
}

#[test]
fn an_instance_of_another_name_with_a_topic_more_inherits_when_the_session_of_the_former_one_ends() {
    let broker = Broker::start();
    let address = broker.address();
    let (topic, more, group) = (unique("had"), unique("more"), unique("group"));
    clients::create(address, &topic, 6, &[]).unwrap();
    let settings = |instance| [COOPERATIVE, ("group.instance.id", instance)];
    let former = Member::start_with(address, &group, &topic, &settings("one"));
    shared(&[&former]);
    former.leave();
    clients::create(address, &more, 6, &[]).unwrap();
    let heir = member_with(address, &group, &topic, &settings("another"));
    heir.subscribe(&[&topic, &more]).unwrap();
    eventually("all partitions", || {
        let _ = heir.poll(Duration::from_millis(100));
        (heir.assignment().unwrap().count() == 12).then_some(())
    });
}

#[test]
fn a_silent_member_loses_its_partitions() {
    let broker = Broker::start();
    let address = broker.address();
    let (topic, group) = (unique("silent"), unique("group"));
    clients::create(address, &topic, 6, &[]).unwrap();
    let mut config = clients::configuration(address);
    // A client that takes no part for longer than this is gone, whatever its heartbeats say.
    config
        .set("group.id", &group)
        .set("session.timeout.ms", "6000")
        .set("max.poll.interval.ms", "6000")
        .set("heartbeat.interval.ms", "200");
    let silent: BaseConsumer = config.create().unwrap();
    silent.subscribe(&[&topic]).unwrap();
    eventually("an assignment", || {
        let _ = silent.poll(Duration::from_millis(100));
        (silent.assignment().unwrap().count() == 6).then_some(())
    });
    let heir = Member::start(address, &group, &topic);
    shared(&[&heir]);
    heir.leave();
}

#[test]
fn a_group_goes_on_where_it_stopped() {
    let broker = Broker::start();
    let address = broker.address();
    let (topic, group) = (unique("resumed"), unique("group"));
    clients::create(address, &topic, 1, &[]).unwrap();
    let producer = clients::producer(address);
    for number in 0..10 {
        clients::send(&producer, &topic, 0, &number.to_string(), None);
    }
    let next = || {
        let consumer = member(address, &group, &topic);
        let message = eventually("a record", || consumer.poll(Duration::from_millis(100))).unwrap();
        let offset = message.offset();
        consumer.commit_message(&message, CommitMode::Sync).unwrap();
        offset
    };
    assert_eq!([next(), next(), next()], [0, 1, 2]);
}

fn commit(consumer: &BaseConsumer, topic: &str, offset: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset)).unwrap();
    consumer.commit(&list, CommitMode::Sync).unwrap();
}

pub fn committed(consumer: &BaseConsumer, topic: &str) -> Offset {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, 0);
    consumer.committed_offsets(list, PATIENCE).unwrap().elements()[0].offset()
}

#[test]
fn a_deleted_group_leaves_nothing() {
    let broker = Broker::start();
    let address = broker.address();
    let (topic, group) = (unique("kept"), unique("group"));
    clients::create(address, &topic, 1, &[]).unwrap();
    let consumer = clients::reader(address, &group);
    commit(&consumer, &topic, 7);
    assert_eq!(committed(&consumer, &topic), Offset::Offset(7));
    let admin = clients::admin(address);
    let delete = || {
        let results = block_on(admin.delete_groups(&[&group], &AdminOptions::new())).unwrap();
        results.into_iter().next().unwrap().map(drop).map_err(|(_, code)| code)
    };
    let occupant = Member::start(address, &group, &topic);
    eventually("an assignment", || (!occupant.assigned().is_empty()).then_some(()));
    assert_eq!(delete(), Err(RDKafkaErrorCode::NonEmptyGroup));
    occupant.leave();
    eventually("the deletion", || delete().ok());
    assert_eq!(delete(), Err(RDKafkaErrorCode::GroupIdNotFound));
    assert_eq!(committed(&consumer, &topic), Offset::Invalid);
}
