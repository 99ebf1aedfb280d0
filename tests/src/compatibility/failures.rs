//! What the client is told of each kind of failure.

use tidegate_sim::strict::End;

use super::clients::{CLIENTS, Form};
use super::{HASTY, PROVIDERS, World};
use crate::Answer;

/// A kind of failure: its name on the page, and the simulator's scenario.
pub struct Failure {
    name: &'static str,
    scenario: &'static str,
    /// It ends by a clock.
    stalls: bool,
}

/// The rows.
const FAILURES: &[Failure] = &[
    Failure { name: "429 before anything", scenario: "http-429", stalls: false },
    Failure { name: "429 as the first event", scenario: "429-first", stalls: false },
    Failure { name: "429 after text", scenario: "429-frame-end", stalls: false },
    Failure { name: "overload (503)", scenario: "http-503", stalls: false },
    Failure { name: "a wrong key", scenario: "http-401", stalls: false },
    Failure { name: "a bad request", scenario: "http-400", stalls: false },
    Failure { name: "the end before the answer's", scenario: "no-finish", stalls: false },
    Failure { name: "silence after text", scenario: "stall-mid", stalls: true },
    Failure { name: "what is not the dialect", scenario: "plain-text-line", stalls: false },
];

/// One failure, and what the clients of each dialect are told.
pub type Row = (String, Vec<String>);

pub(super) async fn play(world: &World) -> Vec<Row> {
    let mut rows = Vec::new();
    for failure in FAILURES {
        let mut cells = Vec::new();
        for client in CLIENTS {
            // What all providers come to is said once.
            let mut told: Vec<(String, Vec<&str>)> = Vec::new();
            for provider in PROVIDERS {
                let form = said(world, client.form, failure, provider.name).await;
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

async fn said(world: &World, form: Form, failure: &Failure, provider: &str) -> String {
    let group = if failure.stalls { format!("{provider}-{HASTY}") } else { provider.to_owned() };
    let body = form.base(&format!("sim:{}", failure.scenario));
    let answer = world.ask(form, &group, body, true).await;
    words(form, &answer)
}

fn words(form: Form, answer: &Answer) -> String {
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
        Form::Chat => "[DONE]",
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
