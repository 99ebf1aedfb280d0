//! Responses, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use tidegate_plugin_openai::OpenAi;
use tidegate_plugin_sdk::harness::Harness;
use tidegate_plugin_sdk::{Class, Dialect, ErrorKind, FailureIn, HeadIn, Headers, Phase, RequestIn};

const PASS: i32 = 1;
const OK: i32 = 0;
const E_PROTOCOL: i32 = -4;
const E_TRUNCATED: i32 = -6;
const E_UPSTREAM: i32 = -8;

fn openai(model: &str) -> Harness {
    let config = json!({
        "provider": "openai", "model": model, "params": {"api_base": "http://h/v1"}, "secrets": ["api_key"],
    });
    Harness::new::<OpenAi>(&config).unwrap()
}

fn head() -> HeadIn<'static> {
    HeadIn { dialect: Dialect::OpenAiResponses, ..HeadIn::default() }
}

#[test]
fn a_request_goes_out_as_it_came() {
    let body =
        r#"{"input":[{"type":"new_item","x":1e400}], "model" : "mine", "tools":[{"type":"web_search"}]}"#;
    for (model, asked) in [("gpt-5", "gpt-5"), ("responses/o3-deep-research", "o3-deep-research")] {
        let input = RequestIn {
            dialect: Dialect::OpenAiResponses,
            stream: true,
            model,
            body: body.as_bytes(),
            ..RequestIn::default()
        };
        let sent = openai(model).request(&input).unwrap();
        assert_eq!(
            (sent.url.as_str(), sent.dialect),
            ("http://h/v1/responses", Some(Dialect::OpenAiResponses))
        );
        assert_eq!(String::from_utf8_lossy(&sent.body), body.replace("mine", asked));
    }
}

#[test]
fn events_are_told_apart() {
    for (name, data, want) in [
        (
            "response.created",
            r#"{"type":"response.created","response":{"error":null,"status":"in_progress"}}"#,
            PASS,
        ),
        ("response.output_text.delta", r#"{"type":"response.output_text.delta","delta":"error"}"#, PASS),
        ("response.new.thing", r#"{"type":"response.new.thing","x":1}"#, PASS),
        ("response.completed", r#"{"type":"response.completed","response":{"error":null}}"#, PASS),
        ("", "", OK),
        ("error", r#"{"type":"error","code":"rate_limit_exceeded","message":"m"}"#, E_UPSTREAM),
        ("", r#"{"type":"error","error":{"message":"m"}}"#, E_UPSTREAM),
        (
            "response.failed",
            r#"{"type":"response.failed","response":{"error":{"code":"server_error"}}}"#,
            E_UPSTREAM,
        ),
        ("response.failed", r#"{"type":"response.failed"}"#, E_UPSTREAM),
        ("", r#"{"error":{"message":"m"}}"#, E_UPSTREAM),
        ("x", r#"{"delta":"no type"}"#, E_PROTOCOL),
        ("x", r#"{"type":"response.outp"#, E_PROTOCOL),
        ("", "[DONE]", E_PROTOCOL),
    ] {
        let harness = openai("m");
        let mut stream = harness.stream(&head()).unwrap();
        assert_eq!(stream.event(name, data).status, want, "{name} {data}");
        let ended = data.contains("completed");
        assert_eq!(stream.end().status, if ended { OK } else { E_TRUNCATED }, "{name} {data}");
    }
}

#[test]
fn the_last_event_is_the_end_and_tells_the_usage() {
    for last in ["response.completed", "response.incomplete"] {
        let harness = openai("m");
        let mut stream = harness.stream(&head()).unwrap();
        let data = format!(
            r#"{{"type":"{last}","response":{{"usage":{{"input_tokens":9,"output_tokens":5,"input_tokens_details":{{"cached_tokens":4}},"output_tokens_details":{{"reasoning_tokens":2}}}}}}}}"#
        );
        let step = stream.event(last, &data);
        assert_eq!((step.status, step.notes), (PASS, vec![(1, 9), (2, 5), (3, 4), (4, 2), (5, 0)]));
        assert_eq!(stream.event("x", "junk").status, OK, "nothing counts after the end");
        assert_eq!(stream.end().status, OK);
    }
}

#[test]
fn bodies_pass_or_fail() {
    let harness = openai("m");
    let answer = r#"{"id":"resp_1","object":"response","status":"completed","error":null,"output":[]}"#;
    assert_eq!(harness.response(&head(), answer.as_bytes()).0, PASS);
    for (body, status) in [
        (r#"{"status":"failed","error":{"code":"server_error","message":"m"},"output":[]}"#, E_UPSTREAM),
        (r#"{"status":"failed","error":null,"output":[]}"#, E_UPSTREAM),
        (r#"{"error":{"message":"m"}}"#, E_UPSTREAM),
        (r#"{"choices":[]}"#, E_PROTOCOL),
        ("<html>", E_PROTOCOL),
    ] {
        assert_eq!(harness.response(&head(), body.as_bytes()).0, status, "{body}");
    }
}

/// In a stream: the flat form, as documented; the nested one; and `response.failed`.
#[test]
fn each_form_of_a_failure_means_the_same() {
    use ErrorKind as E;
    let forms = |code: &str, message: &str| {
        let (code, message) = (json!(code), json!(message));
        [
            json!({"type": "error", "code": code, "message": message, "param": null, "sequence_number": 3}),
            json!({"type": "error", "error": {"type": "x", "code": code, "message": message, "param": null}}),
            json!({"type": "response.failed", "response": {"status": "failed",
                   "error": {"code": code, "message": message}}}),
        ]
    };
    let wait = "Rate limit reached. Please try again in 1.898s.";
    for (code, message, error, status, retryable, quota, retry) in [
        ("rate_limit_exceeded", wait, E::RateLimit, 429, true, false, Some(1898)),
        ("insufficient_quota", "You exceeded your current quota", E::RateLimit, 429, false, true, None),
        ("server_error", "The server had an error", E::Server, 500, true, false, None),
        ("context_length_exceeded", "Your input exceeds", E::ContextLength, 400, false, false, None),
        ("invalid_prompt", "m", E::BadRequest, 400, false, false, None),
        ("server_is_overloaded", "m", E::Overloaded, 503, true, false, None),
        ("slow_down", "m", E::Overloaded, 503, true, false, None),
    ] {
        for form in forms(code, message) {
            let class = classified(&form);
            let got = (class.error, class.http_status, class.retryable, class.quota, class.retry_after_ms);
            assert_eq!(got, (error, status, retryable, quota, retry), "{form}");
            assert_eq!(class.message.as_deref(), Some(message), "{form}");
            assert_eq!(class.code.as_deref(), Some(code), "{form}");
        }
    }
}

fn classified(body: &Value) -> Class {
    let body = body.to_string();
    let failure = FailureIn {
        phase: Phase::Stream,
        http_status: 200,
        headers: Headers::default(),
        body: body.as_bytes(),
        ..FailureIn::default()
    };
    openai("m").classify(&failure).unwrap()
}

/// Bodies of paths that are not there, and of models: whether the host is to ask in chat completions instead.
#[test]
fn a_path_that_is_not_there_is_told_from_a_model() {
    for (status, body, code) in [
        // OpenAI, Groq, LM Studio, Azure, vLLM, nginx, Go.
        (
            404,
            r#"{"error":{"message":"Invalid URL (POST /v1/responses)","type":"invalid_request_error","param":null,"code":null}}"#,
            "no_such_path",
        ),
        (
            404,
            r#"{"error":{"message":"Unknown request URL: POST /openai/v1/x. Please check the URL for typos","type":"invalid_request_error","code":"unknown_url"}}"#,
            "no_such_path",
        ),
        (404, r#"{"error":"Unexpected endpoint or method. (POST /v1/responses)"}"#, "no_such_path"),
        (404, r#"{"error":{"code":"404","message":"Resource not found"}}"#, "no_such_path"),
        (404, r#"{"detail":"Not Found"}"#, "no_such_path"),
        (405, r#"{"detail":"Method Not Allowed"}"#, "no_such_path"),
        (404, "<html><head><title>404 Not Found</title></head></html>", "no_such_path"),
        (404, "404 page not found", "no_such_path"),
        (
            404,
            r#"{"error":{"message":"The model `x` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
            "model_not_found",
        ),
        (
            404,
            r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
            "DeploymentNotFound",
        ),
        (
            404,
            r#"{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","param":null,"code":404}"#,
            "NotFoundError",
        ),
        (
            404,
            r#"{"error":{"message":"model \"x\" not found, try pulling it first","code":null}}"#,
            "model_not_found",
        ),
        (404, r#"{"error":"model 'x' not found"}"#, "model_not_found"),
    ] {
        let failure = FailureIn {
            phase: Phase::Status,
            http_status: status,
            headers: Headers::default(),
            body: body.as_bytes(),
            ..FailureIn::default()
        };
        let class = openai("m").classify(&failure).unwrap();
        assert_eq!((class.code.as_deref(), class.http_status), (Some(code), status), "{body}");
    }
}
