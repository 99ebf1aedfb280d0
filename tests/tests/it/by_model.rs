//! What a manifest says of single models of a provider: Vertex AI serves other makers' models by OpenAI's dialect.

use serde_json::{Value, json};
use tidegate_sim::{Settings, Sim};
use tidegate_tests::client::{ask, post};
use tidegate_tests::{Proxy, Setup};

use crate::world::LONG;

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_another_maker_is_asked_by_openais_letter() {
    // It takes any key: one of OpenAI's dialect is not asked for a token of Google's.
    let sim = Sim::start(Settings { require_auth: false, ..Settings::default() }).await.unwrap();
    let place = format!("http://{}/v1/projects/p/locations/us-central1/endpoints/openapi", sim.addr());
    let more = format!("model: vertex_ai/meta/llama-4, api_base: \"{place}\"");
    let setup = Setup::of(&sim).model("llama", "vertex", &sim, &more);
    let proxy = Proxy::start(&setup.short_clocks().yaml()).await;
    let mark = json!({"type": "ephemeral"});
    let body = json!({
        "model": "llama", "max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024},
        "system": [{"type": "text", "text": "Be brief.", "cache_control": mark}],
        "messages": [{"role": "user", "content": "sim:fast"}],
    });
    let answer = ask(proxy.data, &post("/v1/messages", "", body.to_string().as_bytes()), LONG).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = sim.log().pop().unwrap();
    assert!(seen.target.ends_with("/endpoints/openapi/chat/completions"), "{}", seen.target);
    let sent: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(sent.get("thinking"), None, "{sent}");
    assert_eq!(sent["messages"][0], json!({"role": "system", "content": "Be brief."}));
}
