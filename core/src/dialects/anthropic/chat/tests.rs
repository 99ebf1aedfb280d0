use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::dialects::{Dialect, Route};

fn chat(body: &str, dropping: bool) -> Result<(Value, Vec<String>), String> {
    let route = Route::of(Dialect::AnthropicMessages);
    let request = super::super::request::decode(&route, Bytes::copy_from_slice(body.as_bytes()))?;
    let Chat { body, model_at, dropped } = of(&request, dropping)?;
    let written: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body[model_at], *written["model"].to_string().as_bytes());
    Ok((written, dropped))
}

/// The messages of a request with these members beside its model.
fn made(members: Value) -> Value {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": []});
    for (name, value) in members.as_object().expect("an object") {
        body[name] = value.clone();
    }
    let (chat, dropped) = chat(&body.to_string(), false).expect("it crosses");
    assert!(dropped.is_empty(), "{dropped:?}");
    chat
}

fn messages(list: Value) -> Value {
    made(json!({"messages": list}))["messages"].clone()
}

#[test]
fn parameters_have_their_names() {
    let chat = made(
        json!({"temperature": 0.5, "top_p": 0.9, "top_k": 40, "stop_sequences": ["END"], "stream": true,
        "metadata": {"user_id": "u".repeat(90)}, "service_tier": "auto", "thinking": {"type": "enabled", "budget_tokens": 2048},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "tool_choice": {"type": "any"}, "system": null}),
    );
    assert_eq!(
        chat,
        json!({"model": "m", "max_tokens": 9, "messages": [], "temperature": 0.5, "top_p": 0.9, "top_k": 40,
            "stop": ["END"], "stream": true, "stream_options": {"include_usage": true}, "user": "u".repeat(64),
            "thinking": {"type": "enabled", "budget_tokens": 2048}, "output_config": {"effort": "high"},
            "response_format": {"type": "json_schema", "json_schema":
                {"name": "answer", "schema": {"type": "object"}, "strict": true}}})
    );
    let chat = made(json!({"stream": false, "stop_sequences": [], "metadata": {}, "mcp_servers": []}));
    assert_eq!(chat, json!({"model": "m", "max_tokens": 9, "messages": []}));
}

#[test]
fn system_stands_before_the_rest() {
    let cached = json!({"type": "ephemeral"});
    let user = json!({"role": "user", "content": "x"});
    let chat = made(json!({"system": "Be brief.", "messages": [user]}));
    assert_eq!(chat["messages"], json!([{"role": "system", "content": "Be brief."}, user]));
    let system =
        json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": cached}]);
    let chat = made(json!({"system": system, "messages": [user, {"role": "system", "content": "Now."}]}));
    assert_eq!(
        chat["messages"],
        json!([{"role": "system", "content": system}, user, {"role": "system", "content": "Now."}])
    );
    assert_eq!(made(json!({"system": []}))["messages"], json!([]));
}

#[test]
fn a_user_says_texts_images_and_documents() {
    let cached = json!({"type": "ephemeral", "ttl": "1h"});
    let content = json!([
        {"type": "text", "text": "look"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}, "cache_control": cached},
        {"type": "image", "source": {"type": "url", "url": "https://h/i.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "QQ=="}, "title": "T"},
        {"type": "document", "source": {"type": "url", "url": "https://h/d.pdf"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}, "context": "C"},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "inner"}]}},
        {"type": "search_result", "title": "S", "source": "https://h", "content": [{"type": "text", "text": "found"}]},
    ]);
    assert_eq!(
        messages(json!([{"role": "user", "content": content}])),
        json!([{"role": "user", "content": [
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}, "cache_control": cached},
            {"type": "image_url", "image_url": {"url": "https://h/i.png"}},
            {"type": "text", "text": "Title: T"},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,QQ==", "filename": "T"}},
            {"type": "file", "file": {"file_data": "https://h/d.pdf", "filename": "document.pdf"}},
            {"type": "text", "text": "C"},
            {"type": "text", "text": "plain"},
            {"type": "text", "text": "inner"},
            {"type": "text", "text": "Title: S\nSource: https://h\nfound"},
        ]}])
    );
    let alone = json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]);
    assert_eq!(messages(alone), json!([{"role": "user", "content": "hi"}]));
}

#[test]
fn a_loop_of_tools_keeps_ids_inputs_thoughts_and_proofs() {
    let body = r#"{"model":"m","max_tokens":1,"messages":[
        {"role":"assistant","content":[
            {"type":"thinking","thinking":"hm","signature":"S"},{"type":"redacted_thinking","data":"D"},
            {"type":"thinking","thinking":" so","signature":""},
            {"type":"text","text":"I look "},{"type":"text","text":"it up."},
            {"type":"tool_use","id":"toolu_1","name":"f","input":{"z": 1, "a":[ ]},"cache_control":{"type":"ephemeral"}},
            {"type":"tool_use","id":"call_2__thought__QUI","name":"g","input":{}}]},
        {"role":"user","content":[
            {"type":"tool_result","tool_use_id":"toolu_1","content":"seven","cache_control":{"type":"ephemeral"}},
            {"type":"tool_result","tool_use_id":"call_2__thought__QUI","is_error":true,"content":[
                {"type":"text","text":"no"},{"type":"image","source":{"type":"url","url":"https://h/i"}}]},
            {"type":"tool_result","tool_use_id":"toolu_3"},
            {"type":"text","text":"and now?"}]}]}"#;
    let (chat, _) = chat(body, false).expect("it crosses");
    let cached = json!({"type": "ephemeral"});
    assert_eq!(
        chat["messages"],
        json!([
            {"role": "assistant", "content": "I look it up.", "reasoning_content": "hm so",
             "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "S"}, {"type": "redacted_thinking", "data": "D"}],
             "tool_calls": [
                {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": "{\"z\": 1, \"a\":[ ]}"}, "cache_control": cached},
                {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"},
                 "extra_content": {"google": {"thought_signature": "QUI="}}}]},
            {"role": "tool", "tool_call_id": "toolu_1", "content": "seven", "cache_control": cached},
            {"role": "tool", "tool_call_id": "call_2", "is_error": true, "content": [
                {"type": "text", "text": "no"}, {"type": "image_url", "image_url": {"url": "https://h/i"}}]},
            {"role": "tool", "tool_call_id": "toolu_3", "content": ""},
            {"role": "user", "content": "and now?"},
        ])
    );
}

#[test]
fn a_turn_of_calls_alone_has_no_content_and_an_empty_one_an_empty_text() {
    let call = json!({"type": "tool_use", "id": "t", "name": "f", "input": {}});
    let made =
        messages(json!([{"role": "assistant", "content": [call]}, {"role": "assistant", "content": []}]));
    assert_eq!(made[0]["content"], Value::Null);
    assert_eq!(made[1], json!({"role": "assistant", "content": ""}));
}

#[test]
fn tools_keep_their_schemas_as_they_are_written() {
    let body = r#"{"model":"m","messages":[],"tools":[
        {"name":"f","description":"d","input_schema":{"type":"object","properties":{"z":{"type":"string"},"a":{}}},
         "strict":true,"cache_control":{"type":"ephemeral"},"eager_input_streaming":true},
        {"type":"custom","name":"g","input_schema":{}}],
        "tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}}"#;
    let route = Route::of(Dialect::AnthropicMessages);
    let request =
        super::super::request::decode(&route, Bytes::copy_from_slice(body.as_bytes())).expect("valid");
    let made = of(&request, false).expect("it crosses").body;
    let text = std::str::from_utf8(&made).expect("UTF-8");
    assert!(
        text.contains(r#""parameters":{"type":"object","properties":{"z":{"type":"string"},"a":{}}}"#),
        "{text}"
    );
    let chat: Value = serde_json::from_slice(&made).expect("JSON");
    assert_eq!(chat["tools"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(chat["tools"][0]["function"]["strict"], true);
    assert_eq!(chat["tools"][1], json!({"type": "function", "function": {"name": "g", "parameters": {}}}));
    assert_eq!(chat["tool_choice"], json!({"type": "function", "function": {"name": "f"}}));
    assert_eq!(chat["parallel_tool_calls"], false);
    for (kind, word) in [("auto", "auto"), ("any", "required"), ("none", "none")] {
        let tools = json!([{"name": "f", "input_schema": {}}]);
        let chat = made_with_choice(kind, tools);
        assert_eq!(chat["tool_choice"], word);
        assert_eq!(chat.get("parallel_tool_calls"), None);
    }
}

fn made_with_choice(kind: &str, tools: Value) -> Value {
    made(json!({"tools": tools, "tool_choice": {"type": kind}}))
}

#[test]
fn what_cannot_cross_is_named_or_left_out() {
    let user = |block: Value| json!({"messages": [{"role": "user", "content": [block, {"type": "text", "text": "x"}]}]});
    for (members, what) in [
        (json!({"mcp_servers": [{"type": "url"}]}), "\"mcp_servers\""),
        (json!({"container": "c"}), "\"container\""),
        (json!({"of_tomorrow": 1}), "\"of_tomorrow\""),
        (json!({"speed": "fast"}), "\"speed\""),
        (json!({"output_config": {"task_budget": {}}}), "\"output_config.task_budget\""),
        (
            json!({"context_management": {"edits": [{"type": "compact_20260112"}]}}),
            "the edit \"compact_20260112\"",
        ),
        (
            json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
            "tools[0], the tool of the type \"web_search_20250305\"",
        ),
        (
            json!({"tools": [{"type": "bash_20250124", "name": "bash"}], "tool_choice": {"type": "any"}}),
            "\"bash_20250124\"",
        ),
        (
            user(json!({"type": "container_upload", "file_id": "f"})),
            "messages[0].content[0], a block of the type \"container_upload\"",
        ),
        (
            user(json!({"type": "image", "source": {"type": "file", "file_id": "f"}})),
            "an image of the Files API",
        ),
        (
            user(json!({"type": "document", "source": {"type": "file", "file_id": "f"}})),
            "a document of the Files API",
        ),
        (
            user(
                json!({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference", "tool_name": "n"}]}),
            ),
            "messages[0].content[0].content[0], a block of the type \"tool_reference\"",
        ),
        (
            json!({"messages": [{"role": "assistant", "content": [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}]}]}),
            "\"server_tool_use\"",
        ),
    ] {
        let mut body = json!({"model": "m", "messages": []});
        members.as_object().expect("an object").iter().for_each(|(name, value)| body[name] = value.clone());
        let error = chat(&body.to_string(), false).expect_err("it cannot cross");
        assert!(error.contains(what) && error.contains("cannot be passed on"), "{error}");
        let (made, dropped) = chat(&body.to_string(), true).expect("it is left out");
        assert!(dropped.len() == 1 && dropped[0].contains(what), "{dropped:?}");
        for name in
            ["mcp_servers", "container", "of_tomorrow", "speed", "output_config", "tools", "tool_choice"]
        {
            assert_eq!(made.get(name), None, "{made}");
        }
    }
}

#[test]
fn what_claude_code_sends_crosses() {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": []});
    let sent = json!({
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}, {"type": "clear_tool_uses_20250919"}]},
        "thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}, "temperature": 1, "diagnostics": {"previous_message_id": null},
        "metadata": {"user_id": "user_ab_account__session_1"}, "service_tier": "auto",
        "tools": [{"name": "f", "input_schema": {"type": "object"}, "defer_loading": true, "input_examples": null}],
    });
    body.as_object_mut().expect("an object").extend(sent.as_object().expect("an object").clone());
    let (chat, dropped) = chat(&body.to_string(), false).expect("it crosses");
    assert_eq!(dropped, ["context_management", "diagnostics", "tools.defer_loading"]);
    assert_eq!(chat["user"], "user_ab_account__session_1");
    assert_eq!(chat.get("context_management"), None);
}

#[test]
fn what_is_wrong_is_named() {
    for (members, words) in [
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0]: the role \"tool\""),
        (json!({"messages": [{"role": "user"}]}), "messages[0] has no \"content\""),
        (json!({"messages": [7]}), "\"messages\" must be a list of messages"),
        (json!({"messages": [{"role": "user", "content": 7}]}), "messages[0].content must be text or a list"),
        (json!({"messages": [{"role": "user", "content": [{}]}]}), "messages[0].content[0] needs a \"type\""),
        (json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}), "needs \"text\""),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}),
            "source must have the type",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}),
            "needs a \"tool_use_id\"",
        ),
        (
            json!({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t"}]}]}),
            "needs \"id\", \"name\" and \"input\"",
        ),
        (json!({"tools": 7}), "\"tools\" must be a list"),
        (json!({"tools": [{"input_schema": {}}]}), "tools[0] has no \"name\""),
        (json!({"tools": [{"name": "f"}], "tool_choice": {"type": "some"}}), "\"tool_choice\" must have"),
        (json!({"tools": [{"name": "f"}], "tool_choice": {"type": "tool"}}), "needs a \"name\""),
        (json!({"stop_sequences": "x"}), "\"stop_sequences\" must be"),
        (json!({"thinking": {"type": "much"}}), "\"thinking\" must have the type"),
        (json!({"output_format": {"type": "xml", "schema": {}}}), "must have the type json_schema"),
    ] {
        let mut body = json!({"model": "m", "messages": []});
        members.as_object().expect("an object").iter().for_each(|(name, value)| body[name] = value.clone());
        let error = chat(&body.to_string(), true).expect_err(words);
        assert!(error.contains(words), "{error}");
    }
}

fn block() -> impl Strategy<Value = (Value, &'static str)> {
    prop_oneof![
        "[a-z é\"]{1,9}".prop_map(|text| (json!({"type": "text", "text": text}), "text")),
        "[A-Za-z0-9+/]{4,9}".prop_map(|data| (
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}),
            "image"
        )),
        "[A-Za-z0-9+/]{4,9}".prop_map(|data| (
            json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}}),
            "document"
        )),
        "[a-z]{1,9}".prop_map(|text| (json!({"type": "tool_result", "tool_use_id": "t", "content": text}), "result")),
    ]
}

proptest! {
    /// Whatever a turn of the user's is made of, all of it is in the chat, in its order, and nothing else.
    #[test]
    fn no_block_is_lost(blocks in proptest::collection::vec(block(), 1..8)) {
        let content: Vec<Value> = blocks.iter().map(|(block, _)| block.clone()).collect();
        let made = messages(json!([{"role": "user", "content": content}]));
        let (mut said, mut results) = (Vec::new(), Vec::new());
        for message in made.as_array().expect("a list") {
            match (&message["role"], &message["content"]) {
                (Value::String(role), Value::String(text)) if role == "tool" => results.push(text.clone()),
                (_, Value::String(text)) => said.push(text.clone()),
                (_, Value::Array(parts)) => said.extend(parts.iter().map(|part| match part["type"].as_str() {
                    Some("text") => part["text"].as_str().expect("text").to_owned(),
                    Some("image_url") => part["image_url"]["url"].as_str().expect("URL").to_owned(),
                    _ => part["file"]["file_data"].as_str().expect("data").to_owned(),
                })),
                other => panic!("{other:?}"),
            }
        }
        let of = |wanted: bool| blocks.iter().filter(move |(_, kind)| (*kind == "result") == wanted).map(|(block, kind)| match *kind {
            "text" => block["text"].as_str().expect("text").to_owned(),
            "image" => format!("data:image/png;base64,{}", block["source"]["data"].as_str().expect("data")),
            "document" => format!("data:application/pdf;base64,{}", block["source"]["data"].as_str().expect("data")),
            _ => block["content"].as_str().expect("text").to_owned(),
        }).collect::<Vec<_>>();
        prop_assert_eq!(said, of(false));
        prop_assert_eq!(results, of(true));
    }
}

#[test]
fn what_changes_no_answer_is_left_out_and_named() {
    for (members, named) in [
        (json!({"cache_control": {"type": "ephemeral"}}), "cache_control"),
        (json!({"service_tier": "standard_only"}), "service_tier"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "document", "citations": {"enabled": true},
                "source": {"type": "text", "media_type": "text/plain", "data": "x"}}]}]}),
            "messages.content.citations",
        ),
    ] {
        let mut body = json!({"model": "m", "messages": []});
        members.as_object().expect("an object").iter().for_each(|(name, value)| body[name] = value.clone());
        assert_eq!(chat(&body.to_string(), false).expect(named).1, [named]);
    }
}
