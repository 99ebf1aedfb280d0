//! A provider in less than 60 lines: Azure OpenAI with a key. Its bodies are OpenAI's, so all that it says is where a
//! request goes, how it is signed, what ends an answer, and what a failure means.
#![forbid(unsafe_code)]
use tidegate_plugin_sdk::*;

const MANIFEST: &str = r#"{"providers": [{"prefix": "azure", "dialects": ["openai-chat"],
    "params": {"api_base": {"env": ["AZURE_API_BASE"]}, "api_version": {"default": "2024-10-21"}},
    "secrets": {"api_key": {"env": ["AZURE_API_KEY"], "required": true}}}]}"#;
export_plugin! { name: "azure", manifest: MANIFEST, provider: Azure }

// One deployment: its URL. One stream: whether its end was seen.
pub(crate) struct Azure(String);
pub(crate) struct Events(bool);
/// What has choices passes.
fn pass(name: &str, data: &[u8]) -> Result<Flow, Fault> {
    let said: serde_json::Value = serde_json::from_slice(data).map_err(|_| Fault::Protocol("not JSON"))?;
    if classify::is_error(name, &said) {
        return Err(Fault::Upstream);
    }
    said["choices"].as_array().map(|_| Flow::Pass).ok_or(Fault::Protocol("no choices"))
}
impl Provider for Azure {
    type Stream = Events;
    fn create(config: Config, _: Host) -> Result<Self, String> {
        let base =
            config.text("api_base").ok_or("azure/ needs \"api_base\": https://NAME.openai.azure.com")?;
        let version = url::escape(config.text("api_version").unwrap_or_default(), b"");
        let path = format!("openai/deployments/{}/chat/completions", url::escape(&config.model, b""));
        Ok(Azure(format!("{}/{path}?api-version={version}", base.trim_end_matches('/'))))
    }
    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        out.target("POST", &self.0)?;
        out.auth(Auth::Header { secret: "api_key", header: "api-key", prefix: "" })?;
        out.body(input.body)
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
