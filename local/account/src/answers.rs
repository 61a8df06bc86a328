//! Answers and errors as each protocol writes them.

use crate::error::{AwsError, ErrorCode};
use crate::protocol::rest_xml::RestXml;
use crate::protocol::{Protocol, cbor, json, xml};
use crate::services::s3;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

/// The prefix of CloudWatch's targets.
const CLOUDWATCH: &str = "GraniteServiceVersion20100801";

/// The answer to `operation`.
pub(crate) fn success(protocol: Protocol, operation: &str, output: &Value, request_id: &str) -> Response {
    match protocol {
        Protocol::Ec2 => answer(200, "text/xml;charset=UTF-8", xml::ec2(operation, output, request_id), request_id),
        Protocol::Query(namespace) => {
            answer(200, "text/xml", xml::query(operation, namespace, output, request_id), request_id)
        }
        Protocol::Json(_) | Protocol::RestJson(_) => json_answer(200, output, request_id, None),
        Protocol::Cbor => cbor_answer(200, output, request_id),
        Protocol::RestXml(service) => rest_xml_answer(service, operation, output, request_id),
    }
}

/// The answer that states the error; S3, which has no protocol of the others, leaves out its text for `head`.
pub(crate) fn failure(protocol: Option<Protocol>, error: &AwsError, request_id: &str, head: bool) -> Response {
    tracing::debug!(code = error.code, message = error.message, "refused");
    let status = error.status;
    let mut response = match protocol {
        None => return s3::failure(error, request_id, head),
        Some(Protocol::Ec2) => answer(status, "text/xml;charset=UTF-8", xml::ec2_error(error, request_id), request_id),
        Some(Protocol::Query(namespace) | Protocol::RestXml(&RestXml { namespace, .. })) => {
            answer(status, "text/xml", xml::query_error(namespace, error, request_id), request_id)
        }
        Some(Protocol::Json(_)) => json_answer(status, &json::error(error), request_id, None),
        Some(Protocol::Cbor) => cbor_answer(status, &json::error(error), request_id),
        Some(Protocol::RestJson(_)) => json_answer(status, &json::error(error), request_id, Some(&error.code)),
    };
    // CloudWatch's clients once spoke the query protocol, and still know errors by its codes, which are the same.
    let of_cloudwatch = matches!(protocol, Some(Protocol::Cbor | Protocol::Json(CLOUDWATCH)));
    if let Some(code) = error.query_code.as_ref().or(of_cloudwatch.then_some(&error.code)) {
        let fault = if status >= 500 { "Receiver" } else { "Sender" };
        if let Ok(code) = HeaderValue::from_str(&format!("{code};{fault}")) {
            response.headers_mut().insert("x-amzn-query-error", code);
        }
    }
    response.extensions_mut().insert(ErrorCode(error.code.clone()));
    response
}

fn rest_xml_answer(service: &RestXml, operation: &str, output: &Value, request_id: &str) -> Response {
    let known = service.operation(operation);
    let headers = known.map_or(&[][..], |known| known.headers);
    let mut body = output.clone();
    let mut sent = Vec::new();
    for name in headers {
        let value = body.as_object_mut().and_then(|members| members.remove(*name));
        let value = value.as_ref().and_then(Value::as_str).and_then(|value| HeaderValue::from_str(value).ok());
        sent.extend(HeaderName::try_from(*name).ok().zip(value));
    }
    let status = known.map_or(200, |known| known.status);
    let mut response = answer(status, "text/xml", xml::rest(operation, service.namespace, &body), request_id);
    response.headers_mut().extend(sent);
    response
}

fn json_answer(status: u16, body: &Value, request_id: &str, code: Option<&str>) -> Response {
    let mut response = answer(status, "application/x-amz-json-1.1", body.to_string(), request_id);
    if let Some(code) = code.and_then(|code| HeaderValue::from_str(code).ok()) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

fn cbor_answer(status: u16, body: &Value, request_id: &str) -> Response {
    let mut response = answer(status, "application/cbor", cbor::write(body), request_id);
    response.headers_mut().insert("smithy-protocol", HeaderValue::from_static(cbor::PROTOCOL));
    response
}

fn answer(status: u16, kind: &'static str, body: impl Into<Body>, request_id: &str) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
