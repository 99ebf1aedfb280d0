//! Whatever a continuation repeats and however its bytes are cut, the client gets each word once.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::echo::Echo;
use super::{NOTICE, Splice, Transcript};
use crate::dialects::Dialect;

const SAID: &str = "The tide comes in, la marée monte, 潮が満ちて and ";

/// What is new in `pieces` behind `said`.
fn new(said: &str, pieces: &[&str]) -> String {
    let mut echo = Echo::new(said.to_owned());
    let mut out: String = pieces.iter().map(|piece| echo.push(piece)).collect();
    out += &echo.finish();
    out
}

#[test]
fn what_was_said_is_taken_out() {
    for (said, then, expected) in [
        // The whole text, with and without the white space at its end.
        (SAID, "The tide comes in, la marée monte, 潮が満ちて and every boat", "every boat"),
        ("Hello", "Hello, world", ", world"),
        ("Hello ", "Hello world", "world"),
        ("Hello\n", "Hello world", " world"),
        // Its end.
        (SAID, "monte, 潮が満ちて and every boat", "every boat"),
        (SAID, "la marée monte, 潮が満ちて and", ""),
        // No more than its white space.
        ("So it goes. \n", " \nThen", "Then"),
        ("So it goes.\n", "\n\nThen", "\nThen"),
        ("So it goes. ", "Then", "Then"),
        // Nothing but the echo.
        (SAID, SAID, ""),
    ] {
        assert_eq!(new(said, &[then]), expected, "{said:?} {then:?}");
    }
}

#[test]
fn what_is_new_stays() {
    for (said, then) in [
        (SAID, "every boat lifts"),
        // It begins as the text does, or as some of its words do, and goes elsewhere.
        (SAID, "The tide goes out."),
        (SAID, "The"),
        (SAID, "monte, 潮が満ちる"),
        // Short repetitions happen.
        ("one, two, one, ", "two, one, two"),
        ("so and ", "and so on"),
        ("No", "No, never"),
        ("1", "1"),
        ("", "The tide"),
        // What repeats itself may go on repeating itself.
        ("ha ha ha ha ha ha ha ", "ha ha ha ha ha ha ha!"),
        ("| - | - |\n| - | - |\n| - | - |\n", "| - | - |\n| - | - |\n| x | y |\n"),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
    ] {
        assert_eq!(new(said, &[then]), then, "{said:?}");
    }
}

#[test]
fn the_first_word_is_not_held_back_longer_than_it_must() {
    let mut echo = Echo::new(SAID.to_owned());
    assert_eq!(echo.push("The"), "");
    assert_eq!(echo.push(" tide "), "");
    assert_eq!(echo.push("goes"), "The tide goes");
    assert_eq!(echo.push(" out"), " out");
    let mut echo = Echo::new(SAID.to_owned());
    assert_eq!(echo.push("every"), "every");
}

fn chunk(id: &str, delta: Value, finish: Option<&str>) -> String {
    let chunk = json!({
        "id": id, "object": "chat.completion.chunk", "created": id.len(), "model": format!("model of {id}"),
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}], "usage": null,
    });
    format!("data: {chunk}\n\n")
}

fn usage(prompt: u32, completion: u32) -> Value {
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
           "prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": null})
}

fn transcript(text: &str) -> Transcript {
    let mut transcript = Transcript::default();
    transcript.take(&chunk("first", json!({"role": "assistant", "content": ""}), None).into());
    transcript.take(&chunk("first", json!({"content": text}), None).into());
    transcript
}

/// A continuation that says these pieces, as an upstream of OpenAI's kind does.
fn continuation(pieces: &[&str]) -> Vec<String> {
    let mut events =
        vec![chunk("second", json!({"role": "assistant", "content": "", "refusal": null}), None)];
    events.extend(pieces.iter().map(|piece| chunk("second", json!({"content": piece}), None)));
    events.push(": a comment\n\n".to_owned());
    events.push(chunk("second", json!({}), Some("stop")));
    let last = json!({"id": "second", "created": 6, "model": "m", "choices": [], "usage": usage(20, 5)});
    events.push(format!("data: {last}\n\n"));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// What the client gets, and the chunks in it.
fn joined(before: Transcript, events: &[String]) -> (String, Vec<Value>) {
    let mut splice = Splice::new(Dialect::OpenAiChat, before);
    let out: Vec<Bytes> = events.iter().map(|event| splice.pass(Bytes::from(event.clone()))).collect();
    let text = String::from_utf8(out.concat()).expect("UTF-8");
    let chunks = text
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect();
    (text, chunks)
}

fn text_of(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
}

#[test]
fn the_second_stream_looks_like_the_first() {
    let mut before = transcript(SAID);
    let told = json!({"id": "first", "choices": [], "usage": usage(10, 7)});
    before.take(&format!("data: {told}\n\n").into());
    assert_eq!((before.text(), before.obstacle()), (SAID, None));
    let (text, chunks) = joined(before, &continuation(&["monte, 潮が満ちて and ", "every ", "boat"]));
    assert!(text.starts_with(std::str::from_utf8(NOTICE).expect("ASCII")), "{text}");
    assert_eq!(text.matches("continued on another deployment").count(), 1);
    assert_eq!(text.matches("[DONE]").count(), 1);
    assert!(text.contains(": a comment\n\n") && text.ends_with("data: [DONE]\n\n"), "{text}");
    assert_eq!(text_of(&chunks), "every boat");
    for chunk in &chunks {
        assert_eq!((&chunk["id"], &chunk["created"]), (&json!("first"), &json!(5)));
        assert_eq!(chunk["model"], "model of first");
        assert!(chunk["choices"][0]["delta"].get("role").is_none(), "{chunk}");
    }
    let finishes = chunks.iter().filter(|chunk| chunk["choices"][0]["finish_reason"] == "stop").count();
    assert_eq!(finishes, 1);
    let told: Vec<&Value> =
        chunks.iter().map(|chunk| &chunk["usage"]).filter(|usage| usage.is_object()).collect();
    let sum = json!({"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42,
                     "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": null});
    assert_eq!(told, [&sum]);
}

#[test]
fn a_call_of_a_tool_comes_behind_the_text() {
    let call = json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]});
    // The text may still become an echo when the call comes.
    let events = [chunk("b", json!({"content": "The tide"}), None), chunk("b", call, None)];
    let (_, chunks) = joined(transcript(SAID), &events);
    assert_eq!(text_of(&chunks), "The tide");
    assert_eq!(chunks[1]["choices"][0]["delta"]["tool_calls"][0]["id"], "c");
    assert_eq!(chunks.len(), 2);
}

#[test]
fn what_nobody_can_go_on_with() {
    let with = |choice: Value| {
        let mut before = transcript(SAID);
        before.take(&format!("data: {}\n\n", json!({"choices": [choice]})).into());
        before.obstacle()
    };
    for (delta, expected) in [
        (
            json!({"content": "x", "refusal": null, "reasoning": null, "annotations": [], "tool_calls": []}),
            None,
        ),
        (json!({"tool_calls": [{"index": 0}]}), Some("it calls a tool")),
        (json!({"function_call": {"name": "f"}}), Some("it calls a tool")),
        (json!({"reasoning_content": "hm"}), Some("it has reasoned")),
        (json!({"reasoning": "hm"}), Some("it has reasoned")),
        (json!({"refusal": "no"}), Some("it is more than text")),
        (json!({"audio": {"id": "a"}}), Some("it is more than text")),
        (json!({"content": [{"type": "text"}]}), Some("it is more than text")),
        (json!({"of_tomorrow": 1}), Some("it is more than text")),
    ] {
        assert_eq!(with(json!({"index": 0, "delta": delta})), expected, "{delta}");
    }
    assert_eq!(with(json!({"index": 1, "delta": {"content": "x"}})), Some("it has several choices"));
    assert_eq!(with(json!({"delta": {}, "finish_reason": "stop"})), Some("it had said why it ends"));
    assert_eq!(
        with(json!({"delta": {"content": "x"}, "logprobs": {"content": []}})),
        Some("it has logprobs")
    );
    let long = transcript(&"x".repeat((1 << 20) + 1));
    assert_eq!((long.obstacle(), long.text()), (Some("its text is too long"), ""));
}

#[test]
fn an_answer_without_an_id_stays_without() {
    let mut before = Transcript::default();
    before.take(&Bytes::from_static(b"data: {\"choices\":[{\"delta\":{\"content\":\"Once upon\"}}]}\n\n"));
    let (_, chunks) = joined(before, &continuation(&[" a time"]));
    assert!(
        chunks.iter().all(|chunk| chunk.get("id").is_none() && chunk.get("model").is_none()),
        "{chunks:?}"
    );
    assert_eq!(text_of(&chunks), " a time");
}

/// Cuts a text at characters, into pieces of up to `most`.
fn cut(text: &str, most: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(most).map(|piece| piece.iter().collect()).collect()
}

proptest! {
    #[test]
    fn an_echo_from_any_place_is_taken_out(
        said in "[a-z潮 ,.]{0,80}[A-Z][a-z潮é]{3}[0-9]{8}[a-z ]{4}[.!? \n]{0,3}",
        from in any::<prop::sample::Index>(),
        rest in "[A-Z][a-z ,潮]{0,40}",
        most in 1..20usize,
    ) {
        let text = said.trim_end();
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).filter(|at| at + 16 <= text.len()).collect();
        // Trimmed, it may be shorter than any tail that counts.
        prop_assume!(!places.is_empty());
        let from = *from.get(&places);
        // What repeats itself within the echo is not one for certain.
        let echo = &text[from..];
        prop_assume!(echo.contains(|c: char| c.is_ascii_digit()) || from == 0);
        let digits = text.matches(|c: char| c.is_ascii_digit()).collect::<String>();
        prop_assume!(digits.as_bytes().windows(2).any(|two| two[0] != two[1]));
        let pieces = cut(&format!("{echo}{rest}"), most);
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        prop_assert_eq!(new(&said, &pieces), rest);
    }

    #[test]
    fn a_text_of_other_letters_stays_whole(said in "[a-m ]{0,60}", then in "[n-z潮][a-z潮 ]{0,60}", most in 1..20usize) {
        let pieces = cut(&then, most);
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        prop_assert_eq!(new(&said, &pieces), then);
    }

    /// However the upstream's bytes come, it is the same stream for the client; and nothing is made up.
    #[test]
    fn the_cut_of_the_pieces_does_not_matter(
        said in "[ab]{0,40}[ \n]{0,2}",
        then in "[ \n]{0,2}[ab]{0,60}",
        most in 1..9usize,
        together in 1..5usize,
    ) {
        let whole = new(&said, &[&then]);
        prop_assert!(then.ends_with(&whole), "{whole:?} is no end of {then:?}");
        let pieces = cut(&then, most);
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        prop_assert_eq!(&new(&said, &pieces), &whole);
        let events: Vec<String> = continuation(&pieces).chunks(together).map(<[String]>::concat).collect();
        let (text, chunks) = joined(transcript(&said), &events);
        prop_assert_eq!(text_of(&chunks), whole);
        prop_assert_eq!(text.matches("[DONE]").count(), 1);
        prop_assert_eq!(text.matches("\"finish_reason\":\"stop\"").count(), 1);
    }
}
