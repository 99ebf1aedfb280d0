//! What the client is told of each kind of failure.

use tidegate_sim::strict::End;
use tidegate_sim::strict::client::ask;

use super::clients::{CLIENTS, Form};
use super::{LONG, PROVIDERS, World, group, hasty};
use crate::Answer;

/// A kind of failure: its name on the page, and the simulator's scenario.
pub struct Failure {
    name: &'static str,
    scenario: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Before an answer, whatever is asked for.
    Early,
    /// Within a stream.
    Stream,
    /// Within a stream, which ends by a clock.
    Stall,
}

/// The rows.
const FAILURES: &[Failure] = &[
    Failure { name: "429 before anything", scenario: "http-429", kind: Kind::Early },
    Failure { name: "429 as the first event", scenario: "429-first", kind: Kind::Stream },
    Failure { name: "429 after text", scenario: "429-frame-end", kind: Kind::Stream },
    Failure { name: "overload (503)", scenario: "http-503", kind: Kind::Early },
    Failure { name: "a wrong key", scenario: "http-401", kind: Kind::Early },
    Failure { name: "a bad request", scenario: "http-400", kind: Kind::Early },
    Failure { name: "the end before the answer's", scenario: "no-finish", kind: Kind::Stream },
    Failure { name: "silence after text", scenario: "stall-mid", kind: Kind::Stall },
    Failure { name: "what is not the dialect", scenario: "plain-text-line", kind: Kind::Stream },
];

/// One failure, and what the clients of each dialect are told.
pub type Row = (String, Vec<String>);

pub(super) async fn play(world: &World) -> Vec<Row> {
    let mut rows = Vec::new();
    for failure in FAILURES {
        let mut cells = Vec::new();
        for client in CLIENTS {
            if failure.kind != Kind::Early && !client.form.streams() {
                cells.push("-".to_owned());
                continue;
            }
            // All at once: some wait for a clock. What all providers come to is said once.
            let mut told: Vec<(String, Vec<&str>)> = Vec::new();
            let asked: Vec<_> = PROVIDERS
                .iter()
                .map(|provider| tokio::spawn(asked(world, client.form, failure, provider.name)))
                .collect();
            for (provider, answer) in PROVIDERS.iter().zip(asked) {
                let form = words(client.form, &answer.await.expect("a question does not panic"));
                match told.iter_mut().find(|(known, _)| *known == form) {
                    Some((_, whose)) => whose.push(provider.name),
                    None => told.push((form, vec![provider.name])),
                }
            }
            cells.push(match &told[..] {
                [(form, _)] => form.clone(),
                _ => {
                    let parts = told.iter().map(|(form, whose)| format!("{}: {form}", whose.join(", ")));
                    parts.collect::<Vec<_>>().join("; ")
                }
            });
        }
        rows.push((format!("{} (`{}`)", failure.name, failure.scenario), cells));
    }
    rows
}

/// The answer to a failure's question.
fn asked(
    world: &World,
    form: Form,
    failure: &Failure,
    provider: &str,
) -> impl Future<Output = Answer> + Send + 'static {
    let group = if failure.kind == Kind::Stall { hasty(provider) } else { group(provider) };
    let body = form.base(&format!("sim:{}", failure.scenario));
    let (data, request) = (world.proxy.data, form.request(&group, body, form.streams()));
    async move { ask(data, &request, LONG).await }
}

/// What an answer tells of a failure, in a few words.
pub(super) fn words(form: Form, answer: &Answer) -> String {
    if answer.status == 404 {
        return super::page::NOT_SIMULATED.to_owned();
    }
    if answer.status != 200 {
        let retry = answer.header("retry-after").map_or("", |_| ", `retry-after`");
        return format!("HTTP {}{}{retry}", answer.status, kinds(&answer.text()));
    }
    let text = answer.text().replace("\r\n", "\n");
    let ended = if answer.end == End::Complete { "" } else { ", cut off" };
    let last = text.trim_end().rsplit("\n\n").find(|event| event.contains("error"));
    match last {
        None if text.contains(done(form)) => format!("a NORMAL END{ended}"),
        None => format!("NOTHING{ended}"),
        Some(event) => {
            let name = event.lines().find_map(|line| line.strip_prefix("event: "));
            let name = name.map_or("an event".to_owned(), |name| format!("`event: {name}`"));
            let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default();
            format!("text, {name}{}{ended}", kinds(data))
        }
    }
}

/// What no stream that failed may have.
fn done(form: Form) -> &'static str {
    match form {
        Form::Chat | Form::Completions | Form::Embeddings => "[DONE]",
        Form::Responses => "response.completed",
        Form::Messages => "message_stop",
        Form::Gemini => "\"finishReason\"",
    }
}

/// The words of an error that SDKs look at.
fn kinds(error: &str) -> String {
    let Ok(body) = serde_json::from_str::<serde_json::Value>(error) else { return String::new() };
    let error =
        ["error", "response"].into_iter().map(|name| &body[name]).find(|it| it.is_object()).unwrap_or(&body);
    let error = if error["error"].is_object() { &error["error"] } else { error };
    let shown = ["type", "status", "code"].into_iter().filter(|name| !error[name].is_null());
    let words: Vec<String> =
        shown.map(|name| format!("{name} `{}`", error[name].to_string().trim_matches('"'))).collect();
    if words.is_empty() { String::new() } else { format!(", {}", words.join(", ")) }
}
