//! A reasoning item: what the model thought, as a summary, which is the form that all clients show.

use serde_json::{Value, json};

use super::carry::Carried;
use super::output::{ADDED, DONE, Place};
use super::stream::Writer;

/// One that is open.
#[derive(Debug)]
pub(super) struct Reasoning {
    pub(super) place: Place,
    pub(super) carried: Carried,
    /// The parts of the summary: one for each block of thinking.
    parts: Vec<String>,
    /// The last part may grow.
    growing: bool,
}

impl Reasoning {
    pub(super) fn open(place: Place, writer: &mut Writer, out: &mut Vec<u8>) -> Self {
        place.tell(ADDED, &json!({"id": place.id, "type": "reasoning", "summary": []}), writer, out);
        Self { place, carried: Carried::default(), parts: Vec::new(), growing: false }
    }

    /// More text.
    pub(super) fn text(&mut self, text: &str, writer: &mut Writer, out: &mut Vec<u8>) {
        if !self.growing {
            self.parts.push(String::new());
            self.growing = true;
            let part = json!({"type": "summary_text", "text": ""});
            let members = json!({"summary_index": self.parts.len() - 1, "part": part});
            writer.event("response.reasoning_summary_part.added", self.place.event(members), out);
        }
        let index = self.parts.len() - 1;
        self.parts[index].push_str(text);
        let members = json!({"summary_index": index, "delta": text});
        writer.event("response.reasoning_summary_text.delta", self.place.event(members), out);
    }

    /// The end of a block of thinking, with its signature; in a whole answer, all of it.
    pub(super) fn block(&mut self, block: &Value, writer: &mut Writer, out: &mut Vec<u8>) {
        let mut block = block.clone();
        if block["type"] == "thinking" {
            match block["thinking"].as_str().filter(|text| !text.is_empty()).map(str::to_owned) {
                Some(text) => self.text(&text, writer, out),
                // Its text went before it.
                None if self.growing => block["thinking"] = json!(self.parts.last()),
                None => {}
            }
        }
        self.end_part(writer, out);
        self.carried.thinking_blocks.push(block);
    }

    fn end_part(&mut self, writer: &mut Writer, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.growing) {
            return;
        }
        let (index, text) = (self.parts.len() - 1, self.parts.last());
        let members = json!({"summary_index": index, "text": text});
        writer.event("response.reasoning_summary_text.done", self.place.event(members), out);
        let part = json!({"type": "summary_text", "text": text});
        let members = json!({"summary_index": index, "part": part});
        writer.event("response.reasoning_summary_part.done", self.place.event(members), out);
    }

    pub(super) fn close(mut self, writer: &mut Writer, out: &mut Vec<u8>) -> Value {
        self.end_part(writer, out);
        let summary: Vec<Value> =
            self.parts.iter().map(|text| json!({"type": "summary_text", "text": text})).collect();
        // Always there, so that the item is known again whatever else a client keeps of it.
        let item = json!({
            "id": self.place.id,
            "type": "reasoning",
            "summary": summary,
            "encrypted_content": self.carried.sealed(),
        });
        self.place.tell(DONE, &item, writer, out);
        item
    }
}
