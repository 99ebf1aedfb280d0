//! Clients of OpenAI's Responses: natively, and in front of providers that have none.

use serde_json::{Value, json};
use tidegate_sim::{Ending, Script, Sim, healthy_text};
use tidegate_tests::client::ask;
use tidegate_tests::{Answer, End, Proxy, Setup};

use crate::world::{LONG, sim};

/// The groups: a provider that has Responses, and others.
const NATIVE: &str = "openai";
const ACROSS: [&str; 3] = ["vllm", "gemini", "vertex"];

async fn world(change: impl FnOnce(Setup) -> Setup) -> (Sim, Proxy) {
    let sim = sim().await;
    let base = format!("model: hosted_vllm/m, api_base: \"http://{}/v1\", api_key: sim-key", sim.addr());
    let setup = Setup::of(&sim).short_clocks().params("vllm", &base);
    let proxy = Proxy::start(&change(setup).yaml()).await;
    (sim, proxy)
}

fn post(body: &Value) -> Vec<u8> {
    post_to("/v1/responses", body)
}

fn post_to(path: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

fn request(model: &str, scenario: &str, stream: bool) -> Value {
    json!({"model": model, "input": format!("Hi sim:{scenario}"), "stream": stream})
}

async fn asked(proxy: &Proxy, body: &Value) -> Answer {
    ask(proxy.data, &post(body), LONG).await
}

/// The events of a stream, each with its type as its name, numbered from 0 without a gap.
fn events(answer: &Answer) -> Vec<Value> {
    let text = answer.text();
    assert!(text.ends_with("\n\n"), "{text:?}");
    // The beginning of a line that was cut names nothing, and no parser makes an event of it.
    let is_event =
        |block: &&str| !block.starts_with(':') && !matches!(*block, "event" | "event:" | "event: ");
    let blocks = text.split_terminator("\n\n").filter(is_event);
    let events: Vec<Value> = blocks
        .map(|block| {
            let block = block.trim_start_matches('\n');
            let (name, data) = block.split_once('\n').unwrap_or_else(|| panic!("{block}"));
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str(), "{block}");
            data
        })
        .collect();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], json!(number), "{event}");
    }
    events
}

fn text(events: &[Value]) -> String {
    let deltas = events.iter().filter(|event| event["type"] == "response.output_text.delta");
    deltas.map(|event| event["delta"].as_str().unwrap()).collect()
}

fn kind(event: Option<&Value>) -> &str {
    event.and_then(|event| event["type"].as_str()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_provider_answers() {
    let (_sim, proxy) = world(|setup| setup).await;
    for model in ACROSS.into_iter().chain([NATIVE]) {
        let answer = asked(&proxy, &request(model, "fast", true)).await;
        assert_eq!((answer.status, answer.end), (200, End::Complete), "{model}");
        assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
        let events = events(&answer);
        assert_eq!(text(&events), healthy_text(), "{model}");
        assert_eq!(kind(events.first()), "response.created");
        assert_eq!(kind(events.last()), "response.completed");
        let response = &events.last().unwrap()["response"];
        assert_eq!(response["output"][0]["content"][0]["text"], json!(healthy_text()), "{model}");
        assert_eq!(response["usage"]["input_tokens"], 12, "{model}: {}", response["usage"]);
        assert_eq!(response["usage"]["output_tokens"], 20, "{model}");

        let whole = asked(&proxy, &request(model, "fast", false)).await.json();
        assert_eq!(
            (&whole["object"], &whole["status"]),
            (&json!("response"), &json!("completed")),
            "{model}"
        );
        assert_eq!(whole["output"][0]["content"][0]["text"], json!(healthy_text()), "{model}");
        assert_eq!(whole["usage"], response["usage"], "{model}");
    }
}

/// What the provider sent, to the byte: unknown events, their order, and a comment.
#[tokio::test(flavor = "multi_thread")]
async fn a_providers_own_events_pass_as_they_came() {
    let (sim, proxy) = world(|setup| setup).await;
    let stream = concat!(
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\",\"error\":null}}\n\n",
        ": a comment\n\n",
        "event: response.brand_new\r\ndata: {\"type\":\"response.brand_new\", \"sequence_number\":1, \"x\":1e400}\r\n\r\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":2,\"delta\":\"Ebbe 潮\"}\n\n",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":3,\"response\":{\"id\":\"r\",\"error\":null,\"output\":[{}]}}\n\n",
    );
    // In any pieces.
    for size in [stream.len(), 1, 7, 100] {
        let script =
            stream.as_bytes().chunks(size).fold(Script::sse(), |script, piece| script.write(piece.to_vec()));
        sim.script("own", script);
        let answer = asked(&proxy, &request(NATIVE, "own", true)).await;
        assert_eq!(answer.text(), stream, "in pieces of {size}");
    }
    let sent = sim.log().pop().unwrap();
    assert_eq!(sent.target, "/v1/responses");

    let whole =
        r#"{ "id":"r", "object":"response", "status":"completed", "error":null, "output":[ ], "x":1e400 }"#;
    sim.script("own", Script::json(200, whole));
    assert_eq!(asked(&proxy, &request(NATIVE, "own", false)).await.text(), whole);
}

/// Cut at every byte: a normal end comes only with the last event.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_stream_never_ends_normally() {
    let (sim, proxy) = world(|setup| setup).await;
    let stream = concat!(
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\"}}\n\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"delta\":\"潮\"}\n\n",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{\"id\":\"r\"}}\n\n",
    );
    // The last event is whole without the line ends behind it.
    for at in 0..stream.len() - 2 {
        let script = Script::sse().write(stream.as_bytes()[..at].to_vec()).ending(Ending::Complete);
        sim.script("cut", script);
        let answer = asked(&proxy, &request(NATIVE, "cut", true)).await;
        if answer.status == 502 {
            assert_eq!(answer.json()["error"]["code"], "502", "cut at {at}");
            continue;
        }
        let told = events(&answer);
        let last = &told[told.len() - 2..];
        assert_eq!((kind(last.first()), kind(last.last())), ("error", "response.failed"), "cut at {at}");
        assert_eq!(last[1]["response"]["id"], "r", "cut at {at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_before_content_are_http_errors() {
    let (_sim, proxy) = world(|setup| setup).await;
    for model in ACROSS.into_iter().chain([NATIVE]) {
        for (scenario, status) in
            [("http-429", 429), ("429-first", 429), ("http-503", 503), ("http-400", 400), ("http-401", 401)]
        {
            let answer = asked(&proxy, &request(model, scenario, true)).await;
            assert_eq!(answer.status, status, "{model} {scenario}");
            assert_eq!(answer.json()["error"]["code"], json!(status.to_string()), "{model} {scenario}");
            if matches!(status, 429 | 503) {
                assert!(answer.header("retry-after").is_some(), "{model} {scenario}");
            }
        }
    }
}

/// In a stream that has begun: both forms, with the next numbers, and never a normal end.
#[tokio::test(flavor = "multi_thread")]
async fn failures_after_content_are_told_in_both_forms() {
    let (_sim, proxy) = world(|setup| setup).await;
    for model in ACROSS.into_iter().chain([NATIVE]) {
        for (scenario, status, code) in [
            ("429-frame-end", "429", "rate_limit_exceeded"),
            ("429-frame-open", "429", "rate_limit_exceeded"),
            ("429-event-line", "429", "rate_limit_exceeded"),
            ("429-numeric", "429", "rate_limit_exceeded"),
            ("429-flat", "429", "rate_limit_exceeded"),
            ("503-frame-end", "503", "server_error"),
            ("cut-between", "502", "server_error"),
            ("429-cut", "502", "server_error"),
            ("text-cut-rst", "502", "server_error"),
            ("not-json", "502", "server_error"),
            ("no-finish", "502", "server_error"),
            ("stall-mid", "504", "server_error"),
        ] {
            let answer = asked(&proxy, &request(model, scenario, true)).await;
            assert_eq!((answer.status, answer.end), (200, End::Complete), "{model} {scenario}");
            let told = events(&answer);
            let [.., error, failed] = told.as_slice() else { panic!("{model} {scenario}: {told:?}") };
            assert_eq!(
                (kind(Some(error)), kind(Some(failed))),
                ("error", "response.failed"),
                "{model} {scenario}"
            );
            assert_eq!(
                (&error["error"]["code"], &error["code"]),
                (&json!(status), &json!(code)),
                "{model} {scenario}"
            );
            let response = &failed["response"];
            assert_eq!((&response["status"], &response["error"]["code"]), (&json!("failed"), &json!(code)));
            assert_eq!(response["id"], told[0]["response"]["id"], "{model} {scenario}");
            assert!(!text(&told).is_empty(), "{model} {scenario}");
            let ends = told.iter().filter(|event| kind(Some(event)) == "response.completed").count();
            assert_eq!(ends, 0, "{model} {scenario}");
        }
    }
}

/// A tool loop of a stateless client: it sends back what it got. Google's signature comes with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_tool_loop_keeps_what_the_provider_wants_back() {
    let (_sim, proxy) = world(|setup| setup).await;
    let tools = json!([{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}]);
    for (model, scenario) in [
        ("gemini", "thought-signature"),
        ("vertex", "thought-signature"),
        ("vllm", "tool-calls"),
        (NATIVE, "tool-calls"),
    ] {
        for stream in [true, false] {
            let mut body = request(model, scenario, stream);
            body["tools"] = tools.clone();
            let first = asked(&proxy, &body).await;
            let response = match stream {
                true => events(&first).pop().unwrap()["response"].clone(),
                false => first.json(),
            };
            let output =
                response["output"].as_array().unwrap_or_else(|| panic!("{model}: {response}")).clone();
            let calls: Vec<Value> =
                output.iter().filter(|item| item["type"] == "function_call").cloned().collect();
            assert_eq!(calls.len(), if scenario == "tool-calls" { 2 } else { 1 }, "{model}: {output:?}");
            assert_eq!(calls[0]["name"], "get_weather");
            let arguments: Value = serde_json::from_str(calls[0]["arguments"].as_str().unwrap()).unwrap();
            assert_eq!(arguments["city"], "Zürich 潮", "{model}");

            let mut input = vec![json!({"role": "user", "content": format!("Hi sim:{scenario}")})];
            input.extend(output);
            input.extend(calls.iter().map(|call| {
                json!({"type": "function_call_output", "call_id": call["call_id"], "output": "{\"sunny\":true}"})
            }));
            body["input"] = json!(input);
            let second = asked(&proxy, &body).await;
            assert_eq!(second.status, 200, "{model} {scenario}: {}", second.text());
        }
    }
}

/// A group whose fallback has a Responses API of its own: what was made here does not reach it.
#[tokio::test(flavor = "multi_thread")]
async fn our_own_reasoning_stays_here() {
    let (sim, proxy) = world(|setup| setup).await;
    let item =
        json!({"type": "reasoning", "id": "rs_tg1", "summary": [], "encrypted_content": "tidegate.1:{}"});
    let foreign = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"});
    let user = json!({"role": "user", "content": "Hi sim:fast"});
    let answer =
        asked(&proxy, &json!({"model": NATIVE, "input": [item, foreign, user], "temperature": 1.0})).await;
    assert_eq!(answer.status, 200);
    let sent: Value = serde_json::from_slice(&sim.log().pop().unwrap().body).unwrap();
    assert_eq!(sent, json!({"model": "sim", "input": [foreign, user], "temperature": 1.0}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_by_name() {
    let (_sim, proxy) = world(|setup| {
        setup.params(
            "dropping",
            "model: hosted_vllm/m, api_base: \"http://127.0.0.1:9/v1\", drop_params: true",
        )
    })
    .await;
    let with = |model: &str, name: &str, value: Value| {
        let mut body = request(model, "fast", false);
        body[name] = value;
        body
    };
    for (name, value) in [
        ("previous_response_id", json!("resp_1")),
        ("background", json!(true)),
        ("tools", json!([{"type": "web_search"}])),
        ("surprise", json!(1)),
    ] {
        let answer = asked(&proxy, &with("vllm", name, value.clone())).await;
        assert_eq!(answer.status, 400, "{name}");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(name) || message.contains("web_search"), "{message}");
        // Natively it is the provider's to judge.
        assert_eq!(asked(&proxy, &with(NATIVE, name, value.clone())).await.status, 200, "{name}");
        // Nobody listens there: what is not refused is sent.
        let sent = asked(&proxy, &with("dropping", name, value)).await.status;
        assert_eq!(sent, if name == "previous_response_id" { 400 } else { 502 }, "{name}");
    }
    for target in ["GET /v1/responses/resp_1", "DELETE /responses/resp_1", "POST /v1/responses/resp_1/cancel"]
    {
        let asked = format!("{target} HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n");
        let answer = ask(proxy.data, asked.as_bytes(), LONG).await;
        assert_eq!(answer.status, 404, "{target}");
        let error = &answer.json()["error"];
        assert!(error["message"].as_str().unwrap().contains("stores no answers"), "{error}");
    }
    let answer = ask(proxy.data, &post_to("/responses", &json!({"model": "vllm"})), LONG).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_responses_is_asked_in_chat() {
    let sim = sim().await;
    let only = format!("model: openai/m, api_base: \"http://{}/chat-only/v1\", api_key: sim-key", sim.addr());
    let setup = Setup::of(&sim).short_clocks().params("only", &only).params("gone", &only);
    let proxy = Proxy::start(&setup.yaml()).await;
    for stream in [false, true, false] {
        let answer = asked(&proxy, &request("only", "fast", stream)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let end = if stream { "event: response.completed" } else { r#""status":"completed""# };
        assert!(answer.text().contains(end), "{}", answer.text());
    }
    assert_eq!(sim.counts("not-found").started, 1, "it is asked for Responses once");
    // Where chat does not know the model either, that is what the client is told, and nothing is learned.
    let answer = asked(&proxy, &request("gone", "http-404", false)).await;
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert_eq!(sim.counts("not-found").started, 2);
}
