//! From an operation and its input to an HTTP request, and from the answer to a value or an error.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value};

use crate::endpoint::{percent_encode, query_string};
use crate::errors::Error;
use crate::forms::{self, Lists};
use crate::routes::{self, Route};
use crate::service::{Api, Protocol};
use crate::xml;

/// A request without its host and signature.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, encoded.
    pub target: String,
    /// Headers besides those of the signature.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// The request for an operation.
pub fn encode(api: &Api, operation: &str, input: &Value) -> Result<Request, Error> {
    match api.protocol {
        Protocol::Ec2(version) => Ok(form(forms::encode(operation, version, input, Lists::Plain))),
        Protocol::Query(version) => Ok(form(forms::encode(operation, version, input, Lists::Members))),
        Protocol::Json(prefix) => Ok(Request {
            method: Method::POST,
            target: "/".into(),
            headers: vec![
                ("content-type".into(), "application/x-amz-json-1.1".into()),
                ("x-amz-target".into(), format!("{prefix}.{operation}")),
            ],
            body: if input.is_null() { Bytes::from_static(b"{}") } else { input.to_string().into() },
        }),
        Protocol::RestJson => rest(api, operation, input),
        Protocol::S3 => Err(Error::configuration("S3 has its own client; this is a bug in lakewright")),
    }
}

fn form(body: String) -> Request {
    Request {
        method: Method::POST,
        target: "/".into(),
        headers: vec![("content-type".into(), "application/x-www-form-urlencoded; charset=utf-8".into())],
        body: body.into(),
    }
}

fn rest(api: &Api, operation: &str, input: &Value) -> Result<Request, Error> {
    let table = routes::of(api.name);
    let unknown =
        || Error::configuration(format!("{} has no operation {operation}; this is a bug in lakewright", api.name));
    let Route { method, path, .. } = table.iter().find(|route| route.operation == operation).ok_or_else(unknown)?;
    let mut members: Map<String, Value> = input.as_object().cloned().unwrap_or_default();
    let mut target = String::new();
    for segment in path.split('/').skip(1) {
        target.push('/');
        let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            target.push_str(segment);
            continue;
        };
        let value = members.shift_remove(name).map(scalar).filter(|value| !value.is_empty()).ok_or_else(|| {
            Error::configuration(format!("{} {operation} lacks `{name}`; this is a bug in lakewright", api.name))
        })?;
        percent_encode(&mut target, &value, false);
    }
    let method = Method::from_bytes(method.as_bytes()).expect("the table holds methods only");
    let in_query = matches!(method, Method::GET | Method::DELETE);
    if in_query {
        let mut parameters = Vec::new();
        for (name, value) in members {
            match value {
                Value::Null => {}
                Value::Array(elements) => {
                    parameters.extend(elements.into_iter().map(|element| (name.clone(), Some(scalar(element)))));
                }
                one => parameters.push((name, Some(scalar(one)))),
            }
        }
        target.push_str(&query_string(&parameters));
        return Ok(Request { method, target, headers: Vec::new(), body: Bytes::new() });
    }
    Ok(Request {
        method,
        target,
        headers: vec![("content-type".into(), "application/json".into())],
        body: Value::Object(members).to_string().into(),
    })
}

fn scalar(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The value that an answer holds.
pub fn decode(api: &'static Api, operation: &str, answer: &Answer) -> Result<Value, Error> {
    if !answer.status.is_success() {
        return Err(error(api, operation, answer));
    }
    let bad = |reason: String| Error {
        request_id: request_id(answer).into(),
        ..Error::bad_answer(api.name, operation, answer.status.as_u16(), reason)
    };
    if answer.body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    match api.protocol {
        Protocol::Json(_) | Protocol::RestJson => {
            serde_json::from_slice(&answer.body).map_err(|error| bad(error.to_string()))
        }
        Protocol::Ec2(_) | Protocol::S3 => xml::parse(&answer.body).map(|(_, value)| value).map_err(bad),
        Protocol::Query(_) => {
            let (_, mut value) = xml::parse(&answer.body).map_err(bad)?;
            let result = value.get_mut(format!("{operation}Result")).map(Value::take);
            Ok(match result {
                Some(Value::Object(members)) => Value::Object(members),
                _ => Value::Object(Map::new()),
            })
        }
    }
}

fn request_id(answer: &Answer) -> String {
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    header("x-amzn-requestid").or_else(|| header("x-amz-request-id")).unwrap_or_default()
}

/// The error that an answer holds.
pub fn error(api: &'static Api, operation: &str, answer: &Answer) -> Error {
    let (mut code, mut message, mut request_id) = (String::new(), String::new(), request_id(answer));
    match api.protocol {
        Protocol::Json(_) | Protocol::RestJson => {
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let header = answer.headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
            let member = |names: [&str; 2]| names.iter().find_map(|name| body.get(name).and_then(Value::as_str));
            let whole = header.or_else(|| member(["__type", "code"])).unwrap_or_default();
            let named = whole.split(':').next().unwrap_or_default();
            named.rsplit('#').next().unwrap_or_default().clone_into(&mut code);
            member(["message", "Message"]).unwrap_or_default().clone_into(&mut message);
        }
        Protocol::Ec2(_) | Protocol::Query(_) | Protocol::S3 => {
            if let Ok((_, value)) = xml::parse(&answer.body) {
                let within = [value.pointer("/Errors/Error"), value.get("Error"), Some(&value)];
                let body = within.into_iter().flatten().next().expect("the last one is always there");
                crate::text(body, "Code").clone_into(&mut code);
                crate::text(body, "Message").clone_into(&mut message);
                for name in ["RequestID", "RequestId"] {
                    if request_id.is_empty() {
                        crate::text(&value, name).clone_into(&mut request_id);
                    }
                }
            }
        }
    }
    Error::answered(api.name, operation, &code, &message, answer.status.as_u16(), &request_id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::service::Service;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header"));
        }
        Answer { status: StatusCode::from_u16(status).expect("a status"), headers: map, body: body.to_owned().into() }
    }

    #[test]
    fn rest_paths_are_encoded_and_the_rest_stands_in_query_or_body() {
        let arn = "arn:aws:kafka:eu-central-1:1:cluster/c/u";
        let input = json!({"clusterArn": arn, "topicNameFilter": "a b", "nextToken": null});
        let request = encode(Service::Kafka.api(), "ListTopics", &input).expect("a request");
        assert_eq!(
            request.target,
            "/v1/clusters/arn%3Aaws%3Akafka%3Aeu-central-1%3A1%3Acluster%2Fc%2Fu/topics?topicNameFilter=a%20b"
        );
        let input = json!({"applicationId": "a1", "name": "n"});
        let request = encode(Service::EmrServerless.api(), "UpdateApplication", &input).expect("a request");
        assert_eq!((request.method.as_str(), request.target.as_str()), ("PATCH", "/applications/a1"));
        assert_eq!(request.body, r#"{"name":"n"}"#);
        assert!(encode(Service::Kafka.api(), "DescribeClusterV2", &json!({})).is_err());
    }

    #[test]
    fn query_answers_are_unwrapped() {
        let body = "<GetRoleResponse><GetRoleResult><Role><RoleName>r</RoleName><Tags><member><Key>k</Key></member></Tags>\
                    </Role></GetRoleResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetRoleResponse>";
        let value = decode(Service::Iam.api(), "GetRole", &answer(200, &[], body)).expect("a value");
        assert_eq!(value, json!({"Role": {"RoleName": "r", "Tags": [{"Key": "k"}]}}));
    }

    #[test]
    fn errors_of_every_protocol_have_code_and_message() {
        let ec2 = "<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>no</Message></Error></Errors>\
                   <RequestID>q</RequestID></Response>";
        let iam = "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>no</Message></Error>\
                   <RequestId>q</RequestId></ErrorResponse>";
        let s3 = "<Error><Code>NoSuchBucket</Code><Message>no</Message><RequestId>q</RequestId></Error>";
        let json = r#"{"__type":"com.amazonaws.kms#NotFoundException","message":"no"}"#;
        let kafka = r#"{"message":"no"}"#;
        let kafka_headers = [("x-amzn-errortype", "NotFoundException:http://x"), ("x-amzn-requestid", "q")];
        for (api, headers, body, code) in [
            (Service::Ec2.api(), &[][..], ec2, "InvalidVpcID.NotFound"),
            (Service::Iam.api(), &[][..], iam, "NoSuchEntity"),
            (&crate::service::S3, &[][..], s3, "NoSuchBucket"),
            (Service::Kms.api(), &kafka_headers[1..], json, "NotFoundException"),
            (Service::Kafka.api(), &kafka_headers[..], kafka, "NotFoundException"),
        ] {
            let error = error(api, "Op", &answer(400, headers, body));
            assert_eq!((error.code.as_str(), error.message.as_str(), &*error.request_id), (code, "no", "q"));
            assert!(error.is_not_found());
        }
        assert_eq!(error(&crate::service::S3, "HeadObject", &answer(404, &[], "")).code, "NotFound");
    }
}
