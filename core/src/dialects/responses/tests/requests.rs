//! What a provider is asked.

use super::*;

#[test]
fn a_request_is_a_chat_completion() {
    let body = json!({"model": "m", "stream": true, "instructions": "Be brief", "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
            {"role": "user", "content": [{"type": "input_text", "text": "See"},
                {"type": "input_image", "image_url": "data:image/png;base64,aQ==", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aQ=="},
                {"type": "input_audio", "input_audio": {"data": "aQ==", "format": "wav"}}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x", "annotations": []},
                {"type": "refusal", "refusal": "y"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "42"},
                {"type": "input_image", "image_url": "https://a/b.png"}]},
            {"role": "user", "content": "And?"},
        ],
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}],
        "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": false,
        "max_output_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_logprobs": 2, "user": "u", "metadata": {"a": "b"},
        "store": false, "prompt_cache_key": "k", "include": ["reasoning.encrypted_content"], "truncation": "disabled",
        "service_tier": "flex", "reasoning": {"effort": "high", "summary": "auto"}, "client_metadata": {},
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": true}, "verbosity": "medium"}});
    let (made, dropped) = crossed(body, false).expect("sayable");
    assert_eq!(dropped, ["client_metadata", "prompt_cache_key"]);
    let expected = json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}, "messages": [
            {"role": "system", "content": "Be brief"},
            {"role": "system", "content": "a\n\nb"},
            {"role": "user", "content": [{"type": "text", "text": "See"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aQ==", "detail": "low"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aQ=="}},
                {"type": "input_audio", "input_audio": {"data": "aQ==", "format": "wav"}}]},
            {"role": "assistant", "content": "xy", "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "42"},
                {"type": "image_url", "image_url": {"url": "https://a/b.png"}}]},
            {"role": "user", "content": "And?"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": false,
        "max_completion_tokens": 5, "temperature": 0.5, "top_p": 0.9, "logprobs": true, "top_logprobs": 2, "user": "u",
        "service_tier": "flex", "reasoning_effort": "high",
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": true}}});
    assert_eq!(made, expected);
}

/// A chat completion wants it so, and a client of this dialect need not say it so.
#[test]
fn results_stand_directly_behind_their_calls() {
    let call = |id: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"});
    let result = |id: &str| json!({"type": "function_call_output", "call_id": id, "output": id});
    let user = json!({"role": "user", "content": "Well?"});
    let told = |input: Value| {
        let (made, _) = crossed(json!({"model": "m", "input": input}), false).expect("sayable");
        let one = |message: &Value| match message["tool_call_id"].as_str() {
            Some(id) => id.to_owned(),
            None => message["role"].as_str().expect("role").to_owned(),
        };
        made["messages"].as_array().expect("list").iter().map(one).collect::<Vec<_>>().join(" ")
    };
    for (input, want) in [
        (json!([user, call("a"), user, result("a")]), "user assistant a user"),
        (json!([call("a"), call("b"), user, result("b"), result("a"), user]), "assistant b a user user"),
        (json!([call("a"), result("a"), call("b"), user, result("b")]), "assistant a assistant b user"),
        (json!([call("a"), result("a"), call("a"), user, result("a")]), "assistant a assistant a user"),
        (json!([user, result("x")]), "user x"),
    ] {
        assert_eq!(told(input.clone()), want, "{input}");
    }
}

#[test]
fn what_cannot_cross_is_named() {
    let with = |more: Value| {
        let mut body = json!({"model": "m", "input": "Hi"});
        body.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        body
    };
    let items = |item: Value| with(json!({"input": [{"role": "user", "content": "x"}, item]}));
    for (body, word, droppable) in [
        (with(json!({"previous_response_id": "resp_1"})), "\"previous_response_id\"", false),
        (with(json!({"conversation": "conv_1"})), "\"conversation\"", false),
        (with(json!({"prompt": {"id": "p"}})), "\"prompt\"", false),
        (items(json!({"type": "item_reference", "id": "msg_1"})), "\"item_reference\"", false),
        (items(json!({"id": "msg_1"})), "\"item_reference\"", false),
        (with(json!({"background": true})), "\"background\"", true),
        (with(json!({"truncation": "auto"})), "\"truncation\"", true),
        (with(json!({"new_thing": 1})), "\"new_thing\"", true),
        (with(json!({"tools": [{"type": "web_search"}]})), "\"web_search\"", true),
        (with(json!({"tools": [{"type": "file_search"}]})), "\"file_search\"", true),
        (with(json!({"tools": [{"type": "computer_use_preview"}]})), "\"computer_use_preview\"", true),
        (with(json!({"tools": [{"type": "code_interpreter"}]})), "\"code_interpreter\"", true),
        (with(json!({"tools": [{"type": "image_generation"}]})), "\"image_generation\"", true),
        (with(json!({"tools": [{"type": "mcp"}]})), "\"mcp\"", true),
        (with(json!({"tools": [{"type": "local_shell"}]})), "\"local_shell\"", true),
        (with(json!({"tool_choice": {"type": "web_search"}})), "\"tool_choice\"", false),
        (items(json!({"type": "web_search_call", "id": "ws_1"})), "\"web_search_call\"", true),
        (
            items(json!({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]})),
            "\"file_id\"",
            true,
        ),
    ] {
        let said = crossed(body.clone(), false).expect_err(word);
        assert!(said.contains(word), "{said}");
        assert_eq!(
            crossed(body, true).map_err(|_| ()).map(|(_, dropped)| dropped.len()).ok(),
            droppable.then_some(1),
            "{word}"
        );
    }
    for (body, word) in [
        (with(json!({"input": [7]})), "must be an object"),
        (items(json!({"type": "function_call", "name": "f", "arguments": "{}"})), "\"call_id\""),
        (items(json!({"role": "robot", "content": "x"})), "robot"),
        (items(json!({"role": "user", "content": 7})), "array of parts"),
        (with(json!({"tools": [{"type": "function"}]})), "\"name\""),
        (with(json!({"tools": 7})), "\"tools\" must be an array"),
    ] {
        for dropping in [false, true] {
            let said = crossed(body.clone(), dropping).expect_err(word);
            assert!(said.contains(word), "{said}");
        }
    }
}

#[test]
fn only_allowed_tools_are_listed() {
    let made = chat(
        json!({"model": "m", "input": "x", "tools": [{"type": "function", "name": "a"}, {"type": "function", "name": "b"}],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "b"}]}}),
    );
    assert_eq!(made["tools"], json!([{"type": "function", "function": {"name": "b"}}]));
    assert_eq!(made["tool_choice"], "required");
}

#[test]
fn decoding_says_what_is_wrong() {
    let route = Route::of(Dialect::OpenAiResponses);
    for (text, word) in [
        ("", "not valid JSON"),
        ("[]", "not one of Responses"),
        (r#"{"input":"x"}"#, "no \"model\""),
        (r#"{"model":7,"input":"x"}"#, "must be a string"),
        (r#"{"model":"m"}"#, "no \"input\""),
        (r#"{"model":"m","input":7}"#, "\"input\" must be"),
        (r#"{"model":"m","input":"x","stream":"yes"}"#, "not one of Responses"),
        (r#"{"model":"m","input":"x","num_retries":"many"}"#, "\"num_retries\" must be"),
    ] {
        let said = Responses.decode(&route, text.to_owned().into()).expect_err(text);
        assert!(said.contains(word), "{text}: {said}");
    }
    let text = r#"{ "input":[], "num_retries":1, "model" : "m\u0031", "x":1e400,"stream":null}"#;
    let read = Responses.decode(&route, text.to_owned().into()).expect("legal");
    assert_eq!((read.model.as_str(), read.stream, read.include_usage), ("m1", false, true));
    assert_eq!(read.body, r#"{"input":[],"model":"m\u0031","x":1e400,"stream":null}"#);
    assert_eq!(read.body[read.model_at], *br#""m\u0031""#);
    assert_eq!(read.options.and_then(|options| options.num_retries), Some(1));
}

#[test]
fn a_deployments_defaults_stand_in_this_dialects_places() {
    let mut body = json!({"model": "m", "input": "x", "temperature": 0.1, "reasoning": {"summary": "auto"}});
    let defaults = json!({"temperature": 0.9, "max_tokens": 5, "reasoning_effort": "low", "seed": 7, "top_p": 0.5,
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}});
    let (Some(body_members), Some(defaults)) = (body.as_object_mut(), defaults.as_object()) else {
        panic!("objects")
    };
    Responses.add_defaults(body_members, defaults);
    assert_eq!(
        body,
        json!({"model": "m", "input": "x", "temperature": 0.1, "max_output_tokens": 5, "top_p": 0.5,
        "reasoning": {"summary": "auto", "effort": "low"},
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {}}}})
    );
}
