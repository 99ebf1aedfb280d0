//! The forms in which providers say within a stream that something failed, and what clients make of each.

use tidegate_sim::Sim;
use tidegate_sim::strict::client::ask;

use super::clients::{CLIENTS, Form};
use super::failures::words;
use super::{LONG, World, group};

/// A form: whose it is, and the simulator's scenario that has it at this provider.
struct Own {
    whose: &'static str,
    provider: &'static str,
    scenario: &'static str,
}

const fn own(whose: &'static str, provider: &'static str, scenario: &'static str) -> Own {
    Own { whose, provider, scenario }
}

const FORMS: &[Own] = &[
    own("OpenAI", "openai", "429-frame-end"),
    own("OpenAI, a quota", "openai", "quota-frame"),
    own("OpenRouter", "together_ai", "429-numeric"),
    own("OpenRouter, of its provider", "together_ai", "502-router-frame"),
    own("vLLM", "together_ai", "429-then-done"),
    own("vLLM, older", "together_ai", "429-flat"),
    own("a named event", "together_ai", "429-event-line"),
    own("Azure OpenAI", "azure", "429-frame-end"),
    own("Azure API Management", "azure", "429-flat"),
    own("Anthropic", "anthropic", "429-frame-end"),
    own("Anthropic, overloaded", "anthropic", "overloaded-frame"),
    own("Anthropic, no name", "anthropic", "429-flat"),
    own("Claude on Vertex AI", "vertex_ai (Claude)", "429-frame-end"),
    own("Gemini", "gemini", "429-frame-end"),
    own("Gemini, a word for the code", "gemini", "429-flat"),
    own("Gemini, the end of an array", "gemini", "array-tail"),
    own("Gemini on Vertex AI", "vertex_ai (Gemini)", "503-frame-end"),
    own("Bedrock, throttled", "bedrock", "429-frame-end"),
    own("Bedrock, of the model", "bedrock", "502-router-frame"),
    own("Ollama, busy", "ollama", "503-frame-end"),
    own("Ollama, anything else", "ollama", "502-router-frame"),
];

/// The clients with a column: those that can have a stream of a chat.
pub(super) fn clients() -> impl Iterator<Item = &'static super::clients::Client> {
    CLIENTS.iter().filter(|client| client.form.has_tools())
}

/// A form, what it looks like, and what the clients of each dialect are told.
pub type Row = (String, Vec<String>);

pub(super) async fn play(world: &World) -> Vec<Row> {
    // It asks for no key, so that a request can be repeated from the other's log.
    let open = Sim::start(world.settings.clone()).await.expect("the simulator can listen");
    let mut rows = Vec::new();
    for form in FORMS {
        let mut cells = Vec::new();
        for client in clients() {
            let body = client.form.base(&format!("sim:{}", form.scenario));
            let answer = world.ask(client.form, &group(form.provider), body, true).await;
            cells.push(words(client.form, &answer));
        }
        cells.insert(0, looks(world, &open, form).await);
        rows.push((form.whose.to_owned(), cells));
    }
    rows
}

/// The last of what the provider sends, as it came.
async fn looks(world: &World, open: &Sim, form: &Own) -> String {
    let body = Form::Chat.base(&format!("sim:{}", form.scenario));
    let _ = world.ask(Form::Chat, &group(form.provider), body, true).await;
    let seen = world.sim.log().pop().expect("the provider was asked");
    let headers = "anthropic-version: 2023-06-01\r\n";
    let request = tidegate_sim::strict::client::post(&seen.target, headers, &seen.body);
    let answer = ask(open.addr(), &request, LONG).await;
    let last = match answer.header("content-type") {
        Some("application/vnd.amazon.eventstream") => exception(&answer.body),
        Some("application/x-ndjson") => answer.text().lines().last().unwrap_or_default().to_owned(),
        _ => {
            let text = answer.text().replace("\r\n", "\n");
            let events: Vec<&str> = text.trim_end().split("\n\n").collect();
            let from = events.iter().rposition(|event| event.contains("rror")).unwrap_or_default();
            events[from..].join("\n")
        }
    };
    let lines: Vec<String> = last.lines().map(|line| format!("`{}`", short(line))).collect();
    lines.join(" ").replace('|', "\\|")
}

/// A line of a sensible length.
fn short(line: &str) -> String {
    const MOST: usize = 110;
    if line.chars().count() <= MOST {
        return line.to_owned();
    }
    format!("{}...", line.chars().take(MOST).collect::<String>())
}

/// The last frame of an event stream: its type, and its payload.
fn exception(body: &[u8]) -> String {
    let number = |at: usize| body[at..at + 4].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let mut at = 0;
    while at + number(at) < body.len() {
        at += number(at);
    }
    let (length, headers) = (number(at), number(at + 4));
    let head = String::from_utf8_lossy(&body[at + 12..at + 12 + headers]);
    let kind = [":exception-type", ":event-type"].into_iter().find_map(|name| {
        let value = head.split_once(name)?.1.get(3..)?;
        Some(format!("{name}: {}", value.chars().take_while(char::is_ascii_alphanumeric).collect::<String>()))
    });
    let payload = String::from_utf8_lossy(&body[at + 12 + headers..at + length - 4]);
    format!("{}\n{payload}", kind.unwrap_or_default())
}
