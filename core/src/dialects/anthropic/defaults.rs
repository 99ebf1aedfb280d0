//! A deployment's default parameters, which configurations name as in a chat completion, in Anthropic's places.

use serde_json::{Map, Value, json};

/// Those that both APIs call the same, and Anthropic's own.
const SAME: [&str; 12] = [
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "thinking",
    "stop_sequences",
    "system",
    "service_tier",
    "output_config",
    "context_management",
    "mcp_servers",
    "container",
];

/// Adds what the client does not say itself. A parameter that Anthropic does not have is left out: it would refuse it.
pub(super) fn add(body: &mut Map<String, Value>, defaults: &Map<String, Value>) {
    for (name, value) in defaults.iter().filter(|(_, value)| !value.is_null()) {
        let (name, value) = match (name.as_str(), value) {
            (name, value) if SAME.contains(&name) => (name, value.clone()),
            ("max_completion_tokens", value) => ("max_tokens", value.clone()),
            ("stop", Value::String(word)) => ("stop_sequences", json!([word])),
            ("stop", list @ Value::Array(_)) => ("stop_sequences", list.clone()),
            ("user", Value::String(user)) => ("metadata", json!({"user_id": user})),
            ("metadata", Value::Object(metadata)) if metadata.contains_key("user_id") => {
                ("metadata", value.clone())
            }
            ("reasoning_effort", Value::String(effort)) => match effort.as_str() {
                effort @ ("low" | "medium" | "high" | "xhigh" | "max") => {
                    ("output_config", json!({"effort": effort}))
                }
                _ => continue,
            },
            _ => continue,
        };
        body.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(body: Value, defaults: Value) -> Value {
        let (Value::Object(mut body), Value::Object(defaults)) = (body, defaults) else { panic!() };
        add(&mut body, &defaults);
        Value::Object(body)
    }

    #[test]
    fn each_has_its_place_and_the_clients_word_holds() {
        let defaults = json!({"max_completion_tokens": 7, "temperature": 0.5, "stop": "END", "user": "u", "n": 1,
            "seed": 3, "reasoning_effort": "high", "top_p": null});
        assert_eq!(
            with(json!({"model": "m"}), defaults.clone()),
            json!({"model": "m", "max_tokens": 7, "temperature": 0.5, "stop_sequences": ["END"],
                "metadata": {"user_id": "u"}, "output_config": {"effort": "high"}})
        );
        let own = json!({"max_tokens": 1, "temperature": 1, "stop_sequences": [], "metadata": {},
            "output_config": {"effort": "low"}});
        assert_eq!(with(own.clone(), defaults), own);
        assert_eq!(with(json!({}), json!({"stop": ["a", "b"]})), json!({"stop_sequences": ["a", "b"]}));
    }
}
