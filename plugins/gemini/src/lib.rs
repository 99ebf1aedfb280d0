//! Gemini API and Vertex AI: `generateContent` for clients that speak it, and for OpenAI chat completions and embeddings;
//! on Vertex AI Claude too, and the models of others that it serves in OpenAI's dialect.
//!
//! The plugin cannot know, when the answer comes, whether the client asked for usage: it always ends a stream with
//! a usage chunk (`choices: []`), and the host leaves it out where `stream_options.include_usage` was not set.
#![forbid(unsafe_code)]

mod answer;
mod classify;
mod embed;
mod error;
mod model;
mod native;
mod request;
mod response;
mod url;

use std::borrow::Cow;

use serde_json::Value;
use tidegate_anthropic_wire as claude;
use tidegate_plugin_sdk::{
    Auth, Class, Config, Dialect, Dropped, FailureIn, Fault, Flow, Framing, HeadIn, Host, Provider,
    RequestIn, RequestOut, TextOut, body,
};

use crate::model::{Maker, Model};
use crate::url::{COUNT_TOKENS, Endpoint, Method};

pub use crate::answer::Answer;
pub use crate::response::Translator;

tidegate_plugin_sdk::export_plugin! { name: "gemini", manifest: include_str!("manifest.json"), provider: Gemini }

const CLOUD_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// One deployment.
#[derive(Debug)]
pub struct Gemini {
    endpoint: Endpoint,
    /// The model's, where the configuration names one.
    maker: Option<Maker>,
    has_key: bool,
    /// Which of litellm's two names the credentials were configured under.
    credentials: &'static str,
    drop_params: bool,
}

/// What is asked of Google's servers.
struct Asked<'a> {
    /// The one in the URL, where it is not the deployment's.
    model: Option<Model>,
    method: Method,
    body: Cow<'a, [u8]>,
    /// The dialect of the answer.
    answered: Dialect,
}

impl Gemini {
    fn of_google<'a>(
        &self,
        input: &RequestIn<'a>,
        model: &Model,
        dropped: &mut Dropped,
    ) -> Result<Asked<'a>, Fault> {
        let generate = if input.stream { Method::Stream } else { Method::Whole };
        let (method, body) = match input.dialect {
            Dialect::GeminiGenerate => (generate, native::generate(input, model)?),
            Dialect::GeminiCountTokens => (Method::Count, native::count(input, &self.endpoint, model)?),
            Dialect::OpenAiChat => {
                let options =
                    request::Options { stream: input.stream, ids: self.endpoint.takes_ids_of_calls() };
                (generate, owned(&request::translate(&read(input.body)?, model, options, dropped)?))
            }
            Dialect::OpenAiEmbeddings => {
                let body = embed::translate(&read(input.body)?, model, self.endpoint.is_vertex(), dropped)?;
                (Method::Embed, owned(&body))
            }
            other => return Err(not_taken(model, other)),
        };
        let answered = match input.dialect {
            Dialect::GeminiCountTokens => Dialect::GeminiCountTokens,
            // Google's embeddings have no number of their own: this plugin makes OpenAI's of them.
            Dialect::OpenAiEmbeddings => Dialect::Unknown,
            _ => Dialect::GeminiGenerate,
        };
        Ok(Asked { model: None, method, body, answered })
    }

    /// Claude, whose Messages Vertex AI takes with the model in the URL and the version in the body. Tokens are counted
    /// under a name of their own, and there the body names the model.
    fn of_anthropic<'a>(
        &self,
        input: &RequestIn<'a>,
        model: &Model,
        dropped: &mut Dropped,
    ) -> Result<Asked<'a>, Fault> {
        let raw = if input.stream { Method::RawStream } else { Method::Raw };
        let messages = |body| Asked { model: None, method: raw, body, answered: Dialect::AnthropicMessages };
        match input.dialect {
            Dialect::AnthropicMessages => Ok(messages(Cow::Owned(claude::for_vertex(input.body)?))),
            Dialect::AnthropicCountTokens if !self.endpoint.counts_claude() => Err(Fault::Unsupported(
                "\"api_base\" names no model, so that it is not known where tokens are counted".to_owned(),
            )),
            Dialect::AnthropicCountTokens => Ok(Asked {
                model: Some(Model { name: COUNT_TOKENS.to_owned(), ..model.clone() }),
                method: Method::Raw,
                body: named(input, model)?,
                answered: Dialect::AnthropicCountTokens,
            }),
            Dialect::OpenAiChat => {
                let options = claude::Options { stream: input.stream, platform: claude::Platform::Vertex };
                Ok(messages(owned(&claude::translate(&read(input.body)?, &model.name, options, dropped)?)))
            }
            other => Err(not_taken(model, other)),
        }
    }

    fn authorize(&self, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        match &self.endpoint {
            Endpoint::Vertex { .. } => {
                out.auth(Auth::GoogleOauth { secret: self.credentials, scope: CLOUD_SCOPE })
            }
            Endpoint::Api { .. } if self.has_key => {
                out.auth(Auth::Header { secret: "api_key", header: "x-goog-api-key", prefix: "" })
            }
            Endpoint::Api { .. } => Ok(()),
        }
    }
}

impl Provider for Gemini {
    type Stream = Answer;

    fn create(config: Config, _host: Host) -> Result<Self, String> {
        // A wildcard deployment learns its model from each request.
        let endpoint = Endpoint::of(&config)?;
        let maker = if config.model.contains('*') {
            None
        } else {
            Some(Model::of(&config.model, endpoint.is_vertex())?.maker)
        };
        let old_name = config.has_secret("vertex_ai_credentials") && !config.has_secret("vertex_credentials");
        Ok(Gemini {
            credentials: if old_name { "vertex_ai_credentials" } else { "vertex_credentials" },
            endpoint,
            maker,
            has_key: config.has_secret("api_key"),
            drop_params: config.params.get("drop_params").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        let model = Model::of(input.model, self.endpoint.is_vertex()).map_err(Fault::Unsupported)?;
        let mut dropped = Dropped::new(self.drop_params);
        let asked = match model.maker {
            Maker::Google => self.of_google(input, &model, &mut dropped)?,
            Maker::Anthropic => self.of_anthropic(input, &model, &mut dropped)?,
            Maker::Mistral | Maker::Open => of_others(input, &model)?,
        };
        out.target("POST", &self.endpoint.url(&asked.model.unwrap_or(model), asked.method))?;
        for (name, value) in &input.headers.0 {
            // Vertex AI has it in the body.
            if *name != "anthropic-version" {
                out.header(name, value)?;
            }
        }
        self.authorize(out)?;
        dropped.tell(out)?;
        out.response(asked.answered, Framing::Auto)?;
        out.body(&asked.body)
    }

    fn open(&self, head: &HeadIn<'_>) -> Result<Answer, Fault> {
        Ok(Answer::of(self.maker, head))
    }

    fn response(&self, head: &HeadIn<'_>, body: &[u8], out: &mut TextOut<'_>) -> Result<Flow, Fault> {
        let answer = match head.dialect {
            Dialect::OpenAiEmbeddings => embed::answer(head, body)?,
            Dialect::AnthropicMessages => return claude::answer(body, false),
            Dialect::AnthropicCountTokens => return claude::answer(body, true),
            _ if self.endpoint.is_vertex() && answer::is_claudes(body) => claude::whole(head, body)?,
            _ => response::whole(head, body)?,
        };
        out.write(answer.to_string().as_bytes())?;
        Ok(Flow::Done)
    }

    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class) {
        if self.endpoint.is_vertex() && answer::is_claudes(failure.body) {
            claude::classify(failure, class);
        } else {
            classify::classify(failure, class);
        }
    }
}

/// Models that speak OpenAI's dialect: those at Vertex AI's OpenAI endpoint, and Mistral's at a place of their own.
fn of_others<'a>(input: &RequestIn<'a>, model: &Model) -> Result<Asked<'a>, Fault> {
    if input.dialect != Dialect::OpenAiChat {
        return Err(not_taken(model, input.dialect));
    }
    let method = match model.maker {
        Maker::Mistral if input.stream => Method::RawStream,
        Maker::Mistral => Method::Raw,
        _ => Method::Chat,
    };
    Ok(Asked { model: None, method, body: named(input, model)?, answered: Dialect::OpenAiChat })
}

/// The body with this model's name in it.
fn named<'a>(input: &RequestIn<'a>, model: &Model) -> Result<Cow<'a, [u8]>, Fault> {
    let (before, name, after) = body::with_model(input.body, input.model_span.clone(), &model.name)?;
    Ok(Cow::Owned([before, name.as_bytes(), after].concat()))
}

fn owned<'a>(body: &Value) -> Cow<'a, [u8]> {
    Cow::Owned(body.to_string().into_bytes())
}

fn not_taken(model: &Model, dialect: Dialect) -> Fault {
    Fault::Unsupported(format!("the model {:?} is not served in the dialect {dialect:?}", model.name))
}

fn read(body: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(body)
        .map_err(|error| Fault::Invalid(format!("the request body is not valid JSON: {error}")))
}
