//! Bodies that are Gemini's already: they pass byte for byte, but for the model that some of them name a second time.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tidegate_plugin_sdk::{Fault, RequestIn, body};

use crate::model::Model;
use crate::url::Endpoint;

/// The model, where a body names it: the URL does, and Google refuses a body that says otherwise.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
}

/// A request to `generateContent` as it goes out. Thought signatures, and whatever this plugin does not know, stay as they
/// are by construction: nothing but the model is looked at.
pub(crate) fn generate<'a>(input: &RequestIn<'a>, model: &Model) -> Result<Cow<'a, [u8]>, Fault> {
    let quoted =
        |at: &core::ops::Range<usize>| input.body.get(at.clone()).is_some_and(|text| !text.is_empty());
    let named = match &input.model_span {
        Some(span) => quoted(span),
        None => read::<Head<'_>>(input.body)?.model.is_some(),
    };
    if !named {
        return Ok(Cow::Borrowed(input.body));
    }
    let name = format!("models/{}", model.name);
    let (before, name, after) = body::with_model(input.body, input.model_span.clone(), &name)?;
    Ok(Cow::Owned([before, name.as_bytes(), after].concat()))
}

/// A request to `countTokens`, which the two APIs have in two forms: contents alone, or a whole request to
/// `generateContent`, wrapped on the Gemini API and bare on Vertex AI. Each is put in the other's form where it has to be.
pub(crate) fn count<'a>(
    input: &RequestIn<'a>,
    endpoint: &Endpoint,
    model: &Model,
) -> Result<Cow<'a, [u8]>, Fault> {
    let mut given: Map<String, Value> = read(input.body)?;
    let wrapped = ["generateContentRequest", "generate_content_request"]
        .iter()
        .find_map(|name| given.shift_remove(*name));
    let had_model = given.shift_remove("model").is_some();
    let name = format!("models/{}", model.name);
    let made = match (wrapped, endpoint.is_vertex()) {
        (Some(Value::Object(mut inner)), true) => {
            inner.shift_remove("model");
            Value::Object(inner)
        }
        (Some(Value::Object(mut inner)), false) => {
            inner.insert("model".to_owned(), json!(name));
            json!({"generateContentRequest": inner})
        }
        (Some(_), _) => {
            return Err(Fault::Invalid("\"generateContentRequest\" must be an object".to_owned()));
        }
        (None, false) if given.keys().any(|name| name != "contents") => {
            given.insert("model".to_owned(), json!(name));
            json!({"generateContentRequest": given})
        }
        (None, _) if had_model => Value::Object(given),
        (None, _) => return Ok(Cow::Borrowed(input.body)),
    };
    Ok(Cow::Owned(made.to_string().into_bytes()))
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(body)
        .map_err(|error| Fault::Invalid(format!("the request body is not a JSON object: {error}")))
}
