//! What litellm's names of models say beside a deployment's name.

use tidegate_openai_wire::model::responses_only;

/// A model's name, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Model<'a> {
    /// As Azure knows it.
    pub(crate) deployment: &'a str,
    /// Only Responses serve it: it had litellm's mark for such, or is called like one of OpenAI's.
    pub(crate) responses_only: bool,
}

impl<'a> Model<'a> {
    /// `o_series/` and `gpt5_series/` only say what the model is, as litellm has them.
    ///
    /// # Errors
    /// Another service answers for it.
    pub(crate) fn of(name: &'a str) -> Result<Self, String> {
        let bare = ["o_series/", "gpt5_series/"].iter().find_map(|series| name.strip_prefix(series));
        let bare = bare.unwrap_or(name);
        let only_responses = responses_only(bare);
        let deployment = only_responses.unwrap_or(bare);
        if deployment.starts_with("claude") {
            return Err(format!(
                "{name}: Claude on Azure speaks Anthropic's dialect, which this provider does not"
            ));
        }
        Ok(Self { deployment, responses_only: only_responses.is_some() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_no_part_of_a_deployments_name() {
        for (name, deployment, responses_only) in [
            ("gpt-4o", "gpt-4o", false),
            ("o_series/my-o3", "my-o3", false),
            ("gpt5_series/five", "five", false),
            ("responses/gpt-5", "gpt-5", true),
            ("org/model", "org/model", false),
        ] {
            assert_eq!(Model::of(name), Ok(Model { deployment, responses_only }));
        }
        assert!(Model::of("claude-opus-4-5").unwrap_err().contains("Anthropic's dialect"));
    }
}
