//! HTTP errors before the stream, with each way of saying when to come back.

use std::time::SystemTime;

use super::Context;
use super::healthy;
use crate::dialect::{Dialect, gemini};
use crate::script::Script;

/// The message of an error of this status.
pub(super) fn sentence(status: u16) -> &'static str {
    match status {
        400 => "Request contains an invalid argument.",
        401 => "The request does not have valid authentication credentials.",
        403 => "The caller does not have permission.",
        404 => "The model was not found.",
        429 => "Resource exhausted. Please try again later.",
        503 => "The model is overloaded. Please try again later.",
        _ => "An internal error has occurred.",
    }
}

fn seconds(context: &Context<'_>) -> String {
    context.settings.retry_after.as_secs().to_string()
}

fn status(context: &Context<'_>, status: u16) -> Script {
    Script::json(status, context.error(status))
}

pub(super) fn http_400(context: &Context<'_>) -> Script {
    status(context, 400)
}

pub(super) fn http_401(context: &Context<'_>) -> Script {
    status(context, 401)
}

pub(super) fn http_403(context: &Context<'_>) -> Script {
    status(context, 403)
}

pub(super) fn http_404(context: &Context<'_>) -> Script {
    status(context, 404)
}

pub(super) fn http_500(context: &Context<'_>) -> Script {
    status(context, 500)
}

pub(super) fn http_503(context: &Context<'_>) -> Script {
    status(context, 503).header("retry-after", seconds(context))
}

/// The provider's own way: a header from OpenAI, `retryDelay` in the body from Google.
pub(super) fn http_429(context: &Context<'_>) -> Script {
    match context.dialect {
        Dialect::OpenAiChat => http_429_seconds(context),
        Dialect::Gemini => http_429_delay(context),
    }
}

pub(super) fn http_429_bare(context: &Context<'_>) -> Script {
    status(context, 429)
}

pub(super) fn http_429_seconds(context: &Context<'_>) -> Script {
    status(context, 429).header("retry-after", seconds(context))
}

pub(super) fn http_429_date(context: &Context<'_>) -> Script {
    status(context, 429)
        .header("retry-after", httpdate::fmt_http_date(SystemTime::now() + context.settings.retry_after))
}

pub(super) fn http_429_ms(context: &Context<'_>) -> Script {
    status(context, 429).header("retry-after-ms", context.settings.retry_after.as_millis().to_string())
}

/// Google's error with a RetryInfo, whatever the dialect: its OpenAI-compatible endpoint sends the same.
fn google_429(context: &Context<'_>) -> String {
    gemini::error(429, sentence(429), Some(&format!("{}s", seconds(context))))
}

pub(super) fn http_429_delay(context: &Context<'_>) -> Script {
    Script::json(429, google_429(context))
}

/// The error as an array of one, as Google answers stream calls.
pub(super) fn http_429_array(context: &Context<'_>) -> Script {
    Script::json(429, format!("[{}\n]", google_429(context)))
}

/// A quota that no waiting brings back soon.
pub(super) fn http_429_quota(context: &Context<'_>) -> Script {
    let body = match context.dialect {
        Dialect::OpenAiChat => r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#.to_owned(),
        Dialect::Gemini => google_429(context).replace("PerMinutePerProjectPerModel", "PerDayPerProjectPerModel"),
    };
    Script::json(429, body)
}

/// A middlebox's 429, which is not JSON.
pub(super) fn http_429_html(context: &Context<'_>) -> Script {
    let mut script = Script::json(429, "<html><body>Too many requests</body></html>\r\n");
    if let Some(head) = &mut script.head {
        head.headers =
            vec![("content-type".into(), "text/html".into()), ("retry-after".into(), seconds(context))];
    }
    script
}

/// Every other request is refused for 50 ms, beginning with the first; the rest are healthy.
pub(super) fn http_429_once(context: &Context<'_>) -> Script {
    if context.nth.is_multiple_of(2) {
        status(context, 429).header("retry-after-ms", "50")
    } else {
        healthy::fast(context)
    }
}
