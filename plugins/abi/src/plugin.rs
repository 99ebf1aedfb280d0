//! The descriptor that a plugin exports, and what the host lends it.

use core::ffi::c_void;

use crate::{PolicyV1, ProviderV1, Status, Str};

/// `tg_host_v1`: lives as long as the process.
#[repr(C)]
#[derive(Debug)]
pub struct HostV1 {
    /// Size of this struct as the host knows it.
    pub size: u32,
    /// The host's minor.
    pub minor: u32,
    /// Given back to `log`.
    pub ctx: *mut c_void,
    /// Writes one line to the host's log; any thread.
    pub log: Option<unsafe extern "C" fn(ctx: *mut c_void, level: u32, message: Str)>,
}

// SAFETY: the host's table is immutable, lives as long as the process, and its functions take any thread.
unsafe impl Sync for HostV1 {}

/// `tg_text_out_v1`: a sink for text, written to in pieces.
#[repr(C)]
#[derive(Debug)]
pub struct TextOutV1 {
    /// Size of this struct as the host knows it.
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// Given back to `write`.
    pub ctx: *mut c_void,
    /// Appends a piece.
    pub write: Option<unsafe extern "C" fn(ctx: *mut c_void, utf8: Str) -> Status>,
}

/// `tg_plugin_v1`: what the entry function returns; static storage.
#[repr(C)]
#[derive(Debug)]
pub struct PluginV1 {
    /// Size of this struct as the plugin knows it.
    pub size: u32,
    /// The major it was built for.
    pub abi_major: u32,
    /// The minor it was built for.
    pub abi_minor: u32,
    /// Zero.
    pub flags: u32,
    /// Its name: `[a-z0-9-]+`.
    pub name: Str,
    /// Its version, for people.
    pub version: Str,
    /// What it offers, a JSON object.
    pub manifest: Str,
    /// Its provider table, or null.
    pub provider: *const ProviderV1,
    /// Its policy table, or null.
    pub policy: *const PolicyV1,
}

// SAFETY: a descriptor is immutable and points to static data.
unsafe impl Sync for PluginV1 {}

/// `tg_entry_v1`, the type of the exported symbol.
pub type EntryFn = unsafe extern "C" fn(host: *const HostV1) -> *const PluginV1;
