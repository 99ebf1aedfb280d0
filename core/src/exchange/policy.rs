//! Shows the policy plugin what happened, and the engine what it answered.

use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use tidegate_engine::{Answer, Command, ErrorClass, Event};
use tidegate_host::abi;
use tidegate_host::{ActionKind, Attempt, History, PluginError, Target};
use tidegate_watchdog::Phase;
use tokio::time::timeout_at;

use super::Exchange;
use crate::failure::Failure;

/// One failed attempt. Times are milliseconds since the request came.
pub(super) struct Record {
    pub(super) target: u16,
    pub(super) started_ms: u64,
    pub(super) ended_ms: u64,
    pub(super) committed: bool,
    pub(super) bytes_to_client: u64,
    pub(super) failure: Failure,
}

impl Record {
    fn lend(&self) -> Attempt {
        use abi::attempt::{COMMITTED, HAS_RETRY_AFTER, QUOTA, RETRYABLE};
        let failure = &self.failure;
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        Attempt {
            target: self.target.into(),
            error: failure.class.code(),
            http_status: failure.status.into(),
            flags: flag(failure.retry_after.is_some(), HAS_RETRY_AFTER)
                | flag(self.committed, COMMITTED)
                | flag(failure.quota, QUOTA)
                | flag(failure.retryable, RETRYABLE),
            started_ms: self.started_ms,
            ended_ms: self.ended_ms,
            retry_after_ms: failure.retry_after.map_or(0, millis),
            bytes_to_client: self.bytes_to_client,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Exchange {
    /// Asks about the last failure. A policy that fails gives the error to the client.
    pub(super) async fn ask(&mut self) -> Command {
        self.probe.phase(Phase::Deciding);
        let retry_tokens = self.tokens();
        let targets = self.targets_for_policy();
        let attempts: Vec<Attempt> = self.history.iter().map(Record::lend).collect();
        let options = self.options_json();
        let history =
            History { retry_tokens, ..self.history_for_policy(&targets, &attempts, options.as_bytes()) };
        let Some(pass) = self.group.policy.gate.enter() else {
            // The core's own default: the client is told the upstream's error.
            let now_ms = history.now_ms;
            return self.engine.step(Event::Decided { answer: None, now_ms });
        };
        let asked = Instant::now();
        let answer = self.in_time(pin!(self.group.policy.instance.decide(&history))).await;
        self.gateway.metrics.decision.observe(asked.elapsed().as_secs_f64());
        let answer = match answer {
            Ok(action) => {
                pass.succeed();
                self.cool(Duration::from_millis(action.cooldown_ms));
                let kind = match action.kind {
                    ActionKind::Raise => abi::action::RAISE,
                    ActionKind::Retry => abi::action::RETRY,
                    ActionKind::Fallback => abi::action::FALLBACK,
                    ActionKind::Continue => abi::action::CONTINUE,
                };
                Some(Answer { action: kind, target: action.target, delay_ms: action.delay_ms })
            }
            Err(error) => {
                tracing::warn!(%error, "the policy gave no answer: the client is told the last error");
                None
            }
        };
        let answer = answer.map(|answer| self.afford(answer));
        // Its answer may have taken a while.
        let now_ms = self.now_ms();
        let command = self.engine.step(Event::Decided { answer, now_ms });
        self.settle(command)
    }

    /// What the policy answers while the request has time. The clocks of an attempt do not run here.
    pub(super) async fn in_time<T>(
        &self,
        answer: Pin<&mut impl Future<Output = Result<T, PluginError>>>,
    ) -> Result<T, String> {
        match timeout_at(self.started + self.total, answer).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err("the policy did not answer within the request's time".to_owned()),
        }
    }

    pub(super) fn history_for_policy<'a>(
        &'a self,
        targets: &'a [Target<'a>],
        attempts: &'a [Attempt],
        options: &'a [u8],
    ) -> History<'a> {
        History {
            now_ms: self.now_ms(),
            deadline_ms: millis(self.total),
            seed: self.seed.wrapping_add(self.history.len() as u64),
            attempts_left: self.engine.attempts_left(),
            retry_tokens: u32::MAX,
            group: &self.group.known_as[0],
            options,
            attempts,
            targets,
            stream: self.request.stream,
            prompt_tokens: self.prompt_tokens(),
        }
    }

    fn cool(&self, time: Duration) {
        let Some(last) = self.history.last().filter(|_| !time.is_zero()) else { return };
        if self.mock(last.target).is_some() {
            return;
        }
        let deployment = self.deployment(last.target);
        // A client that asks for a model that does not exist must not take all others of a wildcard away.
        if deployment.wild && last.failure.class == ErrorClass::NotFound {
            return;
        }
        self.note_cooldown(last.target, time);
        deployment.health.cool(time);
        deployment.series.put_aside();
        tracing::info!(deployment = %deployment.name, seconds = time.as_secs_f64(), "deployment put aside");
    }
}
