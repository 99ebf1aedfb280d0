//! The page.

use super::asked::UnderDropParams;
use super::clients::{CLIENTS, Client};
use super::{PROVIDERS, answers, asked, failures};

pub(super) fn of_client(client: &Client, asked: &[asked::Row], answers: &[answers::Row]) -> String {
    let head = format!(
        "| | {} |\n|---|{}\n",
        PROVIDERS.iter().map(|provider| format!("`{}`", provider.name)).collect::<Vec<_>>().join(" | "),
        "---|".repeat(PROVIDERS.len())
    );
    // What a dialect has no word for is no row of it.
    let asked = asked.iter().filter(|(_, fates)| fates.iter().any(|fate| *fate != asked::Fate::Unsaid));
    let asked: String =
        asked.map(|(name, fates)| row(name, fates.iter().map(|fate| of_asked(*fate)))).collect();
    let answers = answers.iter().filter(|(_, fates)| fates.iter().any(|fate| *fate != answers::Fate::Unsaid));
    let answers: String =
        answers.map(|(name, fates)| row(name, fates.iter().map(|fate| of_answer(*fate)))).collect();
    format!(
        "## {}\n\nWhat of a request arrives:\n\n{head}{asked}\nWhat of an answer comes back:\n\n{head}{answers}",
        client.name
    )
}

fn of_asked(fate: asked::Fate) -> String {
    match fate {
        asked::Fate::Unsaid => "-".to_owned(),
        asked::Fate::Yes => "yes".to_owned(),
        asked::Fate::Dropped => "dropped".to_owned(),
        asked::Fate::LeftOut => SILENT.to_owned(),
        asked::Fate::Refused(UnderDropParams::Refused) => "refused".to_owned(),
        asked::Fate::Refused(UnderDropParams::Dropped) => "refused; dropped".to_owned(),
        asked::Fate::Refused(UnderDropParams::LeftOut) => format!("refused; {SILENT}"),
        asked::Fate::Failed(404) => NOT_SIMULATED.to_owned(),
        asked::Fate::Failed(status) => format!("HTTP {status}"),
    }
}

fn of_answer(fate: answers::Fate) -> String {
    match fate {
        answers::Fate::Unsaid => "-".to_owned(),
        answers::Fate::Yes => "yes".to_owned(),
        answers::Fate::NoPlace => "no place".to_owned(),
        answers::Fate::Lost => "left out".to_owned(),
        answers::Fate::Failed(404) => NOT_SIMULATED.to_owned(),
        answers::Fate::Failed(status) => format!("HTTP {status}"),
    }
}

fn row(name: &str, cells: impl Iterator<Item = String>) -> String {
    format!("| {name} | {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

pub(super) fn whole(tables: &[String], failures: &[failures::Row]) -> String {
    let names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
    let failures: String = failures.iter().map(|(name, cells)| row(name, cells.iter().cloned())).collect();
    format!(
        "{INTRODUCTION}\n{}\n## Failures\n\nWhat a client that asked for a stream is told, whoever the provider is, \
         by the simulator's scenario in brackets. After `text` stands the one event that ends the stream.\n\n| | {} |\n|---|{}\n{failures}",
        tables.join("\n"),
        names.join(" | "),
        "---|".repeat(names.len())
    )
}

/// Served without what was asked for, and without a word about it.
const SILENT: &str = "left out";

/// The simulator has no such address.
pub(super) const NOT_SIMULATED: &str = "not simulated";

const INTRODUCTION: &str = "# Compatibility

What arrives and what comes back, for each dialect of clients and each provider. This page is made by sending each of these
requests through the real program to the simulated providers, and by looking whether the feature was in what they were sent,
or in what the client got:

```
cargo build --workspace --features tidegate/fault-hooks
cargo run -p tidegate-tests --bin compatibility
```

A test fails when the page is not what the command makes. In the tables:

- *yes*: it arrived at the provider, or at the client.
- *dropped*: the request was served without it, and the answer's header `x-tidegate-dropped` names it. It is advice, which
  changes no answer.
- *refused*: the client gets a 400 that names it; *refused; dropped*: under `drop_params` it is dropped.
- *left out*: the request or the client was served without it, and nobody said so.
- *no place*: the client was served without it, since answers in its dialect have no member for it.
- *-*: the provider's answers have no such thing.

*Sent back* says whether the signature of a thought is at the provider again when the client sends the answer back as it got
it, with the results of its tools.

`together_ai` stands for the vendors that speak OpenAI's chat completions and nothing else.
";
