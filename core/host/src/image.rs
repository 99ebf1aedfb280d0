//! A library's content where nobody can change it any more, with a path that the system's loader can open: what was
//! checked and hashed is what is loaded, because it is all that there is to load.

use std::ffi::CString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The kernel takes 249 bytes.
const MAX_NAME: usize = 200;

/// Content that cannot change, open for reading.
#[derive(Debug)]
pub(crate) struct Image {
    fd: OwnedFd,
    place: PathBuf,
    /// The folder of ours that it was written to, where it could not stay in memory.
    folder: Option<PathBuf>,
}

impl Image {
    /// In memory, sealed against every change: the kernel refuses a write, a shrink or a new seal, ours too.
    #[cfg(target_os = "linux")]
    pub(crate) fn sealed(name: &str, bytes: &[u8]) -> io::Result<Self> {
        use nix::libc;
        let fd = memory(name)?;
        let mut file = File::from(fd);
        file.write_all(bytes)?;
        let seals = libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: a descriptor that is ours, and numbers.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let place = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        // Not there without /proc, and then the loader cannot find it.
        std::fs::metadata(&place)?;
        Ok(Self { fd: file.into(), place, folder: None })
    }

    /// There is no such memory here.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn sealed(_name: &str, _bytes: &[u8]) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// In a new folder that nobody but our user can enter, below the first place where one can be made. The file goes with
    /// the value.
    pub(crate) fn private(name: &str, bytes: &[u8]) -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let places = runtime.into_iter().chain([std::env::temp_dir(), "/var/tmp".into()]);
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for place in places.filter(|place| place.is_absolute()) {
            match Self::below(&place, name, bytes) {
                Ok(image) => return Ok(image),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn below(place: &Path, name: &str, bytes: &[u8]) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Nobody can know it beforehand, and one that is there already is an error.
        let chance = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), number);
        let folder = place.join(format!("tidegate-{}-{chance:016x}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&folder)?;
        let file = folder.join(name);
        let write = || {
            OpenOptions::new().write(true).create_new(true).mode(0o500).open(&file)?.write_all(bytes)?;
            File::open(&file)
        };
        match write() {
            Ok(open) => Ok(Self { fd: open.into(), place: file, folder: Some(folder) }),
            Err(error) => {
                remove(&file, &folder);
                Err(error)
            }
        }
    }

    /// Where the system's loader finds it, for as long as this value lives.
    pub(crate) fn place(&self) -> &Path {
        &self.place
    }
}

impl AsFd for Image {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            remove(&self.place, folder);
        }
    }
}

fn remove(file: &Path, folder: &Path) {
    // Nothing depends on it: what stays is a file that nobody reads.
    let _ = std::fs::remove_file(file);
    let _ = std::fs::remove_dir(folder);
}

/// A name that says in `/proc/PID/maps` which plugin and which version of it this is.
pub(crate) fn name(file: &Path, sha256: &[u8; 32]) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().replace(|c: char| c.is_control(), "_");
    let mut end = stem.len().min(MAX_NAME);
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}-{}", &stem[..end], &crate::load::hex(sha256)[..8])
}

#[cfg(target_os = "linux")]
fn memory(name: &str) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd as _;

    use nix::libc;

    // Nobody runs it as a program: where the kernel knows the flag it is made without that right, which a machine may
    // demand (vm.memfd_noexec). Mapping it as code needs no such right.
    const MFD_NOEXEC_SEAL: libc::c_uint = 8;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let name = CString::new(name).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: a C string that outlives the call, and numbers.
    let create = |flags| unsafe { libc::memfd_create(name.as_ptr(), flags) };
    let mut fd = create(flags | MFD_NOEXEC_SEAL);
    if fd < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) {
        fd = create(flags);
    }
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given it to us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_sealed_cannot_be_written_by_anybody() {
        let image = Image::sealed("tried", b"content").unwrap();
        assert_eq!(std::fs::read(image.place()).unwrap(), b"content");
        let mut again = OpenOptions::new().write(true).open(image.place()).unwrap();
        assert_eq!(again.write_all(b"C").unwrap_err().raw_os_error(), Some(nix::libc::EPERM));
        assert!(again.set_len(3).is_err() && again.set_len(30).is_err());
        assert!(OpenOptions::new().write(true).truncate(true).open(image.place()).is_err());
        assert_eq!(std::fs::read(image.place()).unwrap(), b"content");
    }

    #[test]
    fn a_private_file_is_ours_alone_and_goes_with_its_value() {
        let image = Image::private("tried", b"content").unwrap();
        let folder = image.place().parent().unwrap().to_owned();
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o7777, 0o700);
        assert_eq!(std::fs::metadata(image.place()).unwrap().mode() & 0o222, 0);
        assert_eq!(std::fs::read(image.place()).unwrap(), b"content");
        drop(image);
        assert!(!folder.exists());
    }

    #[test]
    fn names_say_which_version_it_is() {
        assert_eq!(name(Path::new("/x/libmine.so"), &[0xab; 32]), "libmine-abababab");
        assert!(name(Path::new(&format!("/x/{}.so", "ü".repeat(200))), &[0; 32]).len() < 249);
    }
}
