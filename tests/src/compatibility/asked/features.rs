//! The table of what requests may have. A new row is a new entry; a new dialect of clients, another form in those that it has.

use super::super::clients::Form;
use super::Feature;

/// All of them, in the page's order.
pub(super) const FEATURES: &[Feature] = &[
    Feature {
        name: "text",
        asks: &[
            (Form::Chat, "{}"),
            (Form::Responses, "{}"),
            (Form::Messages, "{}"),
            (Form::Gemini, "{}"),
            (Form::Completions, "{}"),
            (Form::Embeddings, "{}"),
        ],
        marks: &[&["probe-hello"]],
    },
    Feature {
        name: "several texts",
        asks: &[
            (Form::Completions, r#"{"prompt":["probe-a","probe-b"]}"#),
            (Form::Embeddings, r#"{"input":["probe-a","probe-b"]}"#),
        ],
        marks: &[&["probe-a", "probe-b"]],
    },
    Feature {
        name: "text as tokens",
        asks: &[
            (Form::Completions, r#"{"prompt":[4217,4219]}"#),
            (Form::Embeddings, r#"{"input":[[4217,4219]]}"#),
        ],
        marks: &[&["4217,4219"]],
    },
    Feature {
        name: "the prompt in the answer (echo)",
        asks: &[(Form::Completions, r#"{"echo":true}"#)],
        marks: &[&[r#""echo":true"#]],
    },
    Feature {
        name: "the best of several",
        asks: &[(Form::Completions, r#"{"best_of":3}"#)],
        marks: &[&[r#""best_of":3"#]],
    },
    Feature {
        name: "what follows the answer (suffix)",
        asks: &[(Form::Completions, r#"{"suffix":"probe-suffix"}"#)],
        marks: &[&["probe-suffix"]],
    },
    Feature { name: "dimensions", asks: &[(Form::Embeddings, r#"{"dimensions":257}"#)], marks: &[&[":257"]] },
    Feature {
        name: "system text",
        asks: &[
            (
                Form::Chat,
                r#"{"messages":[{"role":"system","content":"probe-system"},{"role":"user","content":"probe-hello"}]}"#,
            ),
            (Form::Responses, r#"{"instructions":"probe-system"}"#),
            (Form::Messages, r#"{"system":"probe-system"}"#),
            (Form::Gemini, r#"{"systemInstruction":{"parts":[{"text":"probe-system"}]}}"#),
        ],
        marks: &[&["probe-system", "probe-hello"]],
    },
    Feature {
        name: "image, in the request",
        asks: &[
            (
                Form::Chat,
                r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgoPROBE"}}]}]}"#,
            ),
            (
                Form::Responses,
                r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgoPROBE"}]}]}"#,
            ),
            (
                Form::Messages,
                r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgoPROBE"}}]}]}"#,
            ),
            (
                Form::Gemini,
                r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgoPROBE"}}]}]}"#,
            ),
        ],
        marks: &[&["iVBORw0KGgoPROBE"]],
    },
    Feature {
        name: "image, by address",
        asks: &[
            (
                Form::Chat,
                r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://probe.example/i.png"}}]}]}"#,
            ),
            (
                Form::Responses,
                r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://probe.example/i.png"}]}]}"#,
            ),
            (
                Form::Messages,
                r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://probe.example/i.png"}}]}]}"#,
            ),
            (
                Form::Gemini,
                r#"{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"image/png","fileUri":"https://probe.example/i.png"}}]}]}"#,
            ),
        ],
        marks: &[&["https://probe.example/i.png"]],
    },
    Feature {
        name: "document (PDF)",
        asks: &[
            (
                Form::Chat,
                r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0xPROBE"}}]}]}"#,
            ),
            (
                Form::Responses,
                r#"{"input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0xPROBE"}]}]}"#,
            ),
            (
                Form::Messages,
                r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0xPROBE"}}]}]}"#,
            ),
            (
                Form::Gemini,
                r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"application/pdf","data":"JVBERi0xPROBE"}}]}]}"#,
            ),
        ],
        marks: &[&["JVBERi0xPROBE"]],
    },
    Feature {
        name: "audio",
        asks: &[
            (
                Form::Chat,
                r#"{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklGRPROBE==","format":"wav"}}]}]}"#,
            ),
            (
                Form::Gemini,
                r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"audio/wav","data":"UklGRPROBE=="}}]}]}"#,
            ),
        ],
        marks: &[&["UklGRPROBE=="]],
    },
    Feature {
        name: "tools",
        asks: &[
            (
                Form::Chat,
                r#"{"tools":[{"type":"function","function":{"name":"probe_tool","description":"probe-about","parameters":{"type":"object","properties":{"probe_field":{"type":"string"}}}}}]}"#,
            ),
            (
                Form::Responses,
                r#"{"tools":[{"type":"function","name":"probe_tool","description":"probe-about","parameters":{"type":"object","properties":{"probe_field":{"type":"string"}}}}]}"#,
            ),
            (
                Form::Messages,
                r#"{"tools":[{"name":"probe_tool","description":"probe-about","input_schema":{"type":"object","properties":{"probe_field":{"type":"string"}}}}]}"#,
            ),
            (
                Form::Gemini,
                r#"{"tools":[{"functionDeclarations":[{"name":"probe_tool","description":"probe-about","parameters":{"type":"OBJECT","properties":{"probe_field":{"type":"STRING"}}}}]}]}"#,
            ),
        ],
        marks: &[&["probe_tool", "probe-about", "probe_field"]],
    },
    Feature {
        name: "a schema's order",
        asks: &[
            (
                Form::Chat,
                r#"{"tools":[{"type":"function","function":{"name":"probe_tool","parameters":{"type":"object","properties":{"probe_z":{"type":"string"},"probe_a":{"type":"string"}}}}}]}"#,
            ),
            (
                Form::Responses,
                r#"{"tools":[{"type":"function","name":"probe_tool","parameters":{"type":"object","properties":{"probe_z":{"type":"string"},"probe_a":{"type":"string"}}}}]}"#,
            ),
            (
                Form::Messages,
                r#"{"tools":[{"name":"probe_tool","input_schema":{"type":"object","properties":{"probe_z":{"type":"string"},"probe_a":{"type":"string"}}}}]}"#,
            ),
            (
                Form::Gemini,
                r#"{"tools":[{"functionDeclarations":[{"name":"probe_tool","parameters":{"type":"OBJECT","properties":{"probe_z":{"type":"STRING"},"probe_a":{"type":"STRING"}}}}]}]}"#,
            ),
        ],
        marks: &[
            &[r#"{"probe_z":{"type":"string"},"probe_a":{"#],
            &[r#"{"probe_z":{"type":"STRING"},"probe_a":{"#],
        ],
    },
    Feature {
        name: "a tool that must be called",
        asks: &[
            (
                Form::Chat,
                r#"{"tools":[{"type":"function","function":{"name":"probe_tool","parameters":{"type":"object","properties":{}}}}],"tool_choice":{"type":"function","function":{"name":"probe_tool"}}}"#,
            ),
            (
                Form::Responses,
                r#"{"tools":[{"type":"function","name":"probe_tool","parameters":{"type":"object","properties":{}}}],"tool_choice":{"type":"function","name":"probe_tool"}}"#,
            ),
            (
                Form::Messages,
                r#"{"tools":[{"name":"probe_tool","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"tool","name":"probe_tool"}}"#,
            ),
            (
                Form::Gemini,
                r#"{"tools":[{"functionDeclarations":[{"name":"probe_tool"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["probe_tool"]}}}"#,
            ),
        ],
        marks: &[
            &[r#""tool_choice":{"function":{"name":"probe_tool"}"#],
            &[r#""tool_choice":{"type":"function""#],
            &[r#""tool_choice":{"name":"probe_tool""#],
            &[r#""tool_choice":{"type":"tool","name":"probe_tool""#],
            &[r#""allowedFunctionNames":["probe_tool"]"#],
            &[r#""toolChoice":{"tool":{"name":"probe_tool""#],
        ],
    },
    Feature {
        name: "no parallel tool calls",
        asks: &[
            (
                Form::Chat,
                r#"{"tools":[{"type":"function","function":{"name":"probe_tool"}}],"parallel_tool_calls":false}"#,
            ),
            (
                Form::Responses,
                r#"{"tools":[{"type":"function","name":"probe_tool","parameters":{}}],"parallel_tool_calls":false}"#,
            ),
            (
                Form::Messages,
                r#"{"tools":[{"name":"probe_tool","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}"#,
            ),
        ],
        marks: &[&[r#""parallel_tool_calls":false"#], &[r#""disable_parallel_tool_use":true"#]],
    },
    Feature {
        name: "results of parallel tool calls",
        asks: &[
            (
                Form::Chat,
                r#"{"tools":[{"type":"function","function":{"name":"probe_tool"}}],"messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_a","type":"function","function":{"name":"probe_tool","arguments":"{\"k\":\"probe-arg-a\"}"}},{"id":"call_b","type":"function","function":{"name":"probe_tool","arguments":"{\"k\":\"probe-arg-b\"}"}}]},{"role":"tool","tool_call_id":"call_a","content":"probe-result-a"},{"role":"tool","tool_call_id":"call_b","content":"probe-result-b"}]}"#,
            ),
            (
                Form::Responses,
                r#"{"tools":[{"type":"function","name":"probe_tool","parameters":{}}],"input":[{"role":"user","content":"x"},{"type":"function_call","call_id":"call_a","name":"probe_tool","arguments":"{\"k\":\"probe-arg-a\"}"},{"type":"function_call","call_id":"call_b","name":"probe_tool","arguments":"{\"k\":\"probe-arg-b\"}"},{"type":"function_call_output","call_id":"call_a","output":"probe-result-a"},{"type":"function_call_output","call_id":"call_b","output":"probe-result-b"}]}"#,
            ),
            (
                Form::Messages,
                r#"{"tools":[{"name":"probe_tool","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"call_a","name":"probe_tool","input":{"k":"probe-arg-a"}},{"type":"tool_use","id":"call_b","name":"probe_tool","input":{"k":"probe-arg-b"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_a","content":"probe-result-a"},{"type":"tool_result","tool_use_id":"call_b","content":"probe-result-b"}]}]}"#,
            ),
            (
                Form::Gemini,
                r#"{"tools":[{"functionDeclarations":[{"name":"probe_tool"}]}],"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"functionCall":{"name":"probe_tool","args":{"k":"probe-arg-a"}}},{"functionCall":{"name":"probe_tool","args":{"k":"probe-arg-b"}}}]},{"role":"user","parts":[{"functionResponse":{"name":"probe_tool","response":{"r":"probe-result-a"}}},{"functionResponse":{"name":"probe_tool","response":{"r":"probe-result-b"}}}]}]}"#,
            ),
        ],
        marks: &[&["probe-arg-a", "probe-arg-b", "probe-result-a", "probe-result-b"]],
    },
    Feature {
        name: "structured output",
        asks: &[
            (
                Form::Chat,
                r#"{"response_format":{"type":"json_schema","json_schema":{"name":"p","strict":true,"schema":{"type":"object","properties":{"probe_field":{"type":"string"}},"required":["probe_field"],"additionalProperties":false}}}}"#,
            ),
            (
                Form::Responses,
                r#"{"text":{"format":{"type":"json_schema","name":"p","strict":true,"schema":{"type":"object","properties":{"probe_field":{"type":"string"}},"required":["probe_field"],"additionalProperties":false}}}}"#,
            ),
            (
                Form::Messages,
                r#"{"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"probe_field":{"type":"string"}},"required":["probe_field"],"additionalProperties":false}}}}"#,
            ),
            (
                Form::Gemini,
                r#"{"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT","properties":{"probe_field":{"type":"STRING"}}}}}"#,
            ),
        ],
        marks: &[&["probe_field"]],
    },
    Feature {
        name: "JSON without a schema",
        asks: &[
            (Form::Chat, r#"{"response_format":{"type":"json_object"}}"#),
            (Form::Responses, r#"{"text":{"format":{"type":"json_object"}}}"#),
            (Form::Gemini, r#"{"generationConfig":{"responseMimeType":"application/json"}}"#),
        ],
        marks: &[&["json_object"], &["application/json"], &["JSON"], &[r#""format":"json""#]],
    },
    Feature {
        name: "reasoning",
        asks: &[
            (Form::Chat, r#"{"reasoning_effort":"high"}"#),
            (Form::Responses, r#"{"reasoning":{"effort":"high"}}"#),
            (Form::Messages, r#"{"thinking":{"type":"enabled","budget_tokens":2048}}"#),
            (Form::Gemini, r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":2048}}}"#),
        ],
        marks: &[&["\"reasoning"], &["\"thinking"], &["\"think\""]],
    },
    Feature {
        name: "stop sequences",
        asks: &[
            (Form::Chat, r#"{"stop":["probe-stop"]}"#),
            (Form::Messages, r#"{"stop_sequences":["probe-stop"]}"#),
            (Form::Gemini, r#"{"generationConfig":{"stopSequences":["probe-stop"]}}"#),
            (Form::Completions, r#"{"stop":["probe-stop"]}"#),
        ],
        marks: &[&["probe-stop"]],
    },
    Feature {
        name: "longest answer",
        asks: &[
            (Form::Chat, r#"{"max_tokens":3217}"#),
            (Form::Responses, r#"{"max_output_tokens":3217}"#),
            (Form::Messages, r#"{"max_tokens":3217}"#),
            (Form::Gemini, r#"{"generationConfig":{"maxOutputTokens":3217}}"#),
            (Form::Completions, r#"{"max_tokens":3217}"#),
        ],
        marks: &[&[":3217"]],
    },
    Feature {
        name: "temperature",
        asks: &[
            (Form::Chat, r#"{"temperature":0.37}"#),
            (Form::Responses, r#"{"temperature":0.37}"#),
            (Form::Messages, r#"{"temperature":0.37}"#),
            (Form::Gemini, r#"{"generationConfig":{"temperature":0.37}}"#),
            (Form::Completions, r#"{"temperature":0.37}"#),
        ],
        marks: &[&[":0.37"]],
    },
    Feature {
        name: "top_p",
        asks: &[
            (Form::Chat, r#"{"top_p":0.73}"#),
            (Form::Responses, r#"{"top_p":0.73}"#),
            (Form::Messages, r#"{"top_p":0.73}"#),
            (Form::Gemini, r#"{"generationConfig":{"topP":0.73}}"#),
            (Form::Completions, r#"{"top_p":0.73}"#),
        ],
        marks: &[&[":0.73"]],
    },
    Feature {
        name: "top_k",
        asks: &[
            (Form::Chat, r#"{"top_k":47}"#),
            (Form::Messages, r#"{"top_k":47}"#),
            (Form::Gemini, r#"{"generationConfig":{"topK":47}}"#),
            (Form::Completions, r#"{"top_k":47}"#),
        ],
        marks: &[&["\"top_k\":47"], &["\"topK\":47"]],
    },
    Feature {
        name: "seed",
        asks: &[
            (Form::Chat, r#"{"seed":424242}"#),
            (Form::Gemini, r#"{"generationConfig":{"seed":424242}}"#),
            (Form::Completions, r#"{"seed":424242}"#),
        ],
        marks: &[&["424242"]],
    },
    Feature {
        name: "n > 1",
        asks: &[
            (Form::Chat, r#"{"n":2}"#),
            (Form::Gemini, r#"{"generationConfig":{"candidateCount":2}}"#),
            (Form::Completions, r#"{"n":2}"#),
        ],
        marks: &[&["\"n\":2"], &["\"candidateCount\":2"]],
    },
    Feature {
        name: "logprobs",
        asks: &[
            (Form::Chat, r#"{"logprobs":true,"top_logprobs":3}"#),
            (Form::Responses, r#"{"include":["message.output_text.logprobs"],"top_logprobs":3}"#),
            (Form::Gemini, r#"{"generationConfig":{"responseLogprobs":true,"logprobs":3}}"#),
            (Form::Completions, r#"{"logprobs":3}"#),
        ],
        marks: &[&["logprobs\":3"]],
    },
    Feature {
        name: "penalties",
        asks: &[
            (Form::Chat, r#"{"presence_penalty":0.53,"frequency_penalty":0.59}"#),
            (Form::Gemini, r#"{"generationConfig":{"presencePenalty":0.53,"frequencyPenalty":0.59}}"#),
            (Form::Completions, r#"{"presence_penalty":0.53,"frequency_penalty":0.59}"#),
        ],
        marks: &[&[":0.53", ":0.59"]],
    },
    Feature {
        name: "logit_bias",
        asks: &[
            (Form::Chat, r#"{"logit_bias":{"50256":-100}}"#),
            (Form::Completions, r#"{"logit_bias":{"50256":-100}}"#),
        ],
        marks: &[&["50256"]],
    },
    Feature {
        name: "the user",
        asks: &[
            (Form::Chat, r#"{"user":"probe-user"}"#),
            (Form::Responses, r#"{"user":"probe-user"}"#),
            (Form::Messages, r#"{"metadata":{"user_id":"probe-user"}}"#),
            (Form::Completions, r#"{"user":"probe-user"}"#),
            (Form::Embeddings, r#"{"user":"probe-user"}"#),
        ],
        marks: &[&["probe-user"]],
    },
    Feature {
        name: "service tier",
        asks: &[
            (Form::Chat, r#"{"service_tier":"flex"}"#),
            (Form::Responses, r#"{"service_tier":"flex"}"#),
            (Form::Messages, r#"{"service_tier":"standard_only"}"#),
        ],
        marks: &[&["service_tier"], &["serviceTier"]],
    },
    Feature {
        name: "prompt caching",
        asks: &[
            (
                Form::Chat,
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"probe-hello","cache_control":{"type":"ephemeral"}}]}]}"#,
            ),
            (
                Form::Messages,
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"probe-hello","cache_control":{"type":"ephemeral"}}]}]}"#,
            ),
        ],
        marks: &[&["cache_control"], &["cachePoint"]],
    },
    Feature {
        name: "a member that nobody knows",
        asks: &[
            (Form::Chat, r#"{"probe_unknown":1}"#),
            (Form::Responses, r#"{"probe_unknown":1}"#),
            (Form::Messages, r#"{"probe_unknown":1}"#),
            (Form::Gemini, r#"{"probe_unknown":1}"#),
            (Form::Completions, r#"{"probe_unknown":1}"#),
            (Form::Embeddings, r#"{"probe_unknown":1}"#),
        ],
        marks: &[&["probe_unknown"]],
    },
];
