//! litellm's rules over the network: which failure goes where, what a request may ask for itself, and who rests.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_sim::{Gate, Script, Sim, healthy_text};
use tidegate_tests::client::{ask, post};
use tidegate_tests::{Proxy, Setup, Told};

use crate::world::{LONG, sim};

const TOO_LONG: &str = r#"{"error":{"message":"This model's maximum context length is 10 tokens.","type":"invalid_request_error","code":"context_length_exceeded"}}"#;
const REFUSED: &str = r#"{"error":{"message":"Your request was rejected as a result of our safety system.","type":"invalid_request_error","code":"content_policy_violation"}}"#;
const FILTERED: &str = r#"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"content_filter"}]}"#;
const LIMITED: &str = r#"{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}"#;

/// A proxy whose groups each have one deployment that always plays the same.
struct World {
    sim: Sim,
    proxy: Proxy,
}

impl World {
    /// `groups`: a name and what is played; `router`: lines of `router_settings`.
    async fn new(groups: &[(&str, &str)], router: &[&str]) -> Self {
        let sim = sim().await;
        sim.script("too-long", Script::json(400, TOO_LONG));
        sim.script("too-long-event", Script::sse().write(format!("data: {TOO_LONG}\n\n")));
        sim.script("refused", Script::json(400, REFUSED));
        sim.script("filtered", Script::json(200, FILTERED));
        sim.script("limited", Script::json(429, LIMITED).header("retry-after", "40"));
        let setup = Setup::default().router("num_retries: 0").router("cooldown_time: 0").short_clocks();
        let setup = router.iter().fold(setup, |setup, line| setup.router(line));
        let setup = groups.iter().fold(setup, |setup, (name, scenario)| {
            let base = format!("http://{}/s/{scenario}/v1", sim.addr());
            setup.params(name, &format!("model: openai/{name}, api_base: \"{base}\", api_key: sim-key"))
        });
        let proxy = Proxy::start(&setup.yaml()).await;
        Self { sim, proxy }
    }

    async fn told(&self, model: &str, stream: bool, options: Value) -> Told {
        let mut body =
            json!({"model": model, "messages": [{"role": "user", "content": "hello"}], "stream": stream});
        body.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let request = post("/v1/chat/completions", "", body.to_string().as_bytes());
        Told::of(&ask(self.proxy.data, &request, LONG).await, stream).unwrap()
    }

    /// What the upstream was asked for since the last look: models and bodies.
    fn bodies(&self, seen: &mut usize) -> Vec<Value> {
        let log = self.sim.log();
        let new = log[*seen..].iter().map(|it| serde_json::from_slice(&it.body).unwrap()).collect();
        *seen = log.len();
        new
    }

    fn asked(&self, seen: &mut usize) -> String {
        let names = self.bodies(seen).into_iter().map(|body| body["model"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>().join(" ")
    }
}

const NOTHING: fn() -> Value = || json!({});

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_is_too_long_or_refused_goes_to_its_own_fallback() {
    let groups = [
        ("long", "too-long"),
        ("late", "too-long-event"),
        ("bad", "refused"),
        ("down", "http-500"),
        ("wide", "fast"),
        ("free", "fast"),
        ("usual", "fast"),
        ("unlisted", "too-long"),
    ];
    let world = World::new(
        &groups,
        &[
            "context_window_fallbacks: [{long: [wide]}, {late: [wide]}]",
            "content_policy_fallbacks: [{bad: [free]}]",
            "default_fallbacks: [usual]",
            "num_retries: 2",
        ],
    )
    .await;
    let mut seen = 0;
    for stream in [false, true] {
        for (model, asked) in [("long", "long wide"), ("bad", "bad free")] {
            let told = world.told(model, stream, NOTHING()).await;
            assert_eq!((told.status, told.text), (200, healthy_text()), "{model}");
            assert_eq!(world.asked(&mut seen), asked);
        }
        // Such lists are written, and this model is in none: `default_fallbacks` do not take their place.
        let told = world.told("unlisted", stream, NOTHING()).await;
        assert_eq!((told.status, world.asked(&mut seen).as_str()), (400, "unlisted"), "{}", told.message);
    }
    // The error came as the stream's first event.
    let told = world.told("late", true, NOTHING()).await;
    assert_eq!((told.status, world.asked(&mut seen).as_str()), (200, "late wide"));
    // Another failure has the usual ones, after its retries.
    let told = world.told("down", false, json!({"num_retries": 1})).await;
    assert_eq!((told.status, world.asked(&mut seen).as_str()), (200, "down down usual"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_filter_emptied_is_given_up_where_there_is_a_fallback_for_it() {
    let groups = [("a", "filtered"), ("b", "filtered"), ("free", "fast")];
    let world =
        World::new(&groups, &["content_policy_fallbacks: [{a: [free]}]", "fallbacks: [{b: [free]}]"]).await;
    let mut seen = 0;
    let told = world.told("a", false, NOTHING()).await;
    assert_eq!((told.text, world.asked(&mut seen).as_str()), (healthy_text(), "a free"));
    for (model, options) in [("b", NOTHING()), ("a", json!({"disable_fallbacks": true}))] {
        let told = world.told(model, false, options).await;
        assert_eq!((told.status, told.finish.as_deref()), (200, Some("content_filter")));
        assert_eq!(world.asked(&mut seen), model);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_says_how_often_too() {
    let world = World::new(&[("a", "http-500")], &[]).await;
    let body = json!({"model": "a", "messages": [{"role": "user", "content": "hello"}], "num_retries": 0});
    for (header, status, calls) in [("2", 500, 3), ("0", 500, 1), ("many", 400, 0)] {
        let before = world.sim.counts("http-500").started;
        let header = format!("x-litellm-num-retries: {header}\r\n");
        let request = post("/v1/chat/completions", &header, body.to_string().as_bytes());
        let told = Told::of(&ask(world.proxy.data, &request, LONG).await, false).unwrap();
        assert_eq!((told.status, world.sim.counts("http-500").started - before), (status, calls), "{header}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_its_own_fallbacks() {
    let groups = [("a", "http-500"), ("b", "http-503"), ("c", "fast"), ("d", "fast"), ("any/*", "fast")];
    let world = World::new(&groups, &["fallbacks: [{a: [d]}]", "model_group_alias: {short: c}"]).await;
    let mut seen = 0;
    for (options, asked) in [
        (json!({}), "a d"),
        (json!({"fallbacks": ["c"]}), "a c"),
        (json!({"fallbacks": ["b", "short"]}), "a b c"),
        (json!({"fallbacks": ["gone", "a", "c"]}), "a c"),
        (json!({"fallbacks": [{"a": ["b"]}, {"b": ["c"]}]}), "a b c"),
        (json!({"fallbacks": null}), "a d"),
        // A model that only a wildcard has, and that no setting names.
        (json!({"fallbacks": ["any/x"]}), "a any/x"),
    ] {
        for stream in [false, true] {
            let told = world.told("a", stream, options.clone()).await;
            assert_eq!((told.status, told.text), (200, healthy_text()), "{options}");
            assert_eq!(world.asked(&mut seen), asked, "{options}");
        }
    }
    for (options, asked) in [
        (json!({"disable_fallbacks": true}), "a"),
        (json!({"fallbacks": []}), "a"),
        (json!({"max_fallbacks": 0}), "a"),
        (json!({"fallbacks": ["b"]}), "a b"),
    ] {
        let told = world.told("a", true, options.clone()).await;
        assert_eq!((told.status, world.asked(&mut seen).as_str()), (500, asked), "{options}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_may_have_messages_of_its_own_and_options_stay_here() {
    let world = World::new(&[("a", "http-500"), ("b", "http-500"), ("c", "fast")], &[]).await;
    let short = json!([{"role": "user", "content": "in short"}]);
    let options = json!({
        "fallbacks": ["b", {"model": "c", "messages": short, "max_tokens": 5}], "num_retries": 0, "timeout": 30,
        "mock_testing_fallbacks": false, "temperature": 0.5,
    });
    assert_eq!(world.told("a", false, options).await.status, 200);
    let bodies = world.bodies(&mut 0);
    let [a, b, c] = bodies.as_slice() else { panic!("{bodies:?}") };
    for body in [a, b] {
        assert_eq!(body["messages"][0]["content"], "hello");
        assert_eq!(body["max_tokens"], Value::Null);
    }
    assert_eq!((&c["messages"], &c["max_tokens"], &c["model"]), (&short, &json!(5), &json!("c")));
    for body in &bodies {
        assert_eq!(body["temperature"], json!(0.5));
        for option in ["fallbacks", "num_retries", "timeout", "mock_testing_fallbacks"] {
            assert_eq!(body[option], Value::Null, "{option} went upstream");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_is_told_its_own_models_failure_and_what_came_of_the_fallbacks() {
    let world =
        World::new(&[("a", "http-500"), ("b", "limited"), ("c", "fast")], &["fallbacks: [{a: [b]}]"]).await;
    let told = world.told("a", true, NOTHING()).await;
    assert_eq!(told.status, 500);
    assert!(
        told.message.contains("Error doing the fallback to \"b\": ") && told.message.contains("slow down"),
        "{}",
        told.message
    );
    let told = world.told("a", true, json!({"fallbacks": ["nobody"]})).await;
    assert!(told.message.contains("The fallback \"nobody\" is no model here"), "{}", told.message);
    let told = world.told("a", true, json!({"disable_fallbacks": true})).await;
    assert!(!told.message.contains("fallback"), "{}", told.message);
    for (options, words) in [
        (json!({"fallbacks": "b"}), "\"fallbacks\" must be a list"),
        (json!({"num_retries": -1}), "\"num_retries\" must be"),
        (json!({"fallbacks": [{"model": "b", "stream": false}]}), "cannot change \"stream\""),
    ] {
        let told = world.told("a", false, options).await;
        assert_eq!(told.status, 400);
        assert!(told.message.contains(words), "{}", told.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_go_by_the_kind_of_error() {
    let groups = [("limited", "limited"), ("down", "http-500"), ("bad", "http-400"), ("own", "http-500")];
    let policies = [
        "num_retries: 1",
        "retry_policy: {RateLimitErrorRetries: 0, InternalServerErrorRetries: 2, BadRequestErrorRetries: 1}",
        "model_group_retry_policy: {own: {InternalServerErrorRetries: 0}}",
    ];
    let world = World::new(&groups, &policies).await;
    let mut seen = 0;
    for (model, status, asked) in [
        ("limited", 429, "limited"),
        ("down", 500, "down down down"),
        ("bad", 400, "bad bad"),
        ("own", 500, "own"),
    ] {
        let told = world.told(model, true, NOTHING()).await;
        assert_eq!((told.status, world.asked(&mut seen).as_str()), (status, asked), "{}", told.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_has_more_than_32_attempts_whatever_it_asks_for() {
    let names: Vec<String> = (0..40).map(|number| format!("g{number}")).collect();
    let groups: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "http-500")).collect();
    let world = World::new(&groups, &[]).await;
    let options = json!({"fallbacks": names[1..], "num_retries": 0, "max_fallbacks": 1000});
    let told = world.told("g0", false, options).await;
    assert_eq!(told.status, 500, "{}", told.message);
    let mut asked: Vec<String> = world.asked(&mut 0).split(' ').map(str::to_owned).collect();
    assert_eq!(asked.len(), 32);
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), 32, "a model was visited twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_was_asked_for_calls_nobody_and_puts_nobody_aside() {
    let groups = [("a", "fast"), ("b", "fast"), ("c", "fast"), ("d", "fast")];
    let world = World::new(
        &groups,
        &[
            "fallbacks: [{a: [b]}]",
            "context_window_fallbacks: [{a: [c]}]",
            "content_policy_fallbacks: [{a: [d]}]",
            "num_retries: 2",
            "allowed_fails: 0",
            "cooldown_time: 60",
        ],
    )
    .await;
    let mut seen = 0;
    for (option, asked) in [
        ("mock_testing_fallbacks", "b"),
        ("mock_testing_context_fallbacks", "c"),
        ("mock_testing_content_policy_fallbacks", "d"),
        ("mock_testing_rate_limit_error", "b"),
    ] {
        let told = world.told("a", true, json!({option: true, "num_retries": 0})).await;
        assert_eq!((told.status, world.asked(&mut seen).as_str()), (200, asked), "{option}");
    }
    assert_eq!(world.told("a", true, NOTHING()).await.status, 200);
    assert_eq!(world.asked(&mut seen), "a", "it is not put aside");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_rests_for_its_own_429_alone() {
    let groups = [("a", "limited"), ("b", "fast")];
    let world = World::new(&groups, &["fallbacks: [{a: [b]}]", "allowed_fails: 0", "cooldown_time: 1"]).await;
    let mut seen = 0;
    for expected in ["a b", "b", "b"] {
        assert_eq!(world.told("a", true, NOTHING()).await.status, 200);
        assert_eq!(world.asked(&mut seen), expected);
    }
    assert_eq!(world.told("b", true, NOTHING()).await.status, 200);
    // With nowhere to go: when it is worth trying again.
    let told = world.told("a", true, json!({"disable_fallbacks": true})).await;
    let wait: u64 = told.retry_after.as_deref().and_then(|wait| wait.parse().ok()).unwrap();
    assert_eq!(told.status, 429);
    assert!((2..=40).contains(&wait), "the upstream's 40 s, not our 1 s: {wait}");
    let metrics = world.proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_cooldowns_total", &[]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cooldown_ends_with_the_latest_of_its_reasons() {
    let world = World::new(&[("a", "two")], &["allowed_fails: 0", "cooldown_time: 1"]).await;
    let gate = Gate::new();
    // Both are on their way before the first failure is known; the later one asks for less.
    let limited = |wait: &str| Script::json(429, LIMITED).header("retry-after", wait);
    let held = |wait: &str| {
        let mut script = limited(wait);
        script.steps.insert(0, tidegate_sim::Step::Wait(gate.clone()));
        script
    };
    world.sim.script("two", held("50"));
    let first = world.told("a", true, NOTHING());
    let second = async {
        assert!(world.sim.wait_until(LONG, |sim| sim.counts("two").started == 1).await);
        world.sim.script("two", held("3"));
        let told = world.told("a", true, NOTHING());
        let open = async {
            assert!(world.sim.wait_until(LONG, |sim| sim.counts("two").started == 2).await);
            gate.open();
        };
        tokio::join!(told, open).0
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.status, second.status), (429, 429));
    let resting = world.told("a", true, NOTHING()).await;
    let wait: u64 = resting.retry_after.as_deref().and_then(|wait| wait.parse().ok()).unwrap();
    assert!((4..=50).contains(&wait), "{wait}: {}", resting.message);
    assert_eq!(world.sim.counts("two").started, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_that_are_further_apart_than_a_cooldown_do_not_add_up() {
    let world = World::new(&[("a", "http-500")], &["allowed_fails: 1", "cooldown_time: 0.5"]).await;
    for expected in 1..=3 {
        assert_eq!(world.told("a", true, NOTHING()).await.status, 500);
        assert_eq!(
            world.sim.counts("http-500").started,
            expected,
            "two in a minute are not two in half a second"
        );
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
}
