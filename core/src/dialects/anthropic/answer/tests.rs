use bytes::Bytes;
use serde_json::{Value, json};

use super::*;

fn facts() -> Facts {
    Facts {
        model: "claude".to_owned(),
        seed: 9,
        created: 1,
        request: Bytes::from_static(b"{\"messages\":[]}"),
    }
}

fn answer(message: Value, choice: Value, usage: Value) -> Value {
    let mut whole = json!({"index": 0, "message": message});
    choice.as_object().expect("an object").iter().for_each(|(name, value)| whole[name] = value.clone());
    of_chat(&json!({"id": "c", "object": "chat.completion", "choices": [whole], "usage": usage}), &facts())
}

#[test]
fn a_whole_answer_has_all_its_blocks() {
    let message = json!({
        "role": "assistant", "content": "I look it up.", "reasoning_content": "hm",
        "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "S"}, {"type": "redacted_thinking", "data": "D"}],
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": [1]}"}},
            {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": ""},
             "extra_content": {"google": {"thought_signature": "QUI="}}},
            {"id": "call_3", "type": "function", "function": {"name": "h", "arguments": "{\"cut"}},
        ],
    });
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 4, "completion_tokens_details": {"reasoning_tokens": 2}});
    assert_eq!(
        answer(message, json!({"finish_reason": "tool_calls"}), usage),
        json!({
            "id": "msg_0000000000000009", "type": "message", "role": "assistant", "model": "claude",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "S"},
                {"type": "redacted_thinking", "data": "D"},
                {"type": "text", "text": "I look it up."},
                {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": [1]}},
                {"type": "tool_use", "id": "call_2__thought__QUI", "name": "g", "input": {}},
                {"type": "tool_use", "id": "call_3", "name": "h", "input": {"INVALID_JSON": "{\"cut"}},
            ],
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {"input_tokens": 9, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0,
                      "output_tokens": 4, "output_tokens_details": {"thinking_tokens": 2}},
        })
    );
}

#[test]
fn thoughts_without_blocks_are_thoughts_all_the_same() {
    let said =
        |message: Value| answer(message, json!({"finish_reason": "stop"}), Value::Null)["content"].clone();
    assert_eq!(
        said(json!({"content": "x", "reasoning": "hm"})),
        json!([{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "x"}])
    );
    assert_eq!(
        said(
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "x"}]})
        ),
        json!([{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "x"}])
    );
    assert_eq!(said(json!({"content": null})), json!([]));
}

#[test]
fn what_was_not_counted_is_estimated() {
    let whole = answer(json!({"content": "x".repeat(40)}), json!({"finish_reason": "stop"}), Value::Null);
    assert_eq!((&whole["usage"]["input_tokens"], &whole["usage"]["output_tokens"]), (&json!(3), &json!(10)));
}

#[test]
fn citations_and_stop_sequences() {
    let message = json!({"content": "x", "annotations": [{"type": "url_citation", "url_citation": {"url": "https://h"}}]});
    let choice = json!({"finish_reason": "stop", "provider_specific_fields": {"stop_sequence": "END"}});
    let whole = answer(message, choice, Value::Null);
    assert_eq!(
        whole["content"][0]["citations"],
        json!([{"type": "web_search_result_location", "url": "https://h", "title": null, "cited_text": "", "encrypted_index": ""}])
    );
    assert_eq!((&whole["stop_reason"], &whole["stop_sequence"]), (&json!("stop_sequence"), &json!("END")));
}
