//! Incidents outside of the watchdog: as JSON.

pub mod json;
