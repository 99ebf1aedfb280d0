//! A model's name, and what its generation decides.

/// A model of the Gemini family, or a tuned endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    /// As the URL has it, without `gemini/` and `models/`.
    pub(crate) name: String,
    /// The number behind `gemini-`, such as 3 of `gemini-3-pro`.
    pub(crate) generation: Option<u32>,
}

impl Model {
    /// Vertex AI serves other families in other dialects: those are refused.
    pub(crate) fn of(name: &str) -> Result<Self, String> {
        let bare = name.strip_prefix("gemini/").or_else(|| name.strip_prefix("models/")).unwrap_or(name);
        if bare.is_empty() {
            return Err("the model has no name".to_owned());
        }
        let family = bare.split(['-', '/', '@']).next().unwrap_or(bare);
        if bare.contains('/') || matches!(family, "claude" | "mistral" | "codestral" | "llama3" | "jamba") {
            return Err(format!(
                "the model {name:?} is not served by generateContent; only Gemini models and tuned endpoints are supported"
            ));
        }
        let digits: String =
            bare.strip_prefix("gemini-").unwrap_or("").chars().take_while(char::is_ascii_digit).collect();
        Ok(Model { name: bare.to_owned(), generation: digits.parse().ok() })
    }

    /// Gemini 3 and later: thinking by level, and thought signatures are demanded.
    pub(crate) fn is_third_or_later(&self) -> bool {
        self.generation.is_some_and(|generation| generation >= 3)
    }

    /// A tuned model's endpoint is named by its number.
    pub(crate) fn is_tuned(&self) -> bool {
        self.name.bytes().all(|byte| byte.is_ascii_digit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_generations_and_endpoints() {
        let rows = [
            ("gemini-2.5-flash", "gemini-2.5-flash", Some(2), false),
            ("gemini-3-pro-preview", "gemini-3-pro-preview", Some(3), false),
            ("gemini-3.1-pro", "gemini-3.1-pro", Some(3), false),
            ("gemini-flash-latest", "gemini-flash-latest", None, false),
            ("models/gemini-10", "gemini-10", Some(10), false),
            ("gemini/123456", "123456", None, true),
        ];
        for (name, bare, generation, tuned) in rows {
            let model = Model::of(name).unwrap();
            assert_eq!((model.name.as_str(), model.generation, model.is_tuned()), (bare, generation, tuned));
        }
        for name in ["", "claude-sonnet-4@20250514", "meta/llama-4", "mistral-large@2411"] {
            assert!(Model::of(name).is_err(), "{name}");
        }
    }
}
