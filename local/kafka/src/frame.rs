//! A look at a request's bytes before they are decoded: the decoder reserves memory for as many elements as a
//! frame claims, so a claim that the frame can't hold must be refused first.

use anyhow::{Context, bail, ensure};
use kafka_protocol::messages::ApiKey;

use crate::supported;

/// Requests other than produce are small.
const LARGEST_OTHER: usize = 8 << 20;

/// The number and version of a request.
pub fn api(frame: &[u8]) -> anyhow::Result<(i16, i16)> {
    let mut bytes = Bytes { rest: frame, flexible: false };
    Ok((bytes.int16()?, bytes.int16()?))
}

/// The number by which the client knows which request an answer belongs to.
pub fn correlation(frame: &[u8]) -> anyhow::Result<i32> {
    let mut bytes = Bytes { rest: frame, flexible: false };
    bytes.skip(4)?;
    bytes.int32()
}

/// Refuses a frame whose lengths don't fit into it.
pub fn check(key: ApiKey, version: i16, frame: &[u8]) -> anyhow::Result<()> {
    ensure!(key == ApiKey::Produce || frame.len() <= LARGEST_OTHER, "a {key:?} request of {} bytes", frame.len());
    let shape = supported::shape(key).context("unknown request")?;
    let flexible = key.request_header_version(version) == 2;
    let mut bytes = Bytes { rest: frame, flexible };
    walk(&mut bytes, shape, version).with_context(|| format!("malformed {key:?} request, version {version}"))
}

fn walk(bytes: &mut Bytes<'_>, shape: &str, version: i16) -> anyhow::Result<()> {
    bytes.skip(8)?;
    let client = bytes.int16()?;
    bytes.skip(usize::try_from(client.max(0))?)?;
    bytes.tags()?;
    bytes.fields(shape.as_bytes(), version)?;
    bytes.tags()
}

struct Bytes<'a> {
    rest: &'a [u8],
    flexible: bool,
}

impl Bytes<'_> {
    /// Walks fields of a shape: `b` 1 byte, `h` 2, `i` 4, `l` 8, `u` 16, `s` string, `B` bytes, `[x]` array of
    /// fields, `(…)` array of structures, `{a-b …}` only in versions a to b (no b: and later).
    fn fields(&mut self, mut shape: &[u8], version: i16) -> anyhow::Result<()> {
        while let Some((&kind, rest)) = shape.split_first() {
            shape = rest;
            match kind {
                b'b' => self.skip(1)?,
                b'h' => self.skip(2)?,
                b'i' => self.skip(4)?,
                b'l' => self.skip(8)?,
                b'u' => self.skip(16)?,
                b's' => {
                    let length = if self.flexible { self.compact()? } else { self.int16()?.max(0) as usize };
                    self.skip(length)?;
                }
                b'B' => {
                    let length = if self.flexible { self.compact()? } else { self.int32()?.max(0) as usize };
                    self.skip(length)?;
                }
                b'[' | b'(' => {
                    let inner;
                    (inner, shape) = enclosed(kind, shape)?;
                    let count = if self.flexible { self.compact()? } else { self.int32()?.max(0) as usize };
                    ensure!(count <= self.rest.len(), "{count} elements in {} bytes", self.rest.len());
                    for _ in 0..count {
                        self.fields(inner, version)?;
                        if kind == b'(' {
                            self.tags()?;
                        }
                    }
                }
                b'{' => {
                    let inner;
                    (inner, shape) = enclosed(kind, shape)?;
                    let (versions, inner) = inner.split_at(inner.iter().position(|&c| c == b' ').context("a range")?);
                    let (least, most) = std::str::from_utf8(versions)?.split_once('-').context("a range")?;
                    let most = if most.is_empty() { i16::MAX } else { most.parse()? };
                    if (least.parse::<i16>()?..=most).contains(&version) {
                        self.fields(inner, version)?;
                    }
                }
                b' ' => {}
                _ => bail!("unknown field {kind} in a shape; this is a bug in lakewright"),
            }
        }
        Ok(())
    }

    fn skip(&mut self, count: usize) -> anyhow::Result<()> {
        self.rest = self.rest.get(count..).context("the frame ends too early")?;
        Ok(())
    }

    fn int16(&mut self) -> anyhow::Result<i16> {
        let value = i16::from_be_bytes(*self.rest.first_chunk().context("the frame ends too early")?);
        self.skip(2)?;
        Ok(value)
    }

    fn int32(&mut self) -> anyhow::Result<i32> {
        let value = i32::from_be_bytes(*self.rest.first_chunk().context("the frame ends too early")?);
        self.skip(4)?;
        Ok(value)
    }

    fn varint(&mut self) -> anyhow::Result<usize> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let byte = *self.rest.first().context("the frame ends too early")?;
            self.skip(1)?;
            value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value as usize);
            }
        }
        bail!("a number has too many bytes")
    }

    /// A compact length: one more than the length, 0 for null.
    fn compact(&mut self) -> anyhow::Result<usize> {
        Ok(self.varint()?.saturating_sub(1))
    }

    fn tags(&mut self) -> anyhow::Result<()> {
        if self.flexible {
            for _ in 0..self.varint()? {
                self.varint()?;
                let length = self.varint()?;
                self.skip(length)?;
            }
        }
        Ok(())
    }
}

/// What a bracket encloses and what follows it.
fn enclosed(open: u8, shape: &[u8]) -> anyhow::Result<(&[u8], &[u8])> {
    let close = match open {
        b'[' => b']',
        b'(' => b')',
        _ => b'}',
    };
    let mut depth = 0;
    for (at, &c) in shape.iter().enumerate() {
        if c == open {
            depth += 1;
        } else if c == close && depth == 0 {
            return Ok((&shape[..at], &shape[at + 1..]));
        } else if c == close {
            depth -= 1;
        }
    }
    bail!("unbalanced shape; this is a bug in lakewright")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use kafka_protocol::messages::{RequestHeader, RequestKind};
    use kafka_protocol::protocol::{Encodable, StrBytes};

    /// Frames of all supported requests and versions, with as many nested elements as the type has.
    fn frames() -> Vec<(ApiKey, i16, Vec<u8>)> {
        let mut frames = Vec::new();
        for &(key, least, most, _) in supported::SUPPORTED {
            for version in least..=most {
                let header = RequestHeader::default()
                    .with_request_api_key(key as i16)
                    .with_request_api_version(version)
                    .with_client_id(Some(StrBytes::from_static_str("somebody")));
                let mut buffer = BytesMut::new();
                header.encode(&mut buffer, key.request_header_version(version)).unwrap();
                request(key, version).encode(&mut buffer, version).unwrap();
                frames.push((key, version, buffer.to_vec()));
            }
        }
        frames
    }

    fn request(key: ApiKey, version: i16) -> RequestKind {
        use kafka_protocol::messages as m;
        let name = || StrBytes::from_static_str("name");
        let topic = || m::TopicName(name());
        match key {
            ApiKey::Produce => RequestKind::Produce(m::ProduceRequest::default().with_topic_data(vec![
                m::produce_request::TopicProduceData::default().with_name(topic()).with_partition_data(vec![
                    m::produce_request::PartitionProduceData::default()
                        .with_records(Some(bytes::Bytes::from_static(b"records"))),
                ]),
            ])),
            ApiKey::Fetch => RequestKind::Fetch(m::FetchRequest::default().with_topics(vec![
                m::fetch_request::FetchTopic::default()
                    .with_topic(topic())
                    .with_partitions(vec![m::fetch_request::FetchPartition::default(); 2]),
            ])),
            ApiKey::ListOffsets => RequestKind::ListOffsets(m::ListOffsetsRequest::default().with_topics(vec![
                m::list_offsets_request::ListOffsetsTopic::default()
                    .with_name(topic())
                    .with_partitions(vec![m::list_offsets_request::ListOffsetsPartition::default()]),
            ])),
            ApiKey::Metadata => RequestKind::Metadata(m::MetadataRequest::default().with_topics(Some(vec![
                m::metadata_request::MetadataRequestTopic::default().with_name(Some(topic())),
            ]))),
            ApiKey::OffsetCommit => RequestKind::OffsetCommit(m::OffsetCommitRequest::default().with_topics(vec![
                m::offset_commit_request::OffsetCommitRequestTopic::default()
                    .with_name(topic())
                    .with_partitions(vec![m::offset_commit_request::OffsetCommitRequestPartition::default(); 2]),
            ])),
            ApiKey::OffsetFetch if version < 8 => {
                RequestKind::OffsetFetch(m::OffsetFetchRequest::default().with_topics(Some(vec![
                    m::offset_fetch_request::OffsetFetchRequestTopic::default()
                        .with_name(topic())
                        .with_partition_indexes(vec![1, 2]),
                ])))
            }
            ApiKey::OffsetFetch => RequestKind::OffsetFetch(m::OffsetFetchRequest::default().with_groups(vec![
                m::offset_fetch_request::OffsetFetchRequestGroup::default().with_topics(Some(vec![
                    m::offset_fetch_request::OffsetFetchRequestTopics::default()
                        .with_name(topic())
                        .with_partition_indexes(vec![1, 2]),
                ])),
            ])),
            ApiKey::FindCoordinator if version < 4 => {
                RequestKind::FindCoordinator(m::FindCoordinatorRequest::default().with_key(name()))
            }
            ApiKey::FindCoordinator => RequestKind::FindCoordinator(
                m::FindCoordinatorRequest::default().with_coordinator_keys(vec![name(), name()]),
            ),
            ApiKey::JoinGroup => RequestKind::JoinGroup(
                m::JoinGroupRequest::default()
                    .with_protocols(vec![m::join_group_request::JoinGroupRequestProtocol::default(); 2]),
            ),
            ApiKey::SyncGroup => RequestKind::SyncGroup(
                m::SyncGroupRequest::default()
                    .with_assignments(vec![m::sync_group_request::SyncGroupRequestAssignment::default()]),
            ),
            ApiKey::Heartbeat => RequestKind::Heartbeat(m::HeartbeatRequest::default()),
            ApiKey::LeaveGroup if version < 3 => RequestKind::LeaveGroup(m::LeaveGroupRequest::default()),
            ApiKey::LeaveGroup => RequestKind::LeaveGroup(
                m::LeaveGroupRequest::default()
                    .with_members(vec![m::leave_group_request::MemberIdentity::default().with_member_id(name())]),
            ),
            ApiKey::DescribeGroups => {
                RequestKind::DescribeGroups(m::DescribeGroupsRequest::default().with_groups(vec![m::GroupId(name())]))
            }
            ApiKey::ListGroups if version < 4 => RequestKind::ListGroups(m::ListGroupsRequest::default()),
            ApiKey::ListGroups => {
                RequestKind::ListGroups(m::ListGroupsRequest::default().with_states_filter(vec![name()]))
            }
            ApiKey::SaslHandshake => {
                RequestKind::SaslHandshake(m::SaslHandshakeRequest::default().with_mechanism(name()))
            }
            ApiKey::SaslAuthenticate => RequestKind::SaslAuthenticate(
                m::SaslAuthenticateRequest::default().with_auth_bytes(bytes::Bytes::from_static(b"token")),
            ),
            ApiKey::ApiVersions => RequestKind::ApiVersions(
                m::ApiVersionsRequest::default().with_client_software_name(name()).with_client_software_version(name()),
            ),
            ApiKey::CreateTopics => RequestKind::CreateTopics(m::CreateTopicsRequest::default().with_topics(vec![
                m::create_topics_request::CreatableTopic::default()
                    .with_name(topic())
                    .with_assignments(vec![
                        m::create_topics_request::CreatableReplicaAssignment::default()
                            .with_broker_ids(vec![m::BrokerId(1)]),
                    ])
                    .with_configs(vec![m::create_topics_request::CreatableTopicConfig::default().with_name(name())]),
            ])),
            ApiKey::DeleteTopics if version < 6 => {
                RequestKind::DeleteTopics(m::DeleteTopicsRequest::default().with_topic_names(vec![topic()]))
            }
            ApiKey::DeleteTopics => RequestKind::DeleteTopics(
                m::DeleteTopicsRequest::default()
                    .with_topics(vec![m::delete_topics_request::DeleteTopicState::default().with_name(Some(topic()))]),
            ),
            ApiKey::InitProducerId => RequestKind::InitProducerId(m::InitProducerIdRequest::default()),
            ApiKey::OffsetForLeaderEpoch => {
                RequestKind::OffsetForLeaderEpoch(m::OffsetForLeaderEpochRequest::default().with_topics(vec![
                    m::offset_for_leader_epoch_request::OffsetForLeaderTopic::default().with_partitions(vec![
                        m::offset_for_leader_epoch_request::OffsetForLeaderPartition::default(),
                    ]),
                ]))
            }
            ApiKey::AddPartitionsToTxn => {
                RequestKind::AddPartitionsToTxn(m::AddPartitionsToTxnRequest::default().with_v3_and_below_topics(vec![
                    m::add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
                        .with_name(topic())
                        .with_partitions(vec![1, 2]),
                ]))
            }
            ApiKey::AddOffsetsToTxn => RequestKind::AddOffsetsToTxn(m::AddOffsetsToTxnRequest::default()),
            ApiKey::EndTxn => RequestKind::EndTxn(m::EndTxnRequest::default()),
            ApiKey::TxnOffsetCommit => {
                RequestKind::TxnOffsetCommit(m::TxnOffsetCommitRequest::default().with_topics(vec![
                    m::txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
                        .with_name(topic())
                        .with_partitions(
                            vec![m::txn_offset_commit_request::TxnOffsetCommitRequestPartition::default()],
                        ),
                ]))
            }
            ApiKey::DescribeAcls => RequestKind::DescribeAcls(
                m::DescribeAclsRequest::default().with_resource_name_filter(Some(name())).with_host_filter(None),
            ),
            ApiKey::CreateAcls => RequestKind::CreateAcls(m::CreateAclsRequest::default().with_creations(vec![
                    m::create_acls_request::AclCreation::default()
                        .with_principal(name());
                    2
                ])),
            ApiKey::DeleteAcls => {
                RequestKind::DeleteAcls(
                    m::DeleteAclsRequest::default().with_filters(
                        vec![m::delete_acls_request::DeleteAclsFilter::default().with_host_filter(None); 2],
                    ),
                )
            }
            ApiKey::DescribeConfigs => {
                RequestKind::DescribeConfigs(m::DescribeConfigsRequest::default().with_resources(vec![
                    m::describe_configs_request::DescribeConfigsResource::default()
                        .with_configuration_keys(Some(vec![name()])),
                ]))
            }
            ApiKey::CreatePartitions => {
                RequestKind::CreatePartitions(m::CreatePartitionsRequest::default().with_topics(vec![
                    m::create_partitions_request::CreatePartitionsTopic::default().with_assignments(Some(vec![
                        m::create_partitions_request::CreatePartitionsAssignment::default()
                            .with_broker_ids(vec![m::BrokerId(1)]),
                    ])),
                ]))
            }
            ApiKey::DeleteGroups => {
                RequestKind::DeleteGroups(m::DeleteGroupsRequest::default().with_groups_names(vec![m::GroupId(name())]))
            }
            ApiKey::IncrementalAlterConfigs => {
                RequestKind::IncrementalAlterConfigs(m::IncrementalAlterConfigsRequest::default().with_resources(vec![
                    m::incremental_alter_configs_request::AlterConfigsResource::default()
                        .with_configs(vec![m::incremental_alter_configs_request::AlterableConfig::default()]),
                ]))
            }
            ApiKey::DescribeCluster => RequestKind::DescribeCluster(m::DescribeClusterRequest::default()),
            key => panic!("no example of {key:?}"),
        }
    }

    #[test]
    fn shapes_fit_the_requests_exactly() {
        for (key, version, frame) in frames() {
            let flexible = key.request_header_version(version) == 2;
            let mut bytes = Bytes { rest: &frame, flexible };
            walk(&mut bytes, supported::shape(key).unwrap(), version)
                .unwrap_or_else(|e| panic!("{key:?} {version}: {e:#}"));
            assert!(bytes.rest.is_empty(), "{key:?} {version}: {} bytes are left", bytes.rest.len());
        }
    }

    #[test]
    fn refuses_frames_that_are_cut_short() {
        for (key, version, frame) in frames() {
            for length in 0..frame.len() {
                assert!(check(key, version, &frame[..length]).is_err(), "{key:?} {version}: {length} bytes");
            }
        }
    }

    #[test]
    fn refuses_more_elements_than_bytes() {
        // A metadata request, version 1, for two thousand million topics.
        let mut frame = vec![0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff];
        frame.extend_from_slice(&i32::MAX.to_be_bytes());
        check(ApiKey::Metadata, 1, &frame).unwrap_err();
    }
}
