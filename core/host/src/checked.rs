//! A plugin file that passed every check that needs no code of it.

use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::check::Contents;
use crate::error::LoadError;
use crate::image::{self, Image};
use crate::{library, load};

/// What a file turned out to be.
#[derive(Debug)]
pub enum Found {
    /// A plugin that may be loaded.
    Plugin(Checked),
    /// A plugin that may not: others can write it, or it is for another major.
    Refused(LoadError),
    /// No plugin of ours, or not readable as one.
    Other(LoadError),
}

/// A plugin file's content, which is what is loaded whatever becomes of the file.
pub struct Checked {
    path: PathBuf,
    sha256: [u8; 32],
    bytes: Vec<u8>,
}

impl Found {
    /// Looks at the file at `path`, once, without running any of it.
    pub fn at(path: &Path) -> Self {
        let contents = match Contents::read(path) {
            Ok(contents) => contents,
            Err(reason) => return Self::Other(LoadError::new(path, reason)),
        };
        let whose = |reason| LoadError::new(&contents.path, reason);
        match library::entry_majors(&contents.bytes) {
            Ok(majors) if majors.is_empty() => return Self::Other(whose(load::no_entry())),
            Ok(majors) => {
                if let Err(reason) = contents.guarded(path).and_then(|()| load::speaks_ours(&majors)) {
                    return Self::Refused(whose(reason));
                }
            }
            Err(reason) => return Self::Other(whose(reason)),
        }
        let sha256 = Sha256::digest(&contents.bytes).into();
        Self::Plugin(Checked { path: contents.path, sha256, bytes: contents.bytes })
    }

    /// What may be loaded, or why it may not.
    ///
    /// # Errors
    /// It is no plugin of ours, or one that is refused.
    pub fn checked(self) -> Result<Checked, LoadError> {
        match self {
            Self::Plugin(checked) => Ok(checked),
            Self::Refused(error) | Self::Other(error) => Err(error),
        }
    }
}

impl Checked {
    /// The file, absolute and without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Of its content.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// The content where nobody can change it: in sealed memory, or else in a file of our own. For a worker's process the
    /// descriptor is what it is given.
    pub(crate) fn image(&self) -> std::io::Result<Image> {
        let name = image::name(&self.path, &self.sha256);
        Image::sealed(&name, &self.bytes).or_else(|_| Image::private(&name, &self.bytes))
    }

    /// The same, in a file of our own.
    pub(crate) fn private_image(&self) -> std::io::Result<Image> {
        Image::private(&image::name(&self.path, &self.sha256), &self.bytes)
    }
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checked({}, {} bytes)", self.path.display(), self.bytes.len())
    }
}
