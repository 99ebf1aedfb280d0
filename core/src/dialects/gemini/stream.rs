//! A chat stream as a Gemini one. Why an answer ended is told with the last event and not before the end has come: to a
//! Gemini client a stream that stops after it is complete.

use serde_json::{Map, Value, json};

use super::parts::{Candidate, Said, candidate};
use super::{encode, proto, words};
use crate::dialects::{Encoder, Facts};
use crate::failure::Failure;

/// One stream.
pub(in crate::dialects) struct GeminiEncoder {
    identity: Identity,
    candidates: Vec<Candidate>,
    usage: Option<Value>,
}

/// What all events of an answer share.
pub(super) struct Identity {
    id: String,
    model: String,
    /// The client wants to see thoughts.
    pub(super) thoughts: bool,
}

impl Identity {
    pub(super) fn new(facts: &Facts) -> Self {
        Self {
            id: format!("{:016x}", facts.seed),
            model: facts.model.clone(),
            thoughts: wants_thoughts(&facts.request),
        }
    }

    /// The upstream's own id.
    pub(super) fn name(&mut self, chat: &Value) {
        if let Some(id) = chat["id"].as_str().filter(|id| !id.is_empty()) {
            id.clone_into(&mut self.id);
        }
    }

    pub(super) fn response(&self, candidates: Vec<Value>, usage: Option<&Value>) -> Value {
        let mut out = Map::new();
        if !candidates.is_empty() {
            out.insert("candidates".to_owned(), Value::Array(candidates));
        }
        if let Some(usage) = usage {
            out.insert("usageMetadata".to_owned(), words::usage(usage));
        }
        out.insert("modelVersion".to_owned(), json!(self.model));
        out.insert("responseId".to_owned(), json!(self.id));
        Value::Object(out)
    }
}

/// Unless the client said that it does not.
fn wants_thoughts(body: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return true };
    let config =
        proto::get(&body, "generationConfig").and_then(|config| proto::get(config, "thinkingConfig"));
    config.and_then(|config| proto::get(config, "includeThoughts")).and_then(Value::as_bool) != Some(false)
}

impl GeminiEncoder {
    pub(in crate::dialects) fn new(facts: &Facts) -> Self {
        Self { identity: Identity::new(facts), candidates: Vec::new(), usage: None }
    }

    fn candidate(&mut self, choice: &Value) -> Option<Value> {
        let index = choice["index"].as_u64().unwrap_or(0);
        let at = self.candidates.iter().position(|known| known.index == index).unwrap_or_else(|| {
            self.candidates.push(Candidate::new(index));
            self.candidates.len() - 1
        });
        let said: Said = self.candidates[at].choice(choice, self.identity.thoughts);
        (!said.is_empty()).then(|| candidate(index, said))
    }
}

impl Encoder for GeminiEncoder {
    fn chunk(&mut self, chunk: &Value, out: &mut Vec<u8>) {
        self.identity.name(chunk);
        let choices = chunk["choices"].as_array().map_or(&[][..], Vec::as_slice);
        let candidates: Vec<Value> = choices.iter().filter_map(|choice| self.candidate(choice)).collect();
        if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
            self.usage = Some(usage.clone());
        }
        if !candidates.is_empty() {
            encode::frame(self.identity.response(candidates, None).to_string().as_bytes(), out);
        }
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        let candidates = self.candidates.iter_mut().map(|candidate| candidate.end(Vec::new())).collect();
        let last = self.identity.response(candidates, self.usage.as_ref());
        encode::frame(last.to_string().as_bytes(), out);
    }

    fn error(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        encode::frame(&encode::error_body(failure), out);
    }
}
