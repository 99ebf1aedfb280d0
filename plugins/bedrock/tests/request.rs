//! OpenAI requests as Converse requests.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{CLAUDE, E_INVALID, E_UNSUPPORTED, LLAMA, NOVA, bedrock, created, sent, upstream, with};
use serde_json::{Value, json};
use tidegate_plugin_sdk::harness::{Harness, SentAuth};

fn messages(list: Value) -> Result<Value, (i32, String)> {
    upstream(CLAUDE, &json!({"messages": list}))
}

#[track_caller]
fn refused(got: Result<Value, (i32, String)>, status: i32, words: &str) {
    let (got, why) = got.unwrap_err();
    assert_eq!(got, status, "{why}");
    assert!(why.contains(words), "{why}");
}

#[test]
fn a_call_is_signed_for_its_region_and_goes_to_its_url() {
    let body = json!({"messages": [{"role": "user", "content": "x"}], "stream": true});
    for (stream, call) in [(true, "converse-stream"), (false, "converse")] {
        let sent = sent(&bedrock(), CLAUDE, stream, &body).unwrap();
        let host = "https://bedrock-runtime.us-east-1.amazonaws.com";
        assert_eq!(sent.url, format!("{host}/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/{call}"));
        let auth = sent.auth.clone().unwrap();
        assert_eq!((auth.scope.as_str(), auth.region.as_str()), ("bedrock", "us-east-1"));
        assert_eq!(sent.json(), json!({"messages": [{"role": "user", "content": [{"text": "x"}]}]}));
    }
    // An ARN is of one region, whatever the deployment's is.
    let arn = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0";
    let sent = sent(&bedrock(), arn, false, &body).unwrap();
    assert!(
        sent.url.starts_with("https://bedrock-runtime.eu-west-1.amazonaws.com/model/arn%3Aaws%3Abedrock"),
        "{}",
        sent.url
    );
    assert!(sent.url.ends_with("%2Feu.amazon.nova-lite-v1%3A0/converse"), "{}", sent.url);
    assert_eq!(sent.auth.unwrap().region, "eu-west-1");
}

fn auth(harness: &Harness) -> SentAuth {
    let body = json!({"messages": [{"role": "user", "content": "x"}]});
    sent(harness, CLAUDE, false, &body).unwrap().auth.unwrap()
}

#[test]
fn a_key_of_bedrocks_own_is_a_bearer_unless_the_deployment_has_awss() {
    const BEARER: u32 = 1;
    const SIGNED: u32 = 4;
    let region = json!({"aws_region_name": "us-east-1"});
    for (params, secrets, scheme) in [
        (region.clone(), &["api_key"][..], BEARER),
        (region.clone(), &["api_key", "aws_access_key_id", "aws_secret_access_key"], SIGNED),
        (json!({"aws_region_name": "us-east-1", "aws_profile_name": "p"}), &["api_key"], SIGNED),
        (region, &[], SIGNED),
    ] {
        assert_eq!(auth(&created(params, secrets).unwrap()).scheme, scheme, "{secrets:?}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_before_serving() {
    for (params, why) in [
        (json!({}), "no AWS region"),
        (json!({"aws_region_name": "us-east-1", "model": "invoke/x.y"}), "only Converse"),
        (
            json!({"aws_region_name": "us-east-1", "aws_role_name": "arn:aws:iam::1:role/r"}),
            "roles are not supported yet",
        ),
        (
            json!({"aws_region_name": "us-east-1", "aws_bedrock_runtime_endpoint": "h"}),
            "must begin with http",
        ),
    ] {
        let refused = created(params.clone(), &[]).unwrap_err();
        assert!(refused.why.contains(why), "{params}: {}", refused.why);
    }
    assert!(created(json!({"model": "us-west-2/x.y"}), &[]).is_ok());
    assert!(
        created(json!({"model": "*"}), &[]).is_ok(),
        "it learns its model, and the region with it, later"
    );
}

#[test]
fn roles_are_system_and_alternating_messages() {
    let sent = messages(json!([
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "And kind."}]},
        {"role": "user", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "  "}]},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": ""},
        {"role": "assistant", "content": null},
        {"role": "user", "content": "d"},
    ]))
    .unwrap();
    assert_eq!(sent["system"], json!([{"text": "Be brief."}, {"text": "And kind."}]));
    assert_eq!(
        sent["messages"],
        json!([
            {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
            {"role": "assistant", "content": [{"text": "c"}]},
            {"role": "user", "content": [{"text": "d"}]},
        ])
    );
    let alone = messages(json!([{"role": "system", "content": "x"}])).unwrap();
    assert_eq!(alone, json!({"messages": [{"role": "user", "content": [{"text": "x"}]}]}));
    refused(messages(json!([])), E_INVALID, "nothing to send");
    refused(messages(json!([{"role": "user", "content": " "}])), E_INVALID, "nothing to send");
    refused(messages(json!([{"role": "narrator", "content": "x"}])), E_INVALID, "narrator");
    refused(messages(json!([{"role": "user", "content": 7}])), E_INVALID, "messages[0]");
}

#[test]
fn calls_and_results_are_matched_by_ids_that_bedrock_takes() {
    let long = format!("call|{}", "x".repeat(80));
    let sent = messages(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
            {"id": long, "type": "function", "function": {"name": "g", "arguments": ""}},
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "06:12", "is_error": true},
        {"role": "tool", "tool_call_id": long, "content": [
            {"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}},
        ]},
        {"role": "user", "content": "and?"},
    ]))
    .unwrap();
    let calls = &sent["messages"][1]["content"];
    assert_eq!(calls[0]["toolUse"], json!({"toolUseId": "call_1", "name": "f", "input": {"a": 1}}));
    let results = &sent["messages"][2]["content"];
    assert_eq!(
        results[0]["toolResult"],
        json!({"toolUseId": "call_1", "content": [{"text": "06:12"}], "status": "error"})
    );
    assert_eq!(results[1]["toolResult"]["content"][1]["image"]["format"], "png");
    assert_eq!(results[2], json!({"text": "and?"}));
    let id = calls[1]["toolUse"]["toolUseId"].as_str().unwrap();
    assert_eq!((id.len(), &results[1]["toolResult"]["toolUseId"]), (64, &json!(id)));
    for (message, words) in [
        (json!({"role": "tool", "content": "x"}), "tool_call_id"),
        (json!({"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}), "\"id\""),
    ] {
        refused(messages(json!([message])), E_INVALID, words);
    }
    refused(messages(json!([{"role": "function", "name": "f", "content": "x"}])), E_UNSUPPORTED, "role tool");
}

#[test]
fn arguments_that_are_no_object_do_not_refuse_the_request() {
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"cut"}});
    let sent = messages(json!([{"role": "assistant", "tool_calls": [call]}])).unwrap();
    let made = &sent["messages"][0]["content"][0]["toolUse"]["input"];
    assert_eq!(made, &json!({"INVALID_JSON": "{\"cut"}));
}

#[test]
fn media_go_as_bytes_or_by_s3() {
    let one = |part: Value| messages(json!([{"role": "user", "content": [part]}]));
    let block = |part: Value| one(part).unwrap()["messages"][0]["content"][0].clone();
    let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    let file =
        |data: &str, name: Value| json!({"type": "file", "file": {"file_data": data, "filename": name}});
    for (part, want) in [
        (
            image("data:image/jpeg;base64,QQ=="),
            json!({"image": {"format": "jpeg", "source": {"bytes": "QQ=="}}}),
        ),
        (
            image("data:image/jpg;x=y;base64,QQ=="),
            json!({"image": {"format": "jpeg", "source": {"bytes": "QQ=="}}}),
        ),
        (
            image("s3://b/k.webp"),
            json!({"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://b/k.webp"}}}}),
        ),
        (
            file("data:application/pdf;base64,QQ==", json!("a_b (1).pdf")),
            json!({"document": {"format": "pdf", "name": "a b (1)", "source": {"bytes": "QQ=="}}}),
        ),
        (
            file("data:text/plain;base64,QQ==", Value::Null),
            json!({"document": {"format": "txt", "name": "messages[0] content[0]", "source": {"bytes": "QQ=="}}}),
        ),
        (
            file("data:video/mp4;base64,QQ==", Value::Null),
            json!({"video": {"format": "mp4", "source": {"bytes": "QQ=="}}}),
        ),
        (
            json!({"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}}),
            json!({"audio": {"format": "wav", "source": {"bytes": "QQ=="}}}),
        ),
    ] {
        assert_eq!(block(part.clone()), want, "{part}");
    }
    refused(one(image("https://example.com/a.png")), E_UNSUPPORTED, "fetches nothing from the web");
    refused(one(image("data:image/bmp;base64,QQ==")), E_UNSUPPORTED, "image/bmp");
    refused(one(image("data:image/png,QQ")), E_UNSUPPORTED, "base64");
    refused(one(image("data:image/png")), E_INVALID, "no data");
    refused(one(json!({"type": "file", "file": {"file_id": "file-1"}})), E_UNSUPPORTED, "file ids");
    refused(one(json!({"type": "hologram"})), E_UNSUPPORTED, "hologram");
}

#[test]
fn no_two_documents_have_one_name() {
    let file = |name: &str| json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,QQ==", "filename": name}});
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let sent = messages(json!([
        {"role": "user", "content": [file("a.pdf"), file("b.pdf"), file("a.pdf"), file("a 2.pdf"), file("??.pdf"), file("!.pdf")]},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": [file("a.pdf"), file("c.pdf")]},
        {"role": "user", "content": [file(&format!("{}.pdf", "x".repeat(300))), file(&format!("{}.pdf", "x".repeat(300)))]},
    ]))
    .unwrap();
    let mut names = Vec::new();
    let mut see = |block: &Value| names.extend(block["document"]["name"].as_str().map(str::to_owned));
    for block in
        sent["messages"].as_array().unwrap().iter().flat_map(|message| message["content"].as_array().unwrap())
    {
        see(block);
        block["toolResult"]["content"].as_array().into_iter().flatten().for_each(&mut see);
    }
    let (short, long) = names.split_at(8);
    assert_eq!(short, ["a", "b", "a 2", "a 2 2", "document", "document 2", "a 3", "c"]);
    assert!(long[0] != long[1] && long.iter().all(|name| name.len() <= 200), "{long:?}");
}

#[test]
fn thoughts_go_back_with_their_signature_alone() {
    let assistant = |message: Value| {
        let sent = messages(json!([{"role": "user", "content": "x"}, message])).unwrap();
        sent["messages"][1]["content"].clone()
    };
    let streamed = json!({
        "role": "assistant", "content": "b", "reasoning_content": "a",
        "thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "S"}],
    });
    assert_eq!(
        assistant(streamed),
        json!([{"reasoningContent": {"reasoningText": {"text": "a", "signature": "S"}}}, {"text": "b"}])
    );
    let unsigned = json!({"role": "assistant", "content": "b", "reasoning_content": "a", "thinking_blocks": [{"type": "thinking", "thinking": "a"}]});
    assert_eq!(assistant(unsigned), json!([{"text": "b"}]));
    let openais = json!({"role": "assistant", "content": "b", "thinking_blocks": [
        {"type": "thinking", "thinking": "a", "signature": "responses.1:{}"}, {"type": "redacted_thinking", "data": "responses.1:{}"},
    ]});
    assert_eq!(assistant(openais), json!([{"text": "b"}]));
}

#[test]
fn cache_points_stand_where_the_client_put_them_for_models_that_know_them() {
    let marked = json!({"type": "ephemeral"});
    let body = json!({
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": marked}]},
            {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": "c", "cache_control": marked},
        ],
        "tools": [{"type": "function", "function": {"name": "f"}, "cache_control": marked}],
    });
    let point = json!({"cachePoint": {"type": "default"}});
    let sent = upstream(CLAUDE, &body).unwrap();
    assert_eq!(sent["system"], json!([{"text": "s"}, point]));
    assert_eq!(
        sent["messages"][0]["content"],
        json!([{"text": "a"}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "b"}])
    );
    assert_eq!(sent["messages"][1]["content"], json!([{"text": "c"}, point]));
    assert_eq!(sent["toolConfig"]["tools"][1], point);
    let other = upstream(LLAMA, &body).unwrap().to_string();
    assert!(!other.contains("cachePoint"), "{other}");
}

#[test]
fn sampling_is_inference_config() {
    assert_eq!(
        with(CLAUDE, json!({"temperature": 0.5, "top_p": 0.9, "max_tokens": 1, "max_completion_tokens": 64, "stop": "a", "n": 1, "logprobs": false, "presence_penalty": 0, "parallel_tool_calls": false, "user": "u", "metadata": {}}))
            .unwrap(),
        json!({"inferenceConfig": {"temperature": 0.5, "topP": 0.9, "maxTokens": 64, "stopSequences": ["a"]}})
    );
    assert_eq!(with(CLAUDE, json!({"stop": [], "temperature": null})).unwrap(), json!({}));
    refused(with(CLAUDE, json!({"stop": 7})), E_INVALID, "\"stop\"");
    for (name, value) in [
        ("n", json!(2)),
        ("seed", json!(7)),
        ("logprobs", json!(true)),
        ("logit_bias", json!({"1": 2})),
        ("presence_penalty", json!(0.5)),
        ("x_unknown", json!({})),
    ] {
        refused(with(CLAUDE, json!({name: value})), E_UNSUPPORTED, name);
    }
    let dropping = created(json!({"aws_region_name": "us-east-1", "drop_params": true}), &[]).unwrap();
    let body = json!({"messages": [{"role": "user", "content": "x"}], "seed": 7, "n": 2});
    let sent = sent(&dropping, CLAUDE, false, &body).unwrap();
    assert_eq!(sent.json(), json!({"messages": [{"role": "user", "content": [{"text": "x"}]}]}));
    assert_eq!(sent.dropped(), ["seed", "n"]);
}

#[test]
fn what_is_left_out_is_named() {
    let mark = json!({"type": "ephemeral"});
    let body = json!({
        "messages": [{"role": "user", "name": "ann", "content": "x", "cache_control": mark}],
        "user": "u", "metadata": {"a": "b"}, "service_tier": "gold", "store": false,
        "tools": [{"type": "function", "function": {"name": "f", "strict": true}}], "parallel_tool_calls": false,
    });
    let lost = |model: &str| {
        let sent = sent(&bedrock(), model, false, &body).unwrap();
        sent.dropped().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let always = ["messages.name", "tools.strict", "user", "metadata"];
    assert_eq!(lost(CLAUDE), [&["service_tier"][..], &always].concat());
    assert_eq!(lost(NOVA), [&["service_tier", "parallel_tool_calls"][..], &always].concat());
    let mut uncached = [&["service_tier", "parallel_tool_calls", "cache_control"][..], &always].concat();
    assert_eq!(lost(LLAMA), uncached);
    uncached.clear();
    let plain = json!({"messages": [{"role": "user", "content": "x"}], "n": 1, "stream_options": {"a": 1}});
    assert_eq!(sent(&bedrock(), LLAMA, false, &plain).unwrap().dropped(), uncached);
}

#[test]
fn claude_is_told_to_call_one_tool_at_a_time_and_others_cannot_be() {
    let asked = |model: &str, choice: Value| {
        let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
        let mut params = json!({"tools": [tool("f"), tool("g")], "parallel_tool_calls": false});
        params["tool_choice"] = choice;
        with(model, params).map(|out| out["additionalModelRequestFields"]["tool_choice"].clone())
    };
    for (choice, want) in [
        (json!(null), json!({"type": "auto", "disable_parallel_tool_use": true})),
        (json!("required"), json!({"type": "any", "disable_parallel_tool_use": true})),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            json!({"type": "tool", "name": "f", "disable_parallel_tool_use": true}),
        ),
        (json!("none"), Value::Null),
    ] {
        assert_eq!(asked(CLAUDE, choice.clone()), Ok(want), "{choice}");
    }
    for model in [NOVA, LLAMA, "anthropic.claude-3-7-sonnet-20250219-v1:0"] {
        refused(asked(model, json!(null)), E_UNSUPPORTED, "parallel_tool_calls");
        assert_eq!(asked(model, json!("none")), Ok(Value::Null));
    }
}

#[test]
fn what_only_some_models_have_goes_beside_it() {
    let more = |model: &str, params: Value| {
        with(model, params).map(|out| out["additionalModelRequestFields"].clone())
    };
    assert_eq!(more(CLAUDE, json!({"top_k": 5})).unwrap(), json!({"top_k": 5}));
    assert_eq!(more(NOVA, json!({"top_k": 5})).unwrap(), json!({"inferenceConfig": {"topK": 5}}));
    let thinking = json!({"type": "enabled", "budget_tokens": 2000});
    assert_eq!(more(CLAUDE, json!({"thinking": thinking})).unwrap(), json!({"thinking": thinking}));
    let effort = |model: &str, effort: &str| more(model, json!({"reasoning_effort": effort}));
    assert_eq!(
        effort(CLAUDE, "low").unwrap(),
        json!({"thinking": {"type": "enabled", "budget_tokens": 1024}})
    );
    assert_eq!(effort(CLAUDE, "none").unwrap(), Value::Null);
    assert_eq!(
        effort(NOVA, "high").unwrap(),
        json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}})
    );
    assert_eq!(effort("openai.gpt-oss-20b-1:0", "minimal").unwrap(), json!({"reasoning_effort": "low"}));
    assert_eq!(effort(LLAMA, "none").unwrap(), Value::Null);
    refused(effort(LLAMA, "low"), E_UNSUPPORTED, "for this model");
    refused(effort(CLAUDE, "much"), E_INVALID, "reasoning_effort");
    refused(more(CLAUDE, json!({"thinking": true})), E_INVALID, "\"thinking\"");
    let own = json!({"additionalModelRequestFields": {"top_k": 1, "x": 2}, "top_k": 5});
    assert_eq!(more(CLAUDE, own).unwrap(), json!({"top_k": 1, "x": 2}));
    let body = json!({"messages": [{"role": "user", "content": "x"}]}).to_string();
    let input = tidegate_plugin_sdk::RequestIn {
        dialect: tidegate_plugin_sdk::Dialect::OpenAiChat,
        model: CLAUDE,
        body: body.as_bytes(),
        headers: tidegate_plugin_sdk::Headers(vec![("anthropic-beta", "a-1, b-2")]),
        ..Default::default()
    };
    let sent = bedrock().request(&input).unwrap().json();
    assert_eq!(sent["additionalModelRequestFields"], json!({"anthropic_beta": ["a-1", "b-2"]}));
}

/// What Anthropic's plugin guards too: an effort is a hint.
#[test]
fn an_effort_refuses_no_request() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let history = |thoughts: Value| {
        json!([
            {"role": "user", "content": "x"},
            {"role": "assistant", "tool_calls": [call], "thinking_blocks": thoughts},
            {"role": "tool", "tool_call_id": "a", "content": "3"},
        ])
    };
    let signed = json!([{"type": "thinking", "thinking": "hm", "signature": "S"}]);
    let asked = |model: &str, more: &Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "x"}], "reasoning_effort": "high"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let sent = sent(&bedrock(), model, false, &body).unwrap();
        let thinking = sent.json()["additionalModelRequestFields"]["thinking"].clone();
        (thinking, sent.dropped().join(" "))
    };
    for more in [
        json!({"messages": history(json!(null)), "tools": tools}),
        json!({"max_tokens": 500}),
        json!({"tools": tools, "tool_choice": "required"}),
        json!({"temperature": 0}),
        json!({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "It is"}]}),
    ] {
        assert_eq!(asked(CLAUDE, &more), (Value::Null, "reasoning_effort".to_owned()), "{more}");
    }
    let budget = |tokens: u64| (json!({"type": "enabled", "budget_tokens": tokens}), String::new());
    assert_eq!(asked(CLAUDE, &json!({"messages": history(signed), "tools": tools})), budget(4096));
    assert_eq!(asked(CLAUDE, &json!({"max_tokens": 3000})), budget(2999));
    let new =
        with("us.anthropic.claude-opus-4-7", json!({"reasoning_effort": "high", "max_tokens": 500})).unwrap();
    assert_eq!(
        new["additionalModelRequestFields"],
        json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}})
    );
}

#[test]
fn bedrocks_own_members_pass_through() {
    let own = json!({
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"},
        "performanceConfig": {"latency": "optimized"},
        "requestMetadata": {"a": "b"},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    });
    assert_eq!(with(CLAUDE, own.clone()).unwrap(), own);
    assert_eq!(
        with(CLAUDE, json!({"service_tier": "flex"})).unwrap(),
        json!({"serviceTier": {"type": "flex"}})
    );
    assert_eq!(with(CLAUDE, json!({"service_tier": "auto"})).unwrap(), json!({}));
}

#[test]
fn tools_and_the_choice_among_them() {
    let tools = json!([
        {"type": "function", "function": {"name": "f", "description": "F", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}, "strict": true}},
        {"type": "function", "function": {"name": "g", "description": ""}},
    ]);
    let config = |choice: Value| {
        with(CLAUDE, json!({"tools": tools, "tool_choice": choice})).map(|out| out["toolConfig"].clone())
    };
    let specs = json!([
        {"toolSpec": {"name": "f", "description": "F", "inputSchema": {"json": {"type": "object", "properties": {"a": {"type": "integer"}}}}}},
        {"toolSpec": {"name": "g", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
    ]);
    for (choice, want) in [
        (Value::Null, Value::Null),
        (json!("auto"), json!({"auto": {}})),
        (json!("required"), json!({"any": {}})),
        (json!({"type": "function", "function": {"name": "f"}}), json!({"tool": {"name": "f"}})),
    ] {
        let got = config(choice.clone()).unwrap();
        assert_eq!((&got["tools"], &got["toolChoice"]), (&specs, &want), "{choice}");
    }
    assert_eq!(config(json!("none")).unwrap(), Value::Null);
    refused(config(json!("sometimes")), E_INVALID, "tool_choice");
    refused(config(json!({"type": "allowed_tools", "allowed_tools": {}})), E_UNSUPPORTED, "tool_choice");
    refused(with(CLAUDE, json!({"tool_choice": "required"})), E_INVALID, "offers none");
    refused(with(CLAUDE, json!({"tools": [{"type": "web_search"}]})), E_UNSUPPORTED, "web_search");
    let used = json!({
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "a", "content": "1"},
        ],
        "tools": tools, "tool_choice": "none",
    });
    refused(upstream(CLAUDE, &used), E_UNSUPPORTED, "call none");
    // What was called is declared, where nothing is offered any more.
    let specs =
        json!([{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}}]);
    for choice in [json!(null), json!("none")] {
        let bare = json!({"messages": used["messages"], "tool_choice": choice});
        assert_eq!(upstream(CLAUDE, &bare).unwrap()["toolConfig"], json!({"tools": specs}), "{choice}");
    }
}

#[test]
fn a_schema_is_asked_for_as_text() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let asked = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "strict": true, "schema": schema}}});
    let sent = with(CLAUDE, asked).unwrap();
    let format = &sent["outputConfig"]["textFormat"];
    assert_eq!(
        (&format["type"], &format["structure"]["jsonSchema"]["name"]),
        (&json!("json_schema"), &json!("s"))
    );
    let text = format["structure"]["jsonSchema"]["schema"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), schema);
    assert_eq!(with(CLAUDE, json!({"response_format": {"type": "text"}})).unwrap(), json!({}));
    refused(
        with(CLAUDE, json!({"response_format": {"type": "json_object"}})),
        E_UNSUPPORTED,
        "without a schema",
    );
    refused(with(CLAUDE, json!({"response_format": {"type": "json_schema"}})), E_INVALID, "\"schema\"");
}

#[test]
fn schemas_keep_the_clients_order() {
    for model in [CLAUDE, NOVA, LLAMA] {
        bedrock().keeps_order(model).unwrap();
    }
}
