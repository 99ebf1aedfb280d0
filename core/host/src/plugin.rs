//! A loaded plugin. It is never unloaded: code of it may be on a stack, and its thread-locals in any thread.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tidegate_plugin_abi as abi;

use crate::entry::{About, Descriptor, Offers, PolicyTable, ProviderTable};
use crate::error::Whence;
use crate::hook::Op;
use crate::log;
use crate::manifest::Manifest;
use crate::names;
use crate::policy::Policy;
use crate::provider::Provider;
use crate::worker::{Pool, WorkerStatus};

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
    about: About,
    side: Side,
}

/// Where its code runs.
enum Side {
    Here { seat: &'static Seat, provider: Option<ProviderTable>, policy: Option<PolicyTable> },
    Workers(Pool),
}

impl Plugin {
    pub(crate) fn new(
        path: &Path,
        sha256: Option<[u8; 32]>,
        seat: &'static Seat,
        d: Descriptor,
    ) -> Arc<Self> {
        // Set once: a seat belongs to one plugin.
        let Descriptor { about, provider, policy } = d;
        let _ = seat.name.set(about.name);
        let side = Side::Here { seat, provider, policy };
        let (id, _) = names::intern(about.name);
        Arc::new(Self { id, path: path.to_owned(), sha256, about, side })
    }

    /// One that runs in workers; `about` is what the first of them said of it.
    pub(crate) fn remote(path: &Path, sha256: [u8; 32], about: About, pool: Pool) -> Arc<Self> {
        let (id, name) = names::intern(about.name);
        pool.belongs_to(id, name);
        Arc::new(Self { id, path: path.to_owned(), sha256: Some(sha256), about, side: Side::Workers(pool) })
    }

    /// A number of this process for this plugin's name, from 1: all versions of it have the same.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its name, `[a-z0-9-]+`.
    pub fn name(&self) -> &'static str {
        self.about.name
    }

    /// Its version, for people.
    pub fn version(&self) -> &str {
        &self.about.version
    }

    /// The file it was loaded from, absolute; `(static)` for one that is linked in.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The minor of the contract that it was built for.
    pub fn abi_minor(&self) -> u32 {
        self.about.minor
    }

    /// Of its file's content; `None` for one that is linked in.
    pub fn sha256(&self) -> Option<&[u8; 32]> {
        self.sha256.as_ref()
    }

    /// What it offers.
    pub fn manifest(&self) -> &Manifest {
        &self.about.manifest
    }

    /// Its provider, if it is one.
    pub fn provider(self: &Arc<Self>) -> Option<Provider> {
        let table = match &self.side {
            Side::Here { provider, .. } => *provider,
            Side::Workers(_) => None,
        };
        self.about.offers.provider.then(|| Provider::new(self.clone(), table))
    }

    /// Its policy, if it is one.
    pub fn policy(self: &Arc<Self>) -> Option<Policy> {
        let table = match &self.side {
            Side::Here { policy, .. } => *policy,
            Side::Workers(_) => None,
        };
        self.about.offers.policy.then(|| Policy::new(self.clone(), table))
    }

    /// What each of its workers is at; empty where it runs in this process.
    pub fn workers(&self) -> Vec<WorkerStatus> {
        self.pool().map(Pool::status).unwrap_or_default()
    }

    /// Null for one that runs in workers, of which no function is called here.
    pub(crate) fn host(&self) -> *const abi::HostV1 {
        match &self.side {
            Side::Here { seat, .. } => seat.host(),
            Side::Workers(_) => std::ptr::null(),
        }
    }

    pub(crate) fn about(&self) -> &About {
        &self.about
    }

    pub(crate) fn offers(&self) -> Offers {
        self.about.offers
    }

    pub(crate) fn pool(&self) -> Option<&Pool> {
        match &self.side {
            Side::Here { .. } => None,
            Side::Workers(pool) => Some(pool),
        }
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
