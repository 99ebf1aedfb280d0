//! Failures, as AWS words them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{classed, framed};
use serde_json::json;
use tidegate_plugin_sdk::ErrorKind as E;

#[test]
fn exceptions_are_known_by_the_header_the_frame_and_the_body() {
    let rows = [
        (
            429,
            "ThrottlingException",
            "Too many requests, please wait before trying again.",
            429,
            E::RateLimit,
            true,
            false,
        ),
        (
            429,
            "ThrottlingException",
            "Too many tokens, please wait before trying again.",
            429,
            E::RateLimit,
            true,
            false,
        ),
        (
            429,
            "ThrottlingException",
            "Too many tokens per day, please wait before trying again.",
            429,
            E::RateLimit,
            false,
            true,
        ),
        (
            400,
            "ServiceQuotaExceededException",
            "Your request exceeds the service quota for your account.",
            429,
            E::RateLimit,
            false,
            true,
        ),
        (
            429,
            "ModelNotReadyException",
            "The model is not ready for inference.",
            429,
            E::RateLimit,
            true,
            false,
        ),
        (408, "ModelTimeoutException", "The request took too long to process.", 408, E::Timeout, true, false),
        (424, "ModelErrorException", "The model had an error.", 424, E::Server, true, false),
        (500, "InternalServerException", "An internal server error occurred.", 500, E::Server, true, false),
        (
            503,
            "ServiceUnavailableException",
            "Bedrock is unable to process your request.",
            503,
            E::Overloaded,
            true,
            false,
        ),
        (400, "ValidationException", "Malformed input request", 400, E::BadRequest, false, false),
        (
            400,
            "ValidationException",
            "Input is too long for requested model.",
            400,
            E::ContextLength,
            false,
            false,
        ),
        (
            400,
            "ValidationException",
            "The model returned the following errors: prompt is too long: 210000 tokens > 200000 maximum",
            400,
            E::ContextLength,
            false,
            false,
        ),
        (
            400,
            "ValidationException",
            "Output blocked by content filtering policy",
            400,
            E::ContentFilter,
            false,
            false,
        ),
        (
            404,
            "ResourceNotFoundException",
            "Could not resolve the foundation model",
            404,
            E::NotFound,
            false,
            false,
        ),
        (
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
            403,
            E::Permission,
            false,
            false,
        ),
        (
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            403,
            E::Auth,
            false,
            false,
        ),
        (
            403,
            "ExpiredTokenException",
            "The security token included in the request is expired",
            403,
            E::Auth,
            false,
            false,
        ),
        (
            403,
            "InvalidSignatureException",
            "Signature expired: 20261127T080509Z is now earlier than 20261127T081000Z",
            403,
            E::Auth,
            false,
            false,
        ),
        (400, "RequestExpired", "Request has expired.", 400, E::Auth, false, false),
        (
            403,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
            403,
            E::Auth,
            false,
            false,
        ),
    ];
    for (status, name, message, want, kind, retryable, quota) in rows {
        let body = json!({"message": message}).to_string();
        let header = format!("{name}:http://internal.amazon.com/coral/com.amazon.bedrock/");
        let typed =
            json!({"__type": format!("com.amazon.coral.service#{name}"), "Message": message}).to_string();
        let (first, rest) = name.split_at(1);
        for class in [
            classed(status, vec![("x-amzn-errortype", &header)], &body),
            classed(status, vec![], &typed),
            framed(&(first.to_ascii_lowercase() + rest), &body),
        ] {
            let got = (class.error, class.retryable, class.quota, class.code.as_deref());
            assert_eq!(got, (kind, retryable, quota, Some(name)), "{message}");
            assert_eq!(class.message.as_deref(), Some(message));
            // A frame has no status of its own: a refused key's is AWS's usual one.
            assert!(class.http_status == want || (kind == E::Auth && class.http_status == 403), "{message}");
        }
        assert_eq!(
            classed(status, vec![("x-amzn-errortype", &header)], &body).http_status,
            want,
            "{message}"
        );
    }
}

#[test]
fn a_streams_failure_may_carry_the_models_own_status() {
    for (original, want, kind) in [
        (Some(503), 503, E::Overloaded),
        (Some(429), 429, E::RateLimit),
        (Some(400), 424, E::Server),
        (Some(7), 424, E::Server),
        (None, 424, E::Server),
    ] {
        let body = json!({"message": "m", "originalStatusCode": original}).to_string();
        let class = framed("modelStreamErrorException", &body);
        assert_eq!((class.http_status, class.error, class.retryable), (want, kind, true), "{original:?}");
    }
}

#[test]
fn errors_that_no_model_knows_are_taken_by_their_status() {
    let page = classed(502, vec![("content-type", "text/html")], "<html>Bad Gateway</html>");
    assert_eq!((page.http_status, page.error, page.message), (502, E::Server, None));
    let plain = framed("InternalFailure", "Something went wrong");
    assert_eq!((plain.http_status, plain.message.as_deref()), (500, Some("Something went wrong")));
    let new = classed(418, vec![("x-amzn-errortype", "TeapotException")], "{}");
    assert_eq!(
        (new.http_status, new.error, new.code.as_deref()),
        (418, E::BadRequest, Some("TeapotException"))
    );
    let frame = framed("teapotException", r#"{"message":"short and stout"}"#);
    assert_eq!((frame.http_status, frame.error), (500, E::Server));
}

#[test]
fn a_hint_to_wait_is_kept() {
    let class = classed(429, vec![("x-amzn-errortype", "ThrottlingException"), ("retry-after", "7")], "{}");
    assert_eq!(class.retry_after_ms, Some(7000));
}

#[test]
fn what_was_signed_is_not_told() {
    let message = "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String \
                   for this request should have been\n'POST\n/model/m/converse\n\nx-amz-security-token:SECRET\n'";
    let body = json!({"message": message}).to_string();
    let class = classed(403, vec![("x-amzn-errortype", "InvalidSignatureException")], &body);
    let told = class.message.unwrap();
    assert!(told.ends_with("you provided.") && !told.contains("SECRET"), "{told}");
}
