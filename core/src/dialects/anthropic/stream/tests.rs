use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn facts() -> Facts {
    let request = Bytes::from_static(
        br#"{"model":"claude","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#,
    );
    Facts { model: "claude".to_owned(), seed: 7, created: 1, request }
}

/// The names and data of the events in some bytes.
fn events(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let event = |block: &str| {
        let (name, data) = block.split_once('\n').expect("two lines");
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str(), "a frame's name is its type");
        data
    };
    text.split("\n\n").filter(|block| !block.is_empty()).map(event).collect()
}

fn run(chunks: &[Value]) -> Vec<Value> {
    let (mut encoder, mut out) = (Events::new(facts()), Vec::new());
    chunks.iter().for_each(|chunk| encoder.chunk(chunk, &mut out));
    encoder.done(&mut out);
    let events = events(&out);
    in_order(&events);
    events
}

fn delta(delta: Value) -> Value {
    json!({"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn call(index: u64, id: &str, name: &str, arguments: &str) -> Value {
    let mut call = json!({"index": index, "function": {}});
    if !id.is_empty() {
        call["id"] = json!(id);
        call["function"]["name"] = json!(name);
    }
    call["function"]["arguments"] = json!(arguments);
    delta(json!({"tool_calls": [call]}))
}

/// Blocks begin and end one behind the other, their deltas between; one message around them.
fn in_order(events: &[Value]) {
    let (mut open, mut next) = (None, 0);
    assert_eq!(events.first().map(|event| &event["type"]), Some(&json!("message_start")));
    for event in &events[1..] {
        match event["type"].as_str().expect("a type") {
            "content_block_start" => {
                assert_eq!((open, &event["index"]), (None, &json!(next)), "{event}");
                open = Some(next);
                next += 1;
            }
            "content_block_delta" => {
                assert_eq!(open.map(Value::from), Some(event["index"].clone()), "{event}");
            }
            "content_block_stop" => assert_eq!(open.take().map(Value::from), Some(event["index"].clone())),
            "message_delta" | "message_stop" | "error" => assert_eq!(open, None, "{event}"),
            other => panic!("{other}"),
        }
    }
}

/// The blocks as an SDK puts them together.
fn message(events: &[Value]) -> (Vec<Value>, Value) {
    let (mut content, mut end) = (Vec::<Value>::new(), Value::Null);
    for event in events {
        match event["type"].as_str().expect("a type") {
            "content_block_start" => content.push(event["content_block"].clone()),
            "content_block_delta" => {
                let block = content.last_mut().expect("a block");
                let delta = &event["delta"];
                let mut add = |name: &str, piece: &Value| {
                    let before = block[name].as_str().unwrap_or_default().to_owned();
                    block[name] = json!(before + piece.as_str().expect("text"));
                };
                match delta["type"].as_str().expect("a type") {
                    "text_delta" => add("text", &delta["text"]),
                    "thinking_delta" => add("thinking", &delta["thinking"]),
                    "signature_delta" => add("signature", &delta["signature"]),
                    "input_json_delta" => add("json", &delta["partial_json"]),
                    "citations_delta" => block["citations"] = json!([delta["citation"]]),
                    other => panic!("{other}"),
                }
            }
            "message_delta" => end = event.clone(),
            _ => {}
        }
    }
    (content, end)
}

#[test]
fn a_text() {
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 4}}});
    let events = run(&[
        delta(json!({"role": "assistant", "content": ""})),
        delta(json!({"content": "Ebbe "})),
        delta(json!({"content": "潮"})),
        finish("stop"),
        usage,
    ]);
    let begin = &events[0]["message"];
    assert_eq!(begin["id"], "msg_0000000000000007");
    assert_eq!(
        (&begin["model"], &begin["role"], &begin["content"]),
        (&json!("claude"), &json!("assistant"), &json!([]))
    );
    assert!(begin["usage"]["input_tokens"].as_u64() > Some(10), "an estimate until it is known");
    assert_eq!(begin["stop_reason"], Value::Null);
    assert_eq!(
        events[1..],
        [
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Ebbe "}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "潮"}}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                   "usage": {"input_tokens": 8, "cache_read_input_tokens": 4, "output_tokens": 3}}),
            json!({"type": "message_stop"}),
        ]
    );
}

#[test]
fn a_usage_that_is_told_early_stands_at_the_beginning() {
    let mut first = delta(json!({"content": "x"}));
    first["usage"] = json!({"prompt_tokens": 50, "completion_tokens": 1});
    let events = run(&[first, finish("stop")]);
    assert_eq!(events[0]["message"]["usage"]["input_tokens"], 50);
}

#[test]
fn thoughts_their_proof_and_what_is_redacted() {
    let (content, end) = message(&run(&[
        delta(json!({"reasoning_content": "hm "})),
        delta(json!({"reasoning_content": "so"})),
        delta(json!({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "S"}]})),
        delta(
            json!({"reasoning_content": "again", "thinking_blocks": [{"type": "thinking", "thinking": "again", "signature": null}]}),
        ),
        delta(json!({"thinking_blocks": [{"type": "redacted_thinking", "data": "D"}]})),
        delta(json!({"reasoning": "another's word"})),
        delta(json!({"content": "done"})),
        finish("length"),
    ]));
    assert_eq!(
        content,
        [
            json!({"type": "thinking", "thinking": "hm so", "signature": "S"}),
            json!({"type": "thinking", "thinking": "again", "signature": ""}),
            json!({"type": "redacted_thinking", "data": "D"}),
            json!({"type": "thinking", "thinking": "another's word", "signature": ""}),
            json!({"type": "text", "text": "done"}),
        ]
    );
    assert_eq!(end["delta"]["stop_reason"], "max_tokens");
}

#[test]
fn a_call_is_told_as_it_comes() {
    let (mut encoder, mut out) = (Events::new(facts()), Vec::new());
    encoder.chunk(&call(0, "call_1", "f", ""), &mut out);
    encoder.chunk(&call(0, "", "", "{\"a\":"), &mut out);
    let before = events(&out);
    assert_eq!(
        before.last().expect("one")["delta"],
        json!({"type": "input_json_delta", "partial_json": "{\"a\":"})
    );
    encoder.chunk(&call(0, "", "", "1}"), &mut out);
    // The second begins as soon as it comes: the first is whole.
    encoder.chunk(&call(1, "call_2", "g", ""), &mut out);
    assert_eq!(events(&out).last().expect("one")["content_block"]["name"], "g");
    encoder.chunk(&finish("tool_calls"), &mut out);
    encoder.done(&mut out);
    in_order(&events(&out));
    let (content, end) = message(&events(&out));
    assert_eq!(
        content,
        [
            json!({"type": "tool_use", "id": "call_1", "name": "f", "input": {}, "json": "{\"a\":1}"}),
            json!({"type": "tool_use", "id": "call_2", "name": "g", "input": {}}),
        ]
    );
    assert_eq!(end["delta"]["stop_reason"], "tool_use");
}

#[test]
fn calls_that_interleave_become_blocks_that_follow() {
    let (content, _) = message(&run(&[
        delta(json!({"content": "I look."})),
        call(0, "a", "f", "{\"x\":"),
        call(1, "b", "g", "{\"s\":\"}"),
        call(2, "c", "h", ""),
        call(1, "", "", "\\\"\"}"),
        call(0, "", "", "[1]}"),
        call(0, "", "", " "),
        call(2, "", "", "{}"),
        finish("tool_calls"),
    ]));
    assert_eq!(
        content,
        [
            json!({"type": "text", "text": "I look."}),
            json!({"type": "tool_use", "id": "a", "name": "f", "input": {}, "json": "{\"x\":[1]}"}),
            json!({"type": "tool_use", "id": "b", "name": "g", "input": {}, "json": "{\"s\":\"}\\\"\"}"}),
            json!({"type": "tool_use", "id": "c", "name": "h", "input": {}, "json": "{}"}),
        ]
    );
}

#[test]
fn calls_are_told_apart_however_a_server_numbers_them() {
    let (content, end) = message(&run(&[
        call(0, "a", "f", "{}"),
        call(0, "b", "g", "{}"),
        delta(
            json!({"tool_calls": [{"id": "c", "function": {"name": "h", "arguments": "{}"}}, {"function": {"name": "i", "arguments": "{}"}}]}),
        ),
        finish("stop"),
    ]));
    let names: Vec<&str> = content.iter().map(|block| block["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["f", "g", "h", "i"]);
    assert_eq!(end["delta"]["stop_reason"], "tool_use", "whatever the server calls it");
    assert!(content[3]["id"].as_str().expect("an id").starts_with("toolu_"));
}

/// As Ollama and Dynamo send them: one index for all, an id with each first fragment, and none with the others.
#[test]
fn calls_that_share_an_index_go_on_by_their_ids() {
    let (content, _) = message(&run(&[
        call(0, "a", "f", "{\"x\":1}"),
        call(0, "b", "g", ""),
        call(0, "", "", "{\"y\":"),
        call(0, "", "", "2}"),
        finish("tool_calls"),
    ]));
    assert_eq!(
        content,
        [
            json!({"type": "tool_use", "id": "a", "name": "f", "input": {}, "json": "{\"x\":1}"}),
            json!({"type": "tool_use", "id": "b", "name": "g", "input": {}, "json": "{\"y\":2}"}),
        ]
    );
}

#[test]
fn a_signature_travels_in_the_id() {
    let mut one = call(0, "a", "f", "{}");
    one["choices"][0]["delta"]["tool_calls"][0]["extra_content"] =
        json!({"google": {"thought_signature": "a+/="}});
    let (content, _) = message(&run(&[one, finish("tool_calls")]));
    assert_eq!(content[0]["id"], "a__thought__a-_");
}

#[test]
fn citations_belong_to_their_text() {
    let own = json!({"type": "char_location", "cited_text": "c", "document_index": 0, "document_title": null, "start_char_index": 0, "end_char_index": 1});
    let (content, _) = message(&run(&[
        delta(json!({"content": "so", "provider_specific_fields": {"citations": [own]},
            "annotations": [{"type": "url_citation", "url_citation": {"url": "https://no"}}]})),
        finish("stop"),
    ]));
    assert_eq!(content[0]["citations"], json!([own]));
    let (content, _) = message(&run(&[
        delta(json!({"content": "so"})),
        delta(
            json!({"annotations": [{"type": "url_citation", "url_citation": {"url": "https://h", "title": "T", "start_index": 0, "end_index": 2}}]}),
        ),
        finish("stop"),
    ]));
    assert_eq!(
        content[0]["citations"],
        json!([{"type": "web_search_result_location", "url": "https://h", "title": "T", "cited_text": "", "encrypted_index": ""}])
    );
}

#[test]
fn an_end_is_told_in_anthropics_words() {
    let end = |choice: Value| message(&run(&[json!({"choices": [choice]})])).1["delta"].clone();
    let fields = |fields: Value| json!({"finish_reason": "stop", "provider_specific_fields": fields});
    for (choice, reason, sequence) in [
        (json!({"finish_reason": "stop"}), "end_turn", Value::Null),
        (json!({"finish_reason": "length"}), "max_tokens", Value::Null),
        (json!({"finish_reason": "content_filter"}), "refusal", Value::Null),
        (json!({"finish_reason": "tool_calls"}), "end_turn", Value::Null),
        (json!({"finish_reason": "eos"}), "end_turn", Value::Null),
        (json!({"finish_reason": "stop", "delta": {"refusal": "I will not."}}), "refusal", Value::Null),
        (json!({"finish_reason": "stop", "stop_reason": "END"}), "stop_sequence", json!("END")),
        (json!({"finish_reason": "stop", "stop_reason": 128}), "end_turn", Value::Null),
        (fields(json!({"stop_sequence": "END"})), "stop_sequence", json!("END")),
        (fields(json!({"native_finish_reason": "pause_turn"})), "pause_turn", Value::Null),
        (
            fields(json!({"native_finish_reason": "model_context_window_exceeded"})),
            "model_context_window_exceeded",
            Value::Null,
        ),
        (fields(json!({"native_finish_reason": "STOP"})), "end_turn", Value::Null),
    ] {
        assert_eq!(
            end(choice.clone()),
            json!({"stop_reason": reason, "stop_sequence": sequence}),
            "{choice}"
        );
    }
}

#[test]
fn a_failure_is_one_event() {
    let (mut encoder, mut out) = (Events::new(facts()), Vec::new());
    encoder.chunk(&delta(json!({"content": "x"})), &mut out);
    let before = out.len();
    encoder.error(&Failure::refusal(429, "slow down"), &mut out);
    assert_eq!(
        std::str::from_utf8(&out[before..]).expect("UTF-8"),
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow down\"}}\n\n"
    );
}

fn fragment() -> impl Strategy<Value = (u64, Value)> {
    let argument =
        prop_oneof![Just("{\"a\":\""), Just("\"}"), Just("{}"), Just(""), Just("\\\""), Just("["), Just("]")];
    (0..3u64, argument)
        .prop_map(|(index, argument)| (index, call(index, &format!("c{index}"), "f", argument)))
}

proptest! {
    /// Whatever comes, blocks are well formed; and as long as no call goes on behind its own end, nothing is lost.
    #[test]
    fn no_piece_is_lost(pieces in proptest::collection::vec(prop_oneof![
        fragment().prop_map(|(_, chunk)| chunk),
        "[a-z]{1,3}".prop_map(|text| delta(json!({"content": text}))),
        "[a-z]{1,3}".prop_map(|text| delta(json!({"reasoning_content": text}))),
    ], 0..12)) {
        let mut chunks = pieces.clone();
        chunks.push(finish("stop"));
        let (content, _) = message(&run(&chunks));
        let joined = |name: &str| content.iter().filter_map(|block| block[name].as_str()).collect::<String>();
        let sent = |path: &str| pieces.iter().filter_map(|chunk| chunk.pointer(path)?.as_str()).collect::<String>();
        prop_assert_eq!(joined("text"), sent("/choices/0/delta/content"));
        prop_assert_eq!(joined("thinking"), sent("/choices/0/delta/reasoning_content"));
        let calls = content.iter().filter(|block| block["type"] == "tool_use").count();
        let mut indices: Vec<u64> = pieces.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta/tool_calls/0/index")?.as_u64()).collect();
        indices.sort_unstable();
        indices.dedup();
        prop_assert_eq!(calls, indices.len());
    }

    /// How the pieces are cut changes nothing of the message.
    #[test]
    fn any_split_of_the_arguments_is_the_same_call(cuts in proptest::collection::vec(0..30usize, 0..6)) {
        let arguments = r#"{"a":"}{\"","b":[1,{"c":2}]}"#;
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(arguments.len())).chain([0, arguments.len()]).collect();
        cuts.sort_unstable();
        let mut chunks = vec![call(0, "a", "f", "")];
        chunks.extend(cuts.windows(2).map(|cut| call(0, "", "", &arguments[cut[0]..cut[1]])));
        chunks.extend([call(1, "b", "g", "{}"), finish("tool_calls")]);
        let (content, _) = message(&run(&chunks));
        prop_assert_eq!(&content[0]["json"], arguments);
        prop_assert_eq!(&content[1]["json"], "{}");
    }
}
