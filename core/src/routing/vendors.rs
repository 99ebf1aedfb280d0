//! Vendors: the providers that files in the plugin folders describe, each served by a loaded plugin.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tidegate_host::{LoadError, ProviderManifest};

use super::plugins::permitted;
use crate::config::Plugins as Settings;
use crate::config::vendor::{self, SUFFIX, Speakers, Vendor};

/// A vendor and the file that describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The plugin that serves it.
    pub speaks: String,
    /// What it offers.
    pub offer: ProviderManifest,
    /// Where it is described.
    pub file: PathBuf,
    /// Of that file.
    pub sha256: [u8; 32],
}

impl Listed {
    /// Whether its file, as it was read, may be used by these settings.
    pub(super) fn is_permitted(&self, settings: &Settings) -> bool {
        permitted(settings, &name(&self.file), &self.sha256).is_ok()
    }
}

/// The vendor files of a folder, by name. One that cannot be read has none: what is wrong with it is said where plugins
/// are looked for.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(SUFFIX));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(named).collect();
    files.sort();
    files
}

/// The name that the configuration knows a file by.
fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(SUFFIX).unwrap_or(&name).to_owned()
}

/// Reads a vendor file for the plugins that are loaded. `others`: the vendors so far; of two with one prefix the first is
/// used.
pub(super) fn read(
    file: &Path,
    speakers: &Speakers<'_>,
    others: &[Listed],
    settings: &Settings,
) -> Result<Listed, LoadError> {
    let refuse = |reason: String| LoadError::new(file, reason);
    // It says where keys are sent, so it is trusted as much as code.
    let bytes = tidegate_host::read_guarded(file)?;
    let sha256 = Sha256::digest(&bytes).into();
    permitted(settings, &name(file), &sha256).map_err(refuse)?;
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".to_owned()))?;
    let Vendor { speaks, offer, notices } = vendor::parse(&text, file, speakers).map_err(|report| {
        let drawn: Vec<String> = report.errors.iter().map(ToString::to_string).collect();
        refuse(format!("it describes no vendor:\n{}", drawn.join("\n")))
    })?;
    if let Some(other) = others.iter().find(|other| other.offer.prefix == offer.prefix) {
        let (prefix, first) = (&offer.prefix, other.file.display());
        return Err(refuse(format!("the provider \"{prefix}\" is described by {first} already")));
    }
    for notice in notices {
        tracing::warn!("{notice}");
    }
    Ok(Listed { speaks, offer, file: file.to_owned(), sha256 })
}
