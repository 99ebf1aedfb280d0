//! Model names with `*`: which names they match, which of them goes first, and what each `*` stands for.

use super::model::{Config, Group};

/// The longest name that a `*` may match. It goes into a URL or a body of the provider's.
const LONGEST_NAME: usize = 256;

/// Whether a configured name is a pattern.
pub fn is_pattern(name: &str) -> bool {
    name.contains('*')
}

/// What each `*` of `pattern` stands for in `name`; `None`: it does not match.
///
/// As in litellm's regular expression each takes as much as it can, the first one first; unlike there, what stands behind
/// the last `*` must end the name. A name that is itself a pattern, overlong or has control characters matches none.
pub fn captures<'a>(pattern: &str, name: &'a str) -> Option<Vec<&'a str>> {
    if name.len() > LONGEST_NAME || is_pattern(name) || name.chars().any(char::is_control) {
        return None;
    }
    let mut literals: Vec<&str> = pattern.split('*').collect();
    let last = literals.pop()?;
    let (first, between) = literals.split_first()?;
    let mut rest = name.strip_prefix(first)?.strip_suffix(last)?;
    let mut found = Vec::with_capacity(literals.len());
    // From the right, each literal as far right as it can stand: what is left of it is then as long as it can be.
    for literal in between.iter().rev() {
        let at = rest.rfind(literal)?;
        found.push(&rest[at + literal.len()..]);
        rest = &rest[..at];
    }
    found.push(rest);
    found.reverse();
    Some(found)
}

/// The provider's name for a model of a wildcard group: each `*` of `model` replaced, in order. Where it has too few of
/// them, the whole name goes there (litellm's `set_deployment_model_name`).
pub fn substituted(model: &str, name: &str, captured: &[&str]) -> String {
    if !is_pattern(model) {
        return model.to_owned();
    }
    let mut parts = model.split('*');
    if captured.len() > model.matches('*').count() {
        return name.to_owned();
    }
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        text.push_str(captured.get(index).copied().unwrap_or("*"));
        text.push_str(part);
    }
    text
}

/// Which of two patterns goes first: the one with the greater value. litellm compares the length and then the special
/// characters of its regular expressions, in which `.` and `-` are escaped and `*` is `(.*)`.
pub fn specificity(pattern: &str) -> (usize, usize) {
    pattern.chars().fold((0, 0), |(length, special), char| match char {
        '*' => (length + 4, special + 3),
        '+' | '?' | '\\' | '^' | '$' | '|' | '(' | ')' => (length + 2, special + 2),
        ' ' | '#' | '&' | '-' | '.' | '[' | ']' | '{' | '}' | '~' => (length + 2, special + 1),
        _ => (length + 1, special),
    })
}

impl Config {
    /// The wildcard group that serves a model of this name, which is no group's own.
    pub fn wildcard_for(&self, name: &str) -> Option<&Group> {
        // The last of equal ones is taken: the first of the file.
        let fitting = self.groups.iter().rev().filter(|group| is_pattern(&group.name));
        fitting
            .filter(|group| captures(&group.name, name).is_some())
            .max_by_key(|group| specificity(&group.name))
    }

    /// Models of wildcard groups that some setting names: each is a group of its own to fallbacks.
    pub fn named_models(&self) -> Vec<&str> {
        let router = &self.router;
        let lists = [&router.fallbacks, &router.context_window_fallbacks, &router.content_policy_fallbacks];
        let listed =
            lists.into_iter().flatten().flat_map(|(group, targets)| [group].into_iter().chain(targets));
        let names = listed.chain(&router.default_fallbacks).chain(self.aliases.values());
        let names = names.chain(&self.general.completion_model).map(|name| self.resolved(name));
        let mut named: Vec<&str> = Vec::new();
        for name in names {
            if !named.contains(&name) && !self.has_group(name) && self.wildcard_for(name).is_some() {
                named.push(name);
            }
        }
        named
    }

    /// Whether a group has exactly this name.
    pub(super) fn has_group(&self, name: &str) -> bool {
        self.groups.iter().any(|group| group.name == name)
    }

    /// Whether requests for this name go to a wildcard group: a pattern, or a model that only a pattern matches.
    pub(super) fn is_wild(&self, name: &str) -> bool {
        is_pattern(name) || !self.has_group(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_star_takes_as_much_as_it_can() {
        for (pattern, name, expected) in [
            ("*", "anything/at:all", Some(vec!["anything/at:all"])),
            ("openai/*", "openai/gpt-4o", Some(vec!["gpt-4o"])),
            ("openai/*", "openai/", Some(vec![""])),
            ("openai/*", "azure/gpt-4o", None),
            ("openai/*", "xopenai/gpt", None),
            ("*-mini", "gpt-4o-mini", Some(vec!["gpt-4o"])),
            ("*-mini", "gpt-4o-mini-2", None),
            ("a*a", "a", None),
            ("x::*::static::*", "x::bar::static::baz", Some(vec!["bar", "baz"])),
            // Python: re.match(r"(.*)b(.*)", "abbc").groups() is ("ab", "c").
            ("*b*", "abbc", Some(vec!["ab", "c"])),
            ("*a*b", "aabab", Some(vec!["aab", ""])),
            ("*meta.llama3*", "hello-meta.llama3-70b", Some(vec!["hello-", "-70b"])),
            ("*", "openai/*", None),
            ("*", "two\nlines", None),
        ] {
            assert_eq!(captures(pattern, name), expected, "{pattern} {name}");
        }
        assert!(captures("*", &"x".repeat(LONGEST_NAME)).is_some());
        assert!(captures("*", &"x".repeat(LONGEST_NAME + 1)).is_none());
    }

    #[test]
    fn what_a_star_stood_for_goes_into_the_model() {
        for (model, captured, expected) in [
            ("*", &["gpt-4o"][..], "gpt-4o"),
            ("ft:*:mine", &["gpt-4o"], "ft:gpt-4o:mine"),
            ("fixed", &["gpt-4o"], "fixed"),
            ("fo::*::static::*", &["bar", "baz"], "fo::bar::static::baz"),
            ("meta.llama3*", &["hello-", "-70b"], "NAME"),
            ("*-*", &["a"], "a-*"),
        ] {
            assert_eq!(substituted(model, "NAME", captured), expected, "{model}");
        }
    }

    #[test]
    fn the_longer_pattern_goes_first() {
        let mut patterns =
            ["*", "openai/*", "openai/gpt-*", "o*", "*x", "gemini/gemini-*", "gemini/gemini-*-pro"];
        patterns.sort_by_key(|pattern| std::cmp::Reverse(specificity(pattern)));
        // Compared with `sorted(..., reverse=True)` over Python's `re.escape`; equal ones stay in the order of the file.
        assert_eq!(
            patterns,
            ["gemini/gemini-*-pro", "gemini/gemini-*", "openai/gpt-*", "openai/*", "o*", "*x", "*"]
        );
        // Four plain characters are as long as a `*`, which is the more complex then.
        assert!(specificity("a*") > specificity("abcde"));
        assert!(specificity("a-*") > specificity("ab*"), "an escape counts");
    }
}
