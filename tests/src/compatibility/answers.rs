//! What of an answer comes back: each provider gives, in its own words, an answer that has all it can have, and the client's
//! bytes are looked through for it.

use serde_json::{Value, json};
use tidegate_sim::Script;

use super::clients::{Client, Form};
use super::{PROVIDERS, World};

/// Something that an answer may have.
struct Feature {
    /// On the page.
    name: &'static str,
    /// It is there if one of these groups is, all of its words.
    marks: &'static [&'static [&'static str]],
    /// The dialects whose answers have no member for it.
    no_place: &'static [Form],
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The provider's answers have no such thing.
    Unsaid,
    /// The client has it.
    Yes,
    /// The client was answered without it: its dialect has no place for it.
    NoPlace,
    /// The client was answered without it.
    Lost,
    /// The client was not answered.
    Failed(u16),
}

/// One feature, and its fate from each provider.
pub type Row = (String, Vec<Fate>);

/// Numbers that nothing else in an answer has: of the prompt 1201, of them from a cache 641; of the answer 2203, of them for
/// reasoning 733.
const FEATURES: &[Feature] = &[
    feature("text", &[&["probe-answer"]]),
    feature("parallel tool calls", &[&["probe_call_a", "probe_call_b", "probe-arg-a", "probe-arg-b"]]),
    feature("reasoning", &[&["probe-thought"]]),
    // The second is how a client of Gemini's is given what Google did not sign: docs/gemini.md.
    feature("signatures", &[&[SIGNATURE], &["dGlkZWdhdGUvMSBzIGNISnZZbVV0WW1GamF3"]]),
    feature("citations", &[&["https://probe.example/cite"]]),
    // A client of these two cannot ask for them either.
    Feature { no_place: &[Form::Messages], ..feature("logprobs", &[&["probe-token"]]) },
    Feature {
        no_place: &[Form::Messages, Form::Responses],
        ..feature("a second choice", &[&["probe-second"]])
    },
    // Their stop reasons say that a sequence was met or that the answer was whole, with one word.
    Feature {
        no_place: &[Form::Responses, Form::Gemini],
        ..feature("which stop sequence", &[&["probe-stopped"]])
    },
    feature("usage", &[&[":1201", ":2203"], &[":560", ":2203"], &[":1201", ":1470"]]),
    feature("cached tokens", &[&[":641"]]),
    feature("reasoning tokens", &[&[":733"]]),
];

const fn feature(name: &'static str, marks: &'static [&'static [&'static str]]) -> Feature {
    Feature { name, marks, no_place: &[] }
}

pub(super) async fn play(world: &World, client: &Client) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for stream in [false, true] {
        let mut fates: Vec<Vec<Fate>> = vec![Vec::new(); FEATURES.len()];
        for provider in PROVIDERS {
            for (fates, fate) in fates.iter_mut().zip(of(world, client.form, provider.name, stream).await) {
                fates.push(fate);
            }
        }
        let name = |feature: &Feature| match stream {
            true => format!("{}, streamed", feature.name),
            false => feature.name.to_owned(),
        };
        rows.extend(FEATURES.iter().map(name).zip(fates));
    }
    let mut sent_back = Vec::new();
    for provider in PROVIDERS {
        sent_back.push(round(world, client.form, provider.name).await);
    }
    rows.push(("signatures, sent back".to_owned(), sent_back));
    rows
}

/// The dialect that a provider was asked in.
#[derive(Clone, Copy)]
enum Wire {
    Of(Form),
    /// Bedrock's.
    Converse,
}

/// By the address.
fn wire(target: &str) -> Wire {
    let path = target.split('?').next().unwrap_or_default();
    if path.ends_with("/responses") {
        Wire::Of(Form::Responses)
    } else if path.ends_with("/messages") {
        Wire::Of(Form::Messages)
    } else if path.contains(":generateContent") || path.contains(":streamGenerateContent") {
        Wire::Of(Form::Gemini)
    } else if path.contains("/converse") {
        Wire::Converse
    } else {
        Wire::Of(Form::Chat)
    }
}

/// The name of the script that gives the answer.
const SCENARIO: &str = "probe";

async fn of(world: &World, form: Form, provider: &str, stream: bool) -> Vec<Fate> {
    let ask = |scenario: &str| {
        let mut body = form.base(&format!("sim:{scenario}"));
        if form == Form::Chat && stream {
            body["stream_options"] = json!({"include_usage": true});
        }
        world.ask(form, provider, body, stream)
    };
    // How the provider is asked is found out first.
    let _ = ask("fast").await;
    let Some(seen) = world.sim.log().pop() else { return vec![Fate::Failed(0); FEATURES.len()] };
    let (script, said) = answer_of(wire(&seen.target), stream);
    world.sim.script(SCENARIO, script);
    let answer = ask(SCENARIO).await;
    let (said, told) = (compact(&said), compact(&answer.text()));
    let has = |text: &str, feature: &Feature| {
        feature.marks.iter().any(|words| words.iter().all(|word| text.contains(word)))
    };
    let fate = |feature: &Feature| match answer.status {
        _ if !has(&said, feature) => Fate::Unsaid,
        200 if has(&told, feature) => Fate::Yes,
        200 if feature.no_place.contains(&form) => Fate::NoPlace,
        200 => Fate::Lost,
        status => Fate::Failed(status),
    };
    FEATURES.iter().map(fate).collect()
}

const SIGNATURE: &str = "cHJvYmUtYmFjaw";

/// Whether a signature that the client was given is at the provider again with the next request.
async fn round(world: &World, form: Form, provider: &str) -> Fate {
    let fast = world.ask(form, provider, form.base("sim:fast"), false).await;
    let Some(seen) = world.sim.log().pop().filter(|_| fast.status == 200) else {
        return Fate::Failed(fast.status);
    };
    let (script, said) = answer_of(wire(&seen.target), false);
    if !said.contains(SIGNATURE) {
        return Fate::Unsaid;
    }
    world.sim.script(SCENARIO, script);
    let answer = world.ask(form, provider, form.base(&format!("sim:{SCENARIO}")), false).await;
    if answer.status != 200 {
        return Fate::Failed(answer.status);
    }
    let next = world.ask(form, provider, form.after(&answer.json()), false).await;
    let sent = world.sim.log().pop().filter(|_| next.status == 200);
    match sent {
        Some(seen) if String::from_utf8_lossy(&seen.body).contains(SIGNATURE) => Fate::Yes,
        Some(_) => Fate::Lost,
        None => Fate::Failed(next.status),
    }
}

/// The bytes that a provider answers with, and what stands in them.
fn answer_of(wire: Wire, stream: bool) -> (Script, String) {
    match (wire, stream) {
        (Wire::Of(form), false) => {
            let text = whole(form).to_string();
            (Script::json(200, text.clone()), text)
        }
        (Wire::Of(form), true) => {
            let text = events(form);
            (Script::sse().write(text.clone()), text)
        }
        (Wire::Converse, false) => {
            let text = converse().to_string();
            (Script::json(200, text.clone()), text)
        }
        (Wire::Converse, true) => {
            let events = converse_events();
            let script = Script::new(200).header("content-type", "application/vnd.amazon.eventstream");
            let framed: Vec<u8> =
                events.iter().flat_map(|event| tidegate_sim::bedrock_frame(event, 0)).collect();
            (script.write(framed), events.concat())
        }
    }
}

/// Without the white space around a name's colon.
fn compact(text: &str) -> String {
    text.replace("\": ", "\":")
}

/// The answer of a provider that was asked in `wire`.
fn whole(wire: Form) -> Value {
    match wire {
        Form::Chat => json!({
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
        Form::Responses => json!({
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
        Form::Messages => json!({
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
        Form::Gemini => json!({
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
    }
}

/// The same as a stream.
fn events(wire: Form) -> String {
    match wire {
        Form::Chat => chat_events(),
        Form::Responses => responses_events(),
        Form::Messages => messages_events(),
        // A good stream of Google's may have one chunk.
        Form::Gemini => format!("data: {}\r\n\r\n", whole(Form::Gemini)),
    }
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
    let whole = whole(Form::Chat);
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
    let whole = whole(Form::Messages);
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
    let whole = whole(Form::Responses);
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

fn converse() -> Value {
    json!({"metrics": {"latencyMs": 1}, "stopReason": "tool_use",
        "output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "probe-thought", "signature": "cHJvYmUtYmFjaw"}}},
            {"citationsContent": {"content": [{"text": "probe-answer"}], "citations": [{"title": "t",
                "location": {"web": {"url": "https://probe.example/cite"}}, "sourceContent": [{"text": "probe"}]}]}},
            {"toolUse": {"toolUseId": "call_a", "name": "probe_call_a", "input": {"k": "probe-arg-a"}}},
            {"toolUse": {"toolUseId": "call_b", "name": "probe_call_b", "input": {"k": "probe-arg-b"}}}]}},
        "usage": {"inputTokens": 560, "cacheReadInputTokens": 641, "outputTokens": 2203, "totalTokens": 3404}})
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
    events.push(json!({"metadata": {"usage": converse()["usage"], "metrics": {"latencyMs": 1}}}));
    events.iter().map(Value::to_string).collect()
}
