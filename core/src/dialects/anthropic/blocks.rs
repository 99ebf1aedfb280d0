//! The blocks of a message, one behind the other, out of a chat's answer, which has no order between text, thoughts and
//! calls, and whose calls may come in fragments that interleave.
//!
//! A stream's blocks may not overlap, so that one block is written as it comes and those behind it wait in memory. A text or
//! a thought ends where another block begins; a call ends where its arguments are a whole JSON value, or at the end.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::ids;
use crate::dialects::calls::Calls;

/// What becomes of a block; the number is its place in the message.
pub(super) enum Event {
    Start(u64, Value),
    Delta(u64, Value),
    Stop(u64),
}

/// The blocks of one message.
pub(super) struct Blocks {
    /// For ids that the provider did not give.
    seed: u64,
    /// The first is being written, the others wait.
    queue: VecDeque<Block>,
    /// The place of the first.
    place: u64,
    /// All calls, written or not.
    calls: Calls,
    began: usize,
}

struct Block {
    kind: Kind,
    begun: bool,
    /// Nothing can be added.
    closed: bool,
    deltas: Vec<Value>,
}

enum Kind {
    Text,
    Thinking,
    Redacted(String),
    Call(Call),
}

/// A call of a tool, as far as it is known.
#[derive(Default)]
struct Call {
    /// Its place among the calls.
    number: usize,
    id: String,
    name: String,
    signature: String,
    arguments: Json,
}

impl Blocks {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, queue: VecDeque::new(), place: 0, calls: Calls::default(), began: 0 }
    }

    /// Whether there was a call.
    pub(super) fn have_calls(&self) -> bool {
        self.began > 0
    }

    pub(super) fn text(&mut self, text: &str) {
        self.say(
            |kind| matches!(kind, Kind::Text),
            || Kind::Text,
            json!({"type": "text_delta", "text": text}),
        );
    }

    /// It belongs to the text before it. Behind anything else it is left out: a text that is empty cannot be sent back.
    pub(super) fn citation(&mut self, citation: Value) {
        let delta = json!({"type": "citations_delta", "citation": citation});
        if let Some(block) = self.queue.back_mut().filter(|block| matches!(block.kind, Kind::Text)) {
            block.deltas.push(delta);
        }
    }

    pub(super) fn thought(&mut self, text: &str) {
        let delta = json!({"type": "thinking_delta", "thinking": text});
        self.say(|kind| matches!(kind, Kind::Thinking), || Kind::Thinking, delta);
    }

    /// What proves the thought before it, or one that is not shown.
    pub(super) fn signature(&mut self, signature: &str) {
        let delta = json!({"type": "signature_delta", "signature": signature});
        self.say(|kind| matches!(kind, Kind::Thinking), || Kind::Thinking, delta);
        if let Some(block) = self.queue.back_mut() {
            block.closed = true;
        }
    }

    pub(super) fn redacted(&mut self, data: &str) {
        let mut block = Block::new(Kind::Redacted(data.to_owned()));
        block.closed = true;
        self.queue.push_back(block);
    }

    /// A call, or a fragment of one.
    pub(super) fn call(&mut self, fragment: &Value, position: usize) {
        let text = |path: &str| fragment.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (id, name, arguments) = (text("/id"), text("/function/name"), text("/function/arguments"));
        let signature = [
            "/extra_content/google/thought_signature",
            "/provider_specific_fields/thought_signature",
            "/function/provider_specific_fields/thought_signature",
        ];
        let signature = signature.iter().map(|path| text(path)).find(|text| !text.is_empty());
        let number = self.calls.place(fragment, position);
        if number == self.began {
            self.began += 1;
            self.queue.push_back(Block::new(Kind::Call(Call { number, ..Call::default() })));
        }
        let known = self.queue.iter_mut().find_map(|block| match &mut block.kind {
            Kind::Call(call) if call.number == number => Some((call, &mut block.deltas)),
            _ => None,
        });
        // One that is written was whole.
        let Some((call, deltas)) = known else { return };
        for (part, given) in
            [(&mut call.id, id), (&mut call.name, name), (&mut call.signature, signature.unwrap_or_default())]
        {
            if part.is_empty() {
                given.clone_into(part);
            }
        }
        if !arguments.is_empty() {
            call.arguments.take(arguments);
            deltas.push(json!({"type": "input_json_delta", "partial_json": arguments}));
        }
    }

    fn say(&mut self, is: impl Fn(&Kind) -> bool, kind: impl Fn() -> Kind, delta: Value) {
        match self.queue.back_mut().filter(|block| is(&block.kind) && !block.closed) {
            Some(block) => block.deltas.push(delta),
            None => {
                let mut block = Block::new(kind());
                block.deltas.push(delta);
                self.queue.push_back(block);
            }
        }
    }

    /// Gives out what can be told. Each round tells a block's end, so this ends. `all`: nothing more comes.
    pub(super) fn tell(&mut self, all: bool, mut told: impl FnMut(Event)) {
        loop {
            let followed = self.queue.len() > 1;
            let Some(block) = self.queue.front_mut() else { return };
            if !block.begun {
                // A call is told with its name, which may come late.
                if !all && matches!(&block.kind, Kind::Call(call) if call.name.is_empty()) {
                    return;
                }
                block.begun = true;
                told(Event::Start(self.place, block.start(self.seed, self.place)));
            }
            block.deltas.drain(..).for_each(|delta| told(Event::Delta(self.place, delta)));
            let ends = match &block.kind {
                Kind::Call(call) => followed && call.arguments.is_whole(),
                _ => followed || block.closed,
            };
            if !ends && !all {
                return;
            }
            told(Event::Stop(self.place));
            self.place += 1;
            self.queue.pop_front();
        }
    }
}

impl Block {
    fn new(kind: Kind) -> Self {
        Self { kind, begun: false, closed: false, deltas: Vec::new() }
    }

    fn start(&self, seed: u64, place: u64) -> Value {
        match &self.kind {
            Kind::Text => json!({"type": "text", "text": ""}),
            Kind::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
            Kind::Redacted(data) => json!({"type": "redacted_thinking", "data": data}),
            Kind::Call(call) => {
                let mut id = if call.id.is_empty() { ids::call(seed, place) } else { call.id.clone() };
                if !call.signature.is_empty() {
                    id = ids::sealed(&id, &call.signature);
                }
                json!({"type": "tool_use", "id": id, "name": call.name, "input": {}})
            }
        }
    }
}

/// How far a JSON object has come. It is not validated.
#[derive(Default)]
struct Json {
    depth: u64,
    in_string: bool,
    escaped: bool,
    whole: bool,
}

impl Json {
    fn take(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.whole |= self.depth == 0;
                }
                _ => {}
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.whole
    }
}
