//! Amazon Bedrock: OpenAI chat completions to and from the Converse and ConverseStream calls.
//!
//! The shapes are those of botocore's service model `bedrock-runtime`. As with every provider that is translated, a stream
//! always ends with a usage chunk (`choices: []`), which the host leaves out where the client did not ask for it.
#![forbid(unsafe_code)]

mod classify;
mod endpoint;
mod model;
mod request;
mod response;

use serde_json::Value;
use tidegate_plugin_sdk::{
    Auth, Class, Config, Dialect, Dropped, FailureIn, Fault, Flow, Framing, HeadIn, Host, Provider,
    RequestIn, RequestOut, TextOut,
};

use crate::endpoint::{Call, Endpoint};
use crate::model::Model;

pub use crate::response::Translator;

tidegate_plugin_sdk::export_plugin! { name: "bedrock", manifest: include_str!("manifest.json"), provider: Bedrock }

/// The service that calls are signed for.
const SERVICE: &str = "bedrock";

/// One deployment.
#[derive(Debug)]
pub struct Bedrock {
    endpoint: Endpoint,
    /// A Bedrock API key, instead of a signature.
    has_key: bool,
    /// litellm's `model_id`: what is called, where the model's name only says what it is.
    model_id: Option<String>,
    drop_params: bool,
}

/// Parameters of litellm's that lead to credentials by another way than ours. Left out silently, they would end at
/// another account's.
const REFUSED: [&str; 4] = ["aws_role_name", "aws_session_name", "aws_web_identity_token", "aws_external_id"];

impl Provider for Bedrock {
    type Stream = Translator;

    fn create(config: Config, _host: Host) -> Result<Self, String> {
        let refused = |name: &&&str| config.params.contains_key(**name) || config.has_secret(name);
        if let Some(name) = REFUSED.iter().find(refused) {
            return Err(format!(
                "\"{name}\": roles are not supported yet; give the deployment keys, a profile of the credentials file, or \
                 the container's or instance's own role"
            ));
        }
        let endpoint = Endpoint::of(&config)?;
        // A wildcard deployment learns its model from each request.
        if !config.model.contains('*') {
            endpoint.region(&Model::of(&config.model)?)?;
        }
        // Keys that the deployment has itself go before a key that may be the environment's.
        let signs = config.has_secret("aws_access_key_id") || config.text("aws_profile_name").is_some();
        Ok(Bedrock {
            endpoint,
            has_key: config.has_secret("api_key") && !signs,
            model_id: config.text("model_id").map(str::to_owned),
            drop_params: config.params.get("drop_params").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    fn request(&self, input: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        if input.dialect != Dialect::OpenAiChat {
            return Err(Fault::Unsupported("this provider takes OpenAI chat completions only".to_owned()));
        }
        let model = Model::of(input.model).map_err(Fault::Unsupported)?;
        let body: Value = serde_json::from_slice(input.body)
            .map_err(|error| Fault::Invalid(format!("the request body is not valid JSON: {error}")))?;
        let mut dropped = Dropped::new(self.drop_params);
        let body = request::translate(&body, &model, input.headers.get("anthropic-beta"), &mut dropped)?;
        let region = self.endpoint.region(&model).map_err(Fault::Unsupported)?;
        let call = if input.stream { Call::ConverseStream } else { Call::Converse };
        let called = self.model_id.as_deref().unwrap_or(&model.id);
        out.target("POST", &self.endpoint.url(called, region, call))?;
        if self.has_key {
            out.auth(Auth::Bearer { secret: "api_key" })?;
        } else {
            out.auth(Auth::AwsSigV4 { secret: "aws_secret_access_key", service: SERVICE, region })?;
        }
        dropped.tell(out)?;
        out.response(Dialect::BedrockConverse, Framing::AwsEventStream)?;
        out.body(body.to_string().as_bytes())
    }

    fn open(&self, head: &HeadIn<'_>) -> Result<Translator, Fault> {
        Ok(Translator::new(head))
    }

    fn response(&self, head: &HeadIn<'_>, body: &[u8], out: &mut TextOut<'_>) -> Result<Flow, Fault> {
        let completion = response::whole(head, body)?;
        out.write(completion.to_string().as_bytes())?;
        Ok(Flow::Done)
    }

    fn classify(&self, failure: &FailureIn<'_>, class: &mut Class) {
        classify::classify(failure, class);
    }
}
