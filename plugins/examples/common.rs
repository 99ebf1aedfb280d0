//! What the example policies share: the settings that they read, who may come after a failure, and who rests.

use serde_json::{Map, Value};
use tidegate_plugin_sdk::{ErrorKind, History, Target};

/// A longer Retry-After is not believed.
const LONGEST_MS: u64 = 3_600_000;

/// What the configuration says.
pub(crate) struct Settings {
    params: Map<String, Value>,
    /// litellm's `cooldown_time`; 0: nobody rests.
    cooldown_ms: u64,
}

impl Settings {
    /// Reads `router.cooldown_time`, `router.disable_cooldowns` and `params`, of which the names in `known` may be written.
    pub(crate) fn read(config_json: &str, known: &[&str]) -> Result<Self, String> {
        let config: Map<String, Value> = serde_json::from_str(config_json).map_err(|e| e.to_string())?;
        let router = config.get("router").unwrap_or(&Value::Null);
        let seconds = router["cooldown_time"].as_f64().unwrap_or(5.0);
        let off = router["disable_cooldowns"].as_bool().unwrap_or(false);
        let params = config.get("params").and_then(Value::as_object).cloned().unwrap_or_default();
        if let Some(name) = params.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("there is no `params.{name}`; there are: {}", known.join(", ")));
        }
        Ok(Self { params, cooldown_ms: if off { 0 } else { (seconds * 1000.0) as u64 } })
    }

    /// A parameter that is a whole number.
    pub(crate) fn number(&self, name: &str, default: u64) -> Result<u64, String> {
        let Some(written) = self.params.get(name) else { return Ok(default) };
        written
            .as_u64()
            .ok_or_else(|| format!("`params.{name}` must be a whole number from 0 up, not {written}"))
    }

    /// How long the target that failed last is put aside. One that is alone in its group never is.
    pub(crate) fn cooldown_ms(&self, history: &History<'_>) -> u64 {
        let Some(last) = history.last().filter(|last| last.retryable || last.quota) else { return 0 };
        let here = history.here();
        let alone = history.targets.iter().filter(|target| target.group == here).count() < 2;
        if alone || self.cooldown_ms == 0 {
            return 0;
        }
        self.cooldown_ms.max(last.retry_after_ms.unwrap_or(0).min(LONGEST_MS))
    }
}

/// Whether a call to this target can help after the last failure. Without one: whether a request may begin there.
pub(crate) fn can_follow(history: &History<'_>, target: &Target<'_>) -> bool {
    let Some(last) = history.last() else { return !target.special };
    let inside = target.group == history.here();
    match last.error {
        _ if last.committed || history.attempts_left == 0 => false,
        ErrorKind::BadRequest => false,
        // The same prompt would end in the same way.
        ErrorKind::ContextLength | ErrorKind::ContentFilter => !inside,
        _ if target.special => false,
        // Without a token the core refuses a retry; a fallback takes none.
        _ => !inside || history.retry_tokens > 0,
    }
}

/// Where a target's group stands in the order of fallbacks; `None`: the request has left it behind.
pub(crate) fn place(history: &History<'_>, target: &Target<'_>) -> Option<usize> {
    let of = |group: &str| history.targets.iter().position(|target| target.group == group);
    let (here, there) = (of(history.here()).unwrap_or(0), of(target.group)?);
    (there >= here).then_some(there)
}
