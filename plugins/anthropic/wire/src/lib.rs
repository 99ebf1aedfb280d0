//! What provider plugins of Claude share: chat completions to and from Anthropic's Messages, whoever serves them.
//!
//! - [`encode`] makes a Messages body of a chat body, [`translate`] does so where it is parsed already; [`for_vertex`] puts a Messages body in Vertex AI's form.
//! - [`Translator`] and [`whole`] make chat chunks and completions of answers.
//! - [`Passing`] and [`answer`] look at answers that pass as they are.
//! - [`classify`] says what a failure means.
//!
//! None of them does IO or keeps anything but what one stream needs. A plugin is a library with one exported symbol, so that
//! none can be linked into another: what two of them need stands here.
#![forbid(unsafe_code)]

mod classify;
mod effort;
mod event;
mod members;
mod model;
mod native;
mod request;
mod response;

pub use classify::classify;
pub use effort::{Effort, Past, effort};
pub use native::{Passing, answer, for_vertex};
pub use request::{JSON_TOOL, Options, Platform, VERTEX_VERSION, encode, translate};
pub use response::{Translator, whole};
