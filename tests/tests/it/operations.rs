//! What operators do: start, stop, reload, look, pause; and what they get wrong.

use std::time::Duration;

use nix::sys::signal::Signal;
use tidegate_sim::{Gate, Script, healthy_text};
use tidegate_tests::client::{ask, chat, get};
use tidegate_tests::proxy::refused;
use tidegate_tests::{Conn, Proxy, Setup, Terminal, Told};

use crate::world::{LONG, sim, told, world};

const CHUNK: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
const FINISH: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

/// A stream that stands still after its first chunk until the gate opens.
fn gated(gate: &Gate) -> Script {
    Script::sse()
        .write(format!("{CHUNK}\n\n"))
        .wait(gate)
        .write(format!("{CHUNK}\n\n{FINISH}\n\ndata: [DONE]\n\n"))
}

async fn begun(proxy: &Proxy) -> Conn {
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat("openai", "gated", true)).await.unwrap();
    assert!(conn.read_until(LONG, |answer| answer.text().contains("\"a\"")).await);
    conn
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_streams_finish_and_takes_no_more() {
    let (sim, mut proxy) = world(|setup| setup.clock("content_idle: 60s").clock("byte_idle: 60s")).await;
    let gate = Gate::new();
    sim.script("gated", gated(&gate));
    let mut conn = begun(&proxy).await;
    proxy.signal(Signal::SIGTERM);
    proxy.logged("draining").await;
    let again = Conn::open(proxy.data).await;
    assert!(again.is_err(), "a new connection was accepted while draining");
    assert_eq!(ask(proxy.admin, &get("/health/readiness", "connection: close\r\n"), LONG).await.status, 503);
    gate.open();
    let told = Told::of(&conn.answer(LONG).await, true).unwrap();
    assert_eq!((told.text.as_str(), told.terminal), ("aa", Terminal::Done));
    assert_eq!(proxy.ended(Duration::from_secs(20)).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_has_a_deadline() {
    let (sim, mut proxy) = world(|setup| {
        setup.clock("content_idle: 60s").clock("byte_idle: 60s").clock("total: 60s").clock("drain: 500ms")
    })
    .await;
    sim.script("gated", gated(&Gate::new()));
    let _conn = begun(&proxy).await;
    proxy.signal(Signal::SIGTERM);
    assert!(proxy.ended(Duration::from_secs(20)).await.code().is_some(), "it was killed by a signal");
    assert!(proxy.log().contains("the drain's time is over"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_means_now() {
    let (sim, mut proxy) = world(|setup| setup.clock("content_idle: 60s").clock("byte_idle: 60s")).await;
    sim.script("gated", gated(&Gate::new()));
    let _conn = begun(&proxy).await;
    proxy.signal(Signal::SIGTERM);
    proxy.logged("draining").await;
    proxy.signal(Signal::SIGINT);
    assert_eq!(proxy.ended(Duration::from_secs(20)).await.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_swaps_a_good_configuration_and_refuses_a_bad_one() {
    let sim = sim().await;
    let setup = Setup::of(&sim).clock("content_idle: 60s").clock("byte_idle: 60s");
    let proxy = Proxy::start(&setup.yaml()).await;
    let gate = Gate::new();
    sim.script("gated", gated(&gate));
    let mut conn = begun(&proxy).await;

    let unknown = ask(proxy.data, &chat("added", "fast", true), LONG).await;
    assert_eq!(unknown.status, 404);
    // The new one has another group, and no longer the one that a stream is in flight on.
    let other = Setup::default().router("num_retries: 0").model("added", "gemini", &sim, "");
    proxy.rewrite(&other.yaml());
    proxy.signal(Signal::SIGHUP);
    proxy
        .metrics_when("it was read", |m| m.sum("tidegate_config_reloads_total", &[("result", "ok")]) == 1.0)
        .await;
    assert_eq!(told(&proxy, "added", "fast", true).await.text, healthy_text());
    assert_eq!(ask(proxy.data, &chat("openai", "fast", true), LONG).await.status, 404);
    proxy.logged("the configuration has it no longer").await;

    for bad in ["model_list: [", "model_list: 7\n", "tidegate: {listne: x}\n", ""] {
        let before = proxy.metrics().await.sum("tidegate_config_reloads_total", &[("result", "refused")]);
        proxy.rewrite(bad);
        proxy.signal(Signal::SIGHUP);
        let refused = |m: &tidegate_tests::Metrics| {
            m.sum("tidegate_config_reloads_total", &[("result", "refused")]) > before
        };
        proxy.metrics_when(&format!("{bad:?} is refused"), refused).await;
        assert_eq!(told(&proxy, "added", "fast", true).await.text, healthy_text(), "{bad:?}");
    }
    assert!(proxy.log().contains("the old one stays in force"));
    gate.open();
    assert_eq!(
        Told::of(&conn.answer(LONG).await, true).unwrap().text,
        "aa",
        "the stream began on the old one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_a_reload_took_out_rests_no_more() {
    let sim = sim().await;
    let setup = Setup::of(&sim).router("allowed_fails: 1").router("cooldown_time: 600");
    let proxy = Proxy::start(&setup.yaml()).await;
    for _ in 0..2 {
        assert_eq!(told(&proxy, "openai", "http-500", true).await.status, 500);
    }
    let (cooling, in_flight) = ("tidegate_deployment_cooling", "tidegate_deployment_in_flight");
    let reloaded = async |config: &str, result: &str| {
        proxy.rewrite(config);
        proxy.signal(Signal::SIGHUP);
        let read = |metrics: &tidegate_tests::Metrics| {
            metrics.sum("tidegate_config_reloads_total", &[("result", result)]) == 1.0
        };
        let metrics = proxy.metrics_when(result, read).await;
        let series =
            |name: &str| metrics.text().lines().filter(|line| line.starts_with(&format!("{name}{{"))).count();
        (
            metrics.sum(cooling, &[]),
            [cooling, in_flight].map(series),
            metrics.sum("tidegate_cooldowns_total", &[]),
            metrics.get("tidegate_retry_budget_tokens", &[("group", "openai")]).is_some(),
        )
    };
    // What is refused changes nothing.
    assert_eq!(reloaded("model_list: 7\n", "refused").await, (1.0, [3, 3], 1.0, true));
    let other = Setup::default().model("added", "gemini", &sim, "");
    assert_eq!(reloaded(&other.yaml(), "ok").await, (0.0, [1, 1], 1.0, false), "what was counted stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_says_why_and_with_which_code() {
    let sim = sim().await;
    let good = Setup::of(&sim);
    for (config, code, why) in [
        ("model_list: [".to_owned(), 78, "config.yaml"),
        ("tidegate: {listne: 127.0.0.1:0}\nmodel_list: []\n".to_owned(), 78, "listne"),
        (good.clone().tidegate("listen: 0.0.0.0:0").yaml(), 78, "there is no master key"),
        (good.clone().tidegate(&format!("listen: {}", sim.addr())).yaml(), 1, "cannot listen"),
    ] {
        let (status, log) = refused(&config).await;
        assert_eq!(status.code(), Some(code), "{log}");
        assert!(log.contains(why), "{why:?} is not in {log}");
    }
    let program = || std::process::Command::new(tidegate_tests::proxy::built().join("tidegate"));
    let usage = program().arg("swim").output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
    // What `serve` cannot open, `check` does not call good.
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("nowhere/file");
    let file = dir.path().join("c.yaml");
    for lines in [
        format!("access_log: {}", missing.display()),
        format!("watchdog: {{incidents: {{file: {}}}}}", missing.display()),
    ] {
        let config = good.clone().tidegate(&lines).yaml();
        let (status, log) = refused(&config).await;
        assert_eq!(status.code(), Some(78), "{log}");
        std::fs::write(&file, config).unwrap();
        let checked = program().arg("check").arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&checked.stdout);
        assert_eq!(checked.status.code(), Some(78), "{said}");
        assert!(said.contains("cannot be opened") && said.contains("nowhere"), "{said}");
    }
    // A folder that a service manager makes may be absent.
    let state = "watchdog: {incidents: {file: /var/lib/tidegate-that-is-not-there/incidents.jsonl}}";
    std::fs::write(&file, good.clone().tidegate(state).yaml()).unwrap();
    assert!(program().arg("check").arg(&file).output().unwrap().status.success());
    std::fs::write(&file, good.yaml()).unwrap();
    let mut serve = program();
    let serve = serve.args(["serve", "-c"]).arg(&file).env("TIDEGATE_WORKERS", "abc").output().unwrap();
    assert_eq!(serve.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&serve.stderr).contains("TIDEGATE_WORKERS takes a number"));
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_health_are_where_litellm_has_them() {
    let (_sim, proxy) = world(|setup| setup).await;
    for path in ["/v1/models", "/models"] {
        let list = ask(proxy.data, &get(path, ""), LONG).await.json();
        let mut ids: Vec<_> =
            list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!((list["object"].as_str(), ids), (Some("list"), vec!["gemini", "openai", "vertex"]));
    }
    for addr in [proxy.data, proxy.admin] {
        for path in ["/health/liveliness", "/health/liveness", "/health/readiness"] {
            assert_eq!(ask(addr, &get(path, ""), LONG).await.status, 200, "{path}");
        }
    }
    assert_eq!(ask(proxy.data, &get("/metrics", ""), LONG).await.status, 404, "metrics are not for clients");
    assert_eq!(ask(proxy.admin, &chat("openai", "fast", false), LONG).await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_paused_gives_no_verdicts() {
    let (sim, proxy) = world(|setup| setup).await;
    sim.script("long", {
        let chunk = format!("{CHUNK}\n\n");
        let paced = (0..60)
            .fold(Script::sse(), |script, _| script.write(chunk.clone()).pause(Duration::from_millis(50)));
        paced.write(format!("{FINISH}\n\ndata: [DONE]\n\n"))
    });
    let asked: Vec<_> = (0..4)
        .map(|_| {
            let (addr, request) = (proxy.data, chat("openai", "long", true));
            tokio::spawn(async move { ask(addr, &request, LONG).await })
        })
        .collect();
    assert!(sim.wait_until(LONG, |sim| sim.counts("long").active() == 4).await);
    for _ in 0..3 {
        proxy.signal(Signal::SIGSTOP);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        proxy.signal(Signal::SIGCONT);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    for stream in asked {
        let told = Told::of(&stream.await.unwrap(), true).unwrap();
        assert_eq!((told.text.len(), told.terminal), (60, Terminal::Done), "{}", told.message);
    }
    let metrics = proxy.metrics().await;
    for rule in ["R1", "R2", "R4"] {
        assert_eq!(
            metrics.get("tidegate_watchdog_verdicts_total", &[("rule", rule)]).unwrap_or(0.0),
            0.0,
            "{rule}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_a_reload_loses_is_an_error_in_the_log() {
    let sim = sim().await;
    let base = format!("api_base: \"http://{}/v1\"", sim.addr());
    let setup = |params: &str| Setup::of(&sim).params("lost", params).yaml();
    let proxy = Proxy::start(&setup(&format!("model: openai/sim, api_key: sim-key, {base}"))).await;
    assert_eq!(told(&proxy, "lost", "fast", true).await.text, healthy_text());
    // One without its key is a model still; one with a bad entry alone is none.
    for (params, status, why) in [
        (format!("model: openai/sim, {base}"), 500, "it has no api_key"),
        (
            format!("model: openai/sim, api_key: sim-key, timeout: soon, {base}"),
            404,
            "`timeout` takes a number of seconds",
        ),
    ] {
        proxy.rewrite(&setup(&params));
        proxy.signal(Signal::SIGHUP);
        proxy.logged(why).await;
        proxy.logged("the configuration was read again").await;
        let until = std::time::Instant::now() + LONG;
        let answer = loop {
            let answer = ask(proxy.data, &chat("lost", "fast", true), LONG).await;
            if answer.status == status || std::time::Instant::now() > until {
                break answer;
            }
        };
        assert_eq!(answer.status, status, "{params}: {}", answer.text());
        assert_eq!(answer.header("retry-after"), None, "no wait mends it");
    }
    let log = proxy.log();
    let loud = log.lines().find(|line| line.contains("its deployments are left out")).unwrap_or_default();
    assert!(loud.contains("\"lost\"") && loud.contains("ERROR"), "{log}");
    assert!(
        log.lines().any(|line| line.contains("config.yaml:") && line.contains("it has no api_key")),
        "{log}"
    );
}
