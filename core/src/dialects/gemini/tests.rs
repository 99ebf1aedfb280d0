//! Chat answers as Gemini's, streamed and whole.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dialects::{Dialect, Voice};

fn facts(request: &Value) -> Facts {
    Facts { model: "mine".into(), seed: 7, created: 1, request: request.to_string().into() }
}

/// What a client gets of these chat events, cut at `cut`.
fn told(chunks: &[Value], done: bool, cut: usize) -> Vec<u8> {
    let mut events: Vec<u8> =
        chunks.iter().flat_map(|chunk| format!("data: {chunk}\n\n").into_bytes()).collect();
    if done {
        events.extend_from_slice(b"data: [DONE]\n\n");
    }
    let cut = cut.min(events.len());
    let mut voice = Voice::new(Dialect::GeminiGenerate, Dialect::OpenAiChat, || facts(&json!({})));
    let mut out = voice.take(Bytes::copy_from_slice(&events[..cut])).to_vec();
    out.extend_from_slice(&voice.take(Bytes::copy_from_slice(&events[cut..])));
    out
}

fn events(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).expect("text");
    let events = text.split_terminator("\r\n\r\n");
    events
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").expect("data")).expect("JSON"))
        .collect()
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({"id": "chatcmpl-1", "model": "up", "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn conversation() -> Vec<Value> {
    vec![
        chunk(&json!({"role": "assistant", "content": ""}), None),
        chunk(&json!({"reasoning_content": "hm"}), None),
        chunk(&json!({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "S+/"}]}), None),
        chunk(&json!({"content": "I \"look\".\n"}), None),
        chunk(
            &json!({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""},
            "extra_content": {"google": {"thought_signature": "c2ln"}}}]}),
            None,
        ),
        chunk(
            &json!({"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{\"x\""}}]}),
            None,
        ),
        chunk(
            &json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}, {"index": 1, "function": {"arguments": ":1}"}}]}),
            None,
        ),
        chunk(&json!({}), Some("tool_calls")),
        json!({"id": "chatcmpl-1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}}),
    ]
}

#[test]
fn a_stream_is_geminis_wherever_it_is_split() {
    let whole = told(&conversation(), true, 0);
    let signature = signature::wrap(&signature::Foreign::Signature("S+/".into()));
    let parts = |parts: Value| {
        json!({"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}],
            "modelVersion": "mine", "responseId": "chatcmpl-1"})
    };
    assert_eq!(
        events(&whole),
        [
            parts(json!([{"thought": true, "text": "hm"}])),
            parts(json!([{"thought": true, "text": "", "thoughtSignature": signature}])),
            parts(json!([{"text": "I \"look\".\n"}])),
            json!({
                "candidates": [{
                    "content": {"role": "model", "parts": [
                        {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "c2ln"},
                        {"functionCall": {"id": "b", "name": "g", "args": {"x": 1}}},
                    ]},
                    "finishReason": "STOP", "index": 0,
                }],
                "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 5, "totalTokenCount": 8},
                "modelVersion": "mine", "responseId": "chatcmpl-1",
            }),
        ]
    );
    for event in events(&whole) {
        assert!(matches!(Generate.inspect(b"", event.to_string().as_bytes()), Seen::Chunk(_)), "{event}");
    }
    let length = conversation().iter().map(|chunk| chunk.to_string().len() + 8).sum::<usize>() + 14;
    for cut in 1..=length {
        assert_eq!(told(&conversation(), true, cut), whole, "cut at {cut}");
    }
}

/// A stream that stops after a finish reason is complete to the SDKs, so that none may be there before the end is known.
#[test]
fn no_end_is_told_before_it_came() {
    let out = told(&conversation(), false, 0);
    assert!(!String::from_utf8_lossy(&out).contains("finishReason"));
    let mut voice = Voice::new(Dialect::GeminiGenerate, Dialect::OpenAiChat, || facts(&json!({})));
    let failure = Failure::refusal(429, "slow down");
    assert_eq!(
        voice.error(&failure),
        "data: {\"error\":{\"code\":429,\"message\":\"slow down\",\"status\":\"RESOURCE_EXHAUSTED\"}}\r\n\r\n"
    );
}

#[test]
fn an_array_has_its_error_as_the_last_element() {
    let mut voice = Voice::new(Dialect::GeminiGenerate, Dialect::OpenAiChat, || facts(&json!({}))).array();
    let mut out = voice.take(format!("data: {}\n\n", chunk(&json!({"content": "a"}), None)).into()).to_vec();
    out.extend_from_slice(&voice.error(&Failure::refusal(503, "away")));
    let array: Value = serde_json::from_slice(&out).expect("a whole array");
    assert_eq!(
        (
            array[0]["candidates"][0]["content"]["parts"][0]["text"].as_str(),
            array[1]["error"]["status"].as_str()
        ),
        (Some("a"), Some("UNAVAILABLE"))
    );
    assert_eq!(voice.end(), None);

    let mut same = Voice::new(Dialect::GeminiGenerate, Dialect::GeminiGenerate, || facts(&json!({}))).array();
    let mut out = same.take(Bytes::from_static(b"data: {\"a\":1}\r\n\r\n")).to_vec();
    out.extend_from_slice(&same.end().expect("an end"));
    assert_eq!(out, b"[{\"a\":1}]\r\n");
}

#[test]
fn a_whole_answer_has_all_its_parts() {
    let chat = json!({"id": "c", "choices": [
        {"index": 0, "finish_reason": "length", "message": {
            "content": "b", "reasoning_content": "all", "thinking_blocks": [
                {"type": "thinking", "thinking": "all", "signature": "s"}, {"type": "redacted_thinking", "data": "d"}],
            "images": [{"image_url": {"url": "data:image/png;base64,AA=="}}],
            "annotations": [
                {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}},
                {"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}],
            "provider_specific_fields": {"thought_signatures": ["Z28="]}},
         "logprobs": {"content": [{"token": "b", "logprob": -0.5, "top_logprobs": [{"token": "c", "logprob": -1.0}]}]}},
        {"index": 1, "finish_reason": "content_filter", "provider_specific_fields": {"native_finish_reason": "RECITATION"},
         "message": {"content": null, "refusal": "no"}},
    ], "usage": {"prompt_tokens": 1, "completion_tokens": 2}});
    let answer = Generate.answer(&chat, &facts(&json!({}))).expect("an answer");
    let wrap = |foreign| signature::wrap(&foreign);
    assert_eq!(
        answer["candidates"][0],
        json!({
            "content": {"role": "model", "parts": [
                {"thought": true, "text": "all", "thoughtSignature": wrap(signature::Foreign::Signature("s".into()))},
                {"thought": true, "text": "", "thoughtSignature": wrap(signature::Foreign::Redacted("d".into()))},
                {"text": "b"},
                {"inlineData": {"mimeType": "image/png", "data": "AA=="}, "thoughtSignature": "Z28="},
            ]},
            "finishReason": "MAX_TOKENS", "index": 0,
            "groundingMetadata": {"groundingChunks": [{"web": {"uri": "u", "title": "t"}}],
                "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 1, "text": "b"}, "groundingChunkIndices": [0]}]},
            "logprobsResult": {"chosenCandidates": [{"token": "b", "logProbability": -0.5}],
                "topCandidates": [{"candidates": [{"token": "c", "logProbability": -1.0}]}]},
        })
    );
    assert_eq!(
        answer["candidates"][1],
        json!({"content": {"role": "model", "parts": [{"text": "no"}]}, "finishReason": "RECITATION", "index": 1})
    );
    assert_eq!(answer["usageMetadata"]["totalTokenCount"], 3);
    assert!(
        matches!(Generate.inspect_body(answer.to_string().as_bytes()), Seen::Chunk(chunk) if chunk.finish)
    );
    // Who says that no thoughts are wanted gets none.
    let silent = json!({"generation_config": {"thinking_config": {"include_thoughts": false}}});
    let answer = Generate.answer(&chat, &facts(&silent)).expect("an answer");
    assert_eq!(answer["candidates"][0]["content"]["parts"][0], json!({"text": "b"}));
}

/// Citations name characters of all the text, in whichever pieces it came; Gemini's clients count bytes.
#[test]
fn a_stream_has_its_citations_in_bytes_at_the_end() {
    let words = "Über 潮";
    let cited = json!([{"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 5, "end_index": 6}}]);
    let document = json!({"type": "char_location", "document_title": "D", "cited_text": "w"});
    for cut in words.char_indices().map(|(at, _)| at) {
        let (first, second) = words.split_at(cut);
        let beside = json!({"citations": [document]});
        let deltas = [
            json!({"role": "assistant", "content": first}),
            json!({"content": second, "annotations": cited, "provider_specific_fields": beside}),
        ];
        let mut chunks: Vec<Value> =
            Vec::from(deltas.map(|delta| json!({"choices": [{"index": 0, "delta": delta}]})));
        chunks.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}));
        let text = String::from_utf8(told(&chunks, true, cut * 40)).expect("UTF-8");
        let last = text.trim_end().rsplit("data: ").next().expect("an event");
        let last: Value = serde_json::from_str(last).expect("JSON");
        assert_eq!(
            last["candidates"][0]["groundingMetadata"],
            json!({"groundingChunks": [{"web": {"uri": "u", "title": "t"}}, {"retrievedContext": {"title": "D", "text": "w"}}],
                "groundingSupports": [{"segment": {"startIndex": 6, "endIndex": 9, "text": "潮"}, "groundingChunkIndices": [0]}]}),
            "{cut}"
        );
    }
}

/// Mistral's form.
#[test]
fn content_in_parts_has_its_thoughts_and_its_text() {
    let parts = json!([
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "42."},
    ]);
    let expected = json!([{"thought": true, "text": "hm"}, {"text": "42."}]);
    let message = json!({"choices": [{"index": 0, "message": {"content": parts}, "finish_reason": "stop"}]});
    let whole = |request: Value| {
        answer::of_chat(&message, &facts(&request))["candidates"][0]["content"]["parts"].take()
    };
    assert_eq!(whole(json!({})), expected);
    let unshown = json!({"generationConfig": {"thinkingConfig": {"includeThoughts": false}}});
    assert_eq!(whole(unshown), json!([{"text": "42."}]));
    let chunks = [chunk(&json!({"content": parts}), None), chunk(&json!({}), Some("stop"))];
    let events = events(&told(&chunks, true, 0));
    assert_eq!(events[0]["candidates"][0]["content"]["parts"], expected);
}

#[test]
fn calls_that_share_an_index_are_told_apart_by_their_ids() {
    let fragment = |id: Option<&str>, name: Option<&str>, arguments: &str| {
        let function = json!({"name": name, "arguments": arguments});
        chunk(&json!({"tool_calls": [{"index": 0, "id": id, "function": function}]}), None)
    };
    let chunks = [
        fragment(Some("a"), Some("f"), "{\"x\":1}"),
        fragment(Some("b"), Some("g"), "{\"y\":"),
        fragment(None, None, "2}"),
        chunk(&json!({}), Some("tool_calls")),
    ];
    let events = events(&told(&chunks, true, 0));
    let last = &events.last().expect("an event")["candidates"][0];
    assert_eq!(
        last["content"]["parts"],
        json!([
            {"functionCall": {"name": "f", "args": {"x": 1}, "id": "a"}},
            {"functionCall": {"name": "g", "args": {"y": 2}, "id": "b"}},
        ])
    );
    assert_eq!(last["finishReason"], "STOP");
}

#[test]
fn a_call_whose_arguments_are_broken_is_no_call() {
    let answer = |finish: &str, arguments: &str| {
        let call = json!({"id": "a", "function": {"name": "f", "arguments": arguments}});
        let chat =
            json!({"choices": [{"index": 0, "finish_reason": finish, "message": {"tool_calls": [call]}}]});
        Generate.answer(&chat, &facts(&json!({}))).expect("an answer")["candidates"][0].clone()
    };
    let broken = answer("tool_calls", "{\"x\":");
    assert_eq!(
        (&broken["finishReason"], &broken["content"]["parts"]),
        (&json!("MALFORMED_FUNCTION_CALL"), &json!([{"text": ""}]))
    );
    assert!(broken["finishMessage"].as_str().is_some_and(|why| why.contains("call of \"f\"")), "{broken}");
    assert_eq!(answer("length", "{\"x\":")["finishReason"], "MAX_TOKENS");
    assert_eq!(answer("tool_calls", "[]")["finishReason"], "MALFORMED_FUNCTION_CALL");
    assert_eq!(answer("tool_calls", " ")["content"]["parts"][0]["functionCall"]["args"], json!({}));
}

/// google-genai for Python decodes signatures, and raises at one that is not base64.
#[test]
fn a_signature_that_is_not_base64_is_wrapped() {
    let call = json!({"id": "a", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {"thought_signature": "no base64!"}}});
    let chat =
        json!({"choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"tool_calls": [call]}}]});
    let answer = Generate.answer(&chat, &facts(&json!({}))).expect("an answer");
    let told = answer["candidates"][0]["content"]["parts"][0]["thoughtSignature"].as_str().expect("one");
    assert_eq!(signature::unwrap(told), Some(signature::Foreign::Signature("no base64!".into())));
}
