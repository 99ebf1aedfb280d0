//! Every clock: what a request may shorten and not lengthen, what each is fed by, comments in a silence, and clients that
//! do not read or leave.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidegate_sim::{Ending, Script, healthy_text};
use tidegate_tests::client::{ask, body, chat, chat_with, post};
use tidegate_tests::config::PROVIDERS;
use tidegate_tests::{Conn, Proxy, Setup, Terminal, Told, sse};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::world::{LONG, told, world};

const SOON: Duration = Duration::from_secs(10);
const COMMENT: &str = ": keep-alive\n\n";

fn patient(setup: Setup) -> Setup {
    setup.clock("first_content: 60s").clock("content_idle: 60s").clock("byte_idle: 60s").clock("total: 60s")
}

fn event(text: &str) -> String {
    format!(
        "data: {{\"id\":\"a\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\
         \"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
    )
}

fn end() -> String {
    event("").replace("null", "\"stop\"") + "data: [DONE]\n\n"
}

async fn told_with(proxy: &Proxy, header: &str, model: &str, scenario: &str, stream: bool) -> Told {
    let answer = ask(proxy.data, &chat_with(&format!("{header}\r\n"), model, scenario, stream), LONG).await;
    Told::of(&answer, stream).unwrap_or_else(|why| panic!("{header} {model} {scenario}: {why}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_can_shorten_each_clock() {
    let (sim, proxy) = world(patient).await;
    sim.script(
        "chatty",
        (0..200).fold(Script::sse(), |script, _| script.write(event("x")).pause(Duration::from_millis(50))),
    );
    for (model, header, scenario, stream, status, words) in [
        (
            "openai",
            "x-tidegate-clocks: first_content=500ms",
            "stall-headers",
            true,
            504,
            "no content from the upstream within 500ms",
        ),
        (
            "gemini",
            "x-tidegate-clocks: first_content=500ms",
            "stall-first",
            true,
            504,
            "no content from the upstream within 500ms",
        ),
        (
            "gemini",
            "x-tidegate-clocks: content_idle=500ms",
            "stall-mid",
            true,
            504,
            "no further content for 500ms",
        ),
        (
            "openai",
            "X-Tidegate-Clocks: byte_idle=500ms, content_idle=2s",
            "stall-mid",
            true,
            504,
            "no byte for 500ms",
        ),
        ("openai", "x-tidegate-clocks: total=1s", "chatty", true, 504, "longer than 1s"),
        ("openai", "x-litellm-stream-timeout: 0.5", "stall-mid", true, 504, "no further content for 500ms"),
        (
            "openai",
            "x-litellm-timeout: 0.5",
            "stall-first",
            true,
            504,
            "no content from the upstream within 500ms",
        ),
        ("gemini", "x-litellm-timeout: 0.5", "stall-headers", false, 504, "longer than 500ms"),
    ] {
        let cut = told_with(&proxy, header, model, scenario, stream).await;
        assert_eq!(cut.terminal, Terminal::Error(status), "{header} {scenario}");
        assert!(cut.message.contains(words), "{header} {scenario}: {}", cut.message);
    }
    // What stands in the body is the same, and is not sent upstream.
    let mut request = body("openai", "stall-mid", true);
    request["stream_timeout"] = 0.5.into();
    let answer =
        ask(proxy.data, &post("/v1/chat/completions", "", request.to_string().as_bytes()), LONG).await;
    let cut = Told::of(&answer, true).unwrap();
    assert!(cut.message.contains("no further content for 500ms"), "{}", cut.message);
    // A good stream keeps within them.
    let good = told_with(&proxy, "x-litellm-timeout: 30", "gemini", "fast", true).await;
    assert_eq!(good.text, healthy_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_cannot_lengthen_a_clock_and_nonsense_is_refused() {
    let (sim, proxy) = world(|s| patient(s).clock("first_content: 700ms")).await;
    for header in ["x-tidegate-clocks: first_content=1h, total=2h", "x-litellm-timeout: 6000"] {
        let cut = told_with(&proxy, header, "openai", "stall-headers", true).await;
        assert!(cut.message.contains("within 700ms"), "{header}: {}", cut.message);
    }
    let called = sim.all_counts().values().map(|counts| counts.started).sum::<u64>();
    for (header, words) in [
        ("x-tidegate-clocks: frist_content=1s", "\"frist_content\" is no clock that a request can set"),
        ("x-tidegate-clocks: total=0s", "must be longer than 0s"),
        ("x-litellm-timeout: soon", "takes a number of seconds above 0, not \"soon\""),
    ] {
        let refused = told_with(&proxy, header, "openai", "fast", true).await;
        assert_eq!(refused.status, 400, "{header}");
        assert!(refused.message.contains(words), "{header}: {}", refused.message);
    }
    assert_eq!(sim.all_counts().values().map(|counts| counts.started).sum::<u64>(), called);
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_of_the_upstream_feed_the_byte_clock_alone() {
    let (sim, proxy) = world(|s| patient(s).clock("content_idle: 3s").clock("byte_idle: 1s")).await;
    let pings = |script: Script, ping: &str| {
        (0..60).fold(script, |script, _| script.write(ping.to_owned()).pause(Duration::from_millis(200)))
    };
    let silent = |script: Script| script.pause(Duration::from_secs(20));
    for (script, words) in [
        (pings(Script::sse().write(event("a")), ": ping\n\n"), "no further content for 3s"),
        // An event without content is no more than a comment.
        (pings(Script::sse().write(event("a")), &event("")), "no further content for 3s"),
        (silent(Script::sse().write(event("a"))), "no byte for 1s"),
    ] {
        sim.push_script(script);
        let cut = told(&proxy, "openai", "custom", true).await;
        assert_eq!((cut.text.as_str(), cut.terminal), ("a", Terminal::Error(504)));
        assert!(cut.message.contains(words), "{words}: {}", cut.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_stream_gets_comments_that_feed_nothing() {
    let (sim, proxy) = world(|s| {
        s.tidegate("keep_alive: 200ms")
            .tidegate("groups: {vertex: {keep_alive: 0s}}")
            .clock("content_idle: 3s")
    })
    .await;
    for (model, _) in PROVIDERS {
        let answer = ask(proxy.data, &chat(model, "stall-mid", true), LONG).await;
        let text = answer.text();
        let comments = text.matches(COMMENT).count();
        if model == "vertex" {
            assert_eq!(comments, 0, "its group has them off");
        } else {
            assert!((3..=15).contains(&comments), "{comments} within 2 s");
        }
        // Read strictly: each comment stands between events, none after the terminal, and the clock ran out as without.
        let cut = Told::of(&answer, true).unwrap();
        assert_eq!(cut.terminal, Terminal::Error(504), "{model}");
        // The last: an id may hold these digits too.
        assert!(!text.rsplit_once("504").unwrap().1.contains(COMMENT));
    }
    // Not one where the stream flows, nor before there is content: that failure is an HTTP status.
    let flowing = ask(proxy.data, &chat("openai", "fast", true), LONG).await;
    assert!(!flowing.text().contains(COMMENT));
    assert_eq!(told(&proxy, "openai", "stall-first", true).await.status, 504);
    // Good answers stay good: a silence, its comments, and the rest.
    let script = Script::sse().write(event("a")).pause(Duration::from_secs(1)).write(event("b") + &end());
    sim.push_script(script.ending(Ending::Complete));
    let answer = ask(proxy.data, &chat("openai", "custom", true), LONG).await;
    assert!(answer.text().matches(COMMENT).count() >= 2, "{}", answer.text());
    let good = Told::of(&answer, true).unwrap();
    assert_eq!((good.text.as_str(), good.terminal), ("ab", Terminal::Done));
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.get("tidegate_watchdog_verdicts_total", &[("action", "aborted")]).unwrap_or(0.0), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_reader_is_cut_by_its_group_s_clock_and_disturbs_nobody() {
    let (sim, proxy) = world(|s| {
        patient(s)
            .clock("client_idle: 60s")
            .tidegate("groups: {openai: {clocks: {client_idle: 700ms}}}")
            .tidegate("limits: {event: 32MiB}")
    })
    .await;
    // Content, then more of it than all buffers on the way hold, and then nothing: it is the reader that is waited for.
    let flood = event(&"x".repeat(60_000)).repeat(16);
    let script = (0..64).fold(Script::sse().write(event("a")), |script, _| script.write(flood.clone()));
    sim.script("backlog", script.write(end()).ending(Ending::Complete));

    let request = |model: &str, scenario: &str| {
        hyper::Request::post(format!("http://{}/v1/chat/completions", proxy.data))
            .body(Full::new(Bytes::from(body(model, scenario, true).to_string())))
            .unwrap()
    };
    let stream = TcpStream::connect(proxy.data).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driving = tokio::spawn(connection);
    let mut deaf_h2 = sender.send_request(request("openai", "backlog")).await.unwrap();
    deaf_h2.body_mut().frame().await.unwrap().unwrap();
    let mut deaf_h1 = Conn::open(proxy.data).await.unwrap();
    deaf_h1.send(&chat("openai", "backlog", true)).await.unwrap();
    assert!(deaf_h1.read_until(SOON, |answer| !answer.body.is_empty()).await);
    assert_eq!(sim.counts("backlog").started, 2);

    // Neighbours, on the same connection and on others, while both are deaf.
    for _ in 0..5 {
        let neighbour = sender.send_request(request("gemini", "fast")).await.unwrap();
        let answer = neighbour.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(sse::events(&answer).unwrap().0.last().unwrap().data, "[DONE]");
        assert_eq!(told(&proxy, "vertex", "fast", true).await.text, healthy_text());
    }
    let released = sim.wait_until(SOON, |sim| sim.counts("backlog").cut == 2).await;
    assert!(released, "the upstream calls outlive their readers: {:?}", sim.counts("backlog"));
    let metrics = proxy.metrics_when("both are gone", |m| m.sum("tidegate_active_streams", &[]) == 0.0).await;
    assert_eq!(metrics.sum("tidegate_client_connections_cut_total", &[("reason", "client_idle")]), 1.0);
    assert_eq!(metrics.sum("tidegate_request_endings_total", &[("kind", "client_gone")]), 2.0);
    // The connection of the HTTP/2 client still serves.
    assert_eq!(sender.send_request(request("openai", "fast")).await.unwrap().status(), 200);
    driving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_during_back_off_or_connecting_ends_it() {
    // A server that takes connections and says nothing: TLS to it never comes about.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}/v1", mute.local_addr().unwrap());
    let (sim, proxy) = world(|s| {
        patient(s.params("mute", &format!("model: openai/x, api_key: k, api_base: \"{base}\"")))
            .clock("connect: 60s")
            .router("num_retries: 2")
            .router("retry_after: 8")
    })
    .await;
    let mut gone = 0.0;
    let mut leave = async |conn: Conn| {
        drop(conn);
        gone += 1.0;
        proxy
            .metrics_when("it is gone", |m| {
                m.sum("tidegate_active_streams", &[]) == 0.0
                    && m.sum("tidegate_request_endings_total", &[("kind", "client_gone")]) == gone
            })
            .await
    };

    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat("mute", "fast", true)).await.unwrap();
    let (mut upstream, _) = tokio::time::timeout(LONG, mute.accept()).await.unwrap().unwrap();
    leave(conn).await;
    let closed = tokio::time::timeout(SOON, async {
        while upstream.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {}
    });
    assert!(closed.await.is_ok(), "the upstream connection outlives its client");

    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat("openai", "http-500", true)).await.unwrap();
    proxy.logged("attempt failed").await;
    let metrics = leave(conn).await;
    assert_eq!(sim.counts("http-500").started, 1, "nothing was sent after it had left");
    assert_eq!(
        metrics.sum("tidegate_attempts_total", &[("outcome", "cancelled")]),
        1.0,
        "none ran at the second"
    );
    // A request can shorten the connect clock too.
    let cut = told_with(&proxy, "x-tidegate-clocks: connect=300ms, total=5s", "mute", "fast", true).await;
    assert_eq!(cut.status, 504, "{}", cut.message);
}
