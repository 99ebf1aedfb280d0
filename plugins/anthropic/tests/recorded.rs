//! Recorded answers: what a client of chat completions is told, wherever the bytes break off and however they are cut.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::path::PathBuf;

use common::anthropic;
use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_plugin_sdk::harness::{Ending, Recording, Replayed};
use tidegate_plugin_sdk::{ErrorKind, Framing};

/// Each recording, with its text, the calls of tools, and the finish; `None`: it has none.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)], Option<&'static str>);

const GOOD: &[Row] = &[
    ("text", "Die Flut steigt: 潮\nund 🌊 \"fällt\".", &[], Some("stop")),
    (
        "tools",
        "I look at the gauges.",
        &[("tide", "{\"harbour\": \"Kiel\", \"days\": 2}"), ("now", "{}")],
        Some("tool_calls"),
    ),
    ("thinking", "Twice.", &[], Some("stop")),
    ("thinking-omitted", "42", &[], Some("stop")),
    ("web-search", "I search.High water is at 14:05, and the gate closes", &[], Some("stop")),
    ("stop-sequence", "one, two, ", &[], Some("stop")),
    ("max-tokens-in-call", "", &[("tide", "{\"harbour\": \"Ki")], Some("length")),
    ("refusal", "I can", &[], Some("content_filter")),
    ("pause-turn", "", &[], Some("stop")),
    ("of-tomorrow", "Same as ever.", &[], Some("stop")),
    ("unnamed", "No line says what this is.", &[], Some("stop")),
    ("json-tool", "{\"high\": \"14:05\"}", &[], Some("stop")),
];

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{name}.sse"))
}

fn bytes(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

/// All that a client makes of the chunks: each field's texts joined, each list's elements in a row.
fn told(replayed: &Replayed) -> Value {
    let mut told = json!({"finish": replayed.finish(), "usage": replayed.usage(), "text": replayed.text()});
    let (mut thoughts, mut fields) = (String::new(), Vec::new());
    for chunk in replayed.json() {
        let choice = &chunk["choices"][0];
        thoughts += choice["delta"]["reasoning_content"].as_str().unwrap_or("");
        for name in ["thinking_blocks", "annotations", "provider_specific_fields"] {
            fields.extend(choice["delta"].get(name).cloned());
        }
        fields.extend(choice.get("provider_specific_fields").cloned());
    }
    let calls = replayed.tool_calls().into_iter();
    let calls: Vec<Value> = calls.map(|call| json!([call.id, call.name, call.arguments])).collect();
    told["thoughts"] = json!(thoughts);
    told["fields"] = json!(fields);
    told["calls"] = json!(calls);
    told
}

#[test]
fn what_is_told_is_what_was_said() {
    for (name, text, calls, finish) in GOOD {
        let replayed = anthropic().replay(&Recording::read(file(name)));
        assert_eq!(replayed.ending, Ending::Done, "{name}");
        assert_eq!((replayed.text().as_str(), replayed.finish().as_deref()), (*text, *finish), "{name}");
        let made = replayed.tool_calls();
        let made: Vec<(&str, &str)> =
            made.iter().map(|call| (call.name.as_str(), call.arguments.as_str())).collect();
        assert_eq!(made, *calls, "{name}");
        assert!(
            replayed.usage().is_some_and(|usage| usage["completion_tokens"].as_u64() > Some(1)),
            "{name}"
        );
    }
}

#[test]
fn the_details_are_not_lost() {
    let of = |name: &str| told(&anthropic().replay(&Recording::read(file(name))));
    let usage = &of("text")["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["total_tokens"]), (&json!(4621), &json!(4636)));
    assert_eq!(usage["prompt_tokens_details"], json!({"cached_tokens": 3400, "cache_creation_tokens": 1200}));
    let thinking = of("thinking");
    assert_eq!(thinking["thoughts"], "High water is twice a day. 潮");
    assert_eq!(
        thinking["fields"],
        json!([
            [{"type": "thinking", "thinking": "", "signature": "EqQBCkYIBBgCKkAbc+/=="}],
            [{"type": "redacted_thinking", "data": "EmwKAhgBEgyRedacted=="}],
        ])
    );
    assert_eq!(thinking["usage"]["completion_tokens_details"]["reasoning_tokens"], 51);
    assert_eq!(of("thinking-omitted")["fields"][0][0]["signature"], "EpkCClkIDRgC");
    let search = of("web-search");
    let kinds: Vec<&Value> = search["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| &field["server_blocks"][0]["type"])
        .filter(|kind| !kind.is_null())
        .collect();
    assert_eq!(kinds, ["server_tool_use", "web_search_tool_result"]);
    assert_eq!(search["fields"][0]["server_blocks"][0]["input"], json!({"query": "tide kiel"}));
    let cited = &search["fields"][2][0]["url_citation"];
    assert_eq!((&cited["start_index"], &cited["end_index"]), (&json!(9), &json!(31)));
    assert_eq!(search["fields"][4]["citations"][0]["type"], "page_location");
    assert_eq!(of("of-tomorrow")["fields"][0]["server_blocks"][0]["type"], "hologram");
    assert_eq!(of("refusal")["fields"][0]["stop_details"]["category"], "bio");
    assert_eq!(of("stop-sequence")["fields"][0]["stop_sequence"], "three");
}

#[test]
fn errors_and_breaks_are_told_as_such() {
    for (name, error, status) in
        [("overloaded", ErrorKind::Overloaded, 503), ("rate-limit-unnamed", ErrorKind::RateLimit, 429)]
    {
        let replayed = anthropic().replay(&Recording::read(file(name)));
        let Ending::Upstream(class) = &replayed.ending else { panic!("{name}: {:?}", replayed.ending) };
        assert_eq!((class.error, class.http_status, class.retryable), (error, status, true), "{name}");
        assert!(replayed.text().starts_with("Die Flut "), "{name}");
        assert_eq!(replayed.finish(), None, "{name}");
    }
    let replayed = anthropic().replay(&Recording::read(file("truncated")));
    assert_eq!((&replayed.ending, replayed.finish()), (&Ending::Truncated, None));
}

#[test]
fn no_finish_is_invented_wherever_it_breaks_off() {
    for (name, ..) in GOOD {
        assert_eq!(anthropic().invented_ends(&Recording::read(file(name))), [0; 0], "{name}");
    }
}

/// The events' data, each with the name before it where the recording names its events.
fn events(name: &str) -> Vec<(Option<String>, Value)> {
    bytes(name)
        .split_terminator("\n\n")
        .map(|event| {
            let (named, data) = event.rsplit_once('\n').unwrap_or(("", event));
            let named = named.strip_prefix("event: ").map(str::to_owned);
            (named, serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap())
        })
        .collect()
}

/// A delta as several, the pieces of its text cut after these numbers of characters.
fn in_pieces(event: &Value, cuts: &[usize]) -> Vec<Value> {
    let kinds = ["text", "thinking", "partial_json"];
    let Some(kind) = kinds.into_iter().find(|kind| event["delta"][kind].is_string()) else {
        return vec![event.clone()];
    };
    let mut rest: Vec<char> = event["delta"][kind].as_str().unwrap().chars().collect();
    let mut pieces = Vec::new();
    for cut in cuts {
        let tail = rest.split_off((*cut).min(rest.len()));
        pieces.push(core::mem::replace(&mut rest, tail));
    }
    pieces.push(rest);
    let piece = |letters: Vec<char>| {
        let mut piece = event.clone();
        piece["delta"][kind] = json!(letters.into_iter().collect::<String>());
        piece
    };
    pieces.into_iter().map(piece).collect()
}

proptest! {
    /// However the provider cuts the same text, arguments and thoughts into deltas, and its events into lines, and
    /// whatever it puts between them that says nothing, the client is told the same.
    #[test]
    fn the_same_is_told_for_every_split(
        row in 0..GOOD.len(),
        cuts in prop::collection::vec(0usize..6, 0..4),
        eols in prop::collection::vec(prop_oneof![Just("\n"), Just("\r\n"), Just("\r")], 1..4),
        between in prop::collection::vec(prop_oneof![
            3 => Just(""), 1 => Just(": keep-alive"), 1 => Just("event: ping\ndata: {\"type\": \"ping\"}"), 1 => Just("data:"),
        ], 1..5),
        lines: bool,
    ) {
        let name = GOOD[row].0;
        let want = told(&anthropic().replay(&Recording::read(file(name))));
        let mut body = String::new();
        let mut count = 0;
        for (named, event) in events(name) {
            for piece in in_pieces(&event, &cuts) {
                let eol = eols[count % eols.len()];
                let more = between[count % between.len()].replace('\n', eol);
                count += 1;
                if !more.is_empty() {
                    body += &format!("{more}{eol}{eol}");
                }
                if let Some(named) = &named {
                    body += &format!("event: {named}{eol}");
                }
                // JSON over several lines is an event of several `data` lines.
                let json = if lines { serde_json::to_string_pretty(&piece).unwrap() } else { piece.to_string() };
                for line in json.lines() {
                    body += &format!("data: {line}{eol}");
                }
                body += eol;
            }
        }
        let replayed = anthropic().replay(&Recording::new(body.clone(), Framing::Sse));
        prop_assert_eq!(&replayed.ending, &Ending::Done, "{}", body);
        prop_assert_eq!(told(&replayed), want, "{}", body);
    }

    /// Bytes that are spoilt or left out anywhere: no panic, and no end that is not one.
    #[test]
    fn spoilt_bytes_never_make_a_finish(row in 0..GOOD.len(), at: prop::sample::Index, byte: u8, cut in 0usize..40) {
        let mut body = bytes(GOOD[row].0).into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        let end = (at + cut).min(body.len());
        body.drain(at + 1..end.max(at + 1));
        let said = String::from_utf8_lossy(&body).into_owned();
        let replayed = anthropic().replay(&Recording::new(body, Framing::Sse));
        prop_assert!(!matches!(replayed.ending, Ending::Failed(-1)));
        let could = said.contains("\"message_stop\"") && said.contains("\"stop_reason\":\"");
        prop_assert!(replayed.finish().is_none() || could, "{}", said);
    }
}
