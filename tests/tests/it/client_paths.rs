//! Paths that client libraries call by other names than the dialects' own: Azure's, Vertex AI's, Google's embeddings. Each as
//! the library writes it (openai-py 3.57, anthropic-py 2.14, google-genai 3.6).

use serde_json::{Value, json};
use tidegate_sim::{Script, Sim, healthy_text};
use tidegate_tests::client::{ask, get, post};
use tidegate_tests::{Answer, Proxy, Setup};

use crate::world::{LONG, sim};

async fn world() -> (Sim, Proxy) {
    let sim = sim().await;
    let setup = Setup::of(&sim).short_clocks().model("claude", "anthropic", &sim, "");
    let proxy = Proxy::start(&setup.general("master_key: sk-1").yaml()).await;
    (sim, proxy)
}

/// Each library has its own header for the key.
async fn call(proxy: &Proxy, path: &str, header: &str, body: &Value) -> Answer {
    ask(proxy.data, &post(path, &format!("{header}\r\n"), body.to_string().as_bytes()), LONG).await
}

const AZURE: &str = "api-key: sk-1";
const BEARER: &str = "authorization: Bearer sk-1";
const GOOGLE: &str = "x-goog-api-key: sk-1";

const VECTORS: &str = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2e-3,1]},{"object":"embedding","index":1,"embedding":[1,2,3]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#;

fn says(answer: &Answer) {
    let text = json!(healthy_text()).to_string();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains(text.trim_matches('"')), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_openai() {
    let (sim, proxy) = world().await;
    let chat = json!({"model": "openai", "messages": [{"role": "user", "content": "sim:fast"}]});
    let responses = json!({"model": "openai", "input": "sim:fast"});
    for (path, body) in [
        ("/openai/deployments/openai/chat/completions?api-version=2024-10-21", &chat),
        ("/openai/responses?api-version=2025-04-01-preview", &responses),
        ("/openai/v1/chat/completions", &chat),
        ("/openai/v1/responses", &responses),
    ] {
        says(&call(&proxy, path, AZURE, body).await);
    }
    sim.script("v", Script::json(200, VECTORS));
    let embedding = json!({"model": "openai", "input": "sim:v"});
    for path in ["/openai/deployments/openai/embeddings?api-version=2024-10-21", "/openai/v1/embeddings"] {
        let answer = call(&proxy, path, AZURE, &embedding).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    let listed =
        ask(proxy.data, &get("/openai/models?api-version=2024-10-21", &format!("{AZURE}\r\n")), LONG).await;
    assert_eq!((listed.status, &listed.json()["object"]), (200, &json!("list")));
    for (path, status) in [("/openai/files?api-version=1", 404), ("/openai/models", 405)] {
        let answer = call(&proxy, path, AZURE, &json!({})).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.json()["error"]["message"].is_string(), "{path}: {}", answer.text());
    }
    assert_eq!(call(&proxy, "/openai/v1/responses", "x: y", &responses).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropic_vertex() {
    let (sim, proxy) = world().await;
    let at = |rest: &str| format!("/v1/projects/p/locations/us-east5/publishers/anthropic/models/{rest}");
    // The model stands in the path; the version in the body, and in a header too.
    let body = json!({
        "anthropic_version": "vertex-2023-10-16", "max_tokens": 99,
        "messages": [{"role": "user", "content": "sim:fast"}],
    });
    let mut streamed = body.clone();
    streamed["stream"] = json!(true);
    for model in ["claude", "openai", "vertex"] {
        let whole = call(&proxy, &at(&format!("{model}:rawPredict")), BEARER, &body).await;
        says(&whole);
        assert_eq!(whole.json()["type"], "message", "{model}");
        let stream = call(&proxy, &at(&format!("{model}:streamRawPredict")), BEARER, &streamed).await;
        assert_eq!(stream.status, 200, "{model}: {}", stream.text());
        assert!(
            stream.text().trim_end().ends_with(r#"data: {"type":"message_stop"}"#),
            "{model}: {}",
            stream.text()
        );
    }
    let whole = call(&proxy, &at("claude:rawPredict"), BEARER, &body).await;
    assert_eq!(whole.status, 200);
    let sent: Value = serde_json::from_slice(&sim.log().pop().unwrap().body).unwrap();
    assert_eq!(
        sent,
        json!({"model": "claude-sonnet-4-5", "max_tokens": 99, "messages": body["messages"]}),
        "Anthropic itself knows no such version"
    );

    let mut counted = body.clone();
    counted["model"] = json!("claude");
    let count = call(&proxy, &at("count-tokens:rawPredict"), BEARER, &counted).await;
    assert!(count.json()["input_tokens"].is_u64(), "{}", count.text());

    for (path, status) in
        [(at("nobody:rawPredict"), 404), (at("claude:predict"), 404), (at("claude:rawPredict"), 401)]
    {
        let header = if status == 401 { "x: y" } else { BEARER };
        let refused = call(&proxy, &path, header, &body).await;
        assert_eq!(
            (refused.status, &refused.json()["type"]),
            (status, &json!("error")),
            "{path}: {}",
            refused.text()
        );
    }
    let looked = ask(proxy.data, &get(&at("claude:rawPredict"), ""), LONG).await;
    assert_eq!((looked.status, &looked.json()["type"]), (405, &json!("error")));
    let limited = json!({"max_tokens": 99, "messages": [{"role": "user", "content": "sim:http-429"}]});
    let limited = call(&proxy, &at("claude:rawPredict"), BEARER, &limited).await;
    assert_eq!((limited.status, &limited.json()["error"]["type"]), (429, &json!("rate_limit_error")));
}

#[tokio::test(flavor = "multi_thread")]
async fn google_genai_at_vertex_ai() {
    let (_sim, proxy) = world().await;
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "sim:fast"}]}]});
    for model in ["vertex", "openai", "claude"] {
        for place in ["projects/p/locations/us-central1/", ""] {
            let at = format!("/v1beta1/{place}publishers/google/models/{model}");
            says(&call(&proxy, &format!("{at}:generateContent"), GOOGLE, &body).await);
            let stream = call(&proxy, &format!("{at}:streamGenerateContent?alt=sse"), GOOGLE, &body).await;
            assert!(stream.text().contains(r#""finishReason":"STOP""#), "{}", stream.text());
            let count = call(&proxy, &format!("{at}:countTokens"), GOOGLE, &body).await;
            assert!(count.json()["totalTokens"].is_u64(), "{}", count.text());
        }
    }
    let refused = call(&proxy, "/v1beta1/publishers/google/models/vertex:computeTokens", GOOGLE, &body).await;
    assert_eq!((refused.status, &refused.json()["error"]["status"]), (405, &json!("INVALID_ARGUMENT")));
}

/// `embed_content`: of the Gemini API, of Vertex AI, and of Vertex AI for its newer models.
#[tokio::test(flavor = "multi_thread")]
async fn google_genai_embeds() {
    let (sim, proxy) = world().await;
    sim.script("v", Script::json(200, VECTORS));
    let content = |text: &str| json!({"parts": [{"text": text}], "role": "user"});
    let request =
        |text: &str| json!({"model": "models/x", "content": content(text), "outputDimensionality": 3});
    let numbers = |value: &Value| {
        value.as_array().is_some_and(|list| list.iter().all(Value::is_number) && !list.is_empty())
    };
    for model in ["openai", "gemini", "vertex"] {
        let text = if model == "openai" { "sim:v" } else { "a" };
        let path = format!("/v1beta/models/{model}:batchEmbedContents");
        let answer = call(&proxy, &path, GOOGLE, &json!({"requests": [request(text), request(text)]})).await;
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
        let told = answer.json();
        let list = told["embeddings"].as_array().unwrap_or_else(|| panic!("{model}: {told}"));
        assert!(list.len() == 2 && list.iter().all(|one| numbers(&one["values"])), "{model}: {told}");

        let path = format!("/v1beta/models/{model}:embedContent");
        let told = call(&proxy, &path, GOOGLE, &json!({"content": content(text)})).await.json();
        assert!(numbers(&told["embedding"]["values"]), "{model}: {told}");

        let path = format!("/v1beta1/projects/p/locations/l/publishers/google/models/{model}:predict");
        let body = json!({"instances": [{"content": text}], "parameters": {"outputDimensionality": 3}});
        let told = call(&proxy, &path, BEARER, &body).await.json();
        assert!(numbers(&told["predictions"][0]["embeddings"]["values"]), "{model}: {told}");
    }
    let body = json!({"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "AA"}}]}});
    let refused = call(&proxy, "/v1beta/models/gemini:embedContent", GOOGLE, &body).await;
    assert_eq!((refused.status, &refused.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    let none =
        call(&proxy, "/v1beta/models/claude:embedContent", GOOGLE, &json!({"content": content("a")})).await;
    assert_eq!(none.status, 400, "{}", none.text());
    assert!(none.json()["error"]["message"].as_str().unwrap().contains("no embeddings"), "{}", none.text());
    // In a query, as Google's own examples have it.
    let body = json!({"content": content("a")});
    let keyed = call(&proxy, "/v1beta/models/gemini:embedContent?key=sk-1", "x: y", &body).await;
    assert_eq!(keyed.status, 200, "{}", keyed.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_litellms_own_reaches_no_provider() {
    let sim = sim().await;
    let base = format!("api_base: \"http://{}/v1\", api_key: sim-key", sim.addr());
    let params =
        format!("model: openai/sim, extra_body: {{top_k: 3, temperature: 0.5}}, no-log: true, {base}");
    let proxy = Proxy::start(&Setup::of(&sim).short_clocks().params("extra", &params).yaml()).await;
    let asked = async |more: Value| {
        let mut body = json!({"model": "extra", "messages": [{"role": "user", "content": "sim:echo"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer =
            ask(proxy.data, &post("/v1/chat/completions", "", body.to_string().as_bytes()), LONG).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
        let mut seen: Value = serde_json::from_str(&seen).unwrap();
        let mut body = seen["body"].take();
        body.as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "model" | "messages"));
        body
    };
    assert_eq!(asked(json!({})).await, json!({"top_k": 3, "temperature": 0.5}));
    let own = json!({
        "temperature": 1, "user": "u", "tags": ["a"], "metadata": {"tags": ["a"]}, "no-log": true, "api_key": "sk-other",
        "cache": {"no-cache": true}, "ttl": 5, "guardrails": ["g"], "litellm_session_id": "s", "litellm_trace_id": "t",
    });
    assert_eq!(asked(own).await, json!({"top_k": 3, "temperature": 1, "user": "u"}));
    let metadata = json!({"metadata": {"team": "a"}});
    assert_eq!(asked(metadata).await, json!({"top_k": 3, "temperature": 0.5, "metadata": {"team": "a"}}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_another_coding_is_refused_by_name_and_a_byte_order_mark_is_no_matter() {
    let (_sim, proxy) = world().await;
    let body = json!({"model": "openai", "messages": [{"role": "user", "content": "sim:fast"}]}).to_string();
    let send = async |headers: &str, body: &[u8]| {
        ask(proxy.data, &post("/v1/chat/completions", &format!("{BEARER}\r\n{headers}"), body), LONG).await
    };
    let refused = send("content-encoding: gzip\r\n", &[0x1f, 0x8b, 8, 0]).await;
    assert_eq!(refused.status, 415);
    assert!(refused.text().contains("gzip"), "{}", refused.text());
    says(&send("content-encoding: identity\r\n", body.as_bytes()).await);
    says(&send("", format!("\u{feff}{body}").as_bytes()).await);
}
