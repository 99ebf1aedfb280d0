//! The lines of a file as a report may quote them: no secret in them, and every other character where it was.

use super::secret::{holds_secrets, is_secret_name};
use super::source::Source;

/// The line of this number. What a secret's name stands for is asterisks, one for one, so that columns stay, and so is every
/// value of a mapping whose values are secrets, whatever their names. An `os.environ/NAME` stays readable: it is no secret
/// and often what the report is about.
pub(super) fn line(source: &Source, number: usize) -> String {
    let mut shown = named(source.line(number));
    let lines: Vec<&str> = source.text().lines().take(number).collect();
    let Some(last) = lines.len().checked_sub(1) else { return shown };
    let around = ancestors(&lines);
    let of_secrets = |name: &str| holds_secrets(name) || is_secret_name(name);
    let outermost = around.iter().rev().find_map(|&at| Some((at, after(lines[at], of_secrets)?)));
    let Some((first, begins)) = outermost else {
        // A mapping that begins in this line.
        if let Some(at) = after(&shown, holds_secrets) {
            let masked = Scan::value().over(&shown[at..]);
            shown.replace_range(at.., &masked);
        }
        return shown;
    };
    let mut scan = Scan::value();
    let begins = value(&lines[first][begins..]);
    scan.over(begins);
    let nearest =
        around.first().filter(|parent| **parent != first).and_then(|parent| lines[*parent].split_once(':'));
    // A text over several lines is no mapping's line.
    if (scan.is_over() && !begins.is_empty()) || nearest.is_some_and(|(_, text)| !value(text).is_empty()) {
        return asterisks(&shown);
    }
    for (at, line) in lines.iter().enumerate().skip(first + 1) {
        if scan.is_over() {
            scan = Scan::entry();
        }
        let masked = scan.over(line);
        if at == last {
            shown = masked;
        }
    }
    shown
}

/// Replaces what follows `api_key:` and the like.
fn named(line: &str) -> String {
    let chars: Vec<char> = line.chars().collect();
    let mut out = chars.clone();
    for colon in (0..chars.len()).filter(|&i| chars[i] == ':') {
        if !is_secret_name(&name(&chars[..colon].iter().collect::<String>())) {
            continue;
        }
        let value = (colon + 1..chars.len()).find(|&i| chars[i] != ' ').unwrap_or(chars.len());
        if is_reference(&chars[value..].iter().collect::<String>()) {
            continue;
        }
        for slot in out.iter_mut().skip(value).filter(|c| !matches!(**c, '{' | '}' | '[' | ']' | ',' | ' ')) {
            *slot = '*';
        }
    }
    out.into_iter().collect()
}

/// The last word of what stands before a colon.
fn name(before: &str) -> String {
    let word = before.trim_end_matches(['"', '\'', ' ']);
    let from = word.rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-')));
    // After it: a whole character.
    from.map_or(word, |at| word[at..].trim_start_matches(|c: char| !(c.is_alphanumeric() || c == '_')))
        .to_owned()
}

fn is_reference(value: &str) -> bool {
    value.trim_start().trim_start_matches(['"', '\'']).starts_with("os.environ/")
}

/// Where the value of the first such key of a line begins.
fn after(line: &str, is_such: impl Fn(&str) -> bool) -> Option<usize> {
    let mut colons = line.match_indices(':').map(|(at, _)| at);
    colons.find(|colon| is_such(&name(&line[..*colon]))).map(|colon| colon + 1)
}

/// What stands after a key's colon, without a comment.
fn value(text: &str) -> &str {
    let text = text.trim();
    if text.starts_with('#') { "" } else { text }
}

/// The lines whose keys the last one stands under, the nearest first, by how far they are indented.
fn ancestors(lines: &[&str]) -> Vec<usize> {
    // The first character's column, and that of the key after the dashes of lists.
    let columns = |line: &str| {
        let begin = line.len() - line.trim_start().len();
        (begin, line.len() - line.trim_start_matches(['-', ' ', '\t']).len())
    };
    let Some((last, before)) = lines.split_last() else { return Vec::new() };
    let (mut limit, key) = columns(last);
    let mut listed = key > limit;
    let mut found = Vec::new();
    for (at, line) in before.iter().enumerate().rev() {
        let text = line.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (begin, key) = columns(line);
        let in_list = key > begin;
        // A list may stand as far left as the key it belongs to.
        if key < limit || (listed && !in_list && key == limit) {
            found.push(at);
            (limit, listed) = (begin, in_list);
        } else if begin < limit {
            (limit, listed) = (begin, in_list);
        }
    }
    found
}

fn asterisks(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { c } else { '*' }).collect()
}

/// Walks through mappings of which only the keys may be seen.
struct Scan {
    /// Open braces and brackets.
    depth: usize,
    quote: Option<char>,
    /// A key may begin here.
    key: bool,
}

impl Scan {
    /// After a key's colon.
    fn value() -> Self {
        Self { depth: 0, quote: None, key: false }
    }

    /// At a line of a mapping that has one a line.
    fn entry() -> Self {
        Self { key: true, ..Self::value() }
    }

    /// Nothing goes on in the next line.
    fn is_over(&self) -> bool {
        self.depth == 0 && self.quote.is_none()
    }

    /// The text, masked.
    fn over(&mut self, text: &str) -> String {
        let (mut out, mut token) = (String::new(), String::new());
        let give = |out: &mut String, token: &mut String, keep: bool| {
            let keep = keep || is_reference(token);
            out.push_str(&if keep { token.clone() } else { asterisks(token) });
            token.clear();
        };
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if let Some(quote) = self.quote {
                token.push(c);
                if c == '\\' && quote == '"' {
                    token.extend(chars.next());
                } else if c == quote {
                    self.quote = None;
                }
                continue;
            }
            let (empty, quoted) = (token.trim().is_empty(), token.trim_end().ends_with(['"', '\'']));
            let ends = |next: Option<&char>| next.is_none_or(|next| matches!(next, ' ' | '\t' | '{' | '['));
            match c {
                '"' | '\'' if empty => {
                    self.quote = Some(c);
                    token.push(c);
                }
                '{' | '[' if empty => {
                    give(&mut out, &mut token, true);
                    (self.depth, self.key) = (self.depth + 1, true);
                    out.push(c);
                }
                '}' | ']' | ',' if self.depth > 0 => {
                    give(&mut out, &mut token, false);
                    self.key = c == ',';
                    self.depth -= usize::from(c != ',');
                    out.push(c);
                    if self.depth == 0 {
                        // What follows is another's.
                        out.extend(chars.by_ref());
                    }
                }
                ':' if self.key && (quoted || ends(chars.peek())) => {
                    give(&mut out, &mut token, true);
                    self.key = false;
                    out.push(c);
                }
                _ => token.push(c),
            }
        }
        give(&mut out, &mut token, false);
        out
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn shown(text: &str) -> String {
        line(&Source::new(Path::new("c.yaml"), text), text.lines().count())
    }

    #[test]
    fn what_a_secrets_name_stands_for_is_masked_and_columns_are_kept() {
        for (line, masked) in [
            ("  api_key: sk-12 x", "  api_key: ***** *"),
            ("a: {\"token\": abc}", "a: {\"token\": ***}"),
            ("api_key: os.environ/KEY", "api_key: os.environ/KEY"),
            ("max_tokens: 12", "max_tokens: 12"),
        ] {
            assert_eq!(shown(line), masked);
        }
    }

    #[test]
    fn every_value_of_a_mapping_of_secrets_is_masked() {
        for (text, masked) in [
            ("headers:\n  x-tenant: se cret", "  x-tenant: ** ****"),
            ("headers:\n\n  # one\n  a: 1\n  b c: \"secret\"", "  b c: ********"),
            (
                "a:\n  headers: {x: secret, 'y z': \"s\\\", c: r\", u: v}",
                "  headers: {x: ******, 'y z': ***** ** **, u: *}",
            ),
            ("traces: {headers: {x: secret}, endpont: e}", "traces: {headers: {x: ******}, endpont: e}"),
            ("headers: {x: a,\n y: secret,", " y: ******,"),
            ("headers: {x: 'a\n y: secret'", " ** *******"),
            ("headers: secret", "headers: ******"),
            ("headers: [secret, x: y]", "headers: [******, x: *]"),
            ("headers: {secret}", "headers: {******}"),
            ("headers:\n  - secret", "  * ******"),
            ("headers:\n- secret", "* ******"),
            ("- extra_headers:\n    x: sec: ret", "    x: **** ***"),
            ("headers:\n  x: |\n    se: cret", "    *** ****"),
            ("api_key: >\n  se: cret", "  *** ****"),
            ("vertex_credentials:\n  type: secret", "  type: ******"),
            ("environment_variables:\n  A: os.environ/B", "  A: os.environ/B"),
            ("headers:\n  x:\n    env: secret", "    env: ******"),
            // Others' lines are shown.
            ("headers:\n  x: y\nother: shown", "other: shown"),
            ("- headers:\n    x: y\n  other: shown", "  other: shown"),
            ("litellm_headers: shown", "litellm_headers: shown"),
            ("a:\n- headers: {x: y}\n- b: shown", "- b: shown"),
        ] {
            assert_eq!(shown(text), masked, "{text}");
            assert_eq!(masked.chars().count(), text.lines().last().unwrap().chars().count());
        }
    }
}
