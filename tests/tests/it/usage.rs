//! What answers cost: in the metrics, in the log, and in the stream only where the client asked.

use serde_json::{Value, json};
use tidegate_sim::{Ending, Script, Sim};
use tidegate_tests::client::{ask, body, post};
use tidegate_tests::config::PROVIDERS;
use tidegate_tests::{Answer, Conn, Metrics, Proxy, Setup, Told};

use crate::world::{LONG, fetch, sim, told, world};

const TOKENS: &str = "tidegate_tokens_total";
const ESTIMATED: &str = "tidegate_tokens_estimated_total";

/// A request for a stream whose client does not say `stream_options`.
fn unasking(model: &str, scenario: &str) -> Vec<u8> {
    let mut body = body(model, scenario, true);
    body.as_object_mut().unwrap().remove("stream_options");
    post("/v1/chat/completions", "", body.to_string().as_bytes())
}

async fn unasked(proxy: &Proxy, model: &str, scenario: &str) -> Answer {
    ask(proxy.data, &unasking(model, scenario), LONG).await
}

fn count(metrics: &Metrics, family: &str, group: &str, kind: &str) -> f64 {
    metrics.get(family, &[("group", group), ("kind", kind)]).unwrap_or_else(|| {
        panic!("{family} has no series of {group} and {kind} before its first event");
    })
}

fn counts(metrics: &Metrics, family: &str, group: &str) -> (f64, f64) {
    (count(metrics, family, group, "input"), count(metrics, family, group, "output"))
}

/// The line of the last request.
async fn line(proxy: &Proxy, requests: usize) -> Value {
    let ended = |log: &str| log.lines().filter(|line| line.contains("\"request ended\"")).count();
    let until = std::time::Instant::now() + LONG;
    while ended(&proxy.log()) < requests {
        assert!(std::time::Instant::now() < until, "{} lines: {}", ended(&proxy.log()), proxy.log());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let log = proxy.log();
    let last = log.lines().rfind(|line| line.contains("\"request ended\"")).unwrap();
    serde_json::from_str(last).unwrap()
}

fn upstream(sim: &Sim) -> Value {
    serde_json::from_slice(&sim.log().last().unwrap().body).unwrap()
}

const CHUNK: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Ebbe "},"finish_reason":null}]}"#;

/// A short answer without usage.
fn good() -> Script {
    let finish = CHUNK.replace(r#"{"content":"Ebbe "},"finish_reason":null"#, r#"{},"finish_reason":"stop""#);
    Script::sse().write(format!("{CHUNK}\n\n{finish}\n\ndata: [DONE]\n\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_provider_tells_what_a_stream_and_a_whole_answer_cost() {
    let sim = sim().await;
    let more = ["anthropic", "bedrock"];
    let setup = more.iter().fold(Setup::of(&sim), |setup, name| setup.model(name, name, &sim, ""));
    let proxy = Proxy::start(&setup.yaml()).await;
    for group in PROVIDERS.map(|(name, _)| name).into_iter().chain(more) {
        let mut before = (0.0, 0.0);
        for stream in [true, false] {
            told(&proxy, group, "fast", stream).await;
            let after = counts(&proxy.metrics().await, TOKENS, group);
            assert!(
                after.0 > before.0 && after.1 > before.1,
                "{group} stream {stream}: {before:?} {after:?}"
            );
            before = after;
        }
        let answer = unasked(&proxy, group, "fast").await;
        assert!(!answer.text().contains("prompt_tokens"), "{group}: {}", answer.text());
        let metrics = proxy.metrics().await;
        let after = counts(&metrics, TOKENS, group);
        assert!(after.0 > before.0 && after.1 > before.1, "{group}, not asked: {before:?} {after:?}");
        assert_eq!(counts(&metrics, ESTIMATED, group), (0.0, 0.0), "{group}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_that_the_client_did_not_ask_for_is_asked_for_and_hidden() {
    let (sim, proxy) = world(|setup| setup).await;
    let asked = ask(
        proxy.data,
        &post("/v1/chat/completions", "", body("openai", "fast", true).to_string().as_bytes()),
        LONG,
    )
    .await;
    assert_eq!(upstream(&sim)["stream_options"], json!({"include_usage": true}));
    let first = proxy.metrics().await;
    let silent = unasked(&proxy, "openai", "fast").await;
    assert_eq!(
        upstream(&sim)["stream_options"],
        json!({"include_usage": true}),
        "it is asked for all the same"
    );
    // All but that one chunk is there byte for byte: the simulator writes the same where it is asked the same.
    let kept: String =
        asked.text().split_inclusive("\n\n").filter(|event| !event.contains(r#""choices":[]"#)).collect();
    assert_ne!(kept, asked.text(), "the client that asked has its usage");
    assert_eq!(silent.text(), kept);
    let second = proxy.metrics().await;
    let (once, twice) = (counts(&first, TOKENS, "openai"), counts(&second, TOKENS, "openai"));
    assert_eq!(twice, (once.0 * 2.0, once.1 * 2.0));
    let said = line(&proxy, 2).await;
    assert_eq!(said["tokens_input"].as_f64(), Some(once.0), "{said}");
    assert_eq!(said["tokens_estimated"], false, "{said}");
    for (field, value) in [
        ("group", json!("openai")),
        ("dialect", json!("openai-chat")),
        ("stream", json!(true)),
        ("status", json!(200)),
        ("ending", json!("complete")),
        ("attempts", json!(1)),
    ] {
        assert_eq!(said[field], value, "{field} in {said}");
    }
    assert!(said["ms"].is_number() && said["first_content_ms"].is_number(), "{said}");
    assert!(!proxy.log().contains("sim:fast"), "a prompt is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_take_the_question_is_served_without_it() {
    let (sim, proxy) = world(|setup| setup).await;
    let refusal = json!({"error": {"message": "Unrecognized request argument supplied: stream_options",
        "type": "invalid_request_error", "param": null, "code": null}});
    sim.push_script(Script::json(400, refusal.to_string()));
    sim.push_script(good());
    let told = Told::of(&unasked(&proxy, "openai", "custom").await, true).unwrap();
    assert_eq!(told.text, "Ebbe ");
    assert!(upstream(&sim).get("stream_options").is_none());
    let before = sim.log().len();
    sim.push_script(good());
    Told::of(&unasked(&proxy, "openai", "custom").await, true).unwrap();
    assert_eq!(sim.log().len(), before + 1, "it is not asked again");
    assert!(upstream(&sim).get("stream_options").is_none());
    let metrics = proxy.metrics().await;
    let guessed = counts(&metrics, ESTIMATED, "openai");
    assert!(guessed.0 > 0.0 && guessed.1 > 0.0, "{guessed:?}");
    assert_eq!(counts(&metrics, TOKENS, "openai"), (0.0, 0.0));
    assert_eq!(line(&proxy, 2).await["tokens_estimated"], true);
    // A client that asks itself is told the refusal.
    sim.push_script(Script::json(400, refusal.to_string()));
    assert_eq!(fetch(&proxy, "openai", "custom", true).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_that_broke_off_cost_is_estimated() {
    let (sim, proxy) = world(|setup| setup).await;
    let begun = (0..5).fold(Script::sse(), |script, _| script.write(format!("{CHUNK}\n\n")));
    sim.script("cut", begun.clone());
    sim.script("open", begun.ending(Ending::Open));
    let answer = unasked(&proxy, "openai", "cut").await;
    assert!(answer.text().contains("error"), "{}", answer.text());
    let metrics = proxy.metrics().await;
    assert_eq!(count(&metrics, ESTIMATED, "openai", "output"), 5.0);
    assert!(count(&metrics, ESTIMATED, "openai", "input") > 0.0);
    let said = line(&proxy, 1).await;
    assert_eq!((&said["ending"], &said["tokens_output"]), (&json!("stream_error"), &json!(5)), "{said}");
    assert_eq!(said["tokens_estimated"], true, "{said}");
    // A client that leaves has had what it had.
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&unasking("openai", "open")).await.unwrap();
    assert!(conn.read_until(LONG, |answer| answer.text().matches("Ebbe").count() == 5).await);
    drop(conn);
    let gone = line(&proxy, 2).await;
    assert_eq!((&gone["ending"], &gone["tokens_output"]), (&json!("client_gone"), &json!(5)), "{gone}");
    assert_eq!(count(&proxy.metrics().await, ESTIMATED, "openai", "output"), 10.0);
}
