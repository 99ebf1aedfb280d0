//! Ollama: OpenAI chat completions to and from `POST /api/chat`, embeddings to and from `POST /api/embed`.
//!
//! Answers are lines of JSON. litellm's `ollama/` writes a chat's messages into one prompt for `/api/generate`; here both
//! prefixes ask `/api/chat`, so that roles, tools and pictures reach the model's own template.
#![forbid(unsafe_code)]

mod classify;
mod embed;
mod request;
mod response;

use serde_json::Value;
use tidegate_plugin_sdk::{
    Auth, Class, Config, Dialect, Dropped, FailureIn, Fault, Flow, Framing, HeadIn, Host, Provider,
    RequestIn, RequestOut, TextOut,
};

pub use response::Lines;

tidegate_plugin_sdk::export_plugin! { name: "ollama", manifest: include_str!("manifest.json"), provider: Ollama }

/// One deployment.
#[derive(Debug)]
pub struct Ollama {
    /// Without a path and without a `/` at its end.
    base: String,
    has_key: bool,
    drop_params: bool,
}

impl Provider for Ollama {
    type Stream = Lines;

    fn create(config: Config, _host: Host) -> Result<Self, String> {
        let written = config.text("api_base").or_else(|| config.text("base_url"));
        let written = written.unwrap_or("http://localhost:11434");
        if !(written.starts_with("http://") || written.starts_with("https://")) {
            return Err(format!(
                "\"api_base\" must begin with http:// or https://, and {written:?} does not"
            ));
        }
        let path = written.trim_end_matches('/');
        let ends = ["/api/chat", "/api/generate", "/api/embed", "/api"];
        let base = ends.iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path);
        if base.ends_with("/v1") {
            return Err(format!(
                "{written:?} is Ollama's OpenAI-compatible address: leave out /v1, or write the model as openai/..."
            ));
        }
        Ok(Ollama {
            base: base.to_owned(),
            has_key: config.has_secret("api_key"),
            drop_params: config.params.get("drop_params").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        let body: Value = serde_json::from_slice(input.body)
            .map_err(|error| Fault::Invalid(format!("the request body is not valid JSON: {error}")))?;
        let mut dropped = Dropped::new(self.drop_params);
        let (path, body) = match input.dialect {
            Dialect::OpenAiChat => {
                ("chat", request::translate(&body, input.model, input.stream, &mut dropped)?)
            }
            Dialect::OpenAiEmbeddings => ("embed", embed::request(&body, input.model, &mut dropped)?),
            _ => {
                return Err(Fault::Unsupported(
                    "this provider takes OpenAI chat completions and embeddings only".to_owned(),
                ));
            }
        };
        out.target("POST", &format!("{}/api/{path}", self.base))?;
        let accepts = if input.stream { "application/x-ndjson" } else { "application/json" };
        out.header("accept", accepts)?;
        if self.has_key {
            out.auth(Auth::Bearer { secret: "api_key" })?;
        }
        dropped.tell(out)?;
        // No dialect of clients: every line comes here.
        out.response(Dialect::Unknown, Framing::JsonLines)?;
        out.body(body.to_string().as_bytes())
    }

    fn open(&self, head: &HeadIn<'_>) -> Result<Lines, Fault> {
        Ok(Lines::new(head))
    }

    fn response(&self, head: &HeadIn<'_>, body: &[u8], out: &mut TextOut<'_>) -> Result<Flow, Fault> {
        let answer = match head.dialect {
            Dialect::OpenAiEmbeddings => embed::answer(head, body)?,
            _ => response::whole(head, body)?,
        };
        out.write(answer.to_string().as_bytes())?;
        Ok(Flow::Done)
    }

    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class) {
        classify::classify(failure, class);
    }
}
