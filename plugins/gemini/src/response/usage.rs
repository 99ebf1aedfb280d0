//! Token counts. Gemini's are cumulative: the last ones count.

use serde_json::{Value, json};
use tidegate_plugin_sdk::Note;

use super::wire::Usage;

impl Usage {
    fn prompt(&self) -> u64 {
        self.prompt_token_count.unwrap_or(0).saturating_add(self.tool_use_prompt_token_count.unwrap_or(0))
    }

    /// OpenAI counts reasoning as a part of the completion; Gemini counts thoughts beside the candidates.
    fn completion(&self) -> u64 {
        self.candidates_token_count.unwrap_or(0).saturating_add(self.thoughts_token_count.unwrap_or(0))
    }

    pub(crate) fn openai(&self) -> Value {
        let total = self.total_token_count.unwrap_or_else(|| self.prompt().saturating_add(self.completion()));
        json!({
            "prompt_tokens": self.prompt(),
            "completion_tokens": self.completion(),
            "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": self.cached_content_token_count.unwrap_or(0)},
            "completion_tokens_details": {"reasoning_tokens": self.thoughts_token_count.unwrap_or(0)},
        })
    }

    pub(crate) fn notes(&self) -> impl Iterator<Item = Note> {
        [
            Some(Note::TokensIn(self.prompt())),
            Some(Note::TokensOut(self.completion())),
            self.cached_content_token_count.map(Note::TokensCached),
            self.thoughts_token_count.map(Note::TokensReasoning),
        ]
        .into_iter()
        .flatten()
    }
}
