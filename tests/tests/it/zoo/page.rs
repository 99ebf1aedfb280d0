//! The tables of docs/plugin-faults.md: made of what was seen, and compared with what is published.

use std::fmt::Write;
use std::path::PathBuf;

use super::Row;
use super::house::{Mode, Published};

/// Set it to write the page anew: CONTRIBUTING.md says how.
const WRITE: &str = "TIDEGATE_WRITE_PAGES";

const PAGE: &str = "docs/plugin-faults.md";

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE)
}

pub(super) fn is_written() -> bool {
    std::env::var_os(WRITE).is_some()
}

/// The line before a table.
fn mark(mode: Mode) -> &'static str {
    match mode {
        Mode::Inline => "<!-- inline -->\n",
        Mode::Process => "<!-- process -->\n",
    }
}

/// The line after it.
const END: &str = "<!-- end -->";

/// What is published of a mode.
pub(super) fn published(mode: Mode) -> String {
    let page = std::fs::read_to_string(file()).unwrap();
    let (_, rest) = page.split_once(mark(mode)).unwrap();
    rest.split_once(END).unwrap().0.to_owned()
}

/// What it says was counted.
pub(super) fn counted(mode: Mode) -> Published {
    let rows = published(mode);
    let cells = rows.lines().map(|line| line.split(" | ").map(str::to_owned).collect::<Vec<_>>());
    let rows = cells.filter(|cells| cells.len() == 7).map(|cells| {
        let name = cells[0].trim_start_matches("| ").trim_matches('`').to_owned();
        (name, (cells[5].clone(), cells[6].trim_end_matches(" |").to_owned()))
    });
    rows.collect()
}

/// The tables of a mode.
pub(super) fn tables(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut asked = |line: &str| writeln!(text, "{line}").unwrap();
    asked("| member | what it does | its client got | beside it | the next one got | metrics | incidents |");
    asked("|---|---|---|---|---|---|---|");
    for (member, seen) in rows.iter().filter(|(_, seen)| !seen.after.is_empty()) {
        let cells = [&*seen.client, &seen.beside, &seen.after, &seen.metrics, &seen.incidents].map(cell);
        asked(&format!("| `{}` | {} | {} |", member.name, member.does, cells.join(" | ")));
    }
    let alone = rows.iter().filter(|(_, seen)| seen.after.is_empty());
    let (refused, ended): (Vec<&Row>, Vec<&Row>) = alone.partition(|(_, seen)| seen.proxy == "serves");
    for (title, these) in [("what became of the proxy", ended), ("why it is not loaded", refused)] {
        if !these.is_empty() {
            asked(&format!("\n| member | what it does | {title} |\n|---|---|---|"));
        }
        for (member, seen) in these {
            let what = if seen.proxy == "serves" { &seen.client } else { &seen.proxy };
            asked(&format!("| `{}` | {} | {} |", member.name, member.does, cell(what)));
        }
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Puts the tables into the page.
pub(super) fn write(mode: Mode, tables: &str) {
    let page = std::fs::read_to_string(file()).unwrap();
    let (before, rest) = page.split_once(mark(mode)).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    std::fs::write(file(), [before, mark(mode), tables, END, after].concat()).unwrap();
}

/// Compares them with the page.
pub(super) fn compare(mode: Mode, tables: &str) {
    let published = published(mode);
    let differs: Vec<&str> =
        tables.lines().filter(|line| !published.lines().any(|one| one == *line)).collect();
    assert!(differs.is_empty(), "not as {PAGE} has it (see CONTRIBUTING.md):\n{}", differs.join("\n"));
    assert_eq!(published, tables, "{PAGE} has lines of which nothing was seen");
}
