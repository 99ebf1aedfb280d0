//! The wires that providers are asked by, and for each an answer that has all it can have. A new wire is a variant, the end
//! of its address, a whole answer, and how that is streamed.

use serde_json::{Value, json};
use tidegate_sim::Script;

/// What a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// OpenAI chat completions.
    Chat,
    /// OpenAI's legacy completions.
    Completion,
    /// OpenAI's embeddings.
    Embeddings,
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages, also on Vertex AI.
    Messages,
    /// Google's `generateContent`.
    Gemini,
    /// The Gemini API's `batchEmbedContents`.
    GoogleEmbed,
    /// Vertex AI's `predict`.
    GooglePredict,
    /// Bedrock's Converse.
    Converse,
    /// Ollama's `/api/chat`.
    Ollama,
    /// Ollama's `/api/embed`.
    OllamaEmbed,
}

/// How an address ends, without its query.
const ENDS: &[(&str, Wire)] = &[
    ("/chat/completions", Wire::Chat),
    ("/completions", Wire::Completion),
    ("/embeddings", Wire::Embeddings),
    ("/responses", Wire::Responses),
    ("/messages", Wire::Messages),
    (":rawPredict", Wire::Messages),
    (":streamRawPredict", Wire::Messages),
    (":generateContent", Wire::Gemini),
    (":streamGenerateContent", Wire::Gemini),
    (":batchEmbedContents", Wire::GoogleEmbed),
    (":predict", Wire::GooglePredict),
    ("/converse", Wire::Converse),
    ("/converse-stream", Wire::Converse),
    ("/api/chat", Wire::Ollama),
    ("/api/embed", Wire::OllamaEmbed),
];

impl Wire {
    /// The one at an address.
    ///
    /// # Panics
    /// The address is none that is known here.
    pub(super) fn at(target: &str) -> Self {
        let path = target.split('?').next().unwrap_or_default();
        let found = ENDS.iter().find(|(end, _)| path.ends_with(end));
        found.unwrap_or_else(|| panic!("{path} is no wire's")).1
    }

    /// The bytes of an answer, and what stands in them.
    pub(super) fn answer(self, stream: bool) -> (Script, String) {
        if !stream {
            let text = whole(self).to_string();
            return (Script::json(200, text.clone()), text);
        }
        let events = events(self);
        let text = events.concat();
        let script = match self {
            Self::Converse => {
                let framed = events.iter().flat_map(|event| tidegate_sim::bedrock_frame(event, 0));
                let script = Script::new(200).header("content-type", "application/vnd.amazon.eventstream");
                script.write(framed.collect::<Vec<u8>>())
            }
            Self::Ollama => {
                Script::new(200).header("content-type", "application/x-ndjson").write(text.clone())
            }
            _ => Script::sse().write(text.clone()),
        };
        (script, text)
    }
}

/// The signature of a thought.
pub(super) const SIGNATURE: &str = "cHJvYmUtYmFjaw";

/// The whole answer.
fn whole(wire: Wire) -> Value {
    match wire {
        Wire::Chat => json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "probe-answer",
                    "reasoning_content": "probe-thought",
                    "annotations": [{"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 5,
                        "url": "https://probe.example/cite", "title": "t"}}],
                    "tool_calls": [
                        {"id": "call_a", "type": "function", "function": {"name": "probe_call_a", "arguments": "{\"k\":\"probe-arg-a\"}"}},
                        {"id": "call_b", "type": "function", "function": {"name": "probe_call_b", "arguments": "{\"k\":\"probe-arg-b\"}"}}]},
                 "logprobs": {"content": [{"token": "probe-token", "logprob": -0.5, "bytes": [1], "top_logprobs": []}], "refusal": null},
                 "finish_reason": "tool_calls"},
                {"index": 1, "message": {"role": "assistant", "content": "probe-second"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1201, "completion_tokens": 2203, "total_tokens": 3404,
                "prompt_tokens_details": {"cached_tokens": 641}, "completion_tokens_details": {"reasoning_tokens": 733}}}),
        Wire::Responses => json!({
            "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "error": null,
            "incomplete_details": null, "instructions": null, "metadata": {}, "parallel_tool_calls": true,
            "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto", "tools": [],
            "output": [
                {"id": "rs_1", "type": "reasoning", "encrypted_content": "cHJvYmUtYmFjaw",
                 "summary": [{"type": "summary_text", "text": "probe-thought"}]},
                {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
                 "content": [{"type": "output_text", "text": "probe-answer",
                    "logprobs": [{"token": "probe-token", "logprob": -0.5, "bytes": [1], "top_logprobs": []}],
                    "annotations": [{"type": "url_citation", "start_index": 0, "end_index": 5,
                        "url": "https://probe.example/cite", "title": "t"}]}]},
                {"id": "fc_1", "type": "function_call", "call_id": "call_a", "name": "probe_call_a",
                 "arguments": "{\"k\":\"probe-arg-a\"}", "status": "completed"},
                {"id": "fc_2", "type": "function_call", "call_id": "call_b", "name": "probe_call_b",
                 "arguments": "{\"k\":\"probe-arg-b\"}", "status": "completed"}],
            "usage": {"input_tokens": 1201, "input_tokens_details": {"cached_tokens": 641}, "output_tokens": 2203,
                "output_tokens_details": {"reasoning_tokens": 733}, "total_tokens": 3404}}),
        Wire::Messages => json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [
                {"type": "thinking", "thinking": "probe-thought", "signature": "cHJvYmUtYmFjaw"},
                {"type": "text", "text": "probe-answer", "citations": [{"type": "web_search_result_location",
                    "url": "https://probe.example/cite", "title": "t", "encrypted_index": "x", "cited_text": "probe"}]},
                {"type": "tool_use", "id": "call_a", "name": "probe_call_a", "input": {"k": "probe-arg-a"}},
                {"type": "tool_use", "id": "call_b", "name": "probe_call_b", "input": {"k": "probe-arg-b"}}],
            "stop_reason": "stop_sequence", "stop_sequence": "probe-stopped",
            "usage": {"input_tokens": 560, "cache_read_input_tokens": 641, "cache_creation_input_tokens": 0,
                "output_tokens": 2203}}),
        Wire::Gemini => json!({
            "candidates": [
                {"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [
                    {"thought": true, "text": "probe-thought"},
                    {"text": "probe-answer"},
                    {"functionCall": {"name": "probe_call_a", "args": {"k": "probe-arg-a"}}, "thoughtSignature": "cHJvYmUtYmFjaw"},
                    {"functionCall": {"name": "probe_call_b", "args": {"k": "probe-arg-b"}}}]},
                 "logprobsResult": {"chosenCandidates": [{"token": "probe-token", "tokenId": 1, "logProbability": -0.5}],
                    "topCandidates": [{"candidates": []}]},
                 "groundingMetadata": {"groundingChunks": [{"web": {"uri": "https://probe.example/cite", "title": "t"}}],
                    "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 5, "text": "probe"}, "groundingChunkIndices": [0]}]}},
                {"index": 1, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": "probe-second"}]}}],
            "usageMetadata": {"promptTokenCount": 1201, "cachedContentTokenCount": 641, "candidatesTokenCount": 1470,
                "thoughtsTokenCount": 733, "totalTokenCount": 3404},
            "modelVersion": "m", "responseId": "r"}),
        Wire::Converse => json!({"metrics": {"latencyMs": 1}, "stopReason": "tool_use",
            "output": {"message": {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "probe-thought", "signature": "cHJvYmUtYmFjaw"}}},
                {"citationsContent": {"content": [{"text": "probe-answer"}], "citations": [{"title": "t",
                    "location": {"web": {"url": "https://probe.example/cite"}}, "sourceContent": [{"text": "probe"}]}]}},
                {"toolUse": {"toolUseId": "call_a", "name": "probe_call_a", "input": {"k": "probe-arg-a"}}},
                {"toolUse": {"toolUseId": "call_b", "name": "probe_call_b", "input": {"k": "probe-arg-b"}}}]}},
            "usage": {"inputTokens": 560, "cacheReadInputTokens": 641, "outputTokens": 2203, "totalTokens": 3404}}),
        Wire::Ollama => json!({
            "model": "m", "created_at": "2025-06-15T15:06:40Z",
            "message": {"role": "assistant", "content": "probe-answer", "thinking": "probe-thought", "tool_calls": [
                {"id": "call_a", "function": {"index": 0, "name": "probe_call_a", "arguments": {"k": "probe-arg-a"}}},
                {"id": "call_b", "function": {"index": 1, "name": "probe_call_b", "arguments": {"k": "probe-arg-b"}}}]},
            "logprobs": [{"token": "probe-token", "logprob": -0.5, "bytes": [1], "top_logprobs": []}],
            "done": true, "done_reason": "stop", "prompt_eval_count": 1201, "eval_count": 2203}),
        Wire::Completion => json!({
            "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m",
            "choices": [
                {"text": "probe-answer", "index": 0, "finish_reason": "stop",
                 "logprobs": {"tokens": ["probe-token"], "token_logprobs": [-0.5], "top_logprobs": null, "text_offset": [0]}},
                {"text": "probe-second", "index": 1, "finish_reason": "stop", "logprobs": null}],
            "usage": {"prompt_tokens": 1201, "completion_tokens": 2203, "total_tokens": 3404,
                "prompt_tokens_details": {"cached_tokens": 641}, "completion_tokens_details": {"reasoning_tokens": 733}}}),
        Wire::Embeddings => json!({
            "object": "list", "model": "m", "usage": {"prompt_tokens": 1201, "total_tokens": 1201},
            "data": [{"object": "embedding", "index": 0, "embedding": [0.0625, -0.1875]}]}),
        Wire::OllamaEmbed => {
            json!({"model": "m", "embeddings": [[0.0625, -0.1875]], "prompt_eval_count": 1201})
        }
        Wire::GoogleEmbed => json!({"embeddings": [{"values": [0.0625, -0.1875]}]}),
        Wire::GooglePredict => json!({"predictions": [
            {"embeddings": {"values": [0.0625, -0.1875], "statistics": {"truncated": false, "token_count": 1201}}}]}),
    }
}

/// The same as a stream, event by event.
///
/// # Panics
/// The wire has no streams.
fn events(wire: Wire) -> Vec<String> {
    match wire {
        Wire::Chat => vec![chat_events()],
        Wire::Completion => vec![completion_events()],
        Wire::Responses => vec![responses_events()],
        Wire::Messages => vec![messages_events()],
        // A good stream of Google's may have one chunk.
        Wire::Gemini => vec![format!("data: {}\r\n\r\n", whole(Wire::Gemini))],
        Wire::Converse => converse_events(),
        // And one of Ollama's one line.
        Wire::Ollama => vec![format!("{}\n", whole(Wire::Ollama))],
        Wire::Embeddings | Wire::GoogleEmbed | Wire::GooglePredict | Wire::OllamaEmbed => {
            panic!("{wire:?} has no streams")
        }
    }
}

fn completion_events() -> String {
    let mut chunk = whole(Wire::Completion);
    let usage = chunk["usage"].take();
    let mut last = chunk.clone();
    last["choices"] = json!([]);
    last["usage"] = usage;
    format!("data: {chunk}\n\ndata: {last}\n\ndata: [DONE]\n\n")
}

fn chat_events() -> String {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": choices, "usage": usage});
        format!("data: {chunk}\n\n")
    };
    let delta =
        |delta: Value| chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]), Value::Null);
    let call = |index: u8, letter: char| {
        delta(json!({"tool_calls": [{"index": index, "id": format!("call_{letter}"), "type": "function",
            "function": {"name": format!("probe_call_{letter}"), "arguments": format!("{{\"k\":\"probe-arg-{letter}\"}}")}}]}))
    };
    let whole = whole(Wire::Chat);
    [
        delta(json!({"role": "assistant", "content": ""})),
        delta(json!({"reasoning_content": "probe-thought"})),
        chunk(
            json!([{"index": 0, "delta": {"content": "probe-answer"}, "finish_reason": null,
                "logprobs": whole["choices"][0]["logprobs"]}]),
            Value::Null,
        ),
        delta(json!({"annotations": whole["choices"][0]["message"]["annotations"]})),
        call(0, 'a'),
        call(1, 'b'),
        chunk(json!([{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]), Value::Null),
        chunk(json!([]), whole["usage"].clone()),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat()
}

fn messages_events() -> String {
    let whole = whole(Wire::Messages);
    let mut out = String::new();
    let mut event = |mut data: Value, name: &str| {
        data["type"] = name.into();
        out += &format!("event: {name}\ndata: {data}\n\n");
    };
    let mut start = whole.clone();
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    start["stop_sequence"] = Value::Null;
    start["usage"]["output_tokens"] = 1.into();
    event(json!({"message": start}), "message_start");
    for (index, block) in whole["content"].as_array().into_iter().flatten().enumerate() {
        let (empty, deltas) = match block["type"].as_str() {
            Some("thinking") => (
                json!({"type": "thinking", "thinking": "", "signature": ""}),
                vec![
                    json!({"type": "thinking_delta", "thinking": block["thinking"]}),
                    json!({"type": "signature_delta", "signature": block["signature"]}),
                ],
            ),
            Some("text") => (
                json!({"type": "text", "text": ""}),
                vec![
                    json!({"type": "text_delta", "text": block["text"]}),
                    json!({"type": "citations_delta", "citation": block["citations"][0]}),
                ],
            ),
            _ => (
                json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}),
                vec![json!({"type": "input_json_delta", "partial_json": block["input"].to_string()})],
            ),
        };
        event(json!({"index": index, "content_block": empty}), "content_block_start");
        for delta in deltas {
            event(json!({"index": index, "delta": delta}), "content_block_delta");
        }
        event(json!({"index": index}), "content_block_stop");
    }
    let delta = json!({"stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"]});
    event(json!({"delta": delta, "usage": {"output_tokens": 2203}}), "message_delta");
    event(json!({}), "message_stop");
    out
}

fn responses_events() -> String {
    let whole = whole(Wire::Responses);
    let (mut out, mut number) = (String::new(), 0);
    let mut event = |mut data: Value, name: &str| {
        data["type"] = name.into();
        data["sequence_number"] = number.into();
        number += 1;
        out += &format!("event: {name}\ndata: {data}\n\n");
    };
    let mut begun = whole.clone();
    begun["output"] = json!([]);
    begun["status"] = "in_progress".into();
    begun["usage"] = Value::Null;
    event(json!({"response": begun}), "response.created");
    for (at, item) in whole["output"].as_array().into_iter().flatten().enumerate() {
        let mut opened = item.clone();
        for member in ["content", "summary"] {
            if opened.get(member).is_some() {
                opened[member] = json!([]);
            }
        }
        event(json!({"output_index": at, "item": opened}), "response.output_item.added");
        if item["type"] == "message" {
            let part = &item["content"][0];
            let at = json!({"output_index": at, "item_id": item["id"], "content_index": 0});
            let with = |more: Value| {
                let mut made = at.clone();
                super::clients::merge(&mut made, &more);
                made
            };
            event(
                with(json!({"part": {"type": "output_text", "text": "", "annotations": []}})),
                "response.content_part.added",
            );
            event(
                with(json!({"delta": part["text"], "logprobs": part["logprobs"]})),
                "response.output_text.delta",
            );
            event(
                with(json!({"text": part["text"], "logprobs": part["logprobs"]})),
                "response.output_text.done",
            );
            event(with(json!({"part": part})), "response.content_part.done");
        }
        event(json!({"output_index": at, "item": item}), "response.output_item.done");
    }
    event(json!({"response": whole}), "response.completed");
    out
}

fn converse_events() -> Vec<String> {
    let delta =
        |index: u8, delta: Value| json!({"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}});
    let stop = |index: u8| json!({"contentBlockStop": {"contentBlockIndex": index}});
    let mut events = vec![
        json!({"messageStart": {"role": "assistant"}}),
        delta(0, json!({"reasoningContent": {"text": "probe-thought"}})),
        delta(0, json!({"reasoningContent": {"signature": "cHJvYmUtYmFjaw"}})),
        stop(0),
        delta(1, json!({"text": "probe-answer"})),
        delta(
            1,
            json!({"citation": {"title": "t", "location": {"web": {"url": "https://probe.example/cite"}},
                "sourceContent": [{"text": "probe"}]}}),
        ),
        stop(1),
    ];
    for (index, letter) in [(2, 'a'), (3, 'b')] {
        let (id, name) = (format!("call_{letter}"), format!("probe_call_{letter}"));
        let start = json!({"toolUse": {"toolUseId": id, "name": name}});
        events.push(json!({"contentBlockStart": {"contentBlockIndex": index, "start": start}}));
        events.push(delta(index, json!({"toolUse": {"input": format!("{{\"k\":\"probe-arg-{letter}\"}}")}})));
        events.push(stop(index));
    }
    events.push(json!({"messageStop": {"stopReason": "tool_use"}}));
    events.push(json!({"metadata": {"usage": whole(Wire::Converse)["usage"], "metrics": {"latencyMs": 1}}}));
    events.iter().map(Value::to_string).collect()
}
