//! A whole chat answer as a `GenerateContentResponse`.

use serde_json::Value;

use super::parts::{Candidate, Said};
use super::stream::Identity;
use crate::dialects::Facts;

/// The answer to `facts.request`.
pub(in crate::dialects) fn of_chat(chat: &Value, facts: &Facts) -> Value {
    let mut identity = Identity::new(facts);
    identity.name(chat);
    let choices = chat["choices"].as_array().map_or(&[][..], Vec::as_slice);
    let candidates = choices.iter().enumerate().map(|(at, choice)| {
        let mut candidate = Candidate::new(choice["index"].as_u64().unwrap_or(at as u64));
        let Said { parts, logprobs } = candidate.choice(choice, identity.thoughts);
        let mut told = candidate.end(parts);
        if let Some(logprobs) = logprobs {
            told["logprobsResult"] = logprobs;
        }
        told
    });
    let usage = chat.get("usage").filter(|usage| usage.is_object());
    identity.response(candidates.collect(), usage)
}
