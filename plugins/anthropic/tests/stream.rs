//! Messages streams and bodies as chat chunks and completions.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use serde_json::{Value, json};
use tidegate_plugin_sdk::EventIn;
use tidegate_plugin_sdk::harness::{Playing, Step};

fn said(stream: &mut Playing<'_>, events: &[String]) -> Vec<Step> {
    events.iter().map(|event| stream.event("", event)).collect()
}

fn deltas(steps: &[Step]) -> Vec<Value> {
    let choices = steps
        .iter()
        .flat_map(Step::json)
        .flat_map(|mut chunk| chunk["choices"].take().as_array().cloned().unwrap_or_default());
    choices.map(|mut choice| choice["delta"].take()).collect()
}

#[test]
fn a_good_stream() {
    let harness = anthropic();
    let mut stream = harness.stream(&head()).unwrap();
    let first = stream.event("message_start", start());
    assert_eq!((first.status, first.events.len()), (OK, 0));
    assert_eq!(first.notes, [(1, 137), (2, 1), (3, 100)]);
    let begun = stream.event("content_block_start", begin(0, json!({"type": "text", "text": ""})));
    assert_eq!(begun.events.len(), 0);
    assert_eq!(stream.event("ping", r#"{"type":"ping"}"#).events.len(), 0);
    let hello = stream.event("content_block_delta", text("Hel"));
    assert_eq!(
        hello.json(),
        [json!({
            "id": "msg_1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "mine",
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "logprobs": null, "finish_reason": null}],
        })]
    );
    assert_eq!(stream.event("", text("lo")).json()[0]["choices"][0]["delta"], json!({"content": "lo"}));
    assert_eq!(stream.event("", stop(0)).events.len(), 0);
    let counted = stream.event("", ended("end_turn"));
    assert_eq!((counted.events.len(), counted.notes), (0, vec![(1, 137), (2, 15), (3, 100)]));
    let last = stream.event("", MESSAGE_STOP);
    assert_eq!(check_chunks(&last), ["stop"]);
    assert_eq!(last.notes, [NOTE_DONE]);
    assert!(last.json()[0]["choices"][0].get("provider_specific_fields").is_none());
    let end = stream.end();
    assert_eq!(end.status, OK);
    assert_eq!(
        end.json()[0]["usage"],
        json!({
            "prompt_tokens": 137, "completion_tokens": 15, "total_tokens": 152,
            "prompt_tokens_details": {"cached_tokens": 100, "cache_creation_tokens": 30},
            "completion_tokens_details": {"reasoning_tokens": 0},
        })
    );
}

#[test]
fn thoughts_calls_and_signatures_make_the_whole_loop() {
    let harness = anthropic();
    let mut stream = harness.stream(&head()).unwrap();
    let steps = said(
        &mut stream,
        &[
            start(),
            begin(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
            delta(0, json!({"type": "thinking_delta", "thinking": "Let me "})),
            delta(0, json!({"type": "thinking_delta", "thinking": "see."})),
            delta(0, json!({"type": "signature_delta", "signature": "SIG"})),
            stop(0),
            begin(1, json!({"type": "redacted_thinking", "data": "RED"})),
            stop(1),
            begin(2, json!({"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}})),
            delta(2, json!({"type": "input_json_delta", "partial_json": ""})),
            delta(2, json!({"type": "input_json_delta", "partial_json": "{\"b\": 1,"})),
            delta(2, json!({"type": "input_json_delta", "partial_json": " \"a\": 2}"})),
            stop(2),
            begin(3, json!({"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}})),
            stop(3),
            ended("tool_use"),
            MESSAGE_STOP.to_owned(),
        ],
    );
    assert!(steps.iter().all(|step| step.status == OK));
    assert_eq!(
        deltas(&steps),
        [
            json!({"role": "assistant", "content": "", "reasoning_content": "Let me "}),
            json!({"reasoning_content": "see."}),
            json!({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "SIG"}]}),
            json!({"thinking_blocks": [{"type": "redacted_thinking", "data": "RED"}]}),
            json!({"tool_calls": [{"index": 0, "id": "toolu_1", "type": "function", "function": {"name": "add", "arguments": ""}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"b\": 1,"}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": " \"a\": 2}"}}]}),
            json!({"tool_calls": [{"index": 1, "id": "toolu_2", "type": "function", "function": {"name": "now", "arguments": ""}}]}),
            json!({"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}),
            json!({}),
        ]
    );
    assert_eq!(check_chunks(steps.last().unwrap()), ["tool_calls"]);

    // The same as a whole body, which goes back with the results as the blocks that it was.
    let content = r#"[{"type":"thinking","thinking":"Let me see.","signature":"SIG"},{"type":"redacted_thinking","data":"RED"},
        {"type":"tool_use","id":"toolu_1","name":"add","input":{"b": 1, "a": 2}},{"type":"tool_use","id":"toolu_2","name":"now","input":{}}]"#;
    let body = format!(
        r#"{{"id":"msg_1","type":"message","role":"assistant","content":{content},"stop_reason":"tool_use","stop_sequence":null}}"#
    );
    let (status, whole) = harness.response(&head(), body.as_bytes());
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!((status, &whole["choices"][0]["finish_reason"]), (OK, &json!("tool_calls")));
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["reasoning_content"], "Let me see.");
    let arguments = &message["tool_calls"][0]["function"]["arguments"];
    assert_eq!(arguments, "{\"b\": 1, \"a\": 2}", "in the model's own order");
    let asked = json!({"messages": [
        {"role": "user", "content": "x"}, message,
        {"role": "tool", "tool_call_id": "toolu_1", "content": "3"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "noon", "is_error": true},
    ]});
    let sent = upstream("claude-sonnet-4-5", &asked).unwrap();
    let content: Value = serde_json::from_str(content).unwrap();
    assert_eq!(sent["messages"][1], json!({"role": "assistant", "content": content}));
    assert_eq!(
        sent["messages"][2]["content"],
        json!([
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": "noon", "is_error": true},
        ])
    );
}

#[test]
fn citations_and_anthropics_own_tools() {
    let harness = anthropic();
    let mut stream = harness.stream(&head()).unwrap();
    let web = json!({"type": "web_search_result_location", "url": "https://a.test", "title": "A", "cited_text": "c", "encrypted_index": "e"});
    let page = json!({"type": "page_location", "cited_text": "c", "document_index": 0, "start_page_number": 1, "end_page_number": 2});
    let results = json!({"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": [{"type": "web_search_result"}]});
    let steps = said(
        &mut stream,
        &[
            begin(0, json!({"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}})),
            delta(0, json!({"type": "input_json_delta", "partial_json": "{\"query\":"})),
            delta(0, json!({"type": "input_json_delta", "partial_json": "\"tide\"}"})),
            stop(0),
            begin(1, results.clone()),
            stop(1),
            begin(2, json!({"type": "text", "text": ""})),
            delta(2, json!({"type": "text_delta", "text": "潮: "})),
            stop(2),
            begin(3, json!({"type": "text", "text": "", "citations": []})),
            delta(3, json!({"type": "citations_delta", "citation": web})),
            delta(3, json!({"type": "citations_delta", "citation": page})),
            delta(3, json!({"type": "text_delta", "text": "high"})),
            stop(3),
        ],
    );
    let deltas = deltas(&steps);
    let call =
        json!({"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "tide"}});
    assert_eq!(deltas[0]["provider_specific_fields"], json!({"server_blocks": [call]}));
    assert_eq!(deltas[1]["provider_specific_fields"], json!({"server_blocks": [results]}));
    let cited = json!({"url": "https://a.test", "title": "A", "start_index": 3, "end_index": 7});
    assert_eq!(
        deltas[4],
        json!({
            "annotations": [{"type": "url_citation", "url_citation": cited}],
            "provider_specific_fields": {"citations": [web, page]},
        })
    );
    // They go back in front of the text, as a paused turn wants.
    let fields = json!({"server_blocks": [call, results]});
    let message = json!({"role": "assistant", "content": "high", "provider_specific_fields": fields});
    let asked = json!({"messages": [{"role": "user", "content": "x"}, message]});
    let sent = upstream("claude-sonnet-5", &asked).unwrap();
    assert_eq!(sent["messages"][1]["content"], json!([call, results, {"type": "text", "text": "high"}]));
}

#[test]
fn json_written_with_a_tool_is_text() {
    let harness = anthropic();
    let mut stream = harness.stream(&head()).unwrap();
    let steps = said(
        &mut stream,
        &[
            begin(0, json!({"type": "tool_use", "id": "t", "name": "tidegate_json_answer", "input": {}})),
            delta(0, json!({"type": "input_json_delta", "partial_json": "{\"a\":"})),
            delta(0, json!({"type": "input_json_delta", "partial_json": "1}"})),
            stop(0),
            ended("tool_use"),
            MESSAGE_STOP.to_owned(),
        ],
    );
    let text: String =
        deltas(&steps).iter().filter_map(|delta| delta["content"].as_str().map(str::to_owned)).collect();
    assert_eq!(text, "{\"a\":1}");
    assert_eq!(check_chunks(steps.last().unwrap()), ["stop"]);
    let call = json!({"type": "tool_use", "id": "t", "name": "tidegate_json_answer", "input": {"a": 1}});
    let body = json!({"content": [call], "stop_reason": "tool_use"});
    let (status, whole) = harness.response(&head(), body.to_string().as_bytes());
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!((status, &whole["choices"][0]["message"]["content"]), (OK, &json!("{\"a\":1}")));
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
}

#[test]
fn stop_reasons_are_told_with_what_openai_has_no_word_for() {
    let harness = anthropic();
    let details = json!({"type": "refusal", "category": "bio"});
    for (delta, reason, fields) in [
        (json!({"stop_reason": "max_tokens"}), "length", Value::Null),
        (
            json!({"stop_reason": "stop_sequence", "stop_sequence": "END"}),
            "stop",
            json!({"native_finish_reason": "stop_sequence", "stop_sequence": "END"}),
        ),
        (
            json!({"stop_reason": "refusal", "stop_details": details}),
            "content_filter",
            json!({"native_finish_reason": "refusal", "stop_details": details}),
        ),
        (json!({"stop_reason": "pause_turn"}), "stop", json!({"native_finish_reason": "pause_turn"})),
    ] {
        let mut stream = harness.stream(&head()).unwrap();
        stream.event("", start());
        let event = json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 1}});
        stream.event("", event.to_string());
        let last = stream.event("", MESSAGE_STOP);
        assert_eq!(check_chunks(&last), [reason]);
        assert_eq!(last.json()[0]["choices"][0]["provider_specific_fields"], fields);
        assert_eq!(stream.end().status, OK);

        let mut body = delta.clone();
        body["content"] = json!([]);
        let (_, whole) = harness.response(&head(), body.to_string().as_bytes());
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(whole["choices"][0]["finish_reason"], reason);
        assert_eq!(whole["choices"][0]["provider_specific_fields"], fields);
    }
}

#[test]
fn only_message_stop_after_a_reason_is_an_end() {
    let harness = anthropic();
    for events in [
        vec![],
        vec![start(), begin(0, json!({"type": "text", "text": ""})), text("a"), stop(0)],
        vec![start(), text("a"), ended("end_turn")],
        vec![start(), MESSAGE_STOP.to_owned()],
        vec![start(), "[DONE]".to_owned()],
    ] {
        let mut stream = harness.stream(&head()).unwrap();
        let steps = said(&mut stream, &events);
        let finishes: Vec<String> = steps.iter().flat_map(check_chunks).collect();
        assert!(finishes.is_empty(), "{events:?}");
        let end = stream.end();
        assert_eq!((end.status, end.events.len()), (E_TRUNCATED, 0), "{events:?}");
    }
}

#[test]
fn errors_in_every_form_are_the_upstreams() {
    let harness = anthropic();
    for (stray, name, data) in [
        (false, "error", OVERLOADED),
        (false, "", OVERLOADED),
        (true, "", OVERLOADED),
        (true, "", &format!("[{OVERLOADED}\n]")),
        (false, "", r#"{"error":{"message":"x","type":"rate_limit_error"}}"#),
        (false, "error", "slow down"),
    ] {
        let mut stream = harness.stream(&head()).unwrap();
        stream.event("", start());
        let step = stream.play(&EventIn { stray, name, data: data.as_bytes() });
        assert_eq!((step.status, step.events.len()), (E_UPSTREAM, 0), "{data}");
    }
    let mut stream = harness.stream(&head()).unwrap();
    assert_eq!(stream.event("", "no healthy upstream").status, E_PROTOCOL);
}

#[test]
fn whole_bodies() {
    let harness = anthropic();
    let good = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "stop_reason": "end_turn",
        "stop_sequence": null, "content": [{"type": "text", "text": "Hel", "citations": null}, {"type": "text", "text": "lo"}],
        "usage": {"input_tokens": 1, "output_tokens": 2, "output_tokens_details": {"thinking_tokens": 1}},
    });
    let (status, body) = harness.response(&head(), good.to_string().as_bytes());
    let whole: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, OK);
    let told = (&whole["object"], &whole["id"], &whole["model"]);
    assert_eq!(told, (&json!("chat.completion"), &json!("msg_1"), &json!("mine")));
    assert_eq!(whole["choices"][0]["message"], json!({"role": "assistant", "content": "Hello"}));
    assert_eq!(whole["usage"]["total_tokens"], 3);
    assert_eq!(whole["usage"]["completion_tokens_details"]["reasoning_tokens"], 1);
    for (body, want) in [
        (OVERLOADED.to_owned(), E_UPSTREAM),
        (format!("[{OVERLOADED}]"), E_UPSTREAM),
        (r#"{"error":{"message":"x"},"content":[]}"#.to_owned(), E_UPSTREAM),
        (r#"{"type":"message","content":[],"stop_reason":null}"#.to_owned(), E_PROTOCOL),
        (r#"{"type":"message","content":[{}],"stop_reason":"end_turn"}"#.to_owned(), E_PROTOCOL),
        (String::new(), E_PROTOCOL),
        ("{}".to_owned(), E_PROTOCOL),
        (good.to_string()[..90].to_owned(), E_PROTOCOL),
        ("<html>".to_owned(), E_PROTOCOL),
    ] {
        assert_eq!(harness.response(&head(), body.as_bytes()), (want, vec![]), "{body}");
    }
}
