//! Tidegate: a daemon between LLM clients and LLM providers that cannot be hung.
//!
//! The way of a request through the rooms is one way, and is the order of the modules below; `ARCHITECTURE.md` has the
//! map.
#![forbid(unsafe_code)]

pub mod access;
pub mod admin;
pub mod cli;
pub mod command;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod dialects;
pub mod drill;
pub mod exchange;
pub mod failure;
#[cfg(feature = "fault-hooks")]
pub mod fault;
pub mod framing;
pub mod gateway;
pub mod guard;
pub mod incidents;
pub mod listener;
pub mod logging;
pub mod manual;
pub mod metrics;
pub mod operator;
pub mod plugin;
pub mod relay;
pub mod routing;
pub mod secret;
pub mod serve;
pub mod service;
pub mod top;
pub mod traces;
pub mod upstream;
mod utc;
