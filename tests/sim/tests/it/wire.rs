//! Bytes, writes, pauses and endings are the script's own.

use std::time::{Duration, Instant};

use tidegate_sim::{Dialect, Ending, Framing, Gate, Script, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{End, ask, ask_for, post, read, sim};

const SILENCE: Duration = Duration::from_millis(300);
const MARKED: &str = r#"{"model":"mine","messages":[]}"#;

async fn ask_custom(script: Script) -> crate::client::Got {
    let sim = sim().await;
    sim.script("mine", script);
    ask_for(sim.addr(), &post("/v1/chat/completions", "", MARKED), SILENCE).await
}

#[tokio::test]
async fn a_chunked_body_is_exact_to_the_byte_and_the_connection_is_kept() {
    let got = ask_custom(Script::sse().write("data: é\n\n").write("xyz")).await;
    let expected = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
                    a\r\ndata: é\n\n\r\n3\r\nxyz\r\n0\r\n\r\n";
    assert_eq!(String::from_utf8(got.raw()).unwrap(), expected);
    assert_eq!(got.end, End::Open);
}

#[tokio::test]
async fn endings_are_what_the_client_sees() {
    for (framing, ending, end, tail) in [
        (Framing::Chunked, Ending::Complete, End::Open, "2\r\nab\r\n0\r\n\r\n"),
        (Framing::Chunked, Ending::Open, End::Open, "2\r\nab\r\n"),
        (Framing::Chunked, Ending::Fin, End::Fin, "2\r\nab\r\n"),
        (Framing::Chunked, Ending::Rst, End::Rst, "2\r\nab\r\n"),
        (Framing::Close, Ending::Complete, End::Fin, "ab"),
        (Framing::Close, Ending::Rst, End::Rst, "ab"),
        (Framing::Length(None), Ending::Complete, End::Open, "ab"),
        (Framing::Length(Some(9)), Ending::Fin, End::Fin, "ab"),
    ] {
        // The pause lets the bytes arrive before a RST.
        let script =
            Script::new(200).framing(framing).write("ab").pause(Duration::from_millis(30)).ending(ending);
        let got = ask_custom(script).await;
        let case = format!("{framing:?} {ending:?}");
        assert_eq!(got.end, end, "{case}");
        assert_eq!(String::from_utf8_lossy(&got.body), tail, "{case}");
    }
}

#[tokio::test]
async fn a_headless_script_sends_only_its_own_bytes() {
    let got = ask_custom(Script::headless(Ending::Fin).write("SSH-2.0\r\n")).await;
    assert_eq!((got.raw(), got.end), (b"SSH-2.0\r\n".to_vec(), End::Fin));
    let got = ask_custom(Script::headless(Ending::Open)).await;
    assert_eq!((got.raw(), got.end), (Vec::new(), End::Open));
    let got = ask_custom(Script::headless(Ending::Rst)).await;
    assert_eq!((got.raw(), got.end), (Vec::new(), End::Rst));
}

#[tokio::test]
async fn writes_that_a_pause_divides_arrive_apart() {
    let pause = Duration::from_millis(60);
    let script = Script::new(200).framing(Framing::Close).pause(pause).write("one").pause(pause).write("two");
    let begun = Instant::now();
    let got = ask_custom(script).await;
    assert!(begun.elapsed() >= 2 * pause);
    assert_eq!(got.reads[got.reads.len() - 2..], [b"one".to_vec(), b"two".to_vec()]);
}

#[tokio::test]
async fn a_gate_holds_the_script_until_it_is_opened() {
    let sim = sim().await;
    let gate = Gate::new();
    sim.push_script(Script::new(200).framing(Framing::Close).write("a").wait(&gate).write("b"));
    let mut stream = TcpStream::connect(sim.addr()).await.unwrap();
    let request = post("/s/custom/v1/chat/completions", "", MARKED);
    stream.write_all(request.as_bytes()).await.unwrap();
    let got = read(&mut stream, Duration::from_millis(150)).await;
    assert_eq!((got.body.as_slice(), got.end), (&b"a"[..], End::Open));
    gate.open();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"b");
}

#[tokio::test]
async fn repeats_stop_at_the_first_bound() {
    let repeat = |max_bytes, max_time| Step::Repeat {
        bytes: "abcd".into(),
        pause: Duration::from_millis(1),
        max_bytes,
        max_time,
    };
    let mut script = Script::new(200).framing(Framing::Close);
    script.steps.push(repeat(10, Duration::from_secs(60)));
    assert_eq!(ask_custom(script.clone()).await.body, b"abcdabcdabcd");
    script.steps = vec![repeat(u64::MAX, Duration::from_millis(50))];
    let got = ask_custom(script).await;
    assert!(!got.body.is_empty() && got.end == End::Fin);
}

#[tokio::test]
async fn one_byte_writes_are_chunks_of_one_byte() {
    let sim = sim().await;
    let (chunks, complete) = ask(&sim, "one-byte-writes", Dialect::OpenAiChat, "stream").await.chunks();
    assert!(complete && chunks.len() > 1000 && chunks.iter().all(|chunk| chunk.len() == 1));
    let whole = ask(&sim, "fast", Dialect::OpenAiChat, "stream").await.content();
    assert_eq!(chunks.concat(), whole);
}

#[tokio::test]
async fn split_utf8_cuts_every_long_character() {
    let sim = sim().await;
    for dialect in [Dialect::OpenAiChat, Dialect::Gemini] {
        let (chunks, _) = ask(&sim, "split-utf8", dialect, "stream").await.chunks();
        let long = tidegate_sim::healthy_text().chars().filter(|c| c.len_utf8() > 1).count();
        let cut = chunks.iter().filter(|chunk| chunk.last().is_some_and(|byte| *byte >= 0xc0)).count();
        assert_eq!(cut, long);
    }
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_turn_even_pipelined() {
    let sim = sim().await;
    let one = post("/s/fast/v1/chat/completions", "", r#"{"model":"a"}"#);
    let two = post("/s/http-429/v1/chat/completions", "connection: close\r\n", "{}");
    let got = ask_for(sim.addr(), &format!("{one}{two}"), SILENCE).await;
    let all = String::from_utf8(got.raw()).unwrap();
    assert!(all.find("chat.completion").unwrap() < all.find("429 Too Many Requests").unwrap());
    assert_eq!((got.end, sim.connections_total()), (End::Fin, 1));
}

#[tokio::test]
async fn request_bodies_may_be_chunked_and_wait_for_continue() {
    let sim = sim().await;
    let mut stream = TcpStream::connect(sim.addr()).await.unwrap();
    let head = "POST /chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\
                connection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut line = [0; 25];
    stream.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
        .write_all(b"9\r\n{\"model\":\r\n9;x=y\r\n\"sim-bom\"\r\n1\r\n}\r\n0\r\nt: 1\r\n\r\n")
        .await
        .unwrap();
    read(&mut stream, SILENCE).await;
    assert_eq!(sim.counts("bom").completed, 1);
}

#[tokio::test]
async fn requests_that_are_none_get_a_sentence() {
    let sim = sim().await;
    for (request, status) in [
        ("PRI * HTTP/2.0\r\n\r\n", 400),
        ("POST /chat/completions HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
        ("POST /chat/completions HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", 413),
        ("POST /chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nfffffffff\r\n", 413),
        ("POST /chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{}\r\n", 400),
        ("POST /chat/completions HTTP/1.1\r\ncontent-length: 3\r\n\r\n{no", 400),
        ("GET /nothing HTTP/1.1\r\n\r\n", 404),
    ] {
        let got = ask_for(sim.addr(), request, SILENCE).await;
        assert_eq!(got.status(), status, "{request:?}");
        assert!(got.text().contains("message") && got.end != End::Rst, "{request:?}");
    }
}
