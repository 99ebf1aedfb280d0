//! Errors of the upstream: in a stream, in a body, as a status.

use tidegate_host::{Class, FailureIn, Framing, Header, Phase, Reply, abi};

use super::Bench;
use super::streams::{WHOLE, judge};
use crate::dialects::{Dialect, Seen};
use crate::plugin::check::bench::{now, spoken};
use crate::plugin::check::corpus;
use crate::plugin::check::play::{self, BEHIND, CAPS, Ending, Play};

const ERROR: &str = "tidegate.h: TG_E_UPSTREAM for the provider's error form, TG_E_PROTOCOL for what is not understood; never an answer";

pub(super) fn errors(bench: &mut Bench) {
    let Some((provider, _)) = bench.provider() else { return };
    let mut told_as = 0;
    for (it, _) in bench.transcripts(spoken(bench, &provider)).into_iter().filter(|(_, own)| *own) {
        // The beginning of a good answer, its first half of events, and then the error.
        let half = it.bytes.len() / 2;
        let ends = it.bytes[..half]
            .windows(2)
            .rposition(|two| two == b"\n\n" || two == b"\n\r")
            .map_or(0, |at| at + 2);
        for (name, error) in corpus::ERRORS {
            for (form, bytes) in [
                ("an event", format!("\ndata: {error}\n\n")),
                ("an event named error", format!("\nevent: error\ndata: {error}\n\n")),
                ("a bare document", format!("\n{error}\n\n")),
            ] {
                if it.framing != Framing::Sse {
                    continue;
                }
                let with = format!("the beginning of {}, then {name} as {form}", it.name);
                let chunks = [&it.bytes[..ends], bytes.as_bytes()];
                let play = Play {
                    provider: &provider,
                    framing: it.framing,
                    caps: CAPS,
                    behind: BEHIND,
                    what: &with,
                    trail: Some(&bench.trail),
                };
                let told = play.chunks(chunks);
                judge(bench, &with, &told);
                told_as += 1;
                if told.ending == Ending::Done {
                    bench.find("stream_event, then stream_end", &with, "done", ERROR);
                }
            }
        }
    }
    for (name, error) in corpus::ERRORS {
        let with = format!("a body that is {name}");
        bench.trail.at("response", &with);
        let answer = now(provider.response(&play::head(Framing::Auto), error.as_bytes()));
        bench.judge("response", &with, &answer);
        told_as += 1;
        match answer {
            Ok(Reply::Pass) => {
                bench.find("response", &with, "TG_PASS: the client is told that it is an answer", ERROR);
            }
            Ok(Reply::Body(_)) => bench.find("response", &with, "an answer was made of it", ERROR),
            _ => {}
        }
    }
    for (name, body) in corpus::garbage() {
        let with = format!("a body that is {name}");
        bench.trail.at("response", &with);
        let answer = now(provider.response(&play::head(Framing::Auto), &body));
        bench.judge("response", &with, &answer);
        told_as += 1;
        // A list of choices, whatever is in it, is for the host to look at.
        let is_like_an_answer = body.windows(11).any(|part| part == b"\"choices\":[");
        if let (false, Ok(Reply::Pass | Reply::Body(_))) = (is_like_an_answer, answer) {
            bench.find("response", &with, "an answer was made of it", ERROR);
        }
    }
    for (name, body) in WHOLE {
        bench.trail.at("response", name);
        let answer = now(provider.response(&play::head(Framing::Auto), body.as_bytes()));
        bench.judge("response", name, &answer);
        if let Ok(Reply::Body(made)) = answer
            && !matches!(Dialect::OpenAiChat.inspect_body(&made), Seen::Chunk(_))
        {
            let asks = "tidegate.h, `response`: a body in the client's dialect";
            bench.find("response", name, "what it made of it is no answer in the client's dialect", asks);
        }
    }
    bench.did(format!("{told_as} errors in streams and bodies"));
}

pub(super) fn classify(bench: &mut Bench) {
    let Some((provider, _)) = bench.provider() else { return };
    let garbage = corpus::garbage();
    let mut bodies: Vec<(&str, &[u8])> =
        corpus::ERRORS.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    bodies.extend(garbage.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])));
    let waits: [&[u8]; 8] = [
        b"7",
        b"",
        b"-1",
        b"99999999999999999999999999",
        b"Wed, 21 Oct 2026 07:28:00 GMT",
        b"soon",
        b"\xff\xfe",
        b"0.5",
    ];
    let mut named = 0;
    for (name, body) in &bodies {
        for (n, status) in
            [200, 400, 401, 403, 404, 408, 429, 500, 502, 503, 529, 599].into_iter().enumerate()
        {
            for phase in [Phase::Status, Phase::Stream, Phase::Body] {
                let wait = waits[n % waits.len()];
                let headers = [
                    Header::new("retry-after", wait),
                    Header::new("x-ratelimit-reset", wait),
                    Header::new("content-type", b"application/json"),
                ];
                let with = format!(
                    "status {status} in phase {phase:?}, {name}, retry-after {:?}",
                    String::from_utf8_lossy(wait)
                );
                bench.trail.at("classify", &with);
                let input = FailureIn {
                    phase,
                    http_status: status,
                    headers: &headers[..n % 4],
                    event: b"error",
                    body,
                    unix_ms: 1_767_225_600_000,
                    bytes_to_client: n as u64,
                };
                let answer = now(provider.classify(&input, default_class(status)));
                bench.judge("classify", &with, &answer);
                named += 1;
                if let Err(error) = &answer
                    && bench.verdict.holds()
                {
                    let asks = "tidegate.h, `classify`: TG_OK with a class, or TG_PASS for the host's own";
                    bench.find("classify", &with, error.to_string(), asks);
                }
            }
        }
    }
    bench.did(format!("{named} failures"));
}

fn default_class(status: u16) -> Class {
    let http_status = if status >= 400 { status } else { 502 };
    Class {
        error: abi::error::SERVER,
        http_status,
        retryable: status >= 500,
        quota: false,
        retry_after_ms: None,
    }
}
