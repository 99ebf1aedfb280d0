//! Simulated LLM providers, byte-exact: which bytes, in which writes, after which pauses, and how the
//! connection ends. Used by the end-to-end tests, `tidegate sim`, `tidegate demo` and `tidegate serve`
//! without a config.
//!
//! A request names the fault it wants: by `sim:NAME` in its last user message, by a path under
//! `/s/NAME/`, or by the model name `NAME` or `sim-NAME`; else it gets a healthy answer. `sim:NAME@PLACE` is for
//! requests alone whose path begins with `/at/PLACE/`, and `#TAG` behind either is what the request is counted by.
//! [`Scenario::all`] lists the names, and says for each what a client behind a correct proxy must see.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let sim = tidegate_sim::Sim::start(tidegate_sim::Settings::default()).await?;
//! let base = format!("http://{}/s/429-frame-open/v1", sim.addr());
//! # let _ = base; Ok(()) }
//! ```
#![forbid(unsafe_code)]

mod auth;
mod board;
mod dialect;
mod http;
mod play;
mod scenario;
mod script;
mod select;
mod server;
mod settings;
mod sigv4;
pub mod strict;
mod text;
mod token;

pub use auth::mask;
pub use board::{Counts, Seen};
pub use dialect::Dialect;
pub use dialect::bedrock::frame as bedrock_frame;
pub use http::Request;
pub use scenario::{Expect, Mode, Scenario};
pub use script::{Ending, Framing, Gate, Head, Script, Step};
pub use server::Sim;
pub use settings::{Settings, TokenBehaviour};
pub use sigv4::AWS_ACCESS_KEY_ID;
pub use text::{FAULT_PIECES, HEALTHY_PIECES, RETRY_AFTER, fault_text, healthy_text, huge_text};
pub use token::service_account_json;
