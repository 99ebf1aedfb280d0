//! What the answers say, read by a plain decoder: the right ones are right in every mode, and those
//! that depend on the request repeat it.

use std::time::Duration;

use serde_json::Value;
use tidegate_sim::{Dialect, Expect, Mode, Scenario, mask};

use crate::client::{End, Got, ask, ask_for, post, sim};

/// All these requests ask for the connection to be closed.
const PATIENCE: Duration = Duration::from_secs(10);

const MODES: [(Dialect, &str, Mode); 13] = [
    (Dialect::OpenAiChat, "stream", Mode::Stream),
    (Dialect::OpenAiChat, "whole", Mode::Whole),
    (Dialect::Gemini, "stream", Mode::Stream),
    (Dialect::Gemini, "array", Mode::Array),
    (Dialect::Gemini, "whole", Mode::Whole),
    (Dialect::Anthropic, "stream", Mode::Stream),
    (Dialect::Anthropic, "whole", Mode::Whole),
    (Dialect::Responses, "stream", Mode::Stream),
    (Dialect::Responses, "whole", Mode::Whole),
    (Dialect::Azure, "stream", Mode::Stream),
    (Dialect::Azure, "whole", Mode::Whole),
    (Dialect::Ollama, "stream", Mode::Stream),
    (Dialect::Ollama, "whole", Mode::Whole),
];

/// The JSON documents of an answer, `[DONE]` left out.
fn documents(got: &Got, mode: Mode) -> Vec<Value> {
    let text = got.text();
    match mode {
        Mode::Whole => vec![serde_json::from_str(&text).unwrap()],
        Mode::Array => serde_json::from_str(&text).unwrap(),
        Mode::Stream => text
            .trim_start_matches('\u{feff}')
            .split(['\r', '\n'])
            // A line of Ollama's is bare.
            .filter_map(|line| {
                line.strip_prefix("data: ").or_else(|| Some(line).filter(|line| line.starts_with('{')))
            })
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).unwrap())
            .collect(),
    }
}

/// The text that the documents add up to, and the finish reasons.
pub(crate) fn said(documents: &[Value]) -> (String, Vec<String>) {
    let (mut text, mut finish) = (String::new(), Vec::new());
    for document in documents {
        let (choice, candidate) = (&document["choices"][0], &document["candidates"][0]);
        for piece in [&choice["delta"]["content"], &choice["message"]["content"]] {
            text += piece.as_str().unwrap_or_default();
        }
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            text += part["text"].as_str().unwrap_or_default();
        }
        text += document["delta"]["text"].as_str().unwrap_or_default();
        for block in document["content"].as_array().into_iter().flatten() {
            text += block["text"].as_str().unwrap_or_default();
        }
        if document["type"] == "response.output_text.delta" {
            text += document["delta"].as_str().unwrap_or_default();
        }
        if document.get("done").is_some() {
            text += document["message"]["content"].as_str().unwrap_or_default();
        }
        if document["object"] == "response" {
            text += document["output"][0]["content"][0]["text"].as_str().unwrap_or_default();
        }
        let statuses = [&document["status"], &document["response"]["status"]];
        let ends = statuses.into_iter().filter(|status| **status == "completed" || **status == "incomplete");
        finish.extend(ends.filter_map(|status| status.as_str()).map(str::to_owned));
        let (own, ended) = (&document["stop_reason"], &document["delta"]["stop_reason"]);
        let reasons =
            [&choice["finish_reason"], &candidate["finishReason"], &document["done_reason"], own, ended];
        finish.extend(reasons.iter().filter_map(|reason| reason.as_str()).map(str::to_owned));
    }
    (text, finish)
}

#[tokio::test]
async fn every_right_answer_is_right_in_every_mode() {
    let sim = sim().await;
    // These have bytes before or behind the answer, which this lenient reader does not expect.
    let framed = |scenario: &&Scenario| !matches!(scenario.name, "early-hints" | "done-then-garbage");
    for scenario in Scenario::all().iter().filter(framed) {
        for (dialect, how, mode) in MODES {
            let Expect::Text(expected) = scenario.expect(dialect, mode) else { continue };
            let got = ask(&sim, scenario.name, dialect, how).await;
            let (text, finish) = said(&documents(&got, mode));
            let case = format!("{} {dialect:?} {mode:?}", scenario.name);
            assert!(text == expected, "{case}: {text:.200}");
            assert_eq!(finish.len(), 1, "{case}");
            let done = got.text().contains("data: [DONE]");
            let openai = matches!(dialect, Dialect::OpenAiChat | Dialect::Azure);
            let wants_done = openai && mode == Mode::Stream;
            assert_eq!(done, wants_done, "{case}");
            let stopped = got.text().contains("event: message_stop");
            assert_eq!(stopped, dialect == Dialect::Anthropic && mode == Mode::Stream, "{case}");
            let end = match scenario.name {
                "finish-then-open" => End::Open,
                "finish-then-rst" => End::Rst,
                _ => End::Fin,
            };
            assert_eq!(got.end, end, "{case}");
        }
    }
}

#[tokio::test]
async fn line_ends_are_the_ones_named() {
    let sim = sim().await;
    let count = |text: &str, what: &str| text.matches(what).count();
    for (name, crlf, lf, cr) in [
        ("lf", false, true, false),
        ("crlf", true, false, false),
        ("cr", false, false, true),
        ("mixed-eol", true, true, true),
    ] {
        for dialect in
            [Dialect::OpenAiChat, Dialect::Azure, Dialect::Gemini, Dialect::Anthropic, Dialect::Responses]
        {
            let text = ask(&sim, name, dialect, "stream").await.text();
            let both = count(&text, "\r\n");
            assert_eq!(
                (both > 0, count(&text, "\n") > both, count(&text, "\r") > both),
                (crlf, lf, cr),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn usage_comes_where_it_is_asked_for() {
    let sim = sim().await;
    let ask = |options: &str| {
        let body = format!(r#"{{"model":"sim-usage","stream":true{options}}}"#);
        let request = post("/v1/chat/completions", "connection: close\r\n", &body);
        let addr = sim.addr();
        async move { documents(&ask_for(addr, &request, PATIENCE).await, Mode::Stream) }
    };
    assert!(ask("").await.iter().all(|chunk| chunk.get("usage").is_none()));
    let chunks = ask(r#","stream_options":{"include_usage":true}"#).await;
    let (last, rest) = chunks.split_last().unwrap();
    assert!(rest.iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some()));
    assert_eq!(last["choices"], serde_json::json!([]));
    assert_eq!(last["usage"]["prompt_tokens_details"]["cached_tokens"], 64);
    assert_eq!(last["usage"]["total_tokens"], 173);
    let chunks = documents(&crate::client::ask(&sim, "usage", Dialect::Gemini, "stream").await, Mode::Stream);
    assert_eq!(chunks.last().unwrap()["usageMetadata"]["totalTokenCount"], 173);
    assert_eq!(chunks.last().unwrap()["usageMetadata"]["thoughtsTokenCount"], 33);
}

#[tokio::test]
async fn tool_calls_use_the_requests_tools_and_then_its_results() {
    let sim = sim().await;
    let openai = |messages: &str, stream: bool| {
        let tools =
            r#"[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]"#;
        let body = format!(
            r#"{{"model":"sim-tool-calls","stream":{stream},"tools":{tools},"messages":[{messages}]}}"#
        );
        let request = post("/v1/chat/completions", "connection: close\r\n", &body);
        let addr = sim.addr();
        async move { ask_for(addr, &request, PATIENCE).await }
    };
    let chunks = documents(&openai("", true).await, Mode::Stream);
    let mut arguments = [String::new(), String::new()];
    for call in
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array()).flatten()
    {
        let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
        arguments[index] += call["function"]["arguments"].as_str().unwrap();
    }
    let whole = documents(&openai("", false).await, Mode::Whole);
    for (index, name) in ["f", "g"].iter().enumerate() {
        let call = &whole[0]["choices"][0]["message"]["tool_calls"][index];
        assert_eq!(call["function"]["name"], *name);
        assert_eq!(call["function"]["arguments"], arguments[index].as_str());
    }
    assert!(serde_json::from_str::<Value>(&arguments[0]).is_ok());
    assert_eq!(said(&chunks).1, ["tool_calls"]);
    let after = openai(r#"{"role":"tool","tool_call_id":"call_sim_0","content":"8"}"#, false).await;
    assert_eq!(said(&documents(&after, Mode::Whole)).0, tidegate_sim::fault_text());
}

#[tokio::test]
async fn a_thought_signature_must_come_back() {
    let sim = sim().await;
    let first = documents(&ask(&sim, "thought-signature", Dialect::Gemini, "whole").await, Mode::Whole);
    let part = first[0]["candidates"][0]["content"]["parts"][0].clone();
    assert!(part["thoughtSignature"].is_string());
    for (lose, status) in [(false, 200), (true, 400)] {
        let mut part = part.clone();
        if lose {
            part.as_object_mut().unwrap().remove("thoughtSignature");
        }
        let body = serde_json::json!({"contents": [
            {"role": "user", "parts": [{"text": "sim:thought-signature"}]},
            {"role": "model", "parts": [part]},
            {"role": "user", "parts": [{"functionResponse": {"name": "get_weather", "response": {"t": 8}}}]},
        ]});
        let request = post("/v1beta/models/m:generateContent", "connection: close\r\n", &body.to_string());
        assert_eq!(ask_for(sim.addr(), &request, PATIENCE).await.status(), status);
    }
}

#[tokio::test]
async fn anthropics_events_have_their_names_and_its_calls_their_thoughts() {
    let sim = sim().await;
    let text = ask(&sim, "thought-signature", Dialect::Anthropic, "stream").await.text();
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let mut kinds = Vec::new();
    while let (Some(name), Some(data)) = (lines.next(), lines.next()) {
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str(), "{data}");
        kinds.push(data["delta"]["type"].as_str().or(data["type"].as_str()).unwrap().to_owned());
    }
    kinds.dedup();
    let block = |delta: &[&'static str]| [&["content_block_start"], delta, &["content_block_stop"]].concat();
    let thought = block(&["thinking_delta", "signature_delta"]);
    let want =
        [&["message_start"], &thought[..], &block(&["input_json_delta"]), &["message_delta", "message_stop"]];
    assert_eq!(kinds, want.concat());

    let whole =
        &documents(&ask(&sim, "thought-signature", Dialect::Anthropic, "whole").await, Mode::Whole)[0];
    assert_eq!(
        (&whole["stop_reason"], &whole["content"][0]["type"]),
        (&"tool_use".into(), &"thinking".into())
    );
    for (lose, status) in [(false, 200), (true, 400)] {
        let mut content = whole["content"].clone();
        if lose {
            content[0].as_object_mut().unwrap().remove("signature");
        }
        let result =
            serde_json::json!([{"type": "tool_result", "tool_use_id": "call_sim_0", "content": "8"}]);
        let body = serde_json::json!({"model": "sim-thought-signature", "messages": [
            {"role": "user", "content": "?"}, {"role": "assistant", "content": content}, {"role": "user", "content": result},
        ]});
        let request = post("/v1/messages", "connection: close\r\n", &body.to_string());
        assert_eq!(ask_for(sim.addr(), &request, PATIENCE).await.status(), status);
    }
}

#[tokio::test]
async fn anthropics_count_is_a_number_or_the_fault_that_was_asked_for() {
    let sim = sim().await;
    let asked = async |scenario: &str| {
        let path = format!("/s/{scenario}/v1/messages/count_tokens");
        ask_for(sim.addr(), &post(&path, "connection: close\r\n", r#"{"model":"m"}"#), PATIENCE).await
    };
    assert_eq!(asked("fast").await.text(), r#"{"input_tokens":12}"#);
    assert_eq!(asked("http-429").await.status(), 429);
    assert!(asked("overloaded-frame").await.text().contains("overloaded_error"));
}

#[tokio::test]
async fn embeddings_have_a_vector_for_each_text() {
    let sim = sim().await;
    for (path, body, list, one) in [
        ("/v1/embeddings", r#"{"model":"m","input":["a","b"]}"#, "data", "/embedding/0"),
        ("/openai/v1/embeddings", r#"{"model":"m","input":["a","b"]}"#, "data", "/embedding/0"),
        ("/api/embed", r#"{"model":"m","input":["a","b"]}"#, "embeddings", "/0"),
        ("/v1beta/models/m:batchEmbedContents", r#"{"requests":[{},{}]}"#, "embeddings", "/values/0"),
        (
            "/v1/projects/p/locations/l/publishers/google/models/m:predict",
            r#"{"instances":[{},{}]}"#,
            "predictions",
            "/embeddings/values/0",
        ),
    ] {
        let got = ask_for(sim.addr(), &post(path, "connection: close\r\n", body), PATIENCE).await;
        let got = &documents(&got, Mode::Whole)[0];
        let vectors = got[list].as_array().unwrap();
        assert_eq!(vectors.len(), 2, "{path}");
        assert_eq!(vectors[1].pointer(one), Some(&0.25.into()), "{path}: {got}");
    }
    let body = r#"{"model":"m","input":"sim:fast","encoding_format":"base64"}"#;
    let got = ask_for(sim.addr(), &post("/v1/embeddings", "connection: close\r\n", body), PATIENCE).await;
    let got = &documents(&got, Mode::Whole)[0];
    assert_eq!(got["data"][0]["embedding"], "AACAPgAAAL8AAIA/");
    // And they fail as they are asked to.
    let input = r#"{"model":"m","input":"sim:http-429"}"#;
    let requests = r#"{"requests":[{"content":{"parts":[{"text":"sim:http-429"}]}}]}"#;
    let instances = r#"{"instances":[{"content":"sim:http-429"}]}"#;
    for (path, body) in [
        ("/v1/embeddings", input),
        ("/api/embed", input),
        ("/v1beta/models/m:batchEmbedContents", requests),
        ("/v1/projects/p/locations/l/publishers/google/models/m:predict", instances),
    ] {
        let got = ask_for(sim.addr(), &post(path, "connection: close\r\n", body), PATIENCE).await;
        assert_eq!(got.status(), 429, "{path}");
    }
}

#[tokio::test]
async fn legacy_completions_are_texts() {
    let sim = sim().await;
    for stream in [false, true] {
        let body = format!(r#"{{"model":"m","prompt":"sim:fast","stream":{stream}}}"#);
        let got =
            ask_for(sim.addr(), &post("/v1/completions", "connection: close\r\n", &body), PATIENCE).await;
        let documents = documents(&got, if stream { Mode::Stream } else { Mode::Whole });
        assert!(documents.iter().all(|document| document["object"] == "text_completion"));
        let text: String = documents.iter().filter_map(|it| it["choices"][0]["text"].as_str()).collect();
        assert_eq!(text, tidegate_sim::healthy_text());
        assert_eq!(said(&documents).1, ["stop"]);
    }
}

#[tokio::test]
async fn azures_filter_says_what_it_found() {
    let sim = sim().await;
    let chunks = documents(&ask(&sim, "fast", Dialect::Azure, "stream").await, Mode::Stream);
    assert_eq!(chunks[0]["choices"], serde_json::json!([]));
    assert_eq!(chunks[0]["prompt_filter_results"][0]["content_filter_results"]["hate"]["filtered"], false);
    for chunk in &chunks[1..] {
        assert!(chunk["choices"][0]["content_filter_results"].is_object(), "{chunk}");
    }
    let whole = &documents(&ask(&sim, "fast", Dialect::Azure, "whole").await, Mode::Whole)[0];
    assert!(whole["prompt_filter_results"].is_array());
    assert_eq!(whole["choices"][0]["content_filter_results"]["violence"]["severity"], "safe");
    let refused = ask(&sim, "http-policy", Dialect::Azure, "whole").await;
    let refused = &documents(&refused, Mode::Whole)[0]["error"];
    assert_eq!(
        (&refused["code"], &refused["innererror"]["code"]),
        (&"content_filter".into(), &"ResponsibleAIPolicyViolation".into())
    );
    assert_eq!(refused["innererror"]["content_filter_result"]["hate"]["filtered"], true);
}

#[tokio::test]
async fn ollamas_calls_are_whole_and_its_last_line_says_that_it_is_done() {
    let sim = sim().await;
    let lines = documents(&ask(&sim, "thought-signature", Dialect::Ollama, "stream").await, Mode::Stream);
    assert!(lines[0]["message"]["thinking"].is_string());
    let call = &lines[1]["message"]["tool_calls"][0]["function"];
    assert_eq!((&call["name"], &call["arguments"]["days"]), (&"get_weather".into(), &3.into()));
    let (last, rest) = lines.split_last().unwrap();
    assert_eq!((&last["done"], &last["eval_count"]), (&true.into(), &20.into()));
    assert!(rest.iter().all(|line| line["done"] == false));
    let got = ask(&sim, "429-frame-end", Dialect::Ollama, "stream").await.text();
    assert_eq!(
        got.lines().last(),
        Some(r#"{"error":"too many requests: you've reached your hourly usage limit"}"#)
    );
}

#[tokio::test]
async fn describe_counts_what_arrived() {
    let sim = sim().await;
    let openai = r#"{"model":"sim-describe","tools":[{"function":{"name":"f"}}],"messages":[
        {"role":"system","content":"Be brief."},
        {"role":"user","content":[{"type":"text","text":"see"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}]}]}"#;
    let gemini = r#"{"systemInstruction":{"parts":[{"text":"Be brief."}]},
        "tools":[{"functionDeclarations":[{"name":"f"}]}],
        "contents":[{"role":"user","parts":[{"text":"see"},{"inlineData":{"mimeType":"image/png","data":"QUJD"}}]}]}"#;
    let anthropic = r#"{"model":"sim-describe","system":[{"type":"text","text":"Be brief."}],"tools":[{"name":"f"}],
        "messages":[{"role":"user","content":[{"type":"text","text":"see"},
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}}]}]}"#;
    let ollama = r#"{"model":"sim-describe","stream":false,"tools":[{"function":{"name":"f"}}],"messages":[
        {"role":"system","content":"Be brief."},{"role":"user","content":"see","images":["QUJD"]}]}"#;
    for (path, body, messages) in [
        ("/v1/chat/completions", openai, 2),
        ("/openai/deployments/sim-describe/chat/completions?api-version=1", openai, 2),
        ("/v1beta/models/sim-describe:generateContent", gemini, 1),
        ("/v1/messages", anthropic, 1),
        ("/api/chat", ollama, 2),
    ] {
        let request = post(path, "connection: close\r\n", body);
        let got = ask_for(sim.addr(), &request, PATIENCE).await;
        let text = said(&documents(&got, Mode::Whole)).0;
        let seen: Value = serde_json::from_str(&text).unwrap();
        let mut image = serde_json::json!({"mime": "image/png", "base64_length": 4});
        if path == "/api/chat" {
            image.as_object_mut().unwrap().remove("mime");
        }
        let expected = serde_json::json!({"images": [image],
            "tools": ["f"], "system": "Be brief.", "messages": messages});
        assert_eq!(seen, expected, "{path}");
    }
}

#[tokio::test]
async fn echo_and_log_show_the_request_without_its_secrets() {
    let sim = sim().await;
    let headers = "authorization: Bearer top-secret\r\nx-goog-api-key: k-secret\r\nX-Other: seen\r\nconnection: close\r\n";
    let body = r#"{"contents":[{"parts":[{"text":"sim:echo"}]}]}"#;
    let request = post("/v1beta/models/m:streamGenerateContent?alt=sse&key=q-secret", headers, body);
    let got = ask_for(sim.addr(), &request, PATIENCE).await;
    let text = said(&documents(&got, Mode::Stream)).0;
    let seen: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(seen["headers"]["authorization"], mask("Bearer top-secret"));
    assert_eq!(seen["headers"]["x-other"], "seen");
    assert_eq!(seen["body"]["contents"][0]["parts"][0]["text"], "sim:echo");
    let log = sim.log();
    let shown = format!("{text}{log:?}");
    assert!(!shown.contains("secret"), "{shown}");
    assert_eq!((log[0].scenario.as_str(), log[0].body.as_ref()), ("echo", body.as_bytes()));
    assert_ne!(mask("a"), mask("b"));
}
