//! Who may change something through the admin port: programs, not pages. A browser that shows somebody else's page can
//! reach 127.0.0.1, and says so in headers that the page cannot set.

use http::HeaderMap;
use http::header::ORIGIN;

const SITE: &str = "sec-fetch-site";

/// Refuses what a page of another origin sent. The error is a sentence for whoever wonders.
pub(super) fn no_page(headers: &HeaderMap) -> Result<(), &'static str> {
    if headers.contains_key(ORIGIN) {
        return Err(
            "a request with an Origin header comes from a page, and no page may change anything here\n",
        );
    }
    match headers.get(SITE) {
        Some(site) if site != "none" => Err(
            "a request with this Sec-Fetch-Site comes from a page, and no page may change anything here\n",
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gives_itself_away() {
        let with = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            no_page(&headers).is_ok()
        };
        assert!(with(&[("user-agent", "curl/8.5.0")]));
        assert!(with(&[("sec-fetch-site", "none")]), "typed into the address bar by the user");
        for page in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:4001"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "same-origin"),
        ] {
            assert!(!with(&[page]), "{page:?}");
        }
    }
}
