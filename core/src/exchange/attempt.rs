//! One upstream call: request built by the plugin, sent, and read until it is clear what the client can be told.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::body::Body as _;
use tidegate_host::{Framing, HeadIn, Header, PluginError, Reply, RequestIn, ResponseSpec, UpstreamRequest};
use tidegate_watchdog::Phase;
use tokio::time::Instant;

use super::Exchange;
use super::dropped::DROPPED;
use super::options::refused_by_a_filter;
use crate::dialects::{Dialect, Request, Seen};
use crate::failure::Failure;
use crate::framing::Framer;
use crate::relay::classify::{Head, lend, unix_ms};
use crate::relay::clocks::{Clocks, Expired};
use crate::relay::live::Live;
use crate::relay::reader::{Client, Spent, Step, bare_document};
use crate::relay::source::Source;
use crate::routing::Deployment;
use crate::traces::Note;
use crate::upstream::{self, Call};

/// How much of an error's body is read, and how long it may take.
const ERROR_BODY: usize = 64 * 1024;
const ERROR_TIME: Duration = Duration::from_secs(5);

/// An answer that the client can be given.
pub(super) enum Opened {
    /// A stream at its first content; or at its end, if it had none.
    Stream(OpenStream),
    /// A whole body in the client's dialect, and what it cost.
    Whole(Bytes, Spent),
}

/// A stream that the client can be given.
pub(super) struct OpenStream {
    /// What is still to come, if anything. Boxed, because it moves from the attempt to the response's body.
    pub(super) live: Option<Box<Live>>,
    /// Everything up to the first content.
    pub(super) first: Bytes,
    /// It has ended, well.
    pub(super) ended: bool,
    /// The dialect that it is in: the client's, or the canonical one.
    pub(super) wire: Dialect,
}

/// What an upstream was asked for.
#[derive(Clone, Copy)]
struct Wanted {
    /// What the plugin says that will come.
    response: ResponseSpec,
    /// The usage, which the client did not ask for.
    hide_usage: bool,
}

impl Exchange {
    pub(super) async fn attempt(&self, target: u16) -> Result<Opened, Failure> {
        if let Some(failure) = self.mock(target) {
            return Err(failure);
        }
        self.admitted()?;
        let model = self.routes.upstream_model(&self.group, target, &self.request.model);
        let (deployment, model) = self.deployment(target).serving(model);
        let times = deployment.times(self.request.stream);
        let times = self.asked.as_ref().map_or(times, |asked| asked.narrow(times, self.request.stream));
        let mut clocks = Clocks::start(times.limits, self.total, self.started + self.total, Instant::now());

        let asked = self.request_for(target);
        if let Some(said) = self.mocked(&deployment, &asked) {
            return said;
        }
        let mut request = self.spoken(&deployment, &model, &asked)?;
        let mut missing = None;
        // Thrice at most: the usage is not asked for again, and the canonical dialect is the last that is tried.
        let (head, body, wanted) = loop {
            let (call, wanted) = self.prepare(&request, &deployment, &model, &mut clocks).await?;
            self.note_server(call.url.origin());
            let sending = pin!(self.gateway.upstream.send(call, times.connect));
            let sent = within(&mut clocks, sending).await?;
            let answer = sent.map_err(|error| Failure::send(&error))?;
            self.probe.phase(Phase::Waiting);
            self.visit.trace.note(|| Note::Status(answer.status.as_u16()));
            let head = Head {
                provider: deployment.provider.clone(),
                status: answer.status,
                headers: answer.headers,
            };
            if head.status.is_success() {
                if let Some(dialect) = missing {
                    deployment.lacks(dialect);
                }
                break (head, answer.body, wanted);
            }
            let body = read_some(answer.body, &mut clocks).await;
            if !(wanted.hide_usage && deployment.refuses_usage(head.status.as_u16(), &body)) {
                let failure = within(&mut clocks, pin!(head.classify_status(&body))).await?;
                let Some(chat) = self.instead(&deployment, &model, &asked, request.dialect, &failure) else {
                    return Err(failure);
                };
                missing = Some(request.dialect);
                request = chat;
                continue;
            }
            tracing::info!(deployment = %deployment.name, "it does not take stream_options: its streams are not asked for their usage");
        };
        if let Some(coding) = head.headers.get(CONTENT_ENCODING).filter(|coding| *coding != "identity") {
            return Err(Failure::malformed(format!(
                "it is compressed ({coding:?}) though that was not offered"
            )));
        }
        if self.request.stream {
            self.open_stream(&request, head, body, wanted, clocks).await
        } else {
            self.read_whole(target, &request, head, body, wanted.response, clocks).await
        }
    }

    /// What to send, and what will come.
    async fn prepare(
        &self,
        request: &Request,
        deployment: &Deployment,
        model: &str,
        clocks: &mut Clocks,
    ) -> Result<(Call, Wanted), Failure> {
        let (mut body, mut model_span, dropped) = deployment.body(request)?;
        // Named as in the dialect that the provider is asked in.
        let own = |name: String| match request.dialect == self.request.dialect {
            true => name,
            false => self.request.dialect.own_name(&name).map_or(name, str::to_owned),
        };
        self.drops(deployment, dropped.into_iter().map(own));
        let mut hide_usage = false;
        if request.stream
            && deployment.asks_usage()
            && let Some(asking) = request.dialect.asking_usage(&body, model_span.clone())
        {
            (body, model_span) = asking;
            hide_usage = true;
        }
        let headers: Vec<_> =
            request.headers.iter().map(|(name, value)| Header::new(name, value.as_bytes())).collect();
        let input = RequestIn {
            dialect: tidegate_host::Dialect::from_u32(request.dialect.number()),
            stream: request.stream,
            model,
            body: &body,
            model_span,
            headers: &headers,
        };
        let provider = within(clocks, pin!(deployment.asked(request.drops_params()))).await??;
        let built = within(clocks, pin!(provider.request(&input))).await?;
        let built = built.map_err(|error| match error {
            PluginError::Invalid(why) | PluginError::Unsupported(why) => Failure::bad_request(why),
            error => Failure::plugin_call(&error),
        })?;
        let UpstreamRequest { method, url, headers, auth, response, body } = built;
        let bad = |what: &str| Failure::plugin(&format!("the provider plugin gave {what}"));
        let mut fields = HeaderMap::with_capacity(headers.len() + deployment.headers.len() + 4);
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fields.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        fields.insert(USER_AGENT, HeaderValue::from_static(concat!("tidegate/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in headers {
            if name == DROPPED.as_str() {
                self.drops(deployment, names_in(&value).into_iter().map(own));
                continue;
            }
            let name = HeaderName::try_from(name).map_err(|_| bad("a header name that is not legal"))?;
            fields.insert(
                name,
                HeaderValue::try_from(value).map_err(|_| bad("a header value that is not legal"))?,
            );
        }
        self.visit.trace.put(&mut fields);
        for (name, value) in &deployment.headers {
            fields.insert(name, value.clone());
        }
        let mut call = Call {
            method: method.parse().map_err(|_| bad("a method that is not legal"))?,
            url: deployment.target(url)?,
            headers: fields,
            body: body.into(),
        };
        let auth = deployment.auth(auth)?;
        within(clocks, pin!(auth.authorize(&mut call))).await?.map_err(|error| {
            Failure::refusal(500, format!("the deployment \"{}\": {error}", deployment.name))
        })?;
        Ok((call, Wanted { response, hide_usage }))
    }

    async fn open_stream(
        &self,
        request: &Request,
        mut head: Head,
        body: upstream::Body,
        wanted: Wanted,
        mut clocks: Clocks,
    ) -> Result<Opened, Failure> {
        let Wanted { response, hide_usage } = wanted;
        head.detach();
        let event_limit = usize::try_from(self.routes.config.tidegate.limits.event).unwrap_or(usize::MAX);
        let framing = resolve(response.framing, &head.headers)?;
        let passes = passes(request, response);
        if passes && framing != Framing::Sse {
            let whole = self.collect(body, &mut clocks, event_limit).await?;
            return Err(match request.dialect.inspect_body(&whole) {
                Seen::Error => within(&mut clocks, pin!(head.classify_body(&whole))).await?,
                _ => Failure::malformed("it answered a request for a stream with a whole body"),
            });
        }
        let framer = Framer::new(framing, event_limit);
        let translator = if passes {
            None
        } else {
            let headers = lend(&head.headers);
            let head_in = self.head_in(request, &head, framing, &headers);
            let opened = within(&mut clocks, pin!(head.provider.open(&head_in))).await?;
            Some(opened.map_err(|error| Failure::plugin_call(&error))?)
        };
        let Request { dialect, include_usage, several, .. } = *request;
        let client = Client { dialect, include_usage, hide_usage, several };
        let source = Source::new(body, framer, head, client, translator, event_limit);
        self.first_content(Box::new(Live::new(source, clocks)), request.dialect, event_limit).await
    }

    /// Reads until there is content. What comes before it is held back, so that an error can still be an HTTP status
    /// and another attempt can still be made.
    async fn first_content(
        &self,
        mut live: Box<Live>,
        wire: Dialect,
        limit: usize,
    ) -> Result<Opened, Failure> {
        let mut held = BytesMut::new();
        loop {
            let step = poll_fn(|cx| {
                let moved = live.poll_step(cx);
                if moved.received > 0 {
                    self.probe.moved();
                }
                moved.step
            });
            match step.await {
                Step::Data { bytes, content } => {
                    if content {
                        let ended = live.take_done();
                        let first = if held.is_empty() {
                            bytes
                        } else {
                            held.extend_from_slice(&bytes);
                            held.freeze()
                        };
                        return Ok(Opened::Stream(OpenStream { live: Some(live), first, ended, wire }));
                    }
                    held.extend_from_slice(&bytes);
                    if held.len() > limit {
                        live.close(true);
                        return Err(Failure::malformed(format!(
                            "{} bytes came without any content",
                            held.len()
                        )));
                    }
                }
                Step::Done => {
                    return Ok(Opened::Stream(OpenStream {
                        live: Some(live),
                        first: held.freeze(),
                        ended: true,
                        wire,
                    }));
                }
                Step::Failed(failure) => {
                    live.close(true);
                    return Err(failure);
                }
            }
        }
    }

    async fn read_whole(
        &self,
        target: u16,
        request: &Request,
        head: Head,
        body: upstream::Body,
        response: ResponseSpec,
        mut clocks: Clocks,
    ) -> Result<Opened, Failure> {
        let limit = usize::try_from(self.routes.config.tidegate.limits.body).unwrap_or(usize::MAX);
        let body = self.collect(body, &mut clocks, limit).await?;
        let translated = if passes(request, response) {
            None
        } else {
            let headers = lend(&head.headers);
            let head_in = self.head_in(request, &head, Framing::Auto, &headers);
            match within(&mut clocks, pin!(head.provider.response(&head_in, &body))).await? {
                Ok(Reply::Pass) => None,
                Ok(Reply::Body(translated)) => Some(request.dialect.settled(request, translated.into())),
                Ok(Reply::Upstream) => {
                    return Err(within(&mut clocks, pin!(head.classify_body(&body))).await?);
                }
                Err(PluginError::Protocol(_)) => return Err(unreadable(&body)),
                Err(error) => return Err(Failure::plugin_call(&error)),
            }
        };
        match (request.dialect.inspect_body(translated.as_ref().unwrap_or(&body)), translated) {
            (Seen::Chunk(chunk), _) if chunk.filtered && self.leaves_refusals(target) => {
                Err(refused_by_a_filter())
            }
            (Seen::Chunk(chunk), translated) if chunk.finish => {
                let body = translated.unwrap_or(body);
                // Without a word of the provider's, the answer counts like the prompt: by its length.
                let pieces = u32::try_from(body.len() / 4).unwrap_or(u32::MAX);
                let spent = Spent { usage: chunk.usage.unwrap_or_default(), pieces };
                Ok(Opened::Whole(self.voiced(request.dialect, body)?, spent))
            }
            (Seen::Chunk(chunk), None) if chunk.content => {
                Err(Failure::truncated("it does not say why it ends"))
            }
            (Seen::Error, None) => Err(within(&mut clocks, pin!(head.classify_body(&body))).await?),
            (_, None) => Err(within(&mut clocks, pin!(not_an_answer(request, &head, &body))).await?),
            (_, Some(_)) => Err(Failure::plugin(
                &"the provider plugin's answer is not in the dialect that it was asked in",
            )),
        }
    }

    /// The whole body, at most `limit` bytes of it.
    async fn collect(
        &self,
        mut body: upstream::Body,
        clocks: &mut Clocks,
        limit: usize,
    ) -> Result<Bytes, Failure> {
        let mut whole = BytesMut::new();
        loop {
            let frame = within(clocks, poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))).await?;
            let Some(frame) = frame else { return Ok(whole.freeze()) };
            let frame = frame.map_err(|error| Failure::body(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            // A large answer comes in many pieces, and none of them goes to the client yet.
            self.probe.moved();
            let now = Instant::now();
            clocks.byte(now);
            clocks.content(now);
            if whole.is_empty() && body.is_end_stream() {
                return if data.len() > limit { Err(too_long(limit)) } else { Ok(data) };
            }
            if whole.len() + data.len() > limit {
                return Err(too_long(limit));
            }
            whole.extend_from_slice(&data);
        }
    }

    fn head_in<'a>(
        &'a self,
        request: &Request,
        head: &Head,
        framing: Framing,
        headers: &'a [tidegate_host::Header<'a>],
    ) -> HeadIn<'a> {
        HeadIn {
            http_status: head.status.as_u16(),
            dialect: tidegate_host::Dialect::from_u32(request.dialect.number()),
            framing,
            model: &self.request.model,
            headers,
            unix_ms: unix_ms(),
            seed: self.seed,
        }
    }
}

/// What a plugin says that it left out.
fn names_in(value: &str) -> Vec<String> {
    value.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Whether the upstream's bytes are an answer in the request's dialect as they are.
fn passes(request: &Request, response: ResponseSpec) -> bool {
    response.dialect as u32 == request.dialect.number() && !response.every_event
}

/// Neither an answer nor an error as it stands; but Google puts errors into an array of one.
async fn not_an_answer(request: &Request, head: &Head, body: &[u8]) -> Failure {
    let document = bare_document(body);
    match request.dialect.inspect_body(document) {
        Seen::Error => head.classify_body(document).await,
        _ => unreadable(body),
    }
}

fn unreadable(body: &[u8]) -> Failure {
    match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
        Err(error) if error.is_eof() => Failure::truncated("its JSON breaks off"),
        _ => Failure::malformed("its body is not an answer in its dialect"),
    }
}

/// The framing of the body, by what the plugin said, else by its content type.
fn resolve(framing: Framing, headers: &HeaderMap) -> Result<Framing, Failure> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match framing {
        // An error may come as a document where a stream was to come.
        Framing::Sse | Framing::AwsEventstream if kind == "application/json" => Ok(Framing::JsonArray),
        Framing::Auto => Ok(match kind.as_str() {
            "application/json" => Framing::JsonArray,
            "application/x-ndjson" | "application/jsonl" => Framing::JsonLines,
            "application/vnd.amazon.eventstream" => Framing::AwsEventstream,
            _ => Framing::Sse,
        }),
        other => Ok(other),
    }
}

/// Runs `work` until a clock runs out. It is pinned where it is made: a future that takes another by value holds it twice.
async fn within<F: Future + Unpin>(clocks: &mut Clocks, mut work: F) -> Result<F::Output, Failure> {
    poll_fn(|cx| {
        if let Poll::Ready(output) = Pin::new(&mut work).poll(cx) {
            return Poll::Ready(Ok(output));
        }
        clocks.poll(cx).map(|expired| {
            Err(match expired {
                Expired::Clock(failure) => failure,
                Expired::Grace => Failure::refusal(500, "a clock ran that was not started"),
            })
        })
    })
    .await
}

fn too_long(limit: usize) -> Failure {
    Failure::malformed(format!("its body is longer than {limit} bytes"))
}

/// What can be had of an error's body without waiting for it.
async fn read_some(mut body: upstream::Body, clocks: &mut Clocks) -> Bytes {
    let mut some = BytesMut::new();
    let read = async {
        while some.len() < ERROR_BODY {
            let frame = within(clocks, poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))).await;
            let Ok(Some(Ok(frame))) = frame else { break };
            if let Ok(data) = frame.into_data() {
                some.extend_from_slice(&data[..data.len().min(ERROR_BODY - some.len())]);
            }
        }
    };
    // What has come by then decides.
    let _ = tokio::time::timeout(ERROR_TIME, read).await;
    some.freeze()
}
