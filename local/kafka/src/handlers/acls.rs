//! Access control lists are described, created and deleted.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use kafka_protocol::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use kafka_protocol::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest,
    DescribeAclsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::text;
use crate::acl::{self, Acl, Filter, Operation, Pattern, Permission, ResourceType, Written};
use crate::blocking::blocking;
use crate::broker::Broker;
use crate::caller::Caller;
use crate::refusal::Refusal;
use crate::rights::refusal;

/// Whether a client may do something with the access control lists, if there are any.
fn may(broker: &Broker, caller: &Caller, operation: Operation) -> Result<(), Refusal> {
    if broker.config.authorizer.is_none() {
        return Err((ResponseError::SecurityDisabled, "the broker has no authorizer".to_owned()));
    }
    caller.rights.cluster(operation).map_err(refusal)
}

/// Describes entries, those of one resource together.
pub fn describe(broker: &Broker, caller: &Caller, request: DescribeAclsRequest) -> DescribeAclsResponse {
    let owned = |part: Option<StrBytes>| part.map(|part| part.to_string());
    let filter = may(broker, caller, Operation::Describe).and_then(|()| {
        Filter::read(Written {
            resource: request.resource_type_filter,
            name: owned(request.resource_name_filter),
            pattern: request.pattern_type_filter,
            principal: owned(request.principal_filter),
            host: owned(request.host_filter),
            operation: request.operation,
            permission: request.permission_type,
        })
    });
    let filter = match filter {
        Ok(filter) => filter,
        Err((error, message)) => {
            let response = DescribeAclsResponse::default().with_error_code(error.code());
            return response.with_error_message(Some(text(message)));
        }
    };
    let mut resources: Vec<DescribeAclsResource> = Vec::new();
    for acl in broker.acls().iter().filter(|acl| filter.matches(acl)) {
        let described = AclDescription::default()
            .with_principal(text(acl.principal.as_str()))
            .with_host(text(acl.host.as_str()))
            .with_operation(acl.operation.code())
            .with_permission_type(acl.permission.code());
        let same = |known: &&mut DescribeAclsResource| {
            (known.resource_type, known.resource_name.as_str(), known.pattern_type)
                == (acl.resource.code(), acl.name.as_str(), acl.pattern.code())
        };
        match resources.iter_mut().find(same) {
            Some(known) => known.acls.push(described),
            None => resources.push(
                DescribeAclsResource::default()
                    .with_resource_type(acl.resource.code())
                    .with_resource_name(text(acl.name.as_str()))
                    .with_pattern_type(acl.pattern.code())
                    .with_acls(vec![described]),
            ),
        }
    }
    DescribeAclsResponse::default().with_error_message(None).with_resources(resources)
}

/// Creates entries. Each is judged alone; one that is there already is as good as a new one.
pub async fn create(broker: &Arc<Broker>, caller: &Caller, request: CreateAclsRequest) -> CreateAclsResponse {
    let may = may(broker, caller, Operation::Alter);
    let mut wanted: Vec<Result<Acl, Refusal>> =
        request.creations.into_iter().map(|creation| may.clone().and_then(|()| read(creation))).collect();
    let new: Vec<Acl> = wanted.iter().flatten().cloned().collect();
    if !new.is_empty() {
        let worker = broker.clone();
        let change = move |acls: &mut Vec<Acl>| {
            for acl in new {
                if !acls.contains(&acl) {
                    acls.push(acl);
                }
            }
        };
        if let Err(refused) = blocking(move || worker.change_acls(change)).await {
            wanted.iter_mut().filter(|wanted| wanted.is_ok()).for_each(|wanted| *wanted = Err(refused.clone()));
        }
    }
    let results = wanted.into_iter().map(|wanted| match wanted {
        Ok(_) => AclCreationResult::default().with_error_message(None),
        Err((error, message)) => {
            AclCreationResult::default().with_error_code(error.code()).with_error_message(Some(text(message)))
        }
    });
    CreateAclsResponse::default().with_results(results.collect())
}

fn read(creation: AclCreation) -> Result<Acl, Refusal> {
    let (resource, pattern) = (creation.resource_type, creation.resource_pattern_type);
    let (operation, permission) = (creation.operation, creation.permission_type);
    let acl = Acl {
        resource: ResourceType::of(resource).ok_or_else(|| acl::unknown("resource type", resource))?,
        name: creation.resource_name.to_string(),
        pattern: Pattern::of(pattern).ok_or_else(|| acl::unknown("pattern type", pattern))?,
        principal: creation.principal.to_string(),
        host: creation.host.to_string(),
        operation: Operation::of(operation).ok_or_else(|| acl::unknown("operation", operation))?,
        permission: Permission::of(permission).ok_or_else(|| acl::unknown("permission type", permission))?,
    };
    acl.check().map(|()| acl)
}

/// Deletes the entries that filters name, and says which they were. An entry that several name is in each one's answer.
pub async fn delete(broker: &Arc<Broker>, caller: &Caller, request: DeleteAclsRequest) -> DeleteAclsResponse {
    let owned = |part: Option<StrBytes>| part.map(|part| part.to_string());
    let may = may(broker, caller, Operation::Alter);
    let read = |filter: DeleteAclsFilter| {
        may.clone().and_then(|()| {
            Filter::read(Written {
                resource: filter.resource_type_filter,
                name: owned(filter.resource_name_filter),
                pattern: filter.pattern_type_filter,
                principal: owned(filter.principal_filter),
                host: owned(filter.host_filter),
                operation: filter.operation,
                permission: filter.permission_type,
            })
        })
    };
    let filters: Vec<Result<Filter, Refusal>> = request.filters.into_iter().map(read).collect();
    let judged = filters.clone();
    let worker = broker.clone();
    let change = move |acls: &mut Vec<Acl>| {
        let named: Vec<Vec<Acl>> = judged
            .iter()
            .flatten()
            .map(|filter| acls.iter().filter(|acl| filter.matches(acl)).cloned().collect())
            .collect();
        acls.retain(|acl| !judged.iter().flatten().any(|filter| filter.matches(acl)));
        named
    };
    let mut deleted = if filters.iter().any(Result::is_ok) {
        blocking(move || worker.change_acls(change)).await.map(Vec::into_iter)
    } else {
        Ok(Vec::new().into_iter())
    };
    let results = filters.into_iter().map(|filter| {
        let named = filter.and_then(|_| match &mut deleted {
            Ok(deleted) => Ok(deleted.next().unwrap_or_default()),
            Err(refused) => Err(refused.clone()),
        });
        match named {
            Ok(named) => {
                let named = named.into_iter().map(matching).collect();
                DeleteAclsFilterResult::default().with_error_message(None).with_matching_acls(named)
            }
            Err((error, message)) => {
                DeleteAclsFilterResult::default().with_error_code(error.code()).with_error_message(Some(text(message)))
            }
        }
    });
    DeleteAclsResponse::default().with_filter_results(results.collect())
}

fn matching(acl: Acl) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl::default()
        .with_error_message(None)
        .with_resource_type(acl.resource.code())
        .with_resource_name(text(acl.name))
        .with_pattern_type(acl.pattern.code())
        .with_principal(text(acl.principal))
        .with_host(text(acl.host))
        .with_operation(acl.operation.code())
        .with_permission_type(acl.permission.code())
}
