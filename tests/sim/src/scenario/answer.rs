//! Answers that depend on the request: tool calls, and texts that say what arrived.

use serde_json::{Value, json};

use super::say::{self, Say};
use super::{Context, Mode};
use crate::auth::{masked_headers, masked_target};
use crate::dialect::{Call, Usage};
use crate::script::{Ending, Script};
use crate::select::body_value;
use crate::text::{FAULT_PIECES, HEALTHY_PIECES};

/// The signature that the `thought-signature` scenario wants back, unchanged.
const SIGNATURE: &str = "c2ltLXRob3VnaHQvc2lnbmF0dXJlKw==";
/// The arguments of every simulated call.
const ARGUMENTS: &str = r#"{"city":"Zürich 潮","days":3}"#;

pub(super) fn usage(context: &Context<'_>) -> Script {
    say::normal_with(context, &HEALTHY_PIECES, Say::new(context), Usage::RICH)
}

pub(super) fn tool_call(context: &Context<'_>) -> Script {
    round(context, 1, None)
}

pub(super) fn tool_calls(context: &Context<'_>) -> Script {
    round(context, 2, None)
}

/// Calls of the request's own tools, in turn; of `get_weather` where it has none. Where the history
/// already holds a tool's result, the short text instead.
fn round(context: &Context<'_>, count: usize, signature: Option<&str>) -> Script {
    let wire = context.wire();
    let names = wire.tool_names(context.body);
    let (answered, kept) = wire.tool_history(context.body, SIGNATURE);
    if answered && signature.is_some() && !kept {
        let sentence = "Function call is missing a thought_signature in functionCall parts.";
        return Script::json(400, wire.error(400, sentence));
    }
    if answered {
        return say::normal(context, &FAULT_PIECES, Say::new(context));
    }
    let names = if names.is_empty() { vec!["get_weather".to_owned()] } else { names };
    let calls: Vec<Call> = (names.iter().cycle().take(count).enumerate())
        .map(|(index, name)| Call {
            id: format!("call_sim_{index}"),
            name: name.clone(),
            arguments: ARGUMENTS.to_owned(),
            signature: signature.map(str::to_owned),
        })
        .collect();
    if context.mode == Mode::Whole {
        return Script::json(200, say::whole(context, "", &calls, Usage::PLAIN));
    }
    let mut say = Say::new(context);
    say.calls(&calls);
    say.finish("tool_calls", Usage::PLAIN);
    say.end(Ending::Complete)
}

/// A call with a signature; a history with a result but without the signature is refused, as Google does.
pub(super) fn thought_signature(context: &Context<'_>) -> Script {
    round(context, 1, Some(SIGNATURE))
}

/// A text that counts what arrived.
pub(super) fn describe(context: &Context<'_>) -> Script {
    let seen = context.wire().describe(context.body);
    say_json(context, &seen)
}

/// A text that is the whole request, secrets masked.
pub(super) fn echo(context: &Context<'_>) -> Script {
    let request = context.request;
    let headers: serde_json::Map<String, Value> =
        masked_headers(request).into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let seen = json!({
        "method": request.method,
        "target": masked_target(request),
        "headers": headers,
        "body": body_value(&request.body),
    });
    say_json(context, &seen)
}

fn say_json(context: &Context<'_>, value: &Value) -> Script {
    let text = value.to_string();
    let letters: Vec<char> = text.chars().collect();
    let pieces: Vec<String> =
        letters.chunks(letters.len().div_ceil(3).max(1)).map(|piece| piece.iter().collect()).collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    say::normal(context, &pieces, Say::new(context))
}
