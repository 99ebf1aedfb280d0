//! Streams: whole answers, such as break off, and such as are none.

use tidegate_host::{Events, Framing, HeadIn, Limits, PluginError, ProviderInstance};

use super::Bench;
use crate::plugin::check::bench::{NO_PANIC, now, small_input, spoken};
use crate::plugin::check::corpus;
use crate::plugin::check::play::{self, BEHIND, CAPS, Ending, Play, Told};
use crate::plugin::check::transcript::Transcript;

const SAME: &str =
    "the same: the host cuts the events out of the reads, so a plugin sees whole ones wherever a read ends";
const ENDS: &str = "tidegate.h, `stream_end`: TG_OK only if the upstream's terminal marker came, else TG_E_TRUNCATED; a finish is never invented";
const CHUNK: &str =
    "tidegate.h, `event`: one event in the head's dialect, else OPENAI_CHAT; the host writes the end itself";
const LENT: &str = "tidegate.h: what a call is given is borrowed for that call, and not to be written to";

const CALLS: &str = "stream_open, stream_event or stream_end";

/// Judges an answer by itself.
pub(super) fn judge(bench: &mut Bench, with: &str, told: &Told) {
    judge_by(bench, with, told, false);
}

fn judge_by(bench: &mut Bench, with: &str, told: &Told, is_tight: bool) {
    if let Ending::Failed(error) = &told.ending {
        let answer: Result<(), PluginError> = Err(error.clone());
        if is_tight {
            bench.judge_tight(CALLS, with, &answer);
        } else {
            bench.judge(CALLS, with, &answer);
        }
        if matches!(error, PluginError::Invalid(_) | PluginError::Unsupported(_)) {
            bench.find(
                "stream_event",
                with,
                error.to_string(),
                "tidegate.h: TG_E_INVALID is for requests alone",
            );
        }
    }
    if let Some(alien) = &told.alien {
        let shown: String = String::from_utf8_lossy(alien).chars().take(200).collect();
        bench.find("stream_event", with, format!("it wrote what is no chunk: {shown}"), CHUNK);
    }
    // `stream_close` has no answer: a panic that was caught there is told in the log alone.
    if let Some(line) = bench.trail.take_logged().filter(|line| line.starts_with("panic in ")) {
        bench.find("stream_close", with, format!("its log says: {line}"), NO_PANIC);
    }
    if told.late {
        let asks = "tidegate.h: a sink is lent for one call; after it, what it points to may be anything";
        bench.find("stream_close", with, "it wrote into the sink of an earlier call", asks);
    }
    if told.scribbled {
        bench.find("stream_event", with, "bytes of the event, or beside it, are others than before", LENT);
    }
}

fn player<'a>(bench: &'a Bench, provider: &'a ProviderInstance, it: &Transcript, what: &'a str) -> Play<'a> {
    Play { provider, framing: it.framing, caps: CAPS, behind: BEHIND, what, trail: Some(&bench.trail) }
}

/// Threads of this process; 0 where the system does not say.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

pub(super) fn answers(bench: &mut Bench) {
    let before = threads();
    let Some((provider, _)) = bench.provider() else { return };
    let (mut whole, mut splits) = (0, 0);
    for (it, own) in bench.transcripts(spoken(bench, &provider)) {
        let once = player(bench, &provider, &it, &it.name).chunks([&it.bytes[..]]);
        judge(bench, &it.name, &once);
        if own {
            whole += 1;
            if once.ending != Ending::Done || !once.has_finish() {
                let came = match &once.ending {
                    Ending::Done => "done, and no chunk with a finish_reason".to_owned(),
                    other => format!("{other:?}"),
                };
                bench.find("stream_event for each event, then stream_end", &it.name, came,
                    "done, with a finish_reason: it is a whole answer in the dialect that the provider says its upstream speaks");
            }
        }
        if own && once.left > 0 {
            let came = format!("it noted DONE, and {} events followed", once.left);
            bench.find(
                "stream_event",
                &it.name,
                came,
                "tidegate.h, TG_NOTE_DONE: the upstream's terminal marker was seen, nothing follows",
            );
        }
        // Each event is cut in two at a few places, and at each byte once.
        let step = 1 + it.bytes.len() / 200;
        let mut cuts: Vec<Vec<&[u8]>> =
            (1..it.bytes.len()).step_by(step).map(|at| vec![&it.bytes[..at], &it.bytes[at..]]).collect();
        cuts.push(it.bytes.chunks(1).collect());
        cuts.push(it.bytes.chunks(7).collect());
        for cut in cuts {
            splits += 1;
            let with = format!("{}, in {} reads, the first of {} bytes", it.name, cut.len(), cut[0].len());
            let told = player(bench, &provider, &it, &with).chunks(cut);
            if (Told { left: once.left, ..told.clone() }) != once && bench.verdict.holds() {
                bench.find(
                    "stream_event",
                    &with,
                    format!("another answer: {:?} for {:?}", told.ending, once.ending),
                    SAME,
                );
            }
        }
    }
    let after = threads();
    if after > before {
        let asks =
            "none of its own: a call is a bounded transformation, and a thread outlives what is known of it";
        bench.find(
            "stream_event, stream_end",
            "recorded answers",
            format!("{} threads are left behind", after - before),
            asks,
        );
    }
    if whole == 0 {
        bench.warn("no recorded answer is in its upstream's dialect; give one with `--transcript FILE`");
    }
    bench.did(format!("{whole} whole answers in its upstream's dialect, {splits} splits"));
}

pub(super) fn truncation(bench: &mut Bench) {
    let Some((provider, _)) = bench.provider() else { return };
    let mut cuts = 0;
    for (it, own) in bench.transcripts(spoken(bench, &provider)) {
        let whole = player(bench, &provider, &it, &it.name).chunks([&it.bytes[..]]);
        let essence = whole.essence();
        // The plugin's own dialect at every byte; of the others a sample is enough.
        let step = if own { 1 + it.bytes.len() / 4000 } else { 7 };
        for at in (0..it.bytes.len()).step_by(step) {
            cuts += 1;
            let with = format!("{}, broken off after {at} of {} bytes", it.name, it.bytes.len());
            let told = player(bench, &provider, &it, &with).chunks([&it.bytes[..at]]);
            if told.ending != Ending::Done {
                judge(bench, &with, &told);
            } else if at == 0 || (whole.ending == Ending::Done && told.essence() != essence) {
                let came = format!("done, after {} of {} events", told.events.len(), whole.events.len());
                bench.find("stream_end", &with, came, ENDS);
            }
        }
    }
    bench.did(format!("{cuts} answers that break off"));
}

pub(super) fn garbage(bench: &mut Bench) {
    let Some((provider, _)) = bench.provider() else { return };
    let mut played = 0;
    let mut play = |bench: &mut Bench, with: &str, framing: Framing, bytes: &[u8], may_end: bool| {
        played += 1;
        let play = Play {
            provider: &provider,
            framing,
            caps: CAPS,
            behind: BEHIND,
            what: with,
            trail: Some(&bench.trail),
        };
        let mut told = play.chunks([bytes]);
        // A provider that passes its upstream's events on passes nonsense on too; the host sees to that.
        told.alien = None;
        judge(bench, with, &told);
        if told.ending == Ending::Done && !may_end {
            bench.find("stream_end", with, "done", ENDS);
        }
    };
    for (name, bytes) in corpus::garbage() {
        let event = [b"data: ", &bytes[..], b"\n\n"].concat();
        play(bench, &format!("an event whose data is {name}"), Framing::Sse, &event, false);
        play(bench, &format!("{name}, outside the framing"), Framing::Sse, &bytes, false);
        play(bench, &format!("{name}, as a line"), Framing::JsonLines, &bytes, false);
        play(bench, &format!("{name}, as an array"), Framing::JsonArray, &bytes, false);
    }
    let named = b"event: odd name \xff\ndata: {}\n\nevent: error\n\nid: 1\nretry: x\ndata\n\n";
    play(bench, "events with odd fields", Framing::Sse, named, false);
    // Recorded answers with a few bytes changed: the end may have survived.
    for (it, own) in bench.transcripts(spoken(bench, &provider)) {
        for (n, bytes) in corpus::mutants(&it.bytes, if own { 300 } else { 40 }).iter().enumerate() {
            play(bench, &format!("{}, change {n}", it.name), it.framing, bytes, true);
        }
    }
    bench.did(format!("{played} answers that are none"));
}

pub(super) fn limits(bench: &mut Bench) {
    let Some((provider, _)) = bench.provider() else { return };
    let mut calls = 0;
    for (it, _) in bench.transcripts(spoken(bench, &provider)) {
        for caps in [(0, 0), (0, 4096), (16, 4096), (100, 4096), (CAPS.0, 0), (CAPS.0, 1)] {
            calls += 1;
            let with = format!("{}, and sinks that take {} bytes and {} events", it.name, caps.0, caps.1);
            let told = Play { caps, ..player(bench, &provider, &it, &with) }.chunks([&it.bytes[..]]);
            judge_by(bench, &with, &told, true);
        }
    }
    for cap in [0, 1, 16, 100] {
        let tight = provider.clone().with_limits(Limits { request_body: cap, response_body: cap });
        for stream in [false, true] {
            calls += 1;
            let with = format!("one message, and a sink that takes {cap} bytes of body");
            bench.trail.at("request", &with);
            let answer = now(tight.request(&small_input(stream)));
            bench.judge_tight("request", &with, &answer);
        }
        for (name, body) in corpus::ERRORS.iter().chain(&WHOLE) {
            calls += 1;
            let with = format!("{name}, and a sink that takes {cap} bytes");
            bench.trail.at("response", &with);
            let answer = now(tight.response(&HeadIn { ..play::head(Framing::Auto) }, body.as_bytes()));
            bench.judge_tight("response", &with, &answer);
        }
    }
    // A stream that was refused once is still a stream: it can be fed, ended and closed.
    bench.trail.at("stream_event", "an event after a full sink");
    if let Ok(mut stream) = now(provider.open(&play::head(Framing::Sse))) {
        for (_, body) in WHOLE {
            let _ = stream.event(b"", body.as_bytes(), false, &mut Events::new(0, 0));
            let answer = stream.event(b"", body.as_bytes(), false, &mut Events::new(CAPS.0, CAPS.1));
            bench.judge_tight("stream_event", "an event after a full sink", &answer);
        }
    }
    bench.did(format!("{calls} calls with sinks that take little or nothing"));
}

/// Whole answers of the dialects.
pub(super) const WHOLE: [(&str, &str); 3] = [
    (
        "OpenAI's answer",
        r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Flood"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#,
    ),
    (
        "Google's answer",
        r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Flood"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}}"#,
    ),
    ("a token", r#"{"token":"Flood","end":true}"#),
];
