//! A policy in the place of `fallback`, whose answer about the group `openai` never comes.
#![forbid(unsafe_code)]

use tidegate_plugin_sdk::*;

export_plugin! { name: "fallback", manifest: "{}", policy: Stuck }

struct Stuck;

impl Policy for Stuck {
    fn create(_config: &str, _host: Host) -> Result<Self, String> {
        Ok(Stuck)
    }

    fn decide(&self, history: &History<'_>) -> Action {
        while history.group == "openai" {
            std::hint::spin_loop();
        }
        Action::raise()
    }
}
