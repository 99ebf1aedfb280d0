//! What the log is written to may fail, or take nothing for ever: no request may wait for it, and none may end with it.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tempfile::TempDir;
use tidegate_sim::{Script, Sim, healthy_text};
use tidegate_tests::client::{ask, body, chat, get, post};
use tidegate_tests::proxy::built;
use tidegate_tests::{Metrics, Proxy, Setup, Told};
use tokio::process::{Child, Command};

use crate::world::{LONG, fetch, sim};

/// A proxy whose log goes where it cannot be read: its addresses are chosen here.
struct Mute {
    child: Child,
    data: SocketAddr,
    admin: SocketAddr,
    _dir: TempDir,
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn start(sim: &Sim, stderr: Stdio) -> Mute {
    let (data, admin, dir) = (free(), free(), tempfile::tempdir().unwrap());
    let setup = Setup::of(sim).short_clocks();
    let yaml = setup.tidegate(&format!("listen: {data}")).tidegate(&format!("admin: {admin}")).yaml();
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, yaml).unwrap();
    let mut command = Command::new(built().join("tidegate"));
    command
        .arg("serve")
        .arg("-c")
        .arg(&file)
        .env_clear()
        .env("HOME", dir.path())
        .env("TIDEGATE_LOG", "trace");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).kill_on_drop(true);
    let mut mute = Mute { child: command.spawn().unwrap(), data, admin, _dir: dir };
    let until = Instant::now() + LONG;
    while Metrics::try_scrape(admin, Duration::from_secs(1)).await.is_none() {
        assert_eq!(mute.child.try_wait().unwrap(), None, "it ended because it cannot log");
        assert!(Instant::now() < until, "it does not serve");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    mute
}

impl Mute {
    /// Asks for errors, which are logged, until lines are lost; every one is answered.
    async fn until_lines_are_lost(&self) {
        let until = Instant::now() + LONG;
        loop {
            for _ in 0..50 {
                let answer = ask(self.data, &chat("openai", "http-500", true), LONG).await;
                assert_eq!(answer.status, 500, "{answer:?}");
            }
            if Metrics::scrape(self.admin).await.sum("tidegate_log_lines_lost_total", &[]) > 0.0 {
                return;
            }
            assert!(Instant::now() < until, "no line was lost: the test has no point");
        }
    }

    /// It serves as if there were no log, and ends when it is told to.
    async fn serves_and_ends(mut self) {
        let answer = ask(self.data, &chat("openai", "fast", true), LONG).await;
        assert_eq!(Told::of(&answer, true).unwrap().text, healthy_text());
        assert_eq!(
            ask(self.admin, &get("/health/readiness", "connection: close\r\n"), LONG).await.status,
            200
        );
        kill(Pid::from_raw(self.child.id().unwrap().try_into().unwrap()), Signal::SIGTERM).unwrap();
        let ended = tokio::time::timeout(LONG, self.child.wait()).await.unwrap().unwrap();
        assert_eq!(ended.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_no_request() {
    let sim = sim().await;
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mute = start(&sim, full.into()).await;
    mute.until_lines_are_lost().await;
    mute.serves_and_ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_nobody_reads_holds_no_request() {
    let sim = sim().await;
    let mut mute = start(&sim, Stdio::piped()).await;
    let unread = mute.child.stderr.take().unwrap();
    mute.until_lines_are_lost().await;
    mute.serves_and_ends().await;
    drop(unread);
}

/// A prompt, its answer, and every key there is: the client's, in each of its places, and the providers'.
const MARKS: [&str; 7] = [
    "hunter2",
    "zebra-in-the-prompt",
    "giraffe-in-the-answer",
    "sim-key",
    "ya29.",
    "QUtaebra",
    "PRIVATE KEY",
];

/// An answer that repeats what was asked, and an error that does.
fn echoes(sim: &Sim) {
    let chunk = |delta: serde_json::Value, finish: Option<&str>| {
        let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
        format!("data: {chunk}\n\n")
    };
    let said = chunk(json!({"content": "giraffe-in-the-answer"}), None);
    let end = chunk(json!({}), Some("stop"));
    sim.script("echo", Script::sse().write(format!("{said}{end}data: [DONE]\n\n")));
    let error = json!({"error": {"message": "you said: zebra-in-the-prompt", "type": "invalid_request_error",
        "param": "zebra-in-the-prompt", "code": "zebra in the prompt"}});
    sim.script("echo-error", Script::json(400, error.to_string()));
    sim.script("echo-late", Script::sse().write(said).write(format!("data: {error}\n\n")));
    sim.script("echo-stray", Script::sse().write("zebra-in-the-prompt: giraffe-in-the-answer\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_no_level_is_a_key_or_a_prompt_in_the_log() {
    let sim = sim().await;
    echoes(&sim);
    let setup = Setup::of(&sim)
        .short_clocks()
        .model("anthropic", "anthropic", &sim, "")
        .model("bedrock", "bedrock", &sim, "")
        .general("master_key: hunter2");
    let proxy = Proxy::start_with(&setup.yaml(), &[("TIDEGATE_LOG", "trace")]).await;
    let marked = |model: &str, scenario: &str| {
        let mut body = body(model, scenario, true);
        body["messages"] =
            json!([{"role": "user", "content": format!("zebra-in-the-prompt sim:{scenario}")}]);
        body.to_string().into_bytes()
    };
    let keys = [
        "authorization: Bearer hunter2\r\n",
        "x-api-key: hunter2\r\n",
        "api-key: hunter2\r\n",
        "x-goog-api-key: hunter2\r\n",
        "authorization: Bearer not-hunter2\r\n",
    ];
    let models = ["openai", "gemini", "vertex", "anthropic", "bedrock"];
    for (number, model) in models.iter().enumerate() {
        for scenario in ["fast", "http-500", "echo", "echo-error", "echo-late", "echo-stray"] {
            let key = keys[number % keys.len()];
            let _ = ask(proxy.data, &post("/v1/chat/completions", key, &marked(model, scenario)), LONG).await;
        }
    }
    let bearer = "authorization: Bearer hunter2\r\n";
    for scenario in ["echo", "echo-error", "echo-late", "echo-stray"] {
        let _ =
            ask(proxy.data, &post("/v1/chat/completions", bearer, &marked("openai", scenario)), LONG).await;
    }
    // What cannot be read, and what is asked for by a key in the query.
    for bad in [
        r#"{"model": "openai", "messages": "zebra-in-the-prompt"}"#,
        r#"{"model": "openai", "stream": "zebra-in-the-prompt"}"#,
        r#"{"zebra-in-the-prompt": "#,
    ] {
        let _ = ask(proxy.data, &post("/v1/chat/completions", bearer, bad.as_bytes()), LONG).await;
    }
    let google = json!({"contents": [{"parts": [{"text": "zebra-in-the-prompt sim:fast"}]}]}).to_string();
    let path = "/v1beta/models/gemini:generateContent?key=hunter2";
    assert_eq!(ask(proxy.data, &post(path, "", google.as_bytes()), LONG).await.status, 200);
    let _ = ask(proxy.data, &post("/v1/nowhere?key=hunter2", bearer, google.as_bytes()), LONG).await;
    // HTTP/2 has its own library, with its own log.
    let stream = tokio::net::TcpStream::connect(proxy.data).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driving = tokio::spawn(connection);
    for (key, status) in [("Bearer hunter2", 200), ("Bearer not-hunter2", 401)] {
        let request = hyper::Request::post(format!("http://{}/v1/chat/completions", proxy.data))
            .header("content-type", "application/json")
            .header("authorization", key)
            .body(Full::new(Bytes::from(marked("openai", "echo"))))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), status);
        let _ = answer.into_body().collect().await.unwrap();
    }
    drop(sender);
    driving.await.unwrap().unwrap();

    proxy.logged("attempt failed").await;
    let log = proxy.log();
    assert!(log.contains("\"TRACE\""), "it is not the whole log");
    for line in log.lines() {
        for mark in MARKS {
            assert!(!line.contains(mark), "{mark} is in the log: {line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_words_are_logged_where_that_is_wanted() {
    let sim = sim().await;
    echoes(&sim);
    let words = "attempt failed: you said: zebra-in-the-prompt";
    let setup = || Setup::of(&sim).short_clocks();
    let proxy = Proxy::start(&setup().tidegate("log_upstream_errors: true").yaml()).await;
    assert_eq!(fetch(&proxy, "openai", "echo-error", true).await.status, 400);
    proxy.logged(words).await;
    // The tests above can see such a line.
    let quiet = Proxy::start(&setup().yaml()).await;
    assert_eq!(fetch(&quiet, "openai", "echo-error", true).await.status, 400);
    quiet.logged("attempt failed: in words that are not logged").await;
    assert!(!quiet.log().contains("zebra"), "{}", quiet.log());
    let line = quiet.log().lines().find(|line| line.contains("attempt failed")).unwrap().to_owned();
    assert!(line.contains("\"request_id\":\"req_") && line.contains("\"status\":400"), "{line}");
}
