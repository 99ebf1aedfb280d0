//! What of an answer comes back: each provider gives, in its own words, an answer that has all it can have, and the client's
//! bytes are looked through for it.

use serde_json::json;

use super::clients::{Client, Form};
use super::wires::{SIGNATURE, Wire};
use super::{PROVIDERS, World, group};

/// Something that an answer may have.
struct Feature {
    /// On the page.
    name: &'static str,
    /// It is there if one of these groups is, all of its words.
    marks: &'static [&'static [&'static str]],
    /// The dialects whose answers have no member for it.
    no_place: &'static [Form],
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The provider's answers have no such thing.
    Unsaid,
    /// The client has it.
    Yes,
    /// The client was answered without it: its dialect has no place for it.
    NoPlace,
    /// The client was answered without it.
    Lost,
    /// The client was not answered.
    Failed(u16),
}

/// One feature, and its fate from each provider.
pub type Row = (String, Vec<Fate>);

/// Numbers that nothing else in an answer has: of the prompt 1201, of them from a cache 641; of the answer 2203, of them for
/// reasoning 733.
const FEATURES: &[Feature] = &[
    feature("text", &[&["probe-answer"]]),
    of_chats("parallel tool calls", &[&["probe_call_a", "probe_call_b", "probe-arg-a", "probe-arg-b"]]),
    of_chats("reasoning", &[&["probe-thought"]]),
    // The second is how a client of Gemini's is given what Google did not sign: docs/gemini.md.
    of_chats("signatures", &[&[SIGNATURE], &["dGlkZWdhdGUvMSBzIGNISnZZbVV0WW1GamF3"]]),
    of_chats("citations", &[&["https://probe.example/cite"]]),
    // A client of these two cannot ask for them either.
    Feature { no_place: &[Form::Messages], ..feature("logprobs", &[&["probe-token"]]) },
    Feature {
        no_place: &[Form::Messages, Form::Responses],
        ..feature("a second choice", &[&["probe-second"]])
    },
    // Their stop reasons say that a sequence was met or that the answer was whole, with one word.
    Feature {
        no_place: &[Form::Responses, Form::Gemini, Form::Completions],
        ..feature("which stop sequence", &[&["probe-stopped"]])
    },
    feature("vectors", &[&["0.0625", "-0.1875"]]),
    feature(
        "usage",
        &[
            &[":1201", ":2203"],
            &[":560", ":2203"],
            &[":1201", ":1470"],
            // Of embeddings, which have no answer to count.
            &[r#""prompt_tokens":1201,"total_tokens":1201"#],
            &[r#"]],"prompt_eval_count":1201"#],
            &[r#""token_count":1201"#],
        ],
    ),
    feature("cached tokens", &[&[":641"]]),
    feature("reasoning tokens", &[&[":733"]]),
];

/// What a legacy completion has no place for.
const fn of_chats(name: &'static str, marks: &'static [&'static [&'static str]]) -> Feature {
    Feature { no_place: &[Form::Completions], ..feature(name, marks) }
}

const fn feature(name: &'static str, marks: &'static [&'static [&'static str]]) -> Feature {
    Feature { name, marks, no_place: &[] }
}

pub(super) async fn play(world: &World, client: &Client) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for stream in [false, true].into_iter().take(if client.form.streams() { 2 } else { 1 }) {
        let mut fates: Vec<Vec<Fate>> = vec![Vec::new(); FEATURES.len()];
        for provider in PROVIDERS {
            for (fates, fate) in
                fates.iter_mut().zip(of(world, client.form, &group(provider.name), stream).await)
            {
                fates.push(fate);
            }
        }
        let name = |feature: &Feature| match stream {
            true => format!("{}, streamed", feature.name),
            false => feature.name.to_owned(),
        };
        rows.extend(FEATURES.iter().map(name).zip(fates));
    }
    if !client.form.has_tools() {
        return rows;
    }
    let mut sent_back = Vec::new();
    for provider in PROVIDERS {
        sent_back.push(round(world, client.form, &group(provider.name)).await);
    }
    rows.push(("signatures, sent back".to_owned(), sent_back));
    rows
}

/// The name of the script that gives the answer.
const SCENARIO: &str = "probe";

async fn of(world: &World, form: Form, provider: &str, stream: bool) -> Vec<Fate> {
    let ask = |scenario: &str| {
        let mut body = form.base(&format!("sim:{scenario}"));
        if matches!(form, Form::Chat | Form::Completions) && stream {
            body["stream_options"] = json!({"include_usage": true});
        }
        world.ask(form, provider, body, stream)
    };
    // How the provider is asked is found out first.
    let fast = ask("fast").await;
    let Some(seen) = world.sim.log().pop().filter(|_| fast.status == 200) else {
        return vec![Fate::Failed(fast.status); FEATURES.len()];
    };
    let (script, said) = Wire::at(&seen.target).answer(stream);
    world.sim.script(SCENARIO, script);
    let answer = ask(SCENARIO).await;
    let (said, told) = (compact(&said), compact(&answer.text()));
    let has = |text: &str, feature: &Feature| {
        feature.marks.iter().any(|words| words.iter().all(|word| text.contains(word)))
    };
    let fate = |feature: &Feature| match answer.status {
        _ if !has(&said, feature) => Fate::Unsaid,
        200 if has(&told, feature) => Fate::Yes,
        200 if feature.no_place.contains(&form) => Fate::NoPlace,
        200 => Fate::Lost,
        status => Fate::Failed(status),
    };
    FEATURES.iter().map(fate).collect()
}

/// Whether a signature that the client was given is at the provider again with the next request.
async fn round(world: &World, form: Form, provider: &str) -> Fate {
    let fast = world.ask(form, provider, form.base("sim:fast"), false).await;
    let Some(seen) = world.sim.log().pop().filter(|_| fast.status == 200) else {
        return Fate::Failed(fast.status);
    };
    let (script, said) = Wire::at(&seen.target).answer(false);
    if !said.contains(SIGNATURE) {
        return Fate::Unsaid;
    }
    world.sim.script(SCENARIO, script);
    let answer = world.ask(form, provider, form.base(&format!("sim:{SCENARIO}")), false).await;
    if answer.status != 200 {
        return Fate::Failed(answer.status);
    }
    let next = world.ask(form, provider, form.after(&answer.json()), false).await;
    let sent = world.sim.log().pop().filter(|_| next.status == 200);
    match sent {
        Some(seen) if String::from_utf8_lossy(&seen.body).contains(SIGNATURE) => Fate::Yes,
        Some(_) => Fate::Lost,
        None => Fate::Failed(next.status),
    }
}

/// Without the white space around a name's colon.
fn compact(text: &str) -> String {
    text.replace("\": ", "\":")
}
