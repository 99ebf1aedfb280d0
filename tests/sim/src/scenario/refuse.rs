//! HTTP errors before the stream, with each way of saying when to come back.

use std::time::SystemTime;

use super::Context;
use super::healthy;
use crate::dialect::{google_error, sentence};
use crate::script::{Framing, Script};

fn seconds(context: &Context<'_>) -> String {
    context.settings.retry_after.as_secs().to_string()
}

fn status(context: &Context<'_>, status: u16) -> Script {
    context.wire().refused(status, Script::json(status, context.error(status)))
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

/// The provider's own way: a header from OpenAI and Anthropic, `retryDelay` in the body from Google. Who has none is given
/// OpenAI's.
pub(super) fn http_429(context: &Context<'_>) -> Script {
    if context.wire().waits_in_body() { http_429_delay(context) } else { http_429_seconds(context) }
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
    google_error(429, sentence(429), Some(&format!("{}s", seconds(context))))
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
    Script::json(429, context.wire().quota(&google_429(context)))
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
    Script::json(400, context.wire().too_long())
}

/// A prompt that a filter refused.
pub(super) fn http_policy(context: &Context<'_>) -> Script {
    Script::json(400, context.wire().filtered())
}
