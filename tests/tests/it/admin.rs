//! The admin port: who may look and change, the page, the snapshot and its stream, and the end of a stream by hand.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tidegate_sim::{Gate, Script, Settings, Sim};
use tidegate_tests::client::{ask, body, chat, get, post};
use tidegate_tests::{AS_ADMIN, Conn, Proxy, Setup, Told};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::world::{LONG, sim, told, world};

const CLOSE: &str = "connection: close\r\n";

async fn status(proxy: &Proxy) -> Value {
    ask(proxy.admin, &get("/api/status", CLOSE), LONG).await.json()
}

const CHUNK: &str = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;

/// A stream that has given one piece and waits for its provider.
async fn waiting(proxy: &Proxy, sim: &tidegate_sim::Sim) -> Conn {
    sim.script("waits", Script::sse().write(format!("data: {CHUNK}\n\n")).wait(&Gate::new()));
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat("openai", "waits", true)).await.unwrap();
    assert!(conn.read_until(LONG, |answer| answer.text().contains("\"a\"")).await);
    conn
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_ends_a_stream_that_only_waits() {
    let (sim, proxy) = world(|setup| setup.clock("content_idle: 60s").clock("byte_idle: 60s")).await;
    let mut conn = waiting(&proxy, &sim).await;
    let told_of = status(&proxy).await;
    let stream = &told_of["streams"][0];
    assert_eq!((&stream["group"], &stream["client"]), (&"openai".into(), &"127.0.0.1".into()), "{told_of}");
    let path = format!("/api/streams/{}/abort", stream["id"]);
    assert_eq!(ask(proxy.admin, &post(&path, CLOSE, b""), LONG).await.status, 401);
    assert_eq!(ask(proxy.admin, &post("/api/streams/7/abort", AS_ADMIN, b""), LONG).await.status, 404);
    assert_eq!(ask(proxy.admin, &post(&path, AS_ADMIN, b""), LONG).await.status, 200);
    let answer = conn.answer(LONG).await;
    let end = Told::of(&answer, true).unwrap();
    assert!(end.message.contains("ended by an operator"), "{}", answer.text());
    let after = status(&proxy).await;
    assert_eq!(after["streams"].as_array().map(Vec::len), Some(0));
    let last = &after["incidents"][0];
    assert_eq!((&last["rule"], &last["action"]), (&"operator".into(), &"aborted".into()), "{after}");
    assert_eq!(last["client"], "127.0.0.1");
}

/// HTTP/1.1 and HTTP/2: more than all buffers on the way hold, for clients that take the first of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_ends_a_stream_whose_client_does_not_read() {
    let (sim, proxy) = world(|setup| {
        setup
            .clock("client_idle: 10m")
            .clock("content_idle: 10m")
            .clock("byte_idle: 10m")
            .clock("total: 10m")
            .tidegate("limits: {event: 32MiB}")
    })
    .await;
    let piece = format!("data: {}\n\n", CHUNK.replace("\"a\"", &format!("\"{}\"", "x".repeat(60_000))));
    let script = (0..64).fold(Script::sse(), |script, _| script.write(piece.repeat(16)));
    sim.script("backlog", script.wait(&Gate::new()));
    let request = |scenario: &str| {
        hyper::Request::post(format!("http://{}/v1/chat/completions", proxy.data))
            .body(Full::new(Bytes::from(body("openai", scenario, true).to_string())))
            .unwrap()
    };
    let stream = TcpStream::connect(proxy.data).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driving = tokio::spawn(connection);
    let mut deaf_h2 = sender.send_request(request("backlog")).await.unwrap();
    deaf_h2.body_mut().frame().await.unwrap().unwrap();
    let mut deaf_h1 = Conn::open(proxy.data).await.unwrap();
    deaf_h1.send(&chat("openai", "backlog", true)).await.unwrap();
    assert!(deaf_h1.read_until(LONG, |answer| !answer.body.is_empty()).await);
    // Both wait for their clients once no more is taken of what the simulator has.
    let mut before = Value::Null;
    loop {
        let sent: Vec<Value> = status(&proxy).await["streams"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["bytes"].clone())
            .collect();
        if sent.len() == 2 && Value::from(sent.clone()) == before {
            break;
        }
        before = sent.into();
        sleep(Duration::from_millis(300)).await;
    }
    for stream in status(&proxy).await["streams"].as_array().unwrap() {
        let path = format!("/api/streams/{}/abort", stream["id"]);
        assert_eq!(ask(proxy.admin, &post(&path, AS_ADMIN, b""), LONG).await.status, 200);
    }
    let released = sim.wait_until(LONG, |sim| sim.counts("backlog").cut == 2).await;
    assert!(released, "the upstream calls outlive their streams: {:?}", sim.counts("backlog"));
    let metrics = proxy.metrics_when("both are gone", |m| m.sum("tidegate_active_streams", &[]) == 0.0).await;
    assert_eq!(metrics.sum("tidegate_client_connections_cut_total", &[("reason", "client_idle")]), 1.0);
    // The HTTP/2 client's other streams go on.
    assert_eq!(sender.send_request(request("fast")).await.unwrap().status(), 200);
    driving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_comes_each_second_and_says_who_is_limited() {
    let (_sim, proxy) = world(|setup| setup.router("cooldown_time: 30").router("allowed_fails: 0")).await;
    told(&proxy, "openai", "fast", true).await;
    let _ = ask(proxy.data, &chat("openai", "http-429", true), LONG).await;
    let mut conn = Conn::open(proxy.admin).await.unwrap();
    conn.send(&get("/api/live", "")).await.unwrap();
    let two = |text: &str| text.matches("data: {").count() >= 2;
    assert!(conn.read_until(LONG, |answer| two(&answer.text())).await);
    let text = conn.so_far().text();
    let first = text.split("\n\n").next().unwrap().trim_start_matches("data: ");
    let snapshot: Value = serde_json::from_str(first).unwrap();
    let deployments = snapshot["deployments"].as_array().unwrap();
    let openai = deployments.iter().find(|one| one["group"] == "openai").unwrap();
    assert_eq!((&openai["ok"], &openai["limited"]), (&1.into(), &1.into()), "{openai}");
    assert_eq!(snapshot["state"], "serving");
}

/// One more who watches, and what it was answered.
async fn watch(proxy: &Proxy) -> (Conn, u16) {
    let mut conn = Conn::open(proxy.admin).await.unwrap();
    conn.send(&get("/api/live", "")).await.unwrap();
    assert!(conn.read_until(LONG, |answer| !answer.text().is_empty()).await);
    let status = conn.so_far().status;
    (conn, status)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_takes_no_seat_from_a_scrape() {
    let (_sim, proxy) = world(|setup| setup).await;
    let mut watching = Vec::new();
    loop {
        match watch(&proxy).await {
            (conn, 200) => watching.push(conn),
            (conn, status) => {
                assert_eq!(status, 503);
                assert!(conn.so_far().text().contains("/api/status"), "{}", conn.so_far().text());
                break;
            }
        }
        assert!(watching.len() < 64, "nobody is refused");
    }
    assert_eq!(ask(proxy.admin, &get("/metrics", CLOSE), LONG).await.status, 200);
    drop(watching.pop());
    let until = Instant::now() + LONG;
    while watch(&proxy).await.1 != 200 {
        assert!(Instant::now() < until, "a seat that was left is not free again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_in_anything_that_is_shown() {
    let (_sim, proxy) = world(|setup| {
        setup
            .params("secret", "model: openai/sim, api_base: \"http://user:hunter2@127.0.0.1:9/v1?token=hunter2\", api_key: hunter2, extra_body: {inner_token: hunter2}, api_keyy: hunter2")
            .general("master_key: hunter2")
    })
    .await;
    let prompt = ask(proxy.data, &chat("openai", "hunter2", true), LONG).await;
    assert_eq!(prompt.status, 401);
    for path in [
        "/api/config",
        "/api/status",
        "/api/streams",
        "/api/incidents",
        "/api/plugins",
        "/metrics",
        "/",
        "/page.js",
    ] {
        let answer = ask(proxy.admin, &get(path, CLOSE), LONG).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text().contains("hunter2"), "{path}: {}", answer.text());
        assert!(!answer.text().contains(tidegate_tests::ADMIN_KEY), "{path}");
    }
    assert!(
        ask(proxy.admin, &get("/api/config", CLOSE), LONG).await.text().contains("secret"),
        "it has the deployment"
    );
    assert!(!proxy.log().contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_in_the_word_that_a_provider_has_for_a_failure() {
    let sim = Sim::start(Settings { require_auth: false, ..Settings::default() }).await.unwrap();
    let params = format!(
        "model: openai/sim, api_base: \"http://{}/v1\", api_key: sk-hunter2, extra_headers: {{x-tenant: \"Token hunter3-header\"}}",
        sim.addr()
    );
    let setup = Setup::of(&sim).short_clocks().params("keyed", &params);
    let proxy = Proxy::start(&setup.tidegate("log_upstream_errors: true").yaml()).await;
    for secret in ["sk-hunter2", "hunter3-header"] {
        let error = json!({"error": {"message": format!("not {secret}"), "type": secret, "param": secret, "code": secret}});
        sim.script(secret, Script::json(401, error.to_string()));
        let in_stream = format!("data: {error}\n\n");
        sim.script(&format!("late-{secret}"), Script::sse().write(in_stream));
        for scenario in [secret.to_owned(), format!("late-{secret}")] {
            let answer = ask(proxy.data, &chat("keyed", &scenario, true), LONG).await;
            let told = answer.text();
            assert!(told.contains("not ***"), "{scenario}: {told}");
            assert!(!told.contains("hunter"), "{scenario}: {told}");
        }
    }
    proxy.logged("not ***").await;
    assert!(!proxy.log().contains("hunter"), "{}", proxy.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_points_here_gets_nothing() {
    let sim = sim().await;
    let proxy = Proxy::start(&Setup::of(&sim).yaml()).await;
    let asked = async |host: &str, path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        ask(proxy.admin, request.as_bytes(), LONG).await
    };
    assert_eq!(asked("evil.example", "/api/status").await.status, 401);
    assert_eq!(asked("localhost:4001", "/api/status").await.status, 200);
    assert_eq!(asked("evil.example", "/health/readiness").await.status, 200);
    let page = asked("127.0.0.1", "/").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(asked("127.0.0.1", "/nothing").await.status, 404);
    assert!(tokio::time::timeout(Duration::from_secs(30), proxy.metrics()).await.is_ok());
}
