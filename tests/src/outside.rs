//! Builds a provider that is no part of the workspace, with cargo and against the SDK, as its author would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The source of the provider `outside`.
const SOURCE: &str = include_str!("../plugins/outside.rs");

/// A policy that takes the place of `fallback`.
const POLICY: &str = include_str!("../plugins/stuck_policy.rs");

/// A drop-in folder with that plugin in it.
pub struct DropIn {
    folder: TempDir,
    /// The plugin's file.
    pub file: PathBuf,
}

impl DropIn {
    /// Builds the provider in a project of its own in a temporary folder. Its dependencies come from this workspace's
    /// lock file, so nothing is asked of the network that the workspace's own build did not need.
    ///
    /// # Panics
    /// It does not build.
    pub fn build() -> Self {
        Self::source("outside", SOURCE)
    }

    /// The same with a policy named `fallback` whose `decide` never returns for the group `openai`.
    ///
    /// # Panics
    /// It does not build.
    pub fn stuck_policy() -> Self {
        Self::source("stuck_policy", POLICY)
    }

    /// The same provider under the name of another plugin, one that panics when an instance of it is made.
    ///
    /// # Panics
    /// It does not build.
    pub fn panics_in_create(name: &str) -> Self {
        let named = SOURCE.replace("\"outside\"", &format!("\"{name}\""));
        let source = named.replace(
            "let base =",
            "if !config.text(\"api_base\").is_none() { panic!(\"on purpose\") }\n        let base =",
        );
        assert_ne!(named, source, "the place to panic at is not there");
        Self::source("panics", &source)
    }

    /// The same with a plugin of this source.
    ///
    /// # Panics
    /// It does not build.
    pub fn source(name: &str, source: &str) -> Self {
        let workspace =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned();
        let project = tempfile::tempdir().expect("a temporary folder");
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n\
             [dependencies]\ntidegate-plugin-sdk = {{ path = {:?} }}\nserde_json = \"1\"\n",
            workspace.join("plugins/sdk")
        );
        write(&project.path().join("Cargo.toml"), &manifest);
        fs::create_dir(project.path().join("src")).expect("a folder for the source");
        fs::copy(workspace.join("Cargo.lock"), project.path().join("Cargo.lock")).expect("the lock file");

        // One folder for all of these builds, one build at a time: what it gives is copied before the next begins.
        let target = super::proxy::built().join("outside");
        fs::create_dir_all(&target).expect("a folder to build in");
        let lock = fs::File::create(target.join("lock")).expect("a lock file");
        lock.lock().expect("the lock of the build folder");
        // Not before: to cargo, projects of one name are one and the same, and what was made later than the source is up
        // to date.
        write(&project.path().join("src/lib.rs"), source);
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["build", "--offline", "--quiet"])
            .current_dir(project.path())
            .env("CARGO_TARGET_DIR", &target)
            .output()
            .expect("cargo can be started");
        assert!(
            output.status.success(),
            "the provider does not build:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );

        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = format!("lib{name}{}", std::env::consts::DLL_SUFFIX);
        let file = folder.path().join(&name);
        fs::copy(target.join("debug").join(&name), &file).expect("the built plugin");
        Self { folder, file }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A copy of the plugin beside it.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn copy(&self, name: &str) -> PathBuf {
        let copy = self.file.with_file_name(format!("lib{name}{}", std::env::consts::DLL_SUFFIX));
        fs::copy(&self.file, &copy).expect("a copy of the plugin");
        copy
    }

    /// A library compiled from C, beside it.
    ///
    /// # Panics
    /// It does not compile.
    pub fn compile_c(&self, name: &str, source: &str) -> PathBuf {
        let library = self.file.with_file_name(format!("lib{name}{}", std::env::consts::DLL_SUFFIX));
        let file = tempfile::Builder::new().suffix(".c").tempfile().expect("a temporary file");
        write(file.path(), source);
        let status =
            Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(file.path()).status();
        assert!(status.expect("cc can be started").success(), "{name} does not compile");
        library
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a temporary file can be written");
}
