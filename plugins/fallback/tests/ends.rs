//! The policy and the engine together: under any configuration and any failures every request ends, within its
//! budget, and goes only where the rules allow.

use std::sync::Arc;

use proptest::prelude::*;
use tidegate_engine::{Answer, Command, Engine, ErrorClass, Event, Failure, Limits, Reason, Terminal};
use tidegate_plugin_fallback::Fallback;
use tidegate_plugin_sdk::{Attempt, ErrorKind, History, Host, Policy, Target};

const GROUPS: [&str; 4] = ["a", "b", "c", "d"];
const IDS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];

/// A simulated request: what the core would do, without its IO.
struct Request {
    engine: Engine,
    policy: Fallback,
    history: History<'static>,
    /// Of each target, so that the engine's groups agree with the history's.
    groups: Vec<u16>,
}

impl Request {
    fn new(config: &str, groups: Vec<u16>, limits: Limits, seed: u64) -> Self {
        let targets = groups
            .iter()
            .zip(IDS)
            .map(|(group, id)| Target { id, group: GROUPS[usize::from(*group)], ..Target::default() })
            .collect();
        let history = History {
            deadline_ms: limits.deadline_ms,
            retry_tokens: u32::MAX,
            seed,
            group: GROUPS[0],
            targets,
            ..History::default()
        };
        Self {
            engine: Engine::new(limits, Arc::from(groups.clone())),
            policy: Fallback::create(config, Host::silent()).unwrap_or_else(|why| panic!("{why}")),
            history,
            groups,
        }
    }

    /// Plays the request; `failures` are the upstream's answers in turn, after which it answers well.
    fn play(&mut self, failures: &[Attempt]) -> Result<Terminal, TestCaseError> {
        let mut failures = failures.iter();
        let mut command = self.engine.step(Event::Start { target: Some(0) });
        // Far more than any budget: running out of it is a request that does not end.
        for _ in 0..500 {
            command = match command {
                Command::Attempt { target } => self.call(target, failures.next())?,
                Command::Sleep { ms } => {
                    self.history.now_ms += ms;
                    prop_assert!(self.history.now_ms < self.history.deadline_ms);
                    self.engine.step(Event::Slept)
                }
                Command::AskPolicy => self.ask(),
                Command::Relay => self.engine.step(Event::Ended),
                Command::Finish(terminal) => return Ok(terminal),
                Command::Ignore => return Err(TestCaseError::fail("an event at the wrong time")),
            };
        }
        Err(TestCaseError::fail("the request does not end"))
    }

    fn call(&mut self, target: u16, failure: Option<&Attempt>) -> Result<Command, TestCaseError> {
        let called = &mut self.history.targets[usize::from(target)];
        prop_assert_eq!(called.cooldown_ms, 0, "a cooling deployment was called");
        let Some(&failure) = failure else { return Ok(self.engine.step(Event::Content)) };
        called.fails_minute += 1;
        let now = self.history.now_ms;
        let committed = failure.committed || self.engine.committed();
        self.history.attempts.push(Attempt { target: target.into(), ended_ms: now, committed, ..failure });
        if failure.committed {
            self.engine.step(Event::Content);
        }
        let failure = Failure {
            class: ErrorClass::from(failure.error.value()),
            status: failure.http_status as u16,
            retry_after_ms: failure.retry_after_ms,
            retryable: failure.retryable,
            quota: failure.quota,
        };
        Ok(self.engine.step(Event::Failed(failure)))
    }

    fn ask(&mut self) -> Command {
        self.history.attempts_left = self.engine.attempts_left();
        let action = self.policy.decide(&self.history);
        let last = self.history.attempts[self.history.attempts.len() - 1].target;
        self.history.targets[last as usize].cooldown_ms = action.cooldown_ms;
        let answer =
            Answer { action: action.choice.value(), target: action.target, delay_ms: action.delay_ms };
        self.engine.step(Event::Decided { answer: Some(answer), now_ms: self.history.now_ms })
    }

    /// The groups in the order in which they were entered.
    fn entered(&self) -> Vec<u16> {
        let mut entered: Vec<_> =
            self.history.attempts.iter().map(|a| self.groups[a.target as usize]).collect();
        entered.dedup();
        entered
    }
}

fn failure() -> impl Strategy<Value = Attempt> {
    let kinds = prop::sample::select(vec![
        (ErrorKind::RateLimit, 429),
        (ErrorKind::Overloaded, 529),
        (ErrorKind::Server, 500),
        (ErrorKind::Timeout, 504),
        (ErrorKind::Transport, 502),
        (ErrorKind::Truncated, 502),
        (ErrorKind::Malformed, 502),
        (ErrorKind::Auth, 401),
        (ErrorKind::BadRequest, 400),
        (ErrorKind::NotFound, 404),
        (ErrorKind::ContextLength, 400),
        (ErrorKind::ContentFilter, 400),
    ]);
    let waits = prop_oneof![3 => Just(None), 1 => (0..100_000u64).prop_map(Some)];
    (kinds, waits, prop::bool::weighted(0.1), prop::bool::weighted(0.05)).prop_map(
        |((error, http_status), retry_after_ms, quota, committed)| Attempt {
            error,
            http_status,
            retry_after_ms,
            quota,
            committed,
            ..Attempt::default()
        },
    )
}

fn names() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(GROUPS.to_vec()), 0..4).prop_map(|names| {
        format!("[{}]", names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(","))
    })
}

fn lists() -> impl Strategy<Value = String> {
    let lists = prop::collection::vec((prop::sample::select(vec!["a", "b", "c", "*"]), names()), 0..4);
    lists.prop_map(|lists| {
        let lists: Vec<_> = lists.iter().map(|(group, to)| format!("{{{group:?}: {to}}}")).collect();
        format!("[{}]", lists.join(","))
    })
}

fn by_error() -> impl Strategy<Value = String> {
    let classes = prop::sample::select(vec![
        "BadRequestError",
        "AuthenticationError",
        "TimeoutError",
        "RateLimitError",
        "ContentPolicyViolationError",
        "InternalServerError",
    ]);
    prop::collection::btree_map(classes, prop_oneof![0..4u32, Just(u32::MAX)], 0..6)
        .prop_map(|policy| format!("{policy:?}"))
}

/// Rules that stand beside those of [`config`]: of the configuration, and of the request.
fn rules() -> impl Strategy<Value = (String, String)> {
    let own = (prop::option::of(by_error()), by_error(), prop::option::of(by_error()), lists(), lists());
    let config = own.prop_map(|(retry, of_a, allowed, context, content)| {
        let written = |policy: Option<String>| policy.unwrap_or("null".to_owned());
        format!(
            r#""retry_policy": {}, "model_group_retry_policy": {{"a": {of_a}}}, "allowed_fails_policy": {},
               "context_window_fallbacks": {context}, "content_policy_fallbacks": {content}"#,
            written(retry),
            written(allowed)
        )
    });
    let fallbacks = prop_oneof![names(), lists(), Just("null".to_owned())];
    let request = (fallbacks, lists(), any::<bool>(), prop::option::of(0..40u32), prop::option::of(0..9u32));
    let options = request.prop_map(|(fallbacks, context, off, retries, depth)| {
        let written = |number: Option<u32>| number.map_or("null".to_owned(), |n| n.to_string());
        format!(
            r#"{{"fallbacks": {fallbacks}, "context_window_fallbacks": {context}, "disable_fallbacks": {off},
                "num_retries": {}, "max_fallbacks": {}}}"#,
            written(retries),
            written(depth)
        )
    });
    (config, prop_oneof![Just(String::new()), options])
}

fn config() -> impl Strategy<Value = String> {
    let lists = prop::collection::vec((prop::sample::select(vec!["a", "b", "c", "*"]), names()), 0..4);
    let mid_stream = prop::sample::select(vec!["fail", "continue"]);
    (0..4u32, prop::option::of(0..4u32), 0..3u32, any::<bool>(), lists, names(), 0..6u32, mid_stream).prop_map(
        |(retries, allowed, cooldown, off, lists, default, depth, mid_stream)| {
            let lists: Vec<_> = lists.iter().map(|(group, to)| format!("{{{group:?}: {to}}}")).collect();
            let allowed = allowed.map_or("null".to_owned(), |n| n.to_string());
            format!(
                r#"{{"router": {{"num_retries": {retries}, "allowed_fails": {allowed}, "cooldown_time": {cooldown},
                    "disable_cooldowns": {off}, "fallbacks": [{}], "default_fallbacks": {default},
                    "max_fallbacks": {depth}}}, "groups": {{"a": {{"mid_stream": {mid_stream:?}}}}}}}"#,
                lists.join(",")
            )
        },
    )
}

/// The first target serves the requested group.
fn groups() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(0..4u16, 0..8).prop_map(|rest| [vec![0], rest].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_request_ends(
        config in config(),
        (rules, options) in rules(),
        groups in groups(),
        failures in prop::collection::vec(failure(), 0..40),
        attempts in 1..33u32,
        continuations in 0..3u32,
        deadline_ms in 1..600_000u64,
        seed in any::<u64>(),
    ) {
        let limits = Limits { attempts, fallbacks: 5, continuations, max_delay_ms: 60_750, deadline_ms };
        let config = config.replacen("{\"router\": {", &format!("{{\"router\": {{{rules}, "), 1);
        let mut request = Request::new(&config, groups, limits, seed);
        request.history.options = options.clone().leak();
        let terminal = request.play(&failures)?;

        let history = &request.history;
        prop_assert!(history.attempts.len() <= attempts as usize);
        let committed = history.attempts.iter().filter(|attempt| attempt.committed).count();
        prop_assert!(committed <= 1 + continuations.min(1) as usize, "continued too often");
        prop_assert!(committed < 2 || config.contains("continue"), "nobody asked for a continuation");
        let entered = request.entered();
        let mut once = entered.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(entered.len(), once.len(), "a group was entered twice: {:?}", entered);
        if options.contains("\"disable_fallbacks\": true") {
            prop_assert!(entered.len() <= 1, "a fallback was called");
        }
        for called in history.attempts.windows(2) {
            let same = called[0].target == called[1].target;
            prop_assert!(!(called[0].committed && same), "a committed stream was asked to go on itself");
            prop_assert!(!(same && called[0].quota), "an exhausted quota was asked again");
            if let (true, Some(wait_ms)) = (same, called[0].retry_after_ms) {
                prop_assert!(called[1].ended_ms >= called[0].ended_ms + wait_ms, "called before its Retry-After");
            }
        }
        match terminal {
            Terminal::Complete => prop_assert!(failures.len() <= history.attempts.len()),
            Terminal::Error(Reason::Upstream { attempt, failure }) => {
                let own = history.attempts[attempt as usize];
                prop_assert_eq!(u32::from(failure.status), own.http_status);
                prop_assert!(own.committed || request.groups[own.target as usize] == 0);
            }
            other => return Err(TestCaseError::fail(format!("nobody asked for {other:?}"))),
        }
    }
}

/// The founding case: one deployment, nothing configured, a 429 in the middle. One call, its own error.
#[test]
fn the_founding_case_ends_with_its_own_error() {
    let config = r#"{"router": {"num_retries": 0, "allowed_fails": 0, "cooldown_time": 0, "fallbacks": []}}"#;
    let limits =
        Limits { attempts: 1, fallbacks: 0, continuations: 0, max_delay_ms: 60_000, deadline_ms: 600_000 };
    let failure = Attempt {
        error: ErrorKind::RateLimit,
        http_status: 429,
        retryable: true,
        committed: true,
        ..Attempt::default()
    };
    let mut request = Request::new(config, vec![0], limits, 1);
    let terminal = request.play(&[failure; 3]).expect("it ends");
    assert_eq!(request.history.attempts.len(), 1);
    assert!(format!("{terminal:?}").contains("status: 429"), "{terminal:?}");
}
