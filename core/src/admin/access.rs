//! Who may look, and who may change something.
//!
//! A program on this machine may look. Everybody else needs the key, and so does whoever wants to change something. The key
//! is `tidegate.admin_key`, or litellm's `general_settings.master_key`; with neither, nothing can be changed and nobody
//! elsewhere can look. The master key is every client's, so from elsewhere it changes nothing: a container, where all are
//! elsewhere, is read-only until it has an admin key. A browser that shows somebody else's page can reach 127.0.0.1 too, by a name that its owner points
//! there: such a request has that name in `Host`, or its page's in `Origin`, and a page cannot set either.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, StatusCode};
use subtle::ConstantTimeEq;

use crate::config::Config;
use crate::secret::Secret;

/// Why not, in a sentence for whoever asked.
pub(super) type Refusal = (StatusCode, &'static str);

const SITE: &str = "sec-fetch-site";
const DESTINATION: &str = "sec-fetch-dest";
const NO_KEY: &str = "no key: send the admin key as \"Authorization: Bearer KEY\"\n";
const WRONG_KEY: &str = "that is not the admin key\n";
const NO_KEY_SET: &str = "this asks for the admin key, and none is configured: set `tidegate.admin_key`\n";
const NOT_THIS_MACHINE: &str = "a request for another name than this machine's needs the admin key, and none is configured: ask \
                                for 127.0.0.1 or localhost, or set `tidegate.admin_key`\n";
const FOREIGN_PAGE: &str = "a page of another origin may ask for nothing here\n";

/// Whether `peer` may read what the program knows.
///
/// # Errors
/// It needs the key, and has not sent it; or it is a page of another origin, which could not read the answer, but could have
/// many of them made. Somebody who follows a link from such a page is none.
pub(super) fn look(key: Option<&Secret>, peer: IpAddr, headers: &HeaderMap) -> Result<(), Refusal> {
    if is_foreign(headers) && text(headers, DESTINATION) != Some("document") {
        return Err((StatusCode::FORBIDDEN, FOREIGN_PAGE));
    }
    if headers.contains_key(AUTHORIZATION) && key.is_some() {
        return keyed(key, headers);
    }
    if !peer.to_canonical().is_loopback() {
        return keyed(key, headers);
    }
    match (is_local(headers), key) {
        (true, _) => Ok(()),
        (false, Some(_)) => keyed(key, headers),
        (false, None) => Err((StatusCode::FORBIDDEN, NOT_THIS_MACHINE)),
    }
}

/// Whether it may change something.
///
/// # Errors
/// It has not sent the key, or it is a page of another origin.
pub(super) fn change(key: Option<&Secret>, headers: &HeaderMap) -> Result<(), Refusal> {
    if is_foreign(headers) {
        return Err((StatusCode::FORBIDDEN, FOREIGN_PAGE));
    }
    keyed(key, headers)
}

/// The key that changes something, for somebody at `peer`.
pub(super) fn key_of_change(config: &Config, peer: IpAddr) -> Option<&Secret> {
    changing(config.tidegate.admin_key.as_ref(), key(config), peer)
}

fn changing<'a>(admin: Option<&'a Secret>, any: Option<&'a Secret>, peer: IpAddr) -> Option<&'a Secret> {
    if peer.to_canonical().is_loopback() { any } else { admin }
}

/// The key that a configuration names.
pub(super) fn key(config: &Config) -> Option<&Secret> {
    config.tidegate.admin_key.as_ref().or(config.general.master_key.as_ref())
}

fn keyed(key: Option<&Secret>, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(key) = key else { return Err((StatusCode::FORBIDDEN, NO_KEY_SET)) };
    let sent = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    let Some(sent) = sent.and_then(|sent| sent.split_at_checked(7)) else {
        return Err((StatusCode::UNAUTHORIZED, NO_KEY));
    };
    let bearer = sent.0.eq_ignore_ascii_case(b"bearer ");
    match bearer && bool::from(sent.1.trim_ascii().ct_eq(key.expose().as_bytes())) {
        true => Ok(()),
        false => Err((StatusCode::UNAUTHORIZED, WRONG_KEY)),
    }
}

/// Whether a page of another origin asks.
fn is_foreign(headers: &HeaderMap) -> bool {
    let own = |origin: &str| {
        text(headers, HOST.as_str())
            .is_some_and(|host| origin.split_once("://").is_some_and(|(_, rest)| rest == host))
    };
    text(headers, ORIGIN.as_str()).is_some_and(|origin| !own(origin))
        || text(headers, SITE).is_some_and(|site| !matches!(site, "none" | "same-origin"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether the request was made for an address, or for `localhost`: names can be pointed anywhere.
fn is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1";
    const ELSEWHERE: &str = "10.1.2.3";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn looks(key: Option<&str>, peer: &str, pairs: &[(&'static str, &'static str)]) -> u16 {
        let key = key.map(Secret::new);
        look(key.as_ref(), peer.parse().unwrap(), &headers(pairs))
            .map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    fn changes(key: Option<&str>, pairs: &[(&'static str, &'static str)]) -> u16 {
        let key = key.map(Secret::new);
        change(key.as_ref(), &headers(pairs)).map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    #[test]
    fn this_machine_may_look_and_others_need_the_key() {
        let (open, keyed) = (None, Some("k"));
        assert_eq!(looks(open, HERE, &[("host", "127.0.0.1:4001")]), 200);
        assert_eq!(looks(open, "::ffff:127.0.0.1", &[("host", "localhost:4001")]), 200);
        assert_eq!(looks(open, ELSEWHERE, &[]), 403, "no key could open it");
        assert_eq!(looks(keyed, ELSEWHERE, &[]), 401);
        assert_eq!(looks(keyed, ELSEWHERE, &[("authorization", "Bearer x")]), 401);
        assert_eq!(looks(keyed, ELSEWHERE, &[("authorization", "bearer k")]), 200);
    }

    #[test]
    fn the_key_of_every_client_changes_nothing_from_elsewhere() {
        let (master, admin) = (Secret::new("master"), Secret::new("admin"));
        let of = |own: Option<&Secret>, peer: &str| {
            changing(own, own.or(Some(&master)), peer.parse().unwrap()).map(|key| key.expose().to_owned())
        };
        assert_eq!(of(None, HERE).as_deref(), Some("master"));
        assert_eq!(of(None, "::ffff:127.0.0.1").as_deref(), Some("master"));
        assert_eq!(of(None, ELSEWHERE), None);
        assert_eq!(of(Some(&admin), HERE).as_deref(), Some("admin"));
        assert_eq!(of(Some(&admin), ELSEWHERE).as_deref(), Some("admin"));
    }

    #[test]
    fn a_name_that_points_here_is_not_here() {
        let (open, keyed) = (None, Some("k"));
        assert_eq!(looks(open, HERE, &[("host", "evil.example:4001")]), 403);
        assert_eq!(looks(keyed, HERE, &[("host", "evil.example:4001")]), 401, "a page can ask for the key");
        assert_eq!(looks(keyed, HERE, &[("host", "[::1]:4001")]), 200);
        assert_eq!(looks(keyed, HERE, &[("host", "evil.example"), ("authorization", "Bearer k")]), 200);
    }

    #[test]
    fn a_page_of_another_origin_looks_at_nothing_and_a_link_from_it_may_be_followed() {
        let (host, site) = (("host", "127.0.0.1:4001"), ("sec-fetch-site", "cross-site"));
        for (headers, status) in [
            (&[host, site, ("sec-fetch-dest", "image")][..], 403),
            (&[host, site, ("sec-fetch-dest", "iframe")], 403),
            (&[host, site], 403),
            (&[host, ("origin", "https://evil.example")], 403),
            (&[host, site, ("sec-fetch-dest", "document")], 200),
            (&[host, ("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty")], 200),
        ] {
            assert_eq!(looks(None, HERE, headers), status, "{headers:?}");
        }
    }

    #[test]
    fn a_change_needs_the_key_wherever_it_comes_from() {
        let keyed = Some("k");
        assert_eq!(changes(None, &[("authorization", "Bearer ")]), 403);
        assert_eq!(changes(keyed, &[]), 401);
        assert_eq!(changes(keyed, &[("authorization", "Bearer k")]), 200);
        let own = ("origin", "http://127.0.0.1:4001");
        let host = ("host", "127.0.0.1:4001");
        assert_eq!(changes(keyed, &[own, host, ("authorization", "Bearer k")]), 200);
        assert_eq!(changes(keyed, &[own, host]), 401);
        for page in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(changes(keyed, &[page, host, ("authorization", "Bearer k")]), 403, "{page:?}");
        }
    }
}
