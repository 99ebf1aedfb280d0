//! The items of an answer, as they come about.

use serde_json::{Value, json};

use super::call::Call;
use super::message::Message;
use super::reasoning::Reasoning;
use super::stream::Writer;
use super::tools::Tools;
use crate::dialects::calls::Calls;
use crate::dialects::content::{self, Piece};

/// All of one answer's items.
pub(super) struct Output {
    seed: u64,
    tools: Tools,
    /// Each item in its place, once it is whole.
    items: Vec<Option<Value>>,
    /// What is being said beside calls: one of the two, or nothing.
    reasoning: Option<Reasoning>,
    message: Option<Message>,
    calls: Vec<Call>,
    /// Which of them a fragment belongs to.
    known: Calls,
}

/// Where an item stands: what its events name it by.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) id: String,
    pub(super) index: usize,
}

impl Place {
    /// The members of an event of this item.
    pub(super) fn event(&self, more: Value) -> Value {
        let mut members = more;
        members["item_id"] = json!(self.id);
        members["output_index"] = json!(self.index);
        members
    }

    /// Tells the item's begin or end, `response.output_item.added` or `.done`.
    pub(super) fn tell(&self, kind: &str, item: &Value, writer: &mut Writer, out: &mut Vec<u8>) {
        writer.event(kind, json!({"output_index": self.index, "item": item}), out);
    }
}

pub(super) const ADDED: &str = "response.output_item.added";
pub(super) const DONE: &str = "response.output_item.done";

impl Output {
    pub(super) fn new(seed: u64, tools: Tools) -> Self {
        Self {
            seed,
            tools,
            items: Vec::new(),
            reasoning: None,
            message: None,
            calls: Vec::new(),
            known: Calls::default(),
        }
    }

    /// Takes a delta, or a whole message.
    pub(super) fn say(&mut self, said: &Value, logprobs: &Value, writer: &mut Writer, out: &mut Vec<u8>) {
        let text = |name: &str| said[name].as_str().filter(|text| !text.is_empty());
        let list = |name: &str| said[name].as_array().map_or(&[][..], Vec::as_slice);
        let (blocks, reasoning) = (list("thinking_blocks"), text("reasoning_content").or(text("reasoning")));
        // A whole message has the blocks' text in both.
        let whole =
            blocks.iter().any(|block| block["thinking"].as_str().is_some_and(|text| !text.is_empty()));
        if let Some(text) = reasoning.filter(|_| !whole) {
            self.reasoning(writer, out).text(text, writer, out);
        }
        for block in blocks {
            self.reasoning(writer, out).block(block, writer, out);
        }
        let signatures = said["provider_specific_fields"]["thought_signatures"].as_array();
        for signature in signatures.map_or(&[][..], Vec::as_slice) {
            // Where text is open it goes on: its signature gets an item of its own, behind it.
            self.reasoning(writer, out).carried.thought_signatures.push(signature.clone());
        }
        for piece in content::pieces(said) {
            match piece {
                Piece::Text(text) => self.message(writer, out).text(text, &logprobs["content"], writer, out),
                Piece::Thought(thought) => self.reasoning(writer, out).text(&thought, writer, out),
            }
        }
        if let Some(text) = text("refusal") {
            self.message(writer, out).refusal(text, writer, out);
        }
        for annotation in list("annotations") {
            self.message(writer, out).annotation(annotation, writer, out);
        }
        for image in list("images") {
            self.image(image, writer, out);
        }
        for (at, call) in list("tool_calls").iter().enumerate() {
            self.call(at, call, writer, out);
        }
    }

    /// Ends every item. `status`: completed, or incomplete.
    pub(super) fn close(&mut self, status: &str, writer: &mut Writer, out: &mut Vec<u8>) {
        self.close_open(status, writer, out);
        for call in std::mem::take(&mut self.calls) {
            let index = call.place.index;
            self.items[index] = Some(call.close(status, writer, out));
        }
    }

    /// The items that are whole: all of them, after [`Output::close`].
    pub(super) fn closed(&self) -> Vec<Value> {
        self.items.iter().flatten().cloned().collect()
    }

    fn place(&mut self, prefix: &str) -> Place {
        let index = self.items.len();
        self.items.push(None);
        Place { id: format!("{prefix}_{:016x}{index:04x}", self.seed), index }
    }

    fn close_open(&mut self, status: &str, writer: &mut Writer, out: &mut Vec<u8>) {
        if let Some(reasoning) = self.reasoning.take() {
            let index = reasoning.place.index;
            self.items[index] = Some(reasoning.close(writer, out));
        }
        if let Some(message) = self.message.take() {
            let index = message.place.index;
            self.items[index] = Some(message.close(status, writer, out));
        }
    }

    fn reasoning(&mut self, writer: &mut Writer, out: &mut Vec<u8>) -> &mut Reasoning {
        let open = match self.reasoning.take() {
            Some(open) => open,
            None => {
                self.close_open("completed", writer, out);
                Reasoning::open(self.place("rs_tg"), writer, out)
            }
        };
        self.reasoning.insert(open)
    }

    fn message(&mut self, writer: &mut Writer, out: &mut Vec<u8>) -> &mut Message {
        let open = match self.message.take() {
            Some(open) => open,
            None => {
                self.close_open("completed", writer, out);
                Message::open(self.place("msg"), writer, out)
            }
        };
        self.message.insert(open)
    }

    /// A fragment of a call; `at`: its place among the calls, where it does not say so itself.
    fn call(&mut self, at: usize, fragment: &Value, writer: &mut Writer, out: &mut Vec<u8>) {
        let at = self.known.place(fragment, at);
        if let Some(known) = self.calls.get(at) {
            let id = known.id.clone();
            self.sign(&id, fragment, writer, out);
        } else {
            let id = fragment["id"].as_str().filter(|id| !id.is_empty()).map(str::to_owned);
            let id = id.unwrap_or_else(|| format!("call_{:016x}{at:04x}", self.seed));
            self.sign(&id, fragment, writer, out);
            self.close_open("completed", writer, out);
            let function = fragment["function"]["name"].as_str().unwrap_or_default();
            let tool = self.tools.called(function).cloned();
            let place = self.place(Call::prefix(tool.as_ref()));
            self.calls.push(Call::open(place, id, function, tool, writer, out));
        }
        if let Some(piece) = fragment["function"]["arguments"].as_str().filter(|piece| !piece.is_empty()) {
            self.calls[at].arguments(piece, writer, out);
        }
    }

    /// The signature of a call is carried by the reasoning before it.
    fn sign(&mut self, id: &str, fragment: &Value, writer: &mut Writer, out: &mut Vec<u8>) {
        let google = fragment.pointer("/extra_content/google/thought_signature");
        let signature = google.or_else(|| fragment.pointer("/provider_specific_fields/thought_signature"));
        if let Some(signature) = signature.filter(|signature| signature.is_string()) {
            self.reasoning(writer, out).carried.calls.insert(id.to_owned(), signature.clone());
        }
    }

    fn image(&mut self, image: &Value, writer: &mut Writer, out: &mut Vec<u8>) {
        let Some(url) = image["image_url"]["url"].as_str() else { return };
        let data = url.split_once(";base64,").map_or(url, |(_, data)| data);
        self.close_open("completed", writer, out);
        let place = self.place("ig");
        let item = |status: &str, result: Value| json!({"id": place.id, "type": "image_generation_call", "status": status, "result": result});
        place.tell(ADDED, &item("in_progress", Value::Null), writer, out);
        writer.event("response.image_generation_call.completed", place.event(json!({})), out);
        let done = item("completed", json!(data));
        place.tell(DONE, &done, writer, out);
        self.items[place.index] = Some(done);
    }
}
