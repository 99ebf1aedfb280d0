//! Clients that ask for embeddings: natively, by Ollama's API, and where a provider has none.

use serde_json::{Value, json};
use tidegate_sim::{Script, Settings, Sim};
use tidegate_tests::client::{ask, get, post};
use tidegate_tests::{Answer, Proxy, Setup};

use crate::world::LONG;

async fn embed(proxy: &Proxy, path: &str, body: Value) -> Answer {
    ask(proxy.data, &post(path, "", body.to_string().as_bytes()), LONG).await
}

async fn world() -> (Sim, Proxy) {
    let sim = Sim::start(Settings::default()).await.unwrap();
    let base = format!("api_base: \"http://{}/v1\", api_key: sim-key", sim.addr());
    let setup = Setup::of(&sim)
        .params("groq", &format!("model: groq/m, {base}"))
        .params(
            "small",
            &format!("model: openai/text-embedding-3-small, temperature: 0.5, dimensions: 2, {base}"),
        )
        .params("ollama", &format!("model: ollama/nomic, api_base: \"http://{}\"", sim.addr()));
    let proxy = Proxy::start(&setup.short_clocks().yaml()).await;
    (sim, proxy)
}

const VECTORS: &str = r#"{"object": "list","data":[{"object":"embedding","index":0,"embedding":[0.10,-2e-3]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3},"x":1e400}"#;

#[tokio::test(flavor = "multi_thread")]
async fn they_pass_as_they_are() {
    let (sim, proxy) = world().await;
    sim.script("v", Script::json(200, VECTORS));
    for path in [
        "/v1/embeddings",
        "/embeddings",
        "/openai/deployments/small/embeddings?api-version=2024-10-21",
        "/engines/small/embeddings",
    ] {
        let answer =
            embed(&proxy, path, json!({"model": "small", "input": "sim:v", "encoding_format": "float"}))
                .await;
        assert_eq!((answer.status, answer.text().as_str()), (200, VECTORS), "{path}");
        let seen = sim.log().pop().unwrap();
        assert_eq!(seen.target, "/v1/embeddings");
        let want = json!({"model": "text-embedding-3-small", "input": "sim:v", "encoding_format": "float", "dimensions": 2});
        assert_eq!(
            serde_json::from_slice::<Value>(&seen.body).unwrap(),
            want,
            "only what an embedding knows is added"
        );
    }
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_requests_total", &[("group", "small"), ("status", "200")]), 4.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ollamas_numbers_come_as_the_client_asks() {
    let (sim, proxy) = world().await;
    sim.script("o", Script::json(200, r#"{"model":"nomic","embeddings":[[1,-0.5]],"prompt_eval_count":4}"#));
    for (format, want) in [("float", json!([1, -0.5])), ("base64", json!("AACAPwAAAL8="))] {
        let body = json!({"model": "ollama", "input": "sim:o", "encoding_format": format});
        let answer = embed(&proxy, "/v1/embeddings", body).await;
        let said = answer.json();
        assert_eq!((answer.status, &said["data"][0]["embedding"]), (200, &want), "{said}");
        assert_eq!(said["usage"], json!({"prompt_tokens": 4, "total_tokens": 4}));
    }
    assert_eq!(sim.log().pop().unwrap().target, "/api/embed");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_with_their_status() {
    let (sim, proxy) = world().await;
    let limited = r#"{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}"#;
    sim.script("limited", Script::json(429, limited).header("retry-after", "7"));
    sim.script("inside", Script::json(200, limited));
    sim.script("short", Script::json(200, &VECTORS[..VECTORS.len() - 40]));
    sim.script("chat", Script::json(200, r#"{"choices":[]}"#));
    for (name, status) in [("limited", 429), ("inside", 429), ("short", 502), ("chat", 502)] {
        let answer =
            embed(&proxy, "/v1/embeddings", json!({"model": "small", "input": format!("sim:{name}")})).await;
        assert_eq!(
            (answer.status, answer.json()["error"]["code"].clone()),
            (status, json!(status.to_string())),
            "{name}"
        );
        if name == "limited" {
            assert_eq!(answer.header("retry-after"), Some("7"));
        }
    }
    let calls = sim.log().len();
    let answer = embed(&proxy, "/v1/embeddings", json!({"model": "groq", "input": "sim:v"})).await;
    let said = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(answer.status, 400, "{said}");
    assert!(said.contains("has no embeddings") && said.contains("groq/"), "{said}");
    for body in [json!({"model": "small"}), json!({"model": "small", "input": 7}), json!({"input": "a"})] {
        assert_eq!(embed(&proxy, "/v1/embeddings", body.clone()).await.status, 400, "{body}");
    }
    assert_eq!(embed(&proxy, "/v1/embeddings", json!({"model": "none", "input": "a"})).await.status, 404);
    assert_eq!(sim.log().len(), calls, "no provider was called");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_can_be_looked_up() {
    let (_sim, proxy) = world().await;
    for path in ["/v1/models/small", "/models/small"] {
        let answer = ask(proxy.data, &get(path, ""), LONG).await;
        assert_eq!((answer.status, &answer.json()["id"]), (200, &json!("small")), "{path}");
    }
    let answer = ask(proxy.data, &get("/v1/models/none", ""), LONG).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (404, json!("404")));
}
