//! Google's ways to ask for embeddings: `embedContent`, `batchEmbedContents`, and Vertex AI's `predict`. To every provider
//! they are OpenAI's embeddings, and the answer is written back as Google's; Google's own providers get them by their plugin.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{encode, proto};
use crate::dialects::openai_embeddings::Embeddings;
use crate::dialects::{Chat, Dialect, Request, Route, Seen, Speak, body};
use crate::failure::Failure;

/// Which of them it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Embed {
    /// `POST /v1beta/models/MODEL:embedContent`: one content.
    One,
    /// `POST /v1beta/models/MODEL:batchEmbedContents`: several.
    Batch,
    /// Vertex AI's `POST /v1/projects/.../models/MODEL:predict`: several texts.
    Predict,
}

/// What is asked of all vectors, in OpenAI's words and those that litellm has for Google's, by Google's names.
const SETTINGS: [(&str, &str); 4] = [
    ("outputDimensionality", "dimensions"),
    ("taskType", "task_type"),
    ("title", "title"),
    ("autoTruncate", "auto_truncate"),
];

impl Embed {
    /// OpenAI's body, without the model.
    fn asked(self, body: &Value) -> Result<Map<String, Value>, String> {
        let none = || Err("the request asks for no embedding".to_owned());
        let list = |name: &str| proto::get(body, name).map(proto::list).unwrap_or_default();
        let each: Vec<&Value> = match self {
            Embed::One => vec![body],
            Embed::Batch => list("requests").iter().collect(),
            Embed::Predict => list("instances").iter().collect(),
        };
        let Some(first) = each.first() else { return none() };
        let (mut texts, settings) = (Vec::with_capacity(each.len()), settings(first));
        for one in &each {
            // Providers take one for all of a request.
            if self::settings(one) != settings {
                return Err("contents with different settings cannot be embedded by one request".to_owned());
            }
            match proto::get(one, "content") {
                Some(content) => texts.push(text(content)?),
                None => return none(),
            }
        }
        let mut out = Map::from_iter([("input".to_owned(), json!(texts))]);
        out.extend(settings);
        if let Some(parameters) = proto::get(body, "parameters").filter(|_| self == Embed::Predict) {
            out.extend(self::settings(parameters));
        }
        Ok(out)
    }

    /// An answer of OpenAI's as Google's. `None`: it is none.
    fn told(self, answer: &Value) -> Option<Value> {
        let vectors = answer["data"].as_array()?.iter().map(|one| one["embedding"].clone());
        let tokens = answer["usage"]["prompt_tokens"].as_u64();
        Some(match self {
            Embed::One => json!({"embedding": {"values": vectors.into_iter().next()?}}),
            Embed::Batch => {
                json!({"embeddings": vectors.map(|values| json!({"values": values})).collect::<Vec<_>>()})
            }
            Embed::Predict => {
                let alone = vectors.len() == 1;
                let each = vectors.map(|values| {
                    let mut statistics = json!({"truncated": false});
                    // Of several, only the sum is known.
                    if let Some(tokens) = tokens.filter(|_| alone) {
                        statistics["token_count"] = json!(tokens);
                    }
                    json!({"embeddings": {"statistics": statistics, "values": values}})
                });
                json!({"predictions": each.collect::<Vec<_>>()})
            }
        })
    }
}

/// Newer versions of Google's SDKs have them in a member of their own.
fn settings(one: &Value) -> Map<String, Value> {
    let inner = proto::get(one, "embedContentConfig").unwrap_or(&Value::Null);
    let found = |name: &str| proto::get(one, name).or_else(|| proto::get(inner, name)).cloned();
    SETTINGS.iter().filter_map(|(name, own)| Some(((*own).to_owned(), found(name)?))).collect()
}

/// A content's text.
fn text(content: &Value) -> Result<String, String> {
    if let Some(text) = content.as_str() {
        return Ok(text.to_owned());
    }
    let parts = proto::get(content, "parts").map(proto::list).unwrap_or_default();
    let texts: Option<Vec<&str>> = parts.iter().map(|part| proto::text(part, "text")).collect();
    match texts {
        Some(texts) if !texts.is_empty() => Ok(texts.join("\n")),
        _ => Err("only texts can be embedded: a content has another part, or none".to_owned()),
    }
}

impl Speak for Embed {
    fn number(&self) -> u32 {
        Embeddings.number()
    }

    fn decode(&self, route: &Route, bytes: Bytes) -> Result<Request, String> {
        let asked: Value = serde_json::from_slice(&bytes)
            .map_err(|error| format!("the request body is not valid JSON: {error}"))?;
        let members = self.asked(&asked)?;
        let model = route.model.clone().ok_or("the path names no model")?;
        let name = Value::from(model.as_str()).to_string();
        let members: Vec<(String, String)> =
            members.into_iter().map(|(name, value)| (name, value.to_string())).collect();
        let rest = members.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let (body, model_at) = body::written(std::iter::once(("model", name.as_str())).chain(rest));
        Ok(Request { model, model_at, body, ..Request::of(Dialect::GeminiEmbed(*self)) })
    }

    fn to_chat(&self, request: &Request, dropping: bool) -> Result<Chat, String> {
        Embeddings.to_chat(request, dropping)
    }

    fn add_defaults(&self, body: &mut Map<String, Value>, defaults: &Map<String, Value>) {
        Embeddings.add_defaults(body, defaults);
    }

    fn inspect_body(&self, body: &[u8]) -> Seen {
        Embeddings.inspect_body(body)
    }

    fn error_body(&self, failure: &Failure) -> Vec<u8> {
        encode::error_body(failure)
    }

    fn as_asked(&self, _request: &Request, body: Bytes) -> Bytes {
        let answer: Option<Value> = serde_json::from_slice(&body).ok();
        answer.and_then(|answer| self.told(&answer)).map_or(body, |told| told.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(form: Embed, body: &Value) -> Result<Value, String> {
        let route = Route { model: Some("m".into()), ..Route::of(Dialect::GeminiEmbed(form)) };
        let request = form.decode(&route, body.to_string().into())?;
        assert_eq!(&request.body[request.model_at.clone()], b"\"m\"");
        Ok(serde_json::from_slice(&request.body).expect("JSON"))
    }

    #[test]
    fn each_way_is_a_request_of_openais() {
        let part = |text: &str| json!({"parts": [{"text": text}], "role": "user"});
        for (form, body, want) in [
            (
                Embed::One,
                json!({"model": "models/x", "content": part("a"), "taskType": "SEMANTIC_SIMILARITY"}),
                json!({"model": "m", "input": ["a"], "task_type": "SEMANTIC_SIMILARITY"}),
            ),
            (
                Embed::One,
                json!({"content": part("a"), "embedContentConfig": {"outputDimensionality": 3}}),
                json!({"model": "m", "input": ["a"], "dimensions": 3}),
            ),
            (
                Embed::Batch,
                json!({"requests": [
                    {"model": "models/x", "content": part("a"), "output_dimensionality": 3},
                    {"model": "models/x", "content": {"parts": [{"text": "b"}, {"text": "c"}]}, "outputDimensionality": 3},
                ]}),
                json!({"model": "m", "input": ["a", "b\nc"], "dimensions": 3}),
            ),
            (
                Embed::Predict,
                json!({"instances": [{"content": "a", "task_type": "T", "title": "t"}],
                       "parameters": {"outputDimensionality": 3, "autoTruncate": false}}),
                json!({"model": "m", "input": ["a"], "task_type": "T", "title": "t", "dimensions": 3, "auto_truncate": false}),
            ),
        ] {
            assert_eq!(decoded(form, &body).expect("valid"), want);
        }
        let file = json!({"parts": [{"fileData": {"fileUri": "gs://x"}}]});
        for (form, body, words) in [
            (Embed::One, json!({}), "asks for no embedding"),
            (Embed::Batch, json!({"requests": []}), "asks for no embedding"),
            (Embed::One, json!({"content": file}), "only texts"),
            (Embed::Predict, json!({"instances": [{"content": 7}]}), "only texts"),
            (
                Embed::Batch,
                json!({"requests": [{"content": part("a")}, {"content": part("b"), "taskType": "T"}]}),
                "different settings",
            ),
        ] {
            let said = decoded(form, &body).expect_err("refused");
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn each_answer_is_googles() {
        let answer = |count: usize| {
            let each = vec![json!({"object": "embedding", "index": 0, "embedding": [0.5, -1]}); count];
            json!({"object": "list", "data": each, "usage": {"prompt_tokens": 7, "total_tokens": 7}})
        };
        assert_eq!(Embed::One.told(&answer(1)), Some(json!({"embedding": {"values": [0.5, -1]}})));
        let two = Embed::Batch.told(&answer(2)).expect("an answer");
        assert_eq!(two, json!({"embeddings": [{"values": [0.5, -1]}, {"values": [0.5, -1]}]}));
        let one = Embed::Predict.told(&answer(1)).expect("an answer");
        assert_eq!(one["predictions"][0]["embeddings"]["statistics"]["token_count"], 7);
        let two = Embed::Predict.told(&answer(2)).expect("an answer");
        assert_eq!(
            two["predictions"][1]["embeddings"],
            json!({"statistics": {"truncated": false}, "values": [0.5, -1]})
        );
        assert_eq!(Embed::One.told(&json!({"error": {}})), None);
    }
}
