//! What a plugin is given: clients' requests, good and bad, and providers' errors in the forms that were seen.

use super::rng::Rng;

/// A request in OpenAI chat form.
pub(super) struct Body {
    /// For people.
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// The request that any chat provider can serve.
pub(super) const SMALL: &str = r#"{"model":"m","messages":[{"role":"user","content":"Say hello."}]}"#;

/// Where the value of `model` stands in the well-formed ones.
pub(super) const MODEL_AT: std::ops::Range<usize> = 9..12;

/// Requests that are well formed; a provider may still not support one.
pub(super) fn requests() -> Vec<Body> {
    let texts = [
        ("one message", SMALL.to_owned()),
        (
            "a dialogue",
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hello"},{"role":"assistant","content":"Hello!"},{"role":"user","content":"And now?"}]}"#.to_owned(),
        ),
        (
            "tools",
            r#"{"model":"m","messages":[{"role":"user","content":"High water?"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"tide","arguments":"{\"harbour\":\"Husum\"}"}}]},{"role":"tool","tool_call_id":"call_1","content":"06:12"}],"tools":[{"type":"function","function":{"name":"tide","description":"High water","parameters":{"type":"object","properties":{"harbour":{"type":"string"}},"required":["harbour"]}}}],"tool_choice":"auto"}"#.to_owned(),
        ),
        (
            "an image",
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]}"#.to_owned(),
        ),
        (
            "every parameter",
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":0.5,"top_p":0.9,"n":1,"stop":["a","b"],"max_tokens":64,"presence_penalty":0.1,"frequency_penalty":0.2,"seed":7,"logprobs":true,"top_logprobs":2,"user":"u","response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object","properties":{"a":{"type":"integer"}}}}},"reasoning_effort":"low","x_unknown":{"a":[1,2,{"b":null}]}}"#.to_owned(),
        ),
        (
            "every script",
            r#"{"model":"m","messages":[{"role":"user","content":"äöü 潮 🌊 \u0000 \u2028 \ud83c\udf0a שלום e\u0301 \"\\\/"}]}"#.to_owned(),
        ),
        (
            "1 MiB of text",
            format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{}"}}]}}"#, "wave ".repeat(210_000)),
        ),
        (
            "2,000 messages",
            format!(r#"{{"model":"m","messages":[{}]}}"#, vec![r#"{"role":"user","content":"x"}"#; 2000].join(",")),
        ),
    ];
    texts.into_iter().map(|(name, text)| Body { name, bytes: text.into_bytes() }).collect()
}

/// Requests that are not: a provider refuses them, or makes of them what it can.
pub(super) fn bad_requests() -> Vec<Body> {
    let mut bodies: Vec<Body> = [
        ("no message", r#"{"model":"m"}"#),
        ("messages that are null", r#"{"model":"m","messages":null}"#),
        ("messages that are a text", r#"{"model":"m","messages":"hello"}"#),
        ("an empty list of messages", r#"{"model":"m","messages":[]}"#),
        ("messages that are numbers", r#"{"model":"m","messages":[1,2,3]}"#),
        ("a content that is a number", r#"{"model":"m","messages":[{"role":"user","content":7}]}"#),
        ("a role that is an object", r#"{"model":"m","messages":[{"role":{},"content":"x"}]}"#),
        ("tools that are a text", r#"{"model":"m","messages":[{"role":"user","content":"x"}],"tools":"all"}"#),
        ("numbers out of range", r#"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":-1e308,"temperature":1e999}"#),
        ("an empty object", "{}"),
        ("an array", "[]"),
        ("null", "null"),
        ("no byte", ""),
        ("a document that breaks off", r#"{"model":"m","messages":[{"role":"user","con"#),
        ("text", "hello"),
    ]
    .into_iter()
    .map(|(name, text)| Body { name, bytes: text.as_bytes().to_vec() })
    .collect();
    bodies.push(Body { name: "100,000 open brackets", bytes: vec![b'['; 100_000] });
    bodies.push(Body {
        name: "bytes that are no UTF-8",
        bytes: b"{\"model\":\"\xff\xfe\",\"messages\":[\"\xc3\"]}".to_vec(),
    });
    bodies.push(Body { name: "random bytes", bytes: Rng::new(1).bytes(4096) });
    bodies
}

/// Error forms of the providers, as one JSON document.
pub(super) const ERRORS: [(&str, &str); 5] = [
    (
        "OpenAI's error",
        r#"{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
    ),
    (
        "Google's error",
        r#"{"error":{"code":429,"message":"Resource exhausted.","status":"RESOURCE_EXHAUSTED"}}"#,
    ),
    ("Anthropic's error", r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#),
    ("an error that is a text", r#"{"error":"model not found"}"#),
    ("an error with numbers for words", r#"{"error":{"code":"503","message":12,"status":[]}}"#),
];

/// Texts that are no document of any provider.
pub(super) fn garbage() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = [
        ("HTML", "<html><body><h1>502 Bad Gateway</h1></body></html>"),
        ("a middlebox's words", "upstream connect error or disconnect/reset before headers"),
        ("a document that breaks off", r#"{"choices":[{"index":0,"delta":{"content":"Fl"#),
        ("an empty object", "{}"),
        ("an array of arrays", "[[[[]]]]"),
        ("a number", "1e400"),
        ("a text", "\"x\""),
        ("true", "true"),
        ("null", "null"),
        ("members of wrong types", r#"{"choices":{"a":1},"candidates":"x","token":[],"type":7,"error":null,"usage":"many","message":3}"#),
        ("lists of wrong things", r#"{"choices":[null,1,"x",[],{"index":-1,"delta":7}],"candidates":[null,{"content":{"parts":[null,{"text":{}}]},"index":99999999999}]}"#),
        ("half of a surrogate pair", r#"{"token":"\ud83c","choices":[{"index":0,"delta":{"content":"\ud83c"}}]}"#),
        ("nothing", ""),
        ("spaces", "   "),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
    .collect();
    all.push(("100,000 open brackets".to_owned(), vec![b'['; 100_000]));
    all.push(("100,000 open objects".to_owned(), b"{\"a\":".repeat(100_000)));
    all.push(("bytes that are no UTF-8".to_owned(), b"{\"token\":\"\xff\xc3\"}".to_vec()));
    all.push(("a NUL".to_owned(), b"{\"token\":\"a\0b\"}".to_vec()));
    let mut rng = Rng::new(2);
    all.extend((0..20).map(|n| (format!("random bytes, number {n}"), rng.bytes(1 + n * 37))));
    all
}

/// Copies of some bytes with a few of them changed, taken out or doubled.
pub(super) fn mutants(bytes: &[u8], count: usize) -> Vec<Vec<u8>> {
    let mut rng = Rng::new(bytes.len() as u64);
    let mutant = |_| {
        let mut copy = bytes.to_vec();
        for _ in 0..=rng.below(3) {
            let at = rng.below(copy.len());
            match rng.below(4) {
                _ if copy.is_empty() => {}
                0 => copy[at] = rng.next().to_le_bytes()[0],
                1 => copy[at] ^= 1 << rng.below(8),
                2 => drop(copy.drain(at..(at + 1 + rng.below(20)).min(copy.len()))),
                _ => {
                    let piece = copy[at..(at + 1 + rng.below(60)).min(copy.len())].to_vec();
                    copy.splice(at..at, piece);
                }
            }
        }
        copy
    };
    (0..count).map(mutant).collect()
}
