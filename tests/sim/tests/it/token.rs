//! The token endpoint, and who may ask under `require_auth`.

use std::time::Duration;

use serde_json::Value;
use tidegate_sim::{Settings, Sim, TokenBehaviour};

use crate::client::{Got, ask_for, post};

const SILENCE: Duration = Duration::from_secs(10);
const FORM: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c";
const VERTEX: &str = "/v1/projects/p/locations/l/publishers/google/models/sim-fast:generateContent";

async fn strict() -> Sim {
    Sim::start(Settings { require_auth: true, api_key: "k".into(), ..Settings::default() }).await.unwrap()
}

async fn send(sim: &Sim, path: &str, headers: &str, body: &str) -> Got {
    ask_for(sim.addr(), &post(path, &format!("connection: close\r\n{headers}"), body), SILENCE).await
}

async fn token(sim: &Sim) -> String {
    let got = send(sim, "/token", "", FORM).await;
    let answer: Value = serde_json::from_str(&got.text()).unwrap();
    assert_eq!((got.status(), &answer["token_type"]), (200, &Value::from("Bearer")));
    answer["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn vertex_takes_an_issued_token_and_nothing_else() {
    let sim = strict().await;
    let bearer = format!("authorization: Bearer {}\r\n", token(&sim).await);
    assert_eq!(sim.tokens_issued(), 1);
    assert_eq!(send(&sim, VERTEX, &bearer, "{}").await.status(), 200);
    for wrong in
        ["", "authorization: Bearer ya29.sim-99\r\n", "authorization: Bearer k\r\n", "x-goog-api-key: k\r\n"]
    {
        let got = send(&sim, VERTEX, wrong, "{}").await;
        assert_eq!(got.status(), 401, "{wrong}");
        assert!(got.text().contains("UNAUTHENTICATED"));
    }
}

#[tokio::test]
async fn the_others_take_the_key_and_nothing_else() {
    let sim = strict().await;
    let bearer = format!("authorization: Bearer {}\r\n", token(&sim).await);
    let gemini = "/v1beta/models/sim-fast:generateContent";
    for (path, headers, status) in [
        (gemini, "x-goog-api-key: k\r\n", 200),
        ("/v1beta/models/sim-fast:generateContent?key=k", "", 200),
        (gemini, bearer.as_str(), 401),
        (gemini, "", 401),
        ("/s/fast/v1/chat/completions", "authorization: Bearer k\r\n", 200),
        ("/s/fast/v1/chat/completions", bearer.as_str(), 401),
        ("/s/fast/v1/chat/completions", "authorization: Bearer wrong\r\n", 401),
        // A custom base does not tell which of Google's services it stands for.
        ("/models/sim-fast:generateContent", bearer.as_str(), 200),
        ("/models/sim-fast:generateContent", "x-goog-api-key: k\r\n", 200),
        ("/models/sim-fast:generateContent", "", 401),
    ] {
        assert_eq!(send(&sim, path, headers, "{}").await.status(), status, "{path} {headers}");
    }
}

#[tokio::test]
async fn azure_takes_either_key_and_wants_a_version_at_a_deployments_address() {
    let sim = strict().await;
    let (deployment, v1) = ("/openai/deployments/sim-fast/chat/completions", "/openai/v1/chat/completions");
    let versioned = format!("{deployment}?api-version=2024-10-21");
    for (path, headers, status) in [
        (versioned.as_str(), "api-key: k\r\n", 200),
        (&versioned, "authorization: Bearer k\r\n", 200),
        (&versioned, "api-key: wrong\r\n", 401),
        (&versioned, "", 401),
        (deployment, "api-key: k\r\n", 404),
        (v1, "api-key: k\r\n", 200),
        (v1, "x-api-key: k\r\n", 401),
        ("/openai/v1/responses", "api-key: k\r\n", 200),
        ("/v1/responses", "api-key: k\r\n", 401),
    ] {
        assert_eq!(send(&sim, path, headers, "{}").await.status(), status, "{path} {headers}");
    }
}

#[tokio::test]
async fn claude_on_vertex_has_its_version_in_the_body_and_its_model_in_the_path() {
    let sim = strict().await;
    let bearer = format!("authorization: Bearer {}\r\n", token(&sim).await);
    let path = "/v1/projects/p/locations/l/publishers/anthropic/models/sim-fast:streamRawPredict";
    for (headers, body, status) in [
        (bearer.as_str(), r#"{"anthropic_version":"vertex-2023-10-16"}"#, 200),
        (&bearer, r#"{"anthropic_version":"vertex-2023-10-16","model":"m"}"#, 400),
        (&bearer, "{}", 400),
        ("x-api-key: k\r\n", r#"{"anthropic_version":"vertex-2023-10-16"}"#, 401),
    ] {
        assert_eq!(send(&sim, path, headers, body).await.status(), status, "{headers} {body}");
    }
}

#[tokio::test]
async fn tokens_expire_and_the_endpoint_fails_as_told() {
    let sim = strict().await;
    let short = Duration::from_millis(300);
    sim.token_behaviour(TokenBehaviour { expires_in: short, ..TokenBehaviour::default() });
    let bearer = format!("authorization: Bearer {}\r\n", token(&sim).await);
    tokio::time::sleep(short).await;
    assert_eq!(send(&sim, VERTEX, &bearer, "{}").await.status(), 401);
    sim.token_behaviour(TokenBehaviour { status: 503, delay: short / 3, ..TokenBehaviour::default() });
    assert_eq!(send(&sim, "/token", "", FORM).await.status(), 503);
    for wrong in [
        "",
        "grant_type=password",
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=x",
    ] {
        assert_eq!(send(&sim, "/token", "", wrong).await.status(), 400, "{wrong}");
    }
    assert_eq!(sim.tokens_issued(), 1);
}
