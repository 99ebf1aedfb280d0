//! Clients of every kind: those that leave, do not read, send slowly, too much, the wrong thing, or another HTTP.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidegate_sim::{Settings, Sim, fault_text, healthy_text};
use tidegate_tests::client::{ask, body, chat, chat_with, get, post};
use tidegate_tests::config::PROVIDERS;
use tidegate_tests::{Conn, End, Proxy, Setup, Terminal, Told, sse};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::world::{LONG, told, world};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn one_that_leaves_takes_its_upstream_with_it() {
    let (sim, proxy) =
        world(|setup| setup.clock("first_content: 60s").clock("content_idle: 60s").clock("byte_idle: 60s"))
            .await;
    let mut gone = 0.0;
    for (model, _) in PROVIDERS {
        // Before the upstream's head, before its first content, in mid-stream; and where nothing is streamed.
        for (scenario, stream) in
            [("stall-headers", true), ("stall-first", true), ("stall-mid", true), ("stall-headers", false)]
        {
            let cut = sim.counts(scenario).cut;
            let mut conn = Conn::open(proxy.data).await.unwrap();
            conn.send(&chat(model, scenario, stream)).await.unwrap();
            assert!(
                sim.wait_until(SOON, |sim| sim.counts(scenario).active() == 1).await,
                "{model} {scenario}"
            );
            if scenario == "stall-mid" {
                assert!(conn.read_until(SOON, |answer| answer.text().contains("🌊")).await);
            }
            drop(conn);
            let left = sim.wait_until(SOON, |sim| sim.counts(scenario).cut == cut + 1).await;
            assert!(left, "{model} {scenario}: the upstream call outlived its client");
            gone += 1.0;
        }
    }
    let metrics = proxy.metrics_when("all are gone", |m| m.sum("tidegate_active_streams", &[]) == 0.0).await;
    assert_eq!(metrics.sum("tidegate_request_endings_total", &[("kind", "client_gone")]), gone);
    assert_eq!(metrics.sum("tidegate_attempts_total", &[("outcome", "cancelled")]), gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_read_is_cut() {
    // More than the buffers of all sockets between upstream and client can hold.
    let endless =
        Settings { flood_bytes: 1 << 30, flood_time: LONG, require_auth: true, ..Settings::default() };
    let sim = Sim::start(endless).await.unwrap();
    let setup = Setup::of(&sim).short_clocks().clock("client_idle: 500ms").tidegate("limits: {event: 32MiB}");
    let proxy = Proxy::start(&setup.yaml()).await;
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat("openai", "text-flood", true)).await.unwrap();
    assert!(sim.wait_until(SOON, |sim| sim.counts("text-flood").active() == 1).await);
    let cut = |m: &tidegate_tests::Metrics| {
        m.sum("tidegate_client_connections_cut_total", &[("reason", "client_idle")]) == 1.0
    };
    proxy.metrics_when("the client is cut", cut).await;
    assert!(sim.wait_until(SOON, |sim| sim.counts("text-flood").active() == 0).await);
    assert_eq!(
        sim.counts("text-flood").cut,
        1,
        "the upstream was read to its end though nobody read the answer"
    );
    // What it reads now ends without a terminal: the connection is broken, and says so.
    let answer = conn.answer(LONG).await;
    assert!(matches!(answer.end, End::Fin | End::Rst), "{:?}", answer.end);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_reads_slowly_is_served() {
    let (_sim, proxy) = world(|setup| setup.clock("client_idle: 2s")).await;
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat("gemini", "huge-event", true)).await.unwrap();
    for _ in 0..6 {
        let had = conn.so_far().body.len();
        conn.read_until(SOON, |answer| answer.body.len() > had).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let answer = Told::of(&conn.answer(LONG).await, true).unwrap();
    assert_eq!((answer.terminal, answer.text.len()), (Terminal::Done, tidegate_sim::huge_text().len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_limited_in_size() {
    let (_sim, proxy) = world(|setup| setup.tidegate("limits: {body: 64KiB, header: 8KiB}")).await;
    let mut body = body("openai", "fast", false);
    body["user"] = "x".repeat(60 << 10).into();
    let fits = ask(proxy.data, &post("/v1/chat/completions", "", body.to_string().as_bytes()), LONG).await;
    assert_eq!(fits.status, 200, "{}", fits.text());
    body["user"] = "x".repeat(70 << 10).into();
    let text = body.to_string();
    let long = ask(proxy.data, &post("/v1/chat/completions", "", text.as_bytes()), LONG).await;
    assert_eq!(long.status, 413, "{}", long.text());
    // Without a declared length it is found out on the way.
    let chunked = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n0\r\n\r\n",
        text.len()
    );
    assert_eq!(ask(proxy.data, chunked.as_bytes(), LONG).await.status, 413);
    let headers = format!("x-a: {}\r\n", "y".repeat(32 << 10));
    let status = ask(proxy.data, &chat_with(&headers, "openai", "fast", false), LONG).await.status;
    assert!(matches!(status, 0 | 431), "{status}");
    assert_eq!(told(&proxy, "openai", "fast", false).await.text, healthy_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_limited_and_those_beyond_wait() {
    let (sim, proxy) =
        world(|setup| setup.tidegate("limits: {connections: 2}").clock("first_content: 60s")).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut conn = Conn::open(proxy.data).await.unwrap();
        conn.send(&chat("openai", "stall-headers", false)).await.unwrap();
        held.push(conn);
    }
    assert!(sim.wait_until(SOON, |sim| sim.counts("stall-headers").active() == 2).await);
    let mut third = Conn::open(proxy.data).await.unwrap();
    third.send(&chat("openai", "fast", false)).await.unwrap();
    assert!(!third.read_until(Duration::from_millis(400), |answer| answer.status != 0).await);
    assert_eq!(sim.counts("fast").started, 0);
    assert_eq!(
        proxy.metrics().await.sum("tidegate_client_connections", &[]),
        2.0,
        "the admin port has its own"
    );
    drop(held);
    assert_eq!(third.answer(LONG).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_in_the_clients_dialect() {
    let (sim, proxy) = world(|setup| setup).await;
    let chat_path = "/v1/chat/completions";
    for (request, status) in [
        (post(chat_path, "", b"{"), 400),
        (post(chat_path, "", b""), 400),
        (post(chat_path, "", b"[]"), 400),
        (post(chat_path, "", b"{\"messages\":[]}"), 400),
        (post(chat_path, "", b"{\"model\":7,\"messages\":[]}"), 400),
        (post(chat_path, "", "{\"model\":\"\u{0}\",\"messages\":[]}".as_bytes()), 400),
        (post(chat_path, "", b"\xff\xfe"), 400),
        (chat("nobody", "fast", true), 404),
        (get("/v1/nothing", ""), 404),
        (get(chat_path, ""), 405),
        (post("/v1/models", "", b"{}"), 405),
    ] {
        let answer = ask(proxy.data, &request, LONG).await;
        let shown = String::from_utf8_lossy(&request).into_owned();
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        assert_eq!(
            Told::of(&answer, false).map(|told| told.terminal),
            Ok(Terminal::Error(status)),
            "{shown}"
        );
    }
    let unknown = ask(proxy.data, &chat("nobody", "fast", true), LONG).await.text();
    assert!(unknown.contains("nobody") && unknown.contains("gemini"), "{unknown}");
    assert_eq!(sim.all_counts().len(), 0, "nothing of this reached an upstream");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_asked_for_in_every_place() {
    let (sim, proxy) = world(|setup| setup.general("master_key: sk-right")).await;
    for name in ["Authorization", "x-litellm-api-key", "api-key", "x-api-key", "x-goog-api-key"] {
        for value in ["sk-right", "Bearer sk-right"] {
            let header = format!("{name}: {value}\r\n");
            let answer = ask(proxy.data, &chat_with(&header, "openai", "fast", false), LONG).await;
            assert_eq!(answer.status, 200, "{header}: {}", answer.text());
        }
        let header = format!("{name}: Bearer sk-wrong\r\n");
        for request in [chat_with(&header, "openai", "fast", true), get("/v1/models", &header)] {
            assert_eq!(ask(proxy.data, &request, LONG).await.status, 401, "{header}");
        }
    }
    for request in [chat("openai", "fast", false), get("/models", "")] {
        assert_eq!(ask(proxy.data, &request, LONG).await.status, 401);
    }
    assert_eq!(sim.counts("fast").started, 10);
    assert!(!proxy.log().contains("sk-right"), "a key is in the log");
    assert_eq!(ask(proxy.data, &get("/health/liveliness", ""), LONG).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_and_may_be_pipelined() {
    let (_sim, proxy) = world(|setup| setup).await;
    let mut conn = Conn::open(proxy.data).await.unwrap();
    let one = chat("openai", "fast", true);
    let three =
        [chat("gemini", "fast", true), chat("openai", "http-400", true), chat("vertex", "fast", false)]
            .concat();
    conn.send(&one).await.unwrap();
    assert_eq!(Told::of(&conn.answer(LONG).await, true).unwrap().text, healthy_text());
    conn.send(&three).await.unwrap();
    assert_eq!(Told::of(&conn.answer(LONG).await, true).unwrap().text, healthy_text());
    assert_eq!(conn.answer(LONG).await.status, 400);
    assert_eq!(Told::of(&conn.answer(LONG).await, false).unwrap().text, healthy_text());
    // An error in mid-stream ends the stream, not the connection.
    conn.send(&chat("gemini", "429-frame-open", true)).await.unwrap();
    assert_eq!(Told::of(&conn.answer(LONG).await, true).unwrap().text, fault_text());
    conn.send(&one).await.unwrap();
    assert_eq!(Told::of(&conn.answer(LONG).await, true).unwrap().text, healthy_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_closes_only_its_own_half_is_a_client_that_left() {
    let (sim, proxy) = world(|setup| setup.clock("content_idle: 30s").clock("byte_idle: 30s")).await;
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat("openai", "stall-mid", true)).await.unwrap();
    assert!(conn.read_until(SOON, |answer| answer.text().contains("🌊")).await);
    conn.stream.shutdown().await.unwrap();
    assert!(sim.wait_until(SOON, |sim| sim.counts("stall-mid").cut == 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_never_end_hold_up_nobody() {
    let (_sim, proxy) = world(|setup| setup).await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut conn = Conn::open(proxy.data).await.unwrap();
        conn.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\nx-slow: ").await.unwrap();
        slow.push(conn);
    }
    assert_eq!(told(&proxy, "gemini", "fast", true).await.text, healthy_text());
    for conn in &mut slow {
        conn.send(b"y").await.unwrap();
    }
    assert_eq!(told(&proxy, "openai", "fast", true).await.text, healthy_text());
    drop(slow);
    proxy.metrics_when("they are gone", |m| m.sum("tidegate_client_connections", &[]) <= 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_without_tls_is_served() {
    let (sim, proxy) = world(|setup| setup.clock("content_idle: 30s").clock("byte_idle: 30s")).await;
    let stream = TcpStream::connect(proxy.data).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driving = tokio::spawn(connection);
    let request = |model: &str, scenario: &str| {
        hyper::Request::post(format!("http://{}/v1/chat/completions", proxy.data))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body(model, scenario, true).to_string())))
            .unwrap()
    };
    // All at once on one connection.
    let asked = [("openai", "fast"), ("gemini", "fast"), ("vertex", "429-frame-end"), ("gemini", "http-429")];
    let answers: Vec<_> =
        asked.iter().map(|(model, scenario)| sender.send_request(request(model, scenario))).collect();
    let mut texts = Vec::new();
    for answer in answers {
        let answer = answer.await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        texts.push((status, body));
    }
    for (status, body) in &texts[..2] {
        let (events, rest) = sse::events(body).unwrap();
        assert_eq!((*status, events.last().unwrap().data.as_str(), rest.as_str()), (200, "[DONE]", ""));
    }
    let last = sse::events(&texts[2].1).unwrap().0.pop().unwrap();
    assert!(last.data.contains("\"code\":\"429\""), "{last:?}");
    assert_eq!(texts[3].0, 429);

    // A stream that is reset takes its upstream with it, and leaves the connection to the others.
    let mut begun = sender.send_request(request("gemini", "stall-mid")).await.unwrap();
    begun.body_mut().frame().await.unwrap().unwrap();
    drop(begun);
    assert!(sim.wait_until(SOON, |sim| sim.counts("stall-mid").cut == 1).await);
    assert_eq!(sender.send_request(request("openai", "fast")).await.unwrap().status(), 200);
    driving.abort();
}
