//! Chats for models that are asked by the Responses API alone: requests there, and answers back.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_plugin_openai::OpenAi;
use tidegate_plugin_sdk::harness::{Ending, Harness, Recording, Refusal, Replayed, Sent};
use tidegate_plugin_sdk::{Dialect, ErrorKind, EventIn, Framing, HeadIn, RequestIn};

const E_PROTOCOL: i32 = -4;
const E_UNSUPPORTED: i32 = -7;
const E_UPSTREAM: i32 = -8;

/// Every stream that ends well, with its text, the calls, and the finish.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

const GOOD: &[Row] = &[
    ("custom-tool", "", &[], "tool_calls"),
    (
        "reasoned-calls",
        "I search.High water is at 14:05 🌊.",
        &[("tide", "{\"harbour\": \"Kiel\", \"days\": 2}"), ("now", "{}")],
        "tool_calls",
    ),
    ("max-tokens-in-call", "", &[("tide", "{\"harbour\": \"Ki")], "length"),
    ("filtered", "High water", &[], "content_filter"),
    ("refusal", "", &[], "stop"),
    ("of-tomorrow", "Looking. At 14:05.", &[], "stop"),
];

fn of(provider: &str, params: Value) -> Harness {
    let mut config = json!({
        "provider": provider, "model": "responses/gpt-5.1-codex", "params": {"api_base": "http://h/v1"},
        "secrets": ["api_key"],
    });
    config["params"].as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
    Harness::new::<OpenAi>(&config).unwrap()
}

fn openai() -> Harness {
    of("openai", json!({}))
}

fn head() -> HeadIn<'static> {
    HeadIn { dialect: Dialect::OpenAiChat, model: "mine", seed: 7, unix_ms: 1_000_000, ..HeadIn::default() }
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn recording(name: &str) -> Recording {
    Recording::read(file(&format!("{name}.sse")))
}

fn ask(harness: &Harness, model: &str, body: &Value, stream: bool) -> Result<Sent, Refusal> {
    let body = body.to_string();
    let input = RequestIn {
        dialect: Dialect::OpenAiChat,
        model,
        stream,
        body: body.as_bytes(),
        ..RequestIn::default()
    };
    harness.request(&input)
}

/// The Responses request that a chat becomes, and what was left out of it.
fn made(model: &str, body: &Value) -> (Value, Option<String>) {
    let sent = ask(&openai(), model, body, false).unwrap();
    assert_eq!((sent.url.as_str(), sent.dialect), ("http://h/v1/responses", Some(Dialect::OpenAiResponses)));
    let dropped = sent.headers.iter().find(|(name, _)| name == "x-tidegate-dropped");
    (serde_json::from_slice(&sent.body).unwrap(), dropped.map(|(_, names)| names.clone()))
}

fn user(content: Value) -> Value {
    json!({"role": "user", "content": content})
}

#[test]
fn a_name_says_by_which_api_a_model_is_asked() {
    let body = json!({"messages": [user(json!("hi"))]});
    for (provider, model, url) in [
        ("openai", "gpt-5.1-codex-mini", "http://h/v1/responses"),
        ("openai", "responses/gpt-4o", "http://h/v1/responses"),
        ("openai", "gpt-5", "http://h/v1/chat/completions"),
        ("groq", "responses/openai/gpt-oss-20b", "http://h/v1/responses"),
        ("openrouter", "o3-pro", "http://h/v1/chat/completions"),
    ] {
        assert_eq!(
            ask(&of(provider, json!({})), model, &body, false).unwrap().url,
            url,
            "{provider}/{model}"
        );
    }
    for dialect in [Dialect::OpenAiCompletions, Dialect::OpenAiEmbeddings] {
        let input = RequestIn { dialect, model: "responses/gpt-5", body: b"{}", ..RequestIn::default() };
        assert_eq!(openai().request(&input).unwrap_err().status, E_UNSUPPORTED);
    }
}

/// The manifest tells the host by the same names.
#[test]
fn the_manifest_lists_the_same_models() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/manifest.json");
    let manifest: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let azure = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../azure/src/manifest.json");
    let azure: Value = serde_json::from_slice(&std::fs::read(azure).unwrap()).unwrap();
    let known = tidegate_openai_wire::model::RESPONSES_ONLY.iter().copied();
    let mut want: Vec<String> = known.chain(["responses/"]).map(|start| format!("{start}*")).collect();
    want.sort();
    for offer in [&manifest["providers"][0], &azure["providers"][0], &azure["providers"][1]] {
        for member in ["dialects_by_model", "extensions_by_model"] {
            let mut listed: Vec<&String> = offer[member].as_object().unwrap().keys().collect();
            listed.sort();
            assert_eq!(listed, want.iter().collect::<Vec<_>>(), "{} {member}", offer["prefix"]);
        }
    }
}

#[test]
fn a_plain_chat_stores_nothing_and_asks_for_its_reasoning() {
    let body = json!({
        "model": "mine", "messages": [{"role": "developer", "content": "Be short."}, user(json!("hi"))],
        "temperature": 1.0, "max_completion_tokens": 300, "reasoning_effort": "low", "verbosity": "low",
        "stream_options": {"include_usage": true}, "user": "u", "metadata": {"a": "b"}, "service_tier": "flex",
        "parallel_tool_calls": false, "prompt_cache_key": "k", "n": 1, "stop": [], "presence_penalty": 0,
        "brand_new": {"x": 1}, "seed": null,
    });
    let (sent, dropped) = made("responses/gpt-5.1-codex", &body);
    let want = json!({
        "model": "gpt-5.1-codex",
        "input": [
            {"type": "message", "role": "developer", "content": "Be short."},
            {"type": "message", "role": "user", "content": "hi"},
        ],
        "temperature": 1.0, "user": "u", "metadata": {"a": "b"}, "service_tier": "flex",
        "parallel_tool_calls": false, "prompt_cache_key": "k", "brand_new": {"x": 1}, "max_output_tokens": 300,
        "reasoning": {"effort": "low"}, "text": {"verbosity": "low"},
        "include": ["reasoning.encrypted_content"], "store": false,
    });
    assert_eq!((sent, dropped), (want, None));
    // A model that does not reason refuses to be asked for it.
    let (sent, _) = made("responses/gpt-4o", &json!({"messages": [user(json!("hi"))], "store": true}));
    assert_eq!((&sent["store"], sent.get("include")), (&json!(true), None));
    let sent = ask(
        &openai(),
        "o3-pro",
        &json!({"messages": [], "include": ["x"], "logprobs": true, "top_logprobs": 2}),
        true,
    );
    let sent: Value = serde_json::from_slice(&sent.unwrap().body).unwrap();
    assert_eq!(sent["stream"], true);
    assert_eq!(sent["include"], json!(["x", "reasoning.encrypted_content", "message.output_text.logprobs"]));
    assert_eq!(sent["top_logprobs"], 2);
}

#[test]
fn reasoning_is_asked_for_in_every_client_s_words() {
    let of = |body: Value| {
        let mut body = body;
        body["messages"] = json!([]);
        made("o3-pro", &body).0["reasoning"].clone()
    };
    for (body, want) in [
        (
            json!({"reasoning_effort": {"effort": "high", "summary": "auto"}}),
            json!({"effort": "high", "summary": "auto"}),
        ),
        (
            json!({"reasoning": {"summary": "auto"}, "reasoning_effort": "low"}),
            json!({"summary": "auto", "effort": "low"}),
        ),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 10_000}}), json!({"effort": "medium"})),
        (
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
            json!({"effort": "high"}),
        ),
        (json!({"thinking": {"type": "disabled"}}), Value::Null),
        (json!({}), Value::Null),
    ] {
        assert_eq!(of(body.clone()), want, "{body}");
    }
}

#[test]
fn contents_tools_and_formats_have_their_places() {
    let (sent, dropped) = made(
        "o3-pro",
        &json!({
            "messages": [
                {"role": "user", "name": "ann", "content": [
                    {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://h/a.png"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"}},
                    {"type": "file", "file": {"file_id": "https://h/b.pdf"}},
                    {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
                ]},
                {"role": "assistant", "content": [{"type": "text", "text": "A "}, {"type": "text", "text": "cat."}]},
                {"role": "assistant", "content": null, "refusal": "No."},
                {"role": "user", "content": [{"type": "text", "text": "one"}]},
            ],
            "tools": [
                {"type": "function", "function": {"name": "tide", "description": "d", "parameters": {"type": "object", "properties": {"b": {}, "a": {}}}}},
                {"type": "function", "function": {"name": "bare", "strict": true}},
                {"type": "custom", "custom": {"name": "sql", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: \"a\""}}}},
                {"type": "image_generation", "quality": "low"},
            ],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "tide"}}]}},
            "web_search_options": {"search_context_size": "low", "user_location": {"type": "approximate", "approximate": {"city": "Kiel"}}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"z": 1, "a": 2}, "strict": true}},
            "max_tokens": 1, "prediction": {"type": "content"}, "user": "u".repeat(65),
        }),
    );
    assert_eq!(
        sent["input"],
        json!([
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
                {"type": "input_image", "image_url": "https://h/a.png", "detail": "auto"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
                {"type": "input_file", "file_url": "https://h/b.pdf"},
                {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
            ]},
            {"type": "message", "role": "assistant", "content": "A cat."},
            {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"type": "message", "role": "user", "content": "one"},
        ])
    );
    assert_eq!(sent["tools"].to_string(), json!([
        {"type": "function", "name": "tide", "description": "d",
         "parameters": {"type": "object", "properties": {"b": {}, "a": {}}}, "strict": false},
        {"type": "function", "name": "bare", "parameters": {"type": "object", "properties": {}}, "strict": true},
        {"name": "sql", "format": {"syntax": "lark", "definition": "start: \"a\"", "type": "grammar"}, "type": "custom"},
        {"type": "image_generation", "quality": "low"},
        {"type": "web_search", "search_context_size": "low", "user_location": {"city": "Kiel", "type": "approximate"}},
    ]).to_string(), "the order of a schema is the client's");
    assert_eq!(
        sent["tool_choice"],
        json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "tide"}]})
    );
    let format = json!({"type": "json_schema", "name": "n", "schema": {"z": 1, "a": 2}, "strict": true});
    assert_eq!(sent["text"]["format"].to_string(), format.to_string());
    assert_eq!(sent["max_output_tokens"], 16);
    assert_eq!(dropped.as_deref(), Some("messages.name, cache_control, prediction, user"));
    for (choice, want) in [
        (json!("required"), json!("required")),
        (json!({"type": "function", "function": {"name": "t"}}), json!({"type": "function", "name": "t"})),
        (json!({"type": "custom", "custom": {"name": "t"}}), json!({"type": "custom", "name": "t"})),
    ] {
        let tools = json!([{"type": "function", "function": {"name": "t"}}]);
        let body = json!({"messages": [], "tools": tools, "tool_choice": choice});
        assert_eq!(made("o3-pro", &body).0["tool_choice"], want);
    }
    let old = json!({"messages": [], "functions": [{"name": "t"}], "function_call": {"name": "t"}});
    assert_eq!(made("o3-pro", &old).0["tool_choice"], json!({"type": "function", "name": "t"}));
}

#[test]
fn what_cannot_be_said_is_refused_by_name_or_left_out_and_named() {
    let dropping = of("openai", json!({"drop_params": true}));
    for (name, value) in [
        ("stop", json!(["x"])),
        ("n", json!(2)),
        ("seed", json!(1)),
        ("logit_bias", json!({"5": 1})),
        ("presence_penalty", json!(0.5)),
        ("frequency_penalty", json!(-1)),
        ("modalities", json!(["text", "audio"])),
        ("audio", json!({"voice": "x"})),
        ("background", json!(true)),
    ] {
        let mut body = json!({"messages": [user(json!("hi"))]});
        body[name] = value;
        let refused = ask(&openai(), "o3-pro", &body, false).unwrap_err();
        assert_eq!(refused.status, E_UNSUPPORTED, "{name}");
        assert!(refused.why.contains(&format!("{name:?}")), "{}", refused.why);
        let sent = ask(&dropping, "o3-pro", &body, false).unwrap();
        assert!(sent.headers.contains(&("x-tidegate-dropped".to_owned(), format!("{name:?}"))), "{name}");
        assert_eq!(serde_json::from_slice::<Value>(&sent.body).unwrap().get(name), None);
    }
    let video = json!({"messages": [user(json!([{"type": "video_url"}, {"type": "text", "text": "x"}]))]});
    let refused = ask(&openai(), "o3-pro", &video, false).unwrap_err();
    assert!(refused.why.contains("messages[0].content[0]: a part \"video_url\""), "{}", refused.why);
    let sent = ask(&dropping, "o3-pro", &video, false).unwrap();
    assert!(sent.headers.iter().any(|(_, names)| names == "messages.content.video_url"));
    for body in [
        json!([]),
        json!({}),
        json!({"messages": [{"role": "x"}]}),
        json!({"messages": [{"role": "tool", "content": ""}]}),
    ] {
        assert!(ask(&openai(), "o3-pro", &body, false).is_err(), "{body}");
    }
}

/// All that a client makes of the chunks: the message that it would send back.
fn message(replayed: &Replayed) -> Value {
    let mut message = json!({"role": "assistant", "content": replayed.text()});
    let (mut thoughts, mut refusal) = (String::new(), String::new());
    let (mut blocks, mut notes, mut aside, mut calls): (Vec<Value>, Vec<Value>, Vec<Value>, Vec<Value>) =
        (vec![], vec![], vec![], vec![]);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for chunk in replayed.json() {
        let delta = &chunk["choices"][0]["delta"];
        thoughts += delta["reasoning_content"].as_str().unwrap_or("");
        refusal += delta["refusal"].as_str().unwrap_or("");
        blocks.extend(list(&delta["thinking_blocks"]));
        notes.extend(list(&delta["annotations"]));
        aside.extend(delta.get("provider_specific_fields").cloned());
        for piece in list(&delta["tool_calls"]) {
            let index = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
            if index == calls.len() {
                let mut call = piece;
                call.as_object_mut().unwrap().remove("index");
                calls.push(call);
                continue;
            }
            for (of, name) in [("function", "arguments"), ("custom", "input")] {
                if let Some(more) = piece[of][name].as_str() {
                    let whole = format!("{}{more}", calls[index][of][name].as_str().unwrap());
                    calls[index][of][name] = json!(whole);
                }
            }
        }
    }
    for (name, value) in [
        ("reasoning_content", json!(thoughts)),
        ("refusal", json!(refusal)),
        ("thinking_blocks", json!(blocks)),
        ("annotations", json!(notes)),
        ("tool_calls", json!(calls)),
        ("aside", json!(aside)),
    ] {
        if value != json!([]) && value != json!("") {
            message[name] = value;
        }
    }
    message
}

#[test]
fn what_is_told_is_what_was_said() {
    for (name, text, calls, finish) in GOOD {
        let replayed = openai().replay(&recording(name));
        assert_eq!(replayed.ending, Ending::Done, "{name}");
        assert_eq!(
            (replayed.text().as_str(), replayed.finish().as_deref()),
            (*text, Some(*finish)),
            "{name}"
        );
        let made = replayed.tool_calls();
        let made: Vec<(&str, &str)> = made
            .iter()
            .filter(|call| !call.name.is_empty())
            .map(|call| (call.name.as_str(), call.arguments.as_str()))
            .collect();
        assert_eq!(made, *calls, "{name}");
        assert!(
            replayed.usage().is_some_and(|usage| usage["completion_tokens"].as_u64() > Some(1)),
            "{name}"
        );
        let chunks = replayed.json();
        assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk"), "{name}");
        assert!(chunks[0]["choices"][0]["delta"]["role"] == "assistant", "{name}");
        assert!(chunks.iter().all(|chunk| chunk["id"].as_str().unwrap().starts_with("resp_")), "{name}");
    }
}

#[test]
fn the_details_are_not_lost() {
    let replayed = openai().replay(&recording("reasoned-calls"));
    let told = message(&replayed);
    assert_eq!(told["reasoning_content"], "High water is twice a day.\n\n潮 comes later.");
    let cited = json!({"url": "https://tide.example/kiel", "title": "Tides of Kiel", "start_index": 9, "end_index": 31});
    assert_eq!(told["annotations"], json!([{"type": "url_citation", "url_citation": cited}]));
    assert_eq!(told["aside"][0]["annotations"][0]["type"], "file_citation");
    assert_eq!(
        told["tool_calls"][0],
        json!({
            "id": "call_a", "type": "function",
            "function": {"name": "tide", "arguments": "{\"harbour\": \"Kiel\", \"days\": 2}"},
        })
    );
    assert_eq!(
        replayed.usage().unwrap(),
        json!({
            "prompt_tokens": 4621, "completion_tokens": 180, "total_tokens": 4801,
            "prompt_tokens_details": {"cached_tokens": 3400}, "completion_tokens_details": {"reasoning_tokens": 51},
        })
    );
    assert_eq!(replayed.notes, [(1, 4621), (2, 180), (3, 3400), (4, 51), (5, 0)]);

    let custom = message(&openai().replay(&recording("custom-tool")));
    assert_eq!(
        custom["tool_calls"],
        json!([{
            "id": "call_2GHkSm2Jm0n7vgXsQEryfGmL", "type": "custom",
            "custom": {"name": "execute_sql", "input": "SELECT * FROM users LIMIT 5;"},
        }])
    );
    assert_eq!(message(&openai().replay(&recording("refusal")))["refusal"], "I cannot help with that.");
    let odd = message(&openai().replay(&recording("of-tomorrow")));
    let kinds: Vec<&Value> =
        odd["aside"].as_array().unwrap().iter().map(|aside| &aside["output_items"][0]["type"]).collect();
    assert_eq!(kinds, ["web_search_call", "hologram"]);
    let cited = &odd["annotations"][0]["url_citation"];
    assert_eq!(
        (&cited["start_index"], &cited["end_index"]),
        (&json!(9), &json!(17)),
        "in the chat's one text"
    );
}

/// What the stream tells and what the whole answer tells is the same message.
#[test]
fn a_whole_answer_says_the_same() {
    let (status, body) = openai().response(&head(), &std::fs::read(file("reasoned-calls.json")).unwrap());
    assert_eq!(status, 0);
    let whole: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&whole["object"], &whole["model"], &whole["id"]),
        (&json!("chat.completion"), &json!("mine"), &json!("resp_5a01"))
    );
    assert_eq!((&whole["created"], &whole["service_tier"]), (&json!(1_767_378_354_u64), &json!("default")));
    let (choice, streamed) = (&whole["choices"][0], message(&openai().replay(&recording("reasoned-calls"))));
    assert_eq!(choice["finish_reason"], "tool_calls");
    let told = &choice["message"];
    for name in ["content", "reasoning_content", "tool_calls", "annotations"] {
        assert_eq!(told[name], streamed[name], "{name}");
    }
    for (whole, streamed) in told["thinking_blocks"]
        .as_array()
        .unwrap()
        .iter()
        .zip(streamed["thinking_blocks"].as_array().unwrap())
    {
        assert_eq!((&whole["signature"], &whole["data"]), (&streamed["signature"], &streamed["data"]));
    }
    assert_eq!(told["provider_specific_fields"]["annotations"][0]["filename"], "tides.pdf");
    assert_eq!(whole["usage"]["total_tokens"], 4801);

    let of = |status: &str, more: Value| {
        let mut body = json!({"object": "response", "status": status, "error": null, "output": [
            {"type": "message", "content": [{"type": "output_text", "text": "a", "logprobs": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]}]},
            {"type": "image_generation_call", "result": "AAAA", "output_format": "webp"},
        ]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        openai().response(&head(), body.to_string().as_bytes())
    };
    let (_, body) = of("incomplete", json!({"incomplete_details": {"reason": "content_filter"}}));
    let choice = serde_json::from_slice::<Value>(&body).unwrap()["choices"][0].clone();
    assert_eq!(choice["finish_reason"], "content_filter");
    assert_eq!(choice["logprobs"]["content"][0]["token"], "a");
    assert_eq!(choice["message"]["images"][0]["image_url"]["url"], "data:image/webp;base64,AAAA");
    assert_eq!(of("failed", json!({})).0, E_UPSTREAM);
    assert_eq!(of("completed", json!({"error": {"code": "server_error"}})).0, E_UPSTREAM);
    for status in ["in_progress", "queued", "cancelled"] {
        assert_eq!(of(status, json!({})).0, E_PROTOCOL, "{status}");
    }
}

/// A chat's client sends the message back as it got it: each piece of reasoning comes before the call that it led to.
#[test]
fn a_tool_loop_keeps_its_reasoning() {
    let (_, whole) = openai().response(&head(), &std::fs::read(file("reasoned-calls.json")).unwrap());
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    for message in
        [message(&openai().replay(&recording("reasoned-calls"))), whole["choices"][0]["message"].clone()]
    {
        let result =
            |id: &str, content: Value| json!({"role": "tool", "tool_call_id": id, "content": content});
        let picture = json!([{"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": "https://h/x"}}]);
        let (sent, _) = made(
            "responses/my-codex",
            &json!({"messages": [
                user(json!("hi")), message, result("call_a", json!("14:05")), result("call_b", picture),
            ]}),
        );
        let kinds: Vec<&str> =
            sent["input"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
        assert_eq!(
            kinds,
            [
                "message",
                "reasoning",
                "message",
                "reasoning",
                "function_call",
                "function_call",
                "function_call_output",
                "function_call_output",
            ]
        );
        assert_eq!(
            (&sent["input"][1]["id"], &sent["input"][1]["encrypted_content"]),
            (&json!("rs_1"), &json!("gAAAAABfirst=="))
        );
        assert_eq!(
            sent["input"][3],
            json!({"type": "reasoning", "summary": [], "encrypted_content": "gAAAAABsecond==", "id": "rs_2"})
        );
        assert_eq!(sent["input"][4]["call_id"], "call_a");
        assert_eq!(
            sent["input"][6],
            json!({"type": "function_call_output", "call_id": "call_a", "output": "14:05"})
        );
        assert_eq!(sent["input"][7]["output"][1]["type"], "input_image");
        assert_eq!(sent["include"], json!(["reasoning.encrypted_content"]));
    }
    // A custom tool's call and result have types of their own.
    let message = message(&openai().replay(&recording("custom-tool")));
    let result =
        json!({"role": "tool", "tool_call_id": "call_2GHkSm2Jm0n7vgXsQEryfGmL", "content": "5 rows"});
    let (sent, _) = made("o3-pro", &json!({"messages": [message, result]}));
    let kinds: Vec<&str> =
        sent["input"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "custom_tool_call", "custom_tool_call_output"]);
    // Another provider's thoughts prove nothing here.
    let foreign = json!({"role": "assistant", "content": "x", "reasoning_content": "hm", "thinking_blocks": [
        {"type": "thinking", "thinking": "hm", "signature": "EqQBCkYIBBgC"}, {"type": "redacted_thinking", "data": "Emw="},
    ]});
    let (sent, _) = made("o3-pro", &json!({"messages": [foreign]}));
    assert_eq!(sent["input"], json!([{"type": "message", "role": "assistant", "content": "x"}]));
}

#[test]
fn errors_and_breaks_are_told_as_such() {
    for name in ["failed", "error", "error-nested"] {
        let replayed = openai().replay(&recording(name));
        let Ending::Upstream(class) = &replayed.ending else { panic!("{name}: {:?}", replayed.ending) };
        assert_eq!(
            (class.error, class.http_status, class.retryable),
            (ErrorKind::RateLimit, 429, true),
            "{name}"
        );
        assert_eq!(class.retry_after_ms, Some(1898), "{name}");
        assert_eq!((replayed.text().as_str(), replayed.finish()), ("High water ", None), "{name}");
    }
    let replayed = openai().replay(&recording("truncated"));
    assert_eq!((&replayed.ending, replayed.finish()), (&Ending::Truncated, None));
    // A last event that does not say how it ended invents nothing.
    let odd = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"in_progress\"}}\n\n";
    let replayed = openai().replay(&Recording::new(odd, Framing::Sse));
    assert_eq!((&replayed.ending, replayed.finish()), (&Ending::Failed(E_PROTOCOL), None));
}

#[test]
fn no_finish_is_invented_wherever_it_breaks_off() {
    for (name, ..) in GOOD {
        assert_eq!(openai().invented_ends(&recording(name)), [0; 0], "{name}");
    }
}

/// Some servers stream no pieces: what the items or the last event say is told once.
#[test]
fn what_came_in_no_piece_is_told_all_the_same() {
    let bytes = std::fs::read_to_string(file("reasoned-calls.sse")).unwrap();
    let streamed = message(&openai().replay(&recording("reasoned-calls")));
    let only = |kept: &[&str]| {
        let events = bytes.split_inclusive("\n\n");
        let kept =
            events.filter(|event| kept.iter().any(|kind| event.starts_with(&format!("event: {kind}\n"))));
        openai().replay(&Recording::new(kept.collect::<String>(), Framing::Sse))
    };
    for kept in [
        &["response.output_item.added", "response.output_item.done", "response.completed"][..],
        &["response.output_item.done", "response.completed"],
        &["response.created", "response.completed"],
    ] {
        let replayed = only(kept);
        assert_eq!(
            (&replayed.ending, replayed.finish().as_deref()),
            (&Ending::Done, Some("tool_calls")),
            "{kept:?}"
        );
        let told = message(&replayed);
        for name in ["content", "reasoning_content", "thinking_blocks", "tool_calls", "annotations"] {
            assert_eq!(told[name], streamed[name], "{kept:?} {name}");
        }
    }
}

/// An upstream of chat whose events are looked at one by one is what it was.
#[test]
fn a_stream_of_chat_is_told_from_one_of_responses() {
    let chunk = r#"{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}"#;
    let harness = openai();
    let mut stream = harness.stream(&head()).unwrap();
    assert_eq!(stream.event("", "").status, 0);
    assert_eq!(stream.event("", chunk).status, 1, "it passes");
    assert_eq!(stream.event("", "[DONE]").status, 0);
    assert_eq!(stream.end().status, 0);
    let whole = r#"{"object":"chat.completion","choices":[]}"#;
    assert_eq!(harness.response(&head(), whole.as_bytes()).0, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However events are cut into pieces, a client is told the same.
    #[test]
    fn every_cut_of_the_deltas_says_the_same(cuts in prop::collection::vec(1usize..9, 1..40)) {
        let bytes = std::fs::read_to_string(file("reasoned-calls.sse")).unwrap();
        let mut cuts = cuts.iter().cycle();
        let mut again = String::new();
        for event in bytes.split_inclusive("\n\n") {
            let (name, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.trim().strip_prefix("data: ").unwrap()).unwrap();
            let Some(delta) = data["delta"].as_str() else { again += event; continue };
            let letters: Vec<char> = delta.chars().collect();
            let mut rest = letters.as_slice();
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                let mut piece = data.clone();
                piece["delta"] = json!(now.iter().collect::<String>());
                again += &format!("{name}\ndata: {piece}\n\n");
                rest = later;
            }
        }
        let replayed = openai().replay(&Recording::new(again, Framing::Sse));
        let whole = openai().replay(&recording("reasoned-calls"));
        prop_assert_eq!(message(&replayed), message(&whole));
        prop_assert_eq!((replayed.ending, replayed.notes), (whole.ending, whole.notes));
    }

    #[test]
    fn garbage_never_panics_and_never_ends_a_stream(
        events in prop::collection::vec((0usize..6, prop::collection::vec(any::<u8>(), 0..60)), 0..8)
    ) {
        const NAMES: [&str; 6] = ["response.created", "response.output_item.added", "response.completed", "", "error", "x"];
        let harness = openai();
        let mut stream = harness.stream(&head()).unwrap();
        for (name, data) in &events {
            prop_assert_ne!(stream.play(&EventIn { stray: false, name: NAMES[*name], data }).status, -1);
        }
        prop_assert_ne!(stream.end().status, 0);
    }
}
