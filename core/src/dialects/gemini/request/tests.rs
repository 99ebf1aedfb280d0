use serde_json::{Map, Value, json};

use super::*;
use crate::dialects::Dialect;

fn route(stream: bool) -> Route {
    Route {
        dialect: Dialect::GeminiGenerate,
        model: Some("g/m\"x".into()),
        stream: Some(stream),
        array: false,
    }
}

fn read(text: &str) -> Result<Request, String> {
    decode(&route(true), Bytes::copy_from_slice(text.as_bytes()))
}

fn chat_of(body: &Value, dropping: bool) -> Result<(Value, Vec<String>), String> {
    let request = decode(&route(false), body.to_string().into())?;
    let chat = to_chat(&request, dropping)?;
    assert_eq!(&chat.body[chat.model_at.clone()], json!("g/m\"x").to_string().as_bytes());
    let mut value: Value = serde_json::from_slice(&chat.body).expect("JSON");
    assert_eq!(value.as_object_mut().and_then(|body| body.remove("model")), Some(json!("g/m\"x")));
    Ok((value, chat.dropped))
}

/// The chat body without its model.
fn chat(body: &Value) -> Value {
    chat_of(body, false).expect("it crosses").0
}

#[test]
fn a_request_is_read_and_stays_as_it_came() {
    let text = r#"{"contents":[{"parts":[{"text":"é"}]}],"generation_config":{"candidate_count":2},"x":1}"#;
    let request = read(text).expect("valid");
    assert_eq!((request.model.as_str(), request.body.as_ref()), ("g/m\"x", text.as_bytes()));
    assert!(request.stream && request.include_usage && request.several && request.options.is_none());
    assert!(!read(r#"{"contents":[{}],"generationConfig":{"candidateCount":1}}"#).expect("valid").several);

    let request = read(r#"{"contents":[{}], "num_retries":3,"fallbacks":["b"]}"#).expect("valid");
    assert_eq!(request.body, r#"{"contents":[{}]}"#);
    assert_eq!(request.options.expect("some").num_retries, Some(3));
}

#[test]
fn what_is_wrong_with_it_is_said() {
    for (text, words) in [
        ("", "not valid JSON"),
        ("[]", "not a JSON object"),
        ("{}", "no \"contents\""),
        (r#"{"contents":[]}"#, "no \"contents\""),
        (r#"{"contents":[1]} x"#, "not valid JSON"),
        (r#"{"contents":[1],"num_retries":"many"}"#, "\"num_retries\" must be"),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.contains(words), "{text}: {error}");
    }
    assert!(read("{\"contents\":[\"\u{1}\"]}").is_err());
    let route = Route { model: None, ..route(true) };
    assert!(decode(&route, r#"{"contents":[{}]}"#.into()).is_err());
    assert!(
        decode_count(&self::route(false), r#"{"generateContentRequest":{"contents":[]}}"#.into()).is_ok()
    );
    assert!(decode_count(&self::route(false), "{}".into()).is_err());
}

#[test]
fn a_conversation_with_tools_becomes_messages() {
    let body = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Weather in Ulm and Bonn?"}]},
            {"role": "model", "parts": [{"text": "hm", "thought": true}, {"text": "I look."}]},
            {"role": "model", "parts": [
                {"functionCall": {"name": "weather", "args": {"city": "Ulm"}}, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "own", "name": "weather", "args": {"city": "Bonn"}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "own", "name": "weather", "response": {"output": "rain"}}},
                {"functionResponse": {"name": "weather", "response": {"error": "no such city"}}},
                {"text": "And?"},
            ]},
        ],
    });
    assert_eq!(
        chat(&body)["messages"],
        json!([
            {"role": "system", "content": "Be brief.\nBe kind."},
            {"role": "user", "content": "Weather in Ulm and Bonn?"},
            {"role": "assistant", "content": "I look.", "reasoning_content": "hm", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Ulm\"}"},
                 "extra_content": {"google": {"thought_signature": "c2ln"}},
                 "provider_specific_fields": {"thought_signature": "c2ln"}},
                {"id": "own", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Bonn\"}"}},
            ]},
            {"role": "tool", "tool_call_id": "own", "content": "rain"},
            {"role": "tool", "tool_call_id": "call_1", "content": "no such city", "is_error": true},
            {"role": "user", "content": "And?"},
        ])
    );
}

#[test]
fn a_result_without_a_call_is_refused() {
    let body = json!({"contents": [
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
    ]});
    let error = chat_of(&body, true).expect_err("no call");
    assert!(error.starts_with("contents[0].parts[0]: the functionResponse \"f\" answers no"), "{error}");
}

#[test]
fn thoughts_of_another_provider_come_back_as_they_were() {
    use crate::dialects::gemini::signature::{Foreign, wrap};
    let signed = wrap(&Foreign::Signature("Eq+/".into()));
    let hidden = wrap(&Foreign::Redacted("xyz".into()));
    let body = json!({"contents": [
        {"role": "user", "parts": [{"text": "a"}]},
        {"role": "model", "parts": [{"thought": true, "text": "one "}, {"thought": true, "text": "two"}]},
        {"role": "model", "parts": [
            {"thought": true, "text": "", "thoughtSignature": signed.replace('+', "-").replace('/', "_")},
            {"thought": true, "text": "", "thoughtSignature": hidden},
            {"text": "b", "thoughtSignature": "Z29vZ2xl"},
        ]},
    ]});
    assert_eq!(
        chat(&body)["messages"][1],
        json!({"role": "assistant", "content": "b", "reasoning_content": "one two",
            "thinking_blocks": [
                {"type": "thinking", "thinking": "one two", "signature": "Eq+/"},
                {"type": "redacted_thinking", "data": "xyz"},
            ],
            "provider_specific_fields": {"thought_signatures": ["Z29vZ2xl"]}})
    );
}

#[test]
fn media_becomes_parts() {
    let body = json!({"contents": {"parts": [
        {"text": "see"},
        {"inline_data": {"mime_type": "image/png", "data": "a-_b"}},
        {"inlineData": {"mimeType": "audio/mpeg", "data": "AA=="}},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBE", "displayName": "a.pdf"}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://h.test/a"}},
    ]}});
    assert_eq!(
        chat(&body)["messages"][0]["content"],
        json!([
            {"type": "text", "text": "see"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,a+/b"}},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
            {"type": "image_url", "image_url": {"url": "https://h.test/a"}},
        ])
    );
}

#[test]
fn parameters_take_their_places() {
    let body = json!({
        "contents": [{"parts": [{"text": "a"}]}],
        "safetySettings": [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}],
        "generationConfig": {
            "temperature": 0.5, "topP": 0.9, "top_k": 40, "candidateCount": 1, "maxOutputTokens": 2000,
            "stopSequences": ["x"], "seed": 7, "presencePenalty": 0.1, "frequencyPenalty": 0.2,
            "responseLogprobs": true, "logprobs": 3, "thinkingConfig": {"includeThoughts": true, "thinkingBudget": 1024},
            "responseMimeType": "application/json", "responseModalities": ["TEXT"],
            "responseSchema": {"type": "OBJECT", "title": "My list", "propertyOrdering": ["a"], "properties": {
                "a": {"type": "ARRAY", "items": {"type": "STRING", "nullable": true, "enum": ["x"], "format": "enum"}, "minItems": "2"},
                "any_of": {"anyOf": [{"type": "INTEGER"}, {"type": "NUMBER"}]},
            }, "required": ["a"]},
        },
        "tools": [{"functionDeclarations": [
            {"name": "f", "description": "d", "parameters": {"type": "OBJECT", "properties": {}}},
            {"name": "g", "parametersJsonSchema": {"type": "object", "additionalProperties": false}},
        ]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}},
    });
    let mut got = chat(&body);
    got.as_object_mut().expect("object").remove("messages");
    assert_eq!(
        got,
        json!({
            "temperature": 0.5, "top_p": 0.9, "top_k": 40, "n": 1, "max_completion_tokens": 2000, "stop": ["x"], "seed": 7,
            "presence_penalty": 0.1, "frequency_penalty": 0.2, "logprobs": true, "top_logprobs": 3,
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "response_format": {"type": "json_schema", "json_schema": {"name": "My_list", "schema": {
                "type": "object", "title": "My list", "required": ["a"], "properties": {
                    "a": {"type": "array", "minItems": 2, "items": {"type": ["string", "null"], "enum": ["x", null]}},
                    "any_of": {"anyOf": [{"type": "integer"}, {"type": "number"}]},
                },
            }}},
            "tools": [{"type": "function", "function": {"name": "g", "parameters": {"type": "object", "additionalProperties": false}}}],
            "tool_choice": {"type": "function", "function": {"name": "g"}},
        })
    );
    let stream = to_chat(&read(r#"{"contents":[{"parts":[{"text":"a"}]}]}"#).expect("valid"), false)
        .expect("it crosses");
    let stream: Value = serde_json::from_slice(&stream.body).expect("JSON");
    assert_eq!(
        (&stream["stream"], &stream["stream_options"]),
        (&json!(true), &json!({"include_usage": true}))
    );
}

/// Anthropic's rules for a budget are none of Gemini's.
#[test]
fn a_budget_of_thought_has_room() {
    for (budget, limit, want) in [
        (json!(512), Value::Null, json!(1024)),
        (json!(512), json!(100), Value::Null),
        (json!(8000), json!(1024), Value::Null),
        (json!(8000), json!(3000), json!(2999)),
        (json!(8000), json!(9000), json!(8000)),
    ] {
        let mut config = json!({"thinkingConfig": {"thinkingBudget": budget}});
        if !limit.is_null() {
            config["maxOutputTokens"] = limit.clone();
        }
        let body = json!({"contents": [{"parts": [{"text": "a"}]}], "generationConfig": config});
        let (made, dropped) = chat_of(&body, false).expect("it crosses");
        assert_eq!(made["thinking"]["budget_tokens"], want, "{budget} {limit}");
        let lost = dropped == ["generationConfig.thinkingConfig.thinkingBudget"];
        assert_eq!((lost, made.get("thinking").is_none()), (want.is_null(), want.is_null()), "{dropped:?}");
    }
}

#[test]
fn what_cannot_cross_is_named_or_dropped() {
    let parts = |part: Value| json!({"contents": [{"parts": [{"text": "a"}, part]}]});
    let with = |name: &str, value: Value| {
        let mut body = json!({"contents": [{"parts": [{"text": "a"}]}]});
        body[name] = value;
        body
    };
    for (body, named) in [
        (with("cachedContent", json!("cachedContents/1")), "\"cachedContent\""),
        (with("ofTomorrow", json!(1)), "\"ofTomorrow\""),
        (with("tools", json!([{"googleSearch": {}}])), "tools[0].googleSearch"),
        (with("tools", json!([{"code_execution": {}}])), "tools[0].codeExecution"),
        (with("toolConfig", json!({"retrievalConfig": {}})), "\"toolConfig.retrievalConfig\""),
        (with("safetySettings", json!([{"threshold": "BLOCK_LOW_AND_ABOVE"}])), "\"safetySettings\""),
        (with("generationConfig", json!({"speechConfig": {}})), "\"generationConfig.speechConfig\""),
        (
            with("generationConfig", json!({"responseModalities": ["AUDIO"]})),
            "responseModalities\" \"AUDIO\"",
        ),
        (
            with("generationConfig", json!({"responseMimeType": "text/x.enum"})),
            "responseMimeType\" \"text/x.enum\"",
        ),
        (
            parts(json!({"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/v"}})),
            "contents[0].parts[1].fileData",
        ),
        (
            parts(json!({"inlineData": {"mimeType": "video/mp4", "data": "AA"}})),
            "contents[0].parts[1].inlineData",
        ),
        (parts(json!({"text": "v", "videoMetadata": {"fps": 1}})), "contents[0].parts[1].videoMetadata"),
    ] {
        let error = chat_of(&body, false).expect_err(named);
        assert!(error.contains(named) && error.contains("drop_params"), "{named}: {error}");
        let (kept, dropped) = chat_of(&body, true).expect(named);
        assert!(dropped.len() == 1 && dropped[0].contains(named), "{named}: {dropped:?}");
        assert_eq!(kept["messages"][0]["role"], "user");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let calling = |config: Value| {
        json!({"contents": [{"parts": [{"text": "a"}]}], "tools": [{"functionDeclarations": [{"name": "f"}]}],
            "toolConfig": {"functionCallingConfig": config}})
    };
    for (body, words) in [
        (json!({"contents": ["a"]}), "contents[0] must be an object"),
        (json!({"contents": [{"role": "system", "parts": []}]}), "the role \"system\""),
        (json!({"contents": [{"parts": []}]}), "holds nothing to send"),
        (json!({"contents": [{"parts": [{"text": 7}]}]}), "contents[0].parts[0]: \"text\" must be"),
        (json!({"contents": [{"parts": [{"inlineData": {"data": "AA"}}]}]}), "needs \"mimeType\""),
        (json!({"contents": [{"role": "model", "parts": [{"functionCall": {}}]}]}), "has no \"name\""),
        (calling(json!({"mode": "SOME"})), "there are AUTO, ANY, NONE"),
        (
            calling(json!({"mode": "ANY", "allowedFunctionNames": ["g"]})),
            "names \"g\", which is not declared",
        ),
        (
            json!({"contents": [{"parts": [{"text": "a"}]}], "generationConfig": {"thinkingConfig": {"thinkingBudget": -7}}}),
            "thinkingBudget\" is -7",
        ),
    ] {
        let error = chat_of(&body, true).expect_err(words);
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn defaults_never_take_the_clients_place() {
    let add = |body: Value, defaults: Value| {
        let (Value::Object(mut body), Value::Object(defaults)) = (body, defaults) else { panic!("objects") };
        add_defaults(&mut body, &defaults);
        Value::Object(body)
    };
    let defaults = json!({"temperature": 0.1, "max_tokens": 5, "stop": "x", "reasoning_effort": "low", "labels": {"a": "b"},
        "safety_settings": [], "nothing_of_geminis": 1, "top_p": null});
    assert_eq!(
        add(
            json!({"contents": [], "generation_config": {"temperature": 0.9, "max_output_tokens": 7}}),
            defaults.clone()
        ),
        json!({"contents": [], "labels": {"a": "b"}, "safetySettings": [], "generation_config": {
            "temperature": 0.9, "max_output_tokens": 7, "stopSequences": ["x"],
            "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": true}}})
    );
    assert_eq!(
        add(json!({"safety_settings": [1], "generationConfig": null}), defaults),
        json!({"safety_settings": [1], "labels": {"a": "b"}, "generationConfig": {"temperature": 0.1, "maxOutputTokens": 5,
            "stopSequences": ["x"], "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": true}}})
    );
    assert_eq!(add(json!({}), Value::Object(Map::new())), json!({}));
}

#[test]
fn tiers_cross_and_labels_are_left_out() {
    let with = |name: &str, value: Value| {
        chat_of(&json!({"contents": [{"parts": [{"text": "a"}]}], name: value}), false).expect("it crosses")
    };
    assert_eq!(with("serviceTier", json!("FLEX")).0["service_tier"], "flex");
    assert_eq!(with("service_tier", json!("standard")), with("serviceTier", json!("")));
    assert_eq!(
        (with("serviceTier", json!("new")).1, with("labels", json!({"a": "b"})).1),
        (vec!["serviceTier".to_owned()], vec!["labels".to_owned()])
    );
}

#[test]
fn a_renamed_parameter_is_told_by_its_own_name() {
    for (own, chat) in super::generation::RENAMED {
        assert_eq!(super::own_name(chat), Some(format!("generationConfig.{own}")).as_deref());
    }
    assert_eq!(super::own_name("user"), None);
}
