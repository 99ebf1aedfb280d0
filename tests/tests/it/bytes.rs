//! Bytes that nobody has shown the proxy: a good stream cut at every byte and ended in every way, split in every place,
//! and with garbage in it. Never a hang, and never a normal end that the upstream did not give.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value};
use tidegate_sim::{Ending, Framing, Script, Sim};
use tidegate_tests::client::chat;
use tidegate_tests::{Answer, Conn, End, Proxy, Setup, Terminal, Told, sse};
use tokio::task::JoinSet;

use crate::world::{LONG, sim};

const OPENAI: &str = concat!(
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
    "\n\n: a comment\n\n",
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Ebbe 潮 "},"finish_reason":null}]}"#,
    "\r\n\r\n",
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"\"Flut\"🌊"},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    "\n\n",
    "data: [DONE]\n\n",
);

const GEMINI: &str = concat!(
    r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":"Ebbe 潮 "}]},"index":0}],"modelVersion":"m"}"#,
    "\r\n\r\n: a comment\r\n\r\n",
    r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":"\"Flut\"🌊"}]},"index":0}],"modelVersion":"m"}"#,
    "\n\n",
    r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2,"totalTokenCount":3},"modelVersion":"m"}"#,
    "\r\n\r\n",
);

const TEXT: &str = "Ebbe 潮 \"Flut\"🌊";

/// A good stream, and from which byte on its terminal marker is there.
struct Good {
    model: &'static str,
    bytes: &'static str,
    /// Before this byte nothing may end normally.
    marker: usize,
}

fn good(model: &'static str) -> Good {
    let (bytes, marker) = match model {
        "openai" => (OPENAI, OPENAI.len() - 2),
        _ => (GEMINI, GEMINI.len() - 4),
    };
    Good { model, bytes, marker }
}

async fn start(isolated: &[&str]) -> (Arc<Sim>, Arc<Proxy>) {
    let sim = sim().await;
    let setup = Setup::of(&sim).isolated(isolated);
    let setup = setup.clock("first_content: 700ms").clock("content_idle: 700ms").clock("byte_idle: 700ms");
    let proxy = Proxy::start(&setup.yaml()).await;
    (Arc::new(sim), Arc::new(proxy))
}

/// Registers the scripts and asks for each, on connections that are kept, `abreast` at once.
async fn play(
    sim: &Sim,
    proxy: &Arc<Proxy>,
    model: &'static str,
    scripts: Vec<Script>,
    abreast: usize,
) -> Vec<Answer> {
    let count = scripts.len();
    for (number, script) in scripts.into_iter().enumerate() {
        sim.script(&format!("n-{model}-{number}"), script);
    }
    let mut asking = JoinSet::new();
    for lane in 0..abreast {
        let addr = proxy.data;
        asking.spawn(async move {
            let mut answers = Vec::new();
            let mut kept = None;
            for number in (lane..count).step_by(abreast) {
                let mut conn = match kept.take() {
                    Some(conn) => conn,
                    None => Conn::open(addr).await.unwrap(),
                };
                conn.send(&chat(model, &format!("n-{model}-{number}"), true)).await.unwrap();
                let answer = conn.answer(LONG).await;
                if answer.end == End::Complete {
                    kept = Some(conn);
                }
                answers.push((number, answer));
            }
            answers
        });
    }
    let mut answers = asking.join_all().await.concat();
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// One error, and before it nothing but a beginning of the good text; or the whole text with its normal end.
fn honest(answer: &Answer) -> Result<Terminal, String> {
    let told = Told::of(answer, true)?;
    match told.terminal {
        Terminal::Done if told.text == TEXT && told.finish.as_deref() == Some("stop") => Ok(Terminal::Done),
        Terminal::Done => Err(format!("a normal end after {:?}, {:?}", told.text, told.finish)),
        Terminal::Error(status @ (502 | 504)) if TEXT.starts_with(&told.text) => Ok(Terminal::Error(status)),
        Terminal::Error(status) => Err(format!("{status} after {:?}: {}", told.text, told.message)),
    }
}

async fn cut_at_every_byte(good: Good, framing: Framing, ending: Ending, abreast: usize, isolated: &[&str]) {
    let (sim, proxy) = start(isolated).await;
    let cuts = 0..=good.bytes.len();
    let scripts = cuts.clone().map(|at| {
        let script = Script::sse().framing(framing).ending(ending).write(&good.bytes.as_bytes()[..at]);
        // Bytes that a RST overtakes are lost in the kernel.
        if ending == Ending::Rst { script.pause(Duration::from_millis(20)) } else { script }
    });
    let answers = play(&sim, &proxy, good.model, scripts.collect(), abreast).await;
    let mut normal = 0;
    for (at, answer) in cuts.zip(answers) {
        let case = format!("{} cut at {at} of {}, {framing:?}, {ending:?}", good.model, good.bytes.len());
        let terminal = honest(&answer).unwrap_or_else(|why| panic!("{case}: {why}"));
        if terminal == Terminal::Done {
            normal += 1;
            assert!(at >= good.marker, "{case}: a normal end before the terminal marker was there");
        } else {
            assert!(at < good.bytes.len(), "{case}: the whole stream is called broken: {}", answer.text());
        }
    }
    assert!(normal >= 1);
}

macro_rules! cuts {
    ($($name:ident: $model:literal, $framing:expr, $ending:expr, $abreast:literal $(, in $process:literal)?;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            cut_at_every_byte(good($model), $framing, $ending, $abreast, &[$($process)?]).await;
        }
    )*};
}

cuts! {
    openai_cut_then_a_proper_end: "openai", Framing::Chunked, Ending::Complete, 8;
    openai_cut_then_fin: "openai", Framing::Chunked, Ending::Fin, 8;
    openai_cut_then_the_end_of_a_body_without_length: "openai", Framing::Close, Ending::Complete, 8;
    openai_cut_then_rst: "openai", Framing::Chunked, Ending::Rst, 16;
    openai_cut_then_silence: "openai", Framing::Chunked, Ending::Open, 96;
    gemini_cut_then_a_proper_end: "gemini", Framing::Chunked, Ending::Complete, 8;
    gemini_cut_then_fin: "gemini", Framing::Chunked, Ending::Fin, 8;
    gemini_cut_then_the_end_of_a_body_without_length: "gemini", Framing::Close, Ending::Complete, 8;
    gemini_cut_then_rst: "gemini", Framing::Chunked, Ending::Rst, 16;
    gemini_cut_then_silence: "gemini", Framing::Chunked, Ending::Open, 96;
    gemini_in_a_process_cut_then_a_proper_end: "gemini", Framing::Chunked, Ending::Complete, 8, in "gemini";
    gemini_in_a_process_cut_then_fin: "gemini", Framing::Chunked, Ending::Fin, 8, in "gemini";
    gemini_in_a_process_cut_then_silence: "gemini", Framing::Chunked, Ending::Open, 96, in "gemini";
}

/// What differs between two answers to the same bytes: the id and the time that a translation gives to its chunks.
fn same(answer: &Answer) -> String {
    let mut text = answer.text();
    for field in ["\"id\":\"", "\"created\":"] {
        let parts: Vec<&str> = text.split(field).collect();
        let rest = parts[1..]
            .iter()
            .map(|part| part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-'));
        text = std::iter::once(parts[0]).chain(rest).collect::<Vec<_>>().join(field);
    }
    text
}

async fn split_everywhere(good: Good, isolated: &[&str]) -> String {
    let (sim, proxy) = start(isolated).await;
    let bytes = good.bytes.as_bytes();
    let pause = Duration::from_millis(2);
    let pieces = |cuts: &[usize]| {
        let (mut script, mut from) = (Script::sse(), 0);
        for at in cuts {
            script = script.write(&bytes[from..*at]).pause(pause);
            from = *at;
        }
        script.write(&bytes[from..])
    };
    let mut scripts = vec![pieces(&[])];
    scripts.extend((1..bytes.len()).map(|at| pieces(&[at])));
    // Every pair of cuts that are near each other, at every third byte.
    scripts.extend((1..bytes.len() - 3).step_by(3).map(|at| pieces(&[at, at + 1 + at % 3])));
    let answers = play(&sim, &proxy, good.model, scripts, 16).await;
    assert_eq!(honest(&answers[0]), Ok(Terminal::Done));
    let whole = same(&answers[0]);
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(same(answer), whole, "{} split number {number}", good.model);
    }
    whole
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_split_everywhere() {
    split_everywhere(good("openai"), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini_split_everywhere() {
    let here = split_everywhere(good("gemini"), &[]).await;
    let there = split_everywhere(good("gemini"), &["gemini"]).await;
    assert_eq!(here, there, "in a process of its own");
}

/// Bytes that mean something to a decoder more often than chance would have it, but never a terminal marker.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..12),
        prop::sample::select(vec![
            "\n",
            "\r",
            "\r\n\r\n",
            ":",
            ": x\n",
            "data",
            "data:",
            "data: ",
            "event: x\n",
            "event: error\n",
            "id: 1\n",
            "retry: 5\n",
            "{",
            "}",
            "[",
            "]",
            ",",
            "\"",
            "{}",
            "[]",
            "null",
            "data: {}\n\n",
            "data: {\"candidates\":[]}\n\n",
            "data:\n\n",
            "data: null\n\n",
            "data: [DONE",
            "\u{feff}",
            "\0",
            "HTTP/1.1 200 OK\r\n",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

/// The answer without the JSON objects that are neither a chunk nor an error: a client that speaks its upstream's dialect
/// gets them too.
fn without_foreign_objects(mut answer: Answer) -> Answer {
    let Ok((events, rest)) = sse::events(&answer.body) else { return answer };
    let foreign = |data: &str| {
        let object = serde_json::from_str::<Map<String, Value>>(data);
        object.is_ok_and(|object| !object.contains_key("choices") && !object.contains_key("error"))
    };
    let kept = events.iter().filter(|event| !foreign(&event.data));
    let kept = kept.map(|event| format!("data: {}\n\n", event.data.replace('\n', "\ndata: ")));
    answer.body = kept.chain([rest]).collect::<String>().into_bytes();
    answer
}

/// Lines of garbage between two events: the client is told that the stream is broken, or it gets the whole text. Where
/// the rest is cut off, nothing can end it normally.
fn garbage_never_makes_a_lie(model: &'static str, seed: u8, isolated: &[&str]) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (sim, proxy) = runtime.block_on(start(isolated));
    let good = good(model);
    let bounds: Vec<usize> = ["\n\n", "\r\n\r\n"]
        .iter()
        .flat_map(|end| good.bytes.match_indices(end).map(|(at, end)| at + end.len()))
        .collect();
    let before_marker = good.bytes[..good.marker].rfind("data: ").unwrap();
    let config = Config { cases: 40, failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]));
    let case = (garbage(), prop::sample::select(bounds), any::<bool>());
    // A case is a batch: one request at a time would take long for little.
    let outcome = runner.run(&prop::collection::vec(case, 50), |batch| {
        let scripts = batch.iter().map(|(garbage, at, whole)| {
            let at = if *whole { *at } else { (*at).min(before_marker) };
            // On one line with garbage even a good event may become a comment.
            let rest = if *whole { ["\n", &good.bytes[at..]].concat() } else { String::new() };
            Script::sse().write([&good.bytes.as_bytes()[..at], garbage, rest.as_bytes()].concat())
        });
        let answers = runtime.block_on(play(&sim, &proxy, good.model, scripts.collect(), 12));
        for ((garbage, at, whole), answer) in batch.iter().zip(answers) {
            let shown = String::from_utf8_lossy(garbage);
            let told = Told::of(&without_foreign_objects(answer), true)
                .map_err(|why| TestCaseError::fail(format!("{shown:?} at {at}: {why}")))?;
            let lie = match told.terminal {
                Terminal::Done => !whole || told.text != TEXT || told.finish.is_none(),
                Terminal::Error(_) => !TEXT.starts_with(&told.text),
            };
            prop_assert!(!lie, "{shown:?} at {at}, rest: {whole}: {told:?}");
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn openai_with_garbage() {
    garbage_never_makes_a_lie("openai", 1, &[]);
}

#[test]
fn gemini_with_garbage() {
    garbage_never_makes_a_lie("gemini", 2, &[]);
}

#[test]
fn gemini_in_a_process_with_garbage() {
    garbage_never_makes_a_lie("gemini", 3, &["gemini"]);
}

#[test]
fn the_judge_of_bytes_can_say_no() {
    let answer = |body: &str| Answer {
        status: 200,
        headers: vec![("content-type".into(), "text/event-stream".into())],
        body: body.into(),
        times: Vec::new(),
        end: End::Complete,
    };
    assert_eq!(honest(&answer(OPENAI)), Ok(Terminal::Done));
    assert!(honest(&answer(&OPENAI[..OPENAI.len() - 14])).is_err());
    assert!(honest(&answer(&OPENAI.replace("Ebbe", ""))).is_err());
    let cut = OPENAI.find("data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\\"Flut").unwrap();
    assert!(honest(&answer(&format!("{}data: [DONE]\n\n", &OPENAI[..cut]))).is_err());
    assert_ne!(same(&answer("a\"id\":\"1\"b")), same(&answer("a\"id\":\"2\"c")));
    assert_eq!(same(&answer("a\"id\":\"1\"b")), same(&answer("a\"id\":\"2\"b")));
}
