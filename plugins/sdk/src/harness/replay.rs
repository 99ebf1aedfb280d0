//! Plays the recorded bytes of a provider's answer, and tells what the client would have got.

use std::path::Path;

use serde_json::Value;
use tidegate_plugin_abi::{Status, note, status};

use super::cut::{Event, cut};
use super::{Harness, Step};
use crate::{Class, EventIn, FailureIn, Framing, HeadIn, Phase};

/// The bytes of a 2xx answer that is a stream, as a provider sent them.
#[derive(Clone, Debug)]
pub struct Recording {
    body: Vec<u8>,
    framing: Framing,
}

/// What became of a recording.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The data of the client's events, in order; the terminal marker, which the host writes, is not among them.
    pub events: Vec<Vec<u8>>,
    /// The notes' kinds and values, in order.
    pub notes: Vec<(u32, u64)>,
    /// How it ended.
    pub ending: Ending,
}

/// How a replayed stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The plugin saw the upstream's terminal marker, and the client's last choice has its `finish_reason`.
    Done,
    /// The plugin says that it saw the terminal marker, and wrote no `finish_reason`: the host tells the client that the
    /// answer broke off.
    Unfinished,
    /// The upstream ended without its terminal marker.
    Truncated,
    /// An event was the provider's error form, and this is what the plugin makes of it.
    Upstream(Class),
    /// A call failed with this status.
    Failed(Status),
}

/// A call of a function, joined from its pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCall {
    /// Its id.
    pub id: String,
    /// The function.
    pub name: String,
    /// Its arguments, JSON as text.
    pub arguments: String,
}

impl Recording {
    /// A body and its framing.
    pub fn new(body: impl Into<Vec<u8>>, framing: Framing) -> Self {
        Recording { body: body.into(), framing }
    }

    /// A file. Its ending says the framing: `.sse`, `.jsonl` (a document a line), `.json` (an array), `.eventstream` (AWS's).
    ///
    /// # Panics
    /// It cannot be read, or has another ending.
    pub fn read(file: impl AsRef<Path>) -> Self {
        let file = file.as_ref();
        let framing = match file.extension().and_then(|ending| ending.to_str()) {
            Some("sse") => Framing::Sse,
            Some("jsonl") => Framing::JsonLines,
            Some("json") => Framing::JsonArray,
            Some("eventstream") => Framing::AwsEventStream,
            _ => panic!("{}: a recording ends in .sse, .jsonl, .json or .eventstream", file.display()),
        };
        let body = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Recording { body, framing }
    }
}

impl Harness {
    /// Plays a recording as the host would: event by event, up to the first that ends the stream.
    ///
    /// # Panics
    /// The plugin does not open a stream.
    pub fn replay(&self, recording: &Recording) -> Replayed {
        self.play(&recording.body, recording.framing)
    }

    /// Plays a recording broken off after each of its bytes, and gives the numbers of bytes after which the plugin says
    /// that the answer is complete though text, calls or finishes are missing. There must be none: a finish is never
    /// invented.
    ///
    /// # Panics
    /// The plugin does not open a stream.
    pub fn invented_ends(&self, recording: &Recording) -> Vec<usize> {
        let whole = self.replay(recording).answer();
        let is_invented = |cut: &usize| {
            let played = self.play(&recording.body[..*cut], recording.framing);
            played.ending == Ending::Done && played.answer() != whole
        };
        (0..recording.body.len()).filter(is_invented).collect()
    }

    fn play(&self, body: &[u8], framing: Framing) -> Replayed {
        let head = HeadIn { http_status: 200, framing, model: "model", ..HeadIn::default() };
        let mut stream = self.stream(&head).unwrap_or_else(|status| panic!("stream_open answered {status}"));
        let mut told = Replayed { events: Vec::new(), notes: Vec::new(), ending: Ending::Truncated };
        // The host keeps the commas and brackets of a JSON array that came as events to itself.
        let is_punctuation =
            |event: &Event| event.stray && event.data.iter().all(|b| b"[],\r\n\t ".contains(b));
        for event in cut(body, framing).into_iter().filter(|event| !is_punctuation(event)) {
            if event.error {
                told.ending = self.class_of(&event);
                return told;
            }
            let step = stream.play(&EventIn { stray: event.stray, name: &event.name, data: &event.data });
            let done = step.notes.iter().any(|(kind, _)| *kind == note::DONE);
            let answer = step.status;
            told.take(step, &event);
            match answer {
                status::OK | status::PASS if done => break,
                status::OK | status::PASS => {}
                status::E_UPSTREAM => {
                    told.ending = self.class_of(&event);
                    return told;
                }
                failed => {
                    told.ending = Ending::Failed(failed);
                    return told;
                }
            }
        }
        let last = stream.end();
        told.ending = match last.status {
            status::OK => Ending::Done,
            status::E_TRUNCATED => Ending::Truncated,
            failed => Ending::Failed(failed),
        };
        told.take(last, &Event::default());
        if told.ending == Ending::Done && told.finish().is_none() {
            told.ending = Ending::Unfinished;
        }
        told
    }

    fn class_of(&self, event: &Event) -> Ending {
        let failure = FailureIn {
            phase: Phase::Stream,
            http_status: 200,
            event: &event.name,
            body: &event.data,
            ..FailureIn::default()
        };
        self.classify(&failure).map_or_else(Ending::Failed, Ending::Upstream)
    }
}

impl Replayed {
    fn take(&mut self, step: Step, event: &Event) {
        if step.status == status::PASS {
            self.events.push(event.data.clone());
        }
        self.events.extend(step.events.into_iter().map(|(_, data)| data));
        self.notes.extend(step.notes);
    }

    /// The events as JSON; null where one is not.
    pub fn json(&self) -> Vec<Value> {
        self.events.iter().map(|data| serde_json::from_slice(data).unwrap_or_default()).collect()
    }

    fn choices(&self) -> Vec<Value> {
        let choices = |chunk: Value| chunk["choices"].as_array().cloned().unwrap_or_default();
        self.json()
            .into_iter()
            .flat_map(choices)
            .filter(|choice| choice["index"].as_u64() == Some(0))
            .collect()
    }

    /// The text of the first choice.
    pub fn text(&self) -> String {
        self.choices().iter().filter_map(|choice| choice["delta"]["content"].as_str()).collect()
    }

    /// The tools that the first choice calls.
    pub fn tool_calls(&self) -> Vec<ToolCall> {
        let mut calls: Vec<(u64, ToolCall)> = Vec::new();
        for piece in
            self.choices().iter().filter_map(|choice| choice["delta"]["tool_calls"].as_array()).flatten()
        {
            let index = piece["index"].as_u64().unwrap_or(0);
            let at = calls.iter().position(|(known, _)| *known == index).unwrap_or_else(|| {
                calls.push((index, ToolCall::default()));
                calls.len() - 1
            });
            let call = &mut calls[at].1;
            let say = |into: &mut String, value: &Value| into.push_str(value.as_str().unwrap_or(""));
            say(&mut call.id, &piece["id"]);
            say(&mut call.name, &piece["function"]["name"]);
            say(&mut call.arguments, &piece["function"]["arguments"]);
        }
        calls.into_iter().map(|(_, call)| call).collect()
    }

    /// Why the first choice ended.
    pub fn finish(&self) -> Option<String> {
        self.choices().iter().rev().find_map(|choice| choice["finish_reason"].as_str().map(str::to_owned))
    }

    /// The last `usage`.
    pub fn usage(&self) -> Option<Value> {
        self.json().into_iter().rev().map(|mut chunk| chunk["usage"].take()).find(Value::is_object)
    }

    fn answer(&self) -> (String, Vec<ToolCall>, Option<String>) {
        (self.text(), self.tool_calls(), self.finish())
    }
}
