//! What a client of Anthropic's Messages was told: the answer read as strictly as its SDKs would have it, and more so.

use serde_json::{Value, json};
use tidegate_sim::strict::{Answer, Call, End, Terminal, Told, client, sse};

/// The headers that the official SDKs send, beside the key.
pub const HEADERS: &str = "anthropic-version: 2023-06-01\r\nanthropic-beta: of-tomorrow-2030-01-01\r\n";

/// A request of Messages for a scenario of the simulator.
pub fn messages(model: &str, scenario: &str, stream: bool) -> Vec<u8> {
    let message = format!("sim:{scenario}");
    let content = json!([{"role": "user", "content": message}]);
    post(&json!({"model": model, "max_tokens": 100, "messages": content, "stream": stream}))
}

/// A request of Messages.
pub fn post(body: &Value) -> Vec<u8> {
    client::post("/v1/messages?beta=true", HEADERS, body.to_string().as_bytes())
}

/// The type of an error by its status, as Anthropic documents them.
fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// Reads an answer as a [`Told`], in OpenAI's words. `wanted`: the status of the error that is expected; an error event has
/// none, and its type stands for several.
///
/// # Errors
/// A sentence on the first rule that it breaks.
pub fn told(answer: &Answer, stream: bool, wanted: u16) -> Result<Told, String> {
    if answer.end != End::Complete {
        return Err(format!("the answer's HTTP framing ended with {:?}: {:.300}", answer.end, answer.text()));
    }
    if !answer.header("request-id").is_some_and(|id| id.starts_with("req_")) {
        return Err("there is no request-id".to_owned());
    }
    let mut reader = Reader {
        told: Told {
            // 529 is what 503 is elsewhere.
            status: if answer.status == 529 { 503 } else { answer.status },
            text: String::new(),
            calls: Vec::new(),
            finish: None,
            usage: None,
            terminal: Terminal::Done,
            message: String::new(),
            committed: false,
            retry_after: answer.header("retry-after").map(str::to_owned),
        },
        wanted,
        open: None,
        next: 0,
    };
    let media = answer.header("content-type").unwrap_or_default();
    match (answer.status, stream) {
        (200, true) if media.starts_with("text/event-stream") => reader.stream(answer)?,
        (200, false) if media.starts_with("application/json") => reader.whole(&answer.json())?,
        (status @ 400.., _) if media.starts_with("application/json") => {
            let body = answer.json();
            if body["request_id"].as_str() != answer.header("request-id") {
                return Err(format!("the error has another request_id than the header: {body}"));
            }
            reader.wanted = status;
            reader.error(&body)?;
            reader.told.terminal = Terminal::Error(reader.told.status);
        }
        (status, _) => return Err(format!("a {status} has the content type {media:?}")),
    }
    Ok(reader.told)
}

struct Reader {
    told: Told,
    wanted: u16,
    /// The block that is open, and its type.
    open: Option<(u64, String)>,
    next: u64,
}

impl Reader {
    fn stream(&mut self, answer: &Answer) -> Result<(), String> {
        let (events, rest) = sse::events(&answer.body)?;
        if !rest.is_empty() {
            return Err(format!("the stream ends inside an event: {rest:?}"));
        }
        let (mut begun, mut over) = (false, false);
        for event in &events {
            if over {
                return Err(format!("something follows the terminal: {event:?}"));
            }
            let data: Value = serde_json::from_str(&event.data)
                .map_err(|error| format!("an event is not JSON ({error}): {:.200}", event.data))?;
            if data["type"] != event.name.as_str() {
                return Err(format!("the name {:?} is not the type: {data}", event.name));
            }
            match event.name.as_str() {
                "message_start" if !begun => begun = true,
                "ping" => {}
                "error" => {
                    self.error(&data)?;
                    over = true;
                }
                _ if !begun => return Err(format!("this comes before the message begins: {data}")),
                "message_stop" => {
                    if self.open.is_some() || self.told.finish.is_none() {
                        return Err("the message stops before it has ended".to_owned());
                    }
                    over = true;
                }
                _ => self.part(&data).map_err(|why| format!("{why}: {data}"))?,
            }
            self.told.committed |= event.name == "content_block_delta";
        }
        if over { Ok(()) } else { Err(format!("the stream has no terminal: {:.300}", answer.text())) }
    }

    fn part(&mut self, data: &Value) -> Result<(), String> {
        let index = data["index"].as_u64();
        match data["type"].as_str() {
            Some("content_block_start") if self.open.is_none() && index == Some(self.next) => {
                let block = &data["content_block"];
                let kind = block["type"].as_str().ok_or("a block has no type")?;
                if kind == "tool_use" {
                    self.call(block);
                }
                self.open = Some((self.next, kind.to_owned()));
                self.next += 1;
            }
            Some("content_block_delta") => {
                let (open, kind) = self.open.as_ref().ok_or("no block is open")?;
                if index != Some(*open) {
                    return Err("a delta is of another block".to_owned());
                }
                match (data["delta"]["type"].as_str(), kind.as_str()) {
                    (Some("text_delta"), "text") => self.text(&data["delta"]["text"])?,
                    (Some("input_json_delta"), "tool_use") => {
                        let piece = data["delta"]["partial_json"].as_str().ok_or("no partial_json")?;
                        self.told.calls.last_mut().ok_or("no call")?.arguments.push_str(piece);
                    }
                    (Some("thinking_delta" | "signature_delta"), "thinking")
                    | (Some("citations_delta"), "text") => {}
                    _ => return Err(format!("such a delta does not belong into a {kind}")),
                }
            }
            Some("content_block_stop") if self.open.as_ref().map(|(open, _)| *open) == index => {
                self.open = None;
            }
            Some("message_delta") if self.open.is_none() && self.told.finish.is_none() => {
                self.finish(&data["delta"]["stop_reason"])?;
                self.told.usage = Some(data["usage"].clone());
            }
            _ => return Err("this does not come here".to_owned()),
        }
        Ok(())
    }

    fn text(&mut self, text: &Value) -> Result<(), String> {
        self.told.text.push_str(text.as_str().ok_or("a text that is none")?);
        Ok(())
    }

    fn call(&mut self, block: &Value) {
        let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
        self.told.calls.push(Call { id: text("id"), name: text("name"), arguments: String::new() });
    }

    fn finish(&mut self, reason: &Value) -> Result<(), String> {
        let finish = match reason.as_str() {
            Some("end_turn" | "stop_sequence") => "stop",
            Some("tool_use") => "tool_calls",
            Some("max_tokens") => "length",
            Some("refusal") => "content_filter",
            _ => return Err(format!("the stop reason {reason}")),
        };
        self.told.finish = Some(finish.to_owned());
        Ok(())
    }

    fn whole(&mut self, body: &Value) -> Result<(), String> {
        if body["type"] != "message" || body["role"] != "assistant" {
            return Err(format!("this is no message: {body}"));
        }
        for block in body["content"].as_array().ok_or("a message without content")? {
            match block["type"].as_str() {
                Some("text") => self.text(&block["text"])?,
                Some("tool_use") => {
                    self.call(block);
                    self.told.calls.last_mut().ok_or("no call")?.arguments = block["input"].to_string();
                }
                _ => {}
            }
        }
        self.told.usage = Some(body["usage"].clone());
        self.finish(&body["stop_reason"])
    }

    fn error(&mut self, body: &Value) -> Result<(), String> {
        let (error, message) = (&body["error"], body["error"]["message"].as_str());
        if body["type"] != "error" || message.is_none_or(str::is_empty) {
            return Err(format!("the error has not Anthropic's form: {body}"));
        }
        if error["type"] != kind(self.wanted) {
            return Err(format!("the error's type is not that of {}: {body}", self.wanted));
        }
        self.told.message = message.unwrap_or_default().to_owned();
        self.told.terminal = Terminal::Error(self.wanted);
        Ok(())
    }
}
