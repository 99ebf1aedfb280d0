//! Token counts. Anthropic counts what was read from or written to its cache beside the input; OpenAI within it.

use serde_json::{Value, json};
use tidegate_plugin_sdk::Note;

use super::wire::Usage;

impl Usage {
    /// What a later event says goes before; what it leaves out stays.
    pub(crate) fn merge(&mut self, later: Usage) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.cache_read_input_tokens = later.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens =
            later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
    }

    fn prompt(&self) -> u64 {
        [self.input_tokens, self.cache_read_input_tokens, self.cache_creation_input_tokens]
            .into_iter()
            .flatten()
            .fold(0, u64::saturating_add)
    }

    fn thinking(&self) -> Option<u64> {
        self.output_tokens_details.and_then(|details| details.thinking_tokens)
    }

    pub(crate) fn openai(&self) -> Value {
        let completion = self.output_tokens.unwrap_or(0);
        json!({
            "prompt_tokens": self.prompt(),
            "completion_tokens": completion,
            "total_tokens": self.prompt().saturating_add(completion),
            "prompt_tokens_details": {
                "cached_tokens": self.cache_read_input_tokens.unwrap_or(0),
                "cache_creation_tokens": self.cache_creation_input_tokens.unwrap_or(0),
            },
            "completion_tokens_details": {"reasoning_tokens": self.thinking().unwrap_or(0)},
        })
    }

    pub(crate) fn notes(&self) -> impl Iterator<Item = Note> {
        let input = self.input_tokens.map(|_| Note::TokensIn(self.prompt()));
        let rest = [
            self.output_tokens.map(Note::TokensOut),
            self.cache_read_input_tokens.map(Note::TokensCached),
            self.thinking().map(Note::TokensReasoning),
        ];
        input.into_iter().chain(rest.into_iter().flatten())
    }
}
