//! The way out: a prepared request goes in, a response body stream comes out. Sockets, TLS, pooling and authentication
//! stay in here; providers, dialects and retries are unknown here.

pub mod auth;
mod body;
mod call;
mod client;
mod connect;
mod error;
mod h1;
mod h2;
mod pool;
mod settings;
mod stream;
mod target;
mod tls;
mod waker;

pub use body::Body;
#[cfg(test)]
pub(crate) use body::Scripted;
pub use call::{Call, Response};
pub use client::Upstream;
pub use error::{BodyError, SendError};
pub use settings::Settings;
pub use target::{Origin, Scheme, Target, TargetError};
pub use tls::SetupError;
