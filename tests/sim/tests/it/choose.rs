//! A request gets the scenario it names: by marker, by path, by model, in that order.

use std::time::Duration;

use tidegate_sim::{Dialect, Scenario, Script};

use crate::client::{ask, ask_for, post, sim};

const CLOSE: &str = "connection: close\r\n";
const SILENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn marker_then_path_then_model_then_healthy() {
    let sim = sim().await;
    let marked = r#"{"model":"sim-fast","messages":[{"role":"user","content":"hi sim:bom!"}]}"#;
    let plain = r#"{"model":"fast","messages":[{"role":"user","content":"hi"}]}"#;
    let other = r#"{"model":"gpt-5","messages":[{"role":"user","content":"hi"}]}"#;
    for (path, body, scenario) in [
        ("/s/lf/v1/chat/completions", marked, "bom"),
        ("/s/lf/v1/chat/completions", plain, "lf"),
        ("/v1/chat/completions", plain, "fast"),
        ("/v1/chat/completions", other, "healthy"),
    ] {
        let before = sim.counts(scenario).started;
        ask_for(sim.addr(), &post(path, "connection: close\r\n", body), SILENCE).await;
        assert_eq!(sim.counts(scenario).started, before + 1, "{path} {scenario}");
    }
}

#[tokio::test]
async fn an_unknown_scenario_is_a_404_that_lists_them() {
    let sim = sim().await;
    for dialect in Dialect::ALL.iter().copied() {
        let got = ask(&sim, "no-such", dialect, "stream").await;
        assert_eq!(got.status(), 404);
        let error: serde_json::Value = serde_json::from_str(&got.text()).unwrap();
        let places = ["/error/message", "/error", "/message"];
        let message = places.iter().find_map(|place| error.pointer(place)?.as_str()).unwrap();
        assert!(Scenario::all().iter().all(|scenario| message.contains(scenario.name)), "{message}");
        assert_eq!(error["error"]["status"] == "NOT_FOUND", dialect == Dialect::Gemini);
    }
    // A model that can only mean a scenario is held to it; any other name is healthy.
    let got =
        ask_for(sim.addr(), &post("/chat/completions", CLOSE, r#"{"model":"sim-typo"}"#), SILENCE).await;
    assert_eq!(got.status(), 404);
}

#[tokio::test]
async fn both_model_lists_name_every_scenario() {
    let sim = sim().await;
    for path in ["/v1/models", "/models", "/v1beta/models", "/openai/v1/models", "/api/tags"] {
        let got = ask_for(sim.addr(), &format!("GET {path} HTTP/1.1\r\n{CLOSE}\r\n"), SILENCE).await;
        let list: serde_json::Value = serde_json::from_str(&got.text()).unwrap();
        let items = list["data"].as_array().or_else(|| list["models"].as_array()).unwrap();
        assert_eq!(items.len(), Scenario::all().len());
        let name = items[0]["id"].as_str().or_else(|| items[0]["name"].as_str()).unwrap();
        assert!(name.ends_with("sim-healthy"));
    }
}

#[tokio::test]
async fn queued_scripts_go_to_one_request_each() {
    let sim = sim().await;
    for text in ["one", "two"] {
        sim.push_script(Script::json(200, text));
    }
    for (status, body) in [(200, "one"), (200, "two"), (404, "no scenario")] {
        let got = ask(&sim, "custom", Dialect::Gemini, "whole").await;
        assert_eq!(got.status(), status);
        assert!(got.text().contains(body));
    }
}

#[tokio::test]
async fn every_other_request_may_be_refused() {
    let sim = sim().await;
    for status in [429, 200, 429, 200] {
        assert_eq!(ask(&sim, "http-429-once", Dialect::OpenAiChat, "stream").await.status(), status);
    }
}
