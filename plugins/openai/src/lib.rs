//! OpenAI, and every server that speaks its dialects: `vendors/` has a file for each of them, which says what it speaks
//! beside chat completions.
//!
//! Client and upstream speak the same dialect, so the request's bytes go out as they came, except for the model's
//! name, and the host passes the answer through. Where it asks (an OpenAI upstream for a client of another dialect),
//! events pass too; this plugin tells errors and the end. A vendor's quirks change what they have to and no more.
#![forbid(unsafe_code)]

mod effort;
mod endpoint;
mod quirks;
mod request;

use std::sync::Arc;

use tidegate_openai_wire as wire;
use tidegate_plugin_sdk::{
    Auth, Class, Config, Dialect, FailureIn, Fault, Flow, Framing, HeadIn, Host, Provider, RequestIn,
    RequestOut, TextOut, body,
};

pub use endpoint::Endpoint;
pub use quirks::Quirks;
pub use wire::Streams;

tidegate_plugin_sdk::export_plugin! { name: "openai", manifest: quirks::MANIFEST, provider: OpenAi }

/// litellm's prefix for models that only complete texts.
const COMPLETIONS_ONLY: &str = "text-completion-openai";

/// litellm's mark, before a model's name, for models that only Responses serve.
const RESPONSES_ONLY: &str = "responses/";

/// One deployment.
#[derive(Debug)]
pub struct OpenAi {
    endpoint: Endpoint,
    quirks: Quirks,
    /// The quirk of that name; every stream has it.
    reasons: Arc<wire::FinishReasons>,
    /// OpenAI itself, or what stands in its place; no vendor with quirks.
    is_own: bool,
    /// Set for litellm's `text-completion-openai/`: legacy completions and nothing else.
    completions_only: bool,
    /// Set for litellm's `openai/responses/`: Responses and nothing else.
    responses_only: bool,
    has_key: bool,
}

impl Provider for OpenAi {
    type Stream = Streams;

    fn create(config: Config, _host: Host) -> Result<Self, String> {
        let quirks = Quirks::of(&config)?;
        let endpoint = Endpoint::of(&config, &quirks)?;
        Ok(OpenAi {
            endpoint,
            reasons: Arc::new(quirks.finish_reasons.clone()),
            quirks,
            is_own: config.provider == "openai",
            completions_only: config.provider == COMPLETIONS_ONLY,
            responses_only: config.model.starts_with(RESPONSES_ONLY),
            has_key: config.has_secret("api_key"),
        })
    }

    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        let url = self.endpoint.url(input.dialect).ok_or_else(|| {
            Fault::Unsupported("this provider takes requests in OpenAI's own dialects only".to_owned())
        })?;
        if self.completions_only && input.dialect != Dialect::OpenAiCompletions {
            return Err(Fault::Unsupported(format!(
                "{COMPLETIONS_ONLY}/ serves legacy completions only; write openai/ for chat"
            )));
        }
        if self.responses_only && input.dialect != Dialect::OpenAiResponses {
            return Err(Fault::Unsupported(format!(
                "openai/{RESPONSES_ONLY} serves the Responses API only: ask it by POST /v1/responses, or write the model \
                 without {RESPONSES_ONLY} for chat"
            )));
        }
        out.target("POST", &url)?;
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
        let has_choices = matches!(input.dialect, Dialect::OpenAiChat | Dialect::OpenAiCompletions);
        if has_choices && !self.reasons.is_empty() {
            out.response_every_event(input.dialect, Framing::Auto)?;
        } else {
            out.response(input.dialect, Framing::Auto)?;
        }
        let model = input.model.strip_prefix(RESPONSES_ONLY).filter(|_| self.responses_only);
        let model = self.quirks.model(model.unwrap_or(input.model));
        // The quirks of requests are about chat.
        let edited = match input.dialect {
            Dialect::OpenAiChat if self.is_own => effort::edited(input.body, &model)?,
            Dialect::OpenAiChat => self.quirks.edited(input.body)?,
            _ => None,
        };
        let (body, span) = match &edited {
            Some(edited) => (edited.as_slice(), None),
            None => (input.body, input.model_span.clone()),
        };
        let (before, model, after) = body::with_model(body, span, &model)?;
        out.body(before)?;
        out.body(model.as_bytes())?;
        out.body(after)
    }

    fn open(&self, head: &HeadIn<'_>) -> Result<Streams, Fault> {
        Ok(Streams::of(head.dialect, self.reasons.clone()))
    }

    fn response(&self, head: &HeadIn<'_>, body: &[u8], out: &mut TextOut<'_>) -> Result<Flow, Fault> {
        let mut answer = wire::answer_in(head.dialect, body)?;
        if !wire::reword(&self.reasons, &mut answer) {
            return Ok(Flow::Pass);
        }
        out.write(answer.to_string().as_bytes())?;
        Ok(Flow::Done)
    }

    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class) {
        wire::classify(failure, class);
    }
}
