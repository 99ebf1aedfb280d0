//! A provider as somebody outside the workspace writes one: `{"token": "..."}` events, `"end": true` on the last. At the
//! token "spin" its call never returns.
#![forbid(unsafe_code)]

use serde_json::{Value, json};
use tidegate_plugin_sdk::{classify, *};

export_plugin! { name: "outside", manifest: r#"{"providers": [{"prefix": "outside", "dialects": ["openai-chat"],
    "params": {"api_base": {}}, "secrets": {"api_key": {"env": []}}}]}"#, provider: Outside }

struct Outside {
    url: String,
}

struct Tokens {
    id: String,
    ended: bool,
}

fn parse(data: &[u8]) -> Result<Value, Fault> {
    let value: Value = serde_json::from_slice(data).map_err(|_| Fault::Protocol("not JSON"))?;
    if classify::is_error("", &value) { Err(Fault::Upstream) } else { Ok(value) }
}

impl Provider for Outside {
    type Stream = Tokens;

    fn create(config: Config, _host: Host) -> Result<Self, String> {
        let base = config.text("api_base").ok_or("outside/ needs \"api_base\"")?;
        Ok(Outside { url: format!("{base}/chat/completions") })
    }

    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        out.target("POST", &self.url)?;
        out.auth(Auth::Bearer { secret: "api_key" })?;
        out.response(Dialect::Unknown, Framing::Sse)?;
        out.body(input.body)
    }

    fn open(&self, head: &HeadIn<'_>) -> Result<Tokens, Fault> {
        Ok(Tokens { id: format!("outside-{:x}", head.seed), ended: false })
    }

    fn response(&self, _: &HeadIn<'_>, body: &[u8], out: &mut TextOut<'_>) -> Result<Flow, Fault> {
        let token = parse(body)?["token"].as_str().ok_or(Fault::Protocol("no token"))?.to_owned();
        let choice = json!({"index": 0, "message": {"role": "assistant", "content": token}, "finish_reason": "stop"});
        out.write(json!({"object": "chat.completion", "choices": [choice]}).to_string().as_bytes())?;
        Ok(Flow::Done)
    }

    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class) {
        classify::generic(classify::Said::of_bytes(failure.body), failure.http_status, class);
    }
}

impl Stream for Tokens {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        let value = parse(event.data)?;
        while value["token"] == "spin" {
            std::hint::spin_loop();
        }
        self.ended |= value["end"] == true;
        let finish = self.ended.then_some("stop");
        let choice = json!({"index": 0, "delta": {"content": value["token"]}, "finish_reason": finish});
        let chunk = json!({"id": self.id, "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
        out.event("", chunk.to_string().as_bytes())?;
        Ok(Flow::Done)
    }

    fn end(&mut self, _: &mut StreamOut<'_>) -> Result<End, Fault> {
        Ok(if self.ended { End::Done } else { End::Truncated })
    }
}
