//! Models that are asked by the Responses API alone, for clients that speak something else.

use serde_json::{Value, json};
use tidegate_sim::{Ending, Script, Sim, healthy_text};
use tidegate_tests::client::{ask, post};
use tidegate_tests::{Answer, End, Proxy, Setup, Terminal, Told};

use crate::world::{LONG, fetch, sim, told};

/// By litellm's mark, by OpenAI's own name, by `model_info.mode`, and at Azure.
const MODELS: [&str; 4] = ["marked", "named", "moded", "azure"];

const STREAM: &str = include_str!("../../../plugins/openai/tests/fixtures/reasoned-calls.sse");
const WHOLE: &str = include_str!("../../../plugins/openai/tests/fixtures/reasoned-calls.json");

async fn world() -> (Sim, Proxy) {
    let sim = sim().await;
    let of =
        |model: &str| format!("model: {model}, api_base: \"http://{}/v1\", api_key: sim-key", sim.addr());
    let azure = format!(
        "model: azure/responses/prod-codex, api_base: \"http://{}\", api_version: v1, azure_ad_token: sim-key",
        sim.addr()
    );
    let setup = Setup::of(&sim)
        .short_clocks()
        .params("marked", &of("openai/responses/gpt-5.1-codex"))
        .params("named", &of("openai/gpt-5.1-codex"))
        // What follows `litellm_params` in its entry.
        .params("moded", &format!("{}}}, model_info: {{mode: responses", of("openai/mine-gpt-5")))
        .params("azure", &azure)
        .params("dropping", &format!("{}, drop_params: true", of("openai/responses/o3")));
    let proxy = Proxy::start(&setup.yaml()).await;
    (sim, proxy)
}

async fn chat(proxy: &Proxy, model: &str, mut body: Value) -> Answer {
    body["model"] = json!(model);
    ask(proxy.data, &post("/v1/chat/completions", "", body.to_string().as_bytes()), LONG).await
}

/// What the provider was sent last.
fn sent(sim: &Sim) -> (String, Value) {
    let seen = sim.log().pop().unwrap();
    (seen.target, serde_json::from_slice(&seen.body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_gets_its_answer() {
    let (sim, proxy) = world().await;
    for model in MODELS {
        for stream in [true, false] {
            let said = told(&proxy, model, "fast", stream).await;
            assert_eq!(said.text, healthy_text(), "{model}");
            let (target, body) = sent(&sim);
            assert!(target.ends_with("/responses"), "{model}: {target}");
            assert_eq!(
                (&body["store"], body["model"].as_str().unwrap().contains('/')),
                (&json!(false), false)
            );
            assert_eq!(body["include"], json!(["reasoning.encrypted_content"]), "{model}");
            assert_eq!(body.get("stream").is_some(), stream, "{model}");
        }
        // The usage is told to who asks for it, and to nobody else.
        let asked = |options: Value| {
            let message = json!([{"role": "user", "content": "sim:fast"}]);
            json!({"messages": message, "stream": true, "stream_options": options})
        };
        let with = chat(&proxy, model, asked(json!({"include_usage": true}))).await.text();
        assert!(with.contains(r#""prompt_tokens":12,"completion_tokens":20"#), "{with}");
        let without = chat(&proxy, model, asked(Value::Null)).await.text();
        assert!(!without.contains("prompt_tokens"), "{without}");

        for (path, body) in [
            ("/v1/completions", json!({"model": model, "prompt": "sim:fast"})),
            (
                "/v1/messages",
                json!({"model": model, "max_tokens": 99, "messages": [{"role": "user", "content": "sim:fast"}]}),
            ),
            (
                &*format!("/v1beta/models/{model}:generateContent"),
                json!({"contents": [{"role": "user", "parts": [{"text": "sim:fast"}]}]}),
            ),
            ("/v1/responses", json!({"model": model, "input": "sim:fast"})),
        ] {
            let answer = ask(proxy.data, &post(path, "", body.to_string().as_bytes()), LONG).await;
            assert_eq!(answer.status, 200, "{model} {path}: {}", answer.text());
            let text = json!(healthy_text()).to_string();
            assert!(answer.text().contains(text.trim_matches('"')), "{path}: {}", answer.text());
        }
        // The last was Responses, which pass as they came.
        assert_eq!(sent(&sim).1.get("store"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_come_in_parallel_and_in_pieces() {
    let (_sim, proxy) = world().await;
    for stream in [true, false] {
        let said = told(&proxy, "marked", "tool-calls", stream).await;
        assert_eq!((said.calls.len(), said.finish.as_deref()), (2, Some("tool_calls")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_what_it_is_for_every_client_of_chat() {
    let (_sim, proxy) = world().await;
    for model in ["marked", "azure"] {
        for (scenario, status) in
            [("http-429", 429), ("429-first", 429), ("http-503", 503), ("http-401", 401)]
        {
            for stream in [true, false] {
                let answer = fetch(&proxy, model, scenario, stream).await;
                assert_eq!(answer.status, status, "{model} {scenario}: {}", answer.text());
            }
            if status == 429 {
                assert!(fetch(&proxy, model, scenario, true).await.header("retry-after").is_some());
            }
        }
        for (scenario, status) in [
            ("429-frame-end", 429),
            ("429-event-line", 429),
            ("429-flat", 429),
            ("503-frame-end", 503),
            ("cut-between", 502),
            ("text-cut-rst", 502),
            ("no-finish", 502),
            ("stall-mid", 504),
        ] {
            let said = told(&proxy, model, scenario, true).await;
            assert_eq!((said.terminal, said.finish), (Terminal::Error(status), None), "{model} {scenario}");
        }
    }
}

/// Cut at every byte: a normal end comes only with the last event.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_stream_never_ends_normally() {
    let (sim, proxy) = world().await;
    let last = STREAM.find("event: response.completed").unwrap();
    for at in (0..last).step_by(97).chain(last..STREAM.len() - 2) {
        sim.script("cut", Script::sse().write(STREAM.as_bytes()[..at].to_vec()).ending(Ending::Complete));
        let answer = fetch(&proxy, "marked", "cut", true).await;
        let text = answer.text();
        assert!(
            !text.contains("[DONE]") && !text.contains(r#""finish_reason":"tool"#),
            "cut at {at}: {text}"
        );
        assert!(text.contains(r#""error":"#), "cut at {at}: {text}");
    }
}

/// The same for every split of the bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_the_same_in_any_pieces() {
    let (sim, proxy) = world().await;
    let mut first: Option<Told> = None;
    for size in [STREAM.len(), 1, 7, 100, 1021] {
        let pieces = STREAM.as_bytes().chunks(size);
        sim.script("own", pieces.fold(Script::sse(), |script, piece| script.write(piece.to_vec())));
        let said = told(&proxy, "marked", "own", true).await;
        assert_eq!(said.text, "I search.High water is at 14:05 🌊.");
        match &first {
            None => first = Some(said),
            Some(first) => assert_eq!((&said.calls, &said.finish), (&first.calls, &first.finish), "{size}"),
        }
    }
}

/// What the provider gives out encrypted comes back to it, whoever keeps it in between.
#[tokio::test(flavor = "multi_thread")]
async fn reasoning_is_kept_over_a_tool_loop() {
    let (sim, proxy) = world().await;
    sim.script("own", Script::json(200, WHOLE));
    let came_back = |what: &str| {
        let (_, body) = sent(&sim);
        let input = body["input"].as_array().unwrap();
        let kinds: Vec<&str> = input.iter().filter_map(|item| item["type"].as_str()).collect();
        let want = [
            "message",
            "reasoning",
            "message",
            "reasoning",
            "function_call",
            "function_call",
            "function_call_output",
            "function_call_output",
        ];
        assert_eq!(kinds, want, "{what}: {input:?}");
        assert_eq!(
            (&input[1]["id"], &input[1]["encrypted_content"]),
            (&json!("rs_1"), &json!("gAAAAABfirst==")),
            "{what}"
        );
        assert_eq!(
            (&input[3]["id"], &input[3]["encrypted_content"]),
            (&json!("rs_2"), &json!("gAAAAABsecond==")),
            "{what}"
        );
    };
    let ids = ["call_a", "call_b"];

    let user = json!({"role": "user", "content": "sim:own"});
    let tools = json!([{"type": "function", "function": {"name": "tide", "parameters": {"type": "object"}}}]);
    let first = chat(&proxy, "marked", json!({"messages": [user], "tools": tools})).await.json();
    let mut messages = vec![user, first["choices"][0]["message"].clone()];
    messages.extend(ids.map(|id| json!({"role": "tool", "tool_call_id": id, "content": "14:05"})));
    assert_eq!(chat(&proxy, "marked", json!({"messages": messages, "tools": tools})).await.status, 200);
    came_back("chat");

    let claude = |messages: Value| {
        let tools = json!([{"name": "tide", "input_schema": {"type": "object"}}]);
        let body = json!({"model": "marked", "max_tokens": 99, "tools": tools, "messages": messages});
        post("/v1/messages", "", body.to_string().as_bytes())
    };
    let user = json!({"role": "user", "content": "sim:own"});
    let first = ask(proxy.data, &claude(json!([user])), LONG).await.json();
    let results = ids.map(|id| json!({"type": "tool_result", "tool_use_id": id, "content": "14:05"}));
    let messages = json!([user, {"role": "assistant", "content": first["content"]}, {"role": "user", "content": results}]);
    let second = ask(proxy.data, &claude(messages), LONG).await;
    assert_eq!(second.status, 200, "{}", second.text());
    came_back("messages");

    let google = |contents: Value| {
        let body = json!({"contents": contents, "tools": [{"functionDeclarations": [{"name": "tide"}]}]});
        post("/v1beta/models/marked:generateContent", "", body.to_string().as_bytes())
    };
    let user = json!({"role": "user", "parts": [{"text": "sim:own"}]});
    let first = ask(proxy.data, &google(json!([user])), LONG).await.json();
    let results: Vec<Value> = ids
        .iter()
        .zip(["tide", "now"])
        .map(
            |(id, name)| json!({"functionResponse": {"id": id, "name": name, "response": {"high": "14:05"}}}),
        )
        .collect();
    let contents = json!([user, first["candidates"][0]["content"], {"role": "user", "parts": results}]);
    let second = ask(proxy.data, &google(contents), LONG).await;
    assert_eq!(second.status, 200, "{}", second.text());
    came_back("gemini");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_said_is_refused_or_named() {
    let (sim, proxy) = world().await;
    let body = json!({"messages": [{"role": "user", "content": "sim:fast"}], "stop": "x"});
    let refused = chat(&proxy, "marked", body.clone()).await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("\"stop\""), "{}", refused.text());
    // As litellm's clients ask for it themselves.
    let mut own = body.clone();
    own["drop_params"] = json!(true);
    own["allowed_openai_params"] = json!(["stop"]);
    for model in ["marked", "azure"] {
        let dropped = chat(&proxy, model, own.clone()).await;
        assert_eq!((dropped.status, dropped.header("x-tidegate-dropped")), (200, Some("stop")), "{model}");
        let (_, body) = sent(&sim);
        for name in ["stop", "drop_params", "allowed_openai_params"] {
            assert_eq!(body.get(name), None, "{model} {name}");
        }
    }
    assert_eq!(chat(&proxy, "marked", body.clone()).await.status, 400, "the next request does not");
    own["additional_drop_params"] = json!(["stop"]);
    let dropped = chat(&proxy, "openai", own).await;
    assert_eq!((dropped.status, dropped.header("x-tidegate-dropped")), (200, Some("stop")));
    assert_eq!(sent(&sim).1.get("stop"), None);
    let dropped = chat(&proxy, "dropping", body).await;
    assert_eq!((dropped.status, dropped.header("x-tidegate-dropped")), (200, Some("stop")));
    assert_eq!(sent(&sim).1.get("stop"), None);
    let embedding = json!({"model": "marked", "input": "x"});
    let answer = ask(proxy.data, &post("/v1/embeddings", "", embedding.to_string().as_bytes()), LONG).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.end, End::Complete);
}
