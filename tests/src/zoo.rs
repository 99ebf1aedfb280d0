//! The zoo of bad plugins: each member a real library that is well but for one thing, and what that does to a proxy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

mod members;

pub use members::MEMBERS;

use crate::DropIn;

/// How a member is made.
#[derive(Clone, Copy, Debug)]
pub enum Made {
    /// `member.c`, with `-DAT` and `-DDOES`.
    C(&'static str, &'static str),
    /// `member.c`, with these macros, which make it a library that is not to be loaded.
    Macros(&'static [&'static str]),
    /// `panics.rs`, which panics in this function.
    Rust(&'static str),
    /// A file that is no library at all.
    File(fn(&Path)),
}

/// When a member does what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Never: a control.
    Never,
    /// It is not loaded, and no code of it runs.
    Checked,
    /// Its code runs as it is loaded.
    Loaded,
    /// An instance is created.
    Created,
    /// A streamed answer is asked for.
    Streamed,
    /// A whole answer is asked for.
    Whole,
    /// The upstream fails.
    Failed,
    /// The policy is asked after a failure.
    Decided,
    /// The policy is asked for the first target.
    Picked,
}

/// What becomes of a proxy that runs it inline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inline {
    /// It goes on.
    Survives,
    /// It goes on without the thread that made the call.
    LosesThread,
    /// It dies. One reason for process mode.
    Dies,
    /// It never gets to serve.
    NeverStarts,
    /// Nobody can say: it writes to memory that may be anything's by then. Not played.
    Undefined,
}

/// One member.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its name, by which the page lists it; the plugin's own too, unless it is a policy's or Rust's.
    pub name: &'static str,
    /// What it does, as the page says it.
    pub does: &'static str,
    /// How it is made.
    pub made: Made,
    /// When it does it.
    pub when: When,
    /// What that is inline.
    pub inline: Inline,
}

impl Member {
    /// Whether it takes the place of the policy.
    pub fn is_policy(&self) -> bool {
        matches!(self.when, When::Decided | When::Picked)
    }

    /// The name that the plugin gives itself.
    pub fn plugin(&self) -> &'static str {
        match self.made {
            _ if self.is_policy() => "fallback",
            Made::Rust(_) => "panics",
            _ => self.name,
        }
    }

    /// The `model` of a deployment at which it does what it does.
    pub fn model(&self) -> String {
        match self.made {
            Made::Rust(place) => format!("panics/{place}"),
            _ => format!("{}/bite", self.name),
        }
    }

    /// The `model` of a deployment of the same plugin at which it does nothing.
    pub fn calm_model(&self) -> String {
        match self.made {
            Made::Rust(_) => "panics/calm".to_owned(),
            _ => format!("{}/calm", self.name),
        }
    }
}

/// Makes libraries of members.
pub struct Zoo {
    provider: Vec<u8>,
    policy: Vec<u8>,
}

impl Default for Zoo {
    fn default() -> Self {
        Self::new()
    }
}

impl Zoo {
    /// Builds what cargo has to build; the rest takes a moment each.
    ///
    /// # Panics
    /// It does not build.
    pub fn new() -> Self {
        let library = |name, source| fs::read(DropIn::source(name, source).file).expect("the built plugin");
        Self {
            provider: library("zoo_panics", include_str!("../zoo/panics.rs")),
            policy: library("zoo_panics_policy", include_str!("../zoo/panics_policy.rs")),
        }
    }

    /// Puts a member into a folder, and answers its file. `always`: it does what it does whenever it is called, not only
    /// for the model or group that [`Member::model`] names, as it has to for somebody who knows of no such name.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn put(&self, member: &Member, folder: &Path, always: bool) -> PathBuf {
        let name = if always { member.name } else { member.plugin() }.replace('-', "_");
        let file = folder.join(format!("lib{name}{}", std::env::consts::DLL_SUFFIX));
        match member.made {
            Made::C(..) => return Self::put_c(member, folder, always),
            Made::Macros(macros) => compile(member, macros, &file),
            Made::Rust(place) => {
                let mut library = if member.is_policy() { &self.policy } else { &self.provider }.clone();
                if always || member.is_policy() {
                    fill(&mut library, place);
                }
                fs::write(&file, library).expect("the plugin can be written");
            }
            Made::File(make) => make(&file),
        }
        file
    }

    /// The same of one that `member.c` makes as it is, which needs nothing of cargo's.
    ///
    /// # Panics
    /// It is made otherwise, or cannot be.
    pub fn put_c(member: &Member, folder: &Path, always: bool) -> PathBuf {
        let name = if always { member.name } else { member.plugin() }.replace('-', "_");
        let file = folder.join(format!("lib{name}{}", std::env::consts::DLL_SUFFIX));
        let Made::C(at, does) = member.made else { panic!("{} is not made so", member.name) };
        let policy = if member.is_policy() { "POLICY" } else { "PROVIDER" };
        let always = format!("ALWAYS={}", u8::from(always));
        compile(member, &[&format!("AT={at}"), &format!("DOES={does}"), policy, &always], &file);
        file
    }
}

/// Writes a place over the dots of [`Made::Rust`]'s library.
fn fill(library: &mut [u8], place: &str) {
    let slot = b"panic-always:...........";
    let at = library.windows(slot.len()).position(|part| part == slot).expect("the slot is in the library");
    library[at + 13..][..place.len()].copy_from_slice(place.as_bytes());
}

fn compile(member: &Member, macros: &[&str], to: &Path) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cc = Command::new("cc");
    cc.args([
        "-std=gnu11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fPIC",
        "-shared",
        "-fvisibility=hidden",
        "-pthread",
    ]);
    cc.arg(format!("-DNAME=\"{}\"", member.plugin())).args(macros.iter().map(|one| format!("-D{one}")));
    cc.arg("-I").arg(workspace.join("../plugins/abi/include")).arg(workspace.join("zoo/member.c"));
    let output = cc.arg("-o").arg(to).output().expect("cc can be started");
    assert!(output.status.success(), "{}: {}", member.name, String::from_utf8_lossy(&output.stderr));
}
