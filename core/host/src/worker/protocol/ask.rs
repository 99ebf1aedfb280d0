//! What the parent asks: each payload written from the core's own values, and read back as the same values, borrowed
//! from the frame.

use std::path::Path;

use super::{Garbled, Put, Take};
use crate::input::{FailureIn, HeadIn, Header, RequestIn};
use crate::policy::{Attempt, History, Target};
use crate::stream::Close;
use crate::types::{Class, Dialect, Framing, Phase};

/// Stands at the beginning of the first frame: an executable that was replaced by another version is told by it.
const MARK: &str = concat!("tidegate ", env!("CARGO_PKG_VERSION"), " plugin-worker 1");

/// Which plugin to load, and under which limits. Its content comes with it, as a descriptor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hello<'a> {
    /// The file that the content was read from, for messages.
    pub(crate) path: &'a Path,
    /// Where the content is, for a system that cannot open a descriptor by a name.
    pub(crate) place: &'a Path,
    /// Of memory, bytes.
    pub(crate) memory: u64,
}

impl<'a> Hello<'a> {
    pub(crate) fn put(&self, put: &mut Put) {
        use std::os::unix::ffi::OsStrExt;
        put.bytes(MARK.as_bytes()).bytes(self.path.as_os_str().as_bytes());
        put.bytes(self.place.as_os_str().as_bytes()).u64(self.memory);
    }

    pub(crate) fn take(mut take: Take<'a>) -> Result<Self, Garbled> {
        use std::os::unix::ffi::OsStrExt;
        if take.bytes()? != MARK.as_bytes() {
            return Err(Garbled("the worker is of another version of Tidegate than its parent"));
        }
        let (path, place) = (take.bytes()?, take.bytes()?);
        let [path, place] = [path, place].map(|path| Path::new(std::ffi::OsStr::from_bytes(path)));
        let hello = Self { path, place, memory: take.u64()? };
        take.end()?;
        Ok(hello)
    }
}

pub(crate) fn put_headers(put: &mut Put, headers: &[Header<'_>]) {
    put.u32(headers.len() as u32);
    for header in headers {
        put.bytes(header.name.as_bytes()).bytes(header.value.as_bytes());
    }
}

fn take_headers<'a>(take: &mut Take<'a>) -> Result<Vec<Header<'a>>, Garbled> {
    let count = take.count(8)?;
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        headers.push(Header { name: take.bytes()?.into(), value: take.bytes()?.into() });
    }
    Ok(headers)
}

/// A request for an upstream one.
pub(crate) struct Request<'a> {
    pub(crate) input: RequestIn<'a>,
    pub(crate) headers: Vec<Header<'a>>,
}

pub(crate) fn put_request(put: &mut Put, input: &RequestIn<'_>) {
    let RequestIn { dialect, stream, model, body, model_span, headers } = input;
    put.u32(*dialect as u32).flag(*stream).bytes(model.as_bytes());
    let span = model_span.clone().unwrap_or(0..0);
    put.u64(span.start as u64).u64(span.end as u64).bytes(body);
    put_headers(put, headers);
}

/// The headers are to be put into the input by who has a place for them.
pub(crate) fn take_request<'a>(take: &mut Take<'a>) -> Result<Request<'a>, Garbled> {
    let (dialect, stream, model) = (Dialect::from_u32(take.u32()?), take.flag()?, take.text()?);
    let (start, end) = (take.u64()? as usize, take.u64()? as usize);
    let body = take.bytes()?;
    if start > end || end > body.len() {
        return Err(Garbled("the model's place is outside the body"));
    }
    let model_span = (end > start).then_some(start..end);
    let input = RequestIn { dialect, stream, model, body, model_span, headers: &[] };
    Ok(Request { input, headers: take_headers(take)? })
}

/// The head of an upstream's answer, without its headers, and these.
pub(crate) type HeadAndHeaders<'a> = (HeadIn<'a>, Vec<Header<'a>>);

pub(crate) fn put_head(put: &mut Put, head: &HeadIn<'_>) {
    let HeadIn { http_status, dialect, framing, model, headers, unix_ms, seed } = head;
    put.u32((*http_status).into()).u32(*dialect as u32).u32(*framing as u32);
    put.bytes(model.as_bytes()).u64(*unix_ms).u64(*seed);
    put_headers(put, headers);
}

pub(crate) fn take_head<'a>(take: &mut Take<'a>) -> Result<HeadAndHeaders<'a>, Garbled> {
    let head = HeadIn {
        http_status: take.u16()?,
        dialect: Dialect::from_u32(take.u32()?),
        framing: Framing::from_u32(take.u32()?),
        model: take.text()?,
        unix_ms: take.u64()?,
        seed: take.u64()?,
        headers: &[],
    };
    Ok((head, take_headers(take)?))
}

pub(crate) fn put_failure(put: &mut Put, failure: &FailureIn<'_>, default: Class) {
    let FailureIn { phase, http_status, headers, event, body, unix_ms, bytes_to_client } = failure;
    put.u32(*phase as u32).u32((*http_status).into()).bytes(event).bytes(body);
    put.u64(*unix_ms).u64(*bytes_to_client);
    put_headers(put, headers);
    put_class(put, default);
}

/// A failure without its headers, these, and what the host makes of it.
pub(crate) type FailureAndDefault<'a> = (FailureIn<'a>, Vec<Header<'a>>, Class);

pub(crate) fn take_failure<'a>(take: &mut Take<'a>) -> Result<FailureAndDefault<'a>, Garbled> {
    let failure = FailureIn {
        phase: Phase::from_u32(take.u32()?),
        http_status: take.u16()?,
        event: take.bytes()?,
        body: take.bytes()?,
        unix_ms: take.u64()?,
        bytes_to_client: take.u64()?,
        headers: &[],
    };
    Ok((failure, take_headers(take)?, take_class(take)?))
}

pub(crate) fn put_class(put: &mut Put, class: Class) {
    let Class { error, http_status, retryable, quota, retry_after_ms } = class;
    put.u32(error).u32(http_status.into()).flag(retryable).flag(quota);
    put.flag(retry_after_ms.is_some()).u64(retry_after_ms.unwrap_or(0));
}

/// Its numbers are not judged here.
pub(crate) fn take_class(take: &mut Take<'_>) -> Result<Class, Garbled> {
    let (error, http_status) = (take.u32()?, take.u16()?);
    let (retryable, quota, has_retry_after) = (take.flag()?, take.flag()?, take.flag()?);
    let retry_after_ms = Some(take.u64()?).filter(|_| has_retry_after);
    Ok(Class { error, http_status, retryable, quota, retry_after_ms })
}

/// A history without its lists, and these.
pub(crate) type HistoryAndLists<'a> = (History<'a>, Vec<Attempt>, Vec<Target<'a>>);

// A field that a later minor adds does not compile until `take_target` and `take_attempt` have it.
fn put_attempt(put: &mut Put, attempt: &Attempt) {
    let Attempt { target, error, http_status, flags, started_ms, ended_ms, retry_after_ms, bytes_to_client } =
        *attempt;
    put.u32(target).u32(error).u32(http_status).u32(flags);
    put.u64(started_ms).u64(ended_ms).u64(retry_after_ms).u64(bytes_to_client);
}

fn take_attempt(take: &mut Take<'_>) -> Result<Attempt, Garbled> {
    Ok(Attempt {
        target: take.u32()?,
        error: take.u32()?,
        http_status: take.u32()?,
        flags: take.u32()?,
        started_ms: take.u64()?,
        ended_ms: take.u64()?,
        retry_after_ms: take.u64()?,
        bytes_to_client: take.u64()?,
    })
}

fn put_target(put: &mut Put, target: &Target<'_>) {
    let Target { id, group, weight, order, flags, inflight, fails_minute, oks_minute, .. } = *target;
    let Target { cooldown_ms, latency_us, fails_recent, requests_minute, tokens_minute, answer_us, .. } =
        *target;
    let Target { input_cost, output_cost, total_us, .. } = *target;
    put.bytes(id.as_bytes()).bytes(group.as_bytes());
    put.u32(weight).u32(order).u32(flags).u32(inflight).u32(fails_minute).u32(oks_minute);
    put.u64(cooldown_ms).u64(latency_us).u32(fails_recent).u32(requests_minute);
    put.u64(tokens_minute).u64(answer_us).u64(input_cost).u64(output_cost).u64(total_us);
}

fn take_target<'a>(take: &mut Take<'a>) -> Result<Target<'a>, Garbled> {
    Ok(Target {
        id: take.bytes()?.into(),
        group: take.bytes()?.into(),
        weight: take.u32()?,
        order: take.u32()?,
        flags: take.u32()?,
        inflight: take.u32()?,
        fails_minute: take.u32()?,
        oks_minute: take.u32()?,
        cooldown_ms: take.u64()?,
        latency_us: take.u64()?,
        fails_recent: take.u32()?,
        requests_minute: take.u32()?,
        tokens_minute: take.u64()?,
        answer_us: take.u64()?,
        input_cost: take.u64()?,
        output_cost: take.u64()?,
        total_us: take.u64()?,
    })
}

pub(crate) fn put_history(put: &mut Put, history: &History<'_>) {
    let History {
        now_ms,
        deadline_ms,
        seed,
        attempts_left,
        retry_tokens,
        group,
        options,
        attempts,
        targets,
        ..
    } = history;
    let History { stream, prompt_tokens, .. } = history;
    put.u64(*now_ms).u64(*deadline_ms).u64(*seed).u32(*attempts_left).u32(*retry_tokens);
    put.bytes(group.as_bytes()).bytes(options).flag(*stream).u64(*prompt_tokens);
    put.u32(attempts.len() as u32);
    for attempt in *attempts {
        put_attempt(put, attempt);
    }
    put.u32(targets.len() as u32);
    for target in *targets {
        put_target(put, target);
    }
}

pub(crate) fn take_history<'a>(take: &mut Take<'a>) -> Result<HistoryAndLists<'a>, Garbled> {
    let history = History {
        now_ms: take.u64()?,
        deadline_ms: take.u64()?,
        seed: take.u64()?,
        attempts_left: take.u32()?,
        retry_tokens: take.u32()?,
        group: take.text()?,
        options: take.bytes()?,
        stream: take.flag()?,
        prompt_tokens: take.u64()?,
        attempts: &[],
        targets: &[],
    };
    let count = take.count(size_of::<Attempt>())?;
    let mut attempts = Vec::with_capacity(count);
    for _ in 0..count {
        attempts.push(take_attempt(take)?);
    }
    let count = take.count(8)?;
    let mut targets = Vec::with_capacity(count);
    for _ in 0..count {
        targets.push(take_target(take)?);
    }
    Ok((history, attempts, targets))
}

pub(crate) fn take_close(take: &mut Take<'_>) -> Result<Close, Garbled> {
    let value = take.u32()?;
    [Close::End, Close::Cancelled, Close::Failed]
        .into_iter()
        .find(|close| *close as u32 == value)
        .ok_or(Garbled("a stream is closed for no reason that is known"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(put: impl FnOnce(&mut Put)) -> Vec<u8> {
        let mut buffer = Put::default();
        put(&mut buffer);
        buffer.0
    }

    /// What is read and written again is what was written; and cut anywhere it is an error, not a panic.
    fn comes_back(bytes: &[u8], again: impl Fn(Take<'_>) -> Result<Vec<u8>, Garbled>) {
        assert_eq!(again(Take(bytes)).as_deref(), Ok(bytes));
        for cut in 0..bytes.len() {
            assert!(again(Take(&bytes[..cut])).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_hello_comes_back_and_another_version_is_told() {
        let hello = Hello { path: Path::new("/a/ä.so"), place: Path::new("/b"), memory: 1 << 40 };
        let bytes = written(|put| hello.put(put));
        comes_back(&bytes, |take| Hello::take(take).map(|hello| written(|put| hello.put(put))));
        let mut other = bytes;
        other[10] ^= 1;
        assert!(Hello::take(Take(&other)).unwrap_err().0.contains("another version"));
    }

    #[test]
    fn a_request_comes_back() {
        let headers = [Header::new("a", b"1"), Header::new("b", b"\xff")];
        for model_span in [None, Some(1..4)] {
            let input = RequestIn {
                dialect: Dialect::AnthropicMessages,
                stream: true,
                model: "m",
                body: b"{\"m\"}",
                model_span,
                headers: &headers,
            };
            comes_back(&written(|put| put_request(put, &input)), |mut take| {
                let Request { input, headers } = take_request(&mut take)?;
                take.end()?;
                Ok(written(|put| put_request(put, &RequestIn { headers: &headers, ..input })))
            });
        }
        let outside = RequestIn {
            dialect: Dialect::OpenaiChat,
            stream: false,
            model: "",
            body: b"",
            model_span: Some(0..1),
            headers: &[],
        };
        assert!(take_request(&mut Take(&written(|put| put_request(put, &outside)))).is_err());
    }

    #[test]
    fn a_head_and_a_failure_come_back() {
        let headers = [Header::new("a", b"1")];
        let head = HeadIn {
            http_status: 200,
            dialect: Dialect::OpenaiChat,
            framing: Framing::Sse,
            model: "m",
            headers: &headers,
            unix_ms: 3,
            seed: 4,
        };
        comes_back(&written(|put| put_head(put, &head)), |mut take| {
            let (head, headers) = take_head(&mut take)?;
            Ok(written(|put| put_head(put, &HeadIn { headers: &headers, ..head })))
        });
        let failure = FailureIn {
            phase: Phase::Stream,
            http_status: 503,
            headers: &headers,
            event: b"error",
            body: b"{}",
            unix_ms: 5,
            bytes_to_client: 6,
        };
        let class =
            Class { error: 3, http_status: 429, retryable: true, quota: false, retry_after_ms: Some(9) };
        comes_back(&written(|put| put_failure(put, &failure, class)), |mut take| {
            let (failure, headers, class) = take_failure(&mut take)?;
            Ok(written(|put| put_failure(put, &FailureIn { headers: &headers, ..failure }, class)))
        });
    }

    #[test]
    fn a_history_comes_back() {
        let attempt = |n: u32| Attempt {
            target: n,
            error: 2,
            http_status: 3,
            flags: 4,
            started_ms: 5,
            ended_ms: 6,
            retry_after_ms: 7,
            bytes_to_client: 8,
        };
        let target = Target {
            id: "a".into(),
            group: "g".into(),
            weight: 1,
            order: 2,
            flags: 3,
            inflight: 4,
            fails_minute: 5,
            oks_minute: 6,
            cooldown_ms: 7,
            latency_us: 8,
            fails_recent: 9,
            requests_minute: 10,
            tokens_minute: 11,
            answer_us: 12,
            input_cost: 13,
            output_cost: 14,
            total_us: 15,
        };
        let history = History {
            now_ms: 1,
            deadline_ms: 2,
            seed: 3,
            attempts_left: 4,
            retry_tokens: 5,
            group: "g",
            options: b"{}",
            attempts: &[attempt(0), attempt(1)],
            targets: &[target, Target::default()],
            stream: true,
            prompt_tokens: 6,
        };
        comes_back(&written(|put| put_history(put, &history)), |mut take| {
            let (history, attempts, targets) = take_history(&mut take)?;
            Ok(written(|put| {
                put_history(put, &History { attempts: &attempts, targets: &targets, ..history });
            }))
        });
    }

    #[test]
    fn a_close_has_a_reason() {
        for close in [Close::End, Close::Cancelled, Close::Failed] {
            assert_eq!(take_close(&mut Take(&(close as u32).to_le_bytes())), Ok(close));
        }
        assert!(take_close(&mut Take(&[9, 0, 0, 0])).is_err());
    }
}
