//! A call of a tool.

use serde_json::{Value, json};

use super::output::{ADDED, DONE, Place};
use super::stream::Writer;
use super::tools::{Kind, Tool, input_of};

/// One that is open.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) place: Place,
    /// The `call_id`.
    pub(super) id: String,
    name: String,
    namespace: Option<String>,
    kind: Kind,
    arguments: String,
}

impl Call {
    /// What its item's id begins with. A function that is no tool of the client's is called all the same.
    pub(super) fn prefix(tool: Option<&Tool>) -> &'static str {
        match tool.map(|tool| tool.kind) {
            None | Some(Kind::Function) => "fc",
            Some(Kind::Custom) => "ctc",
            Some(Kind::Search) => "tsc",
        }
    }

    pub(super) fn open(
        place: Place,
        id: String,
        function: &str,
        tool: Option<Tool>,
        writer: &mut Writer,
        out: &mut Vec<u8>,
    ) -> Self {
        let (kind, name, namespace) = match tool {
            Some(tool) => (tool.kind, tool.name, tool.namespace),
            None => (Kind::Function, function.to_owned(), None),
        };
        let call = Self { place, id, name, namespace, kind, arguments: String::new() };
        call.place.tell(ADDED, &call.shown("in_progress"), writer, out);
        call
    }

    /// A piece of the arguments. The input of a custom tool is a member of them, and told when they are whole.
    pub(super) fn arguments(&mut self, piece: &str, writer: &mut Writer, out: &mut Vec<u8>) {
        self.arguments.push_str(piece);
        if self.kind == Kind::Function {
            let members = self.place.event(json!({"delta": piece}));
            writer.event("response.function_call_arguments.delta", members, out);
        }
    }

    pub(super) fn close(self, status: &str, writer: &mut Writer, out: &mut Vec<u8>) -> Value {
        match self.kind {
            Kind::Function => {
                let members = self.place.event(json!({"name": self.name, "arguments": self.arguments}));
                writer.event("response.function_call_arguments.done", members, out);
            }
            Kind::Custom => {
                let input = input_of(&self.arguments);
                let delta = self.place.event(json!({"delta": input}));
                writer.event("response.custom_tool_call_input.delta", delta, out);
                let done = self.place.event(json!({"input": input}));
                writer.event("response.custom_tool_call_input.done", done, out);
            }
            Kind::Search => {}
        }
        let item = self.shown(status);
        self.place.tell(DONE, &item, writer, out);
        item
    }

    fn shown(&self, status: &str) -> Value {
        let mut item = json!({"id": self.place.id, "call_id": self.id, "status": status});
        let mut put = |name: &str, value: Value| item[name] = value;
        match self.kind {
            Kind::Function => {
                put("type", json!("function_call"));
                put("name", json!(self.name));
                put("arguments", json!(self.arguments));
            }
            Kind::Custom => {
                put("type", json!("custom_tool_call"));
                put("name", json!(self.name));
                let open = status == "in_progress";
                put("input", json!(if open { String::new() } else { input_of(&self.arguments) }));
            }
            Kind::Search => {
                put("type", json!("tool_search_call"));
                put("execution", json!("client"));
                let arguments: Option<Value> = serde_json::from_str(&self.arguments).ok();
                put("arguments", arguments.unwrap_or_else(|| json!({})));
            }
        }
        if let (Some(namespace), Kind::Function | Kind::Custom) = (&self.namespace, self.kind) {
            put("namespace", json!(namespace));
        }
        item
    }
}
