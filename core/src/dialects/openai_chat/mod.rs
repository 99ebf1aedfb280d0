//! OpenAI chat completions: the API reference's `POST /v1/chat/completions`, and what SDKs make of its errors.

pub(super) mod continuation;
pub(super) mod encode;
pub(super) mod inspect;
pub(super) mod request;
