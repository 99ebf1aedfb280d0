//! Which deployment a request begins with, and what is noted of each for the next choice.

use std::pin::pin;
use std::time::Duration;

use tidegate_host::{Pick, Target, abi};
use tidegate_watchdog::Phase;
use tokio::time::Instant;

use super::Exchange;
use crate::failure::Failure;
use crate::relay::reader::Spent;
use crate::routing::usage::rest_of_minute;

/// How often a request that waits for a free deployment looks again.
const LOOK: Duration = Duration::from_millis(20);
/// What a timeout counts as among the times of answers; litellm's value.
const TIMED_OUT: Duration = Duration::from_secs(1000);
/// About so many bytes of a request make a token.
const BYTES_PER_TOKEN: u64 = 4;

impl Exchange {
    /// The first target. Where every one that could be called is at its limit of parallel calls, waits for one, as long as
    /// the clock `queue` allows.
    pub(super) async fn first(&self) -> Option<u16> {
        let first = self.choose().await;
        if first.is_some() {
            return first;
        }
        if !self.group.is_full() {
            // The cooldown that was in the way may have ended just now: there is no reason left to refuse.
            return if self.group.cooldown().is_none() { self.choose().await } else { None };
        }
        self.probe.phase(Phase::Backoff);
        let until = self.started + self.group.clocks.queue.min(self.total);
        // Ends with the time.
        while Instant::now() < until {
            tokio::time::sleep_until(until.min(Instant::now() + LOOK)).await;
            // Waiting for a turn is no spin.
            self.probe.moved();
            if let Some(target) = self.choose().await {
                return Some(target);
            }
        }
        None
    }

    async fn choose(&self) -> Option<u16> {
        if !self.group.policy.picks || self.group.targets.len() < 2 {
            return self.group.choose(self.seed);
        }
        // A policy that is quarantined is not asked.
        let Some(pass) = self.group.policy.gate.enter() else { return self.group.choose(self.seed) };
        let targets = self.targets_for_policy();
        let options = self.options_json();
        let history = self.history_for_policy(&targets, &[], options.as_bytes());
        let picked = self.in_time(pin!(self.group.policy.instance.pick(&history))).await;
        if picked.is_ok() {
            pass.succeed();
        }
        match picked {
            Ok(Pick::Target(target)) => u16::try_from(target).ok().filter(|target| self.may_begin(*target)),
            Ok(Pick::None) => None,
            Ok(Pick::Host) => self.group.choose(self.seed),
            Err(error) => {
                tracing::warn!(%error, "the policy did not choose: a deployment is drawn by weight");
                self.group.choose(self.seed)
            }
        }
    }

    /// A policy can only narrow: what the host would not draw is not called.
    fn may_begin(&self, target: u16) -> bool {
        let number = self.group.numbers.get(usize::from(target));
        number.is_some_and(|number| *number < self.group.general) && self.deployment(target).is_free()
    }

    pub(super) fn targets_for_policy(&self) -> Vec<Target<'_>> {
        let group = &self.group;
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let targets = group.targets.iter().zip(&*group.numbers).map(|(target, number)| {
            let (fails_minute, oks_minute) = target.health.minute();
            let (requests_minute, tokens_minute) =
                if target.counted { target.health.usage.now() } else { (0, 0) };
            let times = if self.request.stream { &target.health.streams } else { &target.health.answers };
            Target {
                id: (&*target.id).into(),
                group: (&*group.known_as[usize::from(*number)]).into(),
                weight: target.weight,
                order: target.order,
                flags: flag(
                    target.is_full() || target.is_spent() || !target.quarantine.is_open(),
                    abi::target::UNAVAILABLE,
                ) | flag(target.input_cost.is_some(), abi::target::HAS_INPUT_COST)
                    | flag(target.output_cost.is_some(), abi::target::HAS_OUTPUT_COST)
                    | flag(*number >= group.general, abi::target::SPECIAL),
                inflight: target.health.inflight(),
                fails_minute,
                oks_minute,
                cooldown_ms: target.health.cooldown_ms(),
                latency_us: target.health.latency_us(),
                fails_recent: target.health.fails_recent(),
                requests_minute,
                tokens_minute,
                answer_us: target.window.map_or(0, |window| times.average_us(window)),
                input_cost: target.input_cost.unwrap_or(0),
                output_cost: target.output_cost.unwrap_or(0),
                total_us: target.health.total_us(),
            }
        });
        targets.collect()
    }

    /// About how long the prompt is, in tokens.
    pub(super) fn prompt_tokens(&self) -> u64 {
        self.prompt_bytes / BYTES_PER_TOKEN
    }

    /// How long a whole answer took, by token where it says how many it has.
    pub(super) fn time_answer(&self, spent: Spent) {
        let Some(running) = &self.running else { return };
        let deployment = self.deployment(running.target);
        if let Some(window) = deployment.window {
            let tokens = spent.usage.output.map_or(1, |output| output.max(1));
            let by_token = running.started.elapsed() / u32::try_from(tokens).unwrap_or(u32::MAX);
            deployment.health.answers.add(window, by_token);
        }
    }

    /// How long a stream took to its first content; `None`: it ran out of time.
    pub(super) fn time_stream(&self, target: u16, took: Option<Duration>) {
        let deployment = self.deployment(target);
        let Some(window) = deployment.window else { return };
        let times = match (took, self.request.stream) {
            (None, false) => &deployment.health.answers,
            _ => &deployment.health.streams,
        };
        times.add(window, took.unwrap_or(TIMED_OUT));
    }

    /// Why nothing can be called, in litellm's words, with the Retry-After that it leaves out (BerriAI/litellm#27823).
    pub(super) fn no_target(&self) -> Failure {
        if let Some(failure) = self.quarantined() {
            return failure;
        }
        let name = &self.group.name;
        let refuse = |why: String, wait: Duration| {
            let seconds = wait.as_secs_f64().ceil();
            let message = format!(
                "No deployments available for selected model, Try again in {seconds} seconds. Passed model={name}{why}"
            );
            Failure::refusal(429, message).retry_after(wait)
        };
        if let Some(wait) = self.group.cooldown() {
            return refuse(String::new(), wait);
        }
        if self.group.is_full() {
            let why = format!(
                ". Every deployment has been at its max_parallel_requests for {:?}",
                self.started.elapsed().min(self.group.clocks.queue)
            );
            return refuse(why, Duration::from_secs(1));
        }
        if self.group.own().any(|target| target.is_spent()) {
            let cooling =
                self.group.own().map(|target| target.health.cooldown_ms()).filter(|ms| *ms > 0).min();
            let wait = cooling.map_or(rest_of_minute(), |ms| rest_of_minute().min(Duration::from_millis(ms)));
            return refuse(". Every deployment has had its rpm or tpm of this minute".to_owned(), wait);
        }
        if self.group.own().next().is_none() {
            // No wait would mend that.
            let message =
                format!("every deployment of the model \"{name}\" is left out; the gateway's log says why");
            return Failure { retryable: false, ..Failure::refusal(500, message) };
        }
        Failure::refusal(503, format!("no deployment of the model \"{name}\" is available"))
            .retry_after(Duration::from_secs(1))
    }
}
