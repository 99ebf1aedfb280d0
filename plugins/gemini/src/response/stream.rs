//! A stream: each reply becomes at most a content chunk for each candidate, and its end a finish chunk for each.
//!
//! Google says why an answer ended in the last event, and so told it is the answer's end. Gemini 1.x and gateways say it in
//! every event: it is kept until the stream ends, and forgotten where more of the answer comes.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{End, EventIn, Fault, Flow, HeadIn, Note, Stream, StreamOut};

use super::delta::Delta;
use super::finish::{Finish, is_failure};
use super::sources::Sources;
use super::wire::{Candidate, Reply, Usage};
use super::{Identity, replies};

/// More candidates than Google makes (8): an index past it is not Google's.
const CANDIDATES: usize = 64;

/// One stream. It ends well only if every candidate that was seen has said why it finished, or the prompt was blocked.
#[derive(Debug)]
pub struct Translator {
    identity: Identity,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    begun: bool,
    /// What the host was told of the answer's finish.
    settled: bool,
    /// More came after every candidate's finish: this upstream says one in each event, so that none is the last.
    went_on: bool,
}

#[derive(Debug)]
struct Choice {
    index: u32,
    calls: u32,
    sources: Sources,
    begun: bool,
    /// It is more than thoughts.
    answers: bool,
    /// Why it ended, unless more comes.
    finish: Option<Finish>,
}

impl Translator {
    pub(crate) fn new(head: &HeadIn<'_>) -> Self {
        Translator {
            identity: Identity::new(head),
            choices: Vec::new(),
            usage: None,
            begun: false,
            settled: false,
            went_on: false,
        }
    }

    fn reply(&mut self, mut reply: Reply, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        self.identity.name(&reply, self.begun);
        for candidate in reply.candidates.take().unwrap_or_default() {
            self.candidate(candidate, out)?;
        }
        let block = reply.prompt_feedback.and_then(|feedback| feedback.block_reason);
        if let Some(finish) = block.as_deref().and_then(Finish::blocked) {
            let at = self.choice(0)?;
            self.choices[at].finish.get_or_insert(finish);
        }
        if let Some(usage) = reply.usage_metadata {
            usage.notes().try_for_each(|note| out.note(note))?;
            self.usage = Some(usage);
        }
        // A stream has one candidate (the request sees to it), so its finish is the end, even if the connection stays open.
        let settled = self.is_finished() && !self.went_on;
        if core::mem::replace(&mut self.settled, settled) != settled {
            out.note(Note::Finished(settled))?;
        }
        Ok(())
    }

    fn candidate(&mut self, candidate: Candidate, out: &mut StreamOut<'_>) -> Result<(), Fault> {
        let at = self.choice(candidate.index)?;
        let mut delta = Delta::default();
        let parts = candidate.content.and_then(|content| content.parts).unwrap_or_default();
        let identity = &self.identity;
        let choice = &mut self.choices[at];
        delta.add(parts, &mut choice.calls, &mut choice.sources, |call| {
            identity.call_id(candidate.index, call)
        });
        if let Some(result) = candidate.logprobs_result {
            delta.add_logprobs(result);
        }
        let word = candidate.finish_reason.as_deref();
        let finish = word.and_then(|word| Finish::of(word, choice.calls > 0));
        let said = (candidate.grounding_metadata, candidate.citation_metadata);
        delta.add_sources(said, &mut choice.sources, finish.is_some() || choice.finish.is_some());
        choice.answers |= delta.answers();
        let failed = word.is_some_and(|word| is_failure(word, choice.answers));
        if delta.says() && choice.finish.take().is_some() {
            self.went_on = true;
        }
        if choice.finish.is_none() {
            choice.finish = finish;
        }
        if !delta.is_empty() {
            let (logprobs, further) = (delta.take_logprobs(), delta.take_further_calls());
            self.chunk(at, delta.into_delta(), logprobs, None, out)?;
            for call in further {
                self.chunk(at, call, Value::Null, None, out)?;
            }
        }
        if failed { Err(Fault::Upstream) } else { Ok(()) }
    }

    fn choice(&mut self, index: u32) -> Result<usize, Fault> {
        if let Some(at) = self.choices.iter().position(|choice| choice.index == index) {
            return Ok(at);
        }
        if self.choices.len() >= CANDIDATES {
            return Err(Fault::Protocol("it has too many candidates"));
        }
        self.choices.push(Choice {
            index,
            calls: 0,
            sources: Sources::default(),
            begun: false,
            answers: false,
            finish: None,
        });
        Ok(self.choices.len() - 1)
    }

    fn chunk(
        &mut self,
        at: usize,
        mut delta: Map<String, Value>,
        logprobs: Value,
        finish: Option<&Finish>,
        out: &mut StreamOut<'_>,
    ) -> Result<(), Fault> {
        let choice = &mut self.choices[at];
        if !core::mem::replace(&mut choice.begun, true) {
            delta.insert("role".to_owned(), json!("assistant"));
            delta.entry("content").or_insert_with(|| json!(""));
        }
        let mut told = json!({
            "index": choice.index,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": finish.map(|finish| finish.reason),
        });
        if let Some(native) = finish.and_then(|finish| finish.native.as_deref()) {
            told["provider_specific_fields"] = json!({"native_finish_reason": native});
        }
        self.begun = true;
        let chunk = self.identity.object("chat.completion.chunk", vec![told]);
        out.event("", chunk.to_string().as_bytes())
    }

    fn is_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finish.is_some())
    }
}

impl Stream for Translator {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        let text = event.text()?.trim();
        if event.name == "error" {
            return Err(Fault::Upstream);
        }
        // Gemini has no such marker; a gateway between may add it. It is no finish.
        if text == "[DONE]" {
            return Ok(Flow::Done);
        }
        for reply in replies(text)? {
            self.reply(reply, out)?;
        }
        Ok(Flow::Done)
    }

    fn end(&mut self, out: &mut StreamOut<'_>) -> Result<End, Fault> {
        if !self.is_finished() {
            return Ok(End::Truncated);
        }
        for at in 0..self.choices.len() {
            if let Some(finish) = self.choices[at].finish.clone() {
                self.chunk(at, Map::new(), Value::Null, Some(&finish), out)?;
            }
        }
        if let Some(usage) = self.usage.take() {
            let mut chunk = self.identity.object("chat.completion.chunk", Vec::new());
            chunk["usage"] = usage.openai();
            out.event("", chunk.to_string().as_bytes())?;
        }
        Ok(End::Done)
    }
}
