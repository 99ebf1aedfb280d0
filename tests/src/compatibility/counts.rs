//! Who counts the tokens of a request that asks for their number alone.

use serde_json::{Value, json};
use tidegate_sim::strict::client::{ask, post};

use super::{LONG, PROVIDERS, World, group};
use crate::Answer;

/// A way to ask: its name on the page, its path with `GROUP` for the model group, and its body.
struct Way {
    name: &'static str,
    path: &'static str,
    headers: &'static str,
    body: fn(&str, &str) -> Value,
    /// The number's place in the answer.
    number: &'static str,
}

const WAYS: &[Way] = &[
    Way {
        name: "Anthropic: `/v1/messages/count_tokens`",
        path: "/v1/messages/count_tokens",
        headers: "anthropic-version: 2023-06-01\r\n",
        body: |group, text| json!({"model": group, "messages": [{"role": "user", "content": text}]}),
        number: "/input_tokens",
    },
    Way {
        name: "Gemini: `:countTokens`",
        path: "/v1beta/models/GROUP:countTokens",
        headers: "",
        body: |_, text| json!({"contents": [{"role": "user", "parts": [{"text": text}]}]}),
        number: "/totalTokens",
    },
];

/// One way, and what comes of it at each provider.
pub type Row = (String, Vec<String>);

pub(super) async fn play(world: &World) -> Vec<Row> {
    let mut rows = Vec::new();
    for way in WAYS {
        let (mut good, mut limited) = (Vec::new(), Vec::new());
        for provider in PROVIDERS {
            let group = group(provider.name);
            good.push(counted(world, way, &group).await);
            let answer = send(world, way, &group, "sim:http-429").await;
            limited.push(match answer.status {
                200 => "an estimate".to_owned(),
                status => format!("HTTP {status}"),
            });
        }
        rows.push((way.name.to_owned(), good));
        rows.push((format!("{}, a provider that answers 429", way.name), limited));
    }
    rows
}

async fn send(world: &World, way: &Way, group: &str, text: &str) -> Answer {
    let body = (way.body)(group, text).to_string();
    let path = way.path.replace("GROUP", group);
    ask(world.proxy.data, &post(&path, way.headers, body.as_bytes()), LONG).await
}

async fn counted(world: &World, way: &Way, group: &str) -> String {
    let asked = || world.sim.all_counts().values().map(|counts| counts.started).sum::<u64>();
    let before = asked();
    let answer = send(world, way, group, "sim:fast").await;
    let number = answer.json().pointer(way.number).and_then(Value::as_u64);
    match (number, asked() > before) {
        (Some(_), true) => "counted".to_owned(),
        (Some(_), false) => "an estimate".to_owned(),
        (None, _) => format!("HTTP {}", answer.status),
    }
}
