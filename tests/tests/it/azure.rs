//! `azure/` through the real program: its addresses, its filter, its waits, and how its streams may break.

use serde_json::Value;
use tidegate_sim::{Script, Settings, Sim, healthy_text};
use tidegate_tests::{Proxy, Setup, Terminal};

use crate::world::told;

const FILTERED: &str = r#"{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{}}}}"#;

async fn world() -> (Sim, Proxy) {
    let sim = Sim::start(Settings::default()).await.unwrap();
    let base = format!("api_base: \"http://{}\"", sim.addr());
    let setup = Setup::of(&sim)
        .params("classic", &format!("model: azure/my-gpt, {base}, api_version: \"2024-10-21\", api_key: key"))
        .params("v1", &format!("model: azure/my-gpt, {base}, api_version: v1, azure_ad_token: token"))
        .params("ai", &format!("model: azure_ai/phi, {base}, api_key: key"))
        .router("content_policy_fallbacks: [{classic: [openai]}]");
    let proxy = Proxy::start(&setup.short_clocks().yaml()).await;
    (sim, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_form_of_address_is_asked_with_its_key() {
    let (sim, proxy) = world().await;
    for (model, target, header) in [
        ("classic", "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21", "api-key"),
        ("v1", "/openai/v1/chat/completions", "authorization"),
        ("ai", "/chat/completions", "authorization"),
    ] {
        for stream in [false, true] {
            assert_eq!(told(&proxy, model, "fast", stream).await.text, healthy_text(), "{model}");
            let seen = sim.log().pop().unwrap();
            assert_eq!(seen.target, target);
            let body: Value = serde_json::from_slice(&seen.body).unwrap();
            assert_eq!(body["model"], if model == "ai" { "phi" } else { "my-gpt" });
            let keys: Vec<&str> = seen
                .headers
                .iter()
                .map(|(name, _)| name.as_str())
                .filter(|name| ["api-key", "authorization"].contains(name))
                .collect();
            assert_eq!(keys, [header], "{model}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_filter_found_passes_and_what_it_refuses_falls_back() {
    let (sim, proxy) = world().await;
    let stream = include_str!("../../../plugins/azure/tests/answers/chat.sse");
    let pieces: Vec<String> = stream.split_inclusive("\n\n").map(str::to_owned).collect();
    let script = pieces.iter().fold(Script::sse(), |script, piece| script.write(piece.clone()));
    sim.script("filtered-prompt", script);
    let answer = crate::world::fetch(&proxy, "classic", "filtered-prompt", true).await;
    assert_eq!(answer.text(), stream, "byte for byte, the chunk without choices included");

    sim.script("refused", Script::json(400, FILTERED));
    let v1 = told(&proxy, "v1", "refused", false).await;
    assert_eq!((v1.status, v1.terminal), (400, Terminal::Error(400)));
    // The other group is asked for the same, and answers the same.
    let calls = sim.log().len();
    assert_eq!(told(&proxy, "classic", "refused", true).await.status, 400);
    assert_eq!(sim.log().len(), calls + 2, "content_policy_fallbacks followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_keep_their_status_and_their_wait() {
    let (sim, proxy) = world().await;
    let limited = include_str!("../../../plugins/azure/tests/answers/rate-limit-429.json");
    sim.script(
        "limited",
        Script::json(429, limited).header("retry-after", "27").header("retry-after-ms", "26140"),
    );
    let limit = told(&proxy, "v1", "limited", true).await;
    assert_eq!((limit.status, limit.retry_after.as_deref()), (429, Some("27")));
    assert!(limit.message.contains("exceeded token rate limit"), "{}", limit.message);

    let chunk = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Flut\"},\"finish_reason\":null}]}\n\n";
    let error = "data: {\"error\":{\"code\":\"429\",\"message\":\"slow\"}}\n\n";
    sim.script("error", Script::sse().write(chunk).write(error));
    sim.script("cut", Script::sse().write(chunk));
    for (name, code) in [("error", 429), ("cut", 502)] {
        let broken = told(&proxy, "classic", name, true).await;
        assert_eq!(broken.text, "Flut", "{name}");
        assert_eq!(broken.terminal, Terminal::Error(code), "{name}");
    }
}

#[test]
fn check_says_what_entra_needs() {
    let config = "model_list:\n- model_name: m\n  litellm_params:\n    model: azure/x\n    api_base: https://n.openai.azure.com\n    tenant_id: t\n    client_id: c\n    client_secret: s\n";
    let (code, report) = crate::vendors::check(config);
    assert_eq!(code, Some(0), "{report}");
    for said in [
        "`tenant_id`: tokens are not fetched from Entra ID here; give one as `azure_ad_token`",
        "it has no api_key",
        "set litellm_params.api_key or litellm_params.azure_ad_token, or AZURE_OPENAI_API_KEY or AZURE_API_KEY or AZURE_AD_TOKEN",
    ] {
        assert!(report.contains(said), "{said}\n{report}");
    }
}
