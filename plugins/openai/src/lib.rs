//! OpenAI, and every server that speaks its chat completions: `vendors/` has a file for each of them.
//!
//! Client and upstream speak the same dialect, so the request's bytes go out as they came, except for the model's
//! name, and the host passes the answer through. Where it asks (an OpenAI upstream for a client of another dialect),
//! events pass too; this plugin tells errors and the end. A vendor's quirks change what they have to and no more.
#![forbid(unsafe_code)]

mod classify;
mod endpoint;
mod events;
mod quirks;
mod request;

use std::sync::Arc;

use tidegate_plugin_sdk::{
    Auth, Class, Config, Dialect, FailureIn, Fault, Flow, Framing, HeadIn, Host, Provider, RequestIn,
    RequestOut, TextOut, body,
};

pub use endpoint::Endpoint;
pub use events::Events;
pub use quirks::Quirks;

tidegate_plugin_sdk::export_plugin! { name: "openai", manifest: quirks::MANIFEST, provider: OpenAi }

/// One deployment.
#[derive(Debug)]
pub struct OpenAi {
    endpoint: Endpoint,
    quirks: Arc<Quirks>,
    has_key: bool,
}

impl Provider for OpenAi {
    type Stream = Events;

    fn create(config: Config, _host: Host) -> Result<Self, String> {
        let quirks = Quirks::of(&config)?;
        let endpoint = Endpoint::of(&config, &quirks)?;
        Ok(OpenAi { endpoint, quirks: Arc::new(quirks), has_key: config.has_secret("api_key") })
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
        if self.quirks.finish_reasons.is_empty() {
            out.response(Dialect::OpenAiChat, Framing::Auto)?;
        } else {
            out.response_every_event(Dialect::OpenAiChat, Framing::Auto)?;
        }
        let model = self.quirks.model(input.model);
        let edited = self.quirks.edited(input.body)?;
        let (body, span) = match &edited {
            Some(edited) => (edited.as_slice(), None),
            None => (input.body, input.model_span.clone()),
        };
        let (before, model, after) = body::with_model(body, span, &model)?;
        out.body(before)?;
        out.body(model.as_bytes())?;
        out.body(after)
    }

    fn open(&self, _head: &HeadIn<'_>) -> Result<Events, Fault> {
        Ok(Events::of(self.quirks.clone()))
    }

    fn response(&self, _head: &HeadIn<'_>, body: &[u8], out: &mut TextOut<'_>) -> Result<Flow, Fault> {
        let mut answer = events::answer_in(body)?;
        if !self.quirks.ends_in_openais_words(&mut answer) {
            return Ok(Flow::Pass);
        }
        out.write(answer.to_string().as_bytes())?;
        Ok(Flow::Done)
    }

    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class) {
        classify::classify(failure, class);
    }
}
