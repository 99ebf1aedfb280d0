//! Thought signatures on their way back. A client that echoes the assistant's message sends them in the fields in
//! which it got them; other gateways use other fields, and conversations move between gateways.

use serde_json::Value;

/// litellm also hides a signature in the call's id, behind this.
const IN_ID: &str = "__thought__";

/// The signature of a tool call.
pub(super) fn of_call(call: &Value) -> Option<String> {
    let fields = [
        "/extra_content/google/thought_signature",
        "/provider_specific_fields/thought_signature",
        "/function/provider_specific_fields/thought_signature",
    ];
    let given = fields.iter().find_map(|path| call.pointer(path)).and_then(Value::as_str);
    let in_id = || call.get("id").and_then(Value::as_str)?.split_once(IN_ID).map(|(_, signature)| signature);
    given.or_else(in_id).filter(|signature| !signature.is_empty()).map(str::to_owned)
}

/// An id without the signature in it.
pub(super) fn without(id: &str) -> &str {
    id.split_once(IN_ID).map_or(id, |(id, _)| id)
}

/// The signature of a message's text: the last one that it carries.
pub(super) fn of_message(message: &Value) -> Option<&str> {
    message
        .pointer("/extra_content/google/thought_signature")
        .or_else(|| message.pointer("/provider_specific_fields/thought_signatures")?.as_array()?.last())
        .and_then(Value::as_str)
        .filter(|signature| !signature.is_empty())
}
