//! The way of each request to its handler, and of what that answers to a frame.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, Request};
use tokio::task::JoinHandle;

use crate::broker::Broker;
use crate::caller::Caller;
use crate::frame;
use crate::handlers::sasl::{self, Session};
use crate::handlers::{acls, cluster, configs, fetch, groups, list_offsets, offsets, produce, topics, transactions};
use crate::supported::SUPPORTED;

/// A request's answer: at hand, or after something that later requests needn't wait for.
pub enum Answer {
    /// An encoded frame.
    Ready(Bytes),
    /// Comes later, in the order of the requests; none: nothing is to be sent.
    Later(JoinHandle<anyhow::Result<Option<Bytes>>>),
}

/// One decoded request's way to its encoded answer.
pub struct Call {
    key: ApiKey,
    version: i16,
    correlation: i32,
    body: Bytes,
}

impl Call {
    fn read<R: Request>(&self) -> anyhow::Result<R> {
        R::decode(&mut self.body.clone(), self.version)
    }

    /// The frame of a response.
    pub fn frame<R: Encodable>(&self, response: &R) -> anyhow::Result<Bytes> {
        let version = self.key.response_header_version(self.version);
        let header = ResponseHeader::default().with_correlation_id(self.correlation);
        let size = header.compute_size(version)? + response.compute_size(self.version)?;
        let mut buffer = BytesMut::with_capacity(size + 4);
        buffer.extend_from_slice(&i32::try_from(size)?.to_be_bytes());
        header.encode(&mut buffer, version)?;
        response.encode(&mut buffer, self.version)?;
        Ok(buffer.freeze())
    }

    fn ready<R: Encodable>(&self, response: &R) -> anyhow::Result<Answer> {
        Ok(Answer::Ready(self.frame(response)?))
    }
}

/// Answers one frame of a connection. An error means that it can't go on.
pub async fn answer(broker: &Arc<Broker>, session: &mut Session, mut request: Bytes) -> anyhow::Result<Answer> {
    let (key, version) = frame::api(&request)?;
    let key = ApiKey::try_from(key).map_err(|()| anyhow::anyhow!("unknown request {key}"))?;
    let Some(&(_, least, most, _)) = SUPPORTED.iter().find(|(known, ..)| *known == key) else {
        anyhow::bail!("request {key:?} isn't supported");
    };
    let supported = (least..=most).contains(&version);
    if !supported && key == ApiKey::ApiVersions {
        // A newer client asks again with what this answer, in the oldest version, offers.
        let correlation = frame::correlation(&request)?;
        let call = Call { key, version: 0, correlation, body: Bytes::new() };
        return call.ready(&api_versions().with_error_code(ResponseError::UnsupportedVersion.code()));
    }
    anyhow::ensure!(supported, "version {version} of request {key:?} isn't supported");
    frame::check(key, version, &request)?;
    anyhow::ensure!(session.admits(key), "a client that has to log in first asks for {key:?}");
    let header = RequestHeader::decode(&mut request, key.request_header_version(version))?;
    let client_id = header.client_id.map(|id| id.to_string()).unwrap_or_default();
    let caller = &Caller { client_id, peer: session.peer, rights: session.rights(broker) };
    let address = session.address;
    let call = Call { key, version, correlation: header.correlation_id, body: request };
    let call = &call;
    match key {
        ApiKey::ApiVersions => call.ready(&api_versions()),
        ApiKey::SaslHandshake => call.ready(&sasl::handshake(session, &call.read()?)),
        ApiKey::SaslAuthenticate => call.ready(&sasl::authenticate(broker, session, call.read()?).await),
        ApiKey::Metadata => call.ready(&cluster::metadata(broker, caller, address, version, call.read()?).await),
        ApiKey::DescribeCluster => call.ready(&cluster::describe_cluster(broker, address)),
        ApiKey::FindCoordinator => call.ready(&cluster::find_coordinator(caller, address, version, &call.read()?)),
        ApiKey::InitProducerId => call.ready(&produce::init_producer_id(broker, caller, version, &call.read()?).await),
        ApiKey::Produce => {
            let pending = produce::append(broker, caller, call.read()?).await;
            let call = Call { key, version, correlation: call.correlation, body: Bytes::new() };
            // A task of its own: what is stored becomes durable and visible even if the producer has gone.
            Ok(Answer::Later(tokio::spawn(async move {
                let silent = pending.is_silent();
                let response = pending.finish().await;
                if silent {
                    // The only way to let a producer know that wants no answer.
                    anyhow::ensure!(
                        !produce::has_error(&response),
                        "records of a producer without acknowledgements were refused"
                    );
                    return Ok(None);
                }
                call.frame(&response).map(Some)
            })))
        }
        ApiKey::Fetch => call.ready(&fetch::fetch(broker, caller, call.read()?).await),
        ApiKey::ListOffsets => call.ready(&list_offsets::list_offsets(broker, caller, version, call.read()?).await),
        ApiKey::OffsetForLeaderEpoch => call.ready(&list_offsets::leader_epochs(broker, caller, call.read()?)),
        ApiKey::CreateTopics => call.ready(&topics::create(broker, caller, version, call.read()?).await),
        ApiKey::DeleteTopics => call.ready(&topics::delete(broker, caller, version, call.read()?).await),
        ApiKey::CreatePartitions => call.ready(&topics::create_partitions(broker, caller, call.read()?).await),
        ApiKey::DescribeConfigs => call.ready(&configs::describe(broker, caller, &call.read()?)),
        ApiKey::IncrementalAlterConfigs => call.ready(&configs::alter(broker, caller, call.read()?).await),
        ApiKey::OffsetCommit => call.ready(&offsets::commit(broker, caller, call.read()?).await),
        ApiKey::OffsetFetch => call.ready(&offsets::fetch(broker, caller, version, &call.read()?).await),
        ApiKey::JoinGroup => call.ready(&groups::join(broker, version, caller, call.read()?).await),
        ApiKey::SyncGroup => call.ready(&groups::sync(broker, caller, call.read()?).await),
        ApiKey::Heartbeat => call.ready(&groups::heartbeat(broker, caller, &call.read()?)),
        ApiKey::LeaveGroup => call.ready(&groups::leave(broker, caller, version, &call.read()?)),
        ApiKey::AddPartitionsToTxn => {
            call.ready(&transactions::add_partitions(broker, caller, version, call.read()?).await)
        }
        ApiKey::AddOffsetsToTxn => call.ready(&transactions::add_offsets(broker, caller, version, &call.read()?).await),
        ApiKey::TxnOffsetCommit => call.ready(&transactions::commit_offsets(broker, caller, call.read()?).await),
        ApiKey::EndTxn => call.ready(&transactions::end(broker, caller, version, &call.read()?).await),
        ApiKey::DescribeGroups => call.ready(&groups::describe(broker, caller, &call.read()?)),
        ApiKey::ListGroups => call.ready(&groups::list(broker, caller, version, &call.read()?)),
        ApiKey::DeleteGroups => call.ready(&groups::delete(broker, caller, call.read()?).await),
        ApiKey::DescribeAcls => call.ready(&acls::describe(broker, caller, call.read()?)),
        ApiKey::CreateAcls => call.ready(&acls::create(broker, caller, call.read()?).await),
        ApiKey::DeleteAcls => call.ready(&acls::delete(broker, caller, call.read()?).await),
        _ => anyhow::bail!("request {key:?} is in the table without a handler; this is a bug in lakewright"),
    }
}

fn api_versions() -> ApiVersionsResponse {
    let version = |&(key, least, most, _): &(ApiKey, i16, i16, &str)| {
        ApiVersion::default().with_api_key(key as i16).with_min_version(least).with_max_version(most)
    };
    ApiVersionsResponse::default().with_api_keys(SUPPORTED.iter().map(version).collect())
}
