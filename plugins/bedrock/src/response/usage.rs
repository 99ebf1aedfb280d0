//! Token counts.

use serde_json::{Value, json};
use tidegate_plugin_sdk::Note;

use super::wire::Usage;

impl Usage {
    /// OpenAI counts what the cache gave and took as a part of the prompt; Bedrock counts it beside the input.
    fn prompt(&self) -> u64 {
        [self.input_tokens, self.cache_read_input_tokens, self.cache_write_input_tokens]
            .into_iter()
            .flatten()
            .fold(0, u64::saturating_add)
    }

    pub(crate) fn openai(&self) -> Value {
        let (prompt, completion) = (self.prompt(), self.output_tokens.unwrap_or(0));
        let total = prompt.saturating_add(completion).max(self.total_tokens.unwrap_or(0));
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": total,
            "prompt_tokens_details": {
                "cached_tokens": self.cache_read_input_tokens.unwrap_or(0),
                "cache_creation_tokens": self.cache_write_input_tokens.unwrap_or(0),
            },
        })
    }

    pub(crate) fn notes(&self) -> impl Iterator<Item = Note> {
        [
            Some(Note::TokensIn(self.prompt())),
            Some(Note::TokensOut(self.output_tokens.unwrap_or(0))),
            self.cache_read_input_tokens.map(Note::TokensCached),
        ]
        .into_iter()
        .flatten()
    }
}
