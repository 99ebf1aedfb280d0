//! Simulated providers behind the real proxy: the demo, the simulator alone, and `serve` without a configuration.

mod client;
mod config;
mod cpu;
mod outcome;
mod play;
mod proxy;
mod row;
pub(crate) mod scrape;
mod screen;
mod show;
mod simulated;
mod simulator;
mod table;
mod transcript;
mod verdict;

pub use show::play;
pub use simulated::{scenarios, serve_simulated, simulate};
