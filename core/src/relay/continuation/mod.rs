//! What it takes to go on with a stream on another deployment: what was said so far, and how the next stream is joined
//! to it. Both look at OpenAI's chunks, the one dialect whose streams can be continued.

mod echo;
mod splice;
#[cfg(test)]
mod tests;
mod transcript;

pub use splice::Splice;
pub use transcript::Transcript;

/// What a client sees of the switch: a comment, which every reader of events passes over.
pub const NOTICE: &[u8] = b": tidegate continued on another deployment\n\n";
