//! Files that are written with a mark, so that nobody's changes are lost later.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// What the last line of an installed file begins with, after the sign of a comment.
const MARK: &str = "written by `tidegate service install`; sha256 of the lines above: ";

/// What a file on disk is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// Written by us, and not changed since.
    Ours,
    /// Changed, or another's.
    Theirs,
}

/// The text with its mark.
pub(super) fn marked(text: &str, (open, close): (&str, &str)) -> String {
    format!("{text}{open}{MARK}{}{close}\n", sum(text))
}

/// Looks at a file.
///
/// # Errors
/// A sentence: it cannot be read.
pub(super) fn look(path: &Path, (open, close): (&str, &str)) -> Result<Found, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) if error.kind() == ErrorKind::InvalidData => return Ok(Found::Theirs),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let lines = text.trim_end_matches('\n');
    let above = lines.rfind('\n').map_or(0, |end| end + 1);
    let (body, mark) = text.split_at(above);
    let sum_there = mark.trim_end().strip_prefix(open).and_then(|rest| rest.strip_suffix(close.trim_end()));
    let sum_there = sum_there.and_then(|rest| rest.strip_prefix(MARK)).map(str::trim);
    Ok(if sum_there == Some(sum(body).as_str()) { Found::Ours } else { Found::Theirs })
}

/// Writes a file in one step, with its folders: after a crash there is the old one or the new one.
///
/// # Errors
/// A sentence.
pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(&part)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| {
        // It may not be there.
        let _ = std::fs::remove_file(&part);
        failed(error)
    })
}

/// Makes a folder that only its owner may look into. Answers whether it was not there.
///
/// # Errors
/// A sentence.
pub(super) fn private_folder(path: &Path) -> Result<bool, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if path.is_dir() {
        return Ok(false);
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    std::fs::DirBuilder::new().mode(0o700).create(path).map_err(failed)?;
    Ok(true)
}

/// The folder's mode, if more than its owner has a right there.
pub(super) fn open_to_others(folder: &Path) -> Option<u32> {
    let mode = folder.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

fn sum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        for comment in [("# ", ""), ("<!-- ", " -->")] {
            let path = dir.path().join("deep/er/file");
            let _ = std::fs::remove_file(&path);
            assert_eq!(look(&path, comment).unwrap(), Found::Nothing);
            let text = marked("one\ntwo\n", comment);
            write(&path, &text).unwrap();
            assert_eq!(look(&path, comment).unwrap(), Found::Ours);
            for changed in [
                text.replace("two", "three"),
                format!("zero\n{text}"),
                format!("{text}more\n"),
                text.replace("sha256", "sha"),
                "another's\n".to_owned(),
                String::new(),
            ] {
                write(&path, &changed).unwrap();
                assert_eq!(look(&path, comment).unwrap(), Found::Theirs, "{changed}");
            }
        }
        assert_eq!(std::fs::read_dir(dir.path().join("deep/er")).unwrap().count(), 1, "no part is left");
    }
}
