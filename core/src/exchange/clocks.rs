//! The clocks that one request asks for. It can only narrow what the operator set: the shorter of both counts.

use std::time::Duration;

use http::HeaderMap;

use crate::config::duration;
use crate::dialects::options::Options;
use crate::failure::Failure;
use crate::routing::Times;

/// litellm's `timeout` of a request, in seconds.
const TIMEOUT: &str = "x-litellm-timeout";
/// Its `stream_timeout`.
const STREAM_TIMEOUT: &str = "x-litellm-stream-timeout";
/// Clocks by their names: `first_content=5s, content_idle=2s`.
const CLOCKS: &str = "x-tidegate-clocks";

/// The names in it. The other clocks are the operator's: how long a client may not read, and how long a drain takes.
const NAMES: [&str; 5] = ["connect", "first_content", "content_idle", "byte_idle", "total"];

/// What a request asks for; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    clocks: [Option<Duration>; NAMES.len()],
    timeout: Option<Duration>,
    stream_timeout: Option<Duration>,
}

impl Asked {
    /// Reads the headers; `None` where none of them is there.
    ///
    /// # Errors
    /// One of them cannot be read: a 400 that says which.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        let mut asked = Self::default();
        for (name, slot) in [(TIMEOUT, &mut asked.timeout), (STREAM_TIMEOUT, &mut asked.stream_timeout)] {
            for value in headers.get_all(name) {
                let value = value.to_str().unwrap_or_default();
                let limit = seconds(value).ok_or_else(|| {
                    Failure::bad_request(format!("{name} takes a number of seconds above 0, not \"{value}\""))
                })?;
                shorten(slot, limit);
            }
        }
        for value in headers.get_all(CLOCKS) {
            let bad = |why: String| Failure::bad_request(format!("{CLOCKS}: {why}"));
            let value = value.to_str().map_err(|_| bad("it is no text".into()))?;
            for entry in value.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
                let (name, limit) = clock(entry).map_err(bad)?;
                shorten(&mut asked.clocks[name], limit);
            }
        }
        Ok(Some(asked).filter(|asked| *asked != Self::default()))
    }

    /// The same with what stands in the body.
    pub(super) fn and(asked: Option<Self>, options: Option<&Options>) -> Option<Self> {
        let timeout = options.and_then(|options| options.timeout.or(options.request_timeout));
        let stream_timeout = options.and_then(|options| options.stream_timeout);
        if timeout.is_none() && stream_timeout.is_none() {
            return asked;
        }
        let mut all = asked.unwrap_or_default();
        timeout.into_iter().for_each(|limit| shorten(&mut all.timeout, limit));
        stream_timeout.into_iter().for_each(|limit| shorten(&mut all.stream_timeout, limit));
        Some(all)
    }

    /// Never longer than `times`. The timeouts mean what they mean in the configuration: the total of a whole answer, and a
    /// stream's longest wait for its next content.
    pub(super) fn narrow(&self, times: Times, stream: bool) -> Times {
        let [connect, first_content, content_idle, byte_idle, total] = self.clocks;
        let wait = self.stream_timeout.or(self.timeout).filter(|_| stream);
        let whole = self.timeout.filter(|_| !stream);
        let shorter = |limit: Duration, asked: [Option<Duration>; 2]| {
            asked.into_iter().flatten().fold(limit, Duration::min)
        };
        let mut times = times;
        times.connect = shorter(times.connect, [connect, None]);
        times.limits.first_content = shorter(times.limits.first_content, [first_content, wait]);
        times.limits.content_idle = shorter(times.limits.content_idle, [content_idle, wait]);
        times.limits.byte_idle = shorter(times.limits.byte_idle, [byte_idle, None]);
        times.total = shorter(times.total, [total, whole]);
        times
    }

    /// Of the total alone.
    pub(super) fn total(&self, total: Duration, stream: bool) -> Duration {
        let whole = self.timeout.filter(|_| !stream);
        [self.clocks[4], whole].into_iter().flatten().fold(total, Duration::min)
    }
}

fn shorten(slot: &mut Option<Duration>, limit: Duration) {
    *slot = Some(slot.map_or(limit, |before| before.min(limit)));
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|limit| !limit.is_zero())
}

/// `NAME=DURATION`.
fn clock(entry: &str) -> Result<(usize, Duration), String> {
    let (name, limit) =
        entry.split_once('=').ok_or_else(|| format!("\"{entry}\" is not of the form NAME=DURATION"))?;
    let name = name.trim();
    let index = NAMES.iter().position(|known| *known == name).ok_or_else(|| {
        format!("\"{name}\" is no clock that a request can set; there are: {}", NAMES.join(", "))
    })?;
    let limit = duration(limit.trim()).map_err(|why| format!("\"{name}\": {why}"))?;
    if limit.is_zero() {
        return Err(format!("\"{name}\" must be longer than 0s"));
    }
    Ok((index, limit))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::relay::clocks::Limits;

    const S: Duration = Duration::from_secs(1);

    fn asked(pairs: &[(&'static str, &'static str)]) -> Result<Option<Asked>, String> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        Asked::of(&headers).map_err(|failure| {
            assert_eq!(failure.status, 400);
            failure.message
        })
    }

    fn narrowed(pairs: &[(&'static str, &'static str)], stream: bool) -> [u64; 5] {
        let limits = Limits { first_content: 50 * S, content_idle: 40 * S, byte_idle: 30 * S };
        let times = Times { connect: 10 * S, limits, total: 100 * S };
        let asked = asked(pairs).unwrap().unwrap();
        let got = asked.narrow(times, stream);
        assert_eq!(asked.total(times.total, stream), got.total);
        [got.connect, got.limits.first_content, got.limits.content_idle, got.limits.byte_idle, got.total]
            .map(|limit| limit.as_secs())
    }

    #[test]
    fn the_shorter_of_both_counts() {
        for (pairs, stream, want) in [
            (&[(CLOCKS, "first_content=5s, content_idle=2s,total=30s")][..], true, [10, 5, 2, 30, 30]),
            (&[(CLOCKS, "connect=1s,byte_idle=3s")], false, [1, 50, 40, 3, 100]),
            (
                &[(CLOCKS, "connect=1m, first_content=1h, content_idle=1h, byte_idle=1h, total=2h")],
                true,
                [10, 50, 40, 30, 100],
            ),
            (&[(CLOCKS, "total=9s"), (CLOCKS, "total=7s"), (CLOCKS, "total=8s")], true, [10, 50, 40, 30, 7]),
            (&[(TIMEOUT, "20")], true, [10, 20, 20, 30, 100]),
            (&[(TIMEOUT, "20")], false, [10, 50, 40, 30, 20]),
            (&[(TIMEOUT, "20"), (STREAM_TIMEOUT, "6.5")], true, [10, 6, 6, 30, 100]),
            (&[(STREAM_TIMEOUT, "6")], false, [10, 50, 40, 30, 100]),
            (&[(TIMEOUT, "600"), (STREAM_TIMEOUT, "600")], true, [10, 50, 40, 30, 100]),
            (&[(TIMEOUT, "20"), (CLOCKS, "first_content=3s")], true, [10, 3, 20, 30, 100]),
        ] {
            assert_eq!(narrowed(pairs, stream), want, "{pairs:?} {stream}");
        }
        assert_eq!(asked(&[]), Ok(None));
        assert_eq!(asked(&[(CLOCKS, " , ")]), Ok(None));
    }

    #[test]
    fn what_stands_in_the_body_narrows_further() {
        let options = Options { timeout: Some(5 * S), stream_timeout: Some(9 * S), ..Options::default() };
        let header = asked(&[(TIMEOUT, "7"), (STREAM_TIMEOUT, "3")]).unwrap();
        let both = Asked::and(header, Some(&options)).unwrap();
        assert_eq!((both.timeout, both.stream_timeout), (Some(5 * S), Some(3 * S)));
        assert_eq!(Asked::and(None, Some(&Options::default())), None);
        assert_eq!(Asked::and(header, None), header);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (name, value, why) in [
            (TIMEOUT, "soon", "x-litellm-timeout takes a number of seconds above 0, not \"soon\""),
            (TIMEOUT, "0", "above 0"),
            (TIMEOUT, "-1", "above 0"),
            (TIMEOUT, "inf", "above 0"),
            (STREAM_TIMEOUT, "NaN", "x-litellm-stream-timeout takes"),
            (CLOCKS, "first_content", "\"first_content\" is not of the form NAME=DURATION"),
            (CLOCKS, "frist_content=1s", "\"frist_content\" is no clock that a request can set"),
            (
                CLOCKS,
                "client_idle=1s",
                "is no clock that a request can set; there are: connect, first_content",
            ),
            (CLOCKS, "total=0s", "\"total\" must be longer than 0s"),
            (CLOCKS, "total=5", "\"total\": a duration needs its unit"),
            (CLOCKS, "total=-5s", "\"total\":"),
        ] {
            let said = asked(&[(name, value)]).unwrap_err();
            assert!(said.contains(why), "{name}: {value}: {said}");
        }
    }
}
