//! Names of parameters that were left out, as far as a line tells them: a client may call a member of its body what it likes,
//! as long as it likes, and send as many as the limit on bodies allows.

/// So many of them are told,
const MOST: usize = 32;
/// each as far as this.
const LONGEST: usize = 64;

/// What a line says of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The first of them, cut short.
    pub names: Vec<String>,
    /// How many there were beyond those.
    pub more: usize,
}

impl<'a> FromIterator<&'a String> for Dropped {
    fn from_iter<I: IntoIterator<Item = &'a String>>(names: I) -> Self {
        let mut names = names.into_iter();
        let told = names.by_ref().take(MOST).map(|name| name.chars().take(LONGEST).collect()).collect();
        Self { names: told, more: names.count() }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use serde_json::{Map, Value, json};
    use tokio::time::Instant;

    use crate::access::{End, Line, Log, Visit, Who};
    use crate::dialects::{Dialect, Route, Takes};
    use crate::metrics::Ending;
    use crate::traces::Traces;

    fn line(names: &[String]) -> Vec<u8> {
        let who = Who::at([127, 0, 0, 1].into(), &HeaderMap::new());
        let trace = Traces::off(false).begin(&HeaderMap::new());
        let mut visit = Visit::begin(Log::Off.into(), who, &Method::POST, "/v1/responses", trace);
        visit.facts.dropped = names.iter().collect();
        Line::of(&visit, End { status: 200, ending: Ending::Complete, at: Instant::now() }).json()
    }

    /// As the dialect names what it leaves out of a request with so many members that nobody knows.
    fn unknown(count: usize, length: usize) -> Vec<String> {
        let name = |number: usize| format!("{number:05}{}", "é".repeat(length - 5));
        let mut body: Map<String, Value> = (0..count).map(|number| (name(number), json!(1))).collect();
        body.extend([("model".to_owned(), json!("m")), ("input".to_owned(), json!("x"))]);
        let body = Value::from(body).to_string().into();
        let dialect = Dialect::OpenAiResponses;
        let request = dialect.decode(&Route::of(dialect), body).unwrap();
        request.to_chat(true, Takes::default()).unwrap().1
    }

    #[test]
    fn a_line_holds_so_many_names_and_the_number_of_the_rest() {
        let names = unknown(10_000, 500);
        assert_eq!(names.len(), 10_000);
        let line = line(&names);
        assert!(line.len() < 8 << 10, "{} bytes", line.len());
        let line: Value = serde_json::from_slice(&line).unwrap();
        let told = line["dropped"].as_array().unwrap();
        assert_eq!((told.len(), &line["dropped_more"]), (32, &json!(9_968)));
        assert!(told.iter().all(|name| name.as_str().unwrap().chars().count() == 64), "{told:?}");
    }

    #[test]
    fn few_names_are_all_there() {
        for count in [0, 1, 32] {
            let line: Value = serde_json::from_slice(&line(&unknown(count, 9))).unwrap();
            assert_eq!(line["dropped"].as_array().map_or(0, Vec::len), count);
            assert!(line.get("dropped_more").is_none(), "{line}");
        }
    }
}
