//! Schemas in the client's order. A model fills a schema in the order in which its properties stand, so that a request that
//! is written anew must not sort them.

use super::Harness;
use crate::{Dialect, RequestIn};

/// Properties of a schema, against the alphabet.
const NAMES: [&str; 3] = ["zulu_first", "mike_second", "alfa_third"];

/// A chat completion with such a schema twice: of a tool, and of the answer.
fn asked() -> String {
    let properties = NAMES.map(|name| format!(r#""{name}":{{"type":"string"}}"#)).join(",");
    let schema = format!(r#"{{"type":"object","properties":{{{properties}}}}}"#);
    format!(
        r#"{{"model":"mine","messages":[{{"role":"user","content":"x"}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}],"response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}}}}}}}"#
    )
}

/// How often the names stand in a body, all of them and in order; `None`: in another order.
fn runs(body: &str) -> Option<usize> {
    let mut found: Vec<(usize, usize)> = NAMES
        .iter()
        .enumerate()
        .flat_map(|(which, name)| body.match_indices(name).map(move |(at, _)| (at, which)))
        .collect();
    found.sort_unstable();
    let in_order = found.iter().enumerate().all(|(at, (_, which))| at % NAMES.len() == *which);
    (in_order && found.len().is_multiple_of(NAMES.len())).then_some(found.len() / NAMES.len())
}

impl Harness {
    /// Sends a chat completion for `model` with the schema of a tool and that of an answer; fails unless both are in what
    /// goes out, their properties in the client's order. The text says what went out.
    pub fn keeps_order(&self, model: &str) -> Result<(), String> {
        let body = asked();
        let input =
            RequestIn { dialect: Dialect::OpenAiChat, model, body: body.as_bytes(), ..RequestIn::default() };
        let sent = self.request(&input).map_err(|refused| refused.why)?;
        let sent = String::from_utf8_lossy(&sent.body).into_owned();
        match runs(&sent) {
            Some(2..) => Ok(()),
            _ => Err(sent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_order_is_seen_and_so_is_a_schema_that_is_gone() {
        assert_eq!(runs(&asked()), Some(2));
        let [first, second, third] = NAMES;
        assert_eq!(runs(&format!("{first} {second} {third}")), Some(1));
        for wrong in [[third, second, first], [first, third, second], [first, second, first]] {
            assert_eq!(runs(&wrong.join(" ")), None, "{wrong:?}");
        }
        assert_eq!(runs("{}"), Some(0));
    }
}
