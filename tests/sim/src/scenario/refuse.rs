//! HTTP errors before the stream, with each way of saying when to come back.

use std::time::SystemTime;

use super::Context;
use super::healthy;
use crate::dialect::{Dialect, bedrock, gemini};
use crate::script::{Framing, Script};

/// The message of an error of this status.
pub(super) fn sentence(status: u16) -> &'static str {
    match status {
        400 => "Request contains an invalid argument.",
        401 => "The request does not have valid authentication credentials.",
        403 => "The caller does not have permission.",
        404 => "The model was not found.",
        402 => "Payment is required to go on.",
        413 => "The request is too large.",
        422 => "The request cannot be processed.",
        504 => "The deadline expired before the operation could complete.",
        429 => "Resource exhausted. Please try again later.",
        503 => "The model is overloaded. Please try again later.",
        _ => "An internal error has occurred.",
    }
}

fn seconds(context: &Context<'_>) -> String {
    context.settings.retry_after.as_secs().to_string()
}

fn status(context: &Context<'_>, status: u16) -> Script {
    of_bedrock(context, status, Script::json(status, context.error(status)))
}

/// AWS names the exception in a header.
fn of_bedrock(context: &Context<'_>, status: u16, script: Script) -> Script {
    if context.dialect != Dialect::Bedrock {
        return script;
    }
    let kind = format!("{}:http://internal.amazon.com/coral/com.amazon.bedrock/", bedrock::exception(status));
    script.header("x-amzn-errortype", kind).header("x-amzn-requestid", "5a1d0c2e-sim")
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

/// The provider's own way: a header from OpenAI and Anthropic, `retryDelay` in the body from Google. Bedrock has none, and
/// is given OpenAI's.
pub(super) fn http_429(context: &Context<'_>) -> Script {
    match context.dialect {
        Dialect::OpenAiChat | Dialect::Responses | Dialect::Anthropic | Dialect::Bedrock => {
            http_429_seconds(context)
        }
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
        Dialect::OpenAiChat | Dialect::Responses => r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#.to_owned(),
        Dialect::Gemini => google_429(context).replace("PerMinutePerProjectPerModel", "PerDayPerProjectPerModel"),
        Dialect::Bedrock => super::error(context.dialect, 429, "Too many tokens per day, please wait before trying again."),
        Dialect::Anthropic => super::error(context.dialect, 429, "Number of request tokens has exceeded your daily rate limit."),
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

/// An error of `STATUS` in the provider's own form.
pub(super) fn plain<const STATUS: u16>(context: &Context<'_>) -> Script {
    status(context, STATUS)
}

/// A middlebox's error page.
pub(super) fn http_502(_: &Context<'_>) -> Script {
    let page =
        "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\r\n";
    Script::new(502).header("content-type", "text/html").write(page).framing(Framing::Length(None))
}

/// Anthropic's overload status.
pub(super) fn http_529(_: &Context<'_>) -> Script {
    Script::json(529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#)
}

/// A prompt that is too long.
pub(super) fn http_context(context: &Context<'_>) -> Script {
    let body = match context.dialect {
        Dialect::OpenAiChat | Dialect::Responses => r#"{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. Please reduce the length of the messages.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#.to_owned(),
        Dialect::Gemini => gemini::error(400, "The input token count (9000) exceeds the maximum number of tokens allowed (8192).", None),
        Dialect::Bedrock => super::error(context.dialect, 400, "Input is too long for requested model."),
        Dialect::Anthropic => super::error(context.dialect, 400, "prompt is too long: 9000 tokens > 8192 maximum"),
    };
    Script::json(400, body)
}

/// A prompt that a filter refused.
pub(super) fn http_policy(context: &Context<'_>) -> Script {
    let sentence = "Your request was rejected as a result of our safety system.";
    let body = match context.dialect {
        Dialect::OpenAiChat | Dialect::Responses => format!(
            r#"{{"error":{{"message":"{sentence}","type":"invalid_request_error","param":null,"code":"content_policy_violation"}}}}"#
        ),
        Dialect::Gemini => gemini::error(400, sentence, None),
        Dialect::Anthropic | Dialect::Bedrock => {
            super::error(context.dialect, 400, "Output blocked by content filtering policy")
        }
    };
    Script::json(400, body)
}
