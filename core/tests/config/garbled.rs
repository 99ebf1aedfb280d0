//! Text that nobody would write: never a panic, never a refusal without a reason.

use std::path::Path;

use proptest::prelude::*;
use tidegate::config::check::CheckOutcome;
use tidegate::config::parse;

use super::{FOUNDING, env};

/// Words that get the reader into its corners.
const WORDS: &[&str] = &[
    "model_list",
    "litellm_params",
    "model",
    "model_name",
    "router_settings",
    "fallbacks",
    "tidegate",
    "clocks",
    "include",
    "groups",
    "num_retries",
    "timeout",
    "master_key",
    "general_settings",
    "environment_variables",
    "os.environ/X",
    "<<",
    "*a",
    "&a",
    "!!str",
    "|",
    ">",
    "- ",
    ": ",
    "\n",
    "\n  ",
    "\n    ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "'",
    "\"",
    "#",
    "\t",
    "1e9",
    "-1",
    ".inf",
    ".nan",
    "99999999999999999999",
    "0x",
    "true",
    "~",
    "é",
    "\u{202e}",
    "\u{feff}",
    "---",
    "...",
    "%",
];

fn try_it(text: &str) {
    let result = parse(text, Path::new("config.yaml"), &env(&[("X", "x")]));
    if let Err(report) = &result {
        assert!(!report.errors.is_empty());
        assert!(report.errors.iter().all(|error| !error.message.is_empty() && error.place.line >= 1));
    }
    // Drawing has columns and widths to get wrong.
    let _ = CheckOutcome::new(result).to_string();
}

proptest! {
    #[test]
    fn any_text(text in "\\PC{0,200}") {
        try_it(&text);
    }

    #[test]
    fn any_words(words in prop::collection::vec(prop::sample::select(WORDS), 0..60)) {
        try_it(&words.concat());
    }

    /// A config with one stretch of it replaced.
    #[test]
    fn a_damaged_config(at in 0..FOUNDING.len(), cut in 0..40_usize, word in prop::sample::select(WORDS)) {
        let end = (at + cut).min(FOUNDING.len());
        try_it(&format!("{}{word}{}", &FOUNDING[..at], &FOUNDING[end..]));
    }
}
