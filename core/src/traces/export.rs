//! Sends spans to a collector: OTLP over HTTP, as protobuf, from a thread with a small runtime of its own.

use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Status, span, status};
use prost::Message;
use tokio::time::{sleep, timeout};

use super::queue::{Counts, Queue};
use super::settings::Settings;
use super::span::{Fact, Happened, Kind, Span, Value};
use crate::upstream::{self, Call, Target, Upstream};

/// How often it looks for spans.
pub(super) const PERIOD: Duration = Duration::from_millis(200);
/// Spans in one message; a request's spans stay together, so there may be a few more.
const BATCH: usize = 512;
/// Tries of one message, and the pause after the first; each further one is twice as long.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);
/// The longest that a collector may ask to be left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// So much of an answer is read: it says what was refused.
const ANSWER: usize = 64 * 1024;
/// A collector that is away is told of in the log this often.
const COMPLAIN: Duration = Duration::from_secs(60);

/// Starts the thread.
pub(super) fn start(settings: Settings, counts: Counts) -> io::Result<Arc<Queue>> {
    let exporter = Exporter::new(&settings)?;
    let queue = Arc::new(Queue::new(counts));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let at_work = queue.clone();
    thread::Builder::new()
        .name("tidegate-traces".into())
        .spawn(move || runtime.block_on(exporter.run(&at_work)))?;
    Ok(queue)
}

struct Exporter {
    upstream: Upstream,
    url: Target,
    headers: HeaderMap,
    timeout: Duration,
    resource: Resource,
    complained: Option<tokio::time::Instant>,
}

/// Why a message was not taken.
enum Refused {
    /// It may be later.
    Now(String, Option<Duration>),
    /// It will not be.
    Ever(String),
}

impl Exporter {
    fn new(settings: &Settings) -> io::Result<Self> {
        let bad = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        let url =
            settings.endpoint.parse().map_err(|error| bad(format!("the endpoint of traces: {error}")))?;
        let upstream =
            Upstream::new(upstream::Settings::default()).map_err(|error| bad(error.to_string()))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let named =
                HeaderName::try_from(name).map_err(|_| bad(format!("\"{name}\" is no header of traces")))?;
            let mut value = HeaderValue::try_from(value.expose()).map_err(|_| {
                bad(format!("the header \"{name}\" of traces has a value that no header may have"))
            })?;
            value.set_sensitive(true);
            headers.insert(named, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("tidegate/", env!("CARGO_PKG_VERSION"))));
        let attributes = settings.resource.iter().map(|(key, value)| attribute(key, value.clone().into()));
        let resource = Resource { attributes: attributes.collect(), ..Resource::default() };
        Ok(Self { upstream, url, headers, timeout: settings.timeout, resource, complained: None })
    }

    /// Until the process ends.
    async fn run(mut self, queue: &Queue) {
        loop {
            tokio::select! {
                () = sleep(PERIOD) => {}
                () = queue.wake.notified() => {}
            }
            loop {
                let spans = queue.take(BATCH);
                if spans.is_empty() {
                    break;
                }
                self.export(spans, queue).await;
            }
            queue.flushed();
            self.upstream.reap();
        }
    }

    async fn export(&mut self, spans: Vec<Span>, queue: &Queue) {
        let count = spans.len() as u64;
        let message = Bytes::from(self.message(spans).encode_to_vec());
        for tried in 1..=TRIES {
            let refused = match timeout(self.timeout, self.post(message.clone())).await {
                Ok(Ok(refused)) => {
                    let refused = refused.min(count);
                    queue.counts.exported.inc_by(count - refused);
                    queue.counts.refused.inc_by(refused);
                    return;
                }
                Ok(Err(refused)) => refused,
                Err(_) => Refused::Now(format!("it did not answer within {:?}", self.timeout), None),
            };
            let (why, pause) = match refused {
                // At the end of the process there is one try.
                Refused::Now(why, pause) if tried < TRIES && !queue.is_flushing() => {
                    (why, pause.unwrap_or(PAUSE * 2_u32.pow(tried - 1)).min(LONGEST_PAUSE))
                }
                Refused::Now(why, _) | Refused::Ever(why) => {
                    queue.counts.refused.inc_by(count);
                    self.complain(&why);
                    return;
                }
            };
            tracing::debug!("traces are sent once more in {pause:?}: {why}");
            tokio::select! {
                () = sleep(pause) => {}
                () = queue.wake.notified() => {}
            }
        }
    }

    /// Answers how many spans the collector did not take out of a message that it took.
    async fn post(&self, body: Bytes) -> Result<u64, Refused> {
        let call = Call { method: Method::POST, url: self.url.clone(), headers: self.headers.clone(), body };
        let answer = self.upstream.send(call, self.timeout).await;
        let answer = answer.map_err(|error| Refused::Now(error.to_string(), None))?;
        let status = answer.status;
        let retry = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = answer.body;
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Refused::Now(error.to_string(), None))?;
            if let Ok(data) = frame.into_data() {
                read.extend_from_slice(&data[..data.len().min(ANSWER - read.len())]);
            }
        }
        if status.is_success() {
            // What is not a message says nothing of refusals.
            let answer = ExportTraceServiceResponse::decode(read.freeze()).unwrap_or_default();
            return Ok(answer.partial_success.map_or(0, |some| some.rejected_spans.unsigned_abs()));
        }
        let why = format!("{} answered {status}", self.url.origin());
        // Those that the specification names.
        let later = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        );
        Err(if later { Refused::Now(why, retry.map(Duration::from_secs)) } else { Refused::Ever(why) })
    }

    fn complain(&mut self, why: &str) {
        let now = tokio::time::Instant::now();
        if self.complained.is_none_or(|last| now - last >= COMPLAIN) {
            self.complained = Some(now);
            tracing::warn!("traces were not taken and are lost: {why}; for a minute no more is said of it");
        }
    }

    fn message(&self, spans: Vec<Span>) -> ExportTraceServiceRequest {
        let scope = InstrumentationScope {
            name: "tidegate".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let spans = spans.into_iter().map(sent).collect();
        let spans = ScopeSpans { scope: Some(scope), spans, schema_url: String::new() };
        let all = ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans: vec![spans],
            schema_url: String::new(),
        };
        ExportTraceServiceRequest { resource_spans: vec![all] }
    }
}

/// Whether it is known of a parent that it is another program's, and whether it is (`SpanFlags` of OTLP).
const HAS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

fn sent(span: Span) -> Sent {
    let nanos = |at: std::time::SystemTime| {
        let since = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    };
    let event = |event: Happened| span::Event {
        time_unix_nano: nanos(event.at),
        name: event.name.to_owned(),
        attributes: attributes(event.facts),
        dropped_attributes_count: 0,
    };
    let kind = match span.kind {
        Kind::Server => span::SpanKind::Server,
        Kind::Client => span::SpanKind::Client,
    };
    let remote = if span.remote { IS_REMOTE } else { 0 };
    let state = span.state.as_ref().and_then(|state| state.to_str().ok());
    Sent {
        trace_id: span.trace.to_be_bytes().to_vec(),
        span_id: span.id.to_be_bytes().to_vec(),
        trace_state: state.unwrap_or_default().to_owned(),
        parent_span_id: if span.parent == 0 { Vec::new() } else { span.parent.to_be_bytes().to_vec() },
        flags: u32::from(span.flags) | HAS_REMOTE | remote,
        name: span.name,
        kind: kind as i32,
        start_time_unix_nano: nanos(span.time.0),
        end_time_unix_nano: nanos(span.time.1),
        attributes: attributes(span.facts),
        events: span.events.into_iter().map(event).collect(),
        status: span
            .failed
            .then(|| Status { message: String::new(), code: status::StatusCode::Error as i32 }),
        ..Sent::default()
    }
}

fn attributes(facts: Vec<Fact>) -> Vec<KeyValue> {
    facts.into_iter().map(|(key, value)| attribute(key, value)).collect()
}

fn attribute(key: &str, value: Value) -> KeyValue {
    let text = |text: String| AnyValue { value: Some(any_value::Value::StringValue(text)) };
    let value = match value {
        Value::Text(words) => text(words.into_owned()),
        Value::Number(number) => AnyValue { value: Some(any_value::Value::IntValue(number)) },
        Value::Flag(flag) => AnyValue { value: Some(any_value::Value::BoolValue(flag)) },
        Value::Texts(texts) => {
            let values = texts.into_iter().map(text).collect();
            AnyValue { value: Some(any_value::Value::ArrayValue(ArrayValue { values })) }
        }
    };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}
