//! A provider that panics in the function that its model names.
#![forbid(unsafe_code)]

use tidegate_plugin_sdk::*;

export_plugin! { name: "panics", manifest: r#"{"providers": [{"prefix": "panics", "dialects": ["openai-chat"],
    "params": {"api_base": {"default": "https://example.com/v1"}}, "secrets": {"api_key": {"env": []}}}]}"#,
    provider: Panics }

/// Where it panics whatever it is asked; whoever wants that writes a place over the dots of the built library.
static ALWAYS: [u8; 24] = *b"panic-always:...........";

/// `place` is to panic now?
fn here(place: &str, asked: &str) {
    let always = std::hint::black_box(&ALWAYS);
    let always = std::str::from_utf8(&always[13..]).unwrap_or_default().trim_end_matches('.');
    assert!(asked != place && always != place, "the zoo panics in {place}");
}

struct Panics {
    url: String,
    model: String,
}

struct Chunks {
    model: String,
    seen: u32,
}

impl Provider for Panics {
    type Stream = Chunks;

    fn create(config: Config, _host: Host) -> Result<Self, String> {
        let base = config.text("api_base").unwrap_or("https://example.com/v1");
        let (url, model) = (format!("{base}/chat/completions"), config.model.clone());
        here("create", &model);
        Ok(Panics { url, model })
    }

    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        here("request", &self.model);
        out.target("POST", &self.url)?;
        out.auth(Auth::Bearer { secret: "api_key" })?;
        out.response_every_event(Dialect::OpenAiChat, Framing::Auto)?;
        out.body(input.body)
    }

    fn open(&self, _: &HeadIn<'_>) -> Result<Chunks, Fault> {
        here("open", &self.model);
        Ok(Chunks { model: self.model.clone(), seen: 0 })
    }

    fn response(&self, _: &HeadIn<'_>, _: &[u8], _: &mut TextOut<'_>) -> Result<Flow, Fault> {
        here("response", &self.model);
        Ok(Flow::Pass)
    }

    fn classify(&self, failure: &FailureIn<'_>, _: &mut Class) {
        // Not at what the host tries at its start.
        let sample = failure.body.windows(8).any(|part| part == b"a sample");
        here("classify", if sample { "" } else { &self.model });
    }
}

impl Stream for Chunks {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        if event.data == b"[DONE]" {
            out.note(Note::Done)?;
            return Ok(Flow::Done);
        }
        self.seen += u32::from(event.data.windows(9).any(|part| part == b"\"content\""));
        here("event", if self.seen == 3 { &self.model } else { "" });
        Ok(Flow::Pass)
    }

    fn end(&mut self, _: &mut StreamOut<'_>) -> Result<End, Fault> {
        here("end", &self.model);
        Ok(End::Done)
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        here("close", &self.model);
    }
}
