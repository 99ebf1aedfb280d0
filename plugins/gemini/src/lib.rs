//! Gemini API and Vertex AI: OpenAI chat completions to and from `generateContent`.
//!
//! The plugin cannot know, when the answer comes, whether the client asked for usage: it always ends a stream with
//! a usage chunk (`choices: []`), and the host leaves it out where `stream_options.include_usage` was not set.
#![forbid(unsafe_code)]

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
use tidegate_plugin_sdk::{
    Auth, Class, Config, Dialect, FailureIn, Fault, Flow, Framing, HeadIn, Host, Provider, RequestIn,
    RequestOut, TextOut,
};

use crate::model::{Maker, Model};
use crate::url::{Endpoint, Method};

pub use crate::response::Translator;

tidegate_plugin_sdk::export_plugin! { name: "gemini", manifest: include_str!("manifest.json"), provider: Gemini }

const CLOUD_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// One deployment.
#[derive(Debug)]
pub struct Gemini {
    endpoint: Endpoint,
    has_key: bool,
    /// Which of litellm's two names the credentials were configured under.
    credentials: &'static str,
    drop_params: bool,
}

impl Gemini {
    fn translated(&self, input: &RequestIn<'_>, model: &Model) -> Result<Vec<u8>, Fault> {
        let body = read(input.body)?;
        let options = request::Options { stream: input.stream, drop_params: self.drop_params };
        Ok(request::translate(&body, model, options)?.to_string().into_bytes())
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
    type Stream = Translator;

    fn create(config: Config, _host: Host) -> Result<Self, String> {
        // A wildcard deployment learns its model from each request.
        let endpoint = Endpoint::of(&config)?;
        if !config.model.contains('*') {
            Model::of(&config.model, endpoint.is_vertex())?;
        }
        let old_name = config.has_secret("vertex_ai_credentials") && !config.has_secret("vertex_credentials");
        Ok(Gemini {
            credentials: if old_name { "vertex_ai_credentials" } else { "vertex_credentials" },
            endpoint,
            has_key: config.has_secret("api_key"),
            drop_params: config.params.get("drop_params").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        let model = Model::of(input.model, self.endpoint.is_vertex()).map_err(Fault::Unsupported)?;
        if model.maker != Maker::Google {
            return Err(Fault::Unsupported(format!(
                "the model {:?} is not served by generateContent",
                model.name
            )));
        }
        let generate = if input.stream { Method::Stream } else { Method::Whole };
        let (method, body) = match input.dialect {
            Dialect::GeminiGenerate => (generate, native::generate(input, &model)?),
            Dialect::OpenAiChat => (generate, Cow::Owned(self.translated(input, &model)?)),
            Dialect::OpenAiEmbeddings => {
                let body = embed::translate(&read(input.body)?, &model, self.endpoint.is_vertex())?;
                (Method::Embed, Cow::Owned(body.to_string().into_bytes()))
            }
            _ => {
                let sentence =
                    "this provider takes generateContent, OpenAI chat completions and embeddings only";
                return Err(Fault::Unsupported(sentence.to_owned()));
            }
        };
        out.target("POST", &self.endpoint.url(&model, method))?;
        for (name, value) in &input.headers.0 {
            out.header(name, value)?;
        }
        self.authorize(out)?;
        out.response(Dialect::GeminiGenerate, Framing::Auto)?;
        out.body(&body)
    }

    fn open(&self, head: &HeadIn<'_>) -> Result<Translator, Fault> {
        Ok(Translator::new(head))
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

fn read(body: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(body)
        .map_err(|error| Fault::Invalid(format!("the request body is not valid JSON: {error}")))
}
