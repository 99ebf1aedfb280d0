//! Requests.

use tidegate_host::{Auth, Dialect, PluginError, RequestIn, UpstreamRequest};

use super::Bench;
use crate::plugin::check::bench::{now, small_request};
use crate::plugin::check::corpus::{self, Body, MODEL_AT};

const ANSWERS: &str =
    "tidegate.h, `request`: TG_OK with a target and a body, or TG_E_INVALID or TG_E_UNSUPPORTED with `why`";

pub(super) fn requests(bench: &mut Bench) {
    let Some((provider, offer)) = bench.provider() else { return };
    bench.trail.at("request", "one message");
    if let Err(error) = small_request(&provider) {
        let came = format!("no request for the upstream: {error}");
        bench.find("request", "one message of text, the least that a client can ask", came, ANSWERS);
        return;
    }
    let (mut sent, mut refused) = (0, 0);
    for (body, is_good) in
        corpus::requests().iter().map(|b| (b, true)).chain(corpus::bad_requests().iter().map(|b| (b, false)))
    {
        for stream in [false, true] {
            let with = format!("{}{}", body.name, if stream { ", as a stream" } else { "" });
            bench.trail.at("request", &with);
            let input = input_of(body, is_good, stream);
            let answer = now(provider.request(&input));
            bench.judge("request", &with, &answer);
            match answer {
                Ok(request) => {
                    sent += 1;
                    look_at(bench, &with, &request, &offer);
                }
                Err(PluginError::Invalid(why) | PluginError::Unsupported(why)) => {
                    refused += 1;
                    if why.ends_with("does not say why") {
                        bench.find("request", &with, "it was refused without a word", ANSWERS);
                    }
                }
                Err(error @ PluginError::Protocol(_)) => {
                    bench.find("request", &with, error.to_string(), ANSWERS);
                }
                Err(_) => {}
            }
        }
    }
    bench.did(format!("{} bodies: {sent} sent, {refused} refused with a reason", sent + refused));
}

fn input_of(body: &Body, is_good: bool, stream: bool) -> RequestIn<'_> {
    RequestIn {
        dialect: Dialect::OpenaiChat,
        stream,
        model: "model",
        body: &body.bytes,
        model_span: is_good.then_some(MODEL_AT),
        headers: &[],
    }
}

/// What the host's sinks do not see.
fn look_at(
    bench: &mut Bench,
    with: &str,
    request: &UpstreamRequest,
    offer: &tidegate_host::ProviderManifest,
) {
    if let Err(error) = request.url.parse::<http::Uri>() {
        bench.find(
            "request",
            with,
            format!("the URL {:?}: {error}", request.url),
            "tidegate.h, `target`: an absolute URL",
        );
    }
    let secret = match &request.auth {
        Auth::None => return,
        Auth::Bearer { secret }
        | Auth::Header { secret, .. }
        | Auth::GoogleOauth { secret, .. }
        | Auth::AwsSigV4 { secret, .. } => secret,
    };
    if !secret.is_empty() && !offer.secrets.contains_key(secret) {
        let came = format!("it asks for the secret {secret:?}, which its manifest does not name");
        bench.find(
            "request",
            with,
            came,
            "tidegate.h, tg_auth_v1: `secret` names one of the configuration's secrets",
        );
    }
}
