//! What the `rdkafka` crate has no safe way for: librdkafka called directly.
#![expect(
    unsafe_code,
    reason = "rdkafka binds neither IncrementalAlterConfigs, nor the token of an admin client, nor another password"
)]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rdkafka::bindings as sys;
use rdkafka::client::{NativeClient, OAuthToken};

use crate::credentials::Credentials;

/// Frees a librdkafka object when it goes out of scope.
pub(super) struct Owned<T>(pub(super) *mut T, pub(super) unsafe extern "C" fn(*mut T));

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from the constructor that the destructor belongs to, and is freed only here.
        unsafe { (self.1)(self.0) }
    }
}

/// Copies a C string; nothing for a null pointer.
///
/// # Safety
/// The pointer is null or a string that ends with a zero byte.
pub(super) unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the caller's contract.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// Gives a client its token, where nobody serves its requests for one.
pub(super) fn set_token(client: &NativeClient, token: &OAuthToken) -> anyhow::Result<()> {
    let value = CString::new(token.token.as_str()).context("a token")?;
    let principal = CString::new(token.principal_name.as_str()).context("a principal")?;
    let mut reason = [0 as c_char; 256];
    // SAFETY: the strings outlive the call, which copies them; `reason` is as long as is said.
    unsafe {
        let set = sys::rd_kafka_oauthbearer_set_token(
            client.ptr(),
            value.as_ptr(),
            token.lifetime_ms,
            principal.as_ptr(),
            ptr::null_mut(),
            0,
            reason.as_mut_ptr(),
            reason.len(),
        );
        if set != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            bail!("Kafka's client takes no token: {}", text(reason.as_ptr()));
        }
    }
    Ok(())
}

/// Gives a client another user name and password, by which it logs in from now on; connections that stand stay.
pub(super) fn set_password(client: &NativeClient, credentials: &Credentials) -> anyhow::Result<()> {
    let user = CString::new(credentials.username.as_str()).context("a user name")?;
    let password = CString::new(credentials.password.as_str()).context("a password")?;
    // SAFETY: the strings outlive the call, which copies them; an error is freed once, by `Owned`.
    unsafe {
        let error = sys::rd_kafka_sasl_set_credentials(client.ptr(), user.as_ptr(), password.as_ptr());
        if !error.is_null() {
            let error = Owned(error, sys::rd_kafka_error_destroy);
            bail!("Kafka's client takes no other password: {}", text(sys::rd_kafka_error_string(error.0)));
        }
    }
    Ok(())
}

/// Sets some settings of a topic and leaves the others as they are; blocks for up to `timeout`.
pub(super) fn set_settings(
    client: &NativeClient,
    topic: &str,
    settings: &BTreeMap<&str, &str>,
    timeout: Duration,
) -> anyhow::Result<()> {
    use sys::rd_kafka_AlterConfigOpType_t::RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET as SET;
    use sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC as TOPIC;
    let name = CString::new(topic).context("a topic's name")?;
    let timeout_ms = timeout.as_millis().min(600_000) as i32;
    let handle = client.ptr();
    // SAFETY: `handle` is valid as long as `client`. Strings outlive the calls that copy them. Resource, options, queue and
    // event are freed once, by `Owned`; the event, which owns the result and its resources, is valid until they were read.
    unsafe {
        let resource =
            Owned(sys::rd_kafka_ConfigResource_new(TOPIC, name.as_ptr()), sys::rd_kafka_ConfigResource_destroy);
        for (setting, value) in settings {
            let (setting, value) = (CString::new(*setting)?, CString::new(*value)?);
            let error =
                sys::rd_kafka_ConfigResource_add_incremental_config(resource.0, setting.as_ptr(), SET, value.as_ptr());
            if !error.is_null() {
                let error = Owned(error, sys::rd_kafka_error_destroy);
                bail!("the setting {}: {}", setting.to_string_lossy(), text(sys::rd_kafka_error_string(error.0)));
            }
        }
        let options = Owned(
            sys::rd_kafka_AdminOptions_new(handle, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS),
            sys::rd_kafka_AdminOptions_destroy,
        );
        let queue = Owned(sys::rd_kafka_queue_new(handle), sys::rd_kafka_queue_destroy);
        let mut resources = [resource.0];
        sys::rd_kafka_IncrementalAlterConfigs(handle, resources.as_mut_ptr(), resources.len(), options.0, queue.0);
        let event = sys::rd_kafka_queue_poll(queue.0, timeout_ms);
        if event.is_null() {
            bail!("Kafka didn't answer within {} s", timeout.as_secs());
        }
        let event = Owned(event, sys::rd_kafka_event_destroy);
        if sys::rd_kafka_event_error(event.0) != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            bail!("{}", text(sys::rd_kafka_event_error_string(event.0)));
        }
        let result = sys::rd_kafka_event_IncrementalAlterConfigs_result(event.0);
        if result.is_null() {
            bail!("Kafka answered IncrementalAlterConfigs with something else");
        }
        let mut count = 0;
        let first = sys::rd_kafka_IncrementalAlterConfigs_result_resources(result, &raw mut count);
        for index in 0..count {
            let changed = *first.add(index);
            let error = sys::rd_kafka_ConfigResource_error(changed);
            if error != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                let reason = text(sys::rd_kafka_ConfigResource_error_string(changed));
                bail!("{}", if reason.is_empty() { text(sys::rd_kafka_err2str(error)) } else { reason });
            }
        }
    }
    Ok(())
}
