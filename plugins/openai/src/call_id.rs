//! Ids of calls for a vendor that takes nine letters or digits and no others.

use serde_json::value::{RawValue, to_raw_value};

use crate::request::{Members, Piece};

const LENGTH: usize = 9;
const SIGNS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An id that the vendor takes: this one, or nine signs of its hash, the same for a call and its result and in each request.
fn nine(id: &str) -> Option<String> {
    if id.len() == LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    // FNV-1a: it has to differ among the calls of one history, and nobody gains by a collision in his own.
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut made = String::with_capacity(LENGTH);
    for _ in 0..LENGTH {
        made.push(char::from(SIGNS[usize::try_from(hash % 62).unwrap_or(0)]));
        hash /= 62;
    }
    Some(made)
}

/// The ids of one message's calls, or of the call that it answers. Whether any changed.
pub(crate) fn shorten(message: &mut Members<'_>) -> bool {
    let mut changed = message.get_mut("tool_call_id").is_some_and(shortened);
    if let Some(calls) = message.get_mut("tool_calls")
        && let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(calls.get())
    {
        let one = |call: &&RawValue| {
            let mut members = serde_json::from_str::<Members<'_>>(call.get()).ok()?;
            members.get_mut("id").is_some_and(shortened).then(|| members.written())
        };
        let edited: Vec<Option<String>> = list.iter().map(one).collect();
        let any = edited.iter().any(Option::is_some);
        let made: Vec<String> = edited
            .into_iter()
            .zip(&list)
            .map(|(edited, call)| edited.unwrap_or_else(|| call.get().to_owned()))
            .collect();
        if any && let Ok(raw) = RawValue::from_string(format!("[{}]", made.join(","))) {
            *calls = Piece::Own(raw);
            changed = true;
        }
    }
    changed
}

fn shortened(id: &mut Piece<'_>) -> bool {
    let made = serde_json::from_str::<String>(id.get()).ok().and_then(|id| nine(&id));
    let Some(raw) = made.and_then(|made| to_raw_value(&made).ok()) else { return false };
    *id = Piece::Own(raw);
    true
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_nine_letters_or_digits_and_differ() {
        assert_eq!(
            (nine("aB3dE6gH9"), nine("call_1"), nine("call_1").is_some()),
            (None, nine("call_1"), true)
        );
        let many: HashSet<String> = (0..10_000).filter_map(|at| nine(&format!("call_{at}"))).collect();
        assert_eq!(many.len(), 10_000);
        assert!(many.iter().all(|id| id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())));
        for id in ["", "abcdefghi_", "abcdefgh-", "abcdefgh"] {
            assert!(nine(id).is_some(), "{id}");
        }
    }
}
