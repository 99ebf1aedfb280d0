//! What no report may quote of a line, whatever key it stands under: keys of an URL, of a command, of a slip of the pen.

use super::secret::is_secret_name;

/// The line with asterisks, one for one, where a secret may stand outside of a value of a secret's name.
pub(super) fn words(line: &str) -> String {
    let mut chars: Vec<char> = line.chars().collect();
    slips(&mut chars);
    urls(&mut chars);
    tokens(&mut chars);
    chars.into_iter().collect()
}

/// The line with asterisks for all that stands behind its first key: for a file that is no YAML, of which nobody can say what
/// belongs to what.
pub(super) fn values(line: &str) -> String {
    let mut chars: Vec<char> = words(line).chars().collect();
    let colon =
        (0..chars.len()).find(|&at| chars[at] == ':' && chars.get(at + 1).is_none_or(|c| c.is_whitespace()));
    let from = colon.map_or(0, |at| at + 1);
    let rest: String = chars[from..].iter().collect();
    if !rest.trim_start().trim_start_matches(['"', '\'']).starts_with("os.environ/") {
        hide(&mut chars[from..]);
    }
    chars.into_iter().collect()
}

/// What gives a line its shape stays, so that the caret points at something.
fn hide(chars: &mut [char]) {
    for c in chars.iter_mut().filter(|c| !c.is_whitespace() && !"{}[],:\"'#&*|>-".contains(**c)) {
        *c = '*';
    }
}

/// `api_key sk-...` and `api_key= sk-...`: a secret's name without its colon.
fn slips(chars: &mut [char]) {
    let first = chars.iter().position(|c| !c.is_whitespace() && *c != '-').unwrap_or(chars.len());
    let is_word = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let end = chars[first..].iter().position(|c| !is_word(c)).map_or(chars.len(), |length| first + length);
    let name: String = chars[first..end].iter().collect();
    let slipped = chars.get(end).is_some_and(|c| matches!(c, '=' | ' ' | '\t' | ';'));
    let colon = chars[end..].iter().find(|c| !c.is_whitespace()) == Some(&':');
    if slipped && !colon && is_secret_name(&name) {
        chars[end..].iter_mut().filter(|c| !c.is_whitespace() && **c != '=').for_each(|c| *c = '*');
    }
}

/// Of an URL: who asks, and what is asked for.
fn urls(chars: &mut [char]) {
    let mut at = 0;
    while at + 2 < chars.len() {
        if chars[at..at + 3] != [':', '/', '/'] {
            at += 1;
            continue;
        }
        let begin = at + 3;
        let ends = |c: &char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ']' | '}');
        let end = chars[begin..].iter().position(ends).map_or(chars.len(), |length| begin + length);
        let host = chars[begin..end].iter().position(|c| matches!(c, '/' | '?' | '#'));
        // A password may hold a slash: what stands before the last `@` is hidden.
        if let Some(user) = chars[begin..end].iter().rposition(|c| *c == '@') {
            chars[begin..begin + user].iter_mut().for_each(|c| *c = '*');
        }
        let host = begin + host.unwrap_or(end - begin);
        if let Some(query) = chars[host.min(end)..end].iter().position(|c| matches!(c, '?' | '#')) {
            chars[host + query + 1..end].iter_mut().for_each(|c| *c = '*');
        }
        at = end.max(begin);
    }
}

/// How keys of services begin that are much used.
const BEGINNINGS: [&str; 12] =
    ["sk-", "sk_", "AIza", "AKIA", "ASIA", "gsk_", "hf_", "xai-", "ghp_", "xoxb-", "pplx-", "eyJ"];

/// What has the look of a key, wherever it stands.
fn tokens(chars: &mut [char]) {
    let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut at = 0;
    while at < chars.len() {
        let length = chars[at..].iter().take_while(|c| is_part(c)).count();
        let word: String = chars[at..at + length].iter().collect();
        // A key is no word of a language, nor one of litellm's, such as `hf_model_name`.
        let is_drawn = word.chars().any(|c| c.is_ascii_digit() || c.is_ascii_uppercase());
        if length > 8 && is_drawn && BEGINNINGS.iter().any(|begins| word.starts_with(begins)) {
            chars[at..at + length].iter_mut().for_each(|c| *c = '*');
        }
        at += length.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_masked_wherever_it_stands() {
        for (line, masked) in [
            ("      api_key sk-CANARY", "      api_key *********"),
            ("  - api_key= CANARY", "  - api_key= ******"),
            ("      api_key : shown by this", "      api_key : shown by this"),
            ("database_url: postgres://u:p/w@h:5/db?a=b", "database_url: postgres://*****@h:5/db?***"),
            ("a: [\"http://u@h/x\", 'https://h?k=v', y]", "a: [\"http://*@h/x\", 'https://h?***', y]"),
            ("api_base: https://h/v1/x", "api_base: https://h/v1/x"),
            ("command: [curl, sk-CANARY7]", "command: [curl, **********]"),
            ("model: openai/sk-x", "model: openai/sk-x"),
            ("key_hint here", "key_hint ****"),
            ("max_tokens 12", "max_tokens 12"),
            ("hf_model_name: x", "hf_model_name: x"),
        ] {
            assert_eq!(words(line), masked);
        }
    }

    #[test]
    fn of_a_file_that_is_no_yaml_keys_are_shown_alone() {
        for (line, masked) in [
            ("\tCANARY", "\t******"),
            ("      timeout: [3, \"x y\"", "      timeout: [*, \"* *\""),
            ("  key: os.environ/KEY", "  key: os.environ/KEY"),
            ("  - CANARY", "  - ******"),
        ] {
            assert_eq!(values(line), masked);
        }
    }
}
