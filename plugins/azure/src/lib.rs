//! Azure OpenAI (`azure/`) and Azure AI Foundry's other models (`azure_ai/`).
//!
//! Bodies are OpenAI's, so that requests and answers pass as they are; Azure has addresses and keys of its own, a chunk
//! without choices for what its filter found in the prompt, and a failure for what it refuses.
#![forbid(unsafe_code)]

mod classify;
mod endpoint;
mod model;

use std::sync::Arc;

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
        Ok(Azure { endpoint, auth })
    }

    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        let model = Model::of(input.model).map_err(Fault::Unsupported)?;
        if model.responses_only && input.dialect != Dialect::OpenAiResponses {
            return Err(Fault::Unsupported(
                "azure/responses/ serves the Responses API only: ask it by POST /v1/responses, or write the model without \
                 responses/ for chat"
                    .to_owned(),
            ));
        }
        let model = model.deployment;
        out.target("POST", &self.endpoint.url(input.dialect, model)?)?;
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
        out.response(input.dialect, Framing::Auto)?;
        let (before, model, after) = body::with_model(input.body, input.model_span.clone(), model)?;
        out.body(before)?;
        out.body(model.as_bytes())?;
        out.body(after)
    }

    fn open(&self, head: &HeadIn<'_>) -> Result<Streams, Fault> {
        Ok(Streams::of(head.dialect, Arc::default()))
    }

    fn response(&self, head: &HeadIn<'_>, body: &[u8], _out: &mut TextOut<'_>) -> Result<Flow, Fault> {
        wire::answer_in(head.dialect, body).map(|_| Flow::Pass)
    }

    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class) {
        classify::classify(failure, class);
    }
}
