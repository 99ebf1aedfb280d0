//! Load that is heavy, slow or silent without being at fault: the watchdog must find nothing. Each of these ends with no
//! verdict of any rule that it keeps, and with every stream whole.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tidegate_sim::{Script, Sim};
use tidegate_tests::client::{ask, chat, chat_with};
use tidegate_tests::{Answer, Conn, Proxy, Setup, Terminal, Told};
use tokio::task::JoinHandle;

use crate::world::{LONG, sim};

const VERY_LONG: Duration = Duration::from_secs(300);

const FINISH: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

fn chunk(text: &str) -> String {
    format!(
        r#"data: {{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}]}}"#
    ) + "\n\n"
}

fn end(script: Script) -> Script {
    script.write(format!("{FINISH}\n\ndata: [DONE]\n\n"))
}

/// So many pieces, as fast as they go.
fn unpaced(pieces: usize) -> Script {
    end((0..pieces.div_ceil(1_000)).fold(Script::sse(), |script, _| script.write(chunk("a").repeat(1_000))))
}

/// So many pieces with a pause before each.
fn paced(pieces: usize, pause: Duration) -> Script {
    end((0..pieces).fold(Script::sse(), |script, _| script.write(chunk("a")).pause(pause)))
}

async fn proxy(sim: &Sim) -> Proxy {
    Proxy::start_with(&Setup::of(sim).yaml(), &[("TIDEGATE_WORKERS", "2")]).await
}

fn begin(proxy: &Proxy, scenario: &str) -> JoinHandle<Answer> {
    let (addr, request) = (proxy.data, chat("openai", scenario, true));
    tokio::spawn(async move { ask(addr, &request, VERY_LONG).await })
}

async fn whole(answer: JoinHandle<Answer>, pieces: usize) {
    let told = Told::of(&answer.await.unwrap(), true).unwrap();
    assert_eq!((told.terminal, told.text.len()), (Terminal::Done, pieces), "{}", told.message);
}

/// Nothing was found; warnings are none either, since each of them is a line in somebody's log.
async fn nothing_found(proxy: &Proxy) {
    let metrics = proxy.metrics().await;
    for action in ["observed", "aborted", "shut", "braked"] {
        assert_eq!(
            metrics.sum("tidegate_watchdog_verdicts_total", &[("action", action)]),
            0.0,
            "{action}:\n{}",
            proxy.log()
        );
    }
    assert_eq!(metrics.sum("tidegate_quarantines_total", &[]), 0.0);
    assert_eq!(metrics.sum("tidegate_watchdog_takeovers_total", &[]), 0.0);
}

/// Two processes that want a core each, for as long as this lives.
struct Hogs(Vec<Child>);

impl Hogs {
    fn start() -> Self {
        let hog = || {
            let mut command = Command::new("sh");
            command.args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap()
        };
        Self(vec![hog(), hog()])
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            hog.kill().ok();
            hog.wait().ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_200_000_pieces_without_a_pause() {
    let sim = sim().await;
    sim.script("replay", unpaced(200_000));
    let proxy = proxy(&sim).await;
    whole(begin(&proxy, "replay"), 200_000).await;
    nothing_found(&proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_streams_that_saturate_it() {
    let sim = sim().await;
    sim.script("saturate", unpaced(2_000));
    let proxy = proxy(&sim).await;
    let streams: Vec<_> = (0..200).map(|_| begin(&proxy, "saturate")).collect();
    for stream in streams {
        whole(stream, 2_000).await;
    }
    nothing_found(&proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_take_little_at_a_time() {
    let sim = sim().await;
    sim.script("much", unpaced(20_000));
    let proxy = proxy(&sim).await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut conn = Conn::open(proxy.data).await.unwrap();
        conn.send(&chat("openai", "much", true)).await.unwrap();
        readers.push(conn);
    }
    // Each is left alone for a while, then takes what fits into the sockets, again and again.
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for conn in &mut readers {
            let had = conn.so_far().body.len();
            conn.read_until(Duration::from_millis(50), |answer| answer.body.len() > had + 20_000).await;
        }
    }
    for mut conn in readers {
        let told = Told::of(&conn.answer(VERY_LONG).await, true).unwrap();
        assert_eq!((told.terminal, told.text.len()), (Terminal::Done, 20_000), "{}", told.message);
    }
    nothing_found(&proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_stopped_and_continued() {
    let sim = sim().await;
    sim.script("paced", paced(100, Duration::from_millis(50)));
    // The clocks of the relay run on while it is stopped; they are longer than that.
    let proxy = proxy(&sim).await;
    let streams: Vec<_> = (0..50).map(|_| begin(&proxy, "paced")).collect();
    assert!(sim.wait_until(LONG, |sim| sim.counts("paced").active() == 50).await);
    for _ in 0..3 {
        proxy.signal(Signal::SIGSTOP);
        tokio::time::sleep(Duration::from_secs(4)).await;
        proxy.signal(Signal::SIGCONT);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    for stream in streams {
        whole(stream, 100).await;
    }
    nothing_found(&proxy).await;
    assert!(
        proxy.metrics().await.sum("tidegate_watchdog_skipped_ticks_total", &[]) >= 1.0,
        "was it stopped?"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_other_processes_that_want_all_cores() {
    let sim = sim().await;
    sim.script("paced", paced(100, Duration::from_millis(50)));
    sim.script("fast", unpaced(20_000));
    let proxy = proxy(&sim).await;
    let _hogs = Hogs::start();
    let streams: Vec<_> = (0..50).map(|_| begin(&proxy, "paced")).collect();
    let fast: Vec<_> = (0..4).map(|_| begin(&proxy, "fast")).collect();
    for stream in streams {
        whole(stream, 100).await;
    }
    for stream in fast {
        whole(stream, 20_000).await;
    }
    nothing_found(&proxy).await;
}

/// A model that thinks for long before it says anything, with its clocks raised. Here for 12 s, twice, which is longer than every
/// wall-time threshold of the watchdog (10 s); `TIDEGATE_TEST_SILENCE=300` makes it the real five minutes.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_silent_for_long() {
    let seconds =
        std::env::var("TIDEGATE_TEST_SILENCE").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let silence = Duration::from_secs(seconds);
    let sim = sim().await;
    sim.script(
        "thinks",
        end(Script::sse().pause(silence).write(chunk("a")).pause(silence).write(chunk("b"))),
    );
    let setup =
        Setup::of(&sim).clock("first_content: 20m").clock("content_idle: 20m").clock("byte_idle: 20m");
    let proxy = Proxy::start_with(&setup.yaml(), &[("TIDEGATE_WORKERS", "2")]).await;
    let (addr, request) = (proxy.data, chat("openai", "thinks", true));
    let answer = ask(addr, &request, silence * 2 + LONG).await;
    let told = Told::of(&answer, true).unwrap();
    assert_eq!((told.terminal, told.text.as_str()), (Terminal::Done, "ab"), "{}", told.message);
    nothing_found(&proxy).await;
}

async fn blocks_for_a_while(thresholds: &str) -> Proxy {
    let sim = sim().await;
    sim.script("paced", paced(20, Duration::from_millis(20)));
    let setup = Setup::of(&sim).tidegate(&format!("watchdog: {{thresholds: {{{thresholds}}}}}"));
    let proxy = Proxy::start_with(&setup.yaml(), &[("TIDEGATE_WORKERS", "2")]).await;
    let request = chat_with("x-tidegate-fault: blocked=2s\r\n", "openai", "paced", true);
    let (addr, beside) = (proxy.data, begin(&proxy, "paced"));
    ask(addr, &request, LONG).await;
    whole(beside, 20).await;
    proxy
}

/// A poll that waits for two seconds is bad manners, and no reason to end a stream.
#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_is_blocked_for_a_while() {
    let proxy = blocks_for_a_while("").await;
    nothing_found(&proxy).await;
}

/// What these tests look at is not always 0: with a threshold that takes no account of busy machines the same is found.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_careless_threshold_it_would_be_found() {
    let proxy = blocks_for_a_while("r4: {cpu: 100ms, wall: 300ms}").await;
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_watchdog_verdicts_total", &[("rule", "R4"), ("action", "shut")]), 1.0);
}
