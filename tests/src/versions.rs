//! A drop-in folder with versions of a plugin that come and go.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A provider that tells its version in everything it says.
const SOURCE: &str = include_str!("../plugins/versioned.c");

/// The folder. What is compiled is kept elsewhere until it is put in.
pub struct Versions {
    folder: TempDir,
    made: TempDir,
}

impl Default for Versions {
    fn default() -> Self {
        Self::new()
    }
}

impl Versions {
    /// An empty folder.
    ///
    /// # Panics
    /// There is no place for temporary files.
    pub fn new() -> Self {
        let dir = || tempfile::tempdir().expect("a temporary folder");
        Self { folder: dir(), made: dir() }
    }

    /// The folder, for `tidegate.plugins.dirs`.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The file of the plugin `name` in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("lib{name}{}", std::env::consts::DLL_SUFFIX))
    }

    /// Compiles a version of the plugin `name`: its content. `macros` make it a bad one.
    ///
    /// # Panics
    /// It does not compile.
    pub fn make(&self, name: &str, version: &str, macros: &[&str]) -> Vec<u8> {
        let (source, library) = (self.made.path().join("source.c"), self.made.path().join("library"));
        fs::write(&source, SOURCE).expect("a temporary file can be written");
        let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/abi/include");
        let status = Command::new("cc")
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"])
            .args([format!("-DNAME=\"{name}\""), format!("-DVERSION=\"{version}\"")])
            .args(macros.iter().map(|name| format!("-D{name}")))
            .arg("-I")
            .arg(header)
            .arg("-o")
            .args([&library, &source])
            .status();
        assert!(status.expect("cc can be started").success(), "{name} {version} {macros:?} does not compile");
        fs::read(library).expect("the compiled library")
    }

    /// Writes the plugin's file, over the one that is there.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.file(name), content).expect("the drop-in folder can be written");
    }

    /// Takes it away.
    ///
    /// # Panics
    /// It is not there.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).expect("the plugin was there");
    }
}
