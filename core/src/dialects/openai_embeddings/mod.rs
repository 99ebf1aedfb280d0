//! OpenAI's embeddings: the API reference's `POST /v1/embeddings`. Only a provider that takes them as they are serves them:
//! no chat answers with vectors.

mod base64;
mod inspect;
mod request;
mod vectors;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Request, Route, Seen, Speak};

/// The dialect of vectors.
pub(super) struct Embeddings;

/// Of a deployment's default parameters, those that an embedding knows. The rest are its chats'.
const DEFAULTS: [&str; 5] = ["dimensions", "encoding_format", "input_type", "truncate", "user"];

impl Speak for Embeddings {
    fn number(&self) -> u32 {
        tidegate_host::Dialect::OpenaiEmbeddings as u32
    }

    fn decode(&self, route: &Route, body: Bytes) -> Result<Request, String> {
        request::decode(route, body)
    }

    fn to_chat(&self, _request: &Request, _dropping: bool) -> Result<super::Chat, String> {
        Err("the provider of this model has no embeddings".into())
    }

    fn add_defaults(&self, body: &mut Map<String, Value>, defaults: &Map<String, Value>) {
        for (name, value) in defaults.iter().filter(|(name, _)| DEFAULTS.contains(&name.as_str())) {
            body.entry(name).or_insert_with(|| value.clone());
        }
    }

    /// A provider of another API gives numbers, and SDKs ask for texts.
    fn settled(&self, request: &Request, answer: Bytes) -> Bytes {
        let asked: Option<Value> = serde_json::from_slice(&request.body).ok();
        if asked.is_none_or(|asked| asked["encoding_format"] != "base64") {
            return answer;
        }
        let Ok(mut made) = serde_json::from_slice(&answer) else { return answer };
        base64::packed(&mut made);
        made.to_string().into()
    }

    fn inspect_body(&self, body: &[u8]) -> Seen {
        inspect::body(body)
    }

    fn as_asked(&self, request: &Request, body: Bytes) -> Bytes {
        vectors::as_asked(&request.body, body)
    }
}
