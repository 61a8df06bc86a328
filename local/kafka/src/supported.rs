//! The table of requests that are understood, with their versions.

use kafka_protocol::messages::ApiKey;

/// Requests, the versions that handlers and message types both know, and the shape of the body
/// ([`crate::frame::check`] reads it).
pub const SUPPORTED: &[(ApiKey, i16, i16, &str)] = &[
    (ApiKey::Produce, 3, 9, "s h i ( s ( i B ) )"),
    (ApiKey::Fetch, 4, 12, "i i i i b {7- i i} ( s ( i {9- i} l {12- i} {5- l} i ) ) {7- ( s [i] )} {11- s}"),
    (ApiKey::ListOffsets, 1, 7, "i {2- b} ( s ( i {4- i} l ) )"),
    (ApiKey::Metadata, 0, 12, "( {10- u} s ) {4- b} {8-10 b} {8- b}"),
    (ApiKey::OffsetCommit, 2, 8, "s i s {7- s} {2-4 l} ( s ( i l {6- i} s ) )"),
    (ApiKey::OffsetFetch, 1, 8, "{0-7 s ( s [i] )} {8- ( s ( s [i] ) )} {7- b}"),
    (ApiKey::FindCoordinator, 0, 4, "{0-3 s} {1- b} {4- [s]}"),
    (ApiKey::JoinGroup, 0, 9, "s i {1- i} s {5- s} s ( s B ) {8- s}"),
    (ApiKey::Heartbeat, 0, 4, "s i s {3- s}"),
    (ApiKey::LeaveGroup, 0, 5, "s {0-2 s} {3- ( s s {5- s} )}"),
    (ApiKey::SyncGroup, 0, 5, "s i s {3- s} {5- s s} ( s B )"),
    (ApiKey::DescribeGroups, 0, 5, "[s] {3- b}"),
    (ApiKey::ListGroups, 0, 4, "{4- [s]}"),
    (ApiKey::SaslHandshake, 1, 1, "s"),
    (ApiKey::ApiVersions, 0, 3, "{3- s s}"),
    (ApiKey::CreateTopics, 2, 7, "( s i h ( i [i] ) ( s s ) ) i b"),
    (ApiKey::DeleteTopics, 1, 6, "{0-5 [s]} {6- ( s u )} i"),
    (ApiKey::InitProducerId, 0, 4, "s i {3- l h}"),
    (ApiKey::OffsetForLeaderEpoch, 2, 4, "{3- i} ( s ( i i i ) )"),
    (ApiKey::AddPartitionsToTxn, 0, 3, "s l h ( s [i] )"),
    (ApiKey::AddOffsetsToTxn, 0, 3, "s l h s"),
    (ApiKey::EndTxn, 0, 3, "s l h b"),
    (ApiKey::TxnOffsetCommit, 0, 3, "s s l h {3- i s s} ( s ( i l {2- i} s ) )"),
    (ApiKey::DescribeAcls, 1, 3, "b s b s s b b"),
    (ApiKey::CreateAcls, 1, 3, "( b s b s s b b )"),
    (ApiKey::DeleteAcls, 1, 3, "( b s b s s b b )"),
    (ApiKey::DescribeConfigs, 1, 4, "( b s [s] ) {1- b} {3- b}"),
    (ApiKey::SaslAuthenticate, 0, 2, "B"),
    (ApiKey::CreatePartitions, 0, 3, "( s i ( [i] ) ) i b"),
    (ApiKey::DeleteGroups, 0, 2, "[s]"),
    (ApiKey::IncrementalAlterConfigs, 0, 1, "( b s ( s b s ) ) b"),
    (ApiKey::DescribeCluster, 0, 1, "b {1- b}"),
];

/// The shape of a request's body.
pub fn shape(key: ApiKey) -> Option<&'static str> {
    SUPPORTED.iter().find(|(known, ..)| *known == key).map(|&(.., shape)| shape)
}
