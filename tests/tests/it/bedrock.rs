//! Bedrock, as clients of OpenAI's dialect see it: signed calls, binary frames, and the ways in which they fail.

use std::io::Write;

use serde_json::{Value, json};
use tidegate_sim::strict::client::post;
use tidegate_sim::{AWS_ACCESS_KEY_ID, Ending, Gate, Script, Settings, Sim, fault_text, healthy_text};
use tidegate_tests::client::ask;
use tidegate_tests::{Answer, Proxy, Setup, Terminal};

use crate::world::{LONG, sim, told};

/// Recorded streams; their README says what each is.
macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../../../plugins/bedrock/tests/fixtures/", $name, ".eventstream"))
    };
}

fn frames(bytes: &'static [u8]) -> Script {
    Script::new(200).header("content-type", "application/vnd.amazon.eventstream").write(bytes)
}

fn params(sim: &Sim, more: &str) -> String {
    format!(
        "model: \"bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0\", aws_region_name: eu-west-1, \
         aws_bedrock_runtime_endpoint: \"http://{}\"{more}",
        sim.addr()
    )
}

fn keyed(sim: &Sim) -> String {
    params(sim, &format!(", aws_access_key_id: {AWS_ACCESS_KEY_ID}, aws_secret_access_key: sim-key"))
}

async fn chat(proxy: &Proxy, body: &Value) -> Answer {
    ask(proxy.data, &post("/v1/chat/completions", "", body.to_string().as_bytes()), LONG).await
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_from_the_deployment_the_environment_or_a_profile() {
    let sim = sim().await;
    let mut profile = tempfile::NamedTempFile::new().unwrap();
    writeln!(
        profile,
        "[work]\naws_access_key_id={AWS_ACCESS_KEY_ID}\naws_secret_access_key=sim-key\naws_session_token=tok"
    )
    .unwrap();
    let file = profile.path().to_str().unwrap();
    let setup = Setup::of(&sim)
        .params("own", &keyed(&sim))
        .params("environment", &params(&sim, ""))
        .params("profile", &params(&sim, ", aws_profile_name: work"))
        .params("bearer", &params(&sim, ", api_key: sim-key"))
        .params("wrong", &keyed(&sim).replace("sim-key", "another-secret-key"));
    let env = [
        ("AWS_ACCESS_KEY_ID", AWS_ACCESS_KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", "sim-key"),
        ("AWS_SHARED_CREDENTIALS_FILE", file),
    ];
    let proxy = Proxy::start_with(&setup.yaml(), &env).await;
    for model in ["own", "environment", "profile", "bearer"] {
        for stream in [true, false] {
            let answer = told(&proxy, model, "fast", stream).await;
            assert_eq!((answer.status, answer.text), (200, healthy_text()), "{model}, stream: {stream}");
        }
        let sent = sim.log().pop().unwrap();
        assert_eq!(sent.target, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse");
        let has = |name: &str| sent.headers.iter().any(|(own, _)| own == name);
        assert_eq!(has("x-amz-date"), model != "bearer", "{model}");
        assert_eq!(has("x-amz-security-token"), model == "profile", "{model}");
    }
    // AWS repeats what it would have signed; nothing of that, and no key, reaches the client or the log.
    let wrong = told(&proxy, "wrong", "fast", true).await;
    assert_eq!(wrong.status, 403);
    let message =
        chat(&proxy, &json!({"model": "wrong", "messages": [{"role": "user", "content": "x"}]})).await.text();
    assert!(message.contains("does not match the signature") && !message.contains("Canonical"), "{message}");
    for secret in ["another-secret-key", "x-amz-date:"] {
        assert!(!message.contains(secret) && !proxy.log().contains(secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_streams_end_as_they_did_inline_and_in_a_process() {
    let sim = sim().await;
    type Row = (&'static str, &'static [u8], u16, &'static str, Option<u16>);
    let rows: [Row; 6] = [
        ("text", recorded!("text"), 200, "Die Flut steigt über das 潮 🌊 ", None),
        ("throttled", recorded!("throttled"), 200, "Die Flut steigt über das 潮 🌊 ", Some(429)),
        ("model-error", recorded!("model-error"), 200, "Die Flut steigt über das 潮 🌊 ", Some(500)),
        ("unknown-error", recorded!("unknown-error"), 200, "Die Flut steigt über das 潮 🌊 ", Some(500)),
        ("bad-checksum", recorded!("bad-checksum"), 200, "Die Flut steigt über das 潮 🌊 ", Some(502)),
        ("cut", recorded!("cut"), 200, "Die Flut steigt über das 潮 🌊 ", Some(502)),
    ];
    for (name, bytes, ..) in rows {
        sim.script(&format!("recorded-{name}"), frames(bytes));
        // One byte at a time, it is the same.
        let mut slow = frames(b"");
        slow.steps.clear();
        sim.script(&format!("slow-{name}"), bytes.chunks(1).fold(slow, |slow, byte| slow.write(byte)));
    }
    sim.script("recorded-first", frames(recorded!("throttled-first")));
    for isolation in ["inline", "process"] {
        let setup = Setup::of(&sim)
            .params("mine", &keyed(&sim))
            .tidegate(&format!("plugins: {{use: {{bedrock: {{isolation: {isolation}}}}}}}"));
        let proxy = Proxy::start(&setup.yaml()).await;
        for (name, _, status, text, error) in rows {
            for how in ["recorded", "slow"] {
                let case = format!("{isolation}: {how}-{name}");
                let answer = told(&proxy, "mine", &format!("{how}-{name}"), true).await;
                assert_eq!((answer.status, answer.text.as_str()), (status, text), "{case}");
                let want = error.map_or(Terminal::Done, Terminal::Error);
                assert_eq!(answer.terminal, want, "{case}: {}", answer.message);
            }
        }
        let first = told(&proxy, "mine", "recorded-first", true).await;
        assert_eq!((first.status, first.text.as_str()), (429, ""), "{isolation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn useful_requests_arrive_as_they_were_meant() {
    let sim = sim().await;
    let proxy = Proxy::start(&Setup::of(&sim).params("mine", &keyed(&sim)).yaml()).await;
    let body = json!({
        "model": "mine", "max_tokens": 64,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "sim:describe"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            ]},
        ],
        "tools": [{"type": "function", "function": {"name": "tide", "parameters": {"type": "object", "properties": {}}}}],
    });
    let answer = chat(&proxy, &body).await.json();
    let seen: Value =
        serde_json::from_str(answer["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    let want = json!({"images": [{"mime": "image/png", "base64_length": 12}], "tools": ["tide"], "system": "Be brief.", "messages": 1});
    assert_eq!(seen, want);
    assert_eq!(answer["usage"]["total_tokens"], 32, "{answer}");

    // A loop of tools, with the thought's signature going there and back.
    let mut body =
        json!({"model": "mine", "messages": [{"role": "user", "content": "sim:thought-signature"}]});
    let first = chat(&proxy, &body).await.json();
    let message = first["choices"][0]["message"].clone();
    assert_eq!(first["choices"][0]["finish_reason"], "tool_calls", "{first}");
    let result = json!({"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "06:12"});
    body["messages"].as_array_mut().unwrap().extend([message, result]);
    let second = chat(&proxy, &body).await.json();
    assert_eq!(second["choices"][0]["message"]["content"], fault_text(), "{second}");

    let unfit =
        json!({"model": "mine", "logit_bias": {"1": 2}, "messages": [{"role": "user", "content": "x"}]});
    let refused = chat(&proxy, &unfit).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("logit_bias"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_within_a_frame_is_a_stall_and_leaves_nothing_open() {
    let sim = sim().await;
    let gate = Gate::new();
    let script = frames(recorded!("cut")).wait(&gate).ending(Ending::Open);
    sim.script("half-a-frame", script);
    let setup = Setup::of(&sim).short_clocks().params("mine", &keyed(&sim));
    let proxy = Proxy::start(&setup.yaml()).await;
    let answer = told(&proxy, "mine", "half-a-frame", true).await;
    assert_eq!(
        (answer.text.as_str(), answer.terminal),
        ("Die Flut steigt über das 潮 🌊 ", Terminal::Error(504))
    );
    proxy.metrics_when("no stream is left", |m| m.sum("tidegate_active_streams", &[]) == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_deployment_falls_back_before_any_content() {
    let sim = Sim::start(Settings { require_auth: true, ..Settings::default() }).await.unwrap();
    sim.script("first", frames(recorded!("throttled-first")));
    let at =
        |place: &str| keyed(&sim).replace(&sim.addr().to_string(), &format!("{}/at/{place}", sim.addr()));
    let setup = Setup::of(&sim)
        .params("mine", &at("one"))
        .params("other", &at("two"))
        .router("fallbacks: [{mine: [other]}]");
    let proxy = Proxy::start(&setup.yaml()).await;
    let answer = told(&proxy, "mine", "first@one", true).await;
    assert_eq!((answer.status, answer.text), (200, healthy_text()));
}
