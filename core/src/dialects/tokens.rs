//! The counts of tokens of OpenAI's two APIs, which differ in their words.

use super::Usage;
use super::json::{Invalid, Scan};

/// The members of a `usage`.
pub(super) struct Words {
    input: &'static str,
    input_details: &'static str,
    /// Among the details.
    cache_write: &'static str,
    output: &'static str,
    output_details: &'static str,
}

/// Of chat completions. OpenAI has no word there for what went into a cache: this one is litellm's.
pub(super) const CHAT: Words = Words {
    input: "prompt_tokens",
    input_details: "prompt_tokens_details",
    cache_write: "cache_creation_tokens",
    output: "completion_tokens",
    output_details: "completion_tokens_details",
};

/// Of Responses.
pub(super) const RESPONSES: Words = Words {
    input: "input_tokens",
    input_details: "input_tokens_details",
    cache_write: "cache_write_tokens",
    output: "output_tokens",
    output_details: "output_tokens_details",
};

/// Reads a `usage`, an object: whether it has a member at all, and what was spent, where it says so. Few events have one, so
/// that its members cost the others nothing.
pub(super) fn read(scan: &mut Scan<'_>, words: &Words) -> Result<(bool, Option<Usage>), Invalid> {
    let (mut any, mut told) = (false, Usage::default());
    scan.object(|scan, name| {
        any = true;
        if name.is(words.input_details) {
            return scan.counts(|name, count| {
                if name.is("cached_tokens") {
                    told.cached = count;
                } else if name.is(words.cache_write) {
                    told.cache_write = count;
                }
            });
        }
        if name.is(words.output_details) {
            return scan.counts(|name, count| {
                if name.is("reasoning_tokens") {
                    told.reasoning = count;
                }
            });
        }
        let count = scan.count()?;
        if name.is("total_tokens") {
            told.total = count;
        } else if name.is(words.input) {
            told.input = count;
        } else if name.is(words.output) {
            told.output = count;
        }
        Ok(())
    })?;
    Ok((any, Some(told).filter(|told| told.sum().is_some())))
}
