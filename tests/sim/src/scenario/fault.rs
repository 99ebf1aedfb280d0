//! Three good chunks, then a fault. Where the answer is not streamed: a 200 whose body is the fault.

use serde_json::Value;

use super::say::{self, Say};
use super::{Context, Mode};
use crate::dialect::{Frame, Usage};
use crate::script::{Ending, Framing, Script};
use crate::text::FAULT_PIECES;

/// The middlebox's line. It has no colon, so it is not even a field of an event stream.
const MIDDLEBOX: &str = "no healthy upstream\n";
const HTML: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";
/// The text of the chunk that is cut: the cut falls inside one of its characters.
const CUT_TEXT: &str = "wird nie fertig 潮潮潮潮";

/// After the good chunks, an error event; then the ending.
fn error_frame(context: &Context<'_>, json: &str, ending: Ending) -> Script {
    if context.mode == Mode::Whole {
        let mut script = Script::json(200, json.to_owned());
        if ending == Ending::Open {
            script.framing = Framing::Chunked;
        }
        return script.ending(ending);
    }
    let mut say = Say::before_fault(context);
    say.event(json);
    close_array(context, &mut say, ending);
    say.end(ending)
}

/// The same, framed in whichever way, with the body's proper end.
fn frame(context: &Context<'_>, frame: Frame) -> Script {
    match frame {
        Frame::Event(json) => error_frame(context, &json, Ending::Complete),
        Frame::Raw(text) => {
            let mut say = Say::before_fault(context);
            say.raw(text);
            say.end(Ending::Complete)
        }
    }
}

fn close_array(context: &Context<'_>, say: &mut Say<'_>, ending: Ending) {
    if context.mode == Mode::Array && ending == Ending::Complete {
        say.close();
    }
}

pub(super) fn end(context: &Context<'_>) -> Script {
    error_frame(context, &context.error(429), Ending::Complete)
}

pub(super) fn open(context: &Context<'_>) -> Script {
    error_frame(context, &context.error(429), Ending::Open)
}

pub(super) fn error_503(context: &Context<'_>) -> Script {
    error_frame(context, &context.wire().overload(&context.meta, context.mode), Ending::Complete)
}

pub(super) fn first(context: &Context<'_>) -> Script {
    if context.mode == Mode::Whole {
        return end(context);
    }
    let mut say = Say::new(context);
    say.event(&context.error(429));
    close_array(context, &mut say, Ending::Complete);
    say.end(Ending::Complete)
}

pub(super) fn event_line(context: &Context<'_>) -> Script {
    if context.mode != Mode::Stream || !context.wire().is_sse() {
        return end(context);
    }
    let mut say = Say::before_fault(context);
    let eol = say.eol();
    say.raw(format!("event: error{eol}data: {}{eol}{eol}", context.error(429)));
    say.end(Ending::Complete)
}

/// The status as a number, as OpenRouter has it in a chunk with choices.
pub(super) fn numeric(context: &Context<'_>) -> Script {
    error_frame(context, &context.wire().numeric(&context.meta, context.mode), Ending::Complete)
}

/// The flat form of older vLLM; other dialects have another form instead.
pub(super) fn flat(context: &Context<'_>) -> Script {
    frame(context, context.wire().flat(&context.meta, context.mode))
}

/// An error with `[DONE]` after it, as vLLM sends.
pub(super) fn then_done(context: &Context<'_>) -> Script {
    if context.mode == Mode::Whole || context.wire().marker() != Some("[DONE]") {
        return end(context);
    }
    let mut say = Say::before_fault(context);
    say.event(&context.error(429));
    say.close();
    say.end(Ending::Complete)
}

/// The error as a bare document over several lines, in no event.
pub(super) fn bare(context: &Context<'_>) -> Script {
    if context.mode != Mode::Stream || !context.wire().is_sse() {
        return end(context);
    }
    let mut say = Say::before_fault(context);
    let value: Result<Value, _> = serde_json::from_str(&context.error(429));
    say.raw(value.map(|value| format!("{value:#}\n")).unwrap_or_default());
    say.end(Ending::Complete)
}

/// The end of a JSON array behind an event stream: `,{error}` and `]`.
pub(super) fn array_tail(context: &Context<'_>) -> Script {
    match context.mode {
        _ if !context.wire().is_sse() => end(context),
        Mode::Whole => Script::json(200, format!("[{}]", context.error(429))),
        Mode::Array => end(context),
        Mode::Stream => {
            let mut say = Say::before_fault(context);
            say.raw(format!(",{}\n", context.error(429)));
            say.raw("]\n");
            say.end(Ending::Complete)
        }
    }
}

/// The error's JSON, cut short; then the body's proper end.
pub(super) fn error_cut(context: &Context<'_>) -> Script {
    let error = context.error(429);
    if context.mode == Mode::Whole {
        return Script::json(200, error[..error.len() * 2 / 3].to_owned());
    }
    let mut say = Say::before_fault(context);
    let mut bytes = say.encode(&error);
    bytes.truncate(bytes.len() * 2 / 3);
    say.raw(bytes);
    say.end(Ending::Complete)
}

pub(super) fn text_cut_end(context: &Context<'_>) -> Script {
    text_cut(context, Ending::Complete)
}

pub(super) fn text_cut_fin(context: &Context<'_>) -> Script {
    text_cut(context, Ending::Fin)
}

pub(super) fn text_cut_rst(context: &Context<'_>) -> Script {
    text_cut(context, Ending::Rst)
}

/// A text chunk, cut inside a character of its JSON; then the ending.
fn text_cut(context: &Context<'_>, ending: Ending) -> Script {
    let cut = |bytes: &mut Vec<u8>| {
        // After the first byte of the last character that has three.
        let at = bytes.iter().rposition(|byte| *byte == 0xe6).map_or(bytes.len() / 2, |at| at + 1);
        bytes.truncate(at);
    };
    if context.mode == Mode::Whole {
        let mut body = say::whole(context, CUT_TEXT, &[], Usage::PLAIN).into_bytes();
        let full = body.len() as u64;
        cut(&mut body);
        let declared = if ending == Ending::Complete { None } else { Some(full) };
        return settle(Script::json(200, body).framing(Framing::Length(declared)), ending);
    }
    let mut say = Say::before_fault(context);
    let json = say.next_text(CUT_TEXT);
    let mut bytes = say.encode(&json);
    cut(&mut bytes);
    say.raw(bytes);
    settle(say.end(ending), ending)
}

/// Bytes before a RST may be lost on the way; a short silence lets them arrive.
fn settle(script: Script, ending: Ending) -> Script {
    let script = script.ending(ending);
    if ending == Ending::Rst { script.pause(std::time::Duration::from_millis(50)) } else { script }
}

/// Good chunks, then the connection is gone, though no event was cut.
pub(super) fn cut_between(context: &Context<'_>) -> Script {
    if context.mode == Mode::Whole {
        return text_cut(context, Ending::Fin);
    }
    Say::before_fault(context).end(Ending::Fin)
}

pub(super) fn plain_text_line(context: &Context<'_>) -> Script {
    foreign(context, MIDDLEBOX)
}

pub(super) fn html_page(context: &Context<'_>) -> Script {
    foreign(context, HTML)
}

fn foreign(context: &Context<'_>, text: &'static str) -> Script {
    if context.mode == Mode::Whole {
        return Script::json(200, text);
    }
    let mut say = Say::before_fault(context);
    say.raw(text);
    say.end(Ending::Complete)
}

/// A page of HTML with status 200, and nothing else.
pub(super) fn html_200(_: &Context<'_>) -> Script {
    Script::new(200).header("content-type", "text/html").write(HTML).framing(Framing::Length(None))
}

/// A well-formed event whose JSON is none.
pub(super) fn not_json(context: &Context<'_>) -> Script {
    if context.mode == Mode::Whole {
        return Script::json(200, "{not json}");
    }
    let mut say = Say::before_fault(context);
    say.event("{not json}");
    say.end(Ending::Complete)
}

/// The body's proper end, without a finish.
pub(super) fn no_finish(context: &Context<'_>) -> Script {
    if context.mode == Mode::Whole {
        return Script::json(200, say::whole_unfinished(context, &FAULT_PIECES.concat()));
    }
    let mut say = Say::before_fault(context);
    close_array(context, &mut say, Ending::Complete);
    say.end(Ending::Complete)
}

/// A 200 with no body at all.
pub(super) fn empty(context: &Context<'_>) -> Script {
    Say::new(context).end(Ending::Complete)
}

/// Anthropic's overload, from itself or through a server that speaks OpenAI's dialect; others have their own.
pub(super) fn overloaded_frame(context: &Context<'_>) -> Script {
    frame(context, context.wire().overloaded(context.mode))
}

/// OpenRouter's word for its provider's failure: a chunk with choices and a numeric error.
pub(super) fn router_frame(context: &Context<'_>) -> Script {
    error_frame(context, &context.wire().behind(&context.meta, context.mode), Ending::Complete)
}

/// A quota that ends in mid-stream.
pub(super) fn quota_frame(context: &Context<'_>) -> Script {
    error_frame(context, &context.wire().quota_event().1, Ending::Complete)
}

/// An opening without content, then the error: nothing has gone to the client yet.
pub(super) fn opening_then_error(context: &Context<'_>) -> Script {
    if context.mode == Mode::Whole {
        return end(context);
    }
    let mut say = Say::new(context);
    say.texts(&[""]);
    say.event(&context.error(429));
    close_array(context, &mut say, Ending::Complete);
    say.end(Ending::Complete)
}

/// The error as a whole JSON document with status 200, where a stream was asked for.
pub(super) fn json_error_200(context: &Context<'_>) -> Script {
    Script::json(200, context.error(429))
}
