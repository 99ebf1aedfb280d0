//! A request's steps: for the watchdog's incidents one note an attempt, a failure, a pause, the first content; for its spans
//! the same, where it is recorded; for its line in the access log what there is to say at its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Exchange;
use crate::failure::Failure;
use crate::traces::{Call, Note, Value};
use crate::upstream::Origin;

impl Exchange {
    /// Why there is one more attempt, in the group of this number.
    pub(super) fn cause(&self, group: u16) -> &'static str {
        match self.visited.last() {
            _ if self.engine.continued() => "continuation",
            None => "first",
            Some(last) if *last == group => "retry",
            Some(_) => "fallback",
        }
    }

    /// An attempt begins.
    pub(super) fn note_attempt(&self, target: u16, cause: &'static str, began: Instant) {
        self.visit.trace.call(|id| {
            let (deployment, model) = self.served(target);
            Note::Call(Box::new(Call {
                id,
                deployment: deployment.name.clone(),
                group: deployment.group.clone(),
                provider: deployment.prefix.clone(),
                model: model.into_owned(),
                cause,
                began,
            }))
        });
        let name = self.deployment(target).name.clone();
        self.probe.note("attempt", self.engine.attempts(), "", Some(name));
    }

    /// It is sent to `origin`.
    pub(super) fn note_server(&self, origin: &Origin) {
        self.visit.trace.note(|| Note::Server(origin.host().to_owned(), origin.port()));
    }

    /// The attempt in flight failed.
    pub(super) fn note_failure(&self, failure: &Failure) {
        self.probe.note("failed", failure.status.into(), failure.kind(), None);
        if failure.status == 429 {
            self.visit.trace.note(|| {
                let wait = failure.retry_after.map(|wait| ("tidegate.retry_after_ms", whole_ms(wait).into()));
                Note::InCall("tidegate.rate_limited", wait.into_iter().collect())
            });
        }
    }

    /// The attempt in flight ended: `ok`, or a word of `outcome` in docs/metrics.md.
    pub(super) fn note_end(&mut self, outcome: &'static str, began: Instant) {
        self.visit.facts.outcome = Some(outcome);
        self.visit.facts.upstream += began.elapsed();
        self.visit.trace.note(|| Note::Ended(outcome));
    }

    /// The next attempt is in another group.
    pub(super) fn note_fallback(&self, target: u16) {
        self.visit.trace.note(|| {
            let to = self.deployment(target).group.clone();
            Note::InRequest("tidegate.fallback", vec![("tidegate.group", to.into())])
        });
    }

    /// The first content came.
    pub(super) fn note_content(&self) {
        self.probe.note("first content", 0, "", None);
        self.visit.trace.note(|| Note::Content);
    }

    /// A pause before the next attempt.
    pub(super) fn note_pause(&self, ms: u64) {
        self.probe.note("back-off", u32::try_from(ms).unwrap_or(u32::MAX), "ms", None);
        self.visit
            .trace
            .note(|| Note::InRequest("tidegate.back_off", vec![("tidegate.pause_ms", ms.into())]));
    }

    /// A deployment was put aside.
    pub(super) fn note_cooldown(&self, target: u16, time: Duration) {
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let name: Arc<str> = self.deployment(target).name.clone();
        self.visit.trace.note(|| {
            let time = ("tidegate.cooldown_ms", Value::from(whole_ms(time)));
            Note::InRequest("tidegate.cooldown", vec![("tidegate.deployment", name.clone().into()), time])
        });
        self.probe.note("cooldown", seconds, "s", Some(name));
    }

    /// The request is over, and its last byte handed over: what there is to say of it.
    pub(super) fn account(&mut self) {
        let deployment = self.last_call.map(|(target, _)| self.deployment(target).name.clone());
        let facts = &mut self.visit.facts;
        facts.deployment = deployment;
        facts.attempts = self.engine.attempts();
        facts.group = Some(self.group.name.clone());
        facts.stream = Some(self.request.stream);
        facts.fallbacks = self.engine.fallbacks();
        facts.continued = self.engine.continued();
        facts.usage = self.bill.usage.map(|usage| (usage, self.bill.estimated));
        facts.bytes_in = self.prompt_bytes;
        facts.bytes_out = self.bytes_to_client;
        facts.first_content = self.first_content;
        facts.lived = self.probe.lived();
        facts.dropped = self.dropped.get_mut().iter().collect();
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
