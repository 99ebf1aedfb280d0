//! A provider in less than 60 lines: Cloudflare's Workers AI. Its bodies are OpenAI's, so all that it says is where a request
//! goes, how it is signed, what ends an answer, and what a failure means. A vendor file would not do: an account is in the URL.
#![forbid(unsafe_code)]
use tidegate_plugin_sdk::*;

const MANIFEST: &str = r#"{"providers": [{"prefix": "cloudflare", "dialects": ["openai-chat"],
    "params": {"api_base": {}, "account_id": {"env": ["CLOUDFLARE_ACCOUNT_ID"]}},
    "secrets": {"api_key": {"env": ["CLOUDFLARE_API_KEY"], "required": true}}}]}"#;
export_plugin! { name: "cloudflare", manifest: MANIFEST, provider: Cloudflare }

// One deployment: its URL. One stream: whether its end was seen.
pub(crate) struct Cloudflare(String);
pub(crate) struct Events(bool);
/// What has choices passes.
fn pass(name: &str, data: &[u8]) -> Result<Flow, Fault> {
    let said: serde_json::Value = serde_json::from_slice(data).map_err(|_| Fault::Protocol("not JSON"))?;
    if classify::is_error(name, &said) {
        return Err(Fault::Upstream);
    }
    said["choices"].as_array().map(|_| Flow::Pass).ok_or(Fault::Protocol("no choices"))
}
impl Provider for Cloudflare {
    type Stream = Events;
    fn create(config: Config, _: Host) -> Result<Self, String> {
        let its = |id| format!("https://api.cloudflare.com/client/v4/accounts/{id}/ai/v1");
        let base = config.text("api_base").map(str::to_owned).or_else(|| config.text("account_id").map(its));
        let base = base.ok_or("cloudflare/ needs CLOUDFLARE_ACCOUNT_ID or \"api_base\"")?;
        Ok(Cloudflare(format!("{}/chat/completions", base.trim_end_matches('/'))))
    }
    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        out.target("POST", &self.0)?;
        out.auth(Auth::Bearer { secret: "api_key" })?;
        let (before, model, after) = body::with_model(input.body, input.model_span.clone(), input.model)?;
        [before, model.as_bytes(), after].into_iter().try_for_each(|piece| out.body(piece))
    }
    fn open(&self, _: &HeadIn<'_>) -> Result<Events, Fault> {
        Ok(Events(false))
    }
    fn response(&self, _: &HeadIn<'_>, body: &[u8], _: &mut TextOut<'_>) -> Result<Flow, Fault> {
        pass("", body)
    }
    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class) {
        classify::generic(classify::Said::of_bytes(failure.body), failure.http_status, class);
        class.retry_after_ms = retry_after::from_headers(&failure.headers, failure.unix_ms);
    }
}

impl Stream for Events {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        if event.text()?.starts_with("[DONE]") {
            self.0 = true;
            return out.note(Note::Done).map(|()| Flow::Done);
        }
        pass(event.name, event.data)
    }
    fn end(&mut self, _: &mut StreamOut<'_>) -> Result<End, Fault> {
        Ok(if self.0 { End::Done } else { End::Truncated })
    }
}
