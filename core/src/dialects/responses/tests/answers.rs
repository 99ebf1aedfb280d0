//! What a client is told.

use proptest::prelude::*;

use super::*;
use crate::dialects::Voice;

#[test]
fn a_text_has_every_event_in_its_order() {
    let events = told(
        asked(),
        &[json!({"role": "assistant", "content": ""}), json!({"content": "Hel"}), json!({"content": "lo"})],
        "stop",
    );
    assert_eq!(
        kinds(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    let response = last(&events);
    assert_eq!((&response["status"], &response["model"]), (&json!("completed"), &json!("m")));
    let item = &response["output"][0];
    assert_eq!(item["content"][0]["text"], "Hello");
    assert_eq!((&item["id"], &item["status"]), (&events[2]["item"]["id"], &json!("completed")));
    assert_eq!(response["output"][0], events[8]["item"]);
    assert!(events[3..7].iter().all(|event| event["item_id"] == item["id"] && event["content_index"] == 0));
    assert_eq!(
        response["usage"],
        json!({"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
               "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 14})
    );
    assert_eq!(events[0]["response"]["status"], "in_progress");
    assert_eq!(events[0]["response"]["id"], response["id"]);
}

#[test]
fn an_answer_repeats_what_was_asked() {
    let request = json!({"model": "m", "input": "Hi", "instructions": "Be brief", "temperature": 0.5, "store": true,
        "metadata": {"a": "b"}, "max_output_tokens": 9, "reasoning": {"effort": "low"}, "text": {"verbosity": "low"},
        "tools": [{"type": "function", "name": "f", "parameters": {}}], "tool_choice": "required", "user": "u"});
    let events = told(request.clone(), &[json!({"content": "x"})], "stop");
    for name in
        ["instructions", "temperature", "metadata", "max_output_tokens", "tools", "tool_choice", "user"]
    {
        assert_eq!(events[0]["response"][name], request[name], "{name}");
        assert_eq!(last(&events)[name], request[name], "{name}");
    }
    assert_eq!(last(&events)["store"], false, "nothing is kept");
    assert_eq!(last(&events)["reasoning"], json!({"effort": "low", "summary": null}));
    assert_eq!(last(&events)["text"], json!({"format": {"type": "text"}, "verbosity": "low"}));
}

#[test]
fn what_was_cut_is_incomplete() {
    for (finish, reason) in [("length", "max_output_tokens"), ("content_filter", "content_filter")] {
        let events = told(asked(), &[json!({"content": "Hel"})], finish);
        assert_eq!(kinds(&events).last(), Some(&"incomplete"));
        let response = last(&events);
        assert_eq!(response["status"], "incomplete");
        assert_eq!(response["incomplete_details"], json!({"reason": reason}));
        assert_eq!(response["output"][0]["status"], "incomplete");
    }
}

#[test]
fn calls_come_in_turn() {
    let open = |index: u32, id: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": "f", "arguments": ""}}]});
    let more =
        |index: u32, piece: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]});
    let deltas = [
        json!({"content": "So"}),
        open(0, "call_a"),
        open(1, "call_b"),
        more(0, "{\"x\""),
        more(1, "{}"),
        more(0, ":1}"),
    ];
    let events = told(asked(), &deltas, "tool_calls");
    assert_eq!(
        kinds(&events)[2..],
        [
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
    );
    let output = &last(&events)["output"];
    assert_eq!(
        (&output[1]["call_id"], &output[1]["arguments"], &output[1]["type"]),
        (&json!("call_a"), &json!("{\"x\":1}"), &json!("function_call"))
    );
    assert_eq!((&output[2]["call_id"], &output[2]["arguments"]), (&json!("call_b"), &json!("{}")));
}

/// Mistral's form.
#[test]
fn content_in_parts_is_reasoning_and_text() {
    let thought = json!({"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]});
    let events = told(
        asked(),
        &[
            json!({"content": [thought]}),
            json!({"content": [{"type": "text", "text": "The answer"}]}),
            json!({"content": " is 42."}),
        ],
        "stop",
    );
    let output = &last(&events)["output"];
    assert_eq!(output.as_array().map(Vec::len), Some(2), "{output}");
    assert_eq!((&output[0]["type"], &output[0]["summary"][0]["text"]), (&json!("reasoning"), &json!("hm")));
    assert_eq!(output[1]["content"][0]["text"], "The answer is 42.");
}

#[test]
fn calls_that_share_an_index_are_told_apart_by_their_ids() {
    let fragment = |more: Value| json!({"tool_calls": [more]});
    let events = told(
        asked(),
        &[
            fragment(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":1}"}})),
            fragment(json!({"index": 0, "id": "b", "function": {"name": "g", "arguments": "{\"y\":"}})),
            fragment(json!({"index": 0, "function": {"arguments": "2}"}})),
        ],
        "tool_calls",
    );
    let calls = last(&events)["output"].as_array().expect("items").iter();
    let calls: Vec<_> = calls.map(|item| (&item["call_id"], &item["name"], &item["arguments"])).collect();
    assert_eq!(
        calls,
        [(&json!("a"), &json!("f"), &json!("{\"x\":1}")), (&json!("b"), &json!("g"), &json!("{\"y\":2}")),]
    );
}

#[test]
fn reasoning_is_a_summary_and_carries_its_signature_back() {
    let signed = json!({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "c2ln"}]});
    let hidden = json!({"thinking_blocks": [{"type": "redacted_thinking", "data": "ZGF0YQ"}]});
    let call = json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "Z29vZw"}}}]});
    let deltas =
        [json!({"reasoning_content": "Let me"}), json!({"reasoning_content": " see"}), signed, hidden, call];
    let events = told(asked(), &deltas, "tool_calls");
    assert_eq!(
        kinds(&events)[2..9],
        [
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
        ]
    );
    let output = last(&events)["output"].as_array().expect("items").clone();
    assert_eq!(output[0]["summary"], json!([{"type": "summary_text", "text": "Let me see"}]));

    // What a client does next: it sends the items back, with the result.
    let mut input = vec![json!({"role": "user", "content": "Hi"})];
    input.extend(output);
    input.push(json!({"type": "function_call_output", "call_id": "call_1", "output": "42"}));
    let messages = chat(json!({"model": "m", "input": input}))["messages"].clone();
    assert_eq!(messages.as_array().map(Vec::len), Some(3), "{messages}");
    assert_eq!(
        messages[1]["thinking_blocks"],
        json!([
            {"type": "thinking", "thinking": "Let me see", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "ZGF0YQ"},
        ])
    );
    assert_eq!(messages[1]["reasoning_content"], "Let me see");
    let call = &messages[1]["tool_calls"][0];
    assert_eq!(call["extra_content"]["google"]["thought_signature"], "Z29vZw");
    assert_eq!(call["provider_specific_fields"]["thought_signature"], "Z29vZw");
    assert_eq!(messages[2], json!({"role": "tool", "tool_call_id": "call_1", "content": "42"}));

    // And where the next request goes to a provider of Responses, which could not read them.
    let native = request(json!({"model": "m", "input": input, "temperature": 1.0}));
    let native = Responses.without_ours(&native).expect("there was something of ours");
    let body: Value = serde_json::from_slice(&native.body).expect("JSON");
    let kinds: Vec<_> =
        body["input"].as_array().expect("items").iter().map(|item| item["type"].clone()).collect();
    assert_eq!(kinds, [Value::Null, json!("function_call"), json!("function_call_output")]);
    assert_eq!(native.body[native.model_at], *b"\"m\"");
    assert!(Responses.without_ours(&request(asked())).is_none());
}

#[test]
fn refusals_annotations_logprobs_and_images_have_their_events() {
    let mut request = asked();
    request["include"] = json!(["message.output_text.logprobs"]);
    let mut out = Vec::new();
    let mut encoder = Responses.encoder(facts(request)).expect("it has streams");
    let token = json!({"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []});
    encoder.chunk(
        &json!({"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [token]}}]}),
        &mut out,
    );
    let note = json!({"type": "url_citation", "url_citation": {"url": "https://a", "title": "A", "start_index": 0, "end_index": 1}});
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,aW1n"}});
    for delta in [json!({"annotations": [note]}), json!({"refusal": "No"}), json!({"images": [image]})] {
        encoder.chunk(&json!({"choices": [{"index": 0, "delta": delta}]}), &mut out);
    }
    encoder.done(&mut out);
    let events = read(&out);
    assert_eq!(
        kinds(&events)[2..],
        [
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.annotation.added",
            "output_text.done",
            "content_part.done",
            "content_part.added",
            "refusal.delta",
            "refusal.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "image_generation_call.completed",
            "output_item.done",
            "completed",
        ]
    );
    assert_eq!(events[4]["logprobs"], json!([token]));
    let output = &last(&events)["output"];
    let text = &output[0]["content"][0];
    assert_eq!(text["logprobs"], json!([token]));
    let flat =
        json!({"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 1});
    assert_eq!(text["annotations"], json!([flat]));
    assert_eq!(output[0]["content"][1], json!({"type": "refusal", "refusal": "No"}));
    assert_eq!(output[1]["result"], "aW1n");
}

#[test]
fn custom_tools_namespaces_and_searches_come_back_as_what_they_are() {
    let grammar = json!({"type": "grammar", "syntax": "lark", "definition": "start: \"x\""});
    let tools = json!([
        {"type": "custom", "name": "apply_patch", "description": "Edits files.", "format": grammar},
        {"type": "namespace", "name": "agents", "description": "d", "tools": [
            {"type": "function", "name": "spawn", "parameters": {"type": "object"}, "strict": false}]},
        {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}},
        {"type": "web_search", "external_web_access": false},
    ]);
    let body = json!({"model": "m", "input": "Hi", "tools": tools, "tool_choice": {"type": "custom", "name": "apply_patch"}});
    let (made, dropped) = crossed(body.clone(), false).expect("sayable");
    assert_eq!(dropped, ["tools.web_search"]);
    let names: Vec<_> =
        made["tools"].as_array().expect("tools").iter().map(|t| t["function"]["name"].clone()).collect();
    assert_eq!(names, ["apply_patch", "agents__spawn", "tool_search"]);
    let patch = &made["tools"][0]["function"];
    assert!(patch["description"].as_str().is_some_and(|text| text.contains("lark grammar:\nstart: \"x\"")));
    assert_eq!(patch["parameters"]["required"], json!(["input"]));
    assert_eq!(made["tool_choice"], json!({"type": "function", "function": {"name": "apply_patch"}}));

    let call = |index: u32, name: &str, arguments: &str| json!({"tool_calls": [{"index": index, "id": format!("c{index}"), "function": {"name": name, "arguments": arguments}}]});
    let deltas = [
        call(0, "apply_patch", "{\"input\":"),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "\"*** Begin\\n\"}"}}]}),
        call(1, "agents__spawn", "{\"a\":1}"),
        call(2, "tool_search", "{\"query\":\"q\"}"),
    ];
    let events = told(body, &deltas, "tool_calls");
    let output = &last(&events)["output"];
    assert_eq!(
        (&output[0]["type"], &output[0]["input"]),
        (&json!("custom_tool_call"), &json!("*** Begin\n"))
    );
    assert_eq!((&output[1]["name"], &output[1]["namespace"]), (&json!("spawn"), &json!("agents")));
    assert_eq!(
        (&output[2]["type"], &output[2]["arguments"]),
        (&json!("tool_search_call"), &json!({"query": "q"}))
    );
    let input: Vec<&Value> =
        events.iter().filter(|event| event["type"] == "response.custom_tool_call_input.delta").collect();
    assert_eq!(input.len(), 1);

    // The history has the functions' names again, and what a search has found is a tool.
    let mut items = output.as_array().expect("items").clone();
    let found = json!([{"type": "function", "name": "late", "parameters": {}}]);
    items.push(json!({"type": "custom_tool_call_output", "call_id": "c0", "output": "Done"}));
    items.push(json!({"type": "tool_search_output", "call_id": "c2", "execution": "client", "tools": found}));
    let made = chat(json!({"model": "m", "input": items, "tools": tools}));
    let calls = &made["messages"][0]["tool_calls"];
    assert_eq!(calls[0]["function"]["arguments"], "{\"input\":\"*** Begin\\n\"}");
    assert_eq!(
        (&calls[1]["function"]["name"], &calls[2]["function"]["name"]),
        (&json!("agents__spawn"), &json!("tool_search"))
    );
    assert_eq!(made["messages"][2]["content"], "{\"tools\":[\"late\"]}");
    assert_eq!(made["tools"][3]["function"]["name"], "late");
}

#[test]
fn a_long_name_of_a_namespace_is_cut_and_found_again() {
    let (space, name) = ("n".repeat(50), "f".repeat(40));
    let tools = json!([{"type": "namespace", "name": space, "tools": [
        {"type": "function", "name": name}, {"type": "function", "name": format!("{name}2")}]}]);
    let made = chat(json!({"model": "m", "input": "x", "tools": tools}));
    let names: Vec<String> = made["tools"]
        .as_array()
        .expect("tools")
        .iter()
        .map(|t| t["function"]["name"].as_str().expect("name").to_owned())
        .collect();
    assert!(names.iter().all(|name| name.len() <= 64) && names[0] != names[1], "{names:?}");
    let delta =
        json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": names[1], "arguments": "{}"}}]});
    let events = told(json!({"model": "m", "input": "x", "tools": tools}), &[delta], "tool_calls");
    let call = &last(&events)["output"][0];
    assert_eq!(
        (call["name"].as_str(), call["namespace"].as_str()),
        (Some(&*format!("{name}2")), Some(&*space))
    );
}

#[test]
fn a_failed_stream_ends_with_both_forms_and_the_next_numbers() {
    let mut out = Vec::new();
    let mut encoder = Responses.encoder(facts(asked())).expect("it has streams");
    encoder.chunk(&json!({"choices": [{"index": 0, "delta": {"content": "Hel"}}]}), &mut out);
    encoder.error(&Failure::refusal(429, "slow"), &mut out);
    let events = read(&out);
    assert_eq!(kinds(&events)[4..], ["output_text.delta", "error", "failed"]);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], json!(number));
    }
    assert_eq!(last(&events)["error"]["code"], "rate_limit_exceeded");
    assert_eq!((&last(&events)["status"], &last(&events)["output"]), (&json!("failed"), &json!([])));
}

/// A whole answer is what the stream of the same answer ends with.
#[test]
fn whole_and_streamed_say_the_same() {
    let message = json!({"role": "assistant", "content": "So", "reasoning_content": "Hm",
        "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "c2ln"}],
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_creation_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 2}});
    let whole =
        json!({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}], "usage": usage});
    let answer = Responses.answer(&whole, &facts(asked())).expect("its own");
    let deltas = [
        json!({"reasoning_content": "Hm"}),
        json!({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "c2ln"}]}),
        json!({"content": "So"}),
        json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}),
    ];
    assert_eq!(answer, *last(&told(asked(), &deltas, "tool_calls")));
    assert_eq!(answer["object"], "response");
}

proptest! {
    /// However the relay's events come together, the client reads the same.
    #[test]
    fn every_grouping_of_events_tells_the_same(cuts in proptest::collection::vec(any::<bool>(), 7)) {
        let deltas = [
            json!({"role": "assistant"}), json!({"reasoning_content": "Hm"}), json!({"content": "é"}), json!({"content": "潮"}),
            json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}),
        ];
        let mut frames: Vec<String> =
            deltas.iter().map(|delta| format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta}]}))).collect();
        frames.push(format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})));
        frames.push("data: [DONE]\n\n".to_owned());
        let whole = heard(&[frames.concat()]);
        let mut groups = vec![String::new()];
        for (frame, cut) in frames.iter().zip(cuts) {
            groups.last_mut().expect("one").push_str(frame);
            if cut {
                groups.push(String::new());
            }
        }
        prop_assert_eq!(heard(&groups), whole);
    }

    /// Whatever a provider says, events are whole, numbered, and end once.
    #[test]
    fn odd_chunks_never_break_a_stream(deltas in proptest::collection::vec(prop_oneof![
        Just(json!({"content": "a"})), Just(json!({"reasoning_content": "b"})), Just(json!({"refusal": "c"})),
        Just(json!({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]})),
        Just(json!({"tool_calls": [{"function": {"name": "f"}}, {"id": ""}]})),
        Just(json!({"thinking_blocks": [{"type": "thinking", "signature": "s"}, 7]})),
        Just(json!({"annotations": [{"type": "x"}, null], "images": [{}]})),
        Just(json!({"provider_specific_fields": {"thought_signatures": ["t"]}})),
        Just(json!(7)), Just(json!({"content": 7, "tool_calls": 7})),
    ], 0..8)) {
        let events = told(asked(), &deltas, "stop");
        let ends = events.iter().filter(|event| event["type"] == "response.completed").count();
        prop_assert_eq!(ends, 1);
        let added = events.iter().filter(|event| event["type"] == "response.output_item.added").count();
        let done = events.iter().filter(|event| event["type"] == "response.output_item.done").count();
        prop_assert_eq!((added, done), (done, last(&events)["output"].as_array().expect("items").len()));
    }
}

fn heard(groups: &[String]) -> Vec<u8> {
    let mut voice = Voice::new(Dialect::OpenAiResponses, Dialect::OpenAiChat, || facts(asked()));
    groups.iter().flat_map(|group| voice.take(group.clone().into())).collect()
}
