//! The log of a test: its broker, its topics, what is sent to them and who reads them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, FutureProducer, FutureRecord, Producer, ThreadedProducer};

use super::{TOPIC, World};

impl World {
    /// Ends the broker.
    pub async fn stop_kafka(&mut self) {
        self.kafka.take().expect("it runs").shutdown().await;
    }

    /// Starts it again, where it was.
    pub async fn start_kafka(&mut self) {
        let mut config = lakewright_kafka::Config::new(self.data.path());
        let port = self.connection.bootstrap.rsplit_once(':').expect("a port").1;
        config.port = port.parse().expect("a number");
        self.kafka = Some(lakewright_kafka::serve(config).await.expect("serves"));
    }

    /// Cuts half of a partition's newest records off, as an unclean election does; the broker is down.
    pub fn cut_off(&self, partition: i32) {
        assert!(self.kafka.is_none(), "a running broker has the file open");
        let mut logs = Vec::new();
        let mut folders = vec![self.data.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
                match entry.extension() {
                    _ if entry.is_dir() => folders.push(entry),
                    Some(extension) if extension == "log" => logs.push(entry),
                    _ => {}
                }
            }
        }
        let is_of = |log: &&PathBuf| {
            let folder = log.parent().and_then(|folder| folder.file_name()).expect("a partition's folder");
            folder.to_string_lossy().ends_with(&format!("-{partition}")) || folder == partition.to_string().as_str()
        };
        let [log] = logs.iter().filter(is_of).collect::<Vec<_>>()[..] else {
            panic!("not one log of {partition}: {logs:?}")
        };
        let file = std::fs::OpenOptions::new().write(true).open(log).expect("a file");
        file.set_len(file.metadata().expect("a size").len() / 2).expect("cut off");
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client.create().expect("an admin client")
    }

    /// Makes a topic of three partitions, one of the test before on a real Kafka anew. Its records stay, however long ago they are
    /// dated: Kafka's retention goes by their times.
    pub async fn make_topic(&self, name: &str) {
        if self.kafka.is_none() {
            // Of the test before.
            self.delete_topic(name).await;
        }
        let topic = NewTopic::new(name, 3, TopicReplication::Fixed(1)).set("retention.ms", "-1");
        let made = self.admin().create_topics([&topic], &AdminOptions::new()).await.expect("answered");
        for result in made {
            result.expect("created");
        }
    }

    /// Deletes a topic if it is there, and waits until it is gone.
    pub async fn delete_topic(&self, name: &str) {
        let admin = self.admin();
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let deleted = admin.delete_topics(&[name], &AdminOptions::new()).await.expect("answered");
            match deleted[0] {
                Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => return,
                _ => assert!(Instant::now() < end, "{name} isn't gone: {deleted:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends one record to partition 0 and waits until it is there.
    pub async fn send_one(&self, topic: &str, key: Option<&[u8]>, payload: Option<&[u8]>, headers: OwnedHeaders) {
        let producer: FutureProducer = self.client.create().expect("a producer");
        let mut record = FutureRecord::<[u8], [u8]>::to(topic).partition(0).timestamp(1_700_000_000_123);
        (record.key, record.payload) = (key, payload);
        producer
            .send(record.headers(headers), Duration::from_secs(30))
            .await
            .map_err(|(error, _)| error)
            .expect("sent");
    }

    /// Makes a topic that takes large messages, and sends these to it.
    pub async fn send_large(&self, topic: &str, payloads: &[String]) {
        let most = "20000000";
        let made = NewTopic::new(topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", most);
        for result in self.admin().create_topics([&made], &AdminOptions::new()).await.expect("answered") {
            result.expect("created");
        }
        let mut client = self.client.clone();
        client.set("message.max.bytes", most);
        let producer: FutureProducer = client.create().expect("a producer");
        for payload in payloads {
            let record = FutureRecord::<[u8], str>::to(topic).payload(payload);
            producer.send(record, Duration::from_secs(30)).await.map_err(|(error, _)| error).expect("sent");
        }
    }

    /// Sends facts, every tenth of them broken.
    pub async fn send(&mut self, count: u64) {
        self.send_with(count, "amount").await;
    }

    /// The same with another name of the column of amounts.
    pub async fn send_with(&mut self, count: u64, amount: &str) {
        self.send_sales(count, |number| format!(r#""{amount}":{number}.25"#)).await;
    }

    /// The same with these members of sales besides their ids.
    pub async fn send_sales(&mut self, count: u64, members: impl Fn(u64) -> String) {
        let producer: ThreadedProducer<DefaultProducerContext> = self.client.create().expect("a producer");
        for number in self.sent..self.sent + count {
            let payload = match number % 10 {
                0 => "{\"table\":\"sales\",\"data\":{\"sale_id\":\"a\"".to_owned(),
                1..=3 => format!(r#"{{"table":"users","data":{{"user_id":"u{number}"}}}}"#),
                _ => format!(r#"{{"table":"sales","data":{{"sale_id":"s{number}",{}}}}}"#, members(number)),
            };
            producer.send(BaseRecord::to(TOPIC).payload(&payload).key(&number.to_string())).expect("queued");
        }
        self.sent += count;
        tokio::task::spawn_blocking(move || producer.flush(Duration::from_secs(30))).await.expect("ran").expect("sent");
    }

    /// Joins a group once under an agent's identity, as the agent did whose coordinator has lost its answer; nobody leaves.
    pub async fn haunt(&self, group: &str, identity: &str) {
        let mut settings = self.client.clone();
        settings
            .set("group.id", group)
            .set("group.instance.id", identity)
            .set("session.timeout.ms", "15000")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false");
        let ghost: BaseConsumer = settings.create().expect("a consumer");
        let join = move || {
            ghost.subscribe(&[TOPIC]).expect("subscribed");
            let end = Instant::now() + Duration::from_secs(30);
            // It may be fenced itself before it has anything.
            while ghost.assignment().expect("an assignment").count() == 0 && ghost.client().fatal_error().is_none() {
                assert!(Instant::now() < end, "not a member");
                drop(ghost.poll(Duration::from_millis(20)));
            }
        };
        tokio::task::spawn_blocking(join).await.expect("ran");
    }

    /// The ids of a group's members, which begin with their identities.
    pub async fn members(&self, group: &str) -> Vec<String> {
        let (client, group) = (self.admin(), group.to_owned());
        let ask = move || -> Vec<String> {
            let list =
                client.inner().fetch_group_list(Some(group.as_str()), Duration::from_secs(10)).expect("answered");
            let members = list.groups().iter().flat_map(rdkafka::groups::GroupInfo::members);
            members.map(|member| member.id().to_owned()).collect()
        };
        tokio::task::spawn_blocking(ask).await.expect("ran")
    }
}
