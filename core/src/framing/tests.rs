use bytes::Bytes;
use proptest::prelude::*;

use super::*;

mod aws_eventstream;

type Seen = Vec<(Kind, String, String)>;

fn read(framer: &mut Framer, reads: &[&[u8]]) -> (Seen, Vec<u8>) {
    let (mut seen, mut raw) = (Seen::new(), Vec::new());
    let mut keep = |block: Block<'_>| {
        for event in block.events() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            seen.push((event.kind, text(event.name), text(event.data)));
            raw.extend_from_slice(&block.bytes[event.raw.clone()]);
        }
    };
    for chunk in reads {
        keep(framer.push(Bytes::copy_from_slice(chunk)).expect("within the limit"));
    }
    keep(framer.finish());
    (seen, raw)
}

fn sse(reads: &[&[u8]]) -> Seen {
    read(&mut Framer::Sse(Sse::new(1 << 20)), reads).0
}

fn event(name: &str, data: &str) -> (Kind, String, String) {
    (Kind::Event, name.into(), data.into())
}

fn stray(data: &str) -> (Kind, String, String) {
    (Kind::Stray, String::new(), data.into())
}

#[test]
fn every_line_end_separates() {
    for text in [
        "data: a\n\ndata: b\n\n",
        "data: a\r\n\r\ndata: b\r\n\r\n",
        "data: a\r\rdata: b\r\r",
        "data: a\n\r\ndata: b\r\n\n",
    ] {
        assert_eq!(sse(&[text.as_bytes()]), [event("", "a"), event("", "b")], "{text:?}");
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(sse(&bytes), [event("", "a"), event("", "b")], "{text:?} byte by byte");
    }
}

#[test]
fn fields_are_read_as_the_standard_says() {
    let text = "\u{feff}event: x\ndata:1\ndata: 2\ndata\nid: 7\nretry: 3\n: c\n\n: only a comment\n\nevent: lone\n\n";
    let quiet = |name: &str| (Kind::Quiet, name.to_owned(), String::new());
    assert_eq!(sse(&[text.as_bytes()]), [event("x", "1\n2\n"), quiet(""), quiet("lone")]);
}

#[test]
fn other_separators_of_unicode_are_text() {
    let text = "data: a\u{2028}b\u{85}c\n\n";
    assert_eq!(sse(&[text.as_bytes()]), [event("", "a\u{2028}b\u{85}c")]);
}

#[test]
fn a_stray_line_is_reported_and_changes_no_mode() {
    assert_eq!(
        sse(&[b"data: a\n\nupstream connect error\ndata: b\n\n"]),
        [event("", "a"), stray("upstream connect error"), event("", "b")]
    );
    let json = ",{\n  \"error\": {\"code\": 429, \"message\": \"} \\\" {\"}\n}\n";
    assert_eq!(sse(&[json.as_bytes(), b"]\n"]), [stray(json.trim_end()), stray("]")]);
    // A bracket that never closes must not swallow the events behind it.
    assert_eq!(sse(&[b"{\ndata: a\n\n"]), [stray("{"), event("", "a")]);
    // Nor may it take the data before it along.
    assert_eq!(sse(&[b"data: a\noops\n\n"]), [event("", "a"), stray("oops")]);
}

#[test]
fn the_residue_at_the_end_is_given_out() {
    assert_eq!(sse(&[b"data: {\"error\":1}"]), [event("", "{\"error\":1}")]);
    assert_eq!(sse(&[b"data: a\n"]), [event("", "a")]);
    assert_eq!(sse(&[b"{\"error\":"]), [stray("{\"error\":")]);
    assert_eq!(sse(&[b"data: a\n\n"]), [event("", "a")]);
    assert_eq!(sse(&[b"\n\n\r\r\n"]), []);
}

#[test]
fn whole_events_come_back_without_a_copy() {
    let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\n");
    let mut framer = Sse::new(100);
    let block = framer.push(chunk.clone()).expect("short");
    assert_eq!(block.bytes.as_ptr(), chunk.as_ptr());
    assert_eq!(block.bytes, chunk);
}

#[test]
fn an_event_past_the_limit_is_refused() {
    let mut framer = Sse::new(64);
    let mut pushed = 0;
    let refused = loop {
        match framer.push(Bytes::from_static(b"data: 0123456789\n")) {
            Ok(_) if pushed < 10 => pushed += 1,
            answer => break answer.is_err(),
        }
    };
    assert!(refused && pushed < 5);
}

#[test]
fn an_array_and_a_lone_document_are_split() {
    let text = "[{\"a\":\"]}\\\"\"}\n,\r\n{\"b\":[1,{}]}]";
    let expected = [event("", "{\"a\":\"]}\\\"\"}"), event("", "{\"b\":[1,{}]}")];
    for size in 1..text.len() {
        let reads: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        assert_eq!(read(&mut Framer::JsonArray(JsonArray::new(1000)), &reads).0, expected, "reads of {size}");
    }
    let lone = read(&mut Framer::JsonArray(JsonArray::new(1000)), &[b"{\"error\":{}}"]).0;
    assert_eq!(lone, [event("", "{\"error\":{}}")]);
    let cut = read(&mut Framer::JsonArray(JsonArray::new(1000)), &[b"[{\"a\":"]).0;
    assert_eq!(cut, [event("", "{\"a\":")]);
    let text = read(&mut Framer::JsonArray(JsonArray::new(1000)), &[b"no"]).0;
    assert_eq!(text, [stray("n"), stray("o")]);
}

#[test]
fn lines_are_split() {
    let text = "{\"a\":1}\r\n\n{\"b\":2}\n{\"c\"";
    for size in 1..text.len() {
        let reads: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        let seen = read(&mut Framer::JsonLines(JsonLines::new(1000)), &reads).0;
        assert_eq!(
            seen,
            [event("", "{\"a\":1}"), event("", "{\"b\":2}"), event("", "{\"c\"")],
            "reads of {size}"
        );
    }
}

proptest! {
    /// However a body is cut into reads, its items are the same.
    #[test]
    fn cuts_change_nothing(
        pieces in proptest::collection::vec(prop_oneof![
            Just("data: {\"x\":1}"), Just("data:é€😀"), Just("event: error"), Just(": c"), Just("\n"), Just("\r"),
            Just("\r\n"), Just("\n\n"), Just("{"), Just("]"), Just(",{\"error\":{}}"), Just("text"), Just("data"),
            Just("\u{feff}"), Just("\"")
        ], 0..40),
        cuts in proptest::collection::vec(1usize..9, 1..60),
    ) {
        let text = pieces.concat();
        let whole: [&[u8]; 1] = [text.as_bytes()];
        let mut reads = Vec::new();
        let mut rest = text.as_bytes();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (head, tail) = rest.split_at((*cut).min(rest.len()));
            reads.push(head);
            rest = tail;
        }
        for make in [
            || Framer::Sse(Sse::new(1 << 20)),
            || Framer::JsonLines(JsonLines::new(1 << 20)),
            || Framer::JsonArray(JsonArray::new(1 << 20)),
        ] {
            let (at_once, _) = read(&mut make(), &whole);
            let (in_pieces, _) = read(&mut make(), &reads);
            prop_assert_eq!(&at_once, &in_pieces);
        }
    }

    /// Garbage neither panics nor grows: no byte is in two items.
    #[test]
    fn garbage_is_bounded(reads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
        let slices: Vec<&[u8]> = reads.iter().map(Vec::as_slice).collect();
        let total: usize = slices.iter().map(|read| read.len()).sum();
        for make in [
            || Framer::Sse(Sse::new(1 << 20)),
            || Framer::JsonLines(JsonLines::new(1 << 20)),
            || Framer::JsonArray(JsonArray::new(1 << 20)),
            || Framer::AwsEventstream(AwsEventstream::new(1 << 20)),
        ] {
            let (_, raw) = read(&mut make(), &slices);
            prop_assert!(raw.len() <= total);
        }
    }
}

#[test]
fn an_event_of_many_lines_is_gone_through_once() {
    // Two hundred thousand lines in small reads: going through all of them at each read is seen at once.
    let reads = vec![&b"data:a\ndata:\ndata:b\ndata:\ndata:\n"[..]; 40_000];
    let mut framer = Framer::Sse(Sse::new(8 << 20));
    for read in reads {
        assert!(framer.push(Bytes::from_static(read)).expect("within the limit").is_empty());
    }
    let block = framer.push(Bytes::from_static(b"\n")).expect("within the limit");
    assert_eq!(block.events().map(|event| event.data.len()).collect::<Vec<_>>(), [40_000 * 7 - 1]);
}
