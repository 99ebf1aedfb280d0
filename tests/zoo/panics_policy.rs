//! A policy that panics when it is asked about the group "bite", in the function that stands in the slot.
#![forbid(unsafe_code)]

use tidegate_plugin_sdk::*;

export_plugin! { name: "fallback", manifest: "{}", policy: Panics }

/// Where it panics; whoever wants that writes a place over the dots of the built library.
static PLACE: [u8; 24] = *b"panic-always:...........";

fn here(place: &str, group: &str) {
    let slot = std::hint::black_box(&PLACE);
    let wanted = std::str::from_utf8(&slot[13..]).unwrap_or_default().trim_end_matches('.');
    assert!(group == "calm" || wanted != place, "the zoo panics in {place}");
}

struct Panics;

impl Policy for Panics {
    const PICKS: bool = true;

    fn create(_config_json: &str, _host: Host) -> Result<Self, String> {
        Ok(Panics)
    }

    fn decide(&self, history: &History<'_>) -> Action {
        here("decide", history.group);
        Action::raise()
    }

    fn pick(&self, history: &History<'_>) -> Action {
        here("pick", history.group);
        Action::retry(0, 0)
    }
}
