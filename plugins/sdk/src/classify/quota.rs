//! Quotas that do not come back within minutes: trying the same deployment again only spends requests.

use serde_json::Value;

/// An error's type or code that stands for money or a quota that is used up.
pub fn is_quota(code: &str) -> bool {
    matches!(
        code,
        "insufficient_quota"
            | "billing_hard_limit_reached"
            | "billing_not_active"
            | "billing_error"
            | "credit_balance_too_low"
            | "insufficient_balance"
            | "insufficient_credits"
            | "quota_exceeded"
    )
}

/// A sentence about a limit of the day: OpenAI's and Groq's "requests per day (RPD)", OpenRouter's
/// "free-models-per-day", Anthropic's "your daily rate limit". Google's "exceeded your current quota" is no such thing: it says so of minutes too.
pub fn is_daily(message: &str) -> bool {
    const PHRASES: [&str; 7] = [
        "requests per day",
        "tokens per day",
        "(rpd)",
        "(tpd)",
        "free-models-per-day",
        "daily limit",
        "daily rate limit",
    ];
    let text = message.to_ascii_lowercase();
    PHRASES.iter().any(|phrase| text.contains(phrase))
}

/// A sentence about money that is gone, from those that have no code for it: xAI's 429.
pub fn is_spent(message: &str) -> bool {
    const PHRASES: [&str; 2] = ["used all available credits", "reached its monthly spending limit"];
    let text = message.to_ascii_lowercase();
    PHRASES.iter().any(|phrase| text.contains(phrase))
}

/// Google's `QuotaFailure` about a quota of the day, whatever `retryDelay` beside it says.
pub fn is_daily_in_details(details: &Value) -> bool {
    let failures = details.as_array().into_iter().flatten().filter(|detail| {
        detail.get("@type").and_then(Value::as_str).is_some_and(|ty| ty.ends_with("google.rpc.QuotaFailure"))
    });
    failures
        .filter_map(|detail| detail.get("violations")?.as_array())
        .flatten()
        .filter_map(|violation| violation.get("quotaId")?.as_str())
        .any(|id| id.contains("PerDay"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tells_a_day_from_a_minute() {
        assert!(is_daily("Rate limit reached for m on requests per day (RPD): Limit 200, Used 200."));
        assert!(is_daily("Rate limit exceeded: free-models-per-day"));
        assert!(is_daily("Number of request tokens has exceeded your daily rate limit"));
        assert!(!is_daily("Rate limit reached for m on tokens per min (TPM): Limit 30000"));
        assert!(!is_daily("You exceeded your current quota, please check your plan and billing details."));
        let details = |id: &str| json!([{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]}]);
        assert!(is_daily_in_details(&details("GenerateRequestsPerDayPerProjectPerModel-FreeTier")));
        assert!(!is_daily_in_details(&details("GenerateRequestsPerMinutePerProjectPerModel")));
        assert!(!is_daily_in_details(&json!([{"violations": [{"quotaId": "PerDay"}]}])));
        assert!(!is_daily_in_details(&json!("PerDay")));
    }
}
