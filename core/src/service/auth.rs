//! The master key, wherever a client may put it.

use http::HeaderMap;
use subtle::ConstantTimeEq;

use crate::config::General;
use crate::failure::Failure;

/// litellm's order (`auth/user_api_key_auth.py`); the first header that is there decides.
const HEADERS: [&str; 6] = [
    "x-litellm-api-key",
    "authorization",
    "api-key",
    "x-api-key",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
];

/// The client's key, if it sent one.
///
/// # Errors
/// There is a master key and the client's is missing or another.
pub(super) fn check(general: &General, headers: &HeaderMap) -> Result<Option<Vec<u8>>, Failure> {
    check_or(general, headers, None)
}

/// The same where a key may stand in the query too, as Google's do: `in_query` is looked at last.
///
/// # Errors
/// As [`check`].
pub(super) fn check_or(
    general: &General,
    headers: &HeaderMap,
    in_query: Option<&str>,
) -> Result<Option<Vec<u8>>, Failure> {
    let sent = sent(general, headers, in_query);
    let Some(master) = &general.master_key else { return Ok(sent.map(<[u8]>::to_vec)) };
    match sent {
        Some(key) if bool::from(key.ct_eq(master.expose().as_bytes())) => Ok(Some(key.to_vec())),
        Some(_) => Err(Failure::refusal(401, "the API key is not valid here")),
        None => Err(Failure::refusal(401, "no API key: send it as \"Authorization: Bearer KEY\"")),
    }
}

/// The key that a client sent, whatever it is worth.
pub(super) fn sent<'a>(
    general: &General,
    headers: &'a HeaderMap,
    in_query: Option<&'a str>,
) -> Option<&'a [u8]> {
    let custom = general.key_header_name.as_deref();
    let sent = custom.into_iter().chain(HEADERS).find_map(|name| headers.get(name));
    sent.map(|value| without_scheme(value.as_bytes())).or(in_query.map(str::as_bytes))
}

fn without_scheme(value: &[u8]) -> &[u8] {
    match value.split_at_checked(7) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"bearer ") => key.trim_ascii(),
        _ => value.trim_ascii(),
    }
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::config::Secret;

    fn general() -> General {
        General {
            master_key: Some(Secret::new("sk-1")),
            key_header_name: Some("x-mine".into()),
            ..General::default()
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn every_place_is_looked_at() {
        for name in HEADERS.into_iter().chain(["x-mine"]) {
            for value in ["sk-1", "Bearer sk-1", "bearer  sk-1 "] {
                let found = check(&general(), &headers(&[(name, value)]));
                assert_eq!(found.expect(name).as_deref(), Some(&b"sk-1"[..]));
            }
            assert!(check(&general(), &headers(&[(name, "sk-2")])).is_err());
        }
    }

    #[test]
    fn a_query_is_the_last_place() {
        let check = |pairs: &[(&'static str, &'static str)], key| check_or(&general(), &headers(pairs), key);
        assert_eq!(check(&[], Some("sk-1")).expect("valid").as_deref(), Some(&b"sk-1"[..]));
        assert!(check(&[("x-goog-api-key", "sk-2")], Some("sk-1")).is_err());
        assert!(check(&[], Some("sk-2")).is_err() && check(&[], None).is_err());
    }

    #[test]
    fn the_first_place_decides() {
        assert!(
            check(&general(), &headers(&[("authorization", "Bearer sk-2"), ("x-api-key", "sk-1")])).is_err()
        );
        assert!(
            check(&general(), &headers(&[("x-litellm-api-key", "sk-1"), ("authorization", "Bearer no")]))
                .is_ok()
        );
        for wrong in ["", "sk-", "sk-11", "Bearer"] {
            assert!(check(&general(), &headers(&[("authorization", wrong)])).is_err(), "{wrong}");
        }
        assert!(check(&general(), &HeaderMap::new()).is_err());
        assert!(check(&General::default(), &HeaderMap::new()).expect("open").is_none());
    }
}
