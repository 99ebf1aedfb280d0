//! Anthropic: for clients of its Messages, whose bytes pass, and for clients of chat completions, which are translated.
//!
//! What it does with bodies, answers and errors stands in `wire`, for whoever else serves Claude.
#![forbid(unsafe_code)]

mod endpoint;

use serde_json::Value;
use tidegate_plugin_sdk::{
    Auth, Class, Config, Dialect, Dropped, End, EventIn, FailureIn, Fault, Flow, Framing, HeadIn, Host,
    Provider, RequestIn, RequestOut, Stream, StreamOut, TextOut, body,
};

use tidegate_anthropic_wire::{Options, Passing, Platform, Translator, answer, classify, encode, whole};

use crate::endpoint::Endpoint;

tidegate_plugin_sdk::export_plugin! { name: "anthropic", manifest: include_str!("manifest.json"), provider: Anthropic }

/// The version of the API that a request names unless its client does.
const VERSION: &str = "2023-06-01";

/// One deployment.
#[derive(Debug)]
pub struct Anthropic {
    endpoint: Endpoint,
    has_key: bool,
    drop_params: bool,
}

/// One stream: translated, or passed on.
#[derive(Debug)]
pub enum Answer {
    /// To a client of chat completions.
    Chat(Box<Translator>),
    /// To a client of Messages.
    Native(Passing),
}

impl Provider for Anthropic {
    type Stream = Answer;

    fn create(config: Config, _host: Host) -> Result<Self, String> {
        Ok(Anthropic {
            endpoint: Endpoint::of(&config)?,
            has_key: config.has_secret("api_key"),
            drop_params: config.params.get("drop_params").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        let mut dropped = Dropped::new(self.drop_params);
        let body = match input.dialect {
            Dialect::AnthropicMessages | Dialect::AnthropicCountTokens => {
                let (before, model, after) =
                    body::with_model(input.body, input.model_span.clone(), input.model)?;
                [before, model.as_bytes(), after].concat()
            }
            Dialect::OpenAiChat => {
                let options = Options { stream: input.stream, platform: Platform::Anthropic };
                encode(input.body, input.model, options, &mut dropped)?
            }
            _ => {
                let sentence = "this provider takes Anthropic messages and OpenAI chat completions only";
                return Err(Fault::Unsupported(sentence.to_owned()));
            }
        };
        let count = input.dialect == Dialect::AnthropicCountTokens;
        out.target("POST", &self.endpoint.url(if count { "/count_tokens" } else { "" }))?;
        out.header("accept", if input.stream { "text/event-stream" } else { "application/json" })?;
        if input.headers.get("anthropic-version").is_none() {
            out.header("anthropic-version", VERSION)?;
        }
        for (name, value) in &input.headers.0 {
            out.header(name, value)?;
        }
        if self.has_key {
            out.auth(Auth::Header { secret: "api_key", header: "x-api-key", prefix: "" })?;
        }
        dropped.tell(out)?;
        let answer = if count { Dialect::AnthropicCountTokens } else { Dialect::AnthropicMessages };
        out.response(answer, Framing::Auto)?;
        out.body(&body)
    }

    fn open(&self, head: &HeadIn<'_>) -> Result<Answer, Fault> {
        Ok(match head.dialect {
            Dialect::AnthropicMessages => Answer::Native(Passing::default()),
            _ => Answer::Chat(Box::new(Translator::new(head))),
        })
    }

    fn response(&self, head: &HeadIn<'_>, body: &[u8], out: &mut TextOut<'_>) -> Result<Flow, Fault> {
        match head.dialect {
            Dialect::AnthropicMessages => return answer(body, false),
            Dialect::AnthropicCountTokens => return answer(body, true),
            _ => {}
        }
        out.write(whole(head, body)?.to_string().as_bytes())?;
        Ok(Flow::Done)
    }

    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class) {
        classify(failure, class);
    }
}

impl Stream for Answer {
    fn event(&mut self, event: &EventIn<'_>, out: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        match self {
            Answer::Chat(stream) => stream.event(event, out),
            Answer::Native(stream) => stream.event(event, out),
        }
    }

    fn end(&mut self, out: &mut StreamOut<'_>) -> Result<End, Fault> {
        match self {
            Answer::Chat(stream) => stream.end(out),
            Answer::Native(stream) => stream.end(out),
        }
    }
}
