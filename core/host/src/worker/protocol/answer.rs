//! What a worker answers: how the call came back, and then its result or its error. The parent puts each value through
//! the sinks and caps that a plugin in its own process writes to, so that a worker can say no more than such a plugin.

use tidegate_plugin_abi::{self as abi, auth, status};

use super::ask::{put_class, take_class};
use super::{Garbled, Put, Take};
use crate::answer;
use crate::error::{PluginError, Whence};
use crate::hook::{Op, Outcome};
use crate::policy::{Action, ActionKind, Pick};
use crate::provider;
use crate::request::RequestSink;
use crate::sinks::{self, TextSink};
use crate::types::{Auth, Classified, Reply, ResponseSpec, UpstreamRequest};
use crate::wire::lend;

const OK: u8 = 0;
const PANIC: u8 = 1;
const INVALID: u8 = 2;
const UNSUPPORTED: u8 = 3;
const PROTOCOL: u8 = 4;
const LIMIT: u8 = 5;
const POISONED: u8 = 6;
const BAD_ANSWER: u8 = 7;
/// The worker has not got what the call is for: it could not be created again.
const GONE: u8 = 8;
/// `create` alone: the configuration is refused.
const CONFIG: u8 = 9;

/// How a call came back, and what of it.
pub(crate) type Told<T> = (Outcome, Result<T, PluginError>);

fn put_outcome(put: &mut Put, outcome: Outcome) {
    put.u8(match outcome {
        Outcome::Ok => 0,
        Outcome::Error => 1,
        Outcome::Panic => 2,
    });
}

pub(crate) fn take_outcome(take: &mut Take<'_>) -> Result<Outcome, Garbled> {
    Ok(match take.u8()? {
        0 => Outcome::Ok,
        1 => Outcome::Error,
        2 => Outcome::Panic,
        _ => return Err(Garbled("a call came back in no way that is known")),
    })
}

/// Text for people, however it came: cut, and without control characters.
fn clean(text: &[u8]) -> String {
    let mut sink = TextSink::message();
    // A text that is too long is cut, which is no error.
    let _ = sink.push(text);
    sink.into_message()
}

/// Writes a result; `ok` writes its value.
pub(crate) fn put<T>(
    put: &mut Put,
    outcome: Outcome,
    result: Result<T, PluginError>,
    ok: impl FnOnce(&mut Put, T),
) {
    put_outcome(put, outcome);
    match result {
        Ok(value) => {
            put.u8(OK);
            ok(put, value);
        }
        Err(error) => put_error(put, &error),
    }
}

fn put_error(put: &mut Put, error: &PluginError) {
    match error {
        PluginError::Panic(_) => put.u8(PANIC),
        PluginError::Invalid(why) => put.u8(INVALID).bytes(why.as_bytes()),
        PluginError::Unsupported(why) => put.u8(UNSUPPORTED).bytes(why.as_bytes()),
        PluginError::Protocol(_) => put.u8(PROTOCOL),
        PluginError::Limit(_) => put.u8(LIMIT),
        PluginError::Poisoned(_) => put.u8(POISONED),
        PluginError::BadAnswer(_, what) => put.u8(BAD_ANSWER).bytes(what.as_bytes()),
        PluginError::Ended { how, .. } => put.u8(GONE).bytes(how.as_bytes()),
        PluginError::Away(_) => put.u8(GONE).bytes(b"has no worker"),
    };
}

/// Writes that what the call is for is not here.
pub(crate) fn put_gone(put: &mut Put, how: &str) {
    put_outcome(put, Outcome::Error);
    put.u8(GONE).bytes(how.as_bytes());
}

/// Writes that a configuration is refused.
pub(crate) fn put_config(put: &mut Put, outcome: Outcome, why: &str) {
    put_outcome(put, outcome);
    put.u8(CONFIG).bytes(why.as_bytes());
}

/// Reads a result; `ok` reads its value, and may find it wrong.
pub(crate) fn take<'a, T>(
    take: &mut Take<'a>,
    whence: Whence,
    ok: impl FnOnce(&mut Take<'a>) -> Result<Result<T, PluginError>, Garbled>,
) -> Result<Told<T>, Garbled> {
    let outcome = take_outcome(take)?;
    let result = match take.u8()? {
        OK => ok(take)?,
        kind => Err(take_error(take, kind, whence)?),
    };
    Ok((outcome, result))
}

fn take_error(take: &mut Take<'_>, kind: u8, whence: Whence) -> Result<PluginError, Garbled> {
    Ok(match (kind, whence.op) {
        (PANIC, _) => PluginError::Panic(whence),
        (INVALID, Op::Request) => answer::failure(whence, status::E_INVALID, Some(clean(take.bytes()?))),
        (UNSUPPORTED, Op::Request) => {
            answer::failure(whence, status::E_UNSUPPORTED, Some(clean(take.bytes()?)))
        }
        (PROTOCOL, _) => PluginError::Protocol(whence),
        (LIMIT, _) => PluginError::Limit(whence),
        (POISONED, Op::StreamEvent | Op::StreamEnd) => PluginError::Poisoned(whence),
        (BAD_ANSWER, _) => PluginError::BadAnswer(whence, clean(take.bytes()?)),
        (GONE, _) => PluginError::Ended { whence, how: clean(take.bytes()?) },
        _ => return Err(Garbled("an error is none that the call can have")),
    })
}

/// `create`: nothing, the refusal of the configuration, or an error.
pub(crate) fn take_created(
    payload: &[u8],
    whence: Whence,
) -> Result<(Outcome, Result<(), crate::error::CreateError>), Garbled> {
    use crate::error::CreateError;
    let mut fields = Take(payload);
    let outcome = take_outcome(&mut fields)?;
    let result = match fields.u8()? {
        OK => Ok(()),
        CONFIG => Err(CreateError::Config(answer::worded(clean(fields.bytes()?), || {
            format!("the plugin \"{}\" refuses its configuration and does not say why", whence.plugin)
        }))),
        kind => Err(CreateError::Plugin(take_error(&mut fields, kind, whence)?)),
    };
    fields.end()?;
    Ok((outcome, result))
}

/// Whether a result is one, without its value.
pub(crate) fn is_ok(payload: &[u8]) -> bool {
    payload.get(1) == Some(&OK)
}

/// Whether it is an answer of a call that has no value, whole.
pub(crate) fn take_empty(payload: &[u8], whence: Whence) -> Result<Told<()>, Garbled> {
    let mut fields = Take(payload);
    let told = take(&mut fields, whence, |_| Ok(Ok(())))?;
    fields.end()?;
    Ok(told)
}

pub(crate) fn put_upstream(put: &mut Put, request: &UpstreamRequest) {
    let UpstreamRequest { method, url, headers, auth, response, body } = request;
    put.bytes(method.as_bytes()).bytes(url.as_bytes()).u32(headers.len() as u32);
    for (name, value) in headers {
        put.bytes(name.as_bytes()).bytes(value.as_bytes());
    }
    put_auth(put, auth);
    let ResponseSpec { dialect, framing, every_event } = *response;
    put.u32(dialect as u32).u32(framing as u32).flag(every_event).bytes(body);
}

fn put_auth(put: &mut Put, auth: &Auth) {
    let (scheme, [secret, header, prefix, scope, region]) = match auth {
        Auth::None => (auth::NONE, [""; 5]),
        Auth::Bearer { secret } => (auth::BEARER, [secret, "", "", "", ""]),
        Auth::Header { secret, name, prefix } => (auth::HEADER, [secret.as_str(), name, prefix, "", ""]),
        Auth::GoogleOauth { secret, scope } => (auth::GOOGLE_OAUTH, [secret.as_str(), "", "", scope, ""]),
        Auth::AwsSigV4 { secret, service, region } => {
            (auth::AWS_SIGV4, [secret.as_str(), "", "", service, region])
        }
    };
    put.u32(scheme);
    for text in [secret, header, prefix, scope, region] {
        put.bytes(text.as_bytes());
    }
}

/// A request whose body may have `limit` bytes.
pub(crate) fn take_upstream(
    payload: &[u8],
    whence: Whence,
    limit: usize,
) -> Result<Told<UpstreamRequest>, Garbled> {
    let mut fields = Take(payload);
    let told = take(&mut fields, whence, |fields| {
        let mut sink = RequestSink::new(limit);
        let (method, url) = (fields.bytes()?, fields.bytes()?);
        let _ = sinks::put(&mut sink, |sink| sink.set_target(sinks::as_line(method)?, sinks::as_line(url)?));
        for _ in 0..fields.count(8)? {
            let (name, value) = (fields.bytes()?, fields.bytes()?);
            let _ =
                sinks::put(&mut sink, |sink| sink.add_header(sinks::as_line(name)?, sinks::as_line(value)?));
        }
        let scheme = fields.u32()?;
        let texts = [fields.bytes()?, fields.bytes()?, fields.bytes()?, fields.bytes()?, fields.bytes()?];
        let [secret, header, prefix, scope, region] = texts.map(lend);
        let size = size_of::<abi::AuthV1>() as u32;
        let raw = abi::AuthV1 { size, scheme, secret, header, prefix, scope, region };
        // SAFETY: the strings lie in the payload, which outlives this.
        let _ = sinks::put(&mut sink, |sink| unsafe { sink.authenticate(raw) });
        let (dialect, framing, every_event) = (fields.u32()?, fields.u32()?, fields.flag()?);
        let flags = if every_event { abi::response::EVERY_EVENT } else { 0 };
        let size = size_of::<abi::ResponseV1>() as u32;
        let _ =
            sinks::put(&mut sink, |sink| sink.describe(&abi::ResponseV1 { size, flags, dialect, framing }));
        let body = fields.bytes()?;
        let _ = sinks::put(&mut sink, |sink| sink.push_body(body));
        Ok(answer::outranks(whence, status::OK, sink.taken_fault()).and_then(|()| sink.finish(whence)))
    })?;
    fields.end()?;
    Ok(told)
}

pub(crate) fn put_reply(put: &mut Put, reply: &Reply) {
    match reply {
        Reply::Pass => put.u8(0),
        Reply::Body(body) => put.u8(1).bytes(body),
        Reply::Upstream => put.u8(2),
    };
}

/// A whole body of at most `limit` bytes, or none.
pub(crate) fn take_reply(payload: &[u8], whence: Whence, limit: usize) -> Result<Told<Reply>, Garbled> {
    let mut fields = Take(payload);
    let told = take(&mut fields, whence, |fields| {
        let mut text = TextSink::whole(limit);
        let answer = match fields.u8()? {
            0 => status::PASS,
            1 => {
                let body = fields.bytes()?;
                let _ = sinks::put(&mut text, |text| text.push(body));
                status::OK
            }
            2 => status::E_UPSTREAM,
            _ => return Err(Garbled("a body is translated in no way that is known")),
        };
        Ok(provider::reply(whence, answer, text))
    })?;
    fields.end()?;
    Ok(told)
}

pub(crate) fn put_classified(put: &mut Put, classified: &Classified) {
    let Classified { class, message, code } = classified;
    put_class(put, *class);
    for text in [message, code] {
        put.bytes(text.as_deref().unwrap_or_default().as_bytes());
    }
}

pub(crate) fn take_classified(payload: &[u8], whence: Whence) -> Result<Told<Classified>, Garbled> {
    let mut fields = Take(payload);
    let told = take(&mut fields, whence, |fields| {
        let class = take_class(fields)?;
        let [message, code] = [fields.bytes()?, fields.bytes()?].map(clean);
        let said = |text: String| (!text.is_empty()).then_some(text);
        Ok(provider::read_class(provider::raw_class(class))
            .map(|class| Classified { class, message: said(message), code: said(code) })
            .map_err(|what| PluginError::BadAnswer(whence, what)))
    })?;
    fields.end()?;
    Ok(told)
}

fn put_kind(put: &mut Put, kind: ActionKind) {
    put.u32(match kind {
        ActionKind::Raise => abi::action::RAISE,
        ActionKind::Retry => abi::action::RETRY,
        ActionKind::Fallback => abi::action::FALLBACK,
        ActionKind::Continue => abi::action::CONTINUE,
    });
}

pub(crate) fn put_action(put: &mut Put, action: Action) {
    let Action { kind, target, reason, delay_ms, cooldown_ms } = action;
    put_kind(put, kind);
    put.u32(target).u32(reason).u64(delay_ms).u64(cooldown_ms);
}

/// An action among `targets` targets.
pub(crate) fn take_action(payload: &[u8], whence: Whence, targets: usize) -> Result<Told<Action>, Garbled> {
    let mut fields = Take(payload);
    let told = take(&mut fields, whence, |fields| {
        let (action, target, reason) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let (delay_ms, cooldown_ms) = (fields.u64()?, fields.u64()?);
        let size = size_of::<abi::ActionV1>() as u32;
        let raw = abi::ActionV1 { size, action, target, reason, delay_ms, cooldown_ms };
        Ok(crate::policy::action(whence, targets, raw))
    })?;
    fields.end()?;
    Ok(told)
}

pub(crate) fn put_pick(put: &mut Put, pick: Pick) {
    match pick {
        Pick::Target(target) => put.u8(0).u32(target),
        Pick::Host => put.u8(1),
        Pick::None => put.u8(2),
    };
}

/// A first target among `targets`.
pub(crate) fn take_pick(payload: &[u8], whence: Whence, targets: usize) -> Result<Told<Pick>, Garbled> {
    let mut fields = Take(payload);
    let told = take(&mut fields, whence, |fields| {
        Ok(match fields.u8()? {
            0 => match fields.u32()? {
                target if (target as usize) < targets => Ok(Pick::Target(target)),
                target => {
                    Err(PluginError::BadAnswer(whence, format!("it chose target {target} of {targets}")))
                }
            },
            1 => Ok(Pick::Host),
            2 => Ok(Pick::None),
            _ => return Err(Garbled("a first target is picked in no way that is known")),
        })
    })?;
    fields.end()?;
    Ok(told)
}
