//! Trace Context: the headers by which one trace goes through many programs (<https://www.w3.org/TR/trace-context/>).

use std::fmt::Write;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::routing::group::seed;

/// The trace, the caller's span in it, and whether it is recorded.
pub(super) const PARENT: HeaderName = HeaderName::from_static("traceparent");
/// What the tracing systems on the way keep of their own.
pub(super) const STATE: HeaderName = HeaderName::from_static("tracestate");

/// The caller, or somebody before, records the trace.
pub(super) const SAMPLED: u8 = 1;
/// The trace's id was drawn at random (level 2 of the specification).
const RANDOM: u8 = 2;

/// List members of a `tracestate`, and its length. The specification wants 512 characters to be passed on at least.
const MEMBERS: usize = 32;
const LONGEST: usize = 1024;

/// A span in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Never zero.
    pub trace: u128,
    /// Never zero.
    pub span: u64,
    /// Flags that are known here; others are not passed on.
    pub flags: u8,
    /// As it came.
    pub state: Option<HeaderValue>,
}

impl Context {
    /// What a request says. `None`: nothing, or nothing that can be read, so that a trace begins anew.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(PARENT).iter();
        let (Some(parent), None) = (all.next(), all.next()) else { return None };
        let (trace, span, flags) = parent_of(parent.as_bytes())?;
        Some(Self { trace, span, flags, state: state_of(headers) })
    }

    /// The first span of a trace.
    pub fn begin(sampled: bool) -> Self {
        let trace = u128::from(seed()) << 64 | u128::from(seed());
        let flags = if sampled { SAMPLED | RANDOM } else { RANDOM };
        Self { trace: trace.max(1), span: span_id(), flags, state: None }
    }

    /// Whether it is recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Puts `span` of this trace into the headers of a call.
    pub fn put(&self, span: u64, headers: &mut HeaderMap) {
        let mut text = String::with_capacity(55);
        // A String takes everything.
        let _ = write!(text, "00-{:032x}-{span:016x}-{:02x}", self.trace, self.flags);
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(PARENT, value);
        }
        if let Some(state) = &self.state {
            headers.insert(STATE, state.clone());
        }
    }
}

/// A span's id.
pub(super) fn span_id() -> u64 {
    seed().max(1)
}

fn parent_of(text: &[u8]) -> Option<(u128, u64, u8)> {
    // A later version may go on behind a dash, and begins like this one.
    let (known, rest) = text.split_at_checked(55)?;
    let version = hex(&known[..2])?;
    let dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
    let ends = rest.is_empty() || (version > 0 && rest[0] == b'-');
    if version == 0xff || !dashes || !ends {
        return None;
    }
    let (trace, span) = (hex(&known[3..35])?, hex(&known[36..52])?);
    let flags = hex(&known[53..])?;
    (trace != 0 && span != 0).then_some((trace, span as u64, flags as u8 & (SAMPLED | RANDOM)))
}

/// Lower case alone: an upper case digit makes the header invalid.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

/// Several headers are one list. What is not as it should be is left out whole; the trace goes on without it.
fn state_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut all = headers.get_all(STATE).iter();
    let (first, second) = (all.next()?, all.next());
    let whole = match second {
        None => first.to_str().ok()?.to_owned(),
        Some(_) => {
            let parts: Option<Vec<_>> =
                headers.get_all(STATE).iter().map(|part| part.to_str().ok()).collect();
            parts?.join(",")
        }
    };
    let mut seen = Vec::new();
    for member in
        whole.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty())
    {
        let (key, value) = member.split_once('=')?;
        if !is_key(key) || !is_value(value) || seen.contains(&key) {
            return None;
        }
        seen.push(key);
    }
    let fits = !seen.is_empty() && seen.len() <= MEMBERS && whole.len() <= LONGEST;
    fits.then(|| HeaderValue::try_from(whole).ok()).flatten()
}

fn is_key(key: &str) -> bool {
    let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let begins = key.bytes().next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit());
    begins && key.len() <= 256 && key.bytes().all(legal) && key.matches('@').count() < 2
}

fn is_value(value: &str) -> bool {
    let legal = |byte: u8| (0x20..=0x7e).contains(&byte) && !matches!(byte, b',' | b'=');
    !value.is_empty() && value.len() <= 256 && value.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn parent(text: &str) -> Option<Context> {
        Context::of(&headers(&[("traceparent", text)]))
    }

    #[test]
    fn a_parent_is_read_and_written_as_it_came() {
        let context = parent(GOOD).unwrap();
        assert_eq!(
            (context.trace, context.span),
            (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7)
        );
        assert!(context.is_sampled());
        let mut out = HeaderMap::new();
        context.put(context.span, &mut out);
        assert_eq!(out[PARENT], GOOD);
        assert!(!parent(&format!("{}00", &GOOD[..53])).unwrap().is_sampled());
        // Flags that are not known here are not passed on; a later version is read as far as it is known.
        assert_eq!(parent(&format!("{}ff", &GOOD[..53])).unwrap().flags, 3);
        assert!(parent(&GOOD.replacen("00", "cc", 1)).is_some());
        assert!(parent(&format!("{}-what-else", GOOD.replacen("00", "cc", 1))).is_some());
    }

    #[test]
    fn what_is_not_legal_begins_anew() {
        for bad in [
            "",
            "00",
            &GOOD.to_uppercase(),
            &GOOD.replacen("00", "ff", 1),
            &GOOD.replacen("00", "0g", 1),
            &GOOD[..54],
            &format!("{GOOD}-01"),
            &format!("{GOOD}0"),
            &format!("{}.", GOOD.replacen("00", "cc", 1)),
            &GOOD.replace('-', "_"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
        ] {
            assert_eq!(parent(bad), None, "{bad}");
        }
        assert_eq!(Context::of(&headers(&[("traceparent", GOOD), ("traceparent", GOOD)])), None);
        assert_eq!(Context::of(&headers(&[("tracestate", "a=1")])), None, "a state alone is none");
    }

    #[test]
    fn a_state_is_passed_on_whole_or_not_at_all() {
        let state = |values: &[&str]| {
            let mut all = headers(&[("traceparent", GOOD)]);
            for value in values {
                all.append(STATE, value.parse().unwrap());
            }
            Context::of(&all).unwrap().state.map(|state| state.to_str().unwrap().to_owned())
        };
        let same = |text: &str| assert_eq!(state(&[text]).as_deref(), Some(text));
        same("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
        same("fw529a3039@dt=FfAA , a*b/c_d-e= x y");
        assert_eq!(state(&["a=1", "b=2"]).as_deref(), Some("a=1,b=2"));
        let many = (0..33).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
        for bad in [
            "",
            ",",
            "a",
            "a=",
            "=1",
            "A=1",
            "a=1,a=2",
            "a=1=2",
            "a@b@c=1",
            &many,
            &format!("a={}", "x".repeat(257)),
        ] {
            assert_eq!(state(&[bad]), None, "{bad}");
        }
    }
}
