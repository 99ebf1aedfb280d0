//! What the core sees in an answer, in whichever dialect it is.

/// What one event of a stream is. Seen by the core itself, whatever the plugin says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A part of the answer.
    Chunk(Chunk),
    /// The dialect's terminal marker, and what it says beside that.
    Done(Chunk),
    /// The dialect's error form, or one of those that servers use in its place.
    Error,
    /// Not in the dialect.
    Malformed,
}

/// A part of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// It carries something for the user: text, a tool call, reasoning, audio.
    pub content: bool,
    /// It says why a choice ended.
    pub finish: bool,
    /// It carries the usage and no choice.
    pub usage_only: bool,
    /// Every choice that ended was refused by a filter.
    pub filtered: bool,
    /// The tokens that the answer has cost so far, where it says so.
    pub usage: Option<Usage>,
}

impl Chunk {
    /// It says something of the answer, be it only why there is none.
    pub fn is_answer(self) -> bool {
        self.content || self.finish
    }
}

/// What an answer has cost so far, in tokens. Dialects tell it in parts: a later word about a count holds, and a count that
/// it does not name stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the prompt, what came from a cache or went into one included.
    pub input: Option<u64>,
    /// Of the answer, reasoning included.
    pub output: Option<u64>,
    /// Of the prompt, what came from a cache.
    pub cached: Option<u64>,
    /// Of the prompt, what was written to a cache.
    pub cache_write: Option<u64>,
    /// Of the answer, what was spent on reasoning.
    pub reasoning: Option<u64>,
    /// Of both, as the provider counts them.
    pub total: Option<u64>,
}

impl Usage {
    /// Takes what `later` says.
    pub fn merge(&mut self, later: Usage) {
        let Usage { input, output, cached, cache_write, reasoning, total } = later;
        self.input = input.or(self.input);
        self.output = output.or(self.output);
        self.cached = cached.or(self.cached);
        self.cache_write = cache_write.or(self.cache_write);
        self.reasoning = reasoning.or(self.reasoning);
        self.total = total.or(self.total);
    }

    /// Takes what another answer has cost on top.
    pub fn add(&mut self, other: Usage) {
        let add = |mine: &mut Option<u64>, other: Option<u64>| {
            *mine = other.map(|more| mine.unwrap_or(0).saturating_add(more)).or(*mine);
        };
        let Usage { input, output, cached, cache_write, reasoning, total } = other;
        add(&mut self.input, input);
        add(&mut self.output, output);
        add(&mut self.cached, cached);
        add(&mut self.cache_write, cache_write);
        add(&mut self.reasoning, reasoning);
        add(&mut self.total, total);
    }

    /// Of prompt and answer; `None` where neither was said.
    pub fn sum(&self) -> Option<u64> {
        let parts = || Some(self.input?.saturating_add(self.output.unwrap_or(0)));
        self.total.or_else(parts).or(self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_add_up() {
        let mut usage = Usage { input: Some(9), cached: Some(4), ..Usage::default() };
        usage.add(Usage { input: Some(1), output: Some(7), ..Usage::default() });
        assert_eq!((usage.input, usage.output, usage.cached), (Some(10), Some(7), Some(4)));
        assert_eq!(usage.reasoning, None);
    }

    #[test]
    fn a_later_word_holds_and_silence_says_nothing() {
        let mut usage = Usage { input: Some(9), cached: Some(4), output: Some(1), ..Usage::default() };
        usage.merge(Usage { output: Some(7), ..Usage::default() });
        assert_eq!((usage.input, usage.output, usage.cached), (Some(9), Some(7), Some(4)));
        assert_eq!(usage.sum(), Some(16));
        usage.merge(Usage { total: Some(20), ..Usage::default() });
        assert_eq!(usage.sum(), Some(20));
        assert_eq!(Usage::default().sum(), None);
    }
}
