//! The examples in the real program, against simulated providers, in both places where a plugin can run.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tidegate_sim::{Gate, Script, Settings, Sim, healthy_text};
use tidegate_tests::client::{ask, chat, chat_with};
use tidegate_tests::{Conn, Proxy, Setup, Told, proxy};

/// The longest wait for an answer that must come.
const LONG: Duration = Duration::from_secs(60);
/// How long an answer of the slow one takes. No test waits for less.
const SLOW: Duration = Duration::from_millis(3_200);
/// Of a request that may not take as long, and long enough for a busy machine to choose in.
const SHORT: &str = "x-litellm-timeout: 3\r\n";
const PLACES: [&str; 2] = ["inline", "process"];
const WHOLE: &str = r#"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"late"},"finish_reason":"stop"}]}"#;
const CHUNK: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
const FINISH: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

/// A plugin folder with one of the examples, by its file's name: a test's own build puts the Rust ones beside itself.
fn folder(name: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let file = format!("lib{name}{}", std::env::consts::DLL_SUFFIX);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = [format!("{name}.c"), format!("tests/{name}.c")].map(|file| here.join(file));
    if let Some(source) = source.iter().find(|source| source.exists()) {
        let compiled = Command::new("cc")
            .args(["-std=c11", "-shared", "-fPIC", "-fvisibility=hidden", "-I"])
            .arg(here.join("../abi/include"))
            .arg(source)
            .arg("-o")
            .arg(dir.path().join(file))
            .status();
        assert!(compiled.unwrap().success());
    } else {
        std::fs::copy(proxy::built().join("examples").join(&file), dir.path().join(&file)).unwrap();
    }
    dir
}

struct World {
    one: Sim,
    two: Sim,
    proxy: Proxy,
    _folder: TempDir,
}

impl World {
    /// A group `m` of two deployments, each on its own simulator, under this policy.
    async fn new(policy: &str, place: &str, params: [&str; 2]) -> Self {
        let folder = folder(&policy.replace('-', "_"));
        let (one, two) = (sim().await, sim().await);
        let plugins = format!(
            "plugins: {{dirs: [{}], use: {{{policy}: {{isolation: {place}}}}}}}",
            folder.path().display()
        );
        let setup = Setup::default()
            .model("m", "openai", &one, params[0])
            .model("m", "openai", &two, params[1])
            .router("num_retries: 2")
            .router("cooldown_time: 0")
            .clock("first_content: 60s")
            .tidegate(&format!("policy: {policy}"))
            .tidegate(&plugins);
        let proxy = Proxy::start(&setup.yaml()).await;
        Self { one, two, proxy, _folder: folder }
    }

    async fn told(&self, headers: &str, scenario: &str) -> Told {
        let request = chat_with(headers, "m", scenario, false);
        Told::of(&ask(self.proxy.data, &request, LONG).await, false).unwrap()
    }

    /// How often each was called with this scenario.
    fn calls(&self, scenario: &str) -> (u64, u64) {
        (self.one.counts(scenario).started, self.two.counts(scenario).started)
    }
}

async fn sim() -> Sim {
    Sim::start(Settings { pace: Duration::ZERO, ..Settings::default() }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn cost_first_calls_the_cheap_one_and_the_dear_one_after_it() {
    for place in PLACES {
        let prices = ["input_cost_per_token: 0.00001, weight: 1000", "input_cost_per_token: 0.000001"];
        let world = World::new("cost-first", place, prices).await;
        for _ in 0..5 {
            assert_eq!(world.told("", "fast").await.text, healthy_text());
        }
        assert_eq!(world.calls("fast"), (0, 5), "{place}");
        world.two.script("down", Script::json(500, "{}"));
        world.one.script("down", Script::json(200, WHOLE));
        let told = world.told("", "down").await;
        assert_eq!((told.status, told.text.as_str(), world.calls("down")), (200, "late", (1, 1)), "{place}");
        let refused = world.told("", "http-400").await;
        assert_eq!(
            (refused.status, world.calls("http-400")),
            (400, (0, 1)),
            "{place}: no other would do better"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deadline_leaves_the_preferred_one_when_its_answer_would_come_too_late() {
    for place in PLACES {
        let world = World::new("deadline", place, ["order: 1", "order: 2"]).await;
        let slow = Script::new(200).header("content-type", "application/json").pause(SLOW).write(WHOLE);
        world.one.script("work", slow.clone());
        // Before it was measured it is believed to be quick; then the configuration's order holds while there is time.
        assert_eq!(world.told("", "work").await.text, "late");
        assert_eq!(world.calls("work"), (1, 0), "{place}");
        world.two.script("work", Script::json(200, WHOLE));
        world.told(SHORT, "work").await;
        assert_eq!(world.calls("work"), (1, 1), "{place}: the other one, at once");
        assert_eq!(world.told("", "work").await.text, "late");
        assert_eq!(world.calls("work"), (2, 1), "{place}: there is time again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deadline_makes_no_call_that_cannot_be_finished() {
    for place in PLACES {
        let world = World::new("deadline", place, ["order: 1", "order: 2"]).await;
        let slow = Script::new(200).header("content-type", "application/json").pause(SLOW).write(WHOLE);
        world.one.script("work", Script::json(500, "{}"));
        world.two.script("work", slow);
        assert_eq!(world.told("", "work").await.text, "late", "{place}: with time it goes on");
        assert_eq!(world.two.counts("work").started, 1);
        let told = world.told(SHORT, "work").await;
        assert_ne!(told.status, 200);
        assert_eq!(world.two.counts("work").started, 1, "{place}: nobody is asked in vain");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_in_c_spreads_calls_by_what_is_in_flight() {
    for place in PLACES {
        let world = World::new("least-loaded", place, ["", ""]).await;
        let gate = Gate::new();
        for sim in [&world.one, &world.two] {
            let held = Script::sse().write(format!("{CHUNK}\n\n")).wait(&gate);
            sim.script("held", held.write(format!("{FINISH}\n\ndata: [DONE]\n\n")));
        }
        let mut conn = Conn::open(world.proxy.data).await.unwrap();
        conn.send(&chat("m", "held", true)).await.unwrap();
        assert!(conn.read_until(LONG, |answer| answer.text().contains("\"a\"")).await);
        for _ in 0..12 {
            assert_eq!(world.told("", "fast").await.status, 200);
        }
        let (held, spread) = (world.calls("held"), world.calls("fast"));
        assert_eq!(spread, if held == (1, 0) { (0, 12) } else { (12, 0) }, "{place}");
        gate.open();
        conn.answer(LONG).await;
        world.two.script("down", Script::json(503, "{}"));
        world.one.script("down", Script::json(503, "{}"));
        assert_eq!(
            (world.told("", "down").await.status, world.calls("down")),
            (503, (1, 1)),
            "{place}: each once"
        );
    }
}

/// Cheap and dear under two names: the one group has a policy of its own, with a parameter; a reload takes it away, and one
/// that names a policy that is not there changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_has_a_policy_of_its_own_until_a_reload_says_otherwise() {
    let (folder, one, two) = (folder("cost_first"), sim().await, sim().await);
    let config = |policy: &str| {
        let prices = |sim: &Sim, input: &str, output: &str| {
            format!(
                "model: openai/x, api_base: \"http://{}/v1\", api_key: k, input_cost_per_token: {input}, output_cost_per_token: {output}",
                sim.addr()
            )
        };
        // By a prompt of some 20 tokens `one` is the cheaper, by an answer of 500 `two` is.
        let (of_one, of_two) = (prices(&one, "1e-6", "5e-6"), prices(&two, "9e-6", "1e-6"));
        let setup = Setup::default().params("m", &of_one).params("m", &of_two);
        let setup = setup
            .params("plain", &format!("{of_one}, weight: 1"))
            .params("plain", &format!("{of_two}, weight: 0"));
        let plugins = format!(
            "plugins: {{dirs: [{}], use: {{cost-first: {{isolation: inline}}}}}}",
            folder.path().display()
        );
        setup.tidegate(&plugins).tidegate(&format!("groups: {{m: {{policy: {policy}}}}}")).yaml()
    };
    let proxy = Proxy::start(&config("{name: cost-first, params: {answer_tokens: 0}}")).await;
    let ask_for = async |model: &str| {
        let before = one.counts("fast").started;
        let request = chat(model, "fast", false);
        assert_eq!(Told::of(&ask(proxy.data, &request, LONG).await, false).unwrap().status, 200);
        if one.counts("fast").started > before { "one" } else { "two" }
    };
    for _ in 0..4 {
        assert_eq!((ask_for("m").await, ask_for("plain").await), ("one", "one"), "an answer counts nothing");
    }
    proxy.rewrite(&config("cost-first"));
    proxy.signal(nix::sys::signal::Signal::SIGHUP);
    proxy.logged("the configuration was read again").await;
    for _ in 0..4 {
        assert_eq!((ask_for("m").await, ask_for("plain").await), ("two", "one"));
    }
    proxy.rewrite(&config("cost-fist"));
    proxy.signal(nix::sys::signal::Signal::SIGHUP);
    proxy.logged("there is no policy `cost-fist` among the plugins that were found").await;
    assert!(proxy.log().contains("did you mean `cost-first`? the policies found are cost-first, fallback"));
    assert_eq!(ask_for("m").await, "two", "the old configuration stays in force");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_serves_both_kinds_of_answer_with_its_own_key() {
    for place in PLACES {
        let (folder, upstream) = (folder("cloudflare"), sim().await);
        let params = format!(
            "model: cloudflare/my-gpt, api_base: \"http://{}/ai/v1\", api_key: its-key",
            upstream.addr()
        );
        let plugins = format!(
            "plugins: {{dirs: [{}], use: {{cloudflare: {{isolation: {place}}}}}}}",
            folder.path().display()
        );
        let setup = Setup::default().params("m", &params).router("num_retries: 0").tidegate(&plugins);
        let proxy = Proxy::start(&setup.short_clocks().yaml()).await;
        for stream in [false, true] {
            let told = async |scenario: &str| {
                Told::of(&ask(proxy.data, &chat("m", scenario, stream), LONG).await, stream).unwrap()
            };
            assert_eq!(told("fast").await.text, healthy_text(), "{place}");
            assert_eq!(told("http-429").await.status, 429, "{place}");
        }
        let cut = Told::of(&ask(proxy.data, &chat("m", "no-finish", true), LONG).await, true).unwrap();
        assert!(matches!(cut.terminal, tidegate_tests::Terminal::Error(_)), "{place}: {cut:?}");
        let seen = upstream.log();
        assert!(seen.iter().all(|seen| seen.target == "/ai/v1/chat/completions"), "{:?}", seen[0]);
        let keyed = |seen: &tidegate_sim::Seen| seen.headers.iter().any(|(name, _)| name == "authorization");
        assert!(seen.iter().all(keyed), "{:?}", seen[0]);
    }
}

/// Where another policy is in force for all groups, the usual one is not needed.
#[tokio::test(flavor = "multi_thread")]
async fn the_usual_policy_need_not_be_there() {
    let (folder, upstream) = (folder("deadline"), sim().await);
    let plugins = format!("plugins: {{dirs: [{}], allow: [openai, deadline]}}", folder.path().display());
    let setup =
        Setup::default().model("m", "openai", &upstream, "").tidegate(&plugins).tidegate("policy: deadline");
    let proxy = Proxy::start(&setup.yaml()).await;
    assert!(!proxy.log().contains("no policy"));
    let told = Told::of(&ask(proxy.data, &chat("m", "http-500", false), LONG).await, false).unwrap();
    assert_eq!(
        (told.status, upstream.counts("http-500").started),
        (500, 2),
        "asked twice, as this policy does"
    );
}

/// What the core lends a policy: prices as they are written, the kind of answer, the prompt's length, what is special.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_told_what_the_core_knows() {
    for place in PLACES {
        let (folder, upstream) = (folder("witness"), sim().await);
        let one = |group: &str, model: &str, more: &str| {
            let base = format!("http://{}/v1", upstream.addr());
            format!(
                "- {{model_name: {group}, litellm_params: {{model: openai/{model}, api_base: \"{base}\", api_key: k{more}}}, model_info: {{id: {model}}}}}\n"
            )
        };
        let models = [
            one("m", "first", ", input_cost_per_token: 1.5e-7, output_cost_per_token: 0"),
            // Less than can be told is not free.
            one("m", "second", ", output_cost_per_token: 1e-15"),
            one("m", "third", ""),
            one("wide", "fourth", ""),
        ];
        let config = format!(
            "model_list:\n{}router_settings: {{context_window_fallbacks: [{{m: [wide]}}]}}\n\
             tidegate:\n  listen: 127.0.0.1:0\n  admin: 127.0.0.1:0\n  policy: witness\n  \
             plugins: {{dirs: [{}], use: {{witness: {{isolation: {place}}}}}}}\n",
            models.concat(),
            folder.path().display()
        );
        let proxy = Proxy::start(&config).await;
        for (stream, words, asked) in [(false, 1, "first"), (true, 1, "second"), (true, 1000, "third")] {
            let content = format!("sim:fast {}", "word ".repeat(words));
            let body = serde_json::json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": content}]});
            let request =
                tidegate_tests::client::post("/v1/chat/completions", "", body.to_string().as_bytes());
            let told = Told::of(&ask(proxy.data, &request, LONG).await, stream).unwrap();
            assert_eq!(told.status, 200, "{place} {asked}: {}", told.message);
            let seen = upstream.log();
            let body: serde_json::Value = serde_json::from_slice(&seen[seen.len() - 1].body).unwrap();
            assert_eq!(body["model"], asked, "{place}");
        }
    }
}

/// What `tidegate plugin check` asks of anybody's plugin.
#[test]
fn every_example_keeps_the_contract() {
    for name in ["deadline", "cost_first", "least_loaded", "cloudflare"] {
        let folder = folder(name);
        let file = folder.path().join(format!("lib{name}{}", std::env::consts::DLL_SUFFIX));
        let program = proxy::built().join("tidegate");
        let output = Command::new(program).args(["plugin", "check"]).arg(file).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("the contract is kept"), "{name}:\n{text}");
    }
}
