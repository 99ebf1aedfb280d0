//! A translator that answers later, as a worker process does: the client gets the same bytes, however the upstream's are
//! cut and however late each answer is; meanwhile nothing is read, and the clocks run.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderMap;
use proptest::prelude::*;
use serde_json::json;
use tidegate_host::{
    Answer, Close, End, Events, Framing, HeadIn, LoadOptions, Plugin, PluginError, ProviderInstance, Stream,
};
use tokio::time::{Instant, advance};

use super::classify::Head;
use super::clocks::{Clocks, Limits};
use super::live::Live;
use super::reader::{Client, Step};
use super::source::Source;
use super::translator::Translator;
use crate::dialects::Dialect;
use crate::framing::{Framer, JsonArray, Sse};
use crate::upstream::{Body, BodyError, Scripted};

const S: Duration = Duration::from_secs(1);

const GOOD: &str = concat!(
    r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":"Ebbe "}]},"index":0}],"modelVersion":"m"}"#,
    "\r\n\r\n: a comment\r\n\r\n",
    r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":"Flut"}]},"index":0}],"modelVersion":"m"}"#,
    "\n\n",
    r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2,"totalTokenCount":3},"modelVersion":"m"}"#,
    "\r\n\r\n",
);

const USAGE: &str = r#""usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2,"totalTokenCount":3},"#;

const ERROR: &str = r#"{"error":{"code":503,"message":"full","status":"UNAVAILABLE"}}"#;

/// A good answer, and each way to spoil it that the reader or the plugin tells apart.
fn texts() -> Vec<(bool, String)> {
    let (first, rest) = GOOD.split_at(GOOD.find(": a comment").unwrap());
    let elements: Vec<&str> = GOOD.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let sse = |text: String| (false, text);
    vec![
        sse(GOOD.to_owned()),
        sse(GOOD.replace(USAGE, "")),
        sse(first.to_owned()),
        sse(format!("{first}event: error\n\n{rest}")),
        sse(format!("{first}data: {ERROR}\n\n{rest}")),
        sse(format!("{first}{ERROR}\n\n{rest}")),
        sse(format!("{first}<html>busy</html>\n\n{rest}")),
        sse(format!("{first}data: {{\"candidates\":[{{\"con\n\n{rest}")),
        sse(format!("{GOOD}data: [DONE]\n\n{GOOD}")),
        sse(format!("{GOOD}event: error\n\n")),
        sse(String::new()),
        (true, format!("[{}]", elements.join(",\r\n"))),
        (true, format!("[{},{ERROR}]", elements[0])),
        (true, format!("[{}", elements.join(","))),
    ]
}

fn provider() -> (Arc<Plugin>, ProviderInstance) {
    let file =
        format!("{}tidegate_plugin_gemini{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let beside = std::env::current_exe().unwrap();
    let plugin =
        tidegate_host::load(&beside.parent().unwrap_or(Path::new("/")).join(file), &LoadOptions::default())
            .unwrap();
    let config = json!({"provider": "gemini", "model": "m", "params": {}, "secrets": []});
    let instance = plugin.provider().unwrap().create(&config).unwrap();
    (plugin, instance)
}

/// The stream of a plugin that runs inline, told to be late.
struct Late {
    inner: Stream,
    remote: bool,
    /// Polls that find no answer yet.
    lag: u32,
    left: u32,
    /// Nothing is answered until this is set.
    free: Arc<AtomicBool>,
    asked: VecDeque<(Vec<u8>, Vec<u8>, bool)>,
    end: bool,
    waiting: bool,
}

impl Translator for Late {
    fn is_remote(&self) -> bool {
        self.remote
    }

    fn prefetch<'a>(&mut self, events: impl Iterator<Item = (&'a [u8], &'a [u8], bool)>, end: bool) {
        if !self.remote {
            return;
        }
        assert!(!self.waiting, "one prefetch at a time");
        self.asked = events.map(|(name, data, stray)| (name.to_vec(), data.to_vec(), stray)).collect();
        (self.end, self.waiting, self.left) = (end, true, self.lag);
        assert!(end || !self.asked.is_empty(), "a frame for nothing");
    }

    fn poll_prefetched(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting && (self.left > 0 || !self.free.load(Relaxed)) {
            self.left = self.left.saturating_sub(1);
            if self.free.load(Relaxed) {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        self.waiting = false;
        Poll::Ready(())
    }

    fn event(
        &mut self,
        name: &[u8],
        data: &[u8],
        stray: bool,
        out: &mut Events,
    ) -> Result<Answer, PluginError> {
        if self.remote {
            assert!(!self.waiting, "it has not answered");
            let asked = self.asked.pop_front().expect("it was not asked about this event");
            assert_eq!(asked, (name.to_vec(), data.to_vec(), stray));
        }
        let answer = self.inner.event(name, data, stray, out);
        // A worker ends the stream itself when a call noted that nothing follows.
        self.end |= out.is_done();
        answer
    }

    fn end(&mut self, out: &mut Events) -> Result<End, PluginError> {
        assert!(!self.remote || (self.end && !self.waiting), "it was not asked for the end");
        self.inner.end(out)
    }

    fn close(self, why: Close) {
        self.inner.close(why);
    }
}

struct World {
    // The library stays.
    _plugin: Arc<Plugin>,
    provider: ProviderInstance,
}

impl World {
    fn new() -> Self {
        let (plugin, provider) = provider();
        Self { _plugin: plugin, provider }
    }

    fn source(&self, polls: Vec<Scripted>, array: bool, lag: Option<u32>) -> (Source<Late>, Arc<AtomicBool>) {
        let framing = if array { Framing::JsonArray } else { Framing::Sse };
        let head = HeadIn {
            http_status: 200,
            dialect: tidegate_host::Dialect::OpenaiChat,
            framing,
            model: "m",
            headers: &[],
            unix_ms: 1_767_225_600_000,
            seed: 7,
        };
        let Poll::Ready(opened) =
            std::pin::pin!(self.provider.open(&head)).poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("an inline call waits")
        };
        let free = Arc::new(AtomicBool::new(true));
        let late = Late {
            inner: opened.unwrap(),
            remote: lag.is_some(),
            lag: lag.unwrap_or(0),
            left: 0,
            free: free.clone(),
            asked: VecDeque::new(),
            end: false,
            waiting: false,
        };
        let framer =
            if array { Framer::JsonArray(JsonArray::new(1 << 16)) } else { Framer::Sse(Sse::new(1 << 16)) };
        let head =
            Head { provider: self.provider.clone(), status: StatusCode::OK, headers: HeaderMap::new() };
        let client =
            Client { dialect: Dialect::OpenAiChat, include_usage: true, hide_usage: false, several: false };
        (Source::new(Body::script(polls), framer, head, client, Some(late), 1 << 16), free)
    }

    /// All that a client gets of these reads, and how it ends.
    fn outcome(&self, polls: Vec<Scripted>, array: bool, lag: Option<u32>) -> (String, String) {
        let (mut source, _) = self.source(polls, array, lag);
        let mut cx = Context::from_waker(Waker::noop());
        let mut bytes = Vec::new();
        for _ in 0..100_000 {
            match source.poll_step(&mut cx) {
                Poll::Ready(Step::Data { bytes: more, .. }) => bytes.extend_from_slice(&more),
                Poll::Ready(ended) => return (String::from_utf8(bytes).unwrap(), format!("{ended:?}")),
                Poll::Pending => {}
            }
        }
        panic!("it does not end");
    }
}

fn reads(pieces: &[&[u8]], end: impl Fn() -> Scripted) -> Vec<Scripted> {
    let mut polls: Vec<Scripted> = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        if at % 3 == 2 {
            polls.push(Poll::Pending);
        }
        polls.push(Poll::Ready(Some(Ok(Bytes::copy_from_slice(piece)))));
    }
    polls.push(end());
    polls
}

fn ends() -> [fn() -> Scripted; 2] {
    [|| Poll::Ready(None), || Poll::Ready(Some(Err(BodyError::Incomplete)))]
}

#[test]
fn a_late_translator_gives_the_same_bytes_for_every_split() {
    let world = World::new();
    let mut seen = std::collections::BTreeSet::new();
    for (array, text) in texts() {
        for end in ends() {
            let inline = world.outcome(reads(&[text.as_bytes()], end), array, None);
            seen.insert(inline.1.clone());
            for at in 0..text.len() {
                let pieces = [&text.as_bytes()[..at], &text.as_bytes()[at..]];
                for lag in [0, 2] {
                    let late = world.outcome(reads(&pieces, end), array, Some(lag));
                    assert_eq!(late, inline, "cut at {at} of {text}");
                }
            }
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(world.outcome(reads(&bytes, end), array, Some(1)), inline, "byte by byte: {text}");
        }
    }
    assert!(seen.len() >= 6, "the texts end in few ways: {seen:#?}");
    assert!(seen.contains("Done"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn garbage_in_any_pieces_gives_the_same(
        which in 0..14usize,
        cuts in prop::collection::vec(0..1200usize, 0..8),
        noise in prop::collection::vec((0..1200usize, any::<u8>()), 0..3),
        lag in 0..3u32,
    ) {
        let world = World::new();
        let (array, text) = texts().swap_remove(which);
        let mut bytes = text.into_bytes();
        for (at, byte) in noise {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        for end in ends() {
            let inline = world.outcome(reads(&pieces, end), array, None);
            prop_assert_eq!(world.outcome(reads(&pieces, end), array, Some(lag)), inline);
        }
    }
}

fn live(source: Source<Late>, limits: Limits) -> Live<Late> {
    let now = Instant::now();
    Live::new(source, Clocks::start(limits, 600 * S, now + 600 * S, now))
}

const LIMITS: Limits = Limits {
    first_content: Duration::from_secs(100),
    content_idle: Duration::from_secs(100),
    byte_idle: Duration::from_secs(50),
};

async fn step(live: &mut Live<Late>) -> Step {
    poll_fn(|cx| live.poll_step(cx).step).await
}

/// What it gives within a second; `None` if nothing.
async fn soon(live: &mut Live<Late>) -> Option<Step> {
    tokio::time::timeout(S, step(live)).await.ok()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_while_an_answer_is_awaited() {
    let world = World::new();
    let (first, rest) = GOOD.split_at(GOOD.find(": a comment").unwrap());
    let (source, free) =
        world.source(reads(&[first.as_bytes(), rest.as_bytes()], || Poll::Ready(None)), false, Some(0));
    let mut live = live(source, LIMITS);
    free.store(false, Relaxed);
    let moved = poll_fn(|cx| Poll::Ready(live.poll_step(cx))).await;
    assert!(moved.step.is_pending());
    assert_eq!(moved.received, first.len() as u64);
    for _ in 0..10 {
        assert_eq!(poll_fn(|cx| Poll::Ready(live.poll_step(cx))).await.received, 0);
    }
    free.store(true, Relaxed);
    let mut bytes = Vec::new();
    while let Step::Data { bytes: more, .. } = step(&mut live).await {
        bytes.extend_from_slice(&more);
    }
    assert!(String::from_utf8(bytes).unwrap().ends_with("data: [DONE]\n\n"));
}

#[tokio::test(start_paused = true)]
async fn the_clocks_run_while_an_answer_is_awaited() {
    let world = World::new();
    let (source, free) = world.source(reads(&[GOOD.as_bytes()], || Poll::Ready(None)), false, Some(0));
    let mut live = live(source, LIMITS);
    free.store(false, Relaxed);
    let begin = Instant::now();
    let Step::Failed(failure) = step(&mut live).await else { panic!("it did not fail") };
    assert!(failure.message.contains("no byte for 50s"), "{failure:?}");
    assert_eq!(begin.elapsed().as_secs(), 50);
    live.close(true);
}

/// An answer that says why it ended and does not end: its content, and the rest.
fn open_ended() -> (Bytes, Bytes) {
    let good = Bytes::from(GOOD.replace(USAGE, ""));
    let cut = GOOD.rfind("data: ").unwrap();
    (good.slice(..cut), good.slice(cut..))
}

fn came(read: Bytes) -> Scripted {
    Poll::Ready(Some(Ok(read)))
}

/// The grace is over, and the worker is asked for the end then.
#[tokio::test(start_paused = true)]
async fn the_grace_starts_with_the_answer_and_the_end_is_awaited() {
    let world = World::new();
    let (content, finish) = open_ended();
    let (source, free) = world.source(vec![came(content), Poll::Pending, came(finish)], false, Some(0));
    let mut live = live(source, LIMITS);
    assert!(matches!(soon(&mut live).await, Some(Step::Data { content: true, .. })));
    free.store(false, Relaxed);
    assert!(soon(&mut live).await.is_none());
    advance(7 * S).await;
    free.store(true, Relaxed);
    assert!(soon(&mut live).await.is_none(), "a second of the grace");
    free.store(false, Relaxed);
    advance(4 * S).await;
    assert!(soon(&mut live).await.is_none(), "it is over, and the worker has not answered");
    free.store(true, Relaxed);
    let Some(Step::Data { bytes, .. }) = soon(&mut live).await else { panic!("no end") };
    let end = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(end.contains(r#""finish_reason":"stop""#) && end.ends_with("data: [DONE]\n\n"), "{end}");
    assert!(live.take_done());
}

/// What comes while the grace runs out is read before the answer is called complete.
#[tokio::test(start_paused = true)]
async fn a_grace_that_is_over_waits_for_what_came_in_it() {
    let world = World::new();
    let (content, finish) = open_ended();
    let error = Bytes::from(format!("data: {ERROR}\n\n"));
    let polls = vec![came(content), came(finish), Poll::Pending, came(error)];
    let (source, free) = world.source(polls, false, Some(0));
    let mut live = live(source, LIMITS);
    assert!(matches!(soon(&mut live).await, Some(Step::Data { content: true, .. })));
    free.store(false, Relaxed);
    assert!(soon(&mut live).await.is_none());
    advance(10 * S).await;
    assert!(soon(&mut live).await.is_none(), "it may be more than the end");
    free.store(true, Relaxed);
    let Some(Step::Failed(failure)) = soon(&mut live).await else { panic!("not the error that came") };
    assert_eq!(failure.status, 503);
}
