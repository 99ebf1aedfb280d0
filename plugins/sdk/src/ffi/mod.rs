//! The C side: reading what the host lends, the tables, the panic shield.

mod panic;
mod policy;
mod provider;

use core::mem::MaybeUninit;

use tidegate_plugin_abi::{
    ABI_MAJOR, ABI_MINOR, EventInV1, FailureInV1, HeadInV1, HistoryInV1, HostV1, Kv, PluginV1, PolicyV1,
    ProviderV1, RequestInV1, RequestOutV1, Str, StreamOutV1, TextOutV1,
};

pub use policy::policy_table;
pub use provider::provider_table;

use crate::Headers;

/// A struct that is led by its `size` as the host knows it.
///
/// # Safety
/// `repr(C)`, the first field is a `u32` size, and all bytes zero is a valid value.
pub(crate) unsafe trait SizeLed {}

macro_rules! size_led {
    ($($ty:ty),+ $(,)?) => { $(
        // SAFETY: integers, nullable pointers, `Option` of functions and `Str`, led by `size: u32`.
        unsafe impl SizeLed for $ty {}
    )+ };
}
size_led!(
    HostV1,
    TextOutV1,
    RequestInV1,
    RequestOutV1,
    HeadInV1,
    EventInV1,
    StreamOutV1,
    FailureInV1,
    HistoryInV1,
    tidegate_plugin_abi::ActionV1,
    tidegate_plugin_abi::ClassV1,
    tidegate_plugin_abi::ClassOutV1
);

/// Copies the part of `*raw` that both sides know; the rest is zero. `None` when it is null or has no size.
///
/// # Safety
/// `raw` is null, or points to as many readable bytes as its `size` says, at least four.
pub(crate) unsafe fn read_sized<T: SizeLed>(raw: *const T) -> Option<T> {
    if raw.is_null() {
        return None;
    }
    // SAFETY: the first field is the size.
    let size = unsafe { raw.cast::<u32>().read() } as usize;
    if size < size_of::<u32>() {
        return None;
    }
    // SAFETY: `size` bytes are readable, and zero is a valid value of `T`.
    Some(unsafe { read_prefix(raw, size) })
}

/// Writes the fields of `value` that lie within the size that `*raw` says, and leaves that as it is. A host of an older
/// minor has fewer, and says less than `first`, the size that minor 0 has, never. `false`: it does, or there is nothing.
///
/// # Safety
/// `raw` is null, or points to as many writable bytes as its `size` says, at least four.
pub(crate) unsafe fn write_sized<T: SizeLed>(raw: *mut T, value: &T, first: usize) -> bool {
    if raw.is_null() {
        return false;
    }
    // SAFETY: the first field is the size.
    let size = unsafe { raw.cast::<u32>().read() } as usize;
    let head = size_of::<u32>();
    if size < first.max(head) {
        return false;
    }
    // SAFETY: neither side is left: no more than the host's size and our own is copied, behind the first field of each.
    unsafe {
        core::ptr::copy_nonoverlapping(
            core::ptr::from_ref(value).cast::<u8>().add(head),
            raw.cast::<u8>().add(head),
            size.min(size_of::<T>()) - head,
        );
    }
    true
}

/// Copies `min(size, size_of::<T>())` bytes into a zeroed `T`.
///
/// # Safety
/// `size` bytes are readable at `raw`; all bytes zero is a valid `T`, and so is any prefix of one.
unsafe fn read_prefix<T>(raw: *const T, size: usize) -> T {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: no more than the source's size and the target's size is copied.
    unsafe {
        core::ptr::copy_nonoverlapping(
            raw.cast::<u8>(),
            value.as_mut_ptr().cast::<u8>(),
            size.min(size_of::<T>()),
        );
        value.assume_init()
    }
}

/// Borrows a string's bytes.
///
/// # Safety
/// The pointer is null or holds `len` bytes for as long as `'a`.
pub(crate) unsafe fn bytes<'a>(text: Str) -> &'a [u8] {
    if text.ptr.is_null() || text.len == 0 || text.len > isize::MAX as usize {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(text.ptr, text.len) }
}

/// Borrows a string; `None` when it is not UTF-8.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn text<'a>(text: Str) -> Option<&'a str> {
    // SAFETY: the caller's promise.
    core::str::from_utf8(unsafe { bytes(text) }).ok()
}

/// Borrows headers.
///
/// # Safety
/// `first` is null or the first of `count` pairs, all valid for as long as `'a`.
pub(crate) unsafe fn headers<'a>(first: *const Kv, count: usize) -> Headers<'a> {
    if first.is_null() || count == 0 {
        return Headers::default();
    }
    // SAFETY: the caller's promise; `tg_kv` never grows, so the stride is its size.
    let pairs = unsafe { core::slice::from_raw_parts(first, count) };
    // SAFETY: the caller's promise.
    Headers(pairs.iter().filter_map(|kv| unsafe { Some((text(kv.name)?, text(kv.value)?)) }).collect())
}

/// Builds the descriptor that the entry function returns.
pub const fn descriptor(
    name: &'static str,
    version: &'static str,
    manifest: &'static str,
    provider: *const ProviderV1,
    policy: *const PolicyV1,
) -> PluginV1 {
    PluginV1 {
        size: size_of::<PluginV1>() as u32,
        abi_major: ABI_MAJOR,
        abi_minor: ABI_MINOR,
        flags: 0,
        name: Str::lend(name.as_bytes()),
        version: Str::lend(version.as_bytes()),
        manifest: Str::lend(manifest.as_bytes()),
        provider,
        policy,
    }
}
