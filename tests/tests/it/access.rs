//! The access log: one line for each request, whatever its end, with the fields that docs/access-log.md has, and no other.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use hyper_util::rt::{TokioExecutor, TokioIo};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tidegate_sim::{Gate, Script};
use tidegate_tests::client::{ask, body, chat, chat_with, get, post};
use tidegate_tests::metrics::Metrics;
use tidegate_tests::{Conn, Proxy, Setup, anthropic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::world::{LONG, fetch, sim, told, world};

const PAGE: &str = include_str!("../../../docs/access-log.md");
/// Of a key, a prompt and an answer.
const MARKS: [&str; 3] = ["hunter2", "zebra-in-the-prompt", "giraffe-in-the-answer"];

/// The lines so far.
fn lines(text: &str) -> Vec<Value> {
    let parsed = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed.filter(|line| line["message"] == "request ended").collect()
}

/// Waits until there are `count` lines, and a little longer for one too many.
async fn wait_for(count: usize, read: impl Fn() -> String) -> Vec<Value> {
    let until = Instant::now() + LONG;
    while lines(&read()).len() < count {
        assert!(Instant::now() < until, "{} lines: {}", lines(&read()).len(), read());
        sleep(std::time::Duration::from_millis(10)).await;
    }
    sleep(std::time::Duration::from_millis(300)).await;
    let found = lines(&read());
    assert_eq!(found.len(), count, "{found:#?}");
    found
}

fn documented() -> BTreeSet<String> {
    let table = PAGE.split("## Fields").nth(1).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let names = rows.flat_map(|row| row.split(" | ").next().unwrap().split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

const CHUNK: &str = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"giraffe-in-the-answer"},"finish_reason":null}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_request_has_one_line_and_every_field_is_documented() {
    let (sim, proxy) = world(|setup| {
        setup
            .general("master_key: hunter2")
            .tidegate("limits: {body: 64KiB}")
            .tidegate("watchdog: {thresholds: {r1: {polls: 5, age: 1ms}}}")
    })
    .await;
    let key = "authorization: Bearer hunter2\r\nuser-agent: OpenAI/Python 1.99\r\n";
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    let marked = |model: &str, scenario: &str, stream| {
        let mut body = body(model, scenario, stream);
        body["messages"][0]["content"] = json!(format!("sim:{scenario} zebra-in-the-prompt"));
        body.to_string().into_bytes()
    };
    let data = proxy.data;
    let send =
        async |path: &str, headers: &str, body: &[u8]| ask(data, &post(path, headers, body), LONG).await;
    let with = format!("{key}{trace}connection: close\r\n");
    let ends: Vec<(u16, &str)> = vec![
        (send("/v1/chat/completions", &with, &marked("openai", "fast", true)).await.status, "complete"),
        (send("/v1/chat/completions", &with, &marked("openai", "fast", false)).await.status, "complete"),
        (send("/v1/chat/completions", &with, &marked("openai", "http-429", true)).await.status, "error"),
        (send("/v1/chat/completions", "", &marked("openai", "fast", true)).await.status, "error"),
        (
            send("/v1/chat/completions", "api-key: other\r\n", &marked("openai", "fast", true)).await.status,
            "error",
        ),
        (send("/v1/chat/completions", &with, &marked("nothing", "fast", true)).await.status, "error"),
        (send("/v1/chat/completions", &with, b"{\"model\": 7}").await.status, "error"),
        (send("/v1/chat/completions", &with, &[b' '; 70 << 10]).await.status, "error"),
        (send("/v1/nowhere?key=hunter2", &with, b"{}").await.status, "error"),
        (ask(data, &get("/v1/chat/completions", &with), LONG).await.status, "error"),
        (ask(data, &get("/v1/models", &with), LONG).await.status, "complete"),
        (ask(data, &get("/v1/models/openai", "connection: close\r\n"), LONG).await.status, "error"),
    ];
    assert_eq!(
        ends.iter().map(|(status, _)| *status).collect::<Vec<_>>(),
        [200, 200, 429, 401, 401, 404, 400, 413, 404, 405, 200, 401]
    );
    // A load balancer's question has none.
    assert_eq!(ask(data, &get("/health/liveliness", "connection: close\r\n"), LONG).await.status, 200);
    // One that breaks off, one that the watchdog ends, one whose client leaves in mid-stream, and one that leaves before its
    // body is sent.
    let _ = send("/v1/chat/completions", &with, &marked("openai", "429-frame-end", true)).await;
    let spin = format!("{with}x-tidegate-fault: spin-wake\r\n");
    let _ = send("/v1/chat/completions", &spin, &marked("openai", "stall-mid", true)).await;
    sim.script("waits", Script::sse().write(format!("data: {CHUNK}\n\n")).wait(&Gate::new()));
    let mut left = Conn::open(data).await.unwrap();
    left.send(&chat_with(&with, "openai", "waits", true)).await.unwrap();
    assert!(left.read_until(LONG, |answer| answer.text().contains("giraffe")).await);
    drop(left);
    let mut early = Conn::open(data).await.unwrap();
    early
        .send(
            format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{key}content-length: 9\r\n\r\n{{")
                .as_bytes(),
        )
        .await
        .unwrap();
    sleep(std::time::Duration::from_millis(200)).await;
    drop(early);

    let found = wait_for(ends.len() + 4, || proxy.log()).await;
    for ((status, ending), line) in ends.iter().zip(&found) {
        assert_eq!((&line["status"], &line["ending"]), (&json!(status), &json!(ending)), "{line}");
    }
    // printf %s hunter2 | sha256sum
    let first = &found[0];
    assert_eq!((&first["client"], &first["agent"]), (&json!("127.0.0.1"), &json!("OpenAI/Python")));
    assert_eq!(first["key"], "f52fbd32", "{first}");
    assert_eq!(first["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(
        (&first["model"], &first["group"], &first["stream"]),
        (&json!("openai"), &json!("openai"), &json!(true))
    );
    assert!(first["bytes_out"].as_u64() > Some(100) && first["chunks"].as_u64() >= Some(1), "{first}");
    assert!(
        first["polls"].as_u64() > Some(0) && first["first_content_ms"].as_f64() <= first["ms"].as_f64(),
        "{first}"
    );
    assert_eq!((&found[2]["outcome"], &found[2]["error"]), (&json!("rate_limit"), &json!("rate_limit")));
    assert_eq!((&found[3]["key"], &found[3]["error"]), (&Value::Null, &json!("auth")));
    // printf %s other | sha256sum
    assert_eq!(found[4]["key"], "d9298a10", "a key that is not valid has its id too");
    assert_eq!((&found[8]["path"], &found[8]["dialect"]), (&json!("/v1/nowhere"), &Value::Null));
    let rest: BTreeSet<(String, u64)> = found[ends.len()..]
        .iter()
        .map(|line| (line["ending"].as_str().unwrap().to_owned(), line["status"].as_u64().unwrap()))
        .collect();
    let want =
        [("stream_error", 200), ("client_gone", 499)].map(|(ending, status)| (ending.to_owned(), status));
    assert_eq!(rest, want.into());
    let metrics = proxy.metrics().await;
    let unknown = |status| metrics.sum("tidegate_requests_total", &[("group", "other"), ("status", status)]);
    assert_eq!(["400", "499"].map(unknown), [1.0, 1.0], "the one that left early was told nothing");
    assert_eq!(metrics.sum("tidegate_request_endings_total", &[("kind", "client_gone")]), 2.0);
    let judged = found.iter().find(|line| !line["verdict"].is_null()).unwrap();
    assert_eq!(judged["verdict"], "R1");
    let id = judged["incidents"][0].as_str().unwrap();
    let incident =
        ask(proxy.admin, &get(&format!("/api/incidents/{id}"), "connection: close\r\n"), LONG).await.json();
    assert_eq!(incident["stream"]["id"], judged["stream_id"], "{judged} {incident}");

    for mark in MARKS {
        assert!(!proxy.log().contains(mark), "{mark} is in the log");
    }
    let known = documented();
    for line in &found {
        for name in line.as_object().unwrap().keys() {
            assert!(known.contains(name), "docs/access-log.md has no `{name}`: {line}");
        }
    }
}

/// Breaks off after its first piece, or is what goes on with that.
fn half(breaks: bool) -> Script {
    if breaks {
        return Script::sse().write(format!("data: {CHUNK}\n\n"));
    }
    let finish = CHUNK.replace(
        r#"{"content":"giraffe-in-the-answer"},"finish_reason":null"#,
        r#"{},"finish_reason":"stop""#,
    );
    Script::sse().write(format!("data: {CHUNK}\n\ndata: {finish}\n\ndata: [DONE]\n\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_field_is_in_a_line_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("access.jsonl"), dir.path().join("access.jsonl.1"));
    let sim = sim().await;
    // One more than a line tells, with the two that its dialect leaves out.
    let extra: Vec<String> = (0..31).map(|number| format!("x{number:02}")).collect();
    let lax = format!(
        "model: groq/m, drop_params: true, additional_drop_params: [{}], api_base: \"http://{}/v1\", api_key: sim-key",
        extra.join(", "),
        sim.addr()
    );
    let setup = Setup::of(&sim)
        .short_clocks()
        .model("two", "openai", &sim, "order: 1")
        .model("two", "openai", &sim, "order: 2")
        .model("anthropic", "anthropic", &sim, "")
        .params("lax", &lax)
        .tidegate("mid_stream: continue")
        .tidegate("watchdog: {thresholds: {r1: {polls: 5, age: 1ms}}}")
        // Nobody is there, and nobody waits for that.
        .tidegate("traces: {endpoint: \"http://127.0.0.1:9\"}")
        .tidegate(&format!("access_log: {}", path.display()));
    let proxy = Proxy::start(&setup.yaml()).await;
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    told(&proxy, "openai", "fast", true).await;
    told(&proxy, "anthropic", "fast", true).await;
    for breaks in [true, false] {
        sim.push_script(half(breaks));
    }
    told(&proxy, "two", "custom", true).await;
    let key = "x-api-key: k\r\nuser-agent: x\r\n";
    let _ = ask(
        proxy.data,
        &chat_with(&format!("{key}x-tidegate-fault: spin-wake\r\n"), "openai", "stall-mid", true),
        LONG,
    )
    .await;
    let mut odd = json!({"model": "lax", "prompt": "sim:fast", "best_of": 2, "echo": true});
    extra.iter().for_each(|name| odd[name] = json!(1));
    let odd = post("/v1/completions", "", odd.to_string().as_bytes());
    let left_out = format!("best_of, echo, {}", extra.join(", "));
    assert_eq!(ask(proxy.data, &odd, LONG).await.header("x-tidegate-dropped"), Some(left_out.as_str()));
    let found = wait_for(5, || read(&path)).await;
    assert_eq!(lines(&proxy.log()), Vec::<Value>::new(), "they are in the file alone");
    assert_eq!(found[2]["continued"], true, "{}", found[2]);
    let dropping = found.iter().find(|line| line["model"] == "lax").unwrap();
    assert_eq!(
        (dropping["dropped"].as_array().map(Vec::len), &dropping["dropped_more"]),
        (Some(32), &json!(1))
    );
    let seen: BTreeSet<String> =
        found.iter().flat_map(|line| line.as_object().unwrap().keys().cloned()).collect();
    assert_eq!(seen, documented());

    // logrotate has moved it away.
    std::fs::rename(&path, &old).unwrap();
    proxy.signal(Signal::SIGHUP);
    proxy.logged("the configuration was read again").await;
    told(&proxy, "openai", "fast", false).await;
    wait_for(1, || read(&path)).await;
    assert_eq!(lines(&read(&old)).len(), 5);
}

/// What is 503 within, and to most clients, is 529 to Anthropic's.
#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_the_one_that_the_client_was_given() {
    let (_sim, proxy) = world(|setup| setup.router("num_retries: 0")).await;
    let overload = ask(proxy.data, &anthropic::messages("openai", "http-503", false), LONG).await;
    assert_eq!((overload.status, fetch(&proxy, "openai", "http-503", false).await.status), (529, 503));
    let found = wait_for(2, || proxy.log()).await;
    assert_eq!((&found[0]["status"], &found[1]["status"]), (&json!(529), &json!(503)), "{found:#?}");
    let metrics = proxy.metrics().await;
    let counted = |status| metrics.sum("tidegate_requests_total", &[("group", "openai"), ("status", status)]);
    assert_eq!(["5xx", "503"].map(counted), [1.0, 1.0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_opened_is_said_at_the_start() {
    let sim = sim().await;
    let setup = Setup::of(&sim).tidegate("access_log: /nowhere/at/all.jsonl");
    let (status, log) = tidegate_tests::proxy::refused(&setup.yaml()).await;
    assert_eq!(status.code(), Some(78), "{log}");
    assert!(log.contains("the access log /nowhere/at/all.jsonl cannot be opened: No such file"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_holds_no_request() {
    let (_sim, proxy) = world(|setup| setup.tidegate("access_log: /dev/full")).await;
    for _ in 0..20 {
        told(&proxy, "openai", "fast", true).await;
    }
    let lost = "tidegate_access_log_lines_lost_total";
    proxy.metrics_when("lines are lost", |metrics| metrics.get(lost, &[]) == Some(20.0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_left_out() {
    let (_sim, proxy) = world(|setup| setup.tidegate("access_log: off")).await;
    told(&proxy, "openai", "fast", true).await;
    let sim = sim().await;
    let quiet =
        Proxy::start_with(&Setup::of(&sim).yaml(), &[("TIDEGATE_LOG", "info,tidegate::access=off")]).await;
    assert_eq!(ask(quiet.data, &chat("openai", "fast", true), LONG).await.status, 200);
    sleep(std::time::Duration::from_millis(300)).await;
    for proxy in [&proxy, &quiet] {
        assert_eq!(lines(&proxy.log()), Vec::<Value>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_wait_is_named() {
    let (_sim, proxy) = world(|setup| setup).await;
    let request =
        chat_with("x-api-key: sk-1234\r\nuser-agent: Loop/1.0 (very) long\r\n", "openai", "http-429", true);
    for _ in 0..5 {
        assert_eq!(ask(proxy.data, &request, LONG).await.status, 429);
    }
    let found = wait_for(5, || proxy.log()).await;
    let status = ask(proxy.admin, &get("/api/status", "connection: close\r\n"), LONG).await.json();
    let incident = &status["incidents"][0];
    assert_eq!(incident["kind"], "429_loop_client", "{status}");
    assert_eq!(incident["client"], "127.0.0.1 Loop/1.0 key-88dc28d0", "{incident}");
    let returning = &status["returning_clients"][0];
    assert_eq!(
        (&returning["client"], &returning["group"]),
        (&incident["client"], &json!("openai")),
        "{status}"
    );
    assert!(
        returning["returns"].as_u64() >= Some(3) && returning["left_seconds"].as_f64() > Some(0.0),
        "{status}"
    );
    let told: Vec<_> = found.iter().filter(|line| line["incidents"] == json!([incident["id"]])).collect();
    assert_eq!(told.len(), 1, "{found:#?}");
    assert_eq!(fetch(&proxy, "openai", "fast", true).await.status, 200);
}

/// A request's body of which nothing comes after the first byte.
struct Halted(Option<Bytes>);

impl Body for Halted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |first| Poll::Ready(Some(Ok(Frame::data(first)))))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_in_the_midst_of_its_body_is_counted_as_often_as_it_is_told() {
    let (_sim, proxy) = world(|setup| setup.clock("client_idle: 60s")).await;
    // HTTP/1.1: in order, and by a reset. That it is asked to go on says that its body is being read.
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n";
    for reset in [false, true] {
        let mut conn = TcpStream::connect(proxy.data).await.unwrap();
        conn.write_all(head.as_bytes()).await.unwrap();
        conn.read_exact(&mut [0; 25]).await.unwrap();
        conn.write_all(b"{").await.unwrap();
        if reset {
            conn.set_zero_linger().unwrap();
        }
    }
    // HTTP/2: its stream alone, and its whole connection.
    for whole in [false, true] {
        let alone = |m: &Metrics| m.sum("tidegate_client_connections", &[]) == 0.0;
        let before = proxy.metrics_when("nobody is there", alone).await.sum("tidegate_tasks", &[]);
        let stream = TcpStream::connect(proxy.data).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let driving = tokio::spawn(connection);
        let request = hyper::Request::post(format!("http://{}/v1/chat/completions", proxy.data))
            .body(Halted(Some(Bytes::from_static(b"{"))))
            .unwrap();
        let asking = tokio::spawn(sender.send_request(request));
        // The connection's task, and the stream's.
        proxy.metrics_when("it is there", |m| m.sum("tidegate_tasks", &[]) >= before + 2.0).await;
        if whole {
            driving.abort();
        }
        asking.abort();
        proxy.metrics_when("it is gone", |m| m.sum("tidegate_tasks", &[]) < before + 2.0).await;
        driving.abort();
    }
    let found = wait_for(4, || proxy.log()).await;
    let ends = found.iter().map(|line| (&line["status"], &line["ending"], &line["bytes_in"]));
    assert!(ends.clone().all(|end| end == (&json!(499), &json!("client_gone"), &json!(0))), "{found:#?}");
    let metrics = proxy.metrics().await;
    let other = ("group", "other");
    assert_eq!(metrics.sum("tidegate_requests_total", &[other, ("status", "499")]), 4.0);
    assert_eq!(metrics.sum("tidegate_requests_total", &[]), 4.0);
    assert_eq!(metrics.sum("tidegate_request_endings_total", &[("kind", "client_gone")]), 4.0);
    assert_eq!(metrics.sum("tidegate_request_duration_seconds_count", &[other]), 4.0);
}
