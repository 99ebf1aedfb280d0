//! Validates what a plugin's entry function returns, before any other function of it is called.

use std::ffi::c_void;

use tidegate_plugin_abi::{self as abi, PluginV1, PolicyV1, ProviderV1, Status};

use crate::instance::{CreateFn, DestroyFn};
use crate::manifest::Manifest;
use crate::names;
use crate::policy::DecideFn;
use crate::wire::{self, Unreadable};

const MAX_NAME: usize = 64;
const MAX_MANIFEST: usize = 1024 * 1024;

/// A descriptor that passed.
#[derive(Debug, Clone)]
pub(crate) struct Descriptor {
    pub(crate) about: About,
    pub(crate) provider: Option<ProviderTable>,
    pub(crate) policy: Option<PolicyTable>,
}

/// What a descriptor says, without its functions.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) minor: u32,
    pub(crate) manifest: Manifest,
    /// The manifest as it is written.
    pub(crate) manifest_text: String,
    pub(crate) offers: Offers,
}

/// Which functions are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offers {
    pub(crate) provider: bool,
    pub(crate) policy: bool,
    pub(crate) pick: bool,
}

/// A provider table with every function there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProviderTable {
    pub(crate) create: CreateFn,
    pub(crate) destroy: DestroyFn,
    pub(crate) request: unsafe extern "C" fn(
        *mut c_void,
        *const abi::RequestInV1,
        *const abi::RequestOutV1,
        *const abi::TextOutV1,
    ) -> Status,
    pub(crate) stream_open:
        unsafe extern "C" fn(*mut c_void, *const abi::HeadInV1, *mut *mut c_void) -> Status,
    pub(crate) stream_event:
        unsafe extern "C" fn(*mut c_void, *const abi::EventInV1, *const abi::StreamOutV1) -> Status,
    pub(crate) stream_end: unsafe extern "C" fn(*mut c_void, *const abi::StreamOutV1) -> Status,
    pub(crate) stream_close: unsafe extern "C" fn(*mut c_void, u32),
    pub(crate) response:
        unsafe extern "C" fn(*mut c_void, *const abi::HeadInV1, abi::Str, *const abi::TextOutV1) -> Status,
    pub(crate) classify: unsafe extern "C" fn(
        *mut c_void,
        *const abi::FailureInV1,
        *mut abi::ClassV1,
        *const abi::ClassOutV1,
    ) -> Status,
}

/// A policy table with every required function there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PolicyTable {
    pub(crate) create: CreateFn,
    pub(crate) destroy: DestroyFn,
    pub(crate) decide: DecideFn,
    pub(crate) pick: Option<DecideFn>,
}

/// Validates a descriptor. The error is a clause whose subject is the plugin.
///
/// # Safety
/// `raw` must be null or what an entry function of the contract returned.
pub(crate) unsafe fn describe(raw: *const PluginV1) -> Result<Descriptor, String> {
    if raw.is_null() {
        return Err("its entry function returned NULL: it refuses this host".to_owned());
    }
    // SAFETY: the contract; zeros are a valid PluginV1.
    let plugin = unsafe { wire::sized(raw) }.map_err(|e| unreadable("plugin descriptor", &e))?;
    if plugin.abi_major != abi::ABI_MAJOR {
        let (theirs, ours) = (plugin.abi_major, abi::ABI_MAJOR);
        return Err(format!("it says that it speaks plugin ABI v{theirs}, and this Tidegate speaks v{ours}"));
    }
    if (plugin.size as usize) < size_of::<PluginV1>() {
        return Err(format!(
            "its descriptor is {} bytes, and the first minor's is {}",
            plugin.size,
            size_of::<PluginV1>()
        ));
    }
    // SAFETY: the contract gives the descriptor's strings static storage.
    let (name, version, manifest) = unsafe {
        (
            text(plugin.name, "name", MAX_NAME)?,
            text(plugin.version, "version", MAX_NAME)?,
            text(plugin.manifest, "manifest", MAX_MANIFEST)?,
        )
    };
    // SAFETY: the contract: each is null or a static table.
    let (provider, policy) = unsafe { (provider(plugin.provider)?, policy(plugin.policy)?) };
    let offers = Offers {
        provider: provider.is_some(),
        policy: policy.is_some(),
        pick: policy.is_some_and(|policy| policy.pick.is_some()),
    };
    let about = About::checked(name, version, plugin.abi_minor, manifest, offers)?;
    Ok(Descriptor { about, provider, policy })
}

impl About {
    /// What a plugin says of itself, if it can be meant. The error is a clause whose subject is the plugin.
    pub(crate) fn checked(
        name: &str,
        version: &str,
        minor: u32,
        manifest_text: &str,
        offers: Offers,
    ) -> Result<Self, String> {
        for (what, text, max) in [
            ("name", name, MAX_NAME),
            ("version", version, MAX_NAME),
            ("manifest", manifest_text, MAX_MANIFEST),
        ] {
            short(text.len(), what, max)?;
        }
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return Err(format!("its name {name:?} is not made of a-z, 0-9 and hyphens"));
        }
        if version.is_empty() || version.chars().any(char::is_control) {
            return Err(format!("its version {version:?} is empty or not printable"));
        }
        if !offers.provider && !offers.policy {
            return Err("it offers neither a provider nor a policy".to_owned());
        }
        let manifest = Manifest::parse(manifest_text)?;
        if offers.provider == manifest.providers.is_empty() {
            return Err(match offers.provider {
                true => "it has a provider table, and its manifest lists no provider".to_owned(),
                false => "its manifest lists providers, and it has no provider table".to_owned(),
            });
        }
        Ok(Self {
            // Copied: what validated it must be what is used.
            name: names::intern(name).1,
            version: version.to_owned(),
            minor,
            manifest,
            manifest_text: manifest_text.to_owned(),
            offers,
        })
    }
}

fn short(len: usize, what: &str, max: usize) -> Result<(), String> {
    if len > max { Err(format!("its {what} is {len} bytes long, over {max}")) } else { Ok(()) }
}

fn unreadable(what: &str, why: &Unreadable) -> String {
    match why {
        Unreadable::Null => format!("its {what} is NULL"),
        Unreadable::Misaligned => format!("its {what} is not aligned"),
        Unreadable::Size(size) => format!("its {what} says that it is {size} bytes long, which cannot be"),
    }
}

/// # Safety
/// As [`wire::bytes`].
unsafe fn text<'a>(s: abi::Str, what: &str, max: usize) -> Result<&'a str, String> {
    // SAFETY: the caller's.
    let bytes = unsafe { wire::bytes(s) }.ok_or_else(|| format!("its {what} is NULL and has a length"))?;
    short(bytes.len(), what, max)?;
    std::str::from_utf8(bytes).map_err(|_| format!("its {what} is not UTF-8"))
}

macro_rules! required {
    ($table:ident, $what:literal, $($function:ident)+) => {
        $(let $function = $table.$function.ok_or_else(|| {
            format!(concat!("its ", $what, " table lacks the function {}"), stringify!($function))
        })?;)+
    };
}

/// # Safety
/// `raw` must be null or a provider table of the contract.
unsafe fn provider(raw: *const ProviderV1) -> Result<Option<ProviderTable>, String> {
    if raw.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's; zeros are a valid ProviderV1.
    let table = unsafe { wire::sized(raw) }.map_err(|e| unreadable("provider table", &e))?;
    required!(table, "provider", create destroy request stream_open stream_event stream_end stream_close response classify);
    Ok(Some(ProviderTable {
        create,
        destroy,
        request,
        stream_open,
        stream_event,
        stream_end,
        stream_close,
        response,
        classify,
    }))
}

/// # Safety
/// `raw` must be null or a policy table of the contract.
unsafe fn policy(raw: *const PolicyV1) -> Result<Option<PolicyTable>, String> {
    if raw.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's; zeros are a valid PolicyV1.
    let table = unsafe { wire::sized(raw) }.map_err(|e| unreadable("policy table", &e))?;
    required!(table, "policy", create destroy decide);
    Ok(Some(PolicyTable { create, destroy, decide, pick: table.pick }))
}
