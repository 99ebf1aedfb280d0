//! What of a request arrives: each feature is asked for in each dialect, with words that nothing else has, and these are
//! looked for in what the provider was sent.

use serde_json::Value;

use super::clients::{Client, Form, merge};
use super::{PROVIDERS, World, dropping};

/// Something that a request may have. Each form is a merge patch on [`Form::base`]; an empty one: that dialect has no word
/// for it.
pub struct Feature {
    /// On the page.
    pub name: &'static str,
    chat: &'static str,
    responses: &'static str,
    messages: &'static str,
    gemini: &'static str,
    /// It arrived if one of these groups is there, all of its words.
    marks: &'static [&'static [&'static str]],
}

impl Feature {
    fn patch(&self, form: Form) -> Option<Value> {
        let text = match form {
            Form::Chat => self.chat,
            Form::Responses => self.responses,
            Form::Messages => self.messages,
            Form::Gemini => self.gemini,
        };
        (!text.is_empty())
            .then(|| serde_json::from_str(text).unwrap_or_else(|why| panic!("{}: {why}", self.name)))
    }

    fn arrived(&self, upstream: &str) -> bool {
        self.marks.iter().any(|words| words.iter().all(|word| upstream.contains(word)))
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The client's dialect has no word for it.
    Unsaid,
    /// It arrived.
    Yes,
    /// It did not, the request was served, and the answer's header named it.
    Dropped,
    /// It did not, the request was served, and nobody said so.
    LeftOut,
    /// The client was told that it cannot be.
    Refused(UnderDropParams),
    /// None of these.
    Failed(u16),
}

/// What becomes of a refused one under `drop_params`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnderDropParams {
    /// The same.
    Refused,
    /// The request is served without it, and the answer's header names it.
    Dropped,
    /// The request is served without it, and nobody says so.
    LeftOut,
}

/// One feature, and its fate at each provider.
pub type Row = (&'static str, Vec<Fate>);

pub(super) async fn play(world: &World, client: &Client) -> Vec<Row> {
    let mut rows = Vec::new();
    for feature in FEATURES {
        let mut fates = Vec::new();
        for provider in PROVIDERS {
            fates.push(fate(world, client.form, feature, provider.name).await);
        }
        rows.push((feature.name, fates));
    }
    rows
}

async fn fate(world: &World, form: Form, feature: &Feature, provider: &str) -> Fate {
    let Some(patch) = feature.patch(form) else { return Fate::Unsaid };
    let mut body = form.base("probe-hello");
    merge(&mut body, &patch);
    let mut names = Vec::new();
    names_in(&patch, &mut names);
    let one = async |group: &str| one(world, form, feature, group, body.clone(), &names).await;
    match one(provider).await {
        Seen { status: 200, arrived: true, .. } => Fate::Yes,
        Seen { status: 200, named: true, .. } => Fate::Dropped,
        Seen { status: 200, .. } => Fate::LeftOut,
        Seen { status: 400, .. } => Fate::Refused(match one(&dropping(provider)).await {
            Seen { status: 200, named: true, .. } => UnderDropParams::Dropped,
            Seen { status: 200, .. } => UnderDropParams::LeftOut,
            _ => UnderDropParams::Refused,
        }),
        Seen { status, .. } => Fate::Failed(status),
    }
}

/// The names of a patch's members, as the client wrote them.
fn names_in(patch: &Value, names: &mut Vec<String>) {
    match patch {
        Value::Object(members) => {
            for (name, value) in members {
                names.push(name.clone());
                names_in(value, names);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| names_in(value, names)),
        _ => {}
    }
}

/// What came of one request.
struct Seen {
    status: u16,
    /// The feature's words were in what the provider was sent.
    arrived: bool,
    /// `x-tidegate-dropped` has one of the names.
    named: bool,
}

async fn one(
    world: &World,
    form: Form,
    feature: &Feature,
    group: &str,
    body: Value,
    names: &[String],
) -> Seen {
    let answer = world.ask(form, group, body, false).await;
    // Without the white space that a client, or a plugin, may have put there.
    let compact = |bytes: &[u8]| {
        serde_json::from_slice::<Value>(bytes).map(|body| body.to_string()).unwrap_or_default()
    };
    let sent = world.sim.log().pop().filter(|_| answer.status == 200);
    let arrived = sent.is_some_and(|seen| feature.arrived(&compact(&seen.body)));
    let told = answer.header("x-tidegate-dropped").unwrap_or_default();
    let mut told = told.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let named = told.any(|word| names.iter().any(|name| name == word));
    Seen { status: answer.status, arrived, named }
}

/// The features.
pub const FEATURES: &[Feature] = &[
    Feature {
        name: "text",
        chat: "{}",
        responses: "{}",
        messages: "{}",
        gemini: "{}",
        marks: &[&["probe-hello"]],
    },
    Feature {
        name: "system text",
        chat: r#"{"messages":[{"role":"system","content":"probe-system"},{"role":"user","content":"probe-hello"}]}"#,
        responses: r#"{"instructions":"probe-system"}"#,
        messages: r#"{"system":"probe-system"}"#,
        gemini: r#"{"systemInstruction":{"parts":[{"text":"probe-system"}]}}"#,
        marks: &[&["probe-system", "probe-hello"]],
    },
    Feature {
        name: "image, in the request",
        chat: r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgoPROBE"}}]}]}"#,
        responses: r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgoPROBE"}]}]}"#,
        messages: r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgoPROBE"}}]}]}"#,
        gemini: r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgoPROBE"}}]}]}"#,
        marks: &[&["iVBORw0KGgoPROBE"]],
    },
    Feature {
        name: "image, by address",
        chat: r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://probe.example/i.png"}}]}]}"#,
        responses: r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://probe.example/i.png"}]}]}"#,
        messages: r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://probe.example/i.png"}}]}]}"#,
        gemini: r#"{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"image/png","fileUri":"https://probe.example/i.png"}}]}]}"#,
        marks: &[&["https://probe.example/i.png"]],
    },
    Feature {
        name: "document (PDF)",
        chat: r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0xPROBE"}}]}]}"#,
        responses: r#"{"input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0xPROBE"}]}]}"#,
        messages: r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0xPROBE"}}]}]}"#,
        gemini: r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"application/pdf","data":"JVBERi0xPROBE"}}]}]}"#,
        marks: &[&["JVBERi0xPROBE"]],
    },
    Feature {
        name: "audio",
        chat: r#"{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklGRPROBE==","format":"wav"}}]}]}"#,
        responses: "",
        messages: "",
        gemini: r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"audio/wav","data":"UklGRPROBE=="}}]}]}"#,
        marks: &[&["UklGRPROBE=="]],
    },
    Feature {
        name: "tools",
        chat: r#"{"tools":[{"type":"function","function":{"name":"probe_tool","description":"probe-about","parameters":{"type":"object","properties":{"probe_field":{"type":"string"}}}}}]}"#,
        responses: r#"{"tools":[{"type":"function","name":"probe_tool","description":"probe-about","parameters":{"type":"object","properties":{"probe_field":{"type":"string"}}}}]}"#,
        messages: r#"{"tools":[{"name":"probe_tool","description":"probe-about","input_schema":{"type":"object","properties":{"probe_field":{"type":"string"}}}}]}"#,
        gemini: r#"{"tools":[{"functionDeclarations":[{"name":"probe_tool","description":"probe-about","parameters":{"type":"OBJECT","properties":{"probe_field":{"type":"STRING"}}}}]}]}"#,
        marks: &[&["probe_tool", "probe-about", "probe_field"]],
    },
    Feature {
        name: "a schema's order",
        chat: r#"{"tools":[{"type":"function","function":{"name":"probe_tool","parameters":{"type":"object","properties":{"probe_z":{"type":"string"},"probe_a":{"type":"string"}}}}}]}"#,
        responses: r#"{"tools":[{"type":"function","name":"probe_tool","parameters":{"type":"object","properties":{"probe_z":{"type":"string"},"probe_a":{"type":"string"}}}}]}"#,
        messages: r#"{"tools":[{"name":"probe_tool","input_schema":{"type":"object","properties":{"probe_z":{"type":"string"},"probe_a":{"type":"string"}}}}]}"#,
        gemini: r#"{"tools":[{"functionDeclarations":[{"name":"probe_tool","parameters":{"type":"OBJECT","properties":{"probe_z":{"type":"STRING"},"probe_a":{"type":"STRING"}}}}]}]}"#,
        marks: &[
            &[r#"{"probe_z":{"type":"string"},"probe_a":{"#],
            &[r#"{"probe_z":{"type":"STRING"},"probe_a":{"#],
        ],
    },
    Feature {
        name: "a tool that must be called",
        chat: r#"{"tools":[{"type":"function","function":{"name":"probe_tool","parameters":{"type":"object","properties":{}}}}],"tool_choice":{"type":"function","function":{"name":"probe_tool"}}}"#,
        responses: r#"{"tools":[{"type":"function","name":"probe_tool","parameters":{"type":"object","properties":{}}}],"tool_choice":{"type":"function","name":"probe_tool"}}"#,
        messages: r#"{"tools":[{"name":"probe_tool","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"tool","name":"probe_tool"}}"#,
        gemini: r#"{"tools":[{"functionDeclarations":[{"name":"probe_tool"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["probe_tool"]}}}"#,
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
        chat: r#"{"tools":[{"type":"function","function":{"name":"probe_tool"}}],"parallel_tool_calls":false}"#,
        responses: r#"{"tools":[{"type":"function","name":"probe_tool","parameters":{}}],"parallel_tool_calls":false}"#,
        messages: r#"{"tools":[{"name":"probe_tool","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}"#,
        gemini: "",
        marks: &[&[r#""parallel_tool_calls":false"#], &[r#""disable_parallel_tool_use":true"#]],
    },
    Feature {
        name: "results of parallel tool calls",
        chat: r#"{"tools":[{"type":"function","function":{"name":"probe_tool"}}],"messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_a","type":"function","function":{"name":"probe_tool","arguments":"{\"k\":\"probe-arg-a\"}"}},{"id":"call_b","type":"function","function":{"name":"probe_tool","arguments":"{\"k\":\"probe-arg-b\"}"}}]},{"role":"tool","tool_call_id":"call_a","content":"probe-result-a"},{"role":"tool","tool_call_id":"call_b","content":"probe-result-b"}]}"#,
        responses: r#"{"tools":[{"type":"function","name":"probe_tool","parameters":{}}],"input":[{"role":"user","content":"x"},{"type":"function_call","call_id":"call_a","name":"probe_tool","arguments":"{\"k\":\"probe-arg-a\"}"},{"type":"function_call","call_id":"call_b","name":"probe_tool","arguments":"{\"k\":\"probe-arg-b\"}"},{"type":"function_call_output","call_id":"call_a","output":"probe-result-a"},{"type":"function_call_output","call_id":"call_b","output":"probe-result-b"}]}"#,
        messages: r#"{"tools":[{"name":"probe_tool","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"call_a","name":"probe_tool","input":{"k":"probe-arg-a"}},{"type":"tool_use","id":"call_b","name":"probe_tool","input":{"k":"probe-arg-b"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_a","content":"probe-result-a"},{"type":"tool_result","tool_use_id":"call_b","content":"probe-result-b"}]}]}"#,
        gemini: r#"{"tools":[{"functionDeclarations":[{"name":"probe_tool"}]}],"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"functionCall":{"name":"probe_tool","args":{"k":"probe-arg-a"}}},{"functionCall":{"name":"probe_tool","args":{"k":"probe-arg-b"}}}]},{"role":"user","parts":[{"functionResponse":{"name":"probe_tool","response":{"r":"probe-result-a"}}},{"functionResponse":{"name":"probe_tool","response":{"r":"probe-result-b"}}}]}]}"#,
        marks: &[&["probe-arg-a", "probe-arg-b", "probe-result-a", "probe-result-b"]],
    },
    Feature {
        name: "structured output",
        chat: r#"{"response_format":{"type":"json_schema","json_schema":{"name":"p","strict":true,"schema":{"type":"object","properties":{"probe_field":{"type":"string"}},"required":["probe_field"],"additionalProperties":false}}}}"#,
        responses: r#"{"text":{"format":{"type":"json_schema","name":"p","strict":true,"schema":{"type":"object","properties":{"probe_field":{"type":"string"}},"required":["probe_field"],"additionalProperties":false}}}}"#,
        messages: r#"{"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"probe_field":{"type":"string"}},"required":["probe_field"],"additionalProperties":false}}}}"#,
        gemini: r#"{"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT","properties":{"probe_field":{"type":"STRING"}}}}}"#,
        marks: &[&["probe_field"]],
    },
    Feature {
        name: "JSON without a schema",
        chat: r#"{"response_format":{"type":"json_object"}}"#,
        responses: r#"{"text":{"format":{"type":"json_object"}}}"#,
        messages: "",
        gemini: r#"{"generationConfig":{"responseMimeType":"application/json"}}"#,
        marks: &[&["json_object"], &["application/json"], &["JSON"]],
    },
    Feature {
        name: "reasoning",
        chat: r#"{"reasoning_effort":"high"}"#,
        responses: r#"{"reasoning":{"effort":"high"}}"#,
        messages: r#"{"thinking":{"type":"enabled","budget_tokens":2048}}"#,
        gemini: r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":2048}}}"#,
        marks: &[&["\"reasoning"], &["\"thinking"], &["\"think\""]],
    },
    Feature {
        name: "stop sequences",
        chat: r#"{"stop":["probe-stop"]}"#,
        responses: "",
        messages: r#"{"stop_sequences":["probe-stop"]}"#,
        gemini: r#"{"generationConfig":{"stopSequences":["probe-stop"]}}"#,
        marks: &[&["probe-stop"]],
    },
    Feature {
        name: "longest answer",
        chat: r#"{"max_tokens":3217}"#,
        responses: r#"{"max_output_tokens":3217}"#,
        messages: r#"{"max_tokens":3217}"#,
        gemini: r#"{"generationConfig":{"maxOutputTokens":3217}}"#,
        marks: &[&[":3217"]],
    },
    Feature {
        name: "temperature",
        chat: r#"{"temperature":0.37}"#,
        responses: r#"{"temperature":0.37}"#,
        messages: r#"{"temperature":0.37}"#,
        gemini: r#"{"generationConfig":{"temperature":0.37}}"#,
        marks: &[&[":0.37"]],
    },
    Feature {
        name: "top_p",
        chat: r#"{"top_p":0.73}"#,
        responses: r#"{"top_p":0.73}"#,
        messages: r#"{"top_p":0.73}"#,
        gemini: r#"{"generationConfig":{"topP":0.73}}"#,
        marks: &[&[":0.73"]],
    },
    Feature {
        name: "top_k",
        chat: r#"{"top_k":47}"#,
        responses: "",
        messages: r#"{"top_k":47}"#,
        gemini: r#"{"generationConfig":{"topK":47}}"#,
        marks: &[&["\"top_k\":47"], &["\"topK\":47"]],
    },
    Feature {
        name: "seed",
        chat: r#"{"seed":424242}"#,
        responses: "",
        messages: "",
        gemini: r#"{"generationConfig":{"seed":424242}}"#,
        marks: &[&["424242"]],
    },
    Feature {
        name: "n > 1",
        chat: r#"{"n":2}"#,
        responses: "",
        messages: "",
        gemini: r#"{"generationConfig":{"candidateCount":2}}"#,
        marks: &[&["\"n\":2"], &["\"candidateCount\":2"]],
    },
    Feature {
        name: "logprobs",
        chat: r#"{"logprobs":true,"top_logprobs":3}"#,
        responses: r#"{"include":["message.output_text.logprobs"],"top_logprobs":3}"#,
        messages: "",
        gemini: r#"{"generationConfig":{"responseLogprobs":true,"logprobs":3}}"#,
        marks: &[&["logprobs\":3"]],
    },
    Feature {
        name: "penalties",
        chat: r#"{"presence_penalty":0.53,"frequency_penalty":0.59}"#,
        responses: "",
        messages: "",
        gemini: r#"{"generationConfig":{"presencePenalty":0.53,"frequencyPenalty":0.59}}"#,
        marks: &[&[":0.53", ":0.59"]],
    },
    Feature {
        name: "logit_bias",
        chat: r#"{"logit_bias":{"50256":-100}}"#,
        responses: "",
        messages: "",
        gemini: "",
        marks: &[&["50256"]],
    },
    Feature {
        name: "the user",
        chat: r#"{"user":"probe-user"}"#,
        responses: r#"{"user":"probe-user"}"#,
        messages: r#"{"metadata":{"user_id":"probe-user"}}"#,
        gemini: "",
        marks: &[&["probe-user"]],
    },
    Feature {
        name: "service tier",
        chat: r#"{"service_tier":"flex"}"#,
        responses: r#"{"service_tier":"flex"}"#,
        messages: r#"{"service_tier":"standard_only"}"#,
        gemini: "",
        marks: &[&["service_tier"], &["serviceTier"]],
    },
    Feature {
        name: "prompt caching",
        chat: r#"{"messages":[{"role":"user","content":[{"type":"text","text":"probe-hello","cache_control":{"type":"ephemeral"}}]}]}"#,
        responses: "",
        messages: r#"{"messages":[{"role":"user","content":[{"type":"text","text":"probe-hello","cache_control":{"type":"ephemeral"}}]}]}"#,
        gemini: "",
        marks: &[&["cache_control"], &["cachePoint"]],
    },
    Feature {
        name: "a member that nobody knows",
        chat: r#"{"probe_unknown":1}"#,
        responses: r#"{"probe_unknown":1}"#,
        messages: r#"{"probe_unknown":1}"#,
        gemini: r#"{"probe_unknown":1}"#,
        marks: &[&["probe_unknown"]],
    },
];
