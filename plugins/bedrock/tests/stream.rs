//! Bedrock's streams and bodies as OpenAI chunks and completions.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{E_PROTOCOL, E_TRUNCATED, E_UPSTREAM, NOTE_DONE, OK, bedrock, head, recording};
use serde_json::{Value, json};
use tidegate_plugin_sdk::harness::{Ending, ToolCall};
use tidegate_plugin_sdk::{ErrorKind, FailureIn, HeadIn, Headers, Phase};

/// Fails unless each event has the shape that an OpenAI SDK demands of a chunk.
fn check_chunks(chunks: &[Value]) {
    for chunk in chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
        assert!(chunk["id"].as_str().is_some_and(|id| !id.is_empty()), "{chunk}");
        assert!(chunk["created"].is_u64() && chunk["model"].is_string(), "{chunk}");
        let choices = chunk["choices"].as_array().expect("choices");
        assert!(!choices.is_empty() || chunk["usage"].is_object(), "{chunk}");
        for choice in choices {
            let delta = choice["delta"].as_object().expect("delta");
            assert!(delta.get("content").is_none_or(Value::is_string), "{chunk}");
            for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                assert!(call["index"].is_u64() && call["function"]["arguments"].is_string(), "{chunk}");
            }
        }
    }
}

#[test]
fn a_good_stream() {
    let told = bedrock().replay(&recording("text"));
    assert_eq!(told.ending, Ending::Done);
    assert_eq!(
        (told.text().as_str(), told.finish().as_deref()),
        ("Die Flut steigt über das 潮 🌊 ", Some("stop"))
    );
    check_chunks(&told.json());
    assert_eq!(told.json()[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    assert_eq!(told.json()[1]["choices"][0]["delta"], json!({"content": "Die Flut "}));
    assert_eq!(told.notes, [(1, 12), (2, 20), NOTE_DONE]);
    assert_eq!(
        told.usage().unwrap(),
        json!({
            "prompt_tokens": 12, "completion_tokens": 20, "total_tokens": 32,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_creation_tokens": 0},
        })
    );
}

#[test]
fn calls_come_in_pieces_and_one_without_input_has_an_empty_object() {
    let told = bedrock().replay(&recording("tools"));
    assert_eq!((&told.ending, told.finish().as_deref()), (&Ending::Done, Some("tool_calls")));
    check_chunks(&told.json());
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    assert_eq!(
        told.tool_calls(),
        [
            call("tooluse_Zp1", "get_weather", "{\"city\": \"Zürich 潮\", \"days\": 3}"),
            call("tooluse_Zp2", "now", "{}")
        ]
    );
    let first = told.json().into_iter().find(|chunk| chunk["choices"][0]["delta"]["tool_calls"].is_array());
    assert_eq!(first.unwrap()["choices"][0]["delta"]["tool_calls"][0]["type"], "function");
}

#[test]
fn thoughts_keep_their_signatures_and_what_is_redacted() {
    let told = bedrock().replay(&recording("thinking"));
    let chunks = told.json();
    let of = |name: &str| -> Vec<Value> {
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"].get(name).cloned()).collect()
    };
    assert_eq!(of("reasoning_content"), ["First ", "this."]);
    assert_eq!(
        of("thinking_blocks"),
        [
            json!([{"type": "thinking", "thinking": "", "signature": "EqQBCgIYAhIkSIG+/=="}]),
            json!([{"type": "redacted_thinking", "data": "RXR3Q0NrZ0lEeEE="}]),
        ]
    );
    assert_eq!((told.text().as_str(), &told.ending), ("Done.", &Ending::Done));
    let usage = chunks.last().unwrap()["usage"].clone();
    assert_eq!(
        usage,
        json!({
            "prompt_tokens": 120, "completion_tokens": 20, "total_tokens": 140,
            "prompt_tokens_details": {"cached_tokens": 64, "cache_creation_tokens": 30},
        })
    );
    assert!(told.notes.contains(&(1, 120)) && told.notes.contains(&(3, 64)), "{:?}", told.notes);
}

#[test]
fn citations_stand_for_their_text_and_have_anthropics_words() {
    let told = bedrock().replay(&recording("citations"));
    check_chunks(&told.json());
    let delta = &told.json()[2]["choices"][0]["delta"];
    assert_eq!(
        *delta,
        json!({
            "annotations": [{"type": "url_citation", "url_citation": {
                "url": "https://example.com/tide", "title": "Tides", "start_index": 0, "end_index": 20}}],
            "provider_specific_fields": {"citations": [{"type": "web_search_result_location", "url": "https://example.com/tide",
                "title": "Tides", "cited_text": "High water", "encrypted_index": ""}]},
        })
    );
}

/// Wherever a block's text is cut, and whether its citation comes before it, within it or behind it.
#[test]
fn citations_do_not_depend_on_the_pieces() {
    let words = "Über 潮.";
    let page =
        json!({"title": "T", "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}});
    let web = json!({"title": "W", "location": {"web": {"url": "https://h/"}}});
    let delta = |index: u8, delta: Value| json!({"contentBlockIndex": index, "delta": delta}).to_string();
    for cut in words.char_indices().map(|(at, _)| at) {
        for place in 0..3 {
            let (first, second) = words.split_at(cut);
            let mut said = vec![delta(1, json!({"text": first})), delta(1, json!({"text": second}))];
            said.insert(place, delta(1, json!({"citation": web})));
            said.insert(place, delta(1, json!({"citation": page})));
            said.insert(0, delta(0, json!({"text": "Ebbe "})));
            let harness = bedrock();
            let mut stream = harness.stream(&head()).unwrap();
            let mut told: Vec<Value> = Vec::new();
            for event in said {
                told.extend(stream.event("contentBlockDelta", event).json());
            }
            assert!(told.iter().all(|chunk| chunk["choices"][0]["delta"].get("annotations").is_none()));
            let told = stream.event("contentBlockStop", r#"{"contentBlockIndex":1}"#).json();
            let delta = &told[0]["choices"][0]["delta"];
            let cited = &delta["annotations"][0]["url_citation"];
            assert_eq!(
                (&cited["start_index"], &cited["end_index"]),
                (&json!(5), &json!(12)),
                "{cut} {place}"
            );
            let kinds = delta["provider_specific_fields"]["citations"].as_array().unwrap().iter();
            let kinds: Vec<&str> = kinds.map(|citation| citation["type"].as_str().unwrap()).collect();
            assert_eq!(kinds, ["page_location", "web_search_result_location"]);
            stream.event("messageStop", r#"{"stopReason":"end_turn"}"#);
            assert_eq!(stream.end().status, OK);
        }
    }
}

#[test]
fn a_tool_of_bedrocks_own_is_nothing_to_answer() {
    let told = bedrock().replay(&recording("own-tool"));
    assert_eq!((told.tool_calls().len(), told.finish().as_deref()), (0, Some("stop")));
    assert_eq!((told.text().as_str(), &told.ending), ("Found.", &Ending::Done));
}

#[test]
fn the_last_word_says_why() {
    for (name, reason, fields) in [
        ("stop-sequence", "stop", json!({"native_finish_reason": "stop_sequence", "stop_sequence": "END"})),
        ("guardrail", "content_filter", json!({"native_finish_reason": "guardrail_intervened"})),
    ] {
        let told = bedrock().replay(&recording(name));
        assert_eq!(told.finish().as_deref(), Some(reason), "{name}");
        let choice = told.json().iter().rev().map(|chunk| chunk["choices"][0].clone()).find(Value::is_object);
        assert_eq!(choice.unwrap()["provider_specific_fields"], fields, "{name}");
    }
}

#[test]
fn exceptions_are_classified_by_their_frames() {
    for (name, text, status, kind, code) in [
        ("throttled", "Die Flut steigt über das 潮 🌊 ", 429, ErrorKind::RateLimit, "ThrottlingException"),
        ("throttled-first", "", 429, ErrorKind::RateLimit, "ThrottlingException"),
        (
            "model-error",
            "Die Flut steigt über das 潮 🌊 ",
            500,
            ErrorKind::Server,
            "ModelStreamErrorException",
        ),
        ("unknown-error", "Die Flut steigt über das 潮 🌊 ", 500, ErrorKind::Server, "InternalFailure"),
    ] {
        let told = bedrock().replay(&recording(name));
        assert_eq!(told.text(), text, "{name}");
        let Ending::Upstream(class) = told.ending else { panic!("{name}: {:?}", told.ending) };
        assert_eq!(
            (class.http_status, class.error, class.code.as_deref()),
            (status, kind, Some(code)),
            "{name}"
        );
        assert!(class.retryable && class.message.is_some(), "{name}: {class:?}");
    }
}

#[test]
fn what_breaks_off_is_truncated_and_an_end_without_counts_is_an_end() {
    for name in ["cut", "no-stop"] {
        assert_eq!(bedrock().replay(&recording(name)).ending, Ending::Truncated, "{name}");
    }
    let told = bedrock().replay(&recording("no-metadata"));
    assert_eq!((&told.ending, told.usage()), (&Ending::Done, None));
}

#[test]
fn no_end_is_invented() {
    for name in
        ["text", "tools", "thinking", "citations", "own-tool", "stop-sequence", "throttled", "model-error"]
    {
        assert_eq!(bedrock().invented_ends(&recording(name)), Vec::<usize>::new(), "{name}");
    }
}

#[test]
fn counts_may_come_before_the_end() {
    let harness = bedrock();
    let mut stream = harness.stream(&head()).unwrap();
    assert_eq!(
        stream.event("metadata", r#"{"usage":{"inputTokens":1,"outputTokens":2}}"#).notes,
        [(1, 1), (2, 2)]
    );
    assert_eq!(stream.event("messageStop", r#"{"stopReason":"end_turn"}"#).notes, [NOTE_DONE]);
    assert_eq!(stream.end().status, OK);
}

#[test]
fn awss_request_id_names_the_answer() {
    let head = HeadIn { headers: Headers(vec![("x-amzn-requestid", "7d0f")]), ..head() };
    let harness = bedrock();
    let mut stream = harness.stream(&head).unwrap();
    let step = stream.event("messageStart", r#"{"role":"assistant"}"#);
    assert_eq!(
        step.json(),
        [json!({
            "id": "chatcmpl-7d0f", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "mine",
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": null, "finish_reason": null}],
        })]
    );
}

/// Else it would look like a model that has nothing to say.
#[test]
fn a_model_that_failed_is_an_error_and_no_empty_answer() {
    for word in ["malformed_model_output", "malformed_tool_use"] {
        let harness = bedrock();
        let mut stream = harness.stream(&head()).unwrap();
        let data = json!({"stopReason": word}).to_string();
        assert_eq!(stream.event("messageStop", &data).status, E_UPSTREAM, "{word}");
        let body = json!({"output": {"message": {"role": "assistant", "content": []}}, "stopReason": word});
        assert_eq!(whole(&body), (E_UPSTREAM, Value::Null), "{word}");
        for (phase, event, body) in
            [(Phase::Stream, "messageStop", data), (Phase::Body, "", body.to_string())]
        {
            let failure =
                FailureIn { phase, http_status: 200, event, body: body.as_bytes(), ..FailureIn::default() };
            let class = harness.classify(&failure).unwrap();
            assert_eq!((class.http_status, class.retryable, class.code.as_deref()), (502, true, Some(word)));
            assert!(class.message.is_some_and(|message| message.ends_with(word)));
        }
    }
}

#[test]
fn events_of_tomorrow_say_nothing_and_bad_ones_are_malformed() {
    let harness = bedrock();
    for (name, data, want) in [
        ("someFutureEvent", r#"{"x":1}"#, OK),
        ("contentBlockStart", r#"{"contentBlockIndex":0,"start":{"somethingElse":{}}}"#, OK),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"somethingElse":{}}}"#, OK),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":""}}"#, OK),
        ("contentBlockDelta", r#"{"delta":{"text":"x"}}"#, E_PROTOCOL),
        ("contentBlockDelta", r#"{"contentBlockIndex":5,"delta":{"toolUse":{"input":"x"}}}"#, E_PROTOCOL),
        ("messageStop", "{}", E_PROTOCOL),
        ("messageStart", "no", E_PROTOCOL),
        ("", r#"{"message":"no"}"#, E_UPSTREAM),
        ("", r#"{"Message":"no","__type":"x#ThrottlingException"}"#, E_UPSTREAM),
        ("", r#"{"output":{}}"#, E_PROTOCOL),
        ("", "text", E_PROTOCOL),
        ("throttlingException", r#"{"message":"x"}"#, E_UPSTREAM),
    ] {
        let mut stream = harness.stream(&head()).unwrap();
        let step = stream.event(name, data);
        assert_eq!((step.status, step.events.len()), (want, 0), "{name} {data}");
        assert_eq!(stream.end().status, E_TRUNCATED, "{name} {data}");
    }
}

fn whole(body: &Value) -> (i32, Value) {
    let (status, body) = bedrock().response(&head(), body.to_string().as_bytes());
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[test]
fn whole_bodies() {
    let (status, completion) = whole(&json!({
        "metrics": {"latencyMs": 1},
        "output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "S"}}},
            {"reasoningContent": {"redactedContent": "UQ=="}},
            {"text": "High "},
            {"citationsContent": {"content": [{"text": "water."}], "citations": [{"title": "T", "location": {"web": {"url": "https://h/"}}}]}},
            {"image": {"format": "jpeg", "source": {"bytes": "QQ=="}}},
            {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": [1, "ü"]}}},
            {"toolUse": {"toolUseId": "t2", "name": "own", "input": {}, "type": "server_tool_use"}},
            {"audio": {"format": "mp3"}},
        ]}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 2, "outputTokens": 5, "totalTokens": 1329, "cacheReadInputTokens": 1322, "cacheWriteInputTokens": 0},
    }));
    assert_eq!(status, OK);
    assert_eq!((&completion["object"], &completion["model"]), (&json!("chat.completion"), &json!("mine")));
    let choice = &completion["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(
        choice["message"],
        json!({
            "role": "assistant", "content": "High water.", "reasoning_content": "Hm.",
            "thinking_blocks": [
                {"type": "thinking", "thinking": "Hm.", "signature": "S"},
                {"type": "redacted_thinking", "data": "UQ=="},
            ],
            "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":[1,\"ü\"]}"}}],
            "images": [{"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,QQ=="}}],
            "annotations": [{"type": "url_citation", "url_citation": {"url": "https://h/", "title": "T", "start_index": 5, "end_index": 11}}],
            "provider_specific_fields": {
                "citations": [{"type": "web_search_result_location", "url": "https://h/", "title": "T", "cited_text": "",
                    "encrypted_index": ""}],
                "blocks": [{"audio": {"format": "mp3"}}],
            },
        })
    );
    let usage = &completion["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["total_tokens"]), (&json!(1324), &json!(1329)));
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 1322);
}

#[test]
fn a_body_that_is_no_whole_answer_is_none() {
    let answer = json!({"output": {"message": {"role": "assistant", "content": [{"text": "x"}]}}});
    for (body, want) in [
        (answer, E_PROTOCOL),
        (json!({"stopReason": "end_turn"}), E_PROTOCOL),
        (json!({"output": {}, "stopReason": "end_turn"}), E_PROTOCOL),
        (json!({"output": 7, "stopReason": "end_turn"}), E_PROTOCOL),
        (json!({"message": "Too many requests"}), E_UPSTREAM),
        (json!([]), E_PROTOCOL),
        (json!({}), E_PROTOCOL),
    ] {
        assert_eq!(whole(&body), (want, Value::Null), "{body}");
    }
    assert_eq!(bedrock().response(&head(), b"<html>"), (E_PROTOCOL, vec![]));
}

#[test]
fn an_answer_goes_back_as_it_came() {
    let blocks = json!([
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "S"}}},
        {"reasoningContent": {"redactedContent": "UQ=="}},
        {"text": "Moment."},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "f", "input": {"a": 1}}},
    ]);
    let (_, completion) = whole(&json!({
        "output": {"message": {"role": "assistant", "content": blocks}}, "stopReason": "tool_use",
    }));
    let message = &completion["choices"][0]["message"];
    let result = json!({"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "2"});
    let body = json!({"messages": [{"role": "user", "content": "x"}, message, result]});
    let sent = common::upstream(common::CLAUDE, &body).unwrap();
    assert_eq!(sent["messages"][1]["content"], blocks);
    assert_eq!(sent["messages"][2]["content"][0]["toolResult"]["toolUseId"], "tooluse_1");
}
