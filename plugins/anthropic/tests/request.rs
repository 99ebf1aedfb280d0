//! Chat requests as Messages requests.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use serde_json::{Value, json};
use tidegate_plugin_anthropic::Anthropic;
use tidegate_plugin_sdk::harness::Harness;
use tidegate_plugin_sdk::{Dialect, RequestIn};

fn with_user(mut more: Value) -> Value {
    more["messages"] = json!([{"role": "user", "content": "hi"}]);
    more
}

#[test]
fn a_small_request_becomes_a_small_one() {
    let sent = upstream("claude-sonnet-4-5", &with_user(json!({"model": "mine", "stream": false}))).unwrap();
    let messages = json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]);
    assert_eq!(sent, json!({"model": "claude-sonnet-4-5", "max_tokens": 64000, "messages": messages}));
    for (model, most) in [("claude-3-haiku-20240307", 4096), ("claude-opus-4-1", 32000), ("mine", 4096)] {
        assert_eq!(upstream(model, &with_user(json!({}))).unwrap()["max_tokens"], most, "{model}");
    }
}

#[test]
fn messages_are_merged_by_role() {
    let mark = json!({"type": "ephemeral"});
    let body = json!({"messages": [
        {"role": "system", "content": "be brief", "cache_control": mark},
        {"role": "user", "content": "one"},
        {"role": "developer", "content": [{"type": "text", "text": "and kind"}]},
        {"role": "user", "content": [{"type": "text", "text": "two", "cache_control": mark}, {"type": "text", "text": ""}]},
        {"role": "assistant", "content": "let me"},
        {"role": "assistant", "content": "", "tool_calls": [
            {"id": "call:a/1", "type": "function", "function": {"name": "add", "arguments": "{\"x\":1}"}},
            {"id": "b", "type": "function", "function": {"name": "now", "arguments": ""}},
        ]},
        {"role": "tool", "tool_call_id": "call:a/1", "content": [{"type": "text", "text": "3"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}]},
        {"role": "user", "content": "and?"},
        {"role": "tool", "tool_call_id": "b", "content": "noon", "cache_control": mark},
        {"role": "assistant", "content": "It is \n"},
    ], "tools": [{"type": "function", "function": {"name": "add"}}]});
    let sent = upstream("claude-sonnet-4-5", &body).unwrap();
    assert_eq!(
        sent["system"],
        json!([{"type": "text", "text": "be brief", "cache_control": mark}, {"type": "text", "text": "and kind"}])
    );
    let image =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QQ=="}});
    assert_eq!(
        sent["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two", "cache_control": mark}]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "let me"},
                {"type": "tool_use", "id": "call_a_1", "name": "add", "input": {"x": 1}},
                {"type": "tool_use", "id": "b", "name": "now", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_a_1", "content": [{"type": "text", "text": "3"}, image]},
                {"type": "tool_result", "tool_use_id": "b", "content": "noon", "cache_control": mark},
                {"type": "text", "text": "and?"},
            ]},
            {"role": "assistant", "content": [{"type": "text", "text": "It is"}]},
        ])
    );
    let begun =
        json!({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "It "}]});
    let new = upstream("claude-opus-4-7", &begun).unwrap();
    assert_eq!(new["messages"][1]["content"][0]["text"], "It");
    assert_eq!(new["messages"][2]["role"], "user", "it takes no message of its own as the last");
    let alone = upstream("m", &json!({"messages": [{"role": "system", "content": "hi"}]})).unwrap();
    assert_eq!(alone["messages"][0]["role"], "user");
    assert!(alone.get("system").is_none());
}

#[test]
fn arguments_that_are_no_object_do_not_refuse_the_request() {
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"cut"}});
    let body = json!({"messages": [{"role": "assistant", "tool_calls": [call]}]});
    let sent = upstream("claude-sonnet-4-5", &body).unwrap();
    assert_eq!(sent["messages"][0]["content"][0]["input"], json!({"INVALID_JSON": "{\"cut"}));
}

#[test]
fn blank_texts_are_left_out() {
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let body = json!({"messages": [
        {"role": "system", "content": " "},
        {"role": "user", "content": [{"type": "text", "text": "\n"}, {"type": "text", "text": " x "}, "\t"]},
        {"role": "assistant", "content": "\n\n"},
        {"role": "user", "content": "y"},
        {"role": "assistant", "content": "\n\n", "tool_calls": [call]},
    ]});
    let sent = upstream("claude-sonnet-4-5", &body).unwrap();
    assert_eq!(sent.get("system"), None);
    assert_eq!(
        sent["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": " x "}]},
            {"role": "user", "content": [{"type": "text", "text": "y"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
        ])
    );
    let blank = json!({"messages": [{"role": "user", "content": " "}]});
    assert!(upstream("claude-sonnet-4-5", &blank).unwrap_err().1.contains("nothing to send"));
}

#[test]
fn the_older_form_of_calls() {
    let body = json!({"messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": null, "function_call": {"name": "add", "arguments": "{}"}},
        {"role": "function", "name": "add", "content": "3"},
    ], "functions": [{"name": "add", "parameters": {"type": "object", "properties": {"x": {}}}}], "function_call": "auto"});
    let sent = upstream("claude-sonnet-4-5", &body).unwrap();
    assert_eq!(sent["messages"][1]["content"][0]["id"], sent["messages"][2]["content"][0]["tool_use_id"]);
    assert_eq!(
        sent["tools"],
        json!([{"name": "add", "input_schema": {"type": "object", "properties": {"x": {}}}}])
    );
    assert_eq!(sent["tool_choice"], json!({"type": "auto"}));
}

#[test]
fn pictures_and_documents() {
    let part = |part: Value| {
        let body = json!({"messages": [{"role": "user", "content": [part]}]});
        upstream("claude-sonnet-4-5", &body).map(|mut sent| sent["messages"][0]["content"][0].take())
    };
    let file = |file: Value| part(json!({"type": "file", "file": file}));
    let url = "https://a.test/x.png";
    let picture = part(json!({"type": "image_url", "image_url": {"url": url, "detail": "low"}})).unwrap();
    assert_eq!(picture, json!({"type": "image", "source": {"type": "url", "url": url}}));
    let pdf = file(json!({"file_data": "data:application/pdf;base64,UERG", "filename": "a.pdf"})).unwrap();
    let source = json!({"type": "base64", "media_type": "application/pdf", "data": "UERG"});
    assert_eq!(pdf, json!({"type": "document", "source": source, "title": "a.pdf"}));
    let text = file(json!({"file_data": "data:text/markdown;base64,5r2u"})).unwrap();
    assert_eq!(text["source"], json!({"type": "text", "media_type": "text/plain", "data": "潮"}));
    assert_eq!(
        file(json!({"file_id": "file_1"})).unwrap()["source"],
        json!({"type": "file", "file_id": "file_1"})
    );
    let web = file(json!({"file_id": "https://a.test/x.pdf"})).unwrap();
    assert_eq!(web["source"], json!({"type": "url", "url": "https://a.test/x.pdf"}));
    assert_eq!(file(json!({"file_data": "data:image/webp;base64,QQ=="})).unwrap()["type"], "image");
    let own = json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "citations": {"enabled": true}});
    assert_eq!(part(own.clone()).unwrap(), own);

    for (given, status, why) in [
        (
            json!({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}),
            E_UNSUPPORTED,
            "\"input_audio\"",
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "http://a.test/x.png"}}),
            E_UNSUPPORTED,
            "https://",
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,QQ=="}}),
            E_UNSUPPORTED,
            "image/tiff",
        ),
        (json!({"type": "image_url", "image_url": {"url": "data:image/png,QQ"}}), E_UNSUPPORTED, "base64"),
        (
            json!({"type": "file", "file": {"file_data": "data:video/mp4;base64,QQ=="}}),
            E_UNSUPPORTED,
            "video/mp4",
        ),
        (json!({"type": "file", "file": {"file_data": "data:text/plain;base64,/w=="}}), E_INVALID, "UTF-8"),
        (json!({"type": "file"}), E_INVALID, "\"file\""),
    ] {
        let (got, said) = part(given).unwrap_err();
        assert_eq!(got, status, "{said}");
        assert!(said.contains(why) && said.contains("messages[0].content[0]"), "{said}");
    }
}

#[test]
fn tools_and_the_choice_among_them() {
    let function = |name: &str| {
        json!({"type": "function", "function": {"name": name, "description": "d", "strict": true,
        "parameters": {"properties": {"x": {"type": "integer"}}, "required": ["x"]}}})
    };
    let own = json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 3});
    let tools = json!([function("f"), function("g"), own]);
    let sent = |more: Value| {
        let mut body = with_user(more);
        body["tools"] = tools.clone();
        upstream("claude-sonnet-4-5", &body).unwrap()
    };
    let plain = sent(json!({}));
    let schema = json!({"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]});
    assert_eq!(plain["tools"][0], json!({"name": "f", "description": "d", "input_schema": schema}));
    assert_eq!(plain["tools"][2], own);
    assert!(plain.get("tool_choice").is_none());
    for (choice, parallel, want) in [
        (json!("auto"), json!(true), json!({"type": "auto"})),
        (json!("none"), json!(false), json!({"type": "none"})),
        (json!("required"), json!(null), json!({"type": "any"})),
        (
            json!({"type": "function", "function": {"name": "g"}}),
            json!(false),
            json!({"type": "tool", "name": "g", "disable_parallel_tool_use": true}),
        ),
        (json!(null), json!(false), json!({"type": "auto", "disable_parallel_tool_use": true})),
    ] {
        assert_eq!(
            sent(json!({"tool_choice": choice, "parallel_tool_calls": parallel}))["tool_choice"],
            want
        );
    }
    let allowed = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}});
    let some = sent(json!({"tool_choice": allowed}));
    assert_eq!((some["tools"].as_array().unwrap().len(), &some["tools"][0]["name"]), (1, &json!("g")));
    assert_eq!(some["tool_choice"], json!({"type": "any"}));

    let searching = json!({"web_search_options": {"search_context_size": "medium", "user_location": {"type": "approximate", "approximate": {"city": "Kiel"}}}});
    let search = &upstream("claude-sonnet-4-5", &with_user(searching)).unwrap()["tools"][0];
    assert_eq!(
        (&search["max_uses"], &search["user_location"]),
        (&json!(5), &json!({"type": "approximate", "city": "Kiel"}))
    );

    // What was called is declared, where nothing is offered any more.
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let history = json!({"messages": [
        {"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": ""}]});
    let sent = upstream("claude-sonnet-4-5", &history).unwrap();
    assert_eq!((&sent["tools"][0]["name"], &sent["tool_choice"]), (&json!("f"), &json!({"type": "none"})));
}

#[test]
fn thinking_by_effort_and_by_budget() {
    let sent = |model: &str, more: Value| upstream(model, &with_user(more)).unwrap();
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    for (effort, want) in
        [("minimal", 1024), ("low", 1024), ("medium", 2048), ("high", 4096), ("xhigh", 4096)]
    {
        let sent = sent("claude-sonnet-4-5", json!({"reasoning_effort": effort}));
        assert_eq!((&sent["thinking"], sent.get("output_config")), (&budget(want), None), "{effort}");
    }
    // A budget stays below what the client allows in all.
    let low = json!({"reasoning_effort": "high", "max_completion_tokens": 3000});
    assert_eq!(sent("claude-sonnet-4-5", low)["thinking"], budget(2999));
    assert!(
        sent("claude-sonnet-4-5", json!({"reasoning_effort": "high", "max_tokens": 500}))
            .get("thinking")
            .is_none()
    );
    assert!(sent("claude-sonnet-4-5", json!({"reasoning_effort": "none"})).get("thinking").is_none());
    // Where a call stands without its thought, a budget would be a 400.
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let thought = json!([{"type": "thinking", "thinking": "hm", "signature": "S"}]);
    for (model, thought, thinks) in [
        ("claude-sonnet-4-5", json!(null), false),
        ("claude-sonnet-4-5", thought, true),
        ("claude-opus-4-7", json!(null), true),
        // What OpenAI was thinking is not Anthropic's.
        (
            "claude-sonnet-4-5",
            json!([{"type": "thinking", "thinking": "hm", "signature": "responses.1:{}"}, {"type": "redacted_thinking", "data": "responses.1:{}"}]),
            false,
        ),
    ] {
        let body = json!({"reasoning_effort": "low", "messages": [
            {"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [call], "thinking_blocks": thought},
            {"role": "tool", "tool_call_id": "a", "content": "3"}]});
        assert_eq!(upstream(model, &body).unwrap().get("thinking").is_some(), thinks, "{model}");
    }
    let new = sent("claude-opus-4-7", json!({"reasoning_effort": "minimal"}));
    assert_eq!(
        (&new["thinking"], &new["output_config"]),
        (&json!({"type": "adaptive"}), &json!({"effort": "low"}))
    );
    let own = json!({"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "max"}, "reasoning_effort": "low"});
    let own = sent("claude-opus-5", own);
    assert_eq!(own["thinking"], json!({"type": "adaptive", "display": "omitted"}));
    assert_eq!(own["output_config"], json!({"effort": "max"}));
}

/// An effort is a hint.
#[test]
fn an_effort_refuses_no_request() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let begun = json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": "It is"}]);
    for more in [
        json!({"tools": tools, "tool_choice": "required"}),
        json!({"tools": tools, "tool_choice": {"type": "function", "function": {"name": "f"}}}),
        json!({"temperature": 0.2}),
        json!({"top_k": 3}),
        json!({"max_tokens": 100}),
        json!({"messages": begun}),
    ] {
        let mut body = with_user(json!({"reasoning_effort": "high"}));
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = body.to_string();
        let model = "claude-sonnet-4-5";
        let input =
            RequestIn { dialect: Dialect::OpenAiChat, model, body: body.as_bytes(), ..RequestIn::default() };
        let sent = anthropic().request(&input).unwrap();
        assert_eq!((sent.json().get("thinking"), sent.dropped()), (None, vec!["reasoning_effort"]), "{more}");
    }
    let new = json!({"reasoning_effort": "high", "tools": tools, "tool_choice": "required"});
    let new = upstream("claude-opus-4-7", &with_user(new)).unwrap();
    assert_eq!((new.get("thinking"), &new["output_config"]), (None, &json!({"effort": "high"})));
    // In Anthropic's own words it is no hint.
    let own = json!({"thinking": {"type": "enabled", "budget_tokens": 64}, "tools": tools, "tool_choice": "required"});
    let own = upstream("claude-sonnet-4-5", &with_user(own)).unwrap();
    assert_eq!(own["thinking"]["budget_tokens"], 64);
}

#[test]
fn answers_in_json() {
    let schema =
        json!({"type": "object", "properties": {"a": {"type": "integer", "maximum": 5}}, "required": ["a"]});
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": schema}});
    let asked = |more: Value| {
        let mut body = with_user(more);
        body["response_format"] = format.clone();
        body
    };
    let sent = upstream("claude-opus-4-7", &asked(json!({"reasoning_effort": "low"}))).unwrap();
    let clean = json!({"type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {"a": {"type": "integer", "description": "{maximum: 5}"}}});
    assert_eq!(
        sent["output_config"],
        json!({"effort": "low", "format": {"type": "json_schema", "schema": clean}})
    );
    assert!(sent.get("tools").is_none());

    let function = json!([{"type": "function", "function": {"name": "f"}}]);
    for (more, choice, tools) in [
        (json!({}), json!({"type": "tool", "name": "tidegate_json_answer"}), 1),
        (json!({"tools": function}), json!({"type": "any"}), 2),
        (
            json!({"tools": function, "parallel_tool_calls": false}),
            json!({"type": "any", "disable_parallel_tool_use": true}),
            2,
        ),
        (
            json!({"tools": function, "tool_choice": "none"}),
            json!({"type": "tool", "name": "tidegate_json_answer"}),
            2,
        ),
        (json!({"tools": function, "tool_choice": "required"}), json!({"type": "any"}), 1),
        (json!({"reasoning_effort": "low"}), json!(null), 1),
    ] {
        let sent = upstream("claude-3-7-sonnet-20250219", &asked(more)).unwrap();
        let offered = sent["tools"].as_array().unwrap();
        assert_eq!((&sent["tool_choice"], offered.len()), (&choice, tools), "{sent}");
        if tools == 2 || sent["tool_choice"] != json!({"type": "any"}) {
            assert_eq!(offered.last().unwrap()["input_schema"], schema);
        }
    }
    let free = upstream("claude-sonnet-4-5", &with_user(json!({"response_format": {"type": "json_object"}})))
        .unwrap();
    assert!(free["system"][0]["text"].as_str().unwrap().contains("JSON object"));
    let text =
        upstream("claude-sonnet-4-5", &with_user(json!({"response_format": {"type": "text"}}))).unwrap();
    assert!(text.get("system").is_none());
}

#[test]
fn the_small_parameters() {
    let body = with_user(json!({
        "temperature": 0.5, "top_p": 0.9, "top_k": 4, "max_completion_tokens": 7, "max_tokens": 9, "stop": ["a", "b"],
        "user": "u-1", "metadata": {"user_id": "other", "x": "y"}, "service_tier": "default", "n": 1, "logprobs": false,
        "presence_penalty": 0, "frequency_penalty": 0.0, "modalities": ["text"], "stream_options": {"include_usage": true},
        "verbosity": "low", "store": true, "seed": null, "cache_control": {"type": "ephemeral"}, "mcp_servers": [],
    }));
    let sent = upstream("claude-sonnet-4-5", &body).unwrap();
    let want = json!({
        "model": "claude-sonnet-4-5", "messages": sent["messages"], "temperature": 0.5, "top_p": 0.9, "top_k": 4,
        "max_tokens": 7, "stop_sequences": ["a", "b"], "metadata": {"user_id": "u-1"}, "service_tier": "standard_only",
        "cache_control": {"type": "ephemeral"}, "mcp_servers": [],
    });
    assert_eq!(sent, want);
    for user in ["a@b.test", "+49 431 1234567", ""] {
        assert!(
            upstream("m", &with_user(json!({"user": user}))).unwrap().get("metadata").is_none(),
            "{user}"
        );
    }
}

#[test]
fn what_has_no_counterpart_is_named_or_dropped() {
    let dropping = with(&json!({"api_base": "http://h", "drop_params": true})).unwrap();
    for (name, value) in [
        ("n", json!(2)),
        ("logprobs", json!(true)),
        ("top_logprobs", json!(3)),
        ("seed", json!(1)),
        ("presence_penalty", json!(0.1)),
        ("frequency_penalty", json!(-1)),
        ("logit_bias", json!({"1": 2})),
        ("modalities", json!(["text", "audio"])),
        ("audio", json!({"voice": "x"})),
        ("of_tomorrow", json!(1)),
        ("stop", json!(["\n"])),
    ] {
        let body = with_user(json!({name: value}));
        let (status, said) = upstream("claude-sonnet-4-5", &body).unwrap_err();
        assert_eq!(status, E_UNSUPPORTED, "{said}");
        assert!(said.contains(&format!("{name:?}")), "{said}");
        let sent = asked(&dropping, "claude-sonnet-4-5", &body).unwrap();
        assert_eq!(sent, asked(&dropping, "claude-sonnet-4-5", &with_user(json!({}))).unwrap(), "{name}");
    }
}

#[test]
fn what_is_no_request_is_said_to_be_none() {
    for (body, why) in [
        (json!([]), "not a JSON object"),
        (json!({}), "\"messages\""),
        (json!({"messages": []}), "nothing to send"),
        (json!({"messages": [{"content": "x"}]}), "messages[0]: a message needs a \"role\""),
        (json!({"messages": [{"role": "robot", "content": "x"}]}), "\"robot\""),
        (json!({"messages": [{"role": "user", "content": 7}]}), "\"content\""),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "\"tool_call_id\""),
        (json!({"messages": [{"role": "function", "content": "x"}]}), "\"function_call\""),
        (with_user(json!({"max_tokens": "many"})), "\"max_tokens\""),
        (with_user(json!({"stop": 7})), "\"stop\""),
        (with_user(json!({"tools": {}})), "\"tools\""),
        (with_user(json!({"tool_choice": "required"})), "\"tools\" offers none"),
        (with_user(json!({"tool_choice": 7, "tools": [{"function": {"name": "f"}}]})), "\"tool_choice\""),
        (with_user(json!({"thinking": {}})), "\"thinking\""),
        (with_user(json!({"reasoning_effort": "some"})), "\"reasoning_effort\""),
        (with_user(json!({"response_format": {"type": "xml"}})), "\"response_format\""),
    ] {
        let (status, said) = upstream("claude-sonnet-4-5", &body).unwrap_err();
        assert_eq!(status, E_INVALID, "{said}");
        assert!(said.contains(why), "{why}: {said}");
    }
    for tool in [
        json!({"type": "custom", "custom": {"name": "x"}}),
        json!({"function": {"name": "tidegate_json_answer"}}),
    ] {
        let (status, said) = upstream("claude-sonnet-4-5", &with_user(json!({"tools": [tool]}))).unwrap_err();
        assert_eq!(status, E_UNSUPPORTED, "{said}");
    }
}

#[test]
fn a_bad_deployment_is_refused_with_a_reason() {
    let config = json!({"provider": "anthropic", "model": "claude-x", "params": {"api_base": "nowhere"}});
    assert!(Harness::new::<Anthropic>(&config).unwrap_err().why.contains("http://"));
}

#[test]
fn schemas_keep_the_clients_order() {
    for model in ["claude-sonnet-4-5", "claude-opus-5", "claude-3-7-sonnet"] {
        anthropic().keeps_order(model).unwrap();
    }
}

#[test]
fn what_is_left_out_is_named() {
    let lost = |more: Value| {
        let body = with_user(more).to_string();
        let model = "claude-sonnet-4-5";
        let input =
            RequestIn { dialect: Dialect::OpenAiChat, model, body: body.as_bytes(), ..RequestIn::default() };
        anthropic().request(&input).unwrap().dropped().join(" ")
    };
    for (more, want) in [
        (json!({"user": "u", "metadata": {"user_id": "v"}, "service_tier": "flex", "n": 1}), ""),
        (json!({"user": "ann@example.org"}), "user"),
        (json!({"metadata": {"user_id": "+49 40 123456"}}), "metadata.user_id"),
        (json!({"metadata": {"a": "b"}, "store": true}), "metadata store"),
        (json!({"service_tier": "scale", "safety_settings": []}), "service_tier safety_settings"),
        (json!({"tools": [{"type": "function", "function": {"name": "f", "strict": true}}]}), "tools.strict"),
        (json!({"cache_control": {"type": "ephemeral"}, "parallel_tool_calls": false}), ""),
    ] {
        assert_eq!(lost(more.clone()), want, "{more}");
    }
}
