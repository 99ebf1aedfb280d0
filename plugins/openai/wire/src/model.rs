//! What models' names say of them.

/// litellm's mark, before a model's name, for models that are asked by the Responses API alone.
pub const RESPONSES: &str = "responses/";

/// OpenAI's models that nothing but the Responses API serves, by how their names begin: those whose mode is `responses` in
/// litellm's catalogue (`model_prices_and_context_window.json`). The manifests of plugins list them too, for the host.
pub const RESPONSES_ONLY: &[&str] = &[
    "codex-",
    "computer-use-preview",
    "gpt-5-codex",
    "gpt-5-pro",
    "gpt-5.1-codex",
    "gpt-5.2-codex",
    "gpt-5.2-pro",
    "gpt-5.3-codex",
    "gpt-5.4-pro",
    "gpt-5.5-pro",
    "o1-pro",
    "o3-deep-research",
    "o3-pro",
    "o4-mini-deep-research",
];

/// The model's own name, where it is asked by the Responses API alone: for litellm's mark, or by what it is.
pub fn responses_only(model: &str) -> Option<&str> {
    let known = || RESPONSES_ONLY.iter().any(|start| model.starts_with(start));
    model.strip_prefix(RESPONSES).or_else(|| known().then_some(model))
}

/// OpenAI's reasoning models by their names; a chat variant of one does not reason.
pub fn reasons(model: &str) -> bool {
    let model = model.rsplit('/').next().unwrap_or(model);
    let series = |start: &str, from: u32| {
        let digits = model.strip_prefix(start)?.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u32>().ok().filter(|number| *number >= from)
    };
    (series("o", 1).is_some() || series("gpt-", 5).is_some()) && !model.contains("-chat")
}

/// Whether it encrypts its reasoning where it is asked to; others refuse that. Names of Azure's deployments are their owners',
/// who mostly put the model's into them.
pub(crate) fn encrypts(model: &str) -> bool {
    let words = ["codex", "gpt-oss", "deep-research"];
    let pieces = || model.match_indices(['o', 'g']).map(|(at, _)| at);
    let begins = |at: usize| at == 0 || !model.as_bytes()[at - 1].is_ascii_alphanumeric();
    words.iter().any(|word| model.contains(word))
        || pieces().filter(|at| begins(*at)).any(|at| reasons(&model[at..]))
}

/// How much a model is to think, which clients of Anthropic's API say in Anthropic's words, in OpenAI's.
pub fn effort(thinking: &serde_json::Value, config: &serde_json::Value) -> Option<&'static str> {
    if thinking["type"] == "disabled" {
        return None;
    }
    match config["effort"].as_str() {
        Some("low") => return Some("low"),
        Some("medium") => return Some("medium"),
        Some(_) => return Some("high"),
        None => {}
    }
    Some(match thinking["budget_tokens"].as_u64()? {
        budget if budget <= LOW => "low",
        budget if budget <= MEDIUM => "medium",
        _ => "high",
    })
}

/// Budgets up to these many tokens are a low and a medium effort. Claude Code's words for "think", "think hard" and "think
/// harder" stand for 4,000, 10,000 and 31,999 tokens.
const LOW: u64 = 4_096;
const MEDIUM: u64 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_is_asked_by_responses_alone() {
        for (model, bare) in [
            ("responses/gpt-4o", Some("gpt-4o")),
            ("responses/o3-deep-research", Some("o3-deep-research")),
            ("gpt-5.1-codex-max", Some("gpt-5.1-codex-max")),
            ("o3-pro-2025-06-10", Some("o3-pro-2025-06-10")),
            ("gpt-5", None),
            ("o3", None),
            ("my-codex", None),
            ("org/responses/x", None),
        ] {
            assert_eq!(responses_only(model), bare, "{model}");
        }
    }

    #[test]
    fn a_name_tells_whether_reasoning_can_be_encrypted() {
        for model in
            ["gpt-5.1-codex", "o3-pro", "o4-mini-deep-research", "prod-gpt-5", "eu_o3", "openai/gpt-oss-120b"]
        {
            assert!(encrypts(model), "{model}");
        }
        for model in ["gpt-4o", "gpt-4.1", "computer-use-preview", "gpt-5-chat-latest", "foo3", "mine", ""] {
            assert!(!encrypts(model), "{model}");
        }
    }
}
