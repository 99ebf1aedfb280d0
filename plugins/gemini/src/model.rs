//! A model's name, and what its generation decides.

/// A model, as a provider of Google's names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    /// As the URL has it, without `gemini/` and `models/`.
    pub(crate) name: String,
    /// The number behind `gemini-`, such as 3 of `gemini-3-pro`.
    pub(crate) generation: Option<u32>,
    /// Who made it: on Vertex AI that decides where it is served, and in which dialect.
    pub(crate) maker: Maker,
}

/// Whose a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// Google's, and tuned endpoints: `generateContent`.
    Google,
    /// Claude: Anthropic's Messages, raw.
    Anthropic,
    /// Mistral's: OpenAI chat, raw.
    Mistral,
    /// Those that Vertex AI serves at its OpenAI endpoint; their names have their maker's before a slash.
    Open,
}

impl Model {
    /// `vertex`: Vertex AI serves it, which has models of other makers.
    pub(crate) fn of(name: &str, vertex: bool) -> Result<Self, String> {
        let bare = name.strip_prefix("gemini/").or_else(|| name.strip_prefix("models/")).unwrap_or(name);
        if bare.is_empty() {
            return Err("the model has no name".to_owned());
        }
        let family = bare.split(['-', '/', '@']).next().unwrap_or(bare);
        let maker = match family {
            "claude" => Maker::Anthropic,
            "mistral" | "codestral" => Maker::Mistral,
            "jamba" => {
                return Err(format!(
                    "the model {name:?} is served in a dialect of its own, which is not supported"
                ));
            }
            _ if bare.contains('/') => Maker::Open,
            _ => Maker::Google,
        };
        if maker != Maker::Google && !vertex {
            return Err(format!(
                "the model {name:?} is none of the Gemini API's, which has Google's models alone"
            ));
        }
        let digits: String =
            bare.strip_prefix("gemini-").unwrap_or("").chars().take_while(char::is_ascii_digit).collect();
        Ok(Model { name: bare.to_owned(), generation: digits.parse().ok(), maker })
    }

    /// Gemini 3 and later: thinking by level, and thought signatures are demanded.
    pub(crate) fn is_third_or_later(&self) -> bool {
        self.generation.is_some_and(|generation| generation >= 3)
    }

    /// Whether it takes JSON Schema beside its own subset (`parametersJsonSchema`, `responseJsonSchema`): since Gemini 2, at
    /// either API, which are the fields that Google's SDK and gemini-cli send.
    pub(crate) fn takes_json_schema(&self) -> bool {
        !self.is_tuned() && self.generation.is_none_or(|generation| generation >= 2)
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
            let model = Model::of(name, false).unwrap();
            assert_eq!((model.name.as_str(), model.generation, model.is_tuned()), (bare, generation, tuned));
            assert_eq!(model.maker, Maker::Google);
        }
    }

    #[test]
    fn a_name_tells_its_maker() {
        for (name, maker) in [
            ("claude-sonnet-4@20250514", Maker::Anthropic),
            ("mistral-large@2411", Maker::Mistral),
            ("codestral-2501", Maker::Mistral),
            ("meta/llama-4-scout-17b-16e-instruct-maas", Maker::Open),
            ("openai/gpt-oss-120b-maas", Maker::Open),
            ("text-embedding-005", Maker::Google),
        ] {
            assert_eq!(Model::of(name, true).unwrap().maker, maker, "{name}");
            assert_eq!(Model::of(name, false).is_ok(), maker == Maker::Google, "{name}");
        }
        assert!(Model::of("", true).is_err() && Model::of("jamba-1.5-mini", true).is_err());
    }
}
