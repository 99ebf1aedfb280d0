//! The 429 loops that can be seen from one request: each is counted, and told as an incident with what led to it.

use std::time::Duration;

use tidegate_watchdog::{Kind, Report};

use super::{Exchange, request_id};
use crate::metrics::LoopKind;

/// 429s in one request, with nothing for the client between them, that are a loop.
const REFUSALS: usize = 3;
/// Returns of a client before its time that are told as an incident; one alone may be chance.
const RETURNS: u32 = 3;

impl Exchange {
    /// The client came: kind (b), where it had been told to wait longer.
    pub(super) fn loop_of_client(&mut self) {
        let caller = &self.caller;
        let Some(seen) = self.gateway.clients.came(&caller.identity, &self.group.name, caller.resent) else {
            return;
        };
        self.gateway.metrics.looped(LoopKind::Client);
        if seen.returns == RETURNS {
            let sentence = format!(
                "a client came back for the group \"{}\" {RETURNS} times sooner than the Retry-After it had been given, \
                 now {:.1} s too soon",
                self.group.name,
                seen.left_ms as f64 / 1e3
            );
            let report = Report::new(LoopKind::Client.incident(), sentence)
                .group(self.group.name.clone())
                .client(self.visit.who.label())
                .request(request_id(self.visit.seed), self.visit.trace.trace_id().map(Into::into))
                .counter("returns", seen.returns.into());
            let id = self.gateway.watchdog.report(report);
            self.visit.incident(id);
        }
    }

    /// An attempt failed: kind (a), at the third 429 since the client was sent anything.
    pub(super) fn loop_of_request(&mut self) {
        let silent =
            self.history.iter().rev().take_while(|record| record.bytes_to_client == self.bytes_to_client);
        let refusals = silent.filter(|record| record.failure.status == 429).count();
        if refusals == REFUSALS && self.history.last().is_some_and(|last| last.failure.status == 429) {
            self.looped(LoopKind::Request, format!("one request was refused with 429 {REFUSALS} times"));
        }
    }

    /// An attempt begins in a group that the request had left: kind (d). Only a policy that is not ours does so.
    pub(super) fn loop_of_chain(&mut self, target: u16) {
        let to = self.deployment(target).group.clone();
        self.looped(
            LoopKind::Chain,
            format!("a chain of fallbacks returned to the group \"{to}\", which it had left"),
        );
    }

    fn looped(&mut self, kind: LoopKind, sentence: String) {
        self.gateway.metrics.looped(kind);
        let now = self.started.elapsed();
        let mut report = Report::new(kind.incident(), format!("{sentence} (group \"{}\")", self.group.name))
            .group(self.group.name.clone())
            .client(self.visit.who.label())
            .request(request_id(self.visit.seed), self.visit.trace.trace_id().map(Into::into))
            .counter("attempts", self.engine.attempts().into());
        for record in &self.history {
            let deployment = &self.deployment(record.target).name;
            let what = format!("{deployment}: {} ({})", record.failure.status, record.failure.kind());
            report = report.event(now.saturating_sub(Duration::from_millis(record.ended_ms)), what);
        }
        if let Some(last) = self.history.last() {
            report = report.deployment(self.deployment(last.target).name.clone());
        }
        let id = self.gateway.watchdog.report(report);
        self.visit.incident(id);
    }
}

impl LoopKind {
    /// Its kind of incident.
    pub(crate) const fn incident(self) -> Kind {
        Kind::Owner(match self {
            Self::Request => "429_loop_request",
            Self::Client => "429_loop_client",
            Self::Amplification => "429_loop_amplification",
            Self::Chain => "429_loop_chain",
        })
    }
}
