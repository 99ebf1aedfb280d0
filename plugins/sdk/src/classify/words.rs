//! Words by which providers say what went wrong.

/// A prompt that is too long. The phrases are those that litellm's exception mapping looks for; then those of Mistral, xAI
/// and llama.cpp, which it does not know.
pub fn is_context_window(message: &str) -> bool {
    const PHRASES: &[&str] = &[
        "this model's maximum context length is",
        "exceed context limit",
        "string too long. expected a string with maximum length",
        "model's maximum context limit",
        "is longer than the model's context length",
        "input tokens exceed the configured limit",
        "exceeds the maximum number of tokens allowed",
        "`inputs` tokens + `max_new_tokens` must be",
        "context_length_exceeded",
        "prompt is too long",
        "prompt: length",
        "prompt has too many tokens",
        "too many input tokens",
        "input is too long",
        "request payload size exceeds",
        "too large for model with",
        "maximum prompt length is",
        "exceeds the available context size",
    ];
    let text = message.to_ascii_lowercase();
    // Another member of the request is too long, such as the 64 characters of `user`.
    let of_another = text.contains("invalid 'user'") && text.contains("string too long");
    if text.contains("string_above_max_length") || of_another {
        return false;
    }
    PHRASES.iter().any(|phrase| text.contains(phrase))
        || (text.contains("current length is") && text.contains("while limit is"))
}

/// Refused by a filter. The phrases are litellm's, for all providers alike.
pub fn is_content_policy(text: &str) -> bool {
    const PHRASES: &[&str] = &[
        "content_policy_violation",
        "responsibleaipolicyviolation",
        "content_filter_policy",
        "your request was rejected as a result of our safety system",
        "request was rejected as a result of the safety system",
        "your task failed as a result of our safety system",
        "the response was filtered due to the prompt triggering azure openai's content management",
        "the model produced invalid content",
        "content filtering policy",
        "the response was blocked",
        "invalid_prompt: your prompt was flagged",
    ];
    let text = text.to_ascii_lowercase();
    text == "content_filter"
        || PHRASES.iter().any(|phrase| text.contains(phrase))
        || (text.contains("invalid prompt") && text.contains("violating our usage policy"))
}

/// Whether an error of this status can be one of the two above: a limit or a refused key may use the same words.
pub fn may_be_the_prompt(status: u32) -> bool {
    !matches!(status, 401..=403 | 429)
}

/// The status that an error's type or code stands for.
pub(super) fn status_of(word: &str) -> Option<u32> {
    Some(match word {
        "invalid_request_error" | "BadRequestError" | "context_length_exceeded" | "content_filter" => 400,
        // Those of a `response.failed`.
        "invalid_prompt" | "bio_policy" | "misalignment_policy_violation" => 400,
        "server_is_overloaded" | "slow_down" => 503,
        // `invalid_image_url`, `image_too_large` and a dozen more.
        _ if word.contains("image") => 400,
        "authentication_error" | "invalid_api_key" | "AuthenticationError" => 401,
        "billing_error" | "insufficient_balance" | "insufficient_credits" => 402,
        "permission_error" | "PermissionDeniedError" => 403,
        "not_found_error" | "model_not_found" | "NotFoundError" => 404,
        "conflict_error" => 409,
        "request_too_large" => 413,
        "timeout_error" => 504,
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "insufficient_quota"
        | "requests"
        | "tokens"
        | "RateLimitError" => 429,
        "overloaded_error" | "overloaded" | "service_unavailable" | "ServiceUnavailableError" => 503,
        "server_error" | "api_error" | "internal_server_error" | "InternalServerError" => 500,
        // Google's canonical codes, as its OpenAI-compatible endpoint has them.
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" => 400,
        "UNAUTHENTICATED" => 401,
        "PERMISSION_DENIED" => 403,
        "NOT_FOUND" => 404,
        "RESOURCE_EXHAUSTED" => 429,
        "INTERNAL" => 500,
        "UNAVAILABLE" => 503,
        "DEADLINE_EXCEEDED" => 504,
        _ => return None,
    })
}

/// The status that a sentence stands for, where an error has nothing else: some servers send `{"error": "text"}`.
pub(super) fn status_in(message: &str) -> Option<u32> {
    const PHRASES: &[(&str, u32)] = &[
        ("rate limit", 429),
        ("ratelimit", 429),
        ("too many requests", 429),
        ("resource exhausted", 429),
        ("resource has been exhausted", 429),
        ("overloaded", 503),
        ("service unavailable", 503),
    ];
    let text = message.to_ascii_lowercase();
    PHRASES.iter().find(|(phrase, _)| text.contains(phrase)).map(|(_, status)| *status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_long_prompt_from_a_long_string() {
        for long in [
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
            "Invalid 'messages[0].content': string too long. Expected a string with maximum length 1048576",
            "the request exceeds this model's maximum context limit",
            "the prompt is longer than the model's context length",
            "Input tokens exceed the configured limit of 272000 tokens",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048575).",
            "`inputs` tokens + `max_new_tokens` must be <= 4096",
            "prompt is too long: 210000 tokens > 200000 maximum",
            "Input is too long for requested model.",
            "The input is LONGER: Current length is 9 while limit is 5",
        ] {
            assert!(is_context_window(long), "{long}");
        }
        for other in [
            "string_above_max_length: string too long. expected a string with maximum length 5",
            "Invalid 'user': string too long. Expected a string with maximum length 64, but got a string with length 70",
            "current length is 9",
            "the context length of this model is not known",
            "max_tokens is too large: 99999",
            "Too many tokens, please wait before trying again.",
            "slow down",
            "",
        ] {
            assert!(!is_context_window(other), "{other}");
        }
    }

    #[test]
    fn tells_a_filter() {
        for refused in [
            "content_filter",
            "code: ResponsibleAIPolicyViolation",
            "content_policy_violation",
            "Your request was rejected as a result of our safety system.",
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            "Your task failed as a result of our safety system.",
            "The model produced invalid content.",
            "Output blocked by content filtering policy",
            "The response was blocked.",
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
        ] {
            assert!(is_content_policy(refused), "{refused}");
        }
        for other in [
            "the content_filter setting is not known",
            "Invalid prompt: it must be a string",
            "violating our usage policy",
            "the connection was blocked",
            "",
        ] {
            assert!(!is_content_policy(other), "{other}");
        }
    }
}
