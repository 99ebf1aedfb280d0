//! OpenAI requests as Gemini requests.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{E_INVALID, E_UNSUPPORTED, gemini, upstream};
use serde_json::{Value, json};
use tidegate_plugin_gemini::Gemini;
use tidegate_plugin_sdk::harness::Harness;
use tidegate_plugin_sdk::{Dialect, Framing, RequestIn};

fn with_user(mut more: Value) -> Value {
    more["model"] = json!("mine");
    more["messages"] = json!([{"role": "user", "content": "hi"}]);
    more
}

#[test]
fn goes_to_the_right_place_with_the_right_key() {
    let body = with_user(json!({"stream": true})).to_string();
    let input = RequestIn {
        stream: true,
        dialect: Dialect::OpenAiChat,
        model: "gemini-2.5-flash",
        body: body.as_bytes(),
        ..RequestIn::default()
    };
    let sent = gemini().request(&input).unwrap();
    let base = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash";
    assert_eq!(
        (sent.method.as_str(), sent.url.as_str()),
        ("POST", format!("{base}:streamGenerateContent?alt=sse").as_str())
    );
    let auth = sent.auth.unwrap();
    assert_eq!(
        (auth.header.as_str(), auth.secret.as_str(), auth.prefix.as_str()),
        ("x-goog-api-key", "api_key", "")
    );
    assert_eq!((sent.dialect, sent.framing), (Some(Dialect::GeminiGenerate), Some(Framing::Auto)));

    let old = json!({"provider": "vertex_ai", "model": "m", "params": {"api_base": "http://h"}, "secrets": ["vertex_ai_credentials"]});
    let sent = Harness::new::<Gemini>(&old).unwrap().request(&input).unwrap();
    assert_eq!(sent.url, "http://h:streamGenerateContent?alt=sse");
    assert_eq!(sent.auth.unwrap().secret, "vertex_ai_credentials");

    let vertex =
        json!({"provider": "vertex_ai", "model": "gemini-2.5-flash", "params": {"vertex_project": "p"}});
    let sent = Harness::new::<Gemini>(&vertex).unwrap().request(&input).unwrap();
    assert!(
        sent.url.starts_with("https://us-central1-aiplatform.googleapis.com/v1/projects/p/"),
        "{}",
        sent.url
    );
    let auth = sent.auth.unwrap();
    assert_eq!(auth.scheme, 3);
    assert_eq!(
        (auth.secret.as_str(), auth.scope.as_str()),
        ("vertex_credentials", "https://www.googleapis.com/auth/cloud-platform")
    );
}

#[test]
fn every_prefix_of_the_manifest_makes_an_instance() {
    let manifest: Value = serde_json::from_str(include_str!("../src/manifest.json")).unwrap();
    let prefixes: Vec<&Value> =
        manifest["providers"].as_array().unwrap().iter().map(|one| &one["prefix"]).collect();
    assert_eq!(prefixes, ["gemini", "vertex_ai", "vertex_ai_beta"]);
    for prefix in prefixes {
        let config = json!({"provider": prefix, "model": "gemini-x", "params": {"vertex_project": "p"}});
        assert!(Harness::new::<Gemini>(&config).is_ok(), "{prefix}");
    }
}

#[test]
fn a_bad_deployment_is_refused_with_a_reason() {
    for (config, why) in [
        (json!({"provider": "vertex_ai", "model": "gemini-2.5-pro"}), "vertex_project"),
        (
            json!({"provider": "vertex_ai", "model": "jamba-1.5-large", "params": {"vertex_project": "p"}}),
            "a dialect of its own",
        ),
        (json!({"provider": "gemini", "model": "claude-sonnet-4"}), "none of the Gemini API's"),
    ] {
        let refused = Harness::new::<Gemini>(&config).unwrap_err();
        assert!(refused.why.contains(why), "{}", refused.why);
    }
}

#[test]
fn messages_become_contents() {
    let body = json!({"messages": [
        {"role": "system", "content": "be brief"},
        {"role": "developer", "content": [{"type": "text", "text": "and kind"}]},
        {"role": "user", "content": "one"},
        {"role": "user", "content": [{"type": "text", "text": "two"}]},
        {"role": "assistant", "content": "hello"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "add", "arguments": "{\"x\":1}"},
             "provider_specific_fields": {"thought_signature": "SIG"}},
            {"id": "b", "type": "function", "function": {"name": "now", "arguments": ""}},
        ]},
        {"role": "tool", "tool_call_id": "b", "content": "noon"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "{\"sum\":2}"}]},
        {"role": "user", "content": "thanks"},
    ]});
    let got = upstream("gemini-2.5-pro", &body).unwrap();
    assert_eq!(got["systemInstruction"], json!({"parts": [{"text": "be brief"}, {"text": "and kind"}]}));
    assert_eq!(
        got["contents"],
        json!([
            {"role": "user", "parts": [{"text": "one"}, {"text": "two"}]},
            {"role": "model", "parts": [
                {"text": "hello"},
                {"functionCall": {"name": "add", "args": {"x": 1}, "id": "a"}, "thoughtSignature": "SIG"},
                {"functionCall": {"name": "now", "args": {}, "id": "b"}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "add", "response": {"sum": 2}, "id": "a"}},
                {"functionResponse": {"name": "now", "response": {"content": "noon"}, "id": "b"}},
            ]},
            {"role": "user", "parts": [{"text": "thanks"}]},
        ])
    );
}

fn called(id: &str, city: &str) -> Value {
    let arguments = json!({"city": city}).to_string();
    json!({"id": id, "type": "function", "function": {"name": "w", "arguments": arguments}})
}

/// What Gemini matches by where there are no ids: the order, and that nothing stands between.
#[test]
fn results_stand_behind_their_calls_and_in_their_order() {
    let result = |id: &str, text: &str| json!({"role": "tool", "tool_call_id": id, "content": text});
    let calls = |calls: Value| json!({"role": "assistant", "tool_calls": calls});
    let told = |messages: Value| {
        let sent = upstream("gemini-2.5-pro", &json!({"messages": messages})).unwrap();
        let one = |part: &Value| match part.get("functionCall").or_else(|| part.get("functionResponse")) {
            None => part["text"].as_str().unwrap().to_owned(),
            Some(call) => match call["args"]["city"].as_str() {
                Some(city) => format!("{}?{city}", call["id"].as_str().unwrap_or("-")),
                None => format!(
                    "{}={}",
                    call["id"].as_str().unwrap_or("-"),
                    call["response"]["content"].as_str().unwrap()
                ),
            },
        };
        let content = |content: &Value| {
            content["parts"].as_array().unwrap().iter().map(one).collect::<Vec<_>>().join(" ")
        };
        sent["contents"].as_array().unwrap().iter().map(content).collect::<Vec<_>>().join(" | ")
    };
    let user = json!({"role": "user", "content": "and?"});
    let both = calls(json!([called("c1", "Paris"), called("c2", "Rome")]));
    for (messages, want) in [
        (
            json!([user, both, result("c2", "hot"), result("c1", "wet")]),
            "and? | c1?Paris c2?Rome | c1=wet c2=hot",
        ),
        (
            json!([both, user, result("c2", "hot"), result("c1", "wet"), user]),
            "c1?Paris c2?Rome | c1=wet c2=hot | and? and?",
        ),
        (
            json!([
                calls(json!([called("c1", "Paris")])),
                result("c1", "wet"),
                calls(json!([called("c2", "Rome")])),
                result("c2", "hot"),
            ]),
            "c1?Paris | c1=wet | c2?Rome | c2=hot",
        ),
        // An id that comes again is the later call's.
        (
            json!([
                calls(json!([called("c", "Paris")])),
                result("c", "wet"),
                calls(json!([called("c", "Rome")])),
                result("c", "hot"),
            ]),
            "c?Paris | c=wet | c?Rome | c=hot",
        ),
        (
            json!([
                {"role": "assistant", "function_call": {"name": "w", "arguments": "{\"city\":\"Paris\"}"}}, user,
                {"role": "function", "name": "w", "content": "wet"},
            ]),
            "-?Paris | -=wet | and?",
        ),
        (
            json!([calls(json!([called("c__thought__S", "Paris")])), result("c__thought__S", "wet")]),
            "c?Paris | c=wet",
        ),
        (json!([user, {"role": "tool", "tool_call_id": "c", "name": "w", "content": "wet"}]), "and? | c=wet"),
    ] {
        assert_eq!(told(messages.clone()), want, "{messages}");
    }
}

#[test]
fn arguments_that_are_no_object_do_not_refuse_the_request() {
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"cut"}});
    let body = json!({"messages": [{"role": "assistant", "tool_calls": [call]}]});
    let sent = upstream("gemini-2.5-pro", &body).unwrap();
    let made = &sent["contents"][0]["parts"][0]["functionCall"]["args"];
    assert_eq!(made, &json!({"INVALID_JSON": "{\"cut"}));
}

#[test]
fn system_messages_alone_are_the_user_s() {
    let got = upstream("gemini-2.5-pro", &json!({"messages": [{"role": "system", "content": "x"}]})).unwrap();
    assert_eq!(got, json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]}));
}

#[test]
fn a_signature_is_read_wherever_a_client_may_have_kept_it() {
    let call = |fields: Value| {
        let mut call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        call.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"messages": [{"role": "assistant", "tool_calls": [call]}]})
    };
    let signature = |model: &str, body: &Value| {
        upstream(model, body).unwrap()["contents"][0]["parts"][0]["thoughtSignature"].clone()
    };
    for fields in [
        json!({"provider_specific_fields": {"thought_signature": "S"}}),
        json!({"extra_content": {"google": {"thought_signature": "S"}}}),
        json!({"id": "call_1__thought__S"}),
    ] {
        assert_eq!(signature("gemini-3-pro", &call(fields.clone())), "S", "{fields}");
    }
    assert_eq!(signature("gemini-3-pro", &call(json!({}))), "skip_thought_signature_validator");
    assert_eq!(signature("gemini-2.5-pro", &call(json!({}))), Value::Null);
    let text = json!({"messages": [{"role": "assistant", "content": "x", "provider_specific_fields": {"thought_signatures": ["A", "B"]}}]});
    assert_eq!(signature("gemini-3-pro", &text), "B");
}

#[test]
fn media_goes_inline_or_by_url() {
    let rows = [
        (
            json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}),
            json!({"inlineData": {"mimeType": "image/png", "data": "QUJD"}}),
        ),
        (
            json!({"type": "image_url", "image_url": "https://h/a.JPG?x=1"}),
            json!({"fileData": {"mimeType": "image/jpeg", "fileUri": "https://h/a.JPG?x=1"}}),
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "gs://b/a", "format": "image/webp"}}),
            json!({"fileData": {"mimeType": "image/webp", "fileUri": "gs://b/a"}}),
        ),
        (
            json!({"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}}),
            json!({"inlineData": {"mimeType": "audio/wav", "data": "QQ=="}}),
        ),
        (
            json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,QQ=="}}),
            json!({"inlineData": {"mimeType": "application/pdf", "data": "QQ=="}}),
        ),
    ];
    for (part, want) in rows {
        let got =
            upstream("gemini-2.5-pro", &json!({"messages": [{"role": "user", "content": [part]}]})).unwrap();
        assert_eq!(got["contents"][0]["parts"][0], want);
    }
}

#[test]
fn tools_and_choices_are_translated() {
    let body = with_user(json!({
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "strict": true, "parameters": {
                "$schema": "s", "type": "object", "additionalProperties": false,
                "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]}}},
            {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}},
            {"googleSearch": {}},
        ],
        "parallel_tool_calls": true,
    }));
    let got = upstream("gemini-2.5-pro", &body).unwrap();
    assert_eq!(
        got["tools"],
        json!([
            {"functionDeclarations": [
                {"name": "f", "description": "d", "parameters": {
                    "type": "object", "properties": {"a": {"type": "string", "nullable": true}}, "required": ["a"]}},
                {"name": "g"},
            ]},
            {"googleSearch": {}},
        ])
    );
    for (choice, want) in [
        (json!("none"), json!({"mode": "NONE"})),
        (json!("auto"), json!({"mode": "AUTO"})),
        (json!("required"), json!({"mode": "ANY"})),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            json!({"mode": "ANY", "allowedFunctionNames": ["f"]}),
        ),
    ] {
        let got = upstream("gemini-2.5-pro", &with_user(json!({"tool_choice": choice}))).unwrap();
        assert_eq!(got["toolConfig"]["functionCallingConfig"], want);
    }
}

/// The field of a tool's parameters, and that of an answer's schema, which hold all that was asked for.
#[test]
fn schemas_that_the_subset_cannot_hold_are_json_schema() {
    let map = json!({"type": "object", "additionalProperties": {"type": "integer"}});
    let either = json!({"anyOf": [
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}]});
    let tool =
        |parameters: &Value| json!({"type": "function", "function": {"name": "f", "parameters": parameters}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": map}});
    let body = with_user(json!({"tools": [tool(&map), tool(&either)], "response_format": format}));
    let got = upstream("gemini-2.5-pro", &body).unwrap();
    let declared = &got["tools"][0]["functionDeclarations"];
    assert_eq!(declared[0], json!({"name": "f", "parametersJsonSchema": map}));
    let mut object = either;
    object["type"] = json!("object");
    assert_eq!(declared[1], json!({"name": "f", "parametersJsonSchema": object}));
    assert_eq!(
        got["generationConfig"],
        json!({"responseMimeType": "application/json", "responseJsonSchema": map})
    );
    let body = body.to_string();
    let input = RequestIn {
        dialect: Dialect::OpenAiChat,
        model: "gemini-1.5-pro",
        body: body.as_bytes(),
        ..RequestIn::default()
    };
    let old = gemini().request(&input).unwrap();
    assert_eq!(old.json()["tools"][0]["functionDeclarations"][0], json!({"name": "f"}));
    assert_eq!(old.dropped(), ["response_format.json_schema.schema", "tools.parameters"]);
}

#[test]
fn parameters_become_the_generation_config() {
    let all = json!({
        "temperature": 0.5, "top_p": 0.9, "top_k": 3, "max_tokens": 1, "max_completion_tokens": 9, "stop": "x", "n": 2,
        "seed": 1, "presence_penalty": 0.1, "frequency_penalty": 0.2, "logprobs": true, "top_logprobs": 2,
        "user": "u", "stream_options": {"include_usage": true}, "safety_settings": [{"category": "c"}], "tools": null,
    });
    let got = upstream("gemini-2.5-pro", &with_user(all)).unwrap();
    assert_eq!(
        got["generationConfig"],
        json!({
            "temperature": 0.5, "topP": 0.9, "topK": 3, "maxOutputTokens": 9, "stopSequences": ["x"], "candidateCount": 2,
            "seed": 1, "presencePenalty": 0.1, "frequencyPenalty": 0.2, "responseLogprobs": true, "logprobs": 2,
        })
    );
    assert_eq!(got["safetySettings"], json!([{"category": "c"}]));
    assert_eq!(got.as_object().unwrap().len(), 3, "{got}");
    let rows = [
        ("gemini-2.5-pro", json!({"stop": ["a", "b"]}), json!({"stopSequences": ["a", "b"]})),
        (
            "gemini-2.5-pro",
            json!({"response_format": {"type": "json_object"}}),
            json!({"responseMimeType": "application/json"}),
        ),
        (
            "gemini-2.5-pro",
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer", "$id": "x"}}}}),
            json!({"responseMimeType": "application/json", "responseSchema": {"type": "integer"}}),
        ),
        (
            "gemini-2.5-pro",
            json!({"reasoning_effort": "low"}),
            json!({"thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": true}}),
        ),
        (
            "gemini-2.5-pro",
            json!({"reasoning_effort": "none"}),
            json!({"thinkingConfig": {"thinkingBudget": 128, "includeThoughts": false}}),
        ),
        (
            "gemini-2.5-flash",
            json!({"reasoning_effort": "none"}),
            json!({"thinkingConfig": {"thinkingBudget": 0, "includeThoughts": false}}),
        ),
        (
            "gemini-2.5-pro",
            json!({"thinking": {"type": "disabled"}}),
            json!({"thinkingConfig": {"thinkingBudget": 128, "includeThoughts": false}}),
        ),
        (
            "gemini-2.5-flash",
            json!({"thinking": {"type": "enabled", "budget_tokens": 31999}}),
            json!({"thinkingConfig": {"thinkingBudget": 24576, "includeThoughts": true}}),
        ),
        (
            "gemini-2.5-flash-lite",
            json!({"thinking": {"type": "enabled", "budget_tokens": 64}}),
            json!({"thinkingConfig": {"thinkingBudget": 512, "includeThoughts": true}}),
        ),
        (
            "gemini-2.5-pro",
            json!({"thinkingConfig": {"thinkingBudget": 64}}),
            json!({"thinkingConfig": {"thinkingBudget": 64}}),
        ),
        (
            "gemini-3-pro",
            json!({"thinking": {"type": "disabled"}}),
            json!({"thinkingConfig": {"thinkingLevel": "low", "includeThoughts": false}}),
        ),
        (
            "gemini-3-flash",
            json!({"thinking": {"type": "disabled"}}),
            json!({"thinkingConfig": {"thinkingLevel": "minimal", "includeThoughts": false}}),
        ),
        (
            "gemini-3-pro",
            json!({"reasoning_effort": "medium"}),
            json!({"thinkingConfig": {"thinkingLevel": "high", "includeThoughts": true}}),
        ),
        (
            "gemini-3-flash",
            json!({"reasoning_effort": "none"}),
            json!({"thinkingConfig": {"thinkingLevel": "minimal", "includeThoughts": false}}),
        ),
        (
            "gemini-2.5-pro",
            json!({"thinking": {"type": "enabled", "budget_tokens": 64}}),
            json!({"thinkingConfig": {"thinkingBudget": 128, "includeThoughts": true}}),
        ),
        (
            "gemini-2.5-pro",
            json!({"modalities": ["text", "image"]}),
            json!({"responseModalities": ["TEXT", "IMAGE"]}),
        ),
    ];
    for (model, more, want) in rows {
        assert_eq!(upstream(model, &with_user(more.clone())).unwrap()["generationConfig"], want, "{more}");
    }
}

#[test]
fn what_cannot_be_said_to_gemini_is_refused_by_name() {
    let message = |message: Value| json!({"messages": [message]});
    let part = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
    let rows = [
        (json!([]), E_INVALID, "not a JSON object"),
        (json!({}), E_INVALID, "\"messages\""),
        (json!({"messages": []}), E_INVALID, "\"messages\""),
        (message(json!({"content": "x"})), E_INVALID, "messages[0]: a message needs a \"role\""),
        (message(json!({"role": "poet", "content": "x"})), E_INVALID, "\"poet\""),
        (message(json!({"role": "user", "content": 3})), E_INVALID, "\"content\""),
        (message(json!({"role": "tool", "tool_call_id": "z", "content": "x"})), E_INVALID, "\"z\""),
        (
            message(json!({"role": "assistant", "tool_calls": [{"id": "a", "function": {}}]})),
            E_INVALID,
            "messages[0].tool_calls[0]",
        ),
        (
            message(
                json!({"role": "system", "content": [{"type": "image_url", "image_url": "https://h/a.png"}]}),
            ),
            E_UNSUPPORTED,
            "only text",
        ),
        (part(json!({"type": "video"})), E_UNSUPPORTED, "\"video\""),
        (part(json!({"type": "image_url", "image_url": "https://h/a"})), E_UNSUPPORTED, "data URL"),
        (part(json!({"type": "image_url", "image_url": "data:image/png,raw"})), E_UNSUPPORTED, "base64"),
        (part(json!({"type": "image_url", "image_url": "file:///etc/passwd"})), E_INVALID, "must begin with"),
        (with_user(json!({"logit_bias": {"1": 2}})), E_UNSUPPORTED, "\"logit_bias\""),
        (with_user(json!({"tools": [{"type": "custom"}]})), E_UNSUPPORTED, "\"custom\""),
        (with_user(json!({"tool_choice": "perhaps"})), E_INVALID, "perhaps"),
        (with_user(json!({"stop": 3})), E_INVALID, "\"stop\""),
        (with_user(json!({"reasoning_effort": "much"})), E_INVALID, "\"reasoning_effort\""),
        (with_user(json!({"modalities": ["audio"]})), E_UNSUPPORTED, "audio"),
        (with_user(json!({"response_format": {"type": "json_schema"}})), E_INVALID, "json_schema"),
    ];
    for (body, status, why) in rows {
        let (got, said) = upstream("gemini-2.5-pro", &body).unwrap_err();
        assert_eq!(got, status, "{body}: {said}");
        assert!(said.contains(why), "{body}: {said}");
    }
}

#[test]
fn a_stream_has_one_answer_and_drop_params_drops() {
    let config = json!({"provider": "gemini", "model": "gemini-*", "params": {"drop_params": true}});
    let harness = Harness::new::<Gemini>(&config).unwrap();
    let ask = |stream, more: Value| {
        let body = with_user(more).to_string();
        let input = RequestIn {
            stream,
            dialect: Dialect::OpenAiChat,
            model: "gemini-x",
            body: body.as_bytes(),
            ..RequestIn::default()
        };
        harness.request(&input).map(|sent| sent.json())
    };
    assert_eq!(ask(true, json!({"n": 2})).unwrap(), ask(true, json!({})).unwrap());
    assert_eq!(ask(true, json!({"logit_bias": {"1": 2}})).unwrap(), ask(true, json!({})).unwrap());
    let refused = |stream, more: Value| {
        let body = with_user(more).to_string();
        let input = RequestIn {
            stream,
            dialect: Dialect::OpenAiChat,
            model: "gemini-x",
            body: body.as_bytes(),
            ..RequestIn::default()
        };
        gemini().request(&input).err().map(|refused| refused.status)
    };
    assert_eq!(refused(true, json!({"n": 2})), Some(E_UNSUPPORTED));
    assert_eq!((refused(false, json!({"n": 2})), refused(true, json!({"n": 1}))), (None, None));
}

#[test]
fn what_is_left_out_is_named() {
    let sent = |more: Value| {
        let body = with_user(more).to_string();
        let input = RequestIn {
            dialect: Dialect::OpenAiChat,
            model: "gemini-x",
            body: body.as_bytes(),
            ..RequestIn::default()
        };
        gemini().request(&input)
    };
    let tool = json!({"type": "function", "function": {"name": "f", "strict": true}, "cache_control": {"type": "ephemeral"}});
    let asked = json!({"user": "u", "store": true, "metadata": {"a": "b"}, "prompt_cache_key": "k", "verbosity": "low",
        "tools": [tool], "parallel_tool_calls": false, "web_search_options": {"search_context_size": "low"}});
    let made = sent(asked).unwrap();
    let lost = made.dropped();
    for name in [
        "user",
        "store",
        "metadata",
        "prompt_cache_key",
        "verbosity",
        "parallel_tool_calls",
        "cache_control",
        "tools.strict",
        "web_search_options.search_context_size",
    ] {
        assert!(lost.contains(&name), "{name}: {lost:?}");
    }
    assert_eq!(lost.len(), 9, "{lost:?}");
    let several = sent(json!({"tools": [tool, tool], "parallel_tool_calls": false})).unwrap_err();
    assert!(several.status == E_UNSUPPORTED && several.why.contains("parallel_tool_calls"), "{several:?}");
    let tier = |tier: &str| {
        let sent = sent(json!({"service_tier": tier})).unwrap();
        (sent.json()["serviceTier"].clone(), sent.dropped().len())
    };
    assert_eq!((tier("flex"), tier("priority")), ((json!("flex"), 0), (json!("priority"), 0)));
    assert_eq!(
        (tier("auto"), tier("default"), tier("scale")),
        ((Value::Null, 0), (Value::Null, 0), (Value::Null, 1))
    );
    assert!(sent(json!({})).unwrap().dropped().is_empty());
}

#[test]
fn a_gemini_body_passes_byte_for_byte() {
    let body = r#"{ "contents":[{"role":"model","parts":[{"text":"a","thoughtSignature":"x"}]}],"ofTomorrow" : 1.0 }"#;
    let ask = |body: &'static str, stream| {
        let input = RequestIn {
            stream,
            dialect: Dialect::GeminiGenerate,
            model: "gemini-3-pro",
            body: body.as_bytes(),
            ..RequestIn::default()
        };
        gemini().request(&input).unwrap()
    };
    let sent = ask(body, true);
    assert_eq!(sent.body, body.as_bytes());
    assert_eq!(
        sent.url,
        "https://generativelanguage.googleapis.com/v1alpha/models/gemini-3-pro:streamGenerateContent?alt=sse"
    );
    assert_eq!((sent.dialect, sent.framing), (Some(Dialect::GeminiGenerate), Some(Framing::Auto)));
    let named = ask(r#"{"model":"models/mine", "contents":[{"model":"x"}]}"#, false);
    assert_eq!(named.body, br#"{"model":"models/gemini-3-pro", "contents":[{"model":"x"}]}"#);
    assert!(named.url.ends_with("gemini-3-pro:generateContent"), "{}", named.url);
}

#[test]
fn what_failed_and_what_a_tool_shows_reach_the_model() {
    let body = json!({"messages": [
        {"role": "user", "content": "look"},
        {"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "see", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "see", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "a", "content": "no camera", "is_error": true},
        {"role": "tool", "tool_call_id": "b", "content": [
            {"type": "text", "text": "a cat"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ]},
    ]});
    let image = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let failed = json!({"functionResponse": {"name": "see", "response": {"error": "no camera"}, "id": "a"}});
    let mut seen = json!({"functionResponse": {"name": "see", "response": {"content": "a cat"}, "id": "b"}});
    let results = |model| upstream(model, &body).unwrap()["contents"][2]["parts"].clone();
    assert_eq!(results("gemini-2.5-pro"), json!([failed, seen, image]));
    seen["functionResponse"]["parts"] = json!([image]);
    assert_eq!(results("gemini-3-pro"), json!([failed, seen]));
}

#[test]
fn schemas_keep_the_clients_order() {
    gemini().keeps_order("gemini-2.5-pro").unwrap();
    gemini().keeps_order("gemini-3-pro").unwrap();
}

#[test]
fn a_members_name_is_no_header() {
    let config = json!({"provider": "gemini", "model": "gemini-*", "params": {"drop_params": true}});
    let harness = Harness::new::<Gemini>(&config).unwrap();
    let long = "y".repeat(5000);
    let body = with_user(json!({"a\r\nx: é": 1, long: 2})).to_string();
    let input = RequestIn {
        dialect: Dialect::OpenAiChat,
        model: "gemini-x",
        body: body.as_bytes(),
        ..RequestIn::default()
    };
    let sent = harness.request(&input).unwrap();
    assert_eq!(sent.dropped()[0], "a__x:__");
    assert!(sent.dropped()[1].len() < 100);
}
