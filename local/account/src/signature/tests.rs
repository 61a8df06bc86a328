//! Requests that other signers have signed.

use http::Request;

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z, the time of AWS's test suite for signatures.
const NOW: i64 = 1_440_938_160_000;

fn key() -> Key {
    Key { secret: Secret::new(SECRET), session: None }
}

/// The signature of a presigned URL without a body, whatever stands in the place of its signature.
pub(crate) fn made(head: &Parts, secret: &Secret) -> String {
    let claim = claim(&head.headers, head.uri.query().unwrap()).unwrap();
    let scope: Vec<&str> = claim.scope.split('/').collect();
    let text = to_sign(head, &claim, head.uri.path(), &sha256(b""));
    let signing = signing_key(secret, [scope[0], scope[1], scope[2]]);
    hex::encode(hmac::sign(&signing, text.as_bytes()))
}

fn judged(request: http::request::Builder, payload: Payload<'_>, key: &Key, now: i64) -> Result<bool, Refusal> {
    let (head, ()) = request.body(()).unwrap().into_parts();
    check(&head, payload, key, now).map(|chain| chain.is_some())
}

/// A request of the suite: method, target, further signed headers, and its signature.
fn suite(method: &str, target: &str, more: &[(&str, &str)], signature: &str) -> http::request::Builder {
    let mut names: Vec<&str> = more.iter().map(|(name, _)| *name).chain(["host", "x-amz-date"]).collect();
    names.sort_unstable();
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={}, \
         Signature={signature}",
        names.join(";")
    );
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", "example.amazonaws.com")
        .header("x-amz-date", "20150830T123600Z")
        .header("authorization", authorization);
    more.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

#[test]
fn awss_test_suite_is_taken() {
    let plain = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    for (method, target, more, signature, body) in [
        // get-vanilla, get-vanilla-query-order-key-case, post-vanilla, post-x-www-form-urlencoded
        ("GET", "/", &[][..], plain, ""),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            &[],
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            "",
        ),
        // What botocore 1.34 makes of a path that is encoded already.
        (
            "GET",
            "/v1/clusters/arn%3Aaws%3Akafka%2Fa%20b/topics?b=2&a=x%20y",
            &[],
            "f741550a76222659bcab64d257b0049f87917e9562f94ea4a7f2860eadc716f3",
            "",
        ),
        ("POST", "/", &[], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", ""),
        (
            "POST",
            "/",
            &[("content-type", "application/x-www-form-urlencoded")],
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            "Param1=value1",
        ),
    ] {
        let request = || suite(method, target, more, signature);
        assert_eq!(judged(request(), Payload::Read(body.as_bytes()), &key(), NOW), Ok(false), "{method} {target}");
        let other = judged(request(), Payload::Read(b"other"), &key(), NOW);
        assert_eq!(other, Err(Refusal::Mismatch), "{method} {target} with another body");
        let other = Key { secret: Secret::new("other"), session: None };
        let other = judged(request(), Payload::Read(body.as_bytes()), &other, NOW);
        assert_eq!(other, Err(Refusal::Mismatch), "{method} {target} with another secret");
    }
}

#[test]
fn a_signature_holds_for_a_while() {
    let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let at = |now| judged(suite("GET", "/", &[], signature), Payload::Read(b""), &key(), now);
    assert_eq!((at(NOW - SKEW), at(NOW + SKEW)), (Ok(false), Ok(false)));
    assert_eq!(at(NOW + SKEW + 1), Err(Refusal::Skewed));
    assert_eq!(at(NOW - SKEW - 1), Err(Refusal::Skewed));
}

#[test]
fn what_is_missing_is_named() {
    let whole = suite("GET", "/", &[], "00").body(()).unwrap().into_parts().0;
    let with = |authorization: Option<&str>, date: bool| {
        let mut head = whole.clone();
        match authorization {
            Some(text) => head.headers.insert("authorization", text.parse().unwrap()),
            None => head.headers.remove("authorization"),
        };
        if !date {
            head.headers.remove("x-amz-date");
        }
        check(&head, Payload::Read(b""), &key(), NOW).map(|_| ()).unwrap_err()
    };
    let given = whole.headers["authorization"].to_str().unwrap();
    assert_eq!(with(Some(given), true), Refusal::Mismatch);
    for (authorization, date) in [
        (None, true),
        (Some(given), false),
        (Some("Basic eDp5"), true),
        (Some("AWS4-HMAC-SHA256"), true),
        (Some("AWS4-HMAC-SHA256 Credential=a/20150830/us-east-1/service/aws4_request, Signature=00"), true),
        (Some("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=00"), true),
        (Some("AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, SignedHeaders=x-amz-date, Signature=00"), true),
        (Some("AWS4-HMAC-SHA256 Credential=a/20150829/r/s/aws4_request, SignedHeaders=host, Signature=00"), true),
    ] {
        let refusal = with(authorization, date);
        assert!(matches!(refusal, Refusal::Malformed(_)), "{authorization:?} {date}: {refusal:?}");
    }
}

/// The example of S3's documentation, "Authenticating Requests: Using Query Parameters".
#[test]
fn s3s_presigned_example_is_taken() {
    let secret = Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let key = Key { secret, session: None };
    let request = |object: &str| {
        Request::builder()
            .uri(format!(
                "/{object}?X-Amz-Algorithm=AWS4-HMAC-SHA256\
                 &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
                 &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
                 &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
            ))
            .header("host", "examplebucket.s3.amazonaws.com")
    };
    // 2013-05-24T00:00:00Z.
    let signed = 1_369_353_600_000;
    let day = 86_400_000;
    assert_eq!(judged(request("test.txt"), Payload::Announced, &key, signed + day), Ok(false));
    assert_eq!(judged(request("test.txt"), Payload::Announced, &key, signed + day + 1), Err(Refusal::Expired));
    assert_eq!(judged(request("other.txt"), Payload::Announced, &key, signed), Err(Refusal::Mismatch));
}

/// The example of S3's documentation for a body in chunks: the signature of its head.
#[test]
fn s3s_chunked_example_is_taken() {
    let key = Key { secret: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), session: None };
    let request = Request::builder()
        .method("PUT")
        .uri("/examplebucket/chunkObject.txt")
        .header("host", "s3.amazonaws.com")
        .header("x-amz-date", "20130524T000000Z")
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
             x-amz-decoded-content-length;x-amz-storage-class,\
             Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        )
        .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "66560")
        .header("content-length", "66824");
    assert_eq!(judged(request, Payload::Announced, &key, 1_369_353_600_000), Ok(true));
}

#[test]
fn temporary_credentials_need_their_token_and_end() {
    let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let key = |ends| Key { secret: Secret::new(SECRET), session: Some((Secret::new("token"), ends)) };
    let asked = |token: Option<&str>, ends| {
        let request = suite("GET", "/", &[], signature);
        let request = token.into_iter().fold(request, |it, token| it.header("x-amz-security-token", token));
        judged(request, Payload::Read(b""), &key(ends), NOW)
    };
    assert_eq!(asked(Some("token"), NOW + 1), Ok(false));
    assert_eq!(asked(Some("token"), NOW), Err(Refusal::SessionOver));
    assert_eq!(asked(Some("other"), NOW + 1), Err(Refusal::Token));
    assert_eq!(asked(None, NOW + 1), Err(Refusal::Token));
    let long_lived = Key { secret: Secret::new(SECRET), session: None };
    let request = suite("GET", "/", &[], signature).header("x-amz-security-token", "token");
    assert_eq!(judged(request, Payload::Read(b""), &long_lived, NOW), Err(Refusal::Token));
}
