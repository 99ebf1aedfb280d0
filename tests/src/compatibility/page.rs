//! The page.

use super::asked::UnderDropParams;
use super::clients::{CLIENTS, Client};
use super::{PROVIDERS, answers, asked, counts, failures, forms};

pub(super) fn of_client(client: &Client, asked: &[asked::Row], answers: &[answers::Row]) -> String {
    let head = providers();
    // What a dialect has no word for is no row of it.
    let asked = asked.iter().filter(|(_, fates)| fates.iter().any(|fate| *fate != asked::Fate::Unsaid));
    let asked: String =
        asked.map(|(name, fates)| row(name, fates.iter().map(|fate| of_asked(*fate)))).collect();
    let told = |fate: &answers::Fate| !matches!(fate, answers::Fate::Unsaid | answers::Fate::Failed(_));
    let answers = answers.iter().filter(|(_, fates)| fates.iter().any(told));
    let answers: String =
        answers.map(|(name, fates)| row(name, fates.iter().map(|fate| of_answer(*fate)))).collect();
    format!(
        "## {}\n\nWhat of a request arrives:\n\n{head}{asked}\nWhat of an answer comes back:\n\n{head}{answers}",
        client.name
    )
}

/// The head of a table by provider.
fn providers() -> String {
    head(PROVIDERS.iter().map(|provider| format!("`{}`", provider.name)))
}

fn head(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()))
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
        answers::Fate::Failed(400) => "refused".to_owned(),
        answers::Fate::Failed(status) => format!("HTTP {status}"),
    }
}

fn row(name: &str, cells: impl Iterator<Item = String>) -> String {
    format!("| {name} | {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

fn rows(rows: &[(String, Vec<String>)]) -> String {
    rows.iter().map(|(name, cells)| row(name, cells.iter().cloned())).collect()
}

pub(super) fn whole(
    tables: &[String],
    counts: &[counts::Row],
    failures: &[failures::Row],
    forms: &[forms::Row],
) -> String {
    let names = |clients: &mut dyn Iterator<Item = &'static Client>| {
        clients.map(|client| client.name.to_owned()).collect::<Vec<_>>()
    };
    let all = head(names(&mut CLIENTS.iter()).into_iter());
    let of_chats = names(&mut forms::clients());
    let of_forms = head(["it sends".to_owned()].into_iter().chain(of_chats));
    [
        INTRODUCTION.to_owned(),
        tables.join("\n"),
        format!("## Counts of tokens\n\n{COUNTS}\n{}{}", providers(), rows(counts)),
        format!("## Failures\n\n{FAILURES}\n{all}{}", rows(failures)),
        format!("## Each provider's own words\n\n{FORMS}\n{of_forms}{}", rows(forms)),
    ]
    .join("\n")
}

const COUNTS: &str = "*counted*: by the provider, which was asked. *an estimate*: Tidegate's own.
";

const FAILURES: &str = "What a client that asked for a stream is told, whoever the provider is, by the simulator's scenario in brackets. After
`text` stands the one event that ends the stream. Embeddings have no stream to fail in.
";

const FORMS: &str = "How each provider says within a stream that it failed, and what the clients of each dialect are told of it. A long line is cut
here.
";

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
