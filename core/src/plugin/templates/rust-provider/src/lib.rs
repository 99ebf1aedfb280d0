#![forbid(unsafe_code)]
use serde_json::{Value, json};
use tidegate_plugin_sdk::{classify, *};

export_plugin! { name: "parrot", manifest: r#"{"providers": [{"prefix": "parrot", "dialects": ["openai-chat"],
    "params": {"api_base": {"default": "http://127.0.0.1:9000"}},
    "secrets": {"api_key": {"env": ["PARROT_KEY"], "default": "none"}}}]}"#, provider: Parrot }

pub struct Parrot { url: String }
pub struct Speech { id: String, created: u64, model: String, ended: bool }
fn parse(data: &[u8]) -> Result<Value, Fault> {
    let value: Value = serde_json::from_slice(data).map_err(|_| Fault::Protocol("not JSON"))?;
    if classify::is_error("", &value) { Err(Fault::Upstream) } else { Ok(value) }
}

impl Provider for Parrot {
    type Stream = Speech;
    fn create(config: Config, _host: Host) -> Result<Self, String> {
        let base = config.text("api_base").ok_or("parrot/ needs \"api_base\"")?;
        Ok(Parrot { url: format!("{base}/speak") })
    }
    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        let body: Value = serde_json::from_slice(input.body).map_err(|e| Fault::Invalid(e.to_string()))?;
        let prompt = body["messages"].as_array().and_then(|list| list.last()?["content"].as_str());
        let prompt = prompt.ok_or(Fault::Unsupported("parrot/ needs a text as the last message".to_owned()))?;
        out.target("POST", &self.url)?;
        out.auth(Auth::Bearer { secret: "api_key" })?;
        out.response(Dialect::Unknown, Framing::Sse)?;
        out.body(json!({"prompt": prompt, "stream": input.stream}).to_string().as_bytes())
    }
    fn open(&self, head: &HeadIn<'_>) -> Result<Speech, Fault> {
        let (id, created) = (format!("parrot-{:x}", head.seed), head.unix_ms / 1000);
        Ok(Speech { id, created, model: head.model.to_owned(), ended: false })
    }
    fn response(&self, head: &HeadIn<'_>, body: &[u8], out: &mut TextOut<'_>) -> Result<Flow, Fault> {
        let text = parse(body)?["token"].as_str().ok_or(Fault::Protocol("no token"))?.to_owned();
        let choice = json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"});
        let (id, created) = (format!("parrot-{:x}", head.seed), head.unix_ms / 1000);
        let told = json!({"id": id, "object": "chat.completion", "created": created, "model": head.model, "choices": [choice]});
        out.write(told.to_string().as_bytes()).map(|()| Flow::Done)
    }
    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class) {
        classify::generic(classify::Said::of_bytes(failure.body), failure.http_status, class);
        class.retry_after_ms = retry_after::from_headers(&failure.headers, failure.unix_ms);
    }
}

impl Stream for Speech {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        let value = parse(event.data)?;
        let token = value["token"].as_str().ok_or(Fault::Protocol("no token"))?;
        self.ended |= value["end"] == true;
        let finish = self.ended.then_some("stop");
        let choice = json!({"index": 0, "delta": {"content": token}, "finish_reason": finish});
        let chunk = json!({"id": self.id, "object": "chat.completion.chunk", "created": self.created,
            "model": self.model, "choices": [choice]});
        out.event("", chunk.to_string().as_bytes())?;
        if self.ended { out.note(Note::Done)?; }
        Ok(Flow::Done)
    }
    fn end(&mut self, _: &mut StreamOut<'_>) -> Result<End, Fault> {
        Ok(if self.ended { End::Done } else { End::Truncated })
    }
}
