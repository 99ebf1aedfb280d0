//! OpenAI, and every server that speaks its dialects: `vendors/` has a file for each of them, which says what it speaks
//! beside chat completions.
//!
//! Client and upstream speak the same dialect, so the request's bytes go out as they came, except for the model's
//! name, and the host passes the answer through. Where it asks (an OpenAI upstream for a client of another dialect),
//! events pass too; this plugin tells errors and the end. A vendor's quirks change what they have to and no more. Chats for
//! models that are asked by the Responses API alone are translated (`wire::chat`).
#![forbid(unsafe_code)]

mod call_id;
mod effort;
mod endpoint;
mod quirks;
mod request;

use std::sync::Arc;

use serde_json::Value;
use tidegate_openai_wire as wire;
use tidegate_plugin_sdk::{
    Auth, Class, Config, Dialect, Dropped, FailureIn, Fault, Flow, Framing, HeadIn, Host, Provider,
    RequestIn, RequestOut, TextOut, body,
};

pub use endpoint::Endpoint;
pub use quirks::Quirks;
pub use wire::Streams;

tidegate_plugin_sdk::export_plugin! { name: "openai", manifest: quirks::MANIFEST, provider: OpenAi }

/// litellm's prefix for models that only complete texts.
const COMPLETIONS_ONLY: &str = "text-completion-openai";

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
    drop_params: bool,
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
            drop_params: config.params.get("drop_params").and_then(Value::as_bool).unwrap_or(false),
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
        let only_responses = wire::model::responses_only(input.model).filter(|_| self.knows(input.model));
        let model = self.quirks.model(only_responses.unwrap_or(input.model));
        match (only_responses, input.dialect) {
            (None, _) | (_, Dialect::OpenAiResponses) => {}
            (Some(_), Dialect::OpenAiChat) => return self.translated(input, &model, out),
            _ => {
                return Err(Fault::Unsupported(format!(
                    "{} is asked by the Responses API alone, for clients of that and of chat",
                    input.model
                )));
            }
        }
        self.send(input, &url, out)?;
        let has_choices = matches!(input.dialect, Dialect::OpenAiChat | Dialect::OpenAiCompletions);
        if has_choices && !self.reasons.is_empty() {
            out.response_every_event(input.dialect, Framing::Auto)?;
        } else {
            out.response(input.dialect, Framing::Auto)?;
        }
        // The quirks of requests are about chat.
        let mut dropped = Dropped::default();
        let edited = match input.dialect {
            Dialect::OpenAiChat if self.is_own => effort::edited(input.body, &model, &mut dropped)?,
            Dialect::OpenAiChat => self.quirks.edited(input.body, &mut dropped)?,
            _ => None,
        };
        dropped.tell(out)?;
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
        Ok(Streams::of(head, self.reasons.clone()))
    }

    fn response(&self, head: &HeadIn<'_>, body: &[u8], out: &mut TextOut<'_>) -> Result<Flow, Fault> {
        if let Some(chat) = wire::chat::answer(head, body)? {
            out.write(chat.to_string().as_bytes())?;
            return Ok(Flow::Done);
        }
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

impl OpenAi {
    /// Whether a model's name may say that Responses alone serves it: litellm's mark does so everywhere, OpenAI's names only
    /// where they are OpenAI's.
    fn knows(&self, model: &str) -> bool {
        self.is_own || model.starts_with(wire::model::RESPONSES)
    }

    /// Where it goes, and with which headers.
    fn send(&self, input: &RequestIn<'_>, url: &str, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        out.target("POST", url)?;
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
        Ok(())
    }

    /// A chat for a model that Responses alone serve.
    fn translated(&self, input: &RequestIn<'_>, model: &str, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        let asked = wire::chat::request(input.body, model, input.stream, self.drop_params)?;
        let url = self.endpoint.url(Dialect::OpenAiResponses).unwrap_or_default();
        self.send(input, &url, out)?;
        if !asked.dropped.is_empty() {
            out.dropped(&asked.dropped.join(", "))?;
        }
        out.response(Dialect::OpenAiResponses, Framing::Auto)?;
        out.body(&asked.body)
    }
}
