//! The C ABI between Tidegate and its plugins: `repr(C)` mirrors of `include/tidegate.h`, and nothing else.
//!
//! The header is the contract and its comments the documentation; this crate only repeats its shapes, so that the
//! host and the SDK agree on them. `layout` asserts every size and offset at compile time, and a C program compiled
//! in the tests prints the same numbers.
//!
//! Names follow the header (`tg_str` is [`Str`], `TG_E_LIMIT` is [`status::E_LIMIT`]).
#![no_std]
#![allow(unsafe_code, reason = "tables of pointers are not Sync by themselves; static ones are")]

pub mod consts;
mod layout;
mod plugin;
mod policy;
mod provider;

pub use consts::{ABI_MAJOR, ABI_MINOR, ENTRY_SYMBOL};
pub use plugin::{EntryFn, HostV1, PluginV1, TextOutV1};
pub use policy::{ActionV1, AttemptV1, HistoryInV1, PolicyV1, TargetV1};
pub use provider::{
    AuthV1, ClassOutV1, ClassV1, EventInV1, FailureInV1, HeadInV1, ProviderV1, RequestInV1, RequestOutV1,
    ResponseV1, StreamOutV1,
};

pub use consts::{action, history, target};
pub use consts::{
    attempt, auth, class, close, code, dialect, error, event, framing, log, note, phase, request, response,
    status,
};

/// `tg_status`: 1 pass, 0 ok, negative failed; the values are in [`status`].
pub type Status = i32;

/// `tg_str`: bytes borrowed for one call. `ptr` may be null when `len` is 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Str {
    /// First byte.
    pub ptr: *const u8,
    /// Number of bytes.
    pub len: usize,
}

impl Str {
    /// The empty string.
    pub const EMPTY: Str = Str { ptr: core::ptr::null(), len: 0 };

    /// Lends `bytes`; whoever receives the result must not use it longer than `bytes` lives.
    pub const fn lend(bytes: &[u8]) -> Self {
        Str { ptr: bytes.as_ptr(), len: bytes.len() }
    }
}

/// `tg_kv`: a name and a value, both borrowed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Kv {
    /// The name.
    pub name: Str,
    /// The value.
    pub value: Str,
}

// SAFETY: the pointers are only ever read, for the duration of a call that borrows what they point to; a descriptor
// in static storage points to static data.
unsafe impl Sync for Str {}
