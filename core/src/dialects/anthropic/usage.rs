//! Token counts: OpenAI's prompt includes what a cache gave or took, Anthropic's input does not.

use serde_json::{Value, json};

/// The counts of an answer so far, in Anthropic's way of counting. `None`: not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    input: Option<u64>,
    read: Option<u64>,
    written: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

impl Counts {
    /// Takes what a chat's `usage` says; what it does not say stays.
    pub(super) fn take(&mut self, usage: &Value) {
        let count = |path: &str| usage.pointer(path).and_then(Value::as_u64);
        self.read = count("/prompt_tokens_details/cached_tokens").or(self.read);
        self.written = count("/prompt_tokens_details/cache_creation_tokens").or(self.written);
        if let Some(prompt) = count("/prompt_tokens") {
            let cached = self.read.unwrap_or(0).saturating_add(self.written.unwrap_or(0));
            self.input = Some(prompt.saturating_sub(cached));
        }
        self.output = count("/completion_tokens").or(self.output);
        self.thinking = count("/completion_tokens_details/reasoning_tokens").or(self.thinking);
    }

    /// The `usage` of a message. What was not said is the estimate: clients need a number there.
    pub(super) fn of_message(&self, input: u64, output: u64) -> Value {
        let mut usage = self.of_delta(output);
        usage["input_tokens"] = json!(self.input.unwrap_or(input));
        usage["cache_read_input_tokens"] = json!(self.read.unwrap_or(0));
        usage["cache_creation_input_tokens"] = json!(self.written.unwrap_or(0));
        usage
    }

    /// The `usage` of the event that ends a message. A count that it leaves out stays as the beginning said it.
    pub(super) fn of_delta(&self, output: u64) -> Value {
        let mut usage = json!({"output_tokens": self.output.unwrap_or(output)});
        let optional = [
            ("input_tokens", self.input),
            ("cache_read_input_tokens", self.read),
            ("cache_creation_input_tokens", self.written),
        ];
        for (name, count) in optional {
            if let Some(count) = count {
                usage[name] = json!(count);
            }
        }
        if let Some(thinking) = self.thinking {
            usage["output_tokens_details"] = json!({"thinking_tokens": thinking});
        }
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cache_gave_or_took_is_no_input() {
        let mut counts = Counts::default();
        counts.take(&json!({"prompt_tokens": 325, "completion_tokens": 7, "total_tokens": 332,
            "prompt_tokens_details": {"cached_tokens": 300, "cache_creation_tokens": 20},
            "completion_tokens_details": {"reasoning_tokens": 4}}));
        let expected = json!({"input_tokens": 5, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 20,
            "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 4}});
        assert_eq!(counts.of_delta(99), expected);
        assert_eq!(counts.of_message(99, 99), expected);
    }

    #[test]
    fn what_was_not_said_is_estimated_where_a_number_is_needed() {
        let mut counts = Counts::default();
        assert_eq!(counts.of_delta(3), json!({"output_tokens": 3}));
        assert_eq!(
            counts.of_message(9, 0),
            json!({"input_tokens": 9, "output_tokens": 0, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0})
        );
        counts.take(&json!({"prompt_tokens": 4, "prompt_tokens_details": null}));
        counts.take(&json!({"completion_tokens": 2}));
        assert_eq!(counts.of_delta(0), json!({"input_tokens": 4, "output_tokens": 2}));
        counts.take(&Value::Null);
        assert_eq!(counts.of_delta(0), json!({"input_tokens": 4, "output_tokens": 2}));
    }
}
