//! Members join, sync, stay and leave; groups are listed, described and deleted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    ListGroupsRequest, ListGroupsResponse, SyncGroupRequest, SyncGroupResponse,
};

use super::text;
use crate::acl::{CLUSTER, Operation, ResourceType};
use crate::broker::Broker;
use crate::caller::Caller;
use crate::group::{Described, Joined, Joining, Phase};

/// Sessions from a tenth of a second to half an hour; Kafka's own least is 6 s, which tests needn't wait for.
const SESSIONS: std::ops::RangeInclusive<i32> = 100..=1_800_000;

/// A member joins; answered when the generation begins.
pub async fn join(broker: &Broker, version: i16, caller: &Caller, request: JoinGroupRequest) -> JoinGroupResponse {
    let member_id = request.member_id.to_string();
    if let Err(denied) = caller.rights.group(Operation::Read, &request.group_id) {
        return joined(version, Joined::refused(denied, member_id));
    }
    if request.group_id.is_empty() {
        return joined(version, Joined::refused(ResponseError::InvalidGroupId, member_id));
    }
    if !SESSIONS.contains(&request.session_timeout_ms) {
        return joined(version, Joined::refused(ResponseError::InvalidSessionTimeout, member_id));
    }
    let session = Duration::from_millis(request.session_timeout_ms as u64);
    let joining = Joining {
        member_id: member_id.clone(),
        instance: request.group_instance_id.map(|instance| instance.to_string()),
        client_id: caller.client_id.clone(),
        host: format!("/{}", caller.peer.ip()),
        session,
        // Version 0 has one timeout for both.
        rebalance: u64::try_from(request.rebalance_timeout_ms).map_or(session, Duration::from_millis),
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.into_iter().map(|p| (p.name.to_string(), p.metadata)).collect(),
        needs_id: version >= 4,
    };
    let answer = match broker.groups.join(&request.group_id, joining) {
        Ok(receiver) => receiver.await.unwrap_or_else(|_| Joined::refused(ResponseError::UnknownMemberId, member_id)),
        Err(refused) => *refused,
    };
    joined(version, answer)
}

fn joined(version: i16, answer: Joined) -> JoinGroupResponse {
    let member = |(id, instance, metadata): (String, Option<String>, bytes::Bytes)| {
        JoinGroupResponseMember::default()
            .with_member_id(text(id))
            .with_group_instance_id(instance.filter(|_| version >= 5).map(text))
            .with_metadata(metadata)
    };
    JoinGroupResponse::default()
        .with_error_code(answer.error.map_or(0, |error| error.code()))
        .with_generation_id(answer.generation)
        .with_protocol_type((version >= 7).then(|| text(answer.protocol_type)))
        .with_protocol_name(Some(text(answer.protocol)))
        .with_leader(text(answer.leader))
        .with_member_id(text(answer.member_id))
        .with_members(answer.members.into_iter().map(member).collect())
}

/// A member asks for its assignment; answered when the leader has brought it.
pub async fn sync(broker: &Broker, caller: &Caller, request: SyncGroupRequest) -> SyncGroupResponse {
    if let Err(denied) = caller.rights.group(Operation::Read, &request.group_id) {
        return SyncGroupResponse::default().with_error_code(denied.code());
    }
    let assignments = request.assignments.into_iter().map(|a| (a.member_id.to_string(), a.assignment)).collect();
    let instance = request.group_instance_id.as_deref();
    let waiting = match broker.groups.get(&request.group_id) {
        None => Err(ResponseError::UnknownMemberId),
        Some(group) => {
            group.lock().sync(&request.member_id, instance, request.generation_id, assignments, Instant::now())
        }
    };
    let synced = match waiting {
        Ok(receiver) => receiver.await.unwrap_or(Err(ResponseError::UnknownMemberId)),
        Err(error) => Err(error),
    };
    let response = SyncGroupResponse::default();
    match synced {
        Ok(assignment) => response
            .with_protocol_type(request.protocol_type)
            .with_protocol_name(request.protocol_name)
            .with_assignment(assignment),
        Err(error) => response.with_error_code(error.code()),
    }
}

/// A member says that it is there.
pub fn heartbeat(broker: &Broker, caller: &Caller, request: &HeartbeatRequest) -> HeartbeatResponse {
    let instance = request.group_instance_id.as_deref();
    let may = caller.rights.group(Operation::Read, &request.group_id);
    let alive = may.and_then(|()| match broker.groups.get(&request.group_id) {
        None => Err(ResponseError::UnknownMemberId),
        Some(group) => group.lock().heartbeat(&request.member_id, instance, request.generation_id, Instant::now()),
    });
    HeartbeatResponse::default().with_error_code(alive.err().map_or(0, |error| error.code()))
}

/// Members leave.
pub fn leave(broker: &Broker, caller: &Caller, version: i16, request: &LeaveGroupRequest) -> LeaveGroupResponse {
    if let Err(denied) = caller.rights.group(Operation::Read, &request.group_id) {
        return LeaveGroupResponse::default().with_error_code(denied.code());
    }
    let group = broker.groups.get(&request.group_id);
    let leave = |id: &str, instance: Option<&str>| match &group {
        None => ResponseError::UnknownMemberId.code(),
        Some(group) => group.lock().leave(id, instance, Instant::now()).err().map_or(0, |error| error.code()),
    };
    let response = LeaveGroupResponse::default();
    if version < 3 {
        return response.with_error_code(leave(&request.member_id, None));
    }
    let members = request.members.iter().map(|member| {
        MemberResponse::default()
            .with_member_id(member.member_id.clone())
            .with_group_instance_id(member.group_instance_id.clone())
            .with_error_code(leave(&member.member_id, member.group_instance_id.as_deref()))
    });
    response.with_members(members.collect())
}

/// The description of a group: its members, or that it has only offsets, or none if it isn't there.
fn known(broker: &Broker, name: &str) -> Option<Described> {
    if let Some(group) = broker.groups.get(name) {
        return Some(group.lock().describe());
    }
    broker.coordinator.has(name).then(|| Described {
        phase: Phase::Empty,
        protocol_type: "consumer".into(),
        protocol: String::new(),
        members: Vec::new(),
    })
}

/// Describes groups.
pub fn describe(broker: &Broker, caller: &Caller, request: &DescribeGroupsRequest) -> DescribeGroupsResponse {
    let describe = |name: &GroupId| {
        let group = DescribedGroup::default().with_group_id(name.clone());
        if let Err(denied) = caller.rights.group(Operation::Describe, name) {
            return group.with_error_code(denied.code());
        }
        let Some(known) = known(broker, name) else {
            return group.with_group_state(text("Dead"));
        };
        let members = known.members.into_iter().map(|(id, _, client, host, subscription, assignment)| {
            DescribedGroupMember::default()
                .with_member_id(text(id))
                .with_client_id(text(client))
                .with_client_host(text(host))
                .with_member_metadata(subscription)
                .with_member_assignment(assignment)
        });
        group
            .with_group_state(text(known.phase.name()))
            .with_protocol_type(text(known.protocol_type))
            .with_protocol_data(text(known.protocol))
            .with_members(members.collect())
    };
    DescribeGroupsResponse::default().with_groups(request.groups.iter().map(describe).collect())
}

/// Lists groups, without those that the client may not see.
pub fn list(broker: &Broker, caller: &Caller, version: i16, request: &ListGroupsRequest) -> ListGroupsResponse {
    let rights = &caller.rights;
    let sees_all = rights.may(Operation::Describe, ResourceType::Cluster, CLUSTER);
    let mut names = broker.groups.names();
    names.extend(broker.coordinator.groups());
    names.sort_unstable();
    names.dedup();
    names.retain(|name| sees_all || rights.may(Operation::Describe, ResourceType::Group, name));
    let listed = names.into_iter().filter_map(|name| {
        let known = known(broker, &name)?;
        let state = known.phase.name();
        let wanted = request.states_filter.is_empty()
            || request.states_filter.iter().any(|filter| filter.eq_ignore_ascii_case(state));
        let group = ListedGroup::default()
            .with_group_id(GroupId(text(name)))
            .with_protocol_type(text(known.protocol_type))
            .with_group_state(if version >= 4 { text(state) } else { text("") });
        wanted.then_some(group)
    });
    ListGroupsResponse::default().with_groups(listed.collect())
}

/// Deletes groups without members, with what they committed.
pub async fn delete(broker: &Arc<Broker>, caller: &Caller, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for name in request.groups_names {
        let may = caller.rights.group(Operation::Delete, &name);
        let deleted = may.and_then(|()| match broker.groups.delete(&name) {
            Err(ResponseError::GroupIdNotFound) if broker.coordinator.has(&name) => Ok(()),
            other => other,
        });
        let deleted = match deleted {
            Ok(()) => broker.coordinator.delete_group(&name).await.map_err(|error| {
                tracing::error!(group = name.as_str(), %error, "a group wasn't deleted");
                ResponseError::CoordinatorNotAvailable
            }),
            Err(error) => Err(error),
        };
        let code = deleted.err().map_or(0, |error| error.code());
        results.push(DeletableGroupResult::default().with_group_id(name).with_error_code(code));
    }
    DeleteGroupsResponse::default().with_results(results)
}
