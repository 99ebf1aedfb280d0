//! Gemini streams and bodies as OpenAI chunks and completions.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{
    E_PROTOCOL, E_TRUNCATED, E_UPSTREAM, ERROR_429, NOTE_FINISHED, NOTE_WENT_ON, OK, check_chunks, finish,
    gemini, head, text,
};
use serde_json::{Value, json};
use tidegate_plugin_sdk::harness::{Ending, Recording};

#[test]
fn a_good_stream() {
    let harness = gemini();
    let mut stream = harness.stream(&head()).unwrap();
    let first = stream.event("", text("Hel"));
    assert_eq!(
        first.json(),
        [json!({
            "id": "r-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "mine",
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "logprobs": null, "finish_reason": null}],
        })]
    );
    assert_eq!(first.notes, [(1, 7), (2, 2)]);
    let second = stream.event("", text("lo"));
    assert_eq!(second.json()[0]["choices"][0]["delta"], json!({"content": "lo"}));
    let last = stream.event("", finish("STOP"));
    assert_eq!((last.status, last.events.len()), (OK, 0), "more may come");
    assert_eq!(last.notes, [(1, 7), (2, 8), (3, 4), (4, 3), NOTE_FINISHED]);
    let end = stream.end();
    assert_eq!(end.status, OK);
    assert_eq!(check_chunks(&end), ["stop"]);
    assert_eq!(
        end.json()[1]["usage"],
        json!({
            "prompt_tokens": 7, "completion_tokens": 8, "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 3},
        })
    );
    for step in [&first, &second, &end] {
        check_chunks(step);
        assert_eq!((step.status, &step.json()[0]["id"]), (OK, &json!("r-1")));
    }
}

/// As Gemini 1.x and gateways say it: a finish in every event, which is the end only where nothing follows.
#[test]
fn a_finish_in_every_event_ends_nothing() {
    let harness = gemini();
    let mut stream = harness.stream(&head()).unwrap();
    let said = |text: &str, finish: &str| {
        json!({
            "candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": finish, "index": 0}],
            "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7},
        })
        .to_string()
    };
    let steps = ["One ", "two ", "three"].map(|text| stream.event("", said(text, "STOP")));
    let text: String = steps
        .iter()
        .map(|step| step.json()[0]["choices"][0]["delta"]["content"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(text, "One two three");
    assert!(steps.iter().flat_map(check_chunks).next().is_none(), "it is told once, at the end");
    let told = steps.each_ref().map(|step| step.notes.last().copied());
    assert_eq!(told, [Some(NOTE_FINISHED), Some(NOTE_WENT_ON), Some((2, 0))]);
    // One that goes on takes the finish back.
    stream.event("", json!({"candidates": [{"content": {"parts": [{"text": ", fo"}]}}]}).to_string());
    assert_eq!(stream.end().status, E_TRUNCATED);
    stream.event("", said("ur", "MAX_TOKENS"));
    stream.event("", finish("STOP"));
    let end = stream.end();
    assert_eq!((end.status, check_chunks(&end)), (OK, vec!["length".to_owned()]));
}

#[test]
fn thoughts_calls_and_signatures() {
    let harness = gemini();
    let mut stream = harness.stream(&head()).unwrap();
    let thought = stream.event(
        "",
        json!({"candidates": [{"content": {"parts": [{"text": "hmm", "thought": true}]}}]}).to_string(),
    );
    assert_eq!(
        thought.json()[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": "", "reasoning_content": "hmm"})
    );
    assert_eq!(thought.json()[0]["id"], "chatcmpl-0000000000000abc");
    let calls = stream.event(
        "",
        json!({"responseId": "late", "candidates": [{"content": {"parts": [
            {"functionCall": {"name": "f", "args": {"a": [1, "ü"]}}, "thoughtSignature": "SIG"},
            {"functionCall": {"name": "g", "id": "own"}},
        ]}}]})
        .to_string(),
    );
    assert_eq!(calls.json()[0]["id"], "chatcmpl-0000000000000abc", "the id never changes");
    // A call a chunk: more of one are lost on clients that read the first.
    let all = calls.json();
    assert_eq!(all.len(), 2);
    let got: Vec<&Value> = all.iter().map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0]).collect();
    assert!(
        all.iter().all(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array().unwrap().len() == 1)
    );
    assert_eq!(got[0]["function"], json!({"name": "f", "arguments": "{\"a\":[1,\"ü\"]}"}));
    assert_eq!(got[0]["provider_specific_fields"]["thought_signature"], "SIG");
    assert_eq!(got[0]["extra_content"]["google"]["thought_signature"], "SIG");
    assert_eq!(
        (&got[1]["index"], &got[1]["id"], &got[1]["function"]["arguments"]),
        (&json!(1), &json!("own"), &json!("{}"))
    );
    assert!(got[1].get("extra_content").is_none());
    let third = stream.event("", json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "h"}}]}, "finishReason": "STOP"}]}).to_string());
    assert_eq!(third.json()[0]["choices"][0]["delta"]["tool_calls"][0]["index"], 2);
    assert_ne!(third.json()[0]["choices"][0]["delta"]["tool_calls"][0]["id"], got[0]["id"]);
    assert_eq!(check_chunks(&third), Vec::<String>::new());
    assert_eq!(check_chunks(&calls), Vec::<String>::new());
    assert_eq!(check_chunks(&stream.end()), ["tool_calls"]);
}

#[test]
fn an_echoed_call_goes_back_as_it_came() {
    let whole = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "SIG"}]}, "finishReason": "STOP"}]});
    let (status, body) = gemini().response(&head(), whole.to_string().as_bytes());
    assert_eq!(status, OK);
    let completion: Value = serde_json::from_slice(&body).unwrap();
    let message = &completion["choices"][0]["message"];
    let result = json!({"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "2"});
    let sent = common::upstream(
        "gemini-3-pro",
        &json!({"messages": [{"role": "user", "content": "x"}, message, result]}),
    )
    .unwrap();
    let mut came = whole["candidates"][0]["content"]["parts"].clone();
    came[0]["functionCall"]["id"] = message["tool_calls"][0]["id"].clone();
    assert_eq!(sent["contents"][1]["parts"], came);
    let response = &sent["contents"][2]["parts"][0]["functionResponse"];
    assert_eq!((&response["name"], &response["id"]), (&json!("f"), &came[0]["functionCall"]["id"]));
}

#[test]
fn candidates_finish_each() {
    let harness = gemini();
    let mut stream = harness.stream(&head()).unwrap();
    let both = json!({"candidates": [
        {"index": 0, "content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"},
        {"index": 1, "content": {"parts": [{"text": "b"}]}},
    ], "usageMetadata": {"promptTokenCount": 1}});
    let step = stream.event("", both.to_string());
    assert_eq!(step.events.len(), 2);
    assert!(!step.notes.contains(&NOTE_FINISHED));
    assert_eq!(stream.end().status, E_TRUNCATED, "the second has not finished");
    stream.event("", json!({"candidates": [{"index": 1, "finishReason": "MAX_TOKENS"}]}).to_string());
    assert_eq!(check_chunks(&stream.end()), ["stop", "length"]);
}

#[test]
fn a_blocked_prompt_is_a_filter_s_finish() {
    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}}).to_string();
    let harness = gemini();
    let mut stream = harness.stream(&head()).unwrap();
    assert_eq!(stream.event("", &blocked).notes, [(1, 3), (2, 0), NOTE_FINISHED]);
    assert_eq!(check_chunks(&stream.end()), ["content_filter"]);
    let (status, body) = harness.response(&head(), blocked.as_bytes());
    let completion: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &completion["choices"][0]["finish_reason"]), (OK, &json!("content_filter")));
    assert_eq!(
        completion["choices"][0]["provider_specific_fields"]["native_finish_reason"],
        "PROHIBITED_CONTENT"
    );
}

/// Without an answer it would look like a model that has nothing to say.
#[test]
fn a_model_that_failed_is_an_error_and_no_empty_answer() {
    let reply = |parts: Value, word: &str| {
        json!({
            "candidates": [{"content": {"parts": parts}, "finishReason": word, "finishMessage": "what it wrote"}],
            "usageMetadata": {"promptTokenCount": 3},
        })
        .to_string()
    };
    let harness = gemini();
    let text = json!([{"text": "I look."}]);
    let thought = json!([{"text": "hm", "thought": true}]);
    for (parts, word, want) in [
        (json!([]), "MALFORMED_FUNCTION_CALL", E_UPSTREAM),
        (thought.clone(), "MALFORMED_FUNCTION_CALL", E_UPSTREAM),
        (text.clone(), "UNEXPECTED_TOOL_CALL", E_UPSTREAM),
        (text.clone(), "OTHER", E_UPSTREAM),
        (json!([]), "LANGUAGE", E_UPSTREAM),
        (thought, "NO_IMAGE", E_UPSTREAM),
        (text.clone(), "NO_IMAGE", OK),
        (json!([]), "STOP", OK),
        (json!([]), "SAFETY", OK),
        (text, "A_WORD_OF_TOMORROW", OK),
    ] {
        let body = reply(parts, word);
        let mut stream = harness.stream(&head()).unwrap();
        let step = stream.event("", &body);
        assert_eq!((step.status, harness.response(&head(), body.as_bytes()).0), (want, want), "{body}");
        assert!(check_chunks(&step).is_empty());
        if want == E_UPSTREAM {
            let class = common::classed(200, vec![], &body);
            assert_eq!((class.http_status, class.retryable, class.code.as_deref()), (502, true, Some(word)));
            let sentence = format!("the model's answer ended with {word}: what it wrote");
            assert_eq!(class.message.as_deref(), Some(sentence.as_str()));
        }
    }
    // One of several answers is an answer.
    let both = json!({"candidates": [
        {"index": 0, "finishReason": "OTHER"},
        {"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"},
    ]});
    assert_eq!(harness.response(&head(), both.to_string().as_bytes()).0, OK);
}

#[test]
fn other_parts_are_not_lost() {
    let harness = gemini();
    let mut stream = harness.stream(&head()).unwrap();
    let parts = json!([
        {"inlineData": {"mimeType": "image/png", "data": "QQ=="}},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"text": "", "thoughtSignature": "T"},
    ]);
    let step = stream.event("", json!({"candidates": [{"content": {"parts": parts}}]}).to_string());
    let delta = &step.json()[0]["choices"][0]["delta"];
    assert_eq!(delta["images"][0]["image_url"]["url"], "data:image/png;base64,QQ==");
    assert_eq!(delta["provider_specific_fields"]["parts"][0]["executableCode"]["code"], "1");
    assert_eq!(delta["provider_specific_fields"]["thought_signatures"], json!(["T"]));
}

#[test]
fn logprobs_are_translated() {
    let harness = gemini();
    let mut stream = harness.stream(&head()).unwrap();
    let result = json!({"chosenCandidates": [{"token": "a", "logProbability": -0.5}], "topCandidates": [{"candidates": [{"token": "b", "logProbability": -1.0}]}]});
    let step = stream.event(
        "",
        json!({"candidates": [{"content": {"parts": [{"text": "a"}]}, "logprobsResult": result}]})
            .to_string(),
    );
    let token = &step.json()[0]["choices"][0]["logprobs"]["content"][0];
    assert_eq!(
        (&token["token"], &token["logprob"], &token["bytes"]),
        (&json!("a"), &json!(-0.5), &json!([97]))
    );
    assert_eq!(token["top_logprobs"][0]["token"], "b");
}

#[test]
fn events_that_say_nothing_say_nothing() {
    let harness = gemini();
    let mut stream = harness.stream(&head()).unwrap();
    for data in [
        "",
        "]",
        "[DONE]",
        r#"{"candidates":[{"content":{"parts":[{"text":""}]}}]}"#,
        r#"{"usageMetadata":{}}"#,
    ] {
        let step = stream.event("", data);
        assert_eq!((step.status, step.events.len()), (OK, 0), "{data}");
    }
    let end = stream.end();
    assert_eq!((end.status, end.events.len()), (E_TRUNCATED, 0));
}

#[test]
fn whole_bodies() {
    let harness = gemini();
    let good = json!({"responseId": "r", "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2}, "candidates": [
        {"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "MAX_TOKENS"},
        {"index": 0, "content": {"parts": [{"text": "t", "thought": true}, {"text": "a"}, {"text": "c"}]}, "finishReason": "STOP"},
    ]});
    let (status, body) = harness.response(&head(), good.to_string().as_bytes());
    let completion: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, OK);
    assert_eq!((&completion["object"], &completion["id"]), (&json!("chat.completion"), &json!("r")));
    assert_eq!(
        completion["choices"][0]["message"],
        json!({"role": "assistant", "content": "ac", "reasoning_content": "t"})
    );
    assert_eq!(completion["choices"][1]["finish_reason"], "length");
    assert_eq!(completion["usage"]["total_tokens"], 3);
    for (body, want) in [
        (ERROR_429.to_owned(), E_UPSTREAM),
        (format!("[{ERROR_429}]"), E_UPSTREAM),
        (text("no finish"), E_PROTOCOL),
        (String::new(), E_PROTOCOL),
        ("{}".to_owned(), E_PROTOCOL),
        (r#"{"candidates":[]}"#.to_owned(), E_PROTOCOL),
        (text("x")[..50].to_owned(), E_PROTOCOL),
        ("<html>".to_owned(), E_PROTOCOL),
    ] {
        assert_eq!(harness.response(&head(), body.as_bytes()), (want, vec![]), "{body}");
    }
}

#[test]
fn an_object_that_is_no_reply_is_malformed_or_an_error() {
    let harness = gemini();
    for (data, want) in [
        ("{}", E_PROTOCOL),
        (r#"{"choices":[]}"#, E_PROTOCOL),
        (r#"{"object":"error","message":"x","code":429}"#, E_UPSTREAM),
        (r#"{"candidates":7}"#, E_PROTOCOL),
        (r#"{"candidates":[{"finishReason":7}]}"#, E_PROTOCOL),
        ("7", E_PROTOCOL),
    ] {
        let mut stream = harness.stream(&head()).unwrap();
        let step = stream.event("", data);
        assert_eq!((step.status, step.events.len()), (want, 0), "{data}");
    }
}

/// A thinking model's call, in the form that Google's servers write.
#[test]
fn a_recorded_form_is_read_and_never_ends_early() {
    let recording =
        Recording::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/answers/thought-then-call.sse"));
    let answer = gemini().replay(&recording);
    assert_eq!(
        (answer.text().as_str(), answer.finish().as_deref()),
        ("I look it up. 潮", Some("tool_calls"))
    );
    assert_eq!(answer.ending, Ending::Done);
    assert!(gemini().invented_ends(&recording).is_empty());
}

/// A grounded answer, whose pages are annotations: characters where Google counts bytes, whatever the answer's pieces were.
#[test]
fn grounding_becomes_annotations() {
    let recording = Recording::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/answers/grounded.sse"));
    let answer = gemini().replay(&recording);
    let text = answer.text();
    assert_eq!((&answer.ending, answer.finish().as_deref()), (&Ending::Done, Some("stop")));
    let cited = |note: &Value| {
        let cited = &note["url_citation"];
        let at = |name: &str| usize::try_from(cited[name].as_u64().unwrap()).unwrap();
        let (start, end) = (at("start_index"), at("end_index"));
        let piece: String = text.chars().skip(start).take(end - start).collect();
        (cited["url"].as_str().unwrap().chars().last().unwrap(), cited["title"].clone(), piece)
    };
    let delta = answer.json().into_iter().map(|chunk| chunk["choices"][0]["delta"].clone());
    let noted: Vec<Value> = delta.filter(|delta| delta.get("annotations").is_some()).collect();
    let [delta] = noted.as_slice() else { panic!("{noted:?}") };
    let told: Vec<_> = delta["annotations"].as_array().unwrap().iter().map(cited).collect();
    let piece = |page: char, title: &str, piece: &str| (page, json!(title), piece.to_owned());
    assert_eq!(
        told,
        [
            piece('1', "example.com", "Über Ebbe und Flut: "),
            piece('1', "example.com", "der Mond zieht (潮)."),
            piece('2', "example.org", "der Mond zieht (潮)."),
            piece('2', "example.org", "Zweimal am Tag."),
            // Found, and not said to support anything.
            piece('3', "unused.example", &text),
        ]
    );
    let said = &delta["provider_specific_fields"]["grounding_metadata"];
    assert_eq!(said["webSearchQueries"], json!(["ebbe flut mond"]));
    assert!(gemini().invented_ends(&recording).is_empty());
}

/// The same in a whole answer as in a stream, and in a stream whatever the pieces of its text.
#[test]
fn citations_do_not_depend_on_the_pieces() {
    let words = "Über Ebbe, 潮 und Flut.";
    let sources = json!({
        "groundingMetadata": {
            "groundingChunks": [{"web": {"uri": "https://a/", "title": "A"}}, {"maps": {"uri": "https://b/"}}],
            "groundingSupports": [{"segment": {"startIndex": 12, "endIndex": 15, "text": "潮"}, "groundingChunkIndices": [0, 1]}]},
        "citationMetadata": {"citationSources": [{"startIndex": 0, "endIndex": 5, "uri": "https://c/"}]},
    });
    let reply = |text: &str, more: &Value| {
        let mut candidate = json!({"index": 0, "content": {"parts": [{"text": text}]}});
        candidate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 1}}).to_string()
    };
    let note = |url: &str, title: &str, start: u8, end: u8| {
        json!({"type": "url_citation",
        "url_citation": {"url": url, "title": title, "start_index": start, "end_index": end}})
    };
    let expected = json!([
        note("https://a/", "A", 11, 12),
        note("https://b/", "", 11, 12),
        note("https://c/", "", 0, 4)
    ]);
    let mut last = sources.clone();
    last["finishReason"] = json!("STOP");
    let (status, body) = gemini().response(&head(), reply(words, &last).as_bytes());
    assert_eq!(status, OK);
    let message = serde_json::from_slice::<Value>(&body).unwrap()["choices"][0]["message"].clone();
    assert_eq!(message["annotations"], expected);
    assert_eq!(message["provider_specific_fields"]["grounding_metadata"], sources["groundingMetadata"]);
    assert_eq!(message["provider_specific_fields"]["citation_metadata"], sources["citationMetadata"]);

    for (cut, _) in words.char_indices().chain([(words.len(), ' ')]) {
        // With the end, before it, and with the first piece, which it may be ahead of.
        for place in 0..3 {
            let (first, second) = words.split_at(cut);
            let none = json!({});
            let said = |at: usize| if at == place { &sources } else { &none };
            let end = if place == 2 { &last } else { &json!({"finishReason": "STOP"}) };
            let harness = gemini();
            let mut stream = harness.stream(&head()).unwrap();
            let steps = [reply(first, said(0)), reply(second, said(1)), reply("", end)]
                .map(|event| stream.event("", event));
            assert_eq!(stream.end().status, OK);
            let chunks: Vec<Value> = steps.iter().flat_map(|step| step.json()).collect();
            let mut told: Vec<Value> = Vec::new();
            for chunk in &chunks {
                let delta = &chunk["choices"][0]["delta"];
                told.extend(delta["annotations"].as_array().into_iter().flatten().cloned());
            }
            let mut expected = expected.as_array().unwrap().clone();
            told.sort_by_key(Value::to_string);
            expected.sort_by_key(Value::to_string);
            assert_eq!(told, expected, "{cut} {place}");
        }
    }
}
