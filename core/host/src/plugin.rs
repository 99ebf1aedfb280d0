//! A loaded plugin. It is never unloaded: code of it may be on a stack, and its thread-locals in any thread.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tidegate_plugin_abi as abi;

use crate::entry::Descriptor;
use crate::error::Whence;
use crate::hook::Op;
use crate::log;
use crate::manifest::Manifest;
use crate::names;
use crate::policy::Policy;
use crate::provider::Provider;

/// The host as one plugin sees it; leaked, because the contract lends it for the life of the process.
#[derive(Debug)]
pub(crate) struct Seat {
    host: abi::HostV1,
    stem: String,
    name: OnceLock<&'static str>,
}

impl Seat {
    /// `stem` names the plugin until its descriptor does.
    pub(crate) fn leak(stem: &str) -> &'static Seat {
        let host = abi::HostV1 {
            size: size_of::<abi::HostV1>() as u32,
            minor: abi::ABI_MINOR,
            ctx: std::ptr::null_mut(),
            log: Some(log::sink),
        };
        let seat = Box::leak(Box::new(Seat { host, stem: stem.to_owned(), name: OnceLock::new() }));
        seat.host.ctx = (&raw mut *seat).cast();
        seat
    }

    pub(crate) fn host(&self) -> *const abi::HostV1 {
        &raw const self.host
    }

    pub(crate) fn name(&self) -> &str {
        self.name.get().copied().unwrap_or(&self.stem)
    }
}

/// A plugin whose file and descriptor passed every check.
pub struct Plugin {
    id: u32,
    path: PathBuf,
    sha256: Option<[u8; 32]>,
    seat: &'static Seat,
    descriptor: Descriptor,
}

impl Plugin {
    pub(crate) fn new(
        path: &Path,
        sha256: Option<[u8; 32]>,
        seat: &'static Seat,
        d: Descriptor,
    ) -> Arc<Self> {
        // Set once: a seat belongs to one plugin.
        let _ = seat.name.set(d.name);
        let (id, _) = names::intern(d.name);
        Arc::new(Self { id, path: path.to_owned(), sha256, seat, descriptor: d })
    }

    /// A number of this process for this plugin's name, from 1: all versions of it have the same.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its name, `[a-z0-9-]+`.
    pub fn name(&self) -> &'static str {
        self.descriptor.name
    }

    /// Its version, for people.
    pub fn version(&self) -> &str {
        &self.descriptor.version
    }

    /// The file it was loaded from, absolute; `(static)` for one that is linked in.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The minor of the contract that it was built for.
    pub fn abi_minor(&self) -> u32 {
        self.descriptor.minor
    }

    /// Of its file's content; `None` for one that is linked in.
    pub fn sha256(&self) -> Option<&[u8; 32]> {
        self.sha256.as_ref()
    }

    /// What it offers.
    pub fn manifest(&self) -> &Manifest {
        &self.descriptor.manifest
    }

    /// Its provider, if it is one.
    pub fn provider(self: &Arc<Self>) -> Option<Provider> {
        Some(Provider::new(self.clone(), self.descriptor.provider?))
    }

    /// Its policy, if it is one.
    pub fn policy(self: &Arc<Self>) -> Option<Policy> {
        Some(Policy::new(self.clone(), self.descriptor.policy?))
    }

    pub(crate) fn host(&self) -> *const abi::HostV1 {
        self.seat.host()
    }

    pub(crate) fn whence(&self, op: Op) -> Whence {
        Whence { plugin: self.name(), op }
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plugin({} {} from {})", self.name(), self.version(), self.path.display())
    }
}
