//! What the simulated models say. Many scripts, so that a split inside a code point shows.

use std::time::Duration;

/// The whole healthy answer, one piece per chunk.
pub const HEALTHY_PIECES: [&str; 20] = [
    "The tide ",
    "comes in, ",
    "la marée ",
    "monte, ",
    "die Flut ",
    "steigt über ",
    "die Dünen, ",
    "прилив ",
    "растёт, ",
    "潮が",
    "満ちて",
    "くる ",
    "🌊 ",
    "\"and every ",
    "boat\" — ",
    "naïve or ",
    "wise \\ ",
    "lifts ",
    "at the ",
    "gate.\n",
];

/// What a faulty answer says before its fault, one piece per chunk.
pub const FAULT_PIECES: [&str; 3] = ["Die Flut ", "steigt über ", "das 潮 🌊 "];

/// The wait that every scenario with a retry hint asks for, unless the settings say another.
pub const RETRY_AFTER: Duration = Duration::from_secs(7);

/// Bytes of the `huge-event` scenario's text.
const HUGE: usize = 4 * 1024 * 1024;

/// The text of a whole healthy answer.
pub fn healthy_text() -> String {
    HEALTHY_PIECES.concat()
}

/// The text that reaches a client before a fault.
pub fn fault_text() -> String {
    FAULT_PIECES.concat()
}

/// The text of the `huge-event` scenario: four megabytes in one event.
pub fn huge_text() -> String {
    "Ebbe & Flut 潮\n".repeat(HUGE / 16)
}
