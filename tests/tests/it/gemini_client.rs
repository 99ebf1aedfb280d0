//! Clients of Gemini: what they send and get when the provider is one of Google's, when it is another, and when it fails.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_sim::{Ending, Script};
use tidegate_tests::client::{ask, get, post};
use tidegate_tests::config::PROVIDERS;
use tidegate_tests::{Answer, Conn, End, Proxy, Setup};

use crate::world::{LONG, sim, world};

/// A stream as Google's servers write it, with members that nobody here knows, and what no SDK can read.
const STREAM: &str = concat!(
    r#"data: {"candidates": [{"content": {"parts": [{"text": "Ebbe 潮 "}],"role": "model"},"index": 0,"ofTomorrow": 1.50}],"usageMetadata": {"promptTokenCount": 4},"modelVersion": "m"}"#,
    "\r\n\r\n",
    r#"data: {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f","args": {"x": 1}},"thoughtSignature": "c2ln"}],"role": "model"},"index": 0}]}"#,
    "\r\n\r\n",
    r#"data: {"candidates": [{"content": {"parts": [{"text": ""}],"role": "model"},"finishReason": "STOP","index": 0}],"usageMetadata": {"promptTokenCount": 4,"candidatesTokenCount": 5,"totalTokenCount": 9}}"#,
    "\r\n\r\n",
);

fn asking(scenario: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": format!("sim:{scenario}")}]}]})
}

/// Asks with a method, which may have a query.
async fn call(proxy: &Proxy, model: &str, method: &str, body: &Value) -> Answer {
    let request = post(&format!("/v1beta/models/{model}:{method}"), "", body.to_string().as_bytes());
    ask(proxy.data, &request, LONG).await
}

async fn stream(proxy: &Proxy, model: &str, scenario: &str) -> Answer {
    call(proxy, model, "streamGenerateContent?alt=sse", &asking(scenario)).await
}

/// The events of a stream, each on one `data:` line as google-genai for Python reads them: a comment raises there.
fn events(answer: &Answer) -> Vec<Value> {
    assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let text = answer.text();
    let lines = text.split("\r\n").filter(|line| !line.is_empty());
    lines
        .map(|line| {
            serde_json::from_str(line.strip_prefix("data: ").unwrap_or_else(|| panic!("{line}"))).unwrap()
        })
        .collect()
}

fn text(events: &[Value]) -> String {
    let parts =
        events.iter().filter_map(|event| event["candidates"][0]["content"]["parts"].as_array()).flatten();
    parts.filter_map(|part| part["text"].as_str()).collect()
}

/// The error at the end of a stream, as the SDKs find it: its event begins with `{"error":`, and nothing follows.
fn error(answer: &Answer) -> Value {
    let events = events(answer);
    assert!(
        events.iter().all(|event| event["candidates"][0].get("finishReason").is_none()),
        "{}",
        answer.text()
    );
    let last = events.last().unwrap();
    let line = format!("data: {}", r#"{"error":"#);
    assert!(
        answer.text().trim_end().rsplit("\r\n").next().is_some_and(|last| last.starts_with(&line)),
        "{}",
        answer.text()
    );
    last["error"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn googles_own_answers_pass_byte_for_byte() {
    let (sim, proxy) = world(|setup| setup).await;
    sim.script("mine", Script::sse().write(STREAM));
    let body = r#"{ "contents":[{"role":"user","parts":[{"text":"sim:mine","thoughtSignature":"x"}]}],"ofTomorrow" : 1.0 }"#;
    for model in ["gemini", "vertex"] {
        let request =
            post(&format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"), "", body.as_bytes());
        let answer = ask(proxy.data, &request, LONG).await;
        assert_eq!(
            (answer.status, answer.end, answer.text().as_str()),
            (200, End::Complete, STREAM),
            "{model}"
        );
        let seen = sim.log().pop().expect("a request");
        assert_eq!(seen.body, body.as_bytes(), "{model}");
        assert!(seen.target.ends_with("gemini-2.5-pro:streamGenerateContent?alt=sse"), "{}", seen.target);

        let whole = call(&proxy, model, "generateContent", &asking("healthy")).await;
        assert_eq!(
            (whole.status, whole.header("content-type")),
            (200, Some("application/json")),
            "{}",
            whole.text()
        );
        assert_eq!(whole.json()["responseId"], "sim");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_may_be_one_array() {
    let (sim, proxy) = world(|setup| setup).await;
    sim.script("mine", Script::sse().write(STREAM));
    for model in PROVIDERS.map(|(model, _)| model) {
        let answer = call(&proxy, model, "streamGenerateContent", &asking("healthy")).await;
        assert_eq!((answer.status, answer.end), (200, End::Complete), "{model}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{model}");
        let elements = answer.json();
        let elements = elements.as_array().expect("an array");
        assert!(elements.len() > 2 && !text(elements).is_empty(), "{model}: {}", answer.text());
        assert_eq!(elements.last().expect("one")["candidates"][0]["finishReason"], "STOP", "{model}");

        let broken = call(&proxy, model, "streamGenerateContent", &asking("429-frame-open")).await.json();
        let error = broken.as_array().and_then(|all| all.last()).expect("a whole array")["error"].clone();
        assert_eq!(
            (&error["code"], &error["status"]),
            (&json!(429), &json!("RESOURCE_EXHAUSTED")),
            "{model}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_providers_answers_are_geminis() {
    let (sim, proxy) = world(|setup| setup).await;
    let streamed = events(&stream(&proxy, "openai", "healthy").await);
    let whole = call(&proxy, "openai", "generateContent", &asking("healthy")).await.json();
    assert_eq!(text(&streamed), text(std::slice::from_ref(&whole)));
    let last = streamed.last().expect("an event");
    for answer in [last, &whole] {
        assert_eq!(answer["candidates"][0]["finishReason"], "STOP");
        assert_eq!(
            (&answer["usageMetadata"]["totalTokenCount"], &answer["modelVersion"]),
            (&json!(32), &json!("openai"))
        );
    }
    let asked: Value = serde_json::from_slice(&sim.log().pop().expect("a request").body).expect("JSON");
    assert_eq!(asked["messages"], json!([{"role": "user", "content": "sim:healthy"}]));

    let calls = events(&stream(&proxy, "openai", "tool-calls").await);
    let parts = calls.last().expect("an event")["candidates"][0]["content"]["parts"].clone();
    let parts = parts.as_array().expect("parts");
    assert!(
        parts.len() > 1 && parts.iter().all(|part| part["functionCall"]["args"].is_object()),
        "{parts:?}"
    );
}

/// A failure before the first content is an HTTP status with Google's hint; one after it is the stream's last event.
#[tokio::test(flavor = "multi_thread")]
async fn failures_raise_in_googles_sdks() {
    let (_sim, proxy) = world(|setup| setup).await;
    for model in PROVIDERS.map(|(model, _)| model) {
        for method in ["streamGenerateContent?alt=sse", "generateContent"] {
            let refused = call(&proxy, model, method, &asking("http-429-seconds")).await;
            assert_eq!(refused.status, 429, "{model}: {}", refused.text());
            let error = refused.json()["error"].clone();
            assert_eq!(
                (&error["code"], &error["status"]),
                (&json!(429), &json!("RESOURCE_EXHAUSTED")),
                "{model}"
            );
            let delay =
                error["details"][0]["retryDelay"].as_str().unwrap_or_else(|| panic!("{model}: {error}"));
            assert!(delay.ends_with('s'), "{model}: {error}");
        }
        for (scenario, status, word) in [
            ("429-frame-open", 429, "RESOURCE_EXHAUSTED"),
            ("503-frame-end", 503, "UNAVAILABLE"),
            ("cut-between", 502, "UNAVAILABLE"),
            ("text-cut-end", 502, "UNAVAILABLE"),
            ("stall-mid", 504, "DEADLINE_EXCEEDED"),
        ] {
            let error = error(&stream(&proxy, model, scenario).await);
            assert_eq!(
                (&error["code"], &error["status"]),
                (&json!(status), &json!(word)),
                "{model} {scenario}: {error}"
            );
        }
    }
}

/// A body that ends before a finish reason is no answer, cut where it may.
#[tokio::test(flavor = "multi_thread")]
async fn no_cut_stream_looks_complete() {
    let (sim, proxy) = world(|setup| setup).await;
    let finish = STREAM.rfind("\"STOP\"").expect("there is one");
    let cuts: Vec<usize> = (0..STREAM.len())
        .step_by(7)
        .chain([finish, STREAM.len() - 4, STREAM.len() - 1, STREAM.len()])
        .collect();
    for cut in cuts {
        sim.push_script(Script::sse().write(&STREAM.as_bytes()[..cut]).ending(Ending::Complete));
        let answer = stream(&proxy, "gemini", "custom").await;
        let normal = answer.status == 200 && !answer.text().contains("{\"error\":");
        // The last event's data is whole four bytes before the end of its line ends.
        assert!(!normal || cut >= STREAM.len() - 4, "cut at {cut}: {}", answer.text());
        assert!(normal || cut < STREAM.len(), "cut at {cut}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_cross_is_refused_or_left_out() {
    let sim = sim().await;
    let setup = Setup::of(&sim).short_clocks().model("dropping", "openai", &sim, "drop_params: true");
    let proxy = Proxy::start(&setup.yaml()).await;
    let mut body = asking("healthy");
    body["tools"] = json!([{"googleSearch": {}}]);
    let refused = call(&proxy, "openai", "generateContent", &body).await;
    assert_eq!((refused.status, &refused.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    assert!(refused.text().contains("tools[0].googleSearch"), "{}", refused.text());
    let dropped = call(&proxy, "dropping", "generateContent", &body).await;
    assert_eq!(dropped.status, 200, "{}", dropped.text());
    assert_eq!(call(&proxy, "gemini", "generateContent", &body).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_of_google_leads_here() {
    let (_sim, proxy) = world(|setup| setup.general("master_key: sk-1")).await;
    let body = asking("healthy").to_string();
    for path in [
        "/v1beta/models/gemini:generateContent?key=sk-1",
        "/v1/models/gemini:generateContent?key=sk-1",
        "/models/gemini:generateContent?key=sk%2D1",
        "/v1beta1/projects/p/locations/global/publishers/google/models/gemini:generateContent?key=sk-1",
        "/vertex_ai/v1/projects/p/locations/l/publishers/google/models/openai:generateContent?key=sk-1",
    ] {
        let answer = ask(proxy.data, &post(path, "", body.as_bytes()), LONG).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    let answer =
        ask(proxy.data, &post("/v1beta/models/gemini:generateContent?key=sk-2", "", body.as_bytes()), LONG)
            .await;
    assert_eq!((answer.status, &answer.json()["error"]["status"]), (401, &json!("UNAUTHENTICATED")));
    let answer = ask(proxy.data, &post("/v1/chat/completions?key=sk-1", "", b"{}"), LONG).await;
    assert_eq!(answer.status, 401, "OpenAI's paths take no key in the query");

    let listed =
        ask(proxy.data, &get("/v1beta/models?pageSize=5", "x-goog-api-key: sk-1\r\n"), LONG).await.json();
    let names: Vec<&str> =
        listed["models"].as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    assert!(names.contains(&"models/gemini"), "{names:?}");
    // google-genai asks at OpenAI's path.
    let listed = ask(proxy.data, &get("/v1/models", "x-goog-api-key: sk-1\r\n"), LONG).await.json();
    assert_eq!(listed["models"][0]["name"], "models/openai");
    let listed = ask(proxy.data, &get("/v1/models", "authorization: Bearer sk-1\r\n"), LONG).await.json();
    assert_eq!(listed["object"], "list");
    let one = ask(proxy.data, &get("/v1beta/models/openai?key=sk-1", ""), LONG).await;
    assert_eq!((one.status, &one.json()["name"]), (200, &json!("models/openai")));
    let none = ask(proxy.data, &get("/v1beta/models/nobody?key=sk-1", ""), LONG).await;
    assert_eq!((none.status, &none.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
}

/// Where nobody counts, the answer is a guess and says so.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_counted_or_guessed() {
    let (sim, proxy) = world(|setup| setup).await;
    let guess = call(&proxy, "openai", "countTokens", &asking("healthy")).await;
    assert_eq!((guess.status, guess.header("x-tidegate-estimate")), (200, Some("true")), "{}", guess.text());
    assert!(guess.json()["totalTokens"].as_u64().is_some_and(|count| count > 5), "{}", guess.text());
    for model in ["gemini", "vertex"] {
        let count = call(&proxy, model, "countTokens", &asking("healthy")).await;
        assert_eq!(
            (count.status, count.header("x-tidegate-estimate")),
            (200, None),
            "{model}: {}",
            count.text()
        );
        assert_eq!(count.json()["totalTokens"], 12, "{model}");
        assert!(
            sim.log().pop().is_some_and(|seen| seen.target.ends_with("gemini-2.5-pro:countTokens")),
            "{model}"
        );
    }
}

/// Silence is filled with empty lines: google-genai for Python raises at a comment.
#[tokio::test(flavor = "multi_thread")]
async fn a_silence_is_no_event() {
    let sim = sim().await;
    let slow = Script::sse()
        .write(&STREAM[..STREAM.find("\r\n\r\n").unwrap() + 4])
        .pause(Duration::from_millis(900));
    sim.script(
        "slow",
        slow.write(": upstream's own comment\n\n").write(&STREAM[STREAM.find("\r\n\r\n").unwrap() + 4..]),
    );
    let setup = Setup::of(&sim).tidegate("keep_alive: 200ms");
    let proxy = Proxy::start(&setup.yaml()).await;
    let mut conn = Conn::open(proxy.data).await.unwrap();
    let path = "/v1beta/models/gemini:streamGenerateContent?alt=sse";
    conn.send(&post(path, "", asking("slow").to_string().as_bytes())).await.unwrap();
    let answer = conn.answer(LONG).await;
    let told = events(&answer);
    assert_eq!(text(&told), "Ebbe 潮 ");
    assert!(answer.body.len() > STREAM.len(), "nothing filled the silence");
}

/// Claude on Vertex AI, for each client: raw, with the model in the URL and the version in the body.
#[tokio::test(flavor = "multi_thread")]
async fn claude_on_vertex_ai_is_claude() {
    let sim = sim().await;
    let base = format!(
        "http://{}/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4@20250514",
        sim.addr()
    );
    let credentials = sim.service_account_json().replace('\n', " ");
    let params = format!(
        "model: \"vertex_ai/claude-sonnet-4@20250514\", vertex_credentials: '{credentials}', api_base: \"{base}\""
    );
    let wild = format!("model: \"vertex_ai/*\", vertex_credentials: '{credentials}', api_base: \"{base}\"");
    let setup = Setup::of(&sim).short_clocks().params("claude", &params).params("any/*", &wild);
    let proxy = Proxy::start(&setup.yaml()).await;
    for model in ["claude", "any/claude-sonnet-4@20250514"] {
        let told = events(&stream(&proxy, model, "healthy").await);
        assert!(!text(&told).is_empty(), "{model}");
        assert_eq!(told.last().expect("an event")["candidates"][0]["finishReason"], "STOP", "{model}");
        let seen = sim.log().pop().expect("a request");
        assert!(seen.target.ends_with(":streamRawPredict"), "{}", seen.target);
        let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
        assert_eq!((&body["anthropic_version"], body.get("model")), (&json!("vertex-2023-10-16"), None));
        let whole = call(&proxy, model, "generateContent", &asking("healthy")).await.json();
        assert_eq!(text(&[whole]), text(&told), "{model}");
        let error = error(&stream(&proxy, model, "429-frame-open").await);
        assert_eq!(error["code"], 429, "{model}: {error}");

        let ask_claude = json!({"model": model, "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "sim:healthy"}]});
        let request =
            post("/v1/messages", "anthropic-version: 2023-06-01\r\n", ask_claude.to_string().as_bytes());
        let native = ask(proxy.data, &request, LONG).await;
        assert!(
            native.status == 200 && native.text().contains("event: message_stop"),
            "{model}: {}",
            native.text()
        );
        let seen = sim.log().pop().expect("a request");
        let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
        assert_eq!(
            (&body["anthropic_version"], body.get("model"), &body["max_tokens"]),
            (&json!("vertex-2023-10-16"), None, &json!(9))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_come_from_either_api() {
    let sim = sim().await;
    let credentials = sim.service_account_json().replace('\n', " ");
    let place = format!(
        "http://{}/v1/projects/p/locations/l/publishers/google/models/text-embedding-005",
        sim.addr()
    );
    let setup = Setup::of(&sim)
        .params("embed", &format!("model: gemini/gemini-embedding-001, api_base: \"http://{}/v1beta\", api_key: sim-key", sim.addr()))
        .params("embed-vertex", &format!("model: vertex_ai/text-embedding-005, vertex_credentials: '{credentials}', api_base: \"{place}\""));
    let proxy = Proxy::start(&setup.yaml()).await;
    for (model, tokens) in [("embed", 0), ("embed-vertex", 6)] {
        let body = json!({"model": model, "input": ["a", "b"], "encoding_format": "float"});
        let answer = ask(proxy.data, &post("/v1/embeddings", "", body.to_string().as_bytes()), LONG).await;
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
        let answer = answer.json();
        assert_eq!(
            answer["data"][1],
            json!({"object": "embedding", "index": 1, "embedding": [0.25, -0.5, 1.0]}),
            "{model}"
        );
        assert_eq!(answer["usage"]["prompt_tokens"], tokens, "{model}");
        // What OpenAI's SDKs ask for, and neither API knows.
        let body = json!({"model": model, "input": "a", "encoding_format": "base64"});
        let answer =
            ask(proxy.data, &post("/v1/embeddings", "", body.to_string().as_bytes()), LONG).await.json();
        assert_eq!(answer["data"][0]["embedding"], "AACAPgAAAL8AAIA/", "{model}");
    }
}
