//! Requests for access control lists, which the `rdkafka` crate doesn't bind: librdkafka called directly.
#![expect(unsafe_code, reason = "rdkafka binds neither DescribeAcls, nor CreateAcls, nor DeleteAcls")]

use std::ffi::{CString, c_char};
use std::ptr;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::NativeClient;
use rdkafka::types::RDKafkaErrorCode;
use sys::rd_kafka_AclOperation_t as NativeOperation;
use sys::rd_kafka_AclPermissionType_t as NativePermission;
use sys::rd_kafka_ResourcePatternType_t as NativePattern;
use sys::rd_kafka_ResourceType_t as NativeType;
use sys::rd_kafka_admin_op_t as Request;

use super::acls::{Acl, AclError, Known, Operation, Pattern, Permission, ResourceType};
use super::native::{Owned, text};

type Binding = Owned<sys::rd_kafka_AclBinding_t>;
type Event = Owned<sys::rd_kafka_event_t>;

/// How much longer than its request an answer is waited for: librdkafka itself says that the request took too long.
const SLACK: Duration = Duration::from_secs(5);

const TYPES: [(ResourceType, NativeType); 4] = [
    (ResourceType::Cluster, NativeType::RD_KAFKA_RESOURCE_BROKER),
    (ResourceType::Topic, NativeType::RD_KAFKA_RESOURCE_TOPIC),
    (ResourceType::Group, NativeType::RD_KAFKA_RESOURCE_GROUP),
    (ResourceType::TransactionalId, NativeType::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID),
];
const PATTERNS: [(Pattern, NativePattern); 2] = [
    (Pattern::Literal, NativePattern::RD_KAFKA_RESOURCE_PATTERN_LITERAL),
    (Pattern::Prefixed, NativePattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED),
];
const OPERATIONS: [(Operation, NativeOperation); 11] = [
    (Operation::All, NativeOperation::RD_KAFKA_ACL_OPERATION_ALL),
    (Operation::Read, NativeOperation::RD_KAFKA_ACL_OPERATION_READ),
    (Operation::Write, NativeOperation::RD_KAFKA_ACL_OPERATION_WRITE),
    (Operation::Create, NativeOperation::RD_KAFKA_ACL_OPERATION_CREATE),
    (Operation::Delete, NativeOperation::RD_KAFKA_ACL_OPERATION_DELETE),
    (Operation::Alter, NativeOperation::RD_KAFKA_ACL_OPERATION_ALTER),
    (Operation::Describe, NativeOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE),
    (Operation::ClusterAction, NativeOperation::RD_KAFKA_ACL_OPERATION_CLUSTER_ACTION),
    (Operation::DescribeConfigs, NativeOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS),
    (Operation::AlterConfigs, NativeOperation::RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS),
    (Operation::IdempotentWrite, NativeOperation::RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE),
];
const PERMISSIONS: [(Permission, NativePermission); 2] = [
    (Permission::Deny, NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_DENY),
    (Permission::Allow, NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW),
];

fn known<T: Copy, N: Copy + PartialEq>(table: &[(T, N)], native: N) -> Option<T> {
    table.iter().find(|(_, other)| *other == native).map(|(known, _)| *known)
}

fn native<T: Copy + PartialEq, N: Copy>(table: &[(T, N)], known: T) -> Result<N, AclError> {
    let found = table.iter().find(|(other, _)| *other == known);
    found.map(|(_, native)| *native).ok_or_else(|| invalid("a table lacks a name; this is a bug in lakewright"))
}

fn invalid(message: &str) -> AclError {
    AclError { code: RDKafkaErrorCode::InvalidArgument, message: message.to_owned() }
}

/// All entries of a cluster; blocks for some seconds longer than `timeout` at most.
pub(super) fn describe(client: &NativeClient, timeout: Duration) -> Result<Known, AclError> {
    let mut reason = [0 as c_char; 256];
    // SAFETY: null pointers are filters that take everything; `reason` is as long as is said, and holds a string that ends when
    // there is no filter. The filter is freed once, by `Owned`, after the request has copied it.
    let filter = unsafe {
        let made = sys::rd_kafka_AclBindingFilter_new(
            NativeType::RD_KAFKA_RESOURCE_ANY,
            ptr::null(),
            NativePattern::RD_KAFKA_RESOURCE_PATTERN_ANY,
            ptr::null(),
            ptr::null(),
            NativeOperation::RD_KAFKA_ACL_OPERATION_ANY,
            NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_ANY,
            reason.as_mut_ptr(),
            reason.len(),
        );
        if made.is_null() {
            return Err(invalid(&text(reason.as_ptr())));
        }
        Owned(made, sys::rd_kafka_AclBinding_destroy)
    };
    let event = answer(client, Request::RD_KAFKA_ADMIN_OP_DESCRIBEACLS, timeout, |options, queue| {
        // SAFETY: all four are valid for the call, which copies the filter.
        unsafe { sys::rd_kafka_DescribeAcls(client.ptr(), filter.0, options, queue) }
    })?;
    let mut found = Known::default();
    // SAFETY: the event owns the result and its entries, which are read while it exists.
    unsafe {
        let result = sys::rd_kafka_event_DescribeAcls_result(event.0);
        if result.is_null() {
            return Err(invalid("Kafka answered DescribeAcls with something else"));
        }
        let mut count = 0;
        let first = sys::rd_kafka_DescribeAcls_result_acls(result, &raw mut count);
        for index in 0..count {
            match read(*first.add(index)) {
                Some(acl) => found.acls.push(acl),
                None => found.others += 1,
            }
        }
    }
    found.acls.sort();
    Ok(found)
}

/// Copies an entry; none if a part of it is unknown here.
///
/// # Safety
/// The pointer is an entry that exists.
unsafe fn read(entry: *const sys::rd_kafka_AclBinding_t) -> Option<Acl> {
    // SAFETY: the caller's contract; the strings belong to the entry.
    unsafe {
        Some(Acl {
            principal: text(sys::rd_kafka_AclBinding_principal(entry)),
            resource: known(&TYPES, sys::rd_kafka_AclBinding_restype(entry))?,
            name: text(sys::rd_kafka_AclBinding_name(entry)),
            pattern: known(&PATTERNS, sys::rd_kafka_AclBinding_resource_pattern_type(entry))?,
            operation: known(&OPERATIONS, sys::rd_kafka_AclBinding_operation(entry))?,
            permission: known(&PERMISSIONS, sys::rd_kafka_AclBinding_permission_type(entry))?,
            host: text(sys::rd_kafka_AclBinding_host(entry)),
        })
    }
}

/// An entry as librdkafka has it, or the filter that names it alone.
fn binding(acl: &Acl) -> Result<Binding, AclError> {
    let string = |text: &str| CString::new(text).map_err(|_| invalid("a name holds a zero byte"));
    let (name, principal, host) = (string(&acl.name)?, string(&acl.principal)?, string(&acl.host)?);
    let mut reason = [0 as c_char; 256];
    let (kind, pattern) = (native(&TYPES, acl.resource)?, native(&PATTERNS, acl.pattern)?);
    let (operation, permission) = (native(&OPERATIONS, acl.operation)?, native(&PERMISSIONS, acl.permission)?);
    // SAFETY: the strings outlive the call, which copies them; `reason` is as long as is said. The entry is freed once, by
    // `Owned`.
    unsafe {
        let made = sys::rd_kafka_AclBinding_new(
            kind,
            name.as_ptr(),
            pattern,
            principal.as_ptr(),
            host.as_ptr(),
            operation,
            permission,
            reason.as_mut_ptr(),
            reason.len(),
        );
        if made.is_null() {
            return Err(invalid(&text(reason.as_ptr())));
        }
        Ok(Owned(made, sys::rd_kafka_AclBinding_destroy))
    }
}

/// Makes entries; blocks as [`describe`] does.
pub(super) fn create(
    client: &NativeClient,
    acls: &[Acl],
    timeout: Duration,
) -> Result<Vec<Result<(), AclError>>, AclError> {
    let made: Vec<Binding> = acls.iter().map(binding).collect::<Result<_, _>>()?;
    let mut pointers: Vec<_> = made.iter().map(|made| made.0).collect();
    let event = answer(client, Request::RD_KAFKA_ADMIN_OP_CREATEACLS, timeout, |options, queue| {
        // SAFETY: all are valid for the call, which copies the entries.
        unsafe { sys::rd_kafka_CreateAcls(client.ptr(), pointers.as_mut_ptr(), pointers.len(), options, queue) }
    })?;
    let mut answers = Vec::with_capacity(acls.len());
    // SAFETY: the event owns the result, its answers and their errors, which are read while it exists.
    unsafe {
        let result = sys::rd_kafka_event_CreateAcls_result(event.0);
        if result.is_null() {
            return Err(invalid("Kafka answered CreateAcls with something else"));
        }
        let mut count = 0;
        let first = sys::rd_kafka_CreateAcls_result_acls(result, &raw mut count);
        for index in 0..count {
            answers.push(judged(sys::rd_kafka_acl_result_error(*first.add(index))));
        }
    }
    complete(answers, acls.len())
}

/// Deletes entries; blocks as [`describe`] does.
pub(super) fn delete(
    client: &NativeClient,
    acls: &[Acl],
    timeout: Duration,
) -> Result<Vec<Result<(), AclError>>, AclError> {
    let filters: Vec<Binding> = acls.iter().map(binding).collect::<Result<_, _>>()?;
    let mut pointers: Vec<_> = filters.iter().map(|filter| filter.0).collect();
    let event = answer(client, Request::RD_KAFKA_ADMIN_OP_DELETEACLS, timeout, |options, queue| {
        // SAFETY: all are valid for the call, which copies the filters.
        unsafe { sys::rd_kafka_DeleteAcls(client.ptr(), pointers.as_mut_ptr(), pointers.len(), options, queue) }
    })?;
    let mut answers = Vec::with_capacity(acls.len());
    // SAFETY: as in `create`.
    unsafe {
        let result = sys::rd_kafka_event_DeleteAcls_result(event.0);
        if result.is_null() {
            return Err(invalid("Kafka answered DeleteAcls with something else"));
        }
        let mut count = 0;
        let first = sys::rd_kafka_DeleteAcls_result_responses(result, &raw mut count);
        for index in 0..count {
            let response = *first.add(index);
            let mut answer = judged(sys::rd_kafka_DeleteAcls_result_response_error(response));
            let mut matching = 0;
            let entries = sys::rd_kafka_DeleteAcls_result_response_matching_acls(response, &raw mut matching);
            for entry in 0..matching {
                answer = answer.and_then(|()| judged(sys::rd_kafka_AclBinding_error(*entries.add(entry))));
            }
            answers.push(answer);
        }
    }
    complete(answers, acls.len())
}

/// Sends a request and waits for its answer, and keeps its own error apart from those of entries.
fn answer(
    client: &NativeClient,
    request: Request,
    timeout: Duration,
    send: impl FnOnce(*const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
) -> Result<Event, AclError> {
    let milliseconds = |time: Duration| time.as_millis().min(600_000) as i32;
    let mut reason = [0 as c_char; 256];
    // SAFETY: the client's pointer is valid as long as it exists. Options, queue and event are freed once, by `Owned`; the
    // event outlives the queue that it came by.
    unsafe {
        let options = Owned(sys::rd_kafka_AdminOptions_new(client.ptr(), request), sys::rd_kafka_AdminOptions_destroy);
        let set = sys::rd_kafka_AdminOptions_set_request_timeout(
            options.0,
            milliseconds(timeout),
            reason.as_mut_ptr(),
            reason.len(),
        );
        if set != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(invalid(&text(reason.as_ptr())));
        }
        let queue = Owned(sys::rd_kafka_queue_new(client.ptr()), sys::rd_kafka_queue_destroy);
        send(options.0, queue.0);
        let event = sys::rd_kafka_queue_poll(queue.0, milliseconds(timeout + SLACK));
        if event.is_null() {
            let message = format!("Kafka didn't answer within {} s", timeout.as_secs());
            return Err(AclError { code: RDKafkaErrorCode::OperationTimedOut, message });
        }
        let event = Owned(event, sys::rd_kafka_event_destroy);
        match sys::rd_kafka_event_error(event.0) {
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(event),
            code => Err(AclError { code: code.into(), message: text(sys::rd_kafka_event_error_string(event.0)) }),
        }
    }
}

/// Copies the answer for one entry, which is an error or null.
///
/// # Safety
/// The pointer is null or an error that exists.
unsafe fn judged(error: *const sys::rd_kafka_error_t) -> Result<(), AclError> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's contract; the string belongs to the error.
    unsafe {
        match sys::rd_kafka_error_code(error) {
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            code => Err(AclError { code: code.into(), message: text(sys::rd_kafka_error_string(error)) }),
        }
    }
}

/// The answers, if there are as many as were asked for.
fn complete(answers: Vec<Result<(), AclError>>, wanted: usize) -> Result<Vec<Result<(), AclError>>, AclError> {
    if answers.len() == wanted {
        return Ok(answers);
    }
    Err(AclError {
        code: RDKafkaErrorCode::BadMessage,
        message: format!("Kafka answered {} of {wanted} entries", answers.len()),
    })
}
