//! `tidegate drill`: every fault of an upstream or a client, under every configuration, against the real proxy.

mod canary;
mod client_fault;
mod configuration;
mod draw;
mod fault;
mod json;
mod link;
mod markdown;
mod outcome;
mod own;
mod plan;
mod play;
mod progress;
mod promise;
mod report;
mod run;
mod select;
mod show;
mod simulated;
mod stage;
mod worst;

pub use show::{Ending, Form, Options, drill};
