//! OpenAI embeddings as the Gemini API's `batchEmbedContents` and Vertex AI's `predict`.

use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Dropped, Fault, HeadIn};

use crate::model::Model;

/// The parameters that are read; which form the vectors come in is the host's to make.
const KNOWN: &[&str] = &[
    "model",
    "input",
    "encoding_format",
    "dimensions",
    "outputDimensionality",
    "task_type",
    "taskType",
    "input_type",
    "title",
    "auto_truncate",
    "autoTruncate",
];

/// The body for an OpenAI body. Vectors always come as numbers, whatever `encoding_format` says: the host writes them as
/// the client wants them.
pub(crate) fn translate(
    body: &Value,
    model: &Model,
    vertex: bool,
    dropped: &mut Dropped,
) -> Result<Value, Fault> {
    let body = body.as_object().ok_or_else(|| invalid("the request body is not a JSON object"))?;
    for (name, value) in body.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str())) {
        dropped.parameter(name, value, "Google's embeddings")?;
    }
    let texts = texts(body.get("input").unwrap_or(&Value::Null))?;
    let given =
        |names: &[&str]| names.iter().find_map(|name| body.get(*name)).filter(|value| !value.is_null());
    let size = given(&["dimensions", "outputDimensionality"]);
    let task = given(&["task_type", "taskType", "input_type"]);
    let title = given(&["title"]);
    if vertex {
        let each = texts.iter().map(|text| {
            let mut one = Map::new();
            put(&mut one, "content", Some(&json!(text)));
            put(&mut one, "task_type", task);
            put(&mut one, "title", title);
            Value::Object(one)
        });
        let mut parameters = Map::new();
        put(&mut parameters, "outputDimensionality", size);
        put(&mut parameters, "autoTruncate", given(&["auto_truncate", "autoTruncate"]));
        let mut out = json!({"instances": each.collect::<Vec<_>>()});
        if !parameters.is_empty() {
            out["parameters"] = Value::Object(parameters);
        }
        return Ok(out);
    }
    let each = texts.iter().map(|text| {
        let mut one = Map::new();
        put(&mut one, "model", Some(&json!(format!("models/{}", model.name))));
        put(&mut one, "content", Some(&json!({"parts": [{"text": text}]})));
        put(&mut one, "outputDimensionality", size);
        put(&mut one, "taskType", task);
        put(&mut one, "title", title);
        Value::Object(one)
    });
    Ok(json!({"requests": each.collect::<Vec<_>>()}))
}

fn put(into: &mut Map<String, Value>, name: &str, value: Option<&Value>) {
    if let Some(value) = value {
        into.insert(name.to_owned(), value.clone());
    }
}

fn texts(input: &Value) -> Result<Vec<&str>, Fault> {
    let no_text = || Fault::Unsupported("\"input\" must be text: Google does not take tokens".to_owned());
    match input {
        Value::String(text) => Ok(vec![text]),
        Value::Array(list) if !list.is_empty() => {
            list.iter().map(|one| one.as_str().ok_or_else(no_text)).collect()
        }
        _ => Err(invalid("\"input\" must be a text or a list of texts")),
    }
}

/// Google's answer, of either API, as OpenAI's.
pub(crate) fn answer(head: &HeadIn<'_>, body: &[u8]) -> Result<Value, Fault> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| Fault::Protocol("the body is not JSON"))?;
    if tidegate_plugin_sdk::classify::is_error("", &answer) {
        return Err(Fault::Upstream);
    }
    let (list, values) = match (answer.get("embeddings"), answer.get("predictions")) {
        (Some(Value::Array(list)), _) => (list, "/values"),
        (_, Some(Value::Array(list))) => (list, "/embeddings/values"),
        _ => return Err(Fault::Protocol("the body has no embeddings")),
    };
    let mut data = Vec::with_capacity(list.len());
    let mut tokens = 0_u64;
    for (index, one) in list.iter().enumerate() {
        let vector = one.pointer(values).filter(|vector| vector.is_array());
        let vector = vector.ok_or(Fault::Protocol("an embedding has no values"))?;
        data.push(json!({"object": "embedding", "index": index, "embedding": vector}));
        // Vertex AI's counts are written as floats.
        let count = one.pointer("/embeddings/statistics/token_count").and_then(Value::as_f64).unwrap_or(0.0);
        tokens = tokens.saturating_add(count as u64);
    }
    let told = answer.pointer("/usageMetadata/promptTokenCount").and_then(Value::as_u64).unwrap_or(tokens);
    let usage = json!({"prompt_tokens": told, "total_tokens": told});
    Ok(json!({"object": "list", "data": data, "model": head.model, "usage": usage}))
}

fn invalid(text: &str) -> Fault {
    Fault::Invalid(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_for_each_api() {
        let model = Model::of("gemini-embedding-001", true).unwrap();
        let body = json!({"model": "m", "input": ["a", "b"], "dimensions": 3, "encoding_format": "base64", "task_type": "SEMANTIC_SIMILARITY"});
        let one = |text: &str| {
            json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]},
                "outputDimensionality": 3, "taskType": "SEMANTIC_SIMILARITY"})
        };
        assert_eq!(
            translate(&body, &model, false, &mut Dropped::default()).unwrap(),
            json!({"requests": [one("a"), one("b")]})
        );
        assert_eq!(
            translate(&json!({"input": "a", "dimensions": 3}), &model, true, &mut Dropped::default())
                .unwrap(),
            json!({"instances": [{"content": "a"}], "parameters": {"outputDimensionality": 3}})
        );
        for (input, tokens) in
            [(json!([1, 2]), true), (json!([[1]]), true), (json!([]), false), (json!(null), false)]
        {
            let refused =
                translate(&json!({"input": input}), &model, true, &mut Dropped::default()).unwrap_err();
            assert_eq!(matches!(refused, Fault::Unsupported(_)), tokens, "{input}");
        }
    }

    #[test]
    fn an_answer_of_each_api() {
        let head = HeadIn { model: "mine", ..HeadIn::default() };
        let read = |text: &str| answer(&head, text.as_bytes());
        let api = read(r#"{"embeddings":[{"values":[0.5,-1]},{"values":[]}]}"#).unwrap();
        assert_eq!(
            api,
            json!({"object": "list", "model": "mine", "usage": {"prompt_tokens": 0, "total_tokens": 0}, "data": [
                {"object": "embedding", "index": 0, "embedding": [0.5, -1]},
                {"object": "embedding", "index": 1, "embedding": []}]})
        );
        let vertex = read(
            r#"{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":4.0,"truncated":false}}}]}"#,
        );
        assert_eq!(vertex.unwrap()["usage"]["prompt_tokens"], 4);
        assert_eq!(read(r#"{"error":{"code":429}}"#), Err(Fault::Upstream));
        for text in ["{}", "[]", "<html>", r#"{"embeddings":[{}]}"#] {
            assert!(matches!(read(text), Err(Fault::Protocol(_))), "{text}");
        }
    }
}
