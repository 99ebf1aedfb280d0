//! The wait that stands in an error's sentence: "Please try again in 1m2.5s", "Please retry after 26 seconds".

use super::time::duration_at;
use super::{CAP_MS, decimal};

/// Words that a wait follows.
const BEFORE: [&str; 5] = ["try again in ", "retry after ", "retry in ", "try again after ", "wait "];

/// The wait that a sentence names. A number without a unit is none.
pub fn from_message(message: &str) -> Option<u64> {
    let text = message.to_ascii_lowercase();
    // After a lower-casing of ASCII alone every place is the same in both texts.
    BEFORE.iter().filter_map(|words| Some(text.find(words)? + words.len())).find_map(|at| wait(&text[at..]))
}

fn wait(text: &str) -> Option<u64> {
    let text = text.strip_prefix("about ").unwrap_or(text);
    if let Some((ms, rest)) = duration_at(text)
        && !rest.starts_with(char::is_alphanumeric)
    {
        return Some(ms);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(digits);
    let rest = rest.trim_start();
    let unit = &rest[..rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len())];
    let unit = match unit.strip_suffix('s').unwrap_or(unit) {
        "millisecond" | "m" if unit.len() > 1 => 1,
        "second" | "sec" | "" if !unit.is_empty() => 1000,
        "minute" | "min" => 60_000,
        "hour" => 3_600_000,
        "day" => 86_400_000,
        _ => return None,
    };
    decimal(number, unit).map(|ms| ms.min(CAP_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_sentences_of_providers() {
        let rows = [
            (
                "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29000, \
                 Requested 2000. Please try again in 2s. Visit https://platform.openai.com/account/rate-limits.",
                Some(2000),
            ),
            ("Please try again in 20s.", Some(20_000)),
            ("Please try again in 1m2.5s.", Some(62_500)),
            ("Please try again in 6ms.", Some(6)),
            ("Please try again in 7m12s", Some(432_000)),
            ("Please retry in 47.291s.", Some(47_291)),
            ("Please retry after 26 seconds. To increase your default rate limit, visit", Some(26_000)),
            (
                "No deployments available for selected model, Try again in 60 seconds. Passed model=m",
                Some(60_000),
            ),
            ("please wait 5 minutes before", Some(300_000)),
            ("try again in 1 minute", Some(60_000)),
            ("try again in 3 hours", Some(10_800_000)),
            ("try again in 90 days", Some(CAP_MS)),
            ("try again in 5 ms", Some(5)),
            ("try again in 3 s", Some(3000)),
            ("Please try again later.", None),
            ("try again in 5", None),
            ("try again in 5 apples", None),
            ("try again in ...", None),
            ("try again in 1mango", None),
            ("Requests to İstanbul: try again in 4s", Some(4000)),
            ("", None),
        ];
        for (message, want) in rows {
            assert_eq!(from_message(message), want, "{message}");
        }
    }
}
