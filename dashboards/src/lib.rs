//! The Grafana dashboards as data: each is a function that returns its panels, and `cargo run -p tidegate-dashboards`
//! writes them to `dashboards/grafana`. A test fails when a file is not what it writes.
//!
//! In expressions `{@}` stands for the matchers of the variables that every dashboard has, and `[@]` for the window of
//! rates: see [`panel::promql`].

#![forbid(unsafe_code)]

pub mod dashboard;
mod grafana;
mod limits;
pub mod lint;
mod overview;
pub mod panel;
mod plugins;
mod units;
mod watchdog;

use dashboard::Dashboard;

/// Every dashboard, in the order in which an operator comes to them.
pub fn all() -> Vec<Dashboard> {
    vec![overview::dashboard(), limits::dashboard(), watchdog::dashboard(), plugins::dashboard()]
}
