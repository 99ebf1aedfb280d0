//! A body that is not a stream: one completion.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Fault, HeadIn};

use super::delta::Delta;
use super::finish::{Finish, is_failure};
use super::sources::Sources;
use super::{Identity, replies};

/// Translates a whole body. One without an answer, or whose answer does not say why it finished, is malformed: it
/// must not look like a short good one.
pub(crate) fn whole(head: &HeadIn<'_>, body: &[u8]) -> Result<Value, Fault> {
    let text = core::str::from_utf8(body).map_err(|_| Fault::Protocol("the body is not UTF-8"))?;
    let mut identity = Identity::new(head);
    let mut choices: Vec<Pending> = Vec::new();
    let mut usage = None;
    for reply in replies(text)? {
        identity.name(&reply, false);
        usage = reply.usage_metadata.or(usage);
        for candidate in reply.candidates.unwrap_or_default() {
            let pending = pending(&mut choices, candidate.index);
            let parts = candidate.content.and_then(|content| content.parts).unwrap_or_default();
            let Pending { calls, sources, delta, .. } = pending;
            delta.add(parts, calls, sources, |call| identity.call_id(candidate.index, call));
            delta.add_sources((candidate.grounding_metadata, candidate.citation_metadata), sources, false);
            if let Some(result) = candidate.logprobs_result {
                pending.delta.add_logprobs(result);
            }
            let finish = candidate.finish_reason.as_deref();
            pending.finish =
                finish.and_then(|word| Finish::of(word, pending.calls > 0)).or(pending.finish.take());
        }
        let block = reply.prompt_feedback.and_then(|feedback| feedback.block_reason);
        if let Some(finish) = block.as_deref().and_then(Finish::blocked) {
            pending(&mut choices, 0).finish.get_or_insert(finish);
        }
    }
    if choices.is_empty() {
        return Err(Fault::Protocol("the body has neither an answer nor a reason for none"));
    }
    if choices.iter().all(Pending::has_failed) {
        return Err(Fault::Upstream);
    }
    choices.sort_by_key(|pending| pending.index);
    let choices = choices.into_iter().map(Pending::choice).collect::<Result<_, _>>()?;
    let mut completion = identity.object("chat.completion", choices);
    if let Some(usage) = usage {
        completion["usage"] = usage.openai();
    }
    Ok(completion)
}

#[derive(Default)]
struct Pending {
    index: u32,
    calls: u32,
    sources: Sources,
    delta: Delta,
    finish: Option<Finish>,
}

fn pending(choices: &mut Vec<Pending>, index: u32) -> &mut Pending {
    let at = choices.iter().position(|pending| pending.index == index).unwrap_or_else(|| {
        choices.push(Pending { index, ..Pending::default() });
        choices.len() - 1
    });
    &mut choices[at]
}

impl Pending {
    fn has_failed(&self) -> bool {
        let word = self.finish.as_ref().and_then(|finish| finish.native.as_deref());
        word.is_some_and(|word| is_failure(word, self.delta.answers()))
    }

    fn choice(mut self) -> Result<Value, Fault> {
        let finish = self.finish.ok_or(Fault::Protocol("an answer does not say why it finished"))?;
        self.delta.add_sources((None, None), &mut self.sources, true);
        let logprobs = self.delta.take_logprobs();
        let mut message: Map<String, Value> = self.delta.into_message();
        message.insert("role".to_owned(), json!("assistant"));
        let mut choice = json!({"index": self.index, "message": message, "logprobs": logprobs, "finish_reason": finish.reason});
        if let Some(native) = finish.native {
            choice["provider_specific_fields"] = json!({"native_finish_reason": native});
        }
        Ok(choice)
    }
}
