//! What the core sees of a stream that passes.

use super::*;
use crate::dialects::{Chunk, Usage};

#[test]
fn events_are_inspected() {
    let chunk = |content: bool| Seen::Chunk(Chunk { content, ..Chunk::default() });
    for (name, data, expected) in [
        (
            "response.created",
            r#"{"type":"response.created","response":{"status":"in_progress","error":null,"output":[]}}"#,
            chunk(false),
        ),
        (
            "response.output_item.added",
            r#"{"type":"response.output_item.added","item":{"type":"message","content":[]}}"#,
            chunk(false),
        ),
        (
            "response.output_item.added",
            r#"{"item":{"type":"function_call","name":"f"},"type":"response.output_item.added"}"#,
            chunk(true),
        ),
        (
            "response.content_part.added",
            r#"{"type":"response.content_part.added","part":{"text":""}}"#,
            chunk(false),
        ),
        (
            "response.output_text.delta",
            r#"{"type":"response.output_text.delta","delta":"error"}"#,
            chunk(true),
        ),
        ("response.output_text.delta", r#"{"type":"response.output_text.delta","delta":""}"#, chunk(false)),
        (
            "response.reasoning_summary_text.delta",
            r#"{"type":"response.reasoning_summary_text.delta","delta":"a"}"#,
            chunk(true),
        ),
        (
            "response.web_search_call.searching",
            r#"{"type":"response.web_search_call.searching"}"#,
            chunk(true),
        ),
        ("response.brand.new", r#"{"type":"response.brand.new","x":[{}]}"#, chunk(true)),
        ("keepalive", r#"{"type":"keepalive","sequence_number":3}"#, chunk(false)),
        ("", "", chunk(false)),
        ("error", r#"{"type":"error","code":"c","message":"m"}"#, Seen::Error),
        ("error", r#"{"message":"m"}"#, Seen::Error),
        ("error", "overloaded", Seen::Error),
        ("error", r#"{"type":"error","error":{"code":42"#, Seen::Malformed),
        ("", r#"{"type":"error","error":{"message":"m"}}"#, Seen::Error),
        ("", r#"{"error":{"message":"m"}}"#, Seen::Error),
        ("response.failed", r#"{"type":"response.failed","response":{"error":null}}"#, Seen::Error),
        ("", r#"{"type":"x","response":{"error":{"code":"c"}}}"#, Seen::Error),
        ("", "{", Seen::Malformed),
        ("", "7", Seen::Malformed),
        ("", "[DONE]", Seen::Malformed),
    ] {
        assert_eq!(Responses.inspect(name.as_bytes(), data.as_bytes()), expected, "{data}");
    }
    let usage = r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":1},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":14}"#;
    let counted = Usage {
        input: Some(9),
        output: Some(5),
        cached: Some(4),
        cache_write: Some(1),
        reasoning: Some(2),
        total: Some(14),
    };
    let end = Chunk { finish: true, usage: Some(counted), ..Chunk::default() };
    let data = format!(r#"{{"type":"response.completed","response":{{"error":null,"usage":{usage}}}}}"#);
    assert_eq!(Responses.inspect(b"response.completed", data.as_bytes()), Seen::Done(end));
    let data = r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"},"usage":null}}"#;
    let cut = Chunk { finish: true, filtered: true, ..Chunk::default() };
    assert_eq!(Responses.inspect(b"response.incomplete", data.as_bytes()), Seen::Done(cut));

    let body = format!(
        r#"{{"object":"response","status":"completed","error":null,"output":[{{}}],"usage":{usage}}}"#
    );
    let whole = Chunk { content: true, finish: true, usage: Some(counted), ..Chunk::default() };
    assert_eq!(Responses.inspect_body(body.as_bytes()), Seen::Chunk(whole));
    for body in [r#"{"status":"failed","error":null}"#, r#"{"error":{"message":"m"}}"#, r#"{"type":"error"}"#]
    {
        assert_eq!(Responses.inspect_body(body.as_bytes()), Seen::Error, "{body}");
    }
}
