use super::*;

/// A frame with text headers.
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(name.len() as u8);
        head.extend_from_slice(name.as_bytes());
        head.push(7);
        head.extend_from_slice(&(value.len() as u16).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    with_headers(&head, payload)
}

fn with_headers(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = ((16 + headers.len() + payload.len()) as u32).to_be_bytes().to_vec();
    out.extend_from_slice(&(headers.len() as u32).to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

fn told(name: &str, data: &str) -> Vec<u8> {
    frame(
        &[(":event-type", name), (":content-type", "application/json"), (":message-type", "event")],
        data.as_bytes(),
    )
}

fn exception(name: &str, data: &str) -> Vec<u8> {
    frame(&[(":exception-type", name), (":message-type", "exception")], data.as_bytes())
}

fn aws(reads: &[&[u8]]) -> Seen {
    read(&mut Framer::AwsEventstream(AwsEventstream::new(1 << 20)), reads).0
}

fn item(kind: Kind, name: &str, data: &str) -> (Kind, String, String) {
    (kind, name.into(), data.into())
}

fn broken(why: Broken) -> (Kind, String, String) {
    item(Kind::Broken(why), "", "")
}

/// `bytes` in reads of every size, and whole: the items are the same.
#[track_caller]
fn in_every_split(bytes: &[u8], want: &[(Kind, String, String)]) {
    for size in 1..=bytes.len() {
        let reads: Vec<&[u8]> = bytes.chunks(size).collect();
        assert_eq!(aws(&reads), want, "reads of {size}");
    }
    for at in 0..=bytes.len() {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(aws(&[head, tail]), want, "a cut at {at}");
    }
}

/// Messages of the test suites of AWS's own clients: an empty one, one with a number among its headers, and one with a
/// header of every type.
#[test]
fn messages_that_others_wrote_are_read() {
    let empty = b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2H\xeb}\x98\xc8\xff";
    in_every_split(empty, &[event("", "")]);
    let int32 =
        b"\x00\x00\x00+\x00\x00\x00\x0e4\x8b\xec{\x08event-id\x04\x00\x00\xa0\x0c{'foo':'bar'}\xd3\x89\x02\x85";
    in_every_split(int32, &[event("", "{'foo':'bar'}")]);
    let no_headers = b"\x00\x00\x00\x1d\x00\x00\x00\x00\xfdR\x8cZ{'foo':'bar'}\xc3e96";
    in_every_split(no_headers, &[event("", "{'foo':'bar'}")]);
}

#[test]
fn events_exceptions_and_errors_are_told_apart() {
    let unknown = frame(
        &[(":message-type", "error"), (":error-code", "InternalFailure"), (":error-message", "Try again")],
        b"",
    );
    let bytes = [
        told("messageStart", "{\"role\":1}"),
        told("x", ""),
        exception("throttlingException", "{}"),
        unknown,
    ]
    .concat();
    in_every_split(
        &bytes,
        &[
            event("messageStart", "{\"role\":1}"),
            event("x", ""),
            item(Kind::Error, "throttlingException", "{}"),
            item(Kind::Error, "InternalFailure", "Try again"),
        ],
    );
}

#[test]
fn a_header_of_every_type_is_passed_over() {
    let mut headers = Vec::new();
    for (kind, size) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16)] {
        headers.extend_from_slice(&[1, b'a' + kind, kind]);
        headers.extend_from_slice(&vec![0xff; size]);
    }
    headers.extend_from_slice(b"\x01b\x06\x00\x02\xff\xfe\x0b:event-type\x07\x00\x01e");
    in_every_split(&with_headers(&headers, b"{}"), &[event("e", "{}")]);
    // A type that is none, a value that is too short, a name past the end: nothing of it can be trusted.
    for bad in [&b"\x01a\x0a"[..], b"\x01a\x04\x00", b"\x09a", b"\x01a\x07\x00\x05ab", b"\x01a\x07"] {
        in_every_split(&with_headers(bad, b"{}"), &[broken(Broken::Headers)]);
    }
}

#[test]
fn each_wrong_bit_is_found_and_ends_it() {
    let good = told("messageStart", "{}");
    let bytes = [good.clone(), told("messageStop", "{}"), good.clone()].concat();
    for bit in 0..told("messageStop", "{}").len() * 8 {
        let mut bytes = bytes.clone();
        bytes[good.len() + bit / 8] ^= 1 << (bit % 8);
        assert_eq!(aws(&[&bytes]), [event("messageStart", "{}"), broken(Broken::Checksum)], "bit {bit}");
    }
    let mut bytes = bytes;
    bytes[good.len() + 40] ^= 4;
    in_every_split(&bytes, &[event("messageStart", "{}"), broken(Broken::Checksum)]);
}

#[test]
fn a_frame_that_breaks_off_is_cut() {
    let (good, half) = (told("messageStart", "{}"), told("messageStop", "{}"));
    for at in 1..half.len() {
        let bytes = [&good[..], &half[..at]].concat();
        in_every_split(&bytes, &[event("messageStart", "{}"), broken(Broken::Cut)]);
    }
}

/// A prelude that is right by its checksum.
fn prelude(length: u32, headers: u32) -> Vec<u8> {
    let mut out = [length.to_be_bytes(), headers.to_be_bytes()].concat();
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

#[test]
fn lengths_are_bounded_before_anything_is_kept() {
    let good = told("messageStart", "{}");
    for (length, headers, why) in [
        (15, 0, Broken::Lengths),
        (0, 0, Broken::Lengths),
        (16, 1, Broken::Lengths),
        (20, u32::MAX, Broken::Lengths),
        (u32::MAX, 0, Broken::TooLong),
        ((1 << 20) + 1, 0, Broken::TooLong),
    ] {
        let bytes = [&good[..], &prelude(length, headers)].concat();
        in_every_split(&bytes, &[event("messageStart", "{}"), broken(why)]);
        // What follows is not kept, however much it is.
        let mut framer = AwsEventstream::new(1 << 20);
        framer.push(Bytes::from(bytes)).expect("broken, not too long");
        for _ in 0..100 {
            assert!(framer.push(Bytes::from(vec![0; 1 << 16])).expect("thrown away").is_empty());
        }
        assert!(framer.finish().is_empty());
    }
    let longest = with_headers(b"", &vec![b'x'; (1 << 20) - 16]);
    assert_eq!(aws(&[&longest])[0].2.len(), (1 << 20) - 16);
}

#[test]
fn a_whole_frame_comes_back_without_a_copy_and_an_idle_stream_holds_nothing() {
    let chunk = Bytes::from([told("a", "1"), told("b", "2")].concat());
    let mut framer = AwsEventstream::new(1 << 20);
    let block = framer.push(chunk.clone()).expect("short");
    assert_eq!((block.bytes.as_ptr(), block.bytes.len()), (chunk.as_ptr(), chunk.len()));
}

#[test]
fn a_long_frame_in_small_reads_is_gone_through_once() {
    let bytes = told("contentBlockDelta", &"x".repeat(8 << 20));
    let mut framer = AwsEventstream::new(16 << 20);
    // A second pass over what is kept at each of these reads would be 5,000 times 8 MiB.
    let (last, before) = bytes.split_last().expect("it is not empty");
    for read in before.chunks(1600) {
        assert!(framer.push(Bytes::copy_from_slice(read)).expect("within the limit").is_empty());
    }
    let block = framer.push(Bytes::copy_from_slice(&[*last])).expect("within the limit");
    assert_eq!(block.events().map(|event| event.data.len()).collect::<Vec<_>>(), [8 << 20]);
}

proptest! {
    /// However a body is cut into reads, and wherever it is damaged, its items are the same.
    #[test]
    fn cuts_and_damage_change_nothing(
        frames in proptest::collection::vec(("[a-z]{0,12}", proptest::collection::vec(any::<u8>(), 0..60), any::<bool>()), 0..8),
        damage in proptest::option::of((any::<prop::sample::Index>(), 1u8..)),
        cuts in proptest::collection::vec(1usize..40, 1..40),
    ) {
        let mut bytes: Vec<u8> = frames.iter().flat_map(|(name, data, good)| {
            let kind = if *good { [(":event-type", name.as_str()), (":message-type", "event")] }
                else { [(":exception-type", name.as_str()), (":message-type", "exception")] };
            frame(&kind, data)
        }).collect();
        if let Some((at, bits)) = damage.filter(|_| !bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        let mut reads: Vec<&[u8]> = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (head, tail) = rest.split_at((*cut).min(rest.len()));
            reads.push(head);
            rest = tail;
        }
        let (at_once, in_pieces) = (aws(&[&bytes]), aws(&reads));
        prop_assert_eq!(&at_once, &in_pieces);
        let ends = at_once.iter().filter(|(kind, ..)| matches!(kind, Kind::Broken(_))).count();
        prop_assert_eq!(ends, usize::from(damage.is_some() && !bytes.is_empty()));
    }
}

/// The recorded streams of the plugin for Bedrock, as botocore reads them: `tests/clients/bedrock_judge.py` says that the
/// list is its.
#[test]
fn recorded_streams_are_read_as_botocore_reads_them() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/bedrock/tests/fixtures");
    let list = std::fs::read_to_string(format!("{folder}/events.json")).expect("the list is there");
    let list: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&list).expect("it is JSON");
    assert!(list.len() > 10);
    for (name, events) in list {
        let bytes = std::fs::read(format!("{folder}/{name}.eventstream")).expect("the stream is there");
        let told = aws(&[&bytes]);
        let told: Vec<serde_json::Value> = told
            .into_iter()
            .map(|(kind, name, data)| match kind {
                Kind::Broken(Broken::Cut) => serde_json::json!(["cut"]),
                Kind::Broken(_) => serde_json::json!(["broken"]),
                Kind::Error => serde_json::json!(["error", name, data]),
                _ => serde_json::json!(["event", name, data]),
            })
            .collect();
        assert_eq!(serde_json::Value::Array(told), events, "{name}");
    }
}
