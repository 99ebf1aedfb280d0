//! litellm's response headers, for dashboards and clients that read them; `tidegate.litellm_headers` switches them on.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::Exchange;
use crate::routing::group::seed;

/// What a request's answer says of it. Taken before its parts go to the stream's body.
pub(super) struct Told(Vec<(&'static str, String)>);

impl Exchange {
    /// `None` where they are switched off: nothing is computed then.
    pub(super) fn told(&self) -> Option<Told> {
        if !self.routes.config.tidegate.litellm_headers {
            return None;
        }
        let fallbacks = self.engine.fallbacks();
        let mut all = vec![
            ("x-litellm-call-id", call_id()),
            ("x-litellm-model-group", self.group.name.to_string()),
            ("x-litellm-attempted-retries", self.engine.attempts().saturating_sub(1 + fallbacks).to_string()),
            ("x-litellm-attempted-fallbacks", fallbacks.to_string()),
            ("x-litellm-max-fallbacks", self.routes.config.router.fallback_depth().to_string()),
        ];
        let total = self.started.elapsed();
        let mut upstream: Duration = self
            .history
            .iter()
            .map(|record| Duration::from_millis(record.ended_ms.saturating_sub(record.started_ms)))
            .sum();
        if let Some((target, started)) = self.last_call {
            let deployment = self.deployment(target);
            // One that failed stands in the history.
            if self.answered {
                upstream += started.elapsed();
            }
            all.push(("x-litellm-model-id", deployment.id.to_string()));
            all.push(("x-litellm-max-retries", deployment.max_retries.to_string()));
            all.extend(deployment.api_base.clone().map(|base| ("x-litellm-model-api-base", base)));
        }
        all.push(("x-litellm-response-duration-ms", millis(total)));
        all.push(("x-litellm-overhead-duration-ms", millis(total.saturating_sub(upstream))));
        Some(Told(all))
    }
}

impl Told {
    pub(super) fn put(self, headers: &mut HeaderMap) {
        for (name, value) in self.0 {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

/// The one header of a request that was refused before it came to a model.
pub fn call_id_alone(headers: &mut HeaderMap) {
    Told(vec![("x-litellm-call-id", call_id())]).put(headers);
}

fn millis(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1000.0)
}

/// A random UUID (version 4).
fn call_id() -> String {
    let (one, two) = (seed(), seed());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        one >> 32,
        (one >> 16) & 0xffff,
        one & 0xfff,
        (two >> 48) & 0x3fff | 0x8000,
        two & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_ids_are_uuids_and_differ() {
        let (one, two) = (call_id(), call_id());
        assert_ne!(one, two);
        let parts: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!((parts, &one[14..15]), (vec![8, 4, 4, 4, 12], "4"));
        assert!(matches!(&one[19..20], "8" | "9" | "a" | "b"), "{one}");
    }
}
