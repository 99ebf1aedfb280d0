//! Which call of a tool a fragment belongs to.

use serde_json::Value;

/// The calls of one answer, in the order in which they began.
///
/// A call's fragments share an index. Some servers, Ollama's and NVIDIA's Dynamo among them, give every call the same one
/// and tell them apart by their ids, which only the first fragment of each need have.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Known>);

#[derive(Debug)]
struct Known {
    index: u64,
    id: String,
}

impl Calls {
    /// The place of the fragment's call in the order; the number of calls before this one if it begins one. `at`: the
    /// fragment's place in its list, for those that have no index.
    pub(super) fn place(&mut self, fragment: &Value, at: usize) -> usize {
        let index = fragment["index"].as_u64().unwrap_or(at as u64);
        let id = fragment["id"].as_str().unwrap_or_default();
        let newest = self.0.iter().rposition(|call| call.index == index);
        // Some servers make up an id for every fragment; what has no name begins no call.
        let begins = fragment["function"]["name"].as_str().is_some_and(|name| !name.is_empty());
        let place = match newest {
            Some(newest) if id.is_empty() => newest,
            Some(newest) => {
                let same = self.0.iter().rposition(|call| call.index == index && call.id == id);
                match same.or_else(|| self.0[newest].id.is_empty().then_some(newest)) {
                    Some(known) => known,
                    None if begins => self.0.len(),
                    None => newest,
                }
            }
            None => self.0.len(),
        };
        match self.0.get_mut(place) {
            Some(known) if known.id.is_empty() => id.clone_into(&mut known.id),
            Some(_) => {}
            None => self.0.push(Known { index, id: id.to_owned() }),
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fragment_belongs_to_its_index_and_its_id() {
        let fragment = |index: Option<u64>, id: &str, name: &str| {
            let mut fragment = json!({"function": {"arguments": "x"}});
            if let Some(index) = index {
                fragment["index"] = json!(index);
            }
            for (of, member, said) in [("", "id", id), ("/function", "name", name)] {
                if !said.is_empty() {
                    fragment.pointer_mut(of).unwrap()[member] = json!(said);
                }
            }
            fragment
        };
        let by_index =
            [(0, "a", "f", 0), (1, "b", "g", 1), (0, "", "", 0), (1, "b", "g", 1), (2, "", "h", 2)];
        let by_id = [(0, "a", "f", 0), (0, "b", "g", 1), (0, "", "", 1), (0, "a", "", 0), (0, "", "", 1)];
        let late_id = [(0, "", "f", 0), (0, "a", "f", 0), (0, "b", "g", 1), (0, "", "", 1)];
        let made_up = [(0, "a", "f", 0), (0, "b", "", 0), (1, "c", "", 1), (0, "d", "", 0)];
        for row in [&by_index[..], &by_id[..], &late_id[..], &made_up[..]] {
            let mut calls = Calls::default();
            for &(index, id, name, place) in row {
                assert_eq!(
                    calls.place(&fragment(Some(index), id, name), 0),
                    place,
                    "{index} {id} in {row:?}"
                );
            }
        }
        let mut calls = Calls::default();
        for at in 0..3 {
            assert_eq!(calls.place(&fragment(None, "", "f"), at), at, "a whole answer's have no index");
        }
    }
}
