//! A chat answer's choice as a candidate: what a delta says goes out as parts at once, but for calls, which Gemini has
//! whole.

use serde_json::{Map, Value, json};

use super::signature::{self, Foreign};
use super::{grounding, words};
use crate::dialects::calls::Calls;
use crate::dialects::content::{self, Piece};

/// One candidate, as far as it has come.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Which choice it is.
    pub(super) index: u64,
    calls: Vec<Call>,
    /// Which of them a fragment belongs to.
    known: Calls,
    finish: Option<String>,
    citations: Vec<Value>,
    /// The answer's text, in which citations name characters and Google bytes.
    text: String,
}

#[derive(Debug, Default)]
struct Call {
    id: String,
    name: String,
    arguments: String,
    signature: Option<String>,
}

impl Candidate {
    pub(super) fn new(index: u64) -> Self {
        Self {
            index,
            calls: Vec::new(),
            known: Calls::default(),
            finish: None,
            citations: Vec::new(),
            text: String::new(),
        }
    }

    /// Takes a choice of a chunk, or of a whole answer; gives what can be said at once. `thoughts`: the client wants them.
    pub(super) fn choice(&mut self, choice: &Value, thoughts: bool) -> Said {
        let delta = choice.get("delta").or_else(|| choice.get("message")).unwrap_or(&Value::Null);
        let mut parts = Vec::new();
        if thoughts {
            thought(delta, &mut parts);
        }
        for piece in content::pieces(delta) {
            match piece {
                Piece::Text(text) => {
                    self.text.push_str(text);
                    parts.push(json!({"text": text}));
                }
                Piece::Thought(thought) if thoughts => {
                    parts.push(json!({"thought": true, "text": thought}));
                }
                Piece::Thought(_) => {}
            }
        }
        if let Some(text) = full(delta, "refusal") {
            parts.push(json!({"text": text}));
        }
        for image in each(delta, "images") {
            parts.extend(image.pointer("/image_url/url").and_then(Value::as_str).and_then(inline));
        }
        let beside = delta.get("provider_specific_fields").unwrap_or(&Value::Null);
        parts.extend(each(beside, "parts").cloned());
        for signature in each(beside, "thought_signatures").filter_map(Value::as_str) {
            match parts.last_mut().filter(|last| last.get("thoughtSignature").is_none()) {
                Some(last) => last["thoughtSignature"] = json!(signature::carried(signature)),
                None => parts.push(json!({"text": "", "thoughtSignature": signature::carried(signature)})),
            }
        }
        for (at, call) in each(delta, "tool_calls").enumerate() {
            self.call(at, call);
        }
        if let Some(call) = delta.get("function_call").filter(|call| call.is_object()) {
            // OpenAI's older form has one call and no number for it.
            self.call(0, &json!({"function": call}));
        }
        self.citations.extend(each(delta, "annotations").filter_map(|one| one.get("url_citation")).cloned());
        self.citations
            .extend(each(beside, "citations").filter(|one| grounding::is_of_document(one)).cloned());
        if let Some(reason) = full(choice, "finish_reason") {
            let native = choice.pointer("/provider_specific_fields/native_finish_reason");
            self.finish = Some(words::finish(reason, native.and_then(Value::as_str)));
        }
        Said { parts, logprobs: logprobs(choice.get("logprobs").unwrap_or(&Value::Null)) }
    }

    fn call(&mut self, at: usize, fragment: &Value) {
        let at = self.known.place(fragment, at);
        if at == self.calls.len() {
            self.calls.push(Call::default());
        }
        let Some(call) = self.calls.get_mut(at) else { return };
        if let Some(id) = full(fragment, "id") {
            id.clone_into(&mut call.id);
        }
        let function = fragment.get("function").unwrap_or(&Value::Null);
        if let Some(name) = full(function, "name") {
            name.clone_into(&mut call.name);
        }
        call.arguments.push_str(full(function, "arguments").unwrap_or_default());
        let fields =
            ["/extra_content/google/thought_signature", "/provider_specific_fields/thought_signature"];
        let signature = fields.iter().find_map(|path| fragment.pointer(path)?.as_str());
        call.signature = signature.map(str::to_owned).or(call.signature.take());
    }

    /// The end: its calls, whole, and why it ended. `parts`: what is said before that.
    pub(super) fn end(&mut self, mut parts: Vec<Value>) -> Value {
        let mut broken = None;
        for call in std::mem::take(&mut self.calls) {
            match call.part() {
                Ok(part) => parts.push(part),
                Err(why) => broken = Some(why),
            }
        }
        // google-genai's chats take a content without parts for a broken answer, and forget it.
        if parts.is_empty() {
            parts.push(json!({"text": ""}));
        }
        let mut out = candidate(self.index, Said { parts, logprobs: None });
        let finish = self.finish.take();
        if let Some(why) = broken {
            // Google's own word, where nothing else cut the arguments short.
            let word = finish.filter(|word| word != "STOP");
            out["finishReason"] = json!(word.unwrap_or_else(|| "MALFORMED_FUNCTION_CALL".to_owned()));
            out["finishMessage"] = json!(why);
        } else if let Some(word) = finish {
            out["finishReason"] = json!(word);
        }
        if !self.citations.is_empty() {
            out["groundingMetadata"] = grounding::of(&self.citations, &self.text);
        }
        out
    }
}

/// What a chunk says of a candidate.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) parts: Vec<Value>,
    pub(super) logprobs: Option<Value>,
}

impl Said {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.logprobs.is_none()
    }
}

/// A candidate that goes on.
pub(super) fn candidate(index: u64, said: Said) -> Value {
    let mut out = json!({"content": {"role": "model", "parts": said.parts}, "index": index});
    if let Some(logprobs) = said.logprobs {
        out["logprobsResult"] = logprobs;
    }
    out
}

impl Call {
    fn part(self) -> Result<Value, String> {
        let Call { id, name, arguments, signature } = self;
        let text = if arguments.trim().is_empty() { "{}" } else { &arguments };
        let args: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| format!("the arguments of a call of {name:?} are not a JSON object: {error}"))?;
        let mut call = json!({"name": name, "args": args});
        if !id.is_empty() {
            call["id"] = json!(id);
        }
        let mut part = json!({"functionCall": call});
        if let Some(signature) = signature {
            part["thoughtSignature"] = json!(signature::carried(&signature));
        }
        Ok(part)
    }
}

/// Thoughts: a whole message has them once as text and once as blocks, of which those with a text are taken; in a stream a
/// block without one signs what went before it.
fn thought(delta: &Value, parts: &mut Vec<Value>) {
    let blocks: Vec<&Value> = each(delta, "thinking_blocks").collect();
    let told = blocks.iter().any(|block| full(block, "thinking").is_some());
    if !told && let Some(text) = full(delta, "reasoning_content").or_else(|| full(delta, "reasoning")) {
        parts.push(json!({"thought": true, "text": text}));
    }
    for block in blocks {
        let signature = full(block, "signature").map(|text| Foreign::Signature(text.to_owned()));
        let redacted = || full(block, "data").map(|data| Foreign::Redacted(data.to_owned()));
        let mut part = json!({"thought": true, "text": full(block, "thinking").unwrap_or_default()});
        match signature.or_else(redacted) {
            Some(foreign) => part["thoughtSignature"] = json!(signature::wrap(&foreign)),
            None if part["text"] == "" => continue,
            None => {}
        }
        parts.push(part);
    }
}

/// A data URL as Gemini has it. Another URL is the client's to fetch.
fn inline(url: &str) -> Option<Value> {
    let Some(rest) = url.strip_prefix("data:") else { return Some(json!({"fileData": {"fileUri": url}})) };
    let (kind, data) = rest.split_once(',')?;
    let kind = kind.strip_suffix(";base64")?;
    Some(json!({"inlineData": {"mimeType": kind, "data": data}}))
}

fn logprobs(chat: &Value) -> Option<Value> {
    let token = |one: &Value| json!({"token": one["token"], "logProbability": one["logprob"]});
    let chosen: Vec<Value> = each(chat, "content").map(token).collect();
    let top: Vec<Value> = each(chat, "content")
        .map(|one| json!({"candidates": each(one, "top_logprobs").map(token).collect::<Vec<_>>()}))
        .collect();
    (!chosen.is_empty()).then(|| json!({"chosenCandidates": chosen, "topCandidates": top}))
}

fn each<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    object.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// A text that says something.
fn full<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}
