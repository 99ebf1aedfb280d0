//! What a failure means: AWS names an exception in a header before the stream, and in the frame within it.

use serde_json::Value;
use tidegate_plugin_sdk::classify::{
    Said, generic, is_content_policy, is_context_window, is_daily, may_be_the_prompt, set_status,
};
use tidegate_plugin_sdk::{Class, ErrorKind, FailureIn, Phase, retry_after};

use crate::response::is_failure;

pub(crate) fn classify(failure: &FailureIn<'_>, class: &mut Class) {
    let document = serde_json::from_slice::<Value>(failure.body).ok();
    let stop = document.as_ref().and_then(|document| document.get("stopReason")?.as_str());
    if let Some(word) = stop.filter(|word| is_failure(word)) {
        // The model failed, not the request: asked again, it may not.
        set_status(class, 502);
        class.message = Some(format!("the model's answer ended with {word}"));
        class.code = Some(word.to_owned());
        return;
    }
    let said = said(document.as_ref(), failure.body);
    let name = name(failure, document.as_ref());
    let from_head = Some(failure.http_status).filter(|status| (400..=599).contains(status));
    match name.as_deref().and_then(|name| meaning(&name.to_ascii_lowercase())) {
        Some((status, auth)) => {
            // A stream's own failure may carry the status that the model's server gave.
            let original =
                document.as_ref().and_then(|document| document.get("originalStatusCode")?.as_u64());
            let original = original.and_then(|status| u32::try_from(status).ok());
            let original =
                original.filter(|original| status == 424 && (matches!(original, 408 | 429 | 500..=599)));
            // Throttling is 400 in AWS's older services, and 429 to everybody else.
            let own = from_head.filter(|_| !matches!(status, 429 | 503));
            set_status(class, original.or(own).unwrap_or(status));
            if auth {
                (class.error, class.retryable) = (ErrorKind::Auth, false);
            }
            if class.http_status == 424 {
                // The model failed, not the request: AWS asks to try again.
                (class.error, class.retryable) = (ErrorKind::Server, true);
            }
            class.message = said.message;
        }
        None => generic(said, failure.http_status, class),
    }
    class.retry_after_ms = retry_after::said(
        &failure.headers,
        document.as_ref(),
        class.message.as_deref(),
        class.http_status,
        failure.unix_ms,
    );
    let message = class.message.as_deref().unwrap_or("");
    let used_up =
        is(&name, "ServiceQuotaExceededException") || (class.http_status == 429 && is_daily(message));
    if used_up {
        // Known to OpenAI's clients by 429 alone, whatever AWS's own status.
        set_status(class, 429);
        (class.quota, class.retryable) = (true, false);
    } else if may_be_the_prompt(class.http_status) && is_context_window(message) {
        (class.error, class.retryable) = (ErrorKind::ContextLength, false);
    } else if may_be_the_prompt(class.http_status) && is_content_policy(message) {
        (class.error, class.retryable) = (ErrorKind::ContentFilter, false);
    }
    // Behind a wrong signature AWS repeats what was signed, the session's token included.
    class.message = class.message.take().map(|message| {
        message.split("\n\nThe Canonical String").next().unwrap_or_default().trim_end().to_owned()
    });
    class.code = name.or(class.code.take());
}

fn is(name: &Option<String>, wanted: &str) -> bool {
    name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(wanted))
}

/// The exception's name, in the form of the header: `ThrottlingException`.
fn name(failure: &FailureIn<'_>, document: Option<&Value>) -> Option<String> {
    let of_frame = Some(failure.event).filter(|event| failure.phase == Phase::Stream && !event.is_empty());
    let of_head = failure.headers.get("x-amzn-errortype");
    let of_body = document.and_then(|document| {
        document.get("__type").or_else(|| document.get("code")).or_else(|| document.get("Code"))?.as_str()
    });
    let name = of_frame.or(of_head).or(of_body)?;
    // `ThrottlingException:http://internal.amazon.com/...`, `com.amazon.coral.service#ThrottlingException`.
    let name = name.split([':', ',']).next().unwrap_or(name);
    let name = name.rsplit('#').next().unwrap_or(name).trim();
    let mut letters = name.chars();
    let first = letters.next()?;
    Some(first.to_uppercase().chain(letters).collect())
}

/// The status of an exception by botocore's service model, and whether the key is at fault. Names of AWS's front door, which
/// no model lists, are among them.
fn meaning(name: &str) -> Option<(u32, bool)> {
    Some(match name.strip_suffix("exception").unwrap_or(name) {
        "validation" | "servicequotaexceeded" | "serialization" | "malformedinput" => (400, false),
        "conflict" => (409, false),
        "accessdenied" => (403, false),
        "unrecognizedclient"
        | "invalidsignature"
        | "signaturedoesnotmatch"
        | "expiredtoken"
        | "requestexpired"
        | "invalidclienttokenid"
        | "invalidaccesskeyid"
        | "missingauthenticationtoken"
        | "incompletesignature"
        | "notauthorized" => (403, true),
        "resourcenotfound" | "unknownoperation" => (404, false),
        "modeltimeout" | "requesttimeout" => (408, false),
        "modelerror" | "modelstreamerror" => (424, false),
        "throttling"
        | "modelnotready"
        | "throttled"
        | "toomanyrequests"
        | "requestlimitexceeded"
        | "slowdown" => (429, false),
        "internalserver" | "internalfailure" | "internalerror" => (500, false),
        "serviceunavailable" => (503, false),
        _ => return None,
    })
}

/// AWS writes `message` or `Message`; an error that its model does not know is text alone.
fn said(document: Option<&Value>, body: &[u8]) -> Said {
    let Some(document) = document.filter(|document| document.is_object()) else {
        return Said::of_bytes(body);
    };
    let mut said = Said::of(document);
    let capital = || document.get("Message").and_then(Value::as_str);
    let original = || document.get("originalMessage").and_then(Value::as_str);
    said.message = said.message.or_else(|| capital().or_else(original).map(str::to_owned));
    said
}
