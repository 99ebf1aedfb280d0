//! The policy and the budget that the core works out for it agree: the policy never wants a group that the request cannot
//! reach, nor more calls than the budget has, whatever the configuration and the request say.

use std::collections::BTreeSet;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use proptest::prelude::*;
use tidegate::config::{self, Config, ProcessEnv};
use tidegate::dialects::{Dialect, Route};
use tidegate::metrics::Metrics;
use tidegate::routing::{Group, Plugins, Routes};
use tidegate_engine::{ErrorClass, MAX_ATTEMPTS};
use tidegate_host::{ActionKind, Attempt, History, Target};
use tidegate_watchdog::{Hooks, Incident, Watchdog};

/// The last one stands for `c`, the one before for nothing.
const NAMES: [&str; 6] = ["a", "b", "c", "openai/a", "gone", "alias"];

struct World {
    plugins: Arc<Plugins>,
    metrics: Metrics,
    watchdog: Watchdog,
}

struct Quiet;

impl Hooks for Quiet {
    fn poke(&self) {}
    fn incident(&self, _: &Arc<Incident>) {}
    fn warn(&self, _: &Incident) {}
}

impl World {
    fn new() -> Self {
        Self {
            plugins: Arc::new(Plugins::load(&config::Plugins::default())),
            metrics: Metrics::new().unwrap(),
            watchdog: Watchdog::start(tidegate_watchdog::Config::default(), Quiet).unwrap(),
        }
    }

    fn routes(&self, router: &str) -> Routes {
        self.build(router, "").unwrap_or_else(|why| panic!("{why}"))
    }

    fn build(&self, router: &str, tidegate: &str) -> Result<Routes, String> {
        let models: String = ["a", "a", "b", "c", "openai/a"]
            .iter()
            .enumerate()
            .map(|(at, name)| {
                format!(
                    "- {{model_name: {name}, litellm_params: {{model: openai/x, api_key: k, order: {}}}}}\n",
                    at % 2
                )
            })
            .collect();
        let text = format!("model_list:\n{models}router_settings:\n{router}\ntidegate: {{{tidegate}}}\n");
        let config: Config = config::parse(&text, Path::new("config.yaml"), &ProcessEnv)
            .unwrap_or_else(|report| panic!("{report}\n{text}"));
        Routes::build(config, &self.plugins, &ProcessEnv, &self.metrics, &self.watchdog, None)
    }
}

/// The answer of a policy that runs inline: its future is ready at the first poll.
fn now<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("an inline call waits"),
    }
}

/// Calls by group when each of them fails with one of `errors` in turn, and nothing but the policy bounds them.
fn calls(routes: &Routes, first: &Group, options: &str, errors: &[(ErrorClass, u32)]) -> Vec<String> {
    let targets: Vec<Target<'_>> = routes
        .deployments
        .iter()
        .map(|it| Target {
            id: (&*it.id).into(),
            group: (&*it.group).into(),
            order: it.order,
            ..Target::default()
        })
        .collect();
    let mut target = routes.deployments.iter().position(|it| it.group == first.name).unwrap() as u32;
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut called = Vec::new();
    for (error, http_status) in errors.iter().cycle().take(500) {
        called.push(routes.deployments[target as usize].group.to_string());
        attempts.push(Attempt {
            target,
            error: error.code(),
            http_status: *http_status,
            flags: 0,
            started_ms: 0,
            ended_ms: 0,
            retry_after_ms: 0,
            bytes_to_client: 0,
        });
        let history = History {
            now_ms: 0,
            deadline_ms: u64::MAX,
            seed: attempts.len() as u64,
            attempts_left: 1,
            retry_tokens: u32::MAX,
            group: &first.name,
            options: options.as_bytes(),
            attempts: &attempts,
            targets: &targets,
            stream: false,
            prompt_tokens: 0,
        };
        let action = now(first.policy.instance.decide(&history)).unwrap();
        if action.kind == ActionKind::Raise {
            return called;
        }
        target = action.target;
    }
    panic!("it does not end");
}

fn names() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(NAMES.to_vec()), 0..4).prop_map(|names| format!("{names:?}"))
}

fn lists() -> impl Strategy<Value = String> {
    let keys = prop::sample::select([&NAMES[..], &["*"]].concat());
    prop::collection::vec((keys, names()), 0..5).prop_map(|lists| {
        let lists: Vec<_> = lists.into_iter().map(|(key, names)| format!("{{{key:?}: {names}}}")).collect();
        format!("[{}]", lists.join(", "))
    })
}

fn policy() -> impl Strategy<Value = String> {
    let classes = prop::sample::select(vec![
        "RateLimitError",
        "BadRequestError",
        "AuthenticationError",
        "InternalServerError",
    ]);
    prop::collection::btree_map(classes, 0..4u32, 0..4).prop_map(|policy| {
        let policy: Vec<_> =
            policy.into_iter().map(|(class, count)| format!("{class}Retries: {count}")).collect();
        format!("{{{}}}", policy.join(", "))
    })
}

fn router() -> impl Strategy<Value = String> {
    (0..3u32, 0..4u32, lists(), lists(), lists(), names(), policy(), policy()).prop_map(
        |(retries, depth, usual, context, content, default, all, own)| {
            format!(
                "  num_retries: {retries}\n  max_fallbacks: {depth}\n  fallbacks: {usual}\n  \
                 context_window_fallbacks: {context}\n  content_policy_fallbacks: {content}\n  \
                 default_fallbacks: {default}\n  retry_policy: {all}\n  model_group_retry_policy: {{alias: {own}}}\n  \
                 model_group_alias: {{alias: c}}\n  disable_cooldowns: true\n"
            )
        },
    )
}

fn request() -> impl Strategy<Value = String> {
    let own = prop_oneof![
        2 => Just(String::new()),
        1 => names().prop_map(|names| format!(r#","fallbacks":{names}"#)),
        1 => lists().prop_map(|lists| format!(r#","fallbacks":{lists}"#)),
        1 => lists().prop_map(|lists| format!(r#","context_window_fallbacks":{lists}"#)),
        1 => Just(r#","disable_fallbacks":true"#.to_owned()),
        1 => (0..9u32).prop_map(|retries| format!(r#","num_retries":{retries}"#)),
        1 => (0..9u32).prop_map(|depth| format!(r#","max_fallbacks":{depth}"#)),
    ];
    prop::collection::vec(own, 0..3)
        .prop_map(|own| format!(r#"{{"model":"a","messages":[],"stream":true{}}}"#, own.concat()))
}

fn errors() -> impl Strategy<Value = Vec<(ErrorClass, u32)>> {
    let kinds = prop::sample::select(vec![
        (ErrorClass::RateLimit, 429),
        (ErrorClass::Server, 500),
        (ErrorClass::Auth, 401),
        (ErrorClass::BadRequest, 400),
        (ErrorClass::ContextLength, 400),
        (ErrorClass::ContentFilter, 400),
    ]);
    prop::collection::vec(kinds, 1..6)
}

#[test]
fn the_policy_wants_nothing_that_the_budget_does_not_have() {
    let world = World::new();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let inputs = (router(), request(), errors());
    let result = runner.run(&inputs, |(router, request, errors)| {
        let routes = world.routes(&router);
        let request = Dialect::OpenAiChat
            .decode(&Route::of(Dialect::OpenAiChat), Bytes::from(request))
            .map_err(TestCaseError::fail)?;
        let options = request.options.as_deref();
        let group = routes.group("a").unwrap();
        let view: Arc<Group> = routes.view(group, options, &world.metrics);
        let json = options.map_or(String::new(), |options| routes.config.options_json(options));
        let called = calls(&routes, &view, &json, &errors);

        let reached: BTreeSet<&str> = view.targets.iter().map(|target| &*target.group).collect();
        for group in &called {
            prop_assert!(reached.contains(group.as_str()), "{group} is out of reach: {called:?}");
        }
        let bound = view.attempts as usize;
        prop_assert!(bound <= MAX_ATTEMPTS as usize);
        prop_assert!(called.len() <= bound || bound == MAX_ATTEMPTS as usize, "{called:?}, not {bound}");
        let mut entered = called.clone();
        entered.dedup();
        let times = entered.len();
        entered.sort_unstable();
        entered.dedup();
        prop_assert_eq!(entered.len(), times, "a group was visited twice: {:?}", called);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_policy_that_is_not_there_is_refused_with_its_place() {
    let world = World::new();
    let refused = |tidegate: &str| world.build("", tidegate).err().unwrap_or_default();
    let slip = refused("policy: fallbak");
    for part in [
        "config.yaml:",
        "there is no policy `fallbak`",
        "    ^^^^^^^",
        "did you mean `fallback`?",
        "found are ",
    ] {
        assert!(slip.contains(part), "{part:?}: {slip}");
    }
    assert!(refused("groups: {b: {policy: {name: openai}}}").contains("the plugin `openai` is no policy"));
    let unread = refused("policy: {name: fallback, params: {retries: 3}}");
    assert!(unread.contains("takes no params") && unread.contains("^^^^^^^^"), "{unread}");
    let routes = world.build("", "policy: fallback, groups: {a: {policy: {name: fallback}}}").unwrap();
    let of = |group| &routes.group(group).unwrap().policy;
    assert!(Arc::ptr_eq(of("b"), of("c")), "one instance for all that have the same");
    assert_eq!(of("a").instance.plugin().name(), "fallback");
}
