//! `tidegate plugin new`: a project that builds, passes its tests and loads as it is written.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::name::Names;

/// What a plugin is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Teaches Tidegate an upstream.
    Provider,
    /// Decides what follows a failed attempt.
    Policy,
}

/// What it is to be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// With the SDK.
    Rust,
    /// With the header alone.
    C,
}

/// A file of a project: its path, and its text before the names are put in.
type File = (&'static str, &'static str);

macro_rules! template {
    ($folder:literal: $($from:literal => $to:literal),+ $(,)?) => {
        &[$(($to, include_str!(concat!("templates/", $folder, "/", $from)))),+]
    };
}

const RUST_PROVIDER: &[File] = template!("rust-provider":
    "Cargo.toml" => "Cargo.toml", "README.md" => "README.md", "gitignore" => ".gitignore", "src/lib.rs" => "src/lib.rs",
    "tests/answers.rs" => "tests/answers.rs", "tests/answers/hello.sse" => "tests/answers/hello.sse");
const RUST_POLICY: &[File] = template!("rust-policy":
    "Cargo.toml" => "Cargo.toml", "README.md" => "README.md", "gitignore" => ".gitignore", "src/lib.rs" => "src/lib.rs",
    "tests/decisions.rs" => "tests/decisions.rs");
const C_PROVIDER: &[File] = template!("c-provider":
    "Makefile" => "Makefile", "README.md" => "README.md", "gitignore" => ".gitignore", "plugin.c" => "plugin.c",
    "json.h" => "json.h", "answers/hello.sse" => "answers/hello.sse");
const C_POLICY: &[File] = template!("c-policy":
    "Makefile" => "Makefile", "README.md" => "README.md", "gitignore" => ".gitignore", "plugin.c" => "plugin.c");

/// The contract itself, which a project in C has a copy of.
const HEADER: &str = include_str!("../../../plugins/abi/include/tidegate.h");

/// As the templates' `Cargo.toml` has it.
const SDK: &str = r#"{ path = "../tidegate/plugins/sdk" }"#;

/// What was asked for.
#[derive(Debug)]
pub(super) struct Project<'a> {
    pub(super) kind: Kind,
    pub(super) lang: Lang,
    pub(super) dir: &'a Path,
    pub(super) name: Option<&'a str>,
    pub(super) sdk: Option<&'a Path>,
}

/// Writes the project and says what to do next.
///
/// # Errors
/// A sentence; nothing is written when the name, the folder or the SDK will not do.
pub(super) fn new(project: &Project<'_>) -> Result<String, String> {
    let Project { kind, lang, dir, .. } = *project;
    let of_dir = dir.file_name().and_then(|name| name.to_str());
    let name = project.name.or(of_dir).ok_or("`--name` is needed: DIR has no name of its own")?;
    let names = Names::of(name)?;
    let sdk = match lang {
        Lang::Rust => Some(dependency(project.sdk)?),
        Lang::C if project.sdk.is_some() => return Err("`--sdk` is for projects in Rust".to_owned()),
        Lang::C => None,
    };
    is_free(dir)?;
    let (files, placeholder) = match (lang, kind) {
        (Lang::Rust, Kind::Provider) => (RUST_PROVIDER, "parrot"),
        (Lang::Rust, Kind::Policy) => (RUST_POLICY, "patience"),
        (Lang::C, Kind::Provider) => (C_PROVIDER, "parrot"),
        (Lang::C, Kind::Policy) => (C_POLICY, "patience"),
    };
    for (path, text) in files {
        let text = names.put_into(text, placeholder);
        write(&dir.join(path), &sdk.as_ref().map_or(text.clone(), |sdk| text.replace(SDK, sdk)))?;
    }
    if lang == Lang::C {
        write(&dir.join("tidegate.h"), HEADER)?;
    }
    let next = match lang {
        Lang::Rust => "cargo test && cargo build --release",
        Lang::C => "make && make check",
    };
    Ok(format!(
        "{name}: a {} is in {}. Next:\n\n  cd {} && {next}\n\nREADME.md there says the rest.\n",
        match kind {
            Kind::Provider => "provider",
            Kind::Policy => "policy",
        },
        dir.display(),
        dir.display()
    ))
}

fn is_free(dir: &Path) -> Result<(), String> {
    match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("{}: {error}", dir.display())),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(format!("{} is not empty; nothing was written", dir.display())),
        },
    }
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", file.display());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(told)?;
    }
    std::fs::write(file, text).map_err(told)
}

/// Where the SDK comes from, as `Cargo.toml` says it: a folder that was named, else the one of the checkout that this
/// program was built from, else the project's repository.
fn dependency(named: Option<&Path>) -> Result<String, String> {
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(|root| root.join("plugins/sdk"));
    let folder = match named {
        Some(folder) => Some(is_sdk(folder)?),
        None => built_from.and_then(|folder| is_sdk(&folder).ok()),
    };
    let repository = env!("CARGO_PKG_REPOSITORY");
    match folder {
        Some(folder) => Ok(format!("{{ path = {:?} }}", folder.display().to_string())),
        None if !repository.is_empty() => Ok(format!("{{ git = {repository:?} }}")),
        None => {
            Err("the SDK was not found, and it is on no registry yet: name the folder `plugins/sdk` of a \
                     checkout of Tidegate with `--sdk`"
                .to_owned())
        }
    }
}

fn is_sdk(folder: &Path) -> Result<PathBuf, String> {
    let manifest = folder.join("Cargo.toml");
    let text =
        std::fs::read_to_string(&manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
    if !text.lines().any(|line| line == "name = \"tidegate-plugin-sdk\"") {
        return Err(format!("{} is not the SDK's: it is not named tidegate-plugin-sdk", manifest.display()));
    }
    folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))
}
