//! A small Kafka admin client: what the topic API of MSK asks of the brokers behind a cluster.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiVersionsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
    IncrementalAlterConfigsRequest, MetadataRequest, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The number that Kafka gives to topics among the kinds of configurable things.
const TOPIC_RESOURCE: i8 = 2;
/// The source of a configuration value that was set on the topic itself.
const TOPIC_SOURCE: i8 = 1;
/// How long one exchange with a broker may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// An answer larger than this is not an answer.
const LARGEST_ANSWER: usize = 64 << 20;

/// One partition as the brokers describe it.
#[derive(Clone, Debug)]
pub struct Partition {
    /// Its number.
    pub index: i32,
    /// The broker that leads it.
    pub leader: i32,
    /// The brokers that hold it.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub in_sync: Vec<i32>,
}

/// One topic as the brokers describe it.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its partitions, by number.
    pub partitions: Vec<Partition>,
}

impl Topic {
    /// Returns how many brokers hold each partition.
    pub fn replication_factor(&self) -> usize {
        self.partitions.first().map_or(0, |partition| partition.replicas.len())
    }
}

/// What a broker refused, with Kafka's own error.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// Kafka's error.
    pub error: ResponseError,
    /// What the broker said, or the name of the error.
    pub message: String,
}

/// One connection to one broker.
pub struct Client {
    stream: TcpStream,
    correlation: i32,
    versions: HashMap<i16, (i16, i16)>,
}

impl Client {
    /// Connects to the first of the comma-separated `addresses` that answers.
    pub async fn connect(addresses: &str) -> Result<Client> {
        let mut last = None;
        for address in addresses.split(',').map(str::trim).filter(|address| !address.is_empty()) {
            match Client::connect_to(address).await {
                Ok(client) => return Ok(client),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no Kafka address is configured")))
    }

    async fn connect_to(address: &str) -> Result<Client> {
        let stream = tokio::time::timeout(TIMEOUT, TcpStream::connect(address))
            .await
            .with_context(|| format!("connect to Kafka at {address}: timed out"))?
            .with_context(|| format!("connect to Kafka at {address}"))?;
        stream.set_nodelay(true).ok();
        let mut client = Client { stream, correlation: 0, versions: HashMap::new() };
        let answer = client.exchange(&ApiVersionsRequest::default(), 0).await?;
        check(answer.error_code, None)?;
        client.versions = answer.api_keys.iter().map(|key| (key.api_key, (key.min_version, key.max_version))).collect();
        Ok(client)
    }

    /// Returns how many brokers there are.
    pub async fn brokers(&mut self) -> Result<usize> {
        let version = self.version::<MetadataRequest>(9)?;
        let request = MetadataRequest::default().with_topics(Some(Vec::new()));
        Ok(self.exchange(&request, version).await?.brokers.len())
    }

    /// Returns all topics but Kafka's own.
    pub async fn topics(&mut self) -> Result<Vec<Topic>> {
        let mut topics = self.metadata(None).await?;
        topics.retain(|topic| !topic.name.starts_with("__"));
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// Returns one topic, or nothing if the brokers have none of that name.
    pub async fn topic(&mut self, name: &str) -> Result<Option<Topic>> {
        Ok(self.metadata(Some(name)).await?.into_iter().find(|topic| topic.name == name))
    }

    async fn metadata(&mut self, name: Option<&str>) -> Result<Vec<Topic>> {
        // Version 9 is the last that needs no topic ids in the request.
        let version = self.version::<MetadataRequest>(9)?;
        let mut request = MetadataRequest::default();
        request.topics = name.map(|name| vec![MetadataRequestTopic::default().with_name(Some(topic_name(name)))]);
        request.allow_auto_topic_creation = version < 4;
        if version == 0 && name.is_none() {
            request.topics = Some(Vec::new());
        }
        let answer = self.exchange(&request, version).await?;
        let mut topics = Vec::new();
        for topic in answer.topics {
            match ResponseError::try_from_code(topic.error_code) {
                None | Some(ResponseError::LeaderNotAvailable) => {}
                Some(ResponseError::UnknownTopicOrPartition) => continue,
                Some(error) => return Err(refused(error, None).into()),
            }
            let mut partitions: Vec<Partition> = topic
                .partitions
                .iter()
                .map(|partition| Partition {
                    index: partition.partition_index,
                    leader: partition.leader_id.0,
                    replicas: partition.replica_nodes.iter().map(|node| node.0).collect(),
                    in_sync: partition.isr_nodes.iter().map(|node| node.0).collect(),
                })
                .collect();
            partitions.sort_by_key(|partition| partition.index);
            let name = topic.name.map(|name| name.0.to_string()).unwrap_or_default();
            topics.push(Topic { name, partitions });
        }
        Ok(topics)
    }

    /// Creates a topic.
    pub async fn create(
        &mut self,
        name: &str,
        partitions: i32,
        replication_factor: i16,
        configs: &BTreeMap<String, String>,
    ) -> Result<()> {
        let version = self.version::<CreateTopicsRequest>(6)?;
        let configs = configs
            .iter()
            .map(|(name, value)| CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value))))
            .collect();
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(replication_factor)
            .with_configs(configs);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let answer = self.exchange(&request, version).await?;
        let topic = answer.topics.first().context("the broker answered for no topic")?;
        check(topic.error_code, topic.error_message.as_ref())
    }

    /// Deletes a topic.
    pub async fn delete(&mut self, name: &str) -> Result<()> {
        let version = self.version::<DeleteTopicsRequest>(6)?;
        let mut request = DeleteTopicsRequest::default().with_timeout_ms(10_000);
        if version >= 6 {
            request.topics = vec![DeleteTopicState::default().with_name(Some(topic_name(name)))];
        } else {
            request.topic_names = vec![topic_name(name)];
        }
        let answer = self.exchange(&request, version).await?;
        let topic = answer.responses.first().context("the broker answered for no topic")?;
        check(topic.error_code, topic.error_message.as_ref())
    }

    /// Raises the number of a topic's partitions to `count`.
    pub async fn grow(&mut self, name: &str, count: i32) -> Result<()> {
        let version = self.version::<CreatePartitionsRequest>(3)?;
        let topic =
            CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(count).with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let answer = self.exchange(&request, version).await?;
        let topic = answer.results.first().context("the broker answered for no topic")?;
        check(topic.error_code, topic.error_message.as_ref())
    }

    /// Returns the configuration that was set on a topic itself.
    pub async fn configs(&mut self, name: &str) -> Result<BTreeMap<String, String>> {
        let version = self.version::<DescribeConfigsRequest>(4)?;
        let resource = DescribeConfigsResource::default()
            .with_resource_type(TOPIC_RESOURCE)
            .with_resource_name(text(name))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.exchange(&request, version).await?;
        let result = answer.results.into_iter().next().context("the broker answered for no topic")?;
        check(result.error_code, result.error_message.as_ref())?;
        Ok(result
            .configs
            .into_iter()
            .filter(|config| config.config_source == TOPIC_SOURCE)
            .map(|config| (config.name.to_string(), config.value.map(|value| value.to_string()).unwrap_or_default()))
            .collect())
    }

    /// Sets configuration values of a topic; `None` resets one to the broker's default.
    pub async fn configure(&mut self, name: &str, configs: &BTreeMap<String, Option<String>>) -> Result<()> {
        let version = self.version::<IncrementalAlterConfigsRequest>(1)?;
        let configs = configs
            .iter()
            .map(|(name, value)| {
                AlterableConfig::default()
                    .with_name(text(name))
                    .with_config_operation(i8::from(value.is_none()))
                    .with_value(value.as_deref().map(text))
            })
            .collect();
        let resource = AlterConfigsResource::default()
            .with_resource_type(TOPIC_RESOURCE)
            .with_resource_name(text(name))
            .with_configs(configs);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.exchange(&request, version).await?;
        let result = answer.responses.first().context("the broker answered for no topic")?;
        check(result.error_code, result.error_message.as_ref())
    }

    /// Returns the newest version, at most `most`, of a request that both sides speak.
    fn version<R: Request>(&self, most: i16) -> Result<i16> {
        let Some((least, newest)) = self.versions.get(&R::KEY).copied() else {
            return Err(refused(ResponseError::UnsupportedVersion, None).into());
        };
        let ours = R::VERSIONS;
        let version = newest.min(ours.max).min(most);
        if version < least.max(ours.min) {
            return Err(refused(ResponseError::UnsupportedVersion, None).into());
        }
        Ok(version)
    }

    async fn exchange<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        tokio::time::timeout(TIMEOUT, self.exchange_unbounded(request, version))
            .await
            .context("the Kafka broker did not answer in time")?
    }

    async fn exchange_unbounded<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("lakewright-account")));
        let mut body = BytesMut::new();
        header.encode(&mut body, R::header_version(version))?;
        request.encode(&mut body, version)?;
        let mut frame = BytesMut::with_capacity(body.len() + 4);
        frame.put_i32(i32::try_from(body.len()).context("request too large")?);
        frame.extend_from_slice(&body);
        self.stream.write_all(&frame).await.context("send a request to Kafka")?;

        let length = self.stream.read_i32().await.context("read Kafka's answer")?;
        let length = usize::try_from(length).context("Kafka sent a negative length")?;
        ensure!(length <= LARGEST_ANSWER, "Kafka sent an answer of {length} bytes");
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await.context("read Kafka's answer")?;
        let mut answer = Bytes::from(answer);
        let header = ResponseHeader::decode(&mut answer, R::Response::header_version(version))?;
        if header.correlation_id != self.correlation {
            bail!("Kafka answered another request");
        }
        let response = R::Response::decode(&mut answer, version)?;
        answer.advance(answer.remaining());
        Ok(response)
    }
}

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

fn refused(error: ResponseError, message: Option<&StrBytes>) -> Refused {
    let message = message.map(ToString::to_string).filter(|message| !message.is_empty());
    Refused { error, message: message.unwrap_or_else(|| format!("{error:?}")) }
}

fn check(code: i16, message: Option<&StrBytes>) -> Result<()> {
    match ResponseError::try_from_code(code) {
        None => Ok(()),
        Some(error) => Err(refused(error, message).into()),
    }
}
