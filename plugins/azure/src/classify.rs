//! What a failure means: as OpenAI's, and what Azure's content filter says of itself.

use serde_json::Value;
use tidegate_plugin_sdk::{Class, ErrorKind, FailureIn};

/// The words of the filter's own error, inside the one that OpenAI's clients know.
const FILTERED: &str = "ResponsibleAIPolicyViolation";

pub(crate) fn classify(failure: &FailureIn<'_>, class: &mut Class) {
    tidegate_openai_wire::classify(failure, class);
    if class.error != ErrorKind::ContentFilter && is_filtered(failure.body) {
        class.error = ErrorKind::ContentFilter;
        class.retryable = false;
    }
}

/// Some API versions spell it `innererror`, some `inner_error`.
fn is_filtered(body: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return false };
    let inner = ["/error/innererror/code", "/error/inner_error/code"];
    inner.iter().any(|at| body.pointer(at).and_then(Value::as_str) == Some(FILTERED))
}
