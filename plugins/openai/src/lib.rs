//! OpenAI, and every server that speaks its chat completions: `manifest.json` is the table of them.
//!
//! Client and upstream speak the same dialect, so the request's bytes go out as they came, except for the model's
//! name, and the host passes the answer through. Where it asks (an OpenAI upstream for a client of another dialect),
//! events pass too; this plugin tells errors and the end.
#![forbid(unsafe_code)]

mod classify;
mod endpoint;
mod events;

use tidegate_plugin_sdk::{
    Auth, Class, Config, Dialect, FailureIn, Fault, Flow, Framing, HeadIn, Host, Provider, RequestIn,
    RequestOut, TextOut, body,
};

pub use endpoint::Endpoint;
pub use events::Events;

tidegate_plugin_sdk::export_plugin! { name: "openai", manifest: include_str!("manifest.json"), provider: OpenAi }

/// One deployment.
#[derive(Debug)]
pub struct OpenAi {
    endpoint: Endpoint,
    has_key: bool,
}

impl Provider for OpenAi {
    type Stream = Events;

    fn create(config: Config, _host: Host) -> Result<Self, String> {
        Ok(OpenAi { endpoint: Endpoint::of(&config)?, has_key: config.has_secret("api_key") })
    }

    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        if !matches!(input.dialect, Dialect::OpenAiChat) {
            return Err(Fault::Unsupported("this provider takes OpenAI chat completions only".to_owned()));
        }
        out.target("POST", &self.endpoint.url)?;
        out.header("accept", if input.stream { "text/event-stream" } else { "application/json" })?;
        for (name, value) in self.endpoint.headers.iter().map(|(n, v)| (*n, v.as_str())) {
            out.header(name, value)?;
        }
        for (name, value) in &input.headers.0 {
            out.header(name, value)?;
        }
        if self.has_key {
            out.auth(Auth::Bearer { secret: "api_key" })?;
        }
        out.response(Dialect::OpenAiChat, Framing::Auto)?;
        let (before, model, after) = body::with_model(input.body, input.model_span.clone(), input.model)?;
        out.body(before)?;
        out.body(model.as_bytes())?;
        out.body(after)
    }

    fn open(&self, _head: &HeadIn<'_>) -> Result<Events, Fault> {
        Ok(Events::default())
    }

    fn response(&self, _head: &HeadIn<'_>, body: &[u8], _out: &mut TextOut<'_>) -> Result<Flow, Fault> {
        events::check_body(body).map(|()| Flow::Pass)
    }

    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class) {
        classify::classify(failure, class);
    }
}
