//! Azure OpenAI (`azure/`) and Azure AI Foundry's other models (`azure_ai/`).
//!
//! Bodies are OpenAI's, so that requests and answers pass as they are; Azure has addresses and keys of its own, a chunk
//! without choices for what its filter found in the prompt, and a failure for what it refuses.
#![forbid(unsafe_code)]

mod classify;
mod endpoint;
mod model;

use std::sync::Arc;

use serde_json::Value;
use tidegate_openai_wire as wire;
use tidegate_plugin_sdk::{
    Auth, Class, Config, Dialect, FailureIn, Fault, Flow, Framing, HeadIn, Host, Provider, RequestIn,
    RequestOut, TextOut, body,
};

pub use endpoint::Endpoint;
use model::Model;
pub use wire::Streams;

tidegate_plugin_sdk::export_plugin! { name: "azure", manifest: include_str!("manifest.json"), provider: Azure }

/// One deployment.
#[derive(Debug)]
pub struct Azure {
    endpoint: Endpoint,
    auth: Key,
    drop_params: bool,
}

/// What signs its requests.
#[derive(Clone, Copy, Debug)]
enum Key {
    /// A key in `api-key`.
    Header,
    /// A key as a bearer token, as models take it that are served at addresses of their own.
    Bearer,
    /// A token of Entra ID.
    Entra,
    None,
}

impl Provider for Azure {
    type Stream = Streams;

    fn create(config: Config, _host: Host) -> Result<Self, String> {
        let endpoint = Endpoint::of(&config)?;
        // As in litellm, a key goes before a token.
        let auth = match (config.has_secret("api_key"), config.has_secret("azure_ad_token")) {
            (true, _) if endpoint.takes_bearer_keys() => Key::Bearer,
            (true, _) => Key::Header,
            (false, true) => Key::Entra,
            (false, false) => Key::None,
        };
        Ok(Azure {
            endpoint,
            auth,
            drop_params: config.params.get("drop_params").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        let model = Model::of(input.model).map_err(Fault::Unsupported)?;
        if model.responses_only && !matches!(input.dialect, Dialect::OpenAiResponses | Dialect::OpenAiChat) {
            return Err(Fault::Unsupported(format!(
                "{} is asked by the Responses API alone, for clients of that and of chat",
                input.model
            )));
        }
        let translated = match input.dialect {
            Dialect::OpenAiChat if model.responses_only => {
                Some(wire::chat::request(input.body, model.deployment, input.stream, self.drop_params)?)
            }
            _ => None,
        };
        let dialect = if translated.is_some() { Dialect::OpenAiResponses } else { input.dialect };
        let model = model.deployment;
        out.target("POST", &self.endpoint.url(dialect, model)?)?;
        out.header("accept", if input.stream { "text/event-stream" } else { "application/json" })?;
        for (name, value) in &input.headers.0 {
            out.header(name, value)?;
        }
        match self.auth {
            Key::Header => out.auth(Auth::Header { secret: "api_key", header: "api-key", prefix: "" })?,
            Key::Bearer => out.auth(Auth::Bearer { secret: "api_key" })?,
            Key::Entra => out.auth(Auth::Bearer { secret: "azure_ad_token" })?,
            Key::None => {}
        }
        out.response(dialect, Framing::Auto)?;
        if let Some(asked) = translated {
            if !asked.dropped.is_empty() {
                out.dropped(&asked.dropped.join(", "))?;
            }
            return out.body(&asked.body);
        }
        let (before, model, after) = body::with_model(input.body, input.model_span.clone(), model)?;
        out.body(before)?;
        out.body(model.as_bytes())?;
        out.body(after)
    }

    fn open(&self, head: &HeadIn<'_>) -> Result<Streams, Fault> {
        Ok(Streams::of(head, Arc::default()))
    }

    fn response(&self, head: &HeadIn<'_>, body: &[u8], out: &mut TextOut<'_>) -> Result<Flow, Fault> {
        if let Some(chat) = wire::chat::answer(head, body)? {
            out.write(chat.to_string().as_bytes())?;
            return Ok(Flow::Done);
        }
        wire::answer_in(head.dialect, body).map(|_| Flow::Pass)
    }

    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class) {
        classify::classify(failure, class);
    }
}
