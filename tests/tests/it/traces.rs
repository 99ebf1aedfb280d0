//! Traces: what a collector gets of requests, and what providers get of the client's trace.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use prost::Message;
use serde_json::json;
use tidegate_sim::{Gate, Script, Sim};
use tidegate_tests::client::{ask, body, chat, chat_with, get, post};
use tidegate_tests::{Conn, Proxy, Setup};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::world::{LONG, fetch, sim};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const DROPPED: &str = "tidegate_traces_dropped_total";
const EXPORTED: &str = "tidegate_traces_exported_total";

fn from_a_client(flags: &str) -> String {
    format!(
        "traceparent: 00-{TRACE}-{PARENT}-{flags}\r\ntracestate: congo=t61rcWkgMzE\r\nbaggage: secret=1\r\n"
    )
}

/// What takes spans as a collector does.
struct Collector {
    addr: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

struct Got {
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// How it answers.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Takes,
    /// These statuses first.
    Refuses(u16, usize),
    Never,
}

impl Collector {
    async fn start(how: How) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, got) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let to = got.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let to = to.clone();
                let service = hyper::service::service_fn(move |request| take(request, to.clone(), how));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service),
                );
            }
        });
        Self { addr, got }
    }

    fn spans(&self) -> Vec<Span> {
        let got = self.got.lock();
        let messages = got.iter().map(|got| ExportTraceServiceRequest::decode(got.body.clone()).unwrap());
        messages
            .flat_map(|message| message.resource_spans)
            .flat_map(|of| of.scope_spans)
            .flat_map(|of| of.spans)
            .collect()
    }

    async fn wait_for(&self, count: usize) -> Vec<Span> {
        let until = Instant::now() + LONG;
        while self.spans().len() < count {
            assert!(Instant::now() < until, "{:#?}", self.spans());
            sleep(Duration::from_millis(10)).await;
        }
        let spans = self.spans();
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }
}

async fn take(
    request: Request<Incoming>,
    to: Arc<Mutex<Vec<Got>>>,
    how: How,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let headers = head.headers.iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let before = {
        let mut to = to.lock();
        to.push(Got { path: head.uri.path().to_owned(), headers, body });
        to.len() - 1
    };
    if how == How::Never {
        std::future::pending::<()>().await;
    }
    let mut response = Response::new(Full::default());
    if let How::Refuses(status, times) = how
        && before < times
    {
        *response.status_mut() = status.try_into().unwrap();
    }
    Ok(response)
}

async fn traced(how: How, change: impl FnOnce(Setup) -> Setup) -> (Sim, Collector, Proxy) {
    traced_with("", how, change).await
}

async fn traced_with(more: &str, how: How, change: impl FnOnce(Setup) -> Setup) -> (Sim, Collector, Proxy) {
    let (sim, collector) = (sim().await, Collector::start(how).await);
    let traces = format!("traces: {{endpoint: \"http://{}\"{more}}}", collector.addr);
    let setup = change(Setup::of(&sim).short_clocks().tidegate(&traces));
    let proxy = Proxy::start(&setup.yaml()).await;
    (sim, collector, proxy)
}

fn find<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Any> {
    attributes.iter().find(|one| one.key == key)?.value.as_ref()?.value.as_ref()
}

fn text(span: &Span, key: &str) -> String {
    match find(&span.attributes, key) {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        Some(Any::BoolValue(flag)) => flag.to_string(),
        other => panic!("{key} is {other:?} in {span:#?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The request's span, and those of its calls in order.
fn family(spans: &[Span]) -> (&Span, Vec<&Span>) {
    let (server, mut calls): (Vec<&Span>, Vec<&Span>) = spans.iter().partition(|span| span.kind == 2);
    assert_eq!(server.len(), 1, "{spans:#?}");
    calls.sort_by_key(|span| text(span, "tidegate.attempt"));
    for call in &calls {
        assert_eq!(
            (call.kind, &call.parent_span_id, &call.trace_id),
            (3, &server[0].span_id, &server[0].trace_id)
        );
        assert!(call.start_time_unix_nano >= server[0].start_time_unix_nano, "{spans:#?}");
        assert!(call.end_time_unix_nano <= server[0].end_time_unix_nano, "{spans:#?}");
        assert!(call.end_time_unix_nano >= call.start_time_unix_nano, "{spans:#?}");
    }
    (server[0], calls)
}

fn names(span: &Span) -> Vec<&str> {
    span.events.iter().map(|event| event.name.as_str()).collect()
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_each_of_its_calls_has_a_span_in_the_clients_trace() {
    let (sim, collector) = (sim().await, Collector::start(How::Takes).await);
    let front =
        format!("model: openai/sim, api_base: \"http://{}/at/front/v1\", api_key: sim-key", sim.addr());
    let setup = Setup::of(&sim)
        .short_clocks()
        .params("front", &front)
        .router("num_retries: 1")
        .router("fallbacks: [{front: [gemini]}]")
        .general("master_key: hunter2")
        .tidegate(&format!(
            "traces: {{endpoint: \"http://{}\", headers: {{x-own: own-value}}}}",
            collector.addr
        ));
    let proxy = Proxy::start(&setup.yaml()).await;
    let headers =
        format!("{}authorization: Bearer hunter2\r\nuser-agent: Test/1 more\r\n", from_a_client("01"));
    let mut body = body("front", "", true);
    body["messages"] = json!([{"role": "user", "content": "zebra-in-the-prompt sim:http-429@front"}]);
    let request = post("/v1/chat/completions?key=hunter2", &headers, body.to_string().as_bytes());
    let answer = ask(proxy.data, &request, LONG).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let spans = collector.wait_for(4).await;
    let (server, calls) = family(&spans);

    assert_eq!((hex(&server.trace_id), hex(&server.parent_span_id)), (TRACE.into(), PARENT.into()));
    assert_eq!(
        (server.name.as_str(), server.trace_state.as_str()),
        ("POST /v1/chat/completions", "congo=t61rcWkgMzE")
    );
    assert_eq!(server.flags, 0x301, "sampled, and its parent is another program's");
    assert!(server.status.is_none());
    for (key, want) in [
        ("http.request.method", "POST"),
        ("url.path", "/v1/chat/completions"),
        ("http.route", "/v1/chat/completions"),
        ("http.response.status_code", "200"),
        ("client.address", "127.0.0.1"),
        ("user_agent.original", "Test/1"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.request.model", "front"),
        ("tidegate.client.key", "f52fbd32"),
        ("tidegate.group", "front"),
        ("tidegate.ending", "complete"),
        ("tidegate.attempts", "3"),
        ("tidegate.fallbacks", "1"),
        ("tidegate.stream", "true"),
    ] {
        assert_eq!(text(server, key), want, "{key}");
    }
    assert_eq!(names(server), ["tidegate.back_off", "tidegate.fallback"]);

    let of = |key: &str| calls.iter().map(|call| text(call, key)).collect::<Vec<_>>();
    assert_eq!(of("tidegate.cause"), ["first", "retry", "fallback"]);
    assert_eq!(of("http.response.status_code"), ["429", "429", "200"]);
    assert_eq!(of("gen_ai.provider.name"), ["openai", "openai", "gcp.gemini"]);
    assert_eq!(of("gen_ai.request.model"), ["sim", "sim", "gemini-2.5-pro"]);
    assert_eq!(of("tidegate.outcome"), ["rate_limit", "rate_limit", "ok"]);
    assert_eq!(of("server.port"), vec![sim.addr().port().to_string(); 3]);
    assert_eq!(calls[2].name, "chat gemini-2.5-pro");
    assert_eq!(
        (text(calls[1], "error.type"), text(calls[1], "http.request.resend_count")),
        ("rate_limit".into(), "1".into())
    );
    assert_eq!(calls[0].status.as_ref().map(|status| status.code), Some(2));
    assert_eq!(
        (names(calls[0]), names(calls[2])),
        (vec!["tidegate.rate_limited"], vec!["tidegate.first_content"])
    );
    assert!(
        text(calls[2], "gen_ai.usage.input_tokens") != "0"
            && text(calls[2], "gen_ai.usage.output_tokens") != "0"
    );
    assert_eq!(text(calls[2], "tidegate.usage.estimated"), "false", "its provider has counted");

    // Each provider was told of the span of its own call, and of nothing else of the client's.
    let seen = sim.log();
    assert_eq!(seen.len(), 3);
    for (call, seen) in calls.iter().zip(&seen) {
        let want = format!("00-{TRACE}-{}-01", hex(&call.span_id));
        assert_eq!(header(&seen.headers, "traceparent"), Some(want.as_str()));
        assert_eq!(header(&seen.headers, "tracestate"), Some("congo=t61rcWkgMzE"));
        assert_eq!(header(&seen.headers, "baggage"), None);
    }
    {
        let got = collector.got.lock();
        let all = |of: &dyn Fn(&Got) -> Option<String>| got.iter().filter_map(of).collect::<BTreeSet<_>>();
        assert_eq!(all(&|got| Some(got.path.clone())), BTreeSet::from(["/v1/traces".to_owned()]));
        let named = |name: &'static str| all(&|got| header(&got.headers, name).map(str::to_owned));
        assert_eq!(named("content-type"), BTreeSet::from(["application/x-protobuf".to_owned()]));
        assert_eq!(named("x-own"), BTreeSet::from(["own-value".to_owned()]));
        let has = |mark: &str| {
            got.iter().any(|got| got.body.windows(mark.len()).any(|window| window == mark.as_bytes()))
        };
        assert!(has("gemini-2.5-pro") && has("congo=t61rcWkgMzE"), "this search finds what is there");
        for mark in ["hunter2", "zebra", "secret=1", "sim-key", "Ebbe"] {
            assert!(!has(mark), "{mark} was exported");
        }
    }
    let line = proxy.log();
    assert!(
        line.contains(&format!("\"trace_id\":\"{TRACE}\",\"span_id\":\"{}\"", hex(&server.span_id))),
        "{line}"
    );
    proxy.metrics_when("all are exported", |metrics| metrics.get(EXPORTED, &[]) == Some(4.0)).await;
    assert_eq!(proxy.metrics().await.sum(DROPPED, &[]), 0.0);
}

const CHUNK: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_request_ends_its_spans() {
    let watch = "watchdog: {thresholds: {r1: {polls: 5, age: 1ms}}}";
    let (sim, collector, proxy) = traced(How::Takes, |setup| setup.tidegate(watch)).await;
    let ended = async |count: usize| {
        let spans = collector.wait_for(count).await;
        collector.got.lock().clear();
        spans
    };
    // A stream that breaks off.
    assert_eq!(fetch(&proxy, "openai", "429-frame-end", true).await.status, 200);
    let spans = ended(2).await;
    let (server, calls) = family(&spans);
    assert_eq!(
        (text(server, "tidegate.ending"), text(server, "error.type")),
        ("stream_error".into(), "rate_limit".into())
    );
    assert_eq!(server.status.as_ref().map(|status| status.code), Some(2));
    assert_eq!(text(calls[0], "tidegate.outcome"), "rate_limit");
    assert_eq!(names(calls[0]), ["tidegate.first_content", "tidegate.rate_limited"]);

    // One that the watchdog ends.
    let spin = chat_with("x-tidegate-fault: spin-wake\r\n", "openai", "stall-mid", true);
    let _ = ask(proxy.data, &spin, LONG).await;
    let spans = ended(2).await;
    let (server, calls) = family(&spans);
    assert_eq!(text(calls[0], "tidegate.outcome"), "aborted");
    assert!(calls[0].status.is_none(), "what the watchdog ends is no fault of the provider's");
    assert_eq!(server.status.as_ref().map(|status| status.code), Some(2), "its client was told an error");
    let verdict = server.events.last().unwrap();
    assert_eq!(verdict.name, "tidegate.verdict");
    assert_eq!(find(&verdict.attributes, "tidegate.rule"), Some(&Any::StringValue("R1".into())));
    let Some(Any::StringValue(id)) = find(&verdict.attributes, "tidegate.incident") else {
        panic!("{verdict:?}")
    };
    let incident =
        ask(proxy.admin, &get(&format!("/api/incidents/{id}"), "connection: close\r\n"), LONG).await;
    assert_eq!(incident.json()["rule"], "R1");

    // One whose client leaves.
    sim.script("waits", Script::sse().write(format!("{CHUNK}\n\n")).wait(&Gate::new()));
    let mut conn = Conn::open(proxy.data).await.unwrap();
    conn.send(&chat("openai", "waits", true)).await.unwrap();
    assert!(conn.read_until(LONG, |answer| answer.text().contains("\"a\"")).await);
    drop(conn);
    let spans = ended(2).await;
    let (server, calls) = family(&spans);
    assert_eq!(
        (text(server, "tidegate.ending"), text(server, "http.response.status_code")),
        ("client_gone".into(), "499".into())
    );
    assert!(server.status.is_none(), "who leaves is no fault of the server's");
    assert_eq!((text(calls[0], "tidegate.outcome"), calls[0].status.is_none()), ("cancelled".into(), true));

    // Refusals.
    for (request, status, error) in [
        (chat("nothing", "fast", true), "404", "not_found"),
        (get("/v1/nowhere", "connection: close\r\n"), "404", "not_found"),
        (post("/v1/chat/completions", "", b"{"), "400", "bad_request"),
    ] {
        let _ = ask(proxy.data, &request, LONG).await;
        let spans = ended(1).await;
        let (server, _) = family(&spans);
        assert_eq!(
            (text(server, "http.response.status_code"), text(server, "error.type")),
            (status.into(), error.into())
        );
        assert!(server.status.is_none());
        assert_eq!(server.parent_span_id, Vec::<u8>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_goes_on_elsewhere_has_a_span_for_each_part() {
    let sim = sim().await;
    let collector = Collector::start(How::Takes).await;
    let setup = Setup::of(&sim)
        .short_clocks()
        .model("two", "openai", &sim, "order: 1")
        .model("two", "openai", &sim, "order: 2")
        .tidegate("mid_stream: continue")
        .tidegate(&format!("traces: {{endpoint: \"http://{}\"}}", collector.addr));
    let proxy = Proxy::start(&setup.yaml()).await;
    let finish = CHUNK.replace(r#"{"content":"a"},"finish_reason":null"#, r#"{},"finish_reason":"stop""#);
    sim.push_script(Script::sse().write(format!("{CHUNK}\n\n")));
    sim.push_script(Script::sse().write(format!("{CHUNK}\n\n{finish}\n\ndata: [DONE]\n\n")));
    assert_eq!(fetch(&proxy, "two", "custom", true).await.status, 200);
    let spans = collector.wait_for(3).await;
    let (_, calls) = family(&spans);
    let of = |key: &str| calls.iter().map(|call| text(call, key)).collect::<Vec<_>>();
    assert_eq!(of("tidegate.cause"), ["first", "continuation"]);
    assert_eq!(of("tidegate.outcome"), ["truncated", "ok"]);
    // Neither provider has told what it cost.
    assert_eq!(of("tidegate.usage.estimated"), ["true", "true"]);
    assert!(calls.iter().all(|call| names(call) == ["tidegate.first_content"]), "{calls:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_decided_holds_and_the_share_is_for_the_others() {
    let (sim, collector, proxy) = traced_with(", sample: 0", How::Takes, |setup| setup).await;
    for flags in ["00", "01"] {
        let request = chat_with(&from_a_client(flags), "openai", "fast", true);
        assert_eq!(ask(proxy.data, &request, LONG).await.status, 200);
    }
    assert_eq!(fetch(&proxy, "openai", "fast", true).await.status, 200);
    let spans = collector.wait_for(2).await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(collector.spans().len(), 2, "the second request alone");
    let seen = sim.log();
    let parents: Vec<_> =
        seen.iter().map(|seen| header(&seen.headers, "traceparent").unwrap().to_owned()).collect();
    let (_, calls) = family(&spans);
    assert_eq!(parents[1], format!("00-{TRACE}-{}-01", hex(&calls[0].span_id)));
    // A trace that is not recorded goes on all the same, and says that it is not.
    assert!(parents[0].starts_with(&format!("00-{TRACE}-")) && parents[0].ends_with("-00"), "{parents:?}");
    assert!(!parents[2].contains(TRACE) && parents[2].ends_with("-02"), "{parents:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_traces_the_clients_own_is_passed_on() {
    let sim = sim().await;
    let proxy = Proxy::start(&Setup::of(&sim).yaml()).await;
    let ask_with = async |proxy: &Proxy, headers: &str| {
        assert_eq!(ask(proxy.data, &chat_with(headers, "openai", "fast", false), LONG).await.status, 200);
        let seen = sim.log().pop().unwrap();
        let of = |name: &str| header(&seen.headers, name).map(str::to_owned);
        assert_eq!(of("baggage"), None);
        (of("traceparent"), of("tracestate"))
    };
    let same = (Some(format!("00-{TRACE}-{PARENT}-01")), Some("congo=t61rcWkgMzE".to_owned()));
    assert_eq!(ask_with(&proxy, &from_a_client("01")).await, same);
    assert_eq!(ask_with(&proxy, &from_a_client("0x")).await, (None, None), "what is not legal is no trace");
    assert_eq!(ask_with(&proxy, "").await, (None, None));
    proxy.logged(&format!("\"trace_id\":\"{TRACE}\"")).await;
    let silent = Proxy::start(&Setup::of(&sim).tidegate("traces: {propagate: false}").yaml()).await;
    assert_eq!(ask_with(&silent, &from_a_client("01")).await, (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn opentelemetrys_own_variables_do() {
    let (sim, collector) = (sim().await, Collector::start(How::Takes).await);
    let endpoint = format!("http://{}/", collector.addr);
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2"),
        ("OTEL_SERVICE_NAME", "front-door"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ];
    let proxy = Proxy::start_with(&Setup::of(&sim).yaml(), &env).await;
    proxy.logged("OTLP is spoken as http/protobuf alone: \\\"grpc\\\" is ignored").await;
    assert_eq!(fetch(&proxy, "openai", "fast", true).await.status, 200);
    collector.wait_for(2).await;
    {
        let got = collector.got.lock();
        assert_eq!(
            (got[0].path.as_str(), header(&got[0].headers, "api-key")),
            ("/v1/traces", Some("hunter2"))
        );
        let message = ExportTraceServiceRequest::decode(got[0].body.clone()).unwrap();
        let resource = message.resource_spans[0].resource.clone().unwrap();
        for (key, want) in [("service.name", "front-door"), ("deployment.environment.name", "test")] {
            assert_eq!(find(&resource.attributes, key), Some(&Any::StringValue(want.into())));
        }
    }
    assert!(!proxy.log().contains("hunter2"));
    let disabled = [env[0], ("OTEL_SDK_DISABLED", "true")];
    let off = Proxy::start_with(&Setup::of(&sim).yaml(), &disabled).await;
    assert_eq!(fetch(&off, "openai", "fast", true).await.status, 200);
    sleep(Duration::from_millis(500)).await;
    assert_eq!(collector.spans().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_that_are_meant_for_others_do_not_stop_the_start() {
    let (sim, collector) = (sim().await, Collector::start(How::Takes).await);
    let grpc = [("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317")];
    let proxy = Proxy::start_with(&Setup::of(&sim).yaml(), &grpc).await;
    proxy.logged("OTEL_EXPORTER_OTLP_ENDPOINT: the URL must begin with http:// or https://").await;
    assert_eq!(fetch(&proxy, "openai", "fast", true).await.status, 200);

    let endpoint = format!("http://{}", collector.addr);
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Basic hunter2=,x-own=b"),
    ];
    let proxy = Proxy::start_with(&Setup::of(&sim).yaml(), &env).await;
    proxy.logged("entry 1 of OTEL_EXPORTER_OTLP_HEADERS").await;
    assert_eq!(fetch(&proxy, "openai", "fast", true).await.status, 200);
    collector.wait_for(2).await;
    assert_eq!(header(&collector.got.lock()[0].headers, "x-own"), Some("b"));
    assert!(!proxy.log().contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_busy_is_asked_again() {
    let (_sim, collector, proxy) = traced(How::Refuses(503, 1), |setup| setup).await;
    assert_eq!(fetch(&proxy, "openai", "fast", true).await.status, 200);
    let metrics = proxy.metrics_when("it took them", |metrics| metrics.get(EXPORTED, &[]) == Some(2.0)).await;
    assert_eq!((metrics.sum(DROPPED, &[]), collector.got.lock().len()), (0.0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_refuses_is_told_of_and_not_asked_again() {
    let (_sim, collector, proxy) = traced(How::Refuses(401, usize::MAX), |setup| setup).await;
    assert_eq!(fetch(&proxy, "openai", "fast", true).await.status, 200);
    let dropped = |metrics: &tidegate_tests::Metrics| metrics.get(DROPPED, &[("reason", "collector")]);
    let metrics = proxy.metrics_when("they are lost", |metrics| dropped(metrics) == Some(2.0)).await;
    assert_eq!((metrics.get(EXPORTED, &[]), collector.got.lock().len()), (Some(0.0), 1));
    proxy.logged("traces were not taken and are lost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_dead_nor_a_silent_collector_holds_a_request_or_the_end() {
    let silent = Collector::start(How::Never).await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let sim = sim().await;
    for addr in [dead, silent.addr] {
        let traces = format!("traces: {{endpoint: \"http://{addr}\", timeout: 30s}}");
        let mut proxy = Proxy::start(&Setup::of(&sim).short_clocks().tidegate(&traces).yaml()).await;
        for _ in 0..50 {
            assert_eq!(fetch(&proxy, "openai", "fast", true).await.status, 200);
        }
        proxy.signal(Signal::SIGTERM);
        // Its bound is 2 s; the post's is longer than this test waits.
        assert_eq!(proxy.ended(Duration::from_secs(20)).await.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_spans_are_sent_at_the_end() {
    let (_sim, collector, mut proxy) = traced(How::Takes, |setup| setup).await;
    assert_eq!(fetch(&proxy, "openai", "fast", true).await.status, 200);
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.ended(LONG).await.code(), Some(0));
    assert_eq!(collector.spans().len(), 2);
}
