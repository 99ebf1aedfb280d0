//! Words by which providers say what went wrong.

/// A prompt that is too long. The phrases are those that litellm's exception mapping looks for.
pub fn is_context_window(message: &str) -> bool {
    const PHRASES: &[&str] = &[
        "this model's maximum context length is",
        "exceed context limit",
        "string too long. expected a string with maximum length",
        "model's maximum context limit",
        "is longer than the model's context length",
        "input tokens exceed the configured limit",
        "exceeds the maximum number of tokens allowed",
        "context_length_exceeded",
        "prompt is too long",
    ];
    let text = message.to_ascii_lowercase();
    if text.contains("string_above_max_length") {
        return false;
    }
    PHRASES.iter().any(|phrase| text.contains(phrase))
        || (text.contains("current length is") && text.contains("while limit is"))
}

/// Refused by a filter.
pub fn is_content_policy(text: &str) -> bool {
    const PHRASES: &[&str] = &[
        "content_policy_violation",
        "responsibleaipolicyviolation",
        "content_filter_policy",
        "your request was rejected as a result of our safety system",
        "invalid_prompt: your prompt was flagged",
    ];
    let text = text.to_ascii_lowercase();
    text == "content_filter" || PHRASES.iter().any(|phrase| text.contains(phrase))
}

/// The status that an error's type or code stands for.
pub(super) fn status_of(word: &str) -> Option<u32> {
    Some(match word {
        "invalid_request_error" | "BadRequestError" | "context_length_exceeded" | "content_filter" => 400,
        "authentication_error" | "invalid_api_key" | "AuthenticationError" => 401,
        "billing_error" | "insufficient_balance" | "insufficient_credits" => 402,
        "permission_error" | "PermissionDeniedError" => 403,
        "not_found_error" | "model_not_found" | "NotFoundError" => 404,
        "timeout_error" => 504,
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "insufficient_quota"
        | "requests"
        | "tokens"
        | "RateLimitError" => 429,
        "overloaded_error" | "overloaded" | "service_unavailable" | "ServiceUnavailableError" => 503,
        "server_error" | "api_error" | "internal_server_error" | "InternalServerError" => 500,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_long_prompt_from_a_long_string() {
        assert!(is_context_window("The input is LONGER: Current length is 9 while limit is 5"));
        assert!(is_context_window("the prompt is longer than the model's context length"));
        assert!(!is_context_window(
            "string_above_max_length: string too long. expected a string with maximum length 5"
        ));
        assert!(!is_context_window("current length is 9"));
        assert!(!is_context_window("slow down"));
    }

    #[test]
    fn tells_a_filter() {
        assert!(is_content_policy("content_filter"));
        assert!(is_content_policy("code: ResponsibleAIPolicyViolation"));
        assert!(!is_content_policy("the content_filter setting is not known"));
    }
}
