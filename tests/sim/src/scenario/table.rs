//! The table of all scenarios. Names are a public interface: add, never rename.

use super::{Context, Expect, Mode, Scenario, answer, fault, finish, flood, healthy, odd, refuse, stall};
use crate::dialect::Dialect;
use crate::script::Script;
use crate::text::{fault_text, healthy_text, huge_text};

type Expected = fn(Dialect, Mode) -> Expect;
type Render = fn(&Context<'_>) -> Script;

const fn scenario(name: &'static str, about: &'static str, expect: Expected, render: Render) -> Scenario {
    Scenario { name, about, row: None, expect, render }
}

impl Scenario {
    const fn row(mut self, row: &'static str) -> Self {
        self.row = Some(row);
        self
    }
}

fn whole_text(_: Dialect, _: Mode) -> Expect {
    Expect::Text(healthy_text())
}

fn short_text(_: Dialect, _: Mode) -> Expect {
    Expect::Text(fault_text())
}

fn normal(_: Dialect, _: Mode) -> Expect {
    Expect::Normal
}

/// What the fault is in a stream; a whole answer with it is an HTTP error of this status.
fn committed(mode: Mode, stream: Expect, status: u16) -> Expect {
    if mode == Mode::Whole { Expect::Http { status, retry_after: false } } else { stream }
}

fn error_429(dialect: Dialect, mode: Mode) -> Expect {
    frame::<429>(dialect, mode)
}

fn truncated(_: Dialect, mode: Mode) -> Expect {
    committed(mode, Expect::Truncated, 502)
}

fn malformed(_: Dialect, mode: Mode) -> Expect {
    committed(mode, Expect::Malformed, 502)
}

fn stalled(_: Dialect, mode: Mode) -> Expect {
    Expect::Stalled { committed: mode != Mode::Whole }
}

fn stalled_early(_: Dialect, _: Mode) -> Expect {
    Expect::Stalled { committed: false }
}

fn failed(_: Dialect, mode: Mode) -> Expect {
    Expect::Failed { committed: mode != Mode::Whole }
}

fn http<const STATUS: u16>(_: Dialect, _: Mode) -> Expect {
    Expect::Http { status: STATUS, retry_after: false }
}

fn http_hint<const STATUS: u16>(_: Dialect, _: Mode) -> Expect {
    Expect::Http { status: STATUS, retry_after: true }
}

/// An error event of this status, as far as the dialect tells it; where the answer is whole, an HTTP error.
fn frame<const STATUS: u16>(dialect: Dialect, mode: Mode) -> Expect {
    error_event(dialect.wire().known_status(STATUS), mode)
}

fn error_event(status: u16, mode: Mode) -> Expect {
    committed(mode, Expect::Error { status, committed: true }, status)
}

/// Wrong for a stream alone.
fn not_a_stream(dialect: Dialect, mode: Mode) -> Expect {
    if mode == Mode::Whole || !dialect.wire().is_typed() {
        Expect::Text(healthy_text())
    } else {
        Expect::Http { status: 502, retry_after: false }
    }
}

fn failed_early(_: Dialect, _: Mode) -> Expect {
    Expect::Failed { committed: false }
}

pub(super) static ALL: &[Scenario] = &[
    scenario(
        "healthy",
        "20 chunks, one each 50 ms, then a normal end with usage",
        whole_text,
        healthy::healthy,
    ),
    scenario("fast", "the same without pauses", whole_text, healthy::fast),
    // The rows of the comparison, in its order.
    scenario("429-frame-end", "three good chunks, a 429 error event, end", error_429, fault::end)
        .row("429 error event, end"),
    scenario(
        "429-frame-open",
        "three good chunks, a 429 error event, connection left open",
        |dialect, mode| {
            if mode == Mode::Whole { Expect::Stalled { committed: false } } else { error_429(dialect, mode) }
        },
        fault::open,
    )
    .row("the same, connection left open"),
    scenario("429-first", "a 429 error event as the very first, end", http::<429>, fault::first)
        .row("the same, as the very first frame"),
    scenario(
        "429-event-line",
        "three good chunks, `event: error` before the 429's data, end",
        error_429,
        fault::event_line,
    )
    .row("`event: error` line before that data, end"),
    scenario("429-cut", "three good chunks, the 429's JSON cut short, end", truncated, fault::error_cut)
        .row("that error's JSON cut short, end"),
    scenario(
        "text-cut-end",
        "three good chunks, a fourth cut inside a character, proper end",
        truncated,
        fault::text_cut_end,
    )
    .row("a text chunk cut mid-JSON, end"),
    scenario("text-cut-fin", "the same, FIN without the body's proper end", truncated, fault::text_cut_fin)
        .row("a text chunk cut mid-JSON, FIN"),
    scenario("text-cut-rst", "the same, RST", truncated, fault::text_cut_rst)
        .row("a text chunk cut mid-JSON, RST"),
    scenario(
        "array-tail",
        "three good chunks, then `,{429 error}` and `]` as bare lines",
        error_429,
        fault::array_tail,
    )
    .row("JSON-array tail: `,{error}` then `]`"),
    scenario(
        "keepalive-comment",
        "a `: keep-alive` comment after three chunks, then the rest",
        whole_text,
        healthy::keepalive_comment,
    )
    .row("a `: keep-alive` comment, then good chunks"),
    scenario(
        "plain-text-line",
        "three good chunks, a middlebox's line of plain text, end",
        malformed,
        fault::plain_text_line,
    )
    .row("a plain-text line from a middlebox, end"),
    scenario(
        "no-finish",
        "three good chunks, then the body's proper end without a finish",
        truncated,
        fault::no_finish,
    )
    .row("end of body with no finish reason"),
    scenario("http-429", "HTTP 429 with the provider's own retry hint", http_hint::<429>, refuse::http_429)
        .row("HTTP 429 before the stream"),
    // Other faults after three good chunks.
    scenario(
        "cut-between",
        "FIN between two events, without the body's proper end",
        truncated,
        fault::cut_between,
    ),
    scenario("429-bare", "the 429 as a bare JSON document over several lines", error_429, fault::bare),
    scenario(
        "429-numeric",
        "a chunk with choices and `error.code: 429` (OpenRouter)",
        error_429,
        fault::numeric,
    ),
    scenario("429-flat", "`{\"object\":\"error\",..., \"code\":429}` (older vLLM)", error_429, fault::flat),
    scenario("429-then-done", "a 429 error event with `[DONE]` after it (vLLM)", error_429, fault::then_done),
    scenario("503-frame-end", "a 503 error event, end", frame::<503>, fault::error_503),
    scenario("html-page", "a proxy's HTML error page between events, end", malformed, fault::html_page),
    scenario("not-json", "an event whose data is not JSON, end", malformed, fault::not_json),
    // HTTP errors before the stream.
    scenario("http-429-bare", "HTTP 429 without a retry hint", http::<429>, refuse::http_429_bare),
    scenario(
        "http-429-seconds",
        "HTTP 429, Retry-After in seconds",
        http_hint::<429>,
        refuse::http_429_seconds,
    ),
    scenario("http-429-date", "HTTP 429, Retry-After as a date", http_hint::<429>, refuse::http_429_date),
    scenario("http-429-ms", "HTTP 429, retry-after-ms", http_hint::<429>, refuse::http_429_ms),
    scenario(
        "http-429-delay",
        "HTTP 429, Google's retryDelay in the body",
        http_hint::<429>,
        refuse::http_429_delay,
    ),
    scenario(
        "http-429-array",
        "the same, the error in an array of one",
        http_hint::<429>,
        refuse::http_429_array,
    ),
    scenario(
        "http-429-quota",
        "HTTP 429 for a quota that a retry does not bring back",
        |dialect, _| Expect::Http { status: 429, retry_after: dialect.wire().waits_in_body() },
        refuse::http_429_quota,
    ),
    scenario(
        "http-429-html",
        "HTTP 429 with an HTML body and Retry-After",
        http_hint::<429>,
        refuse::http_429_html,
    ),
    scenario(
        "http-429-once",
        "HTTP 429 for every other request, the first included: a retry succeeds",
        normal,
        refuse::http_429_once,
    ),
    scenario("http-400", "HTTP 400", http::<400>, refuse::http_400),
    scenario("http-401", "HTTP 401", http::<401>, refuse::http_401),
    scenario("http-403", "HTTP 403", http::<403>, refuse::http_403),
    scenario("http-404", "HTTP 404", http::<404>, refuse::http_404),
    scenario("http-500", "HTTP 500", http::<500>, refuse::http_500),
    scenario("http-503", "HTTP 503 with Retry-After", http_hint::<503>, refuse::http_503),
    scenario("html-200", "HTTP 200 with an HTML page", http::<502>, fault::html_200),
    scenario("empty-200", "HTTP 200 with an empty body", http::<502>, fault::empty),
    // Silence.
    scenario("stall-headers", "no response at all", stalled_early, stall::headers),
    scenario("stall-first", "the response's head, then silence", stalled_early, stall::first),
    scenario("stall-mid", "three good chunks (or half a body), then silence", stalled, stall::mid),
    scenario("fin-headers", "FIN instead of a response", http::<502>, stall::headers_fin),
    scenario("rst-headers", "RST instead of a response", http::<502>, stall::headers_rst),
    scenario("not-http", "a line that is not HTTP instead of a response", http::<502>, stall::not_http),
    // Floods.
    scenario("empty-flood", "empty events without end", failed, flood::empty),
    scenario(
        "empty-delta-flood",
        "well-formed events that say nothing, without end",
        failed,
        flood::empty_delta,
    ),
    scenario("comment-flood", "keep-alives without end, as fast as they are taken", failed, flood::comment),
    scenario("blank-flood", "blank lines without end", failed, flood::blank),
    scenario("keepalive-only", "a keep-alive every 50 ms and nothing else", failed, flood::keepalive_only),
    scenario("text-flood", "good text without end", failed, flood::text),
    scenario("giant-event", "one event larger than any limit", failed, flood::giant_event),
    // Right answers, oddly delivered.
    scenario(
        "huge-event",
        "one event of four megabytes",
        |_, _| Expect::Text(huge_text()),
        healthy::huge_event,
    ),
    scenario("drip", "one byte at a time", short_text, healthy::drip),
    scenario("lf", "lines end in LF", whole_text, healthy::lf),
    scenario("crlf", "lines end in CRLF", whole_text, healthy::crlf),
    scenario("crlf-split", "CR and LF in writes of their own", whole_text, healthy::crlf_split),
    scenario("cr", "lines end in CR", whole_text, healthy::cr),
    scenario("mixed-eol", "line ends change from event to event", whole_text, healthy::mixed),
    scenario("bom", "a byte order mark first", whole_text, healthy::bom),
    scenario("split-utf8", "writes split inside characters", whole_text, healthy::split_utf8),
    scenario("one-byte-writes", "a write per byte, without pauses", whole_text, healthy::one_byte_writes),
    scenario("one-write", "the whole answer in one write", whole_text, healthy::one_write),
    scenario(
        "close-delimited",
        "no length: the body ends with the connection",
        whole_text,
        healthy::close_delimited,
    ),
    scenario("content-length", "the stream has a declared length", whole_text, healthy::content_length),
    scenario("finish-then-open", "the whole answer, connection left open", short_text, finish::then_open),
    scenario("finish-then-rst", "the whole answer, then RST", short_text, finish::then_rst),
    scenario(
        "finish-then-error",
        "the whole answer, then a 429 error event behind `[DONE]`",
        short_text,
        finish::then_error,
    ),
    scenario(
        "finish-no-done",
        "a finish reason, but no `[DONE]` or `message_stop`, which is what ends OpenAI's dialect and Anthropic's",
        |dialect, mode| match dialect.wire().marker() {
            Some(_) if mode == Mode::Stream => Expect::Truncated,
            _ => short_text(dialect, mode),
        },
        finish::no_done,
    ),
    scenario(
        "done-no-finish",
        "three good chunks, then `[DONE]` or `message_stop` without a finish reason",
        truncated,
        finish::done_alone,
    ),
    // More errors of providers.
    scenario("http-402", "HTTP 402: the bill is not paid", http::<402>, refuse::plain::<402>),
    scenario("http-413", "HTTP 413", http::<413>, refuse::plain::<413>),
    scenario("http-422", "HTTP 422", http::<422>, refuse::plain::<422>),
    scenario("http-502", "HTTP 502 with a middlebox's HTML page", http::<502>, refuse::http_502),
    scenario("http-504", "HTTP 504", http::<504>, refuse::plain::<504>),
    scenario(
        "http-529",
        "HTTP 529, Anthropic's overload, which is no registered status",
        http::<503>,
        refuse::http_529,
    ),
    scenario("http-context", "HTTP 400: the prompt is too long", http::<400>, refuse::http_context),
    scenario("http-policy", "HTTP 400: the prompt was refused by a filter", http::<400>, refuse::http_policy),
    scenario(
        "json-error-200",
        "HTTP 200 with a 429 error as a JSON document",
        http::<429>,
        fault::json_error_200,
    ),
    scenario(
        "429-after-opening",
        "an opening without content, then a 429 error event",
        http::<429>,
        fault::opening_then_error,
    ),
    scenario(
        "overloaded-frame",
        "three good chunks, then Anthropic's overload as an event",
        frame::<503>,
        fault::overloaded_frame,
    ),
    scenario(
        "502-router-frame",
        "three good chunks, then OpenRouter's word for its provider's failure",
        frame::<502>,
        fault::router_frame,
    ),
    scenario(
        "quota-frame",
        "three good chunks, then an exhausted quota as an event",
        |dialect, mode| error_event(dialect.wire().quota_event().0, mode),
        fault::quota_frame,
    ),
    // What HTTP allows or forbids.
    scenario("http-204", "HTTP 204", http::<502>, odd::no_content),
    scenario("http-302", "HTTP 302 to itself", http::<502>, odd::redirect),
    scenario("early-hints", "103 before the answer", whole_text, odd::early_hints),
    scenario(
        "kept-then-closed",
        "the answer, then FIN on a connection that was to be kept",
        whole_text,
        odd::kept_then_closed,
    ),
    scenario("plain-type", "the answer with the content type text/plain", whole_text, odd::plain_type),
    scenario("json-type", "an event stream that says it is a JSON document", not_a_stream, odd::json_type),
    scenario("gzip-200", "says that it is compressed, which was not offered", http::<502>, odd::gzip),
    scenario("huge-head", "a response head of one megabyte", http::<502>, odd::huge_head),
    scenario("two-lengths", "two lengths that differ", http::<502>, odd::two_lengths),
    scenario("half-head", "half a response head, FIN", http::<502>, odd::half_head),
    scenario("half-head-open", "half a response head, then silence", stalled_early, odd::half_head_open),
    scenario(
        "head-then-fin",
        "the response's head, FIN without the body's proper end",
        http::<502>,
        odd::head_then_fin,
    ),
    scenario("head-then-rst", "the response's head, RST", http::<502>, odd::head_then_rst),
    scenario("half-length", "a declared length, three good chunks of it, FIN", truncated, odd::half_length),
    scenario(
        "chunk-garbage",
        "three good chunks, then one whose size is no number",
        |_, mode| error_event(502, mode),
        odd::chunk_garbage,
    ),
    scenario("bad-utf8", "three good chunks, then an event that is not UTF-8", malformed, odd::bad_utf8),
    scenario(
        "keepalive-first",
        "keep-alives every 50 ms and no content at all",
        failed_early,
        flood::keepalive_first,
    ),
    scenario(
        "done-then-garbage",
        "the whole answer, then bytes that are nothing behind `[DONE]`",
        whole_text,
        odd::done_then_garbage,
    ),
    // Answers that depend on the request.
    scenario(
        "tool-call",
        "a call of the request's first tool",
        |_, _| Expect::ToolCalls(1),
        answer::tool_call,
    ),
    scenario(
        "tool-calls",
        "two calls, their fragments interleaved",
        |_, _| Expect::ToolCalls(2),
        answer::tool_calls,
    ),
    scenario(
        "thought-signature",
        "a call with a thought signature, which must come back with the result",
        |_, _| Expect::ToolCalls(1),
        answer::thought_signature,
    ),
    scenario("usage", "usage with cached and reasoning tokens", whole_text, answer::usage),
    scenario(
        "describe",
        "a text counting the images, tools, system text and messages",
        normal,
        answer::describe,
    ),
    scenario("echo", "the upstream request as JSON text, secrets masked", normal, answer::echo),
];
