use serde_json::{Value, json};

use super::*;

fn endpoint(provider: &str, params: Value) -> Result<Endpoint, String> {
    let config = serde_json::from_value(json!({"provider": provider, "model": "m", "params": params}));
    Endpoint::of(&config.expect("a configuration"))
}

#[test]
fn every_form_of_an_address_has_its_paths() {
    let rows = [
        // A resource: paths by deployment, with the version in the query.
        (
            "azure",
            "https://n.openai.azure.com/",
            Some("2024-10-21"),
            "https://n.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21",
            "https://n.openai.azure.com/openai/responses?api-version=2024-10-21",
        ),
        (
            "azure",
            "https://n.openai.azure.com/openai?api-version=2025-01-01-preview&a=1",
            Some("2024-10-21"),
            "https://n.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2025-01-01-preview&a=1",
            "https://n.openai.azure.com/openai/responses?api-version=2025-01-01-preview&a=1",
        ),
        // The v1 surface: by a version's name, or by the address.
        (
            "azure",
            "https://n.openai.azure.com",
            Some("v1"),
            "https://n.openai.azure.com/openai/v1/chat/completions",
            "https://n.openai.azure.com/openai/v1/responses",
        ),
        (
            "azure",
            "https://n.openai.azure.com",
            Some("preview"),
            "https://n.openai.azure.com/openai/v1/chat/completions?api-version=preview",
            "https://n.openai.azure.com/openai/v1/responses?api-version=preview",
        ),
        (
            "azure",
            "https://n.openai.azure.com/openai/v1/",
            Some("2024-10-21"),
            "https://n.openai.azure.com/openai/v1/chat/completions",
            "https://n.openai.azure.com/openai/v1/responses",
        ),
        // A deployment's own address, even as it stands in Azure's portal.
        (
            "azure",
            "https://n.openai.azure.com/openai/deployments/other/chat/completions?api-version=2024-06-01",
            None,
            "https://n.openai.azure.com/openai/deployments/other/chat/completions?api-version=2024-06-01",
            "",
        ),
        (
            "azure",
            "https://gateway.ai.cloudflare.com/v1/acc/gw/azure-openai/res",
            Some("2024-10-21"),
            "https://gateway.ai.cloudflare.com/v1/acc/gw/azure-openai/res/my%20gpt/chat/completions?api-version=2024-10-21",
            "https://gateway.ai.cloudflare.com/v1/acc/gw/azure-openai/res/my%20gpt/responses?api-version=2024-10-21",
        ),
        (
            "azure_ai",
            "https://n.services.ai.azure.com",
            Some("2024-05-01-preview"),
            "https://n.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
            "",
        ),
        (
            "azure_ai",
            "https://n.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
            None,
            "https://n.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
            "",
        ),
        (
            "azure_ai",
            "https://n.services.ai.azure.com/openai/v1",
            None,
            "https://n.services.ai.azure.com/openai/v1/chat/completions",
            "https://n.services.ai.azure.com/openai/v1/responses",
        ),
        (
            "azure_ai",
            "https://mistral.eastus2.models.ai.azure.com/v1",
            None,
            "https://mistral.eastus2.models.ai.azure.com/v1/chat/completions",
            "",
        ),
    ];
    for (provider, base, version, chat, responses) in rows {
        let made = endpoint(provider, json!({"api_base": base, "api_version": version})).unwrap();
        assert_eq!(made.url(Dialect::OpenAiChat, "my gpt").unwrap(), chat, "{base}");
        let embeddings = made.url(Dialect::OpenAiEmbeddings, "my gpt").unwrap();
        assert_eq!(embeddings, chat.replace("/chat/completions", "/embeddings"), "{base}");
        let completions = made.url(Dialect::OpenAiCompletions, "my gpt").unwrap();
        assert_eq!(completions, chat.replace("/chat/completions", "/completions"), "{base}");
        let asked = made.url(Dialect::OpenAiResponses, "my gpt").unwrap_or_default();
        assert_eq!(asked, responses, "{base}");
        assert!(made.url(Dialect::AnthropicMessages, "my gpt").is_err());
    }
}

#[test]
fn keys_go_where_the_address_takes_them() {
    for (provider, base, bearer) in [
        ("azure", "https://n.openai.azure.com", false),
        ("azure", "http://127.0.0.1:9", false),
        ("azure_ai", "https://n.services.ai.azure.com/models", false),
        ("azure_ai", "https://n.openai.azure.com:443/x", false),
        ("azure_ai", "https://mistral.eastus2.models.ai.azure.com/v1", true),
        ("azure_ai", "https://a.example/n.openai.azure.com", true),
    ] {
        assert_eq!(
            endpoint(provider, json!({"api_base": base})).unwrap().takes_bearer_keys(),
            bearer,
            "{base}"
        );
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (params, why) in [
        (json!({}), "azure/ needs \"api_base\", such as https://NAME.openai.azure.com"),
        (json!({"api_base": "n.openai.azure.com"}), "must begin with http://"),
        (json!({"api_base": "http://h", "extra_query": 3}), "must be a mapping"),
        (json!({"api_base": "http://h", "extra_query": {"x": []}}), "must be text"),
    ] {
        let said = endpoint("azure", params).unwrap_err();
        assert!(said.contains(why), "{said}");
    }
    let asks = json!({"api_base": "http://h", "extra_query": {"a b": true}});
    let url = endpoint("azure_ai", asks).unwrap().url(Dialect::OpenAiChat, "m").unwrap();
    assert_eq!(url, "http://h/chat/completions?a%20b=true");
}
