//! End-to-end tests: each module is a subject, all in one program so that it is linked once.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

mod admin;
mod anthropic_client;
mod anthropic_provider;
mod azure;
mod bedrock;
mod by_model;
mod bytes;
mod client_paths;
mod clients;
mod clocks;
mod compatibility;
mod completions;
mod conformance;
mod continuation;
mod drill;
mod embeddings;
mod founding;
mod gemini_client;
mod guilty;
mod innocent;
mod isolation;
mod ladder;
mod limits;
mod logs;
mod mock_response;
mod ollama;
mod operations;
mod peers;
mod plugins;
mod policy;
mod responses;
mod responses_only;
mod routing;
mod rules;
mod scenarios;
mod storm;
mod strategies;
mod swap;
mod top;
mod usage;
mod vendors;
mod watchdog;
mod world;
mod zoo;
