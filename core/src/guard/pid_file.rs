//! A pid file: which process it names, and whether that is believed. Who can change the file chooses whom a guard with more
//! rights ends.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::libc;

use super::process;
use super::target::{Found, fits, of_id};

/// By so much a process may seem younger than the file with its id: the clock's grain, and that of boot time.
const GRAIN: Duration = Duration::from_secs(2);

/// Others than the owner may write.
const OTHERS: u32 = 0o022;

/// In such a folder nobody can take away what is another's.
const STICKY: u32 = 0o1000;

/// The process that the file names; where `name` is given, only if it is that one.
pub(super) fn find(path: &Path, name: Option<&str>) -> Found {
    let shown = path.display();
    let mut file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Found::Nobody(format!("{shown} is not there"));
        }
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return Found::Trouble(format!("{shown} is a symbolic link, which a guard does not follow"));
        }
        Err(error) => return Found::Trouble(format!("{shown}: {error}")),
    };
    let meta = match file.metadata() {
        Ok(meta) if meta.is_file() => meta,
        Ok(_) => return Found::Trouble(format!("{shown} is no regular file")),
        Err(error) => return Found::Trouble(format!("{shown}: {error}")),
    };
    let mut text = String::new();
    let read = file.by_ref().take(64).read_to_string(&mut text);
    let pid = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok());
    let (Ok(_), Some(pid)) = (read, pid) else {
        return Found::Trouble(format!("{shown} has no process id in its first line"));
    };
    let found = of_id(pid, &shown.to_string());
    let Found::One(identity) = found else { return found };
    if let Some(why) = Rights::of(path, &meta).against(pid, process::owner(pid)) {
        return Found::Trouble(format!("{shown} {why}"));
    }
    let written = meta.modified().ok();
    let began = process::age(identity).and_then(|age| SystemTime::now().checked_sub(age));
    if let (Some(written), Some(began)) = (written, began)
        && began > written + GRAIN
    {
        return Found::Nobody(format!("{shown} is older than process {pid}: another process has got its id"));
    }
    if let Some(name) = name
        && !process::names(pid).is_some_and(|names| fits(&names, name))
    {
        return Found::Nobody(format!("process {pid} of {shown} is not `{name}`"));
    }
    found
}

/// The file itself: not what a link leads to, which may be any other daemon's; and at once, where it is a FIFO.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

/// Who can change a file, and which file it is.
struct Rights {
    own: u32,
    owner: u32,
    mode: u32,
    links: u64,
    exposed: Option<PathBuf>,
}

impl Rights {
    fn of(path: &Path, meta: &Metadata) -> Self {
        let own = rustix::process::geteuid().as_raw();
        Self { own, owner: meta.uid(), mode: meta.mode(), links: meta.nlink(), exposed: exposed(path, own) }
    }

    /// Why the file is not believed where it names this process, whose user is `user`. The rest of a sentence.
    fn against(&self, pid: u32, user: Option<u32>) -> Option<String> {
        let Self { own, owner, mode, links, ref exposed } = *self;
        if mode & OTHERS != 0 {
            return Some(format!("can be written by others than its owner (mode {:o})", mode & 0o7777));
        }
        let is_same = Some(owner) == user;
        let Some(folder) = exposed else {
            let belongs = || format!("belongs to user {owner}, and process {pid} does not");
            return (!is_ours(owner, own) && !is_same).then(belongs);
        };
        let folder = folder.display();
        if links > 1 {
            // Whoever can write the folder can have linked another daemon's file into it.
            return Some(format!("has a second name (a hard link), and others can change {folder}"));
        }
        (!is_same).then(|| {
            format!(
                "lies where others can change it ({folder}), so it must belong to the user of process {pid}; it belongs to \
                 user {owner}"
            )
        })
    }
}

/// Root may do anything anyway, and this process's user may do what it does.
fn is_ours(user: u32, own: u32) -> bool {
    user == 0 || user == own
}

/// The nearest folder on the way to the file where somebody else can put another in its place. One that cannot be looked at
/// is taken for such a one.
fn exposed(path: &Path, own: u32) -> Option<PathBuf> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // As it is written, through links, and where those lead.
    let (Ok(written), Ok(real)) = (std::path::absolute(folder), folder.canonicalize()) else {
        return Some(folder.to_owned());
    };
    [written, real].iter().find_map(|way| {
        let mut folders = way.ancestors().enumerate();
        folders.find(|(above, folder)| is_open(folder, *above > 0, own)).map(|(_, folder)| folder.to_owned())
    })
}

/// `above`: it holds folders of the way, of which each is looked at too, and not the file, which may come and go.
fn is_open(folder: &Path, above: bool, own: u32) -> bool {
    let (Ok(meta), Ok(link)) = (folder.metadata(), folder.symlink_metadata()) else { return true };
    let is_sticky = above && meta.mode() & STICKY != 0;
    (meta.mode() & OTHERS != 0 && !is_sticky) || !is_ours(meta.uid(), own) || !is_ours(link.uid(), own)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Child, Command};

    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        std::fs::write(&file, text).unwrap();
        mode(&file, 0o644);
        (dir, file)
    }

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A process, and what it is found as.
    struct Sleeping(Child, Found);

    impl Sleeping {
        #[expect(clippy::disallowed_methods, reason = "a test's own thread")]
        fn start() -> Self {
            let child = Command::new("sleep").arg("60").spawn().unwrap();
            // For a moment after exec a process has no words.
            let named = || process::names(child.id()).is_some_and(|names| fits(&names, "sleep"));
            for _ in 0..2_000 {
                if named() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            let found = Found::One(process::look(child.id()).unwrap().identity);
            Self(child, found)
        }
    }

    impl Drop for Sleeping {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    #[test]
    fn it_is_believed_only_where_it_fits() {
        let sleeping = Sleeping::start();
        let (_dir, file) = written(&format!("{}\n", sleeping.0.id()));
        assert_eq!(find(&file, None), sleeping.1);
        assert_eq!(find(&file, Some("sleep")), sleeping.1);
        assert!(matches!(find(&file, Some("litellm")), Found::Nobody(_)));
        // The process is younger than the file: the id was used again.
        let old = SystemTime::now() - Duration::from_secs(3600);
        File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        assert!(matches!(find(&file, None), Found::Nobody(why) if why.contains("older than process")));
        drop(sleeping);
        assert!(matches!(find(&file, None), Found::Nobody(_)));
        assert!(matches!(find(Path::new("/nowhere/pid"), None), Found::Nobody(_)));
        for bad in ["", "x", "-1", "99999999999", "12 13"] {
            assert!(matches!(find(&written(bad).1, None), Found::Nobody(_) | Found::Trouble(_)), "{bad}");
        }
        for never in ["0", "1", &std::process::id().to_string()] {
            let (_dir, file) = written(never);
            trouble(&file, "does not touch");
        }
    }

    fn trouble(path: &Path, with: &str) {
        let found = find(path, None);
        assert!(matches!(&found, Found::Trouble(why) if why.contains(with)), "{with}: {found:?}");
    }

    #[test]
    fn what_is_no_file_of_its_own_is_not_believed() {
        let sleeping = Sleeping::start();
        let (dir, file) = written(&sleeping.0.id().to_string());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        trouble(&link, "symbolic link");
        // Nobody writes into it: whoever waits for that waits for ever.
        let fifo = dir.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        trouble(&fifo, "no regular file");
        trouble(dir.path(), "no regular file");
        for writable in [0o664, 0o646] {
            mode(&file, writable);
            trouble(&file, "written by others");
        }
        mode(&file, 0o644);
        assert_eq!(find(&file, None), sleeping.1);
    }

    #[test]
    fn a_file_in_a_folder_of_others_has_no_second_name() {
        let sleeping = Sleeping::start();
        let (dir, file) = written(&sleeping.0.id().to_string());
        let own = rustix::process::geteuid().as_raw();
        mode(dir.path(), 0o1777);
        assert_eq!(exposed(&file, own).as_deref(), Some(dir.path()), "whoever is first there puts one there");
        assert_eq!(find(&file, None), sleeping.1, "it belongs to the process's user");
        std::fs::hard_link(&file, dir.path().join("other")).unwrap();
        trouble(&file, "hard link");
    }

    #[test]
    fn the_whole_way_to_a_file_is_looked_at() {
        let (dir, _) = written("");
        let own = rustix::process::geteuid().as_raw();
        let below = dir.path().join("below");
        std::fs::create_dir(&below).unwrap();
        mode(&below, 0o755);
        mode(dir.path(), 0o777);
        assert_eq!(exposed(&below.join("pid"), own).as_deref(), Some(dir.path()));
        // A link on the way is somebody's too: here it leads from a folder of others to one of root's.
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/", &link).unwrap();
        assert_eq!(exposed(&link.join("pid"), own).as_deref(), Some(dir.path()));
        assert!(exposed(&dir.path().join("nowhere/pid"), own).is_some());
        assert!(is_open(dir.path(), true, own));
        mode(dir.path(), 0o1777);
        assert!(!is_open(dir.path(), true, own) && is_open(dir.path(), false, own));
        // Its owner is a stranger to another user, unless it is root.
        assert_eq!(is_open(dir.path(), true, own + 1), own != 0);
    }

    #[test]
    fn an_unprivileged_writer_names_its_own_processes_alone() {
        const OWN: u32 = 900;
        const LITELLM: u32 = 1000;
        let against = |owner, is_exposed: bool, mode, links, user| {
            let exposed = is_exposed.then(|| PathBuf::from("/run/litellm"));
            Rights { own: OWN, owner, mode, links, exposed }.against(7, user).is_some()
        };
        let file = |owner, is_exposed, user| against(owner, is_exposed, 0o644, 1, user);
        // In a folder of root's: root and Tidegate name anybody, another only its own.
        for trusted in [0, OWN] {
            assert!(!file(trusted, false, Some(LITELLM)) && !file(trusted, false, None));
        }
        assert!(!file(LITELLM, false, Some(LITELLM)));
        assert!(file(LITELLM, false, Some(0)) && file(LITELLM, false, None));
        // In one of litellm's, root's file may have been put there by litellm.
        assert!(!file(LITELLM, true, Some(LITELLM)) && !file(0, true, Some(0)));
        assert!(file(LITELLM, true, Some(0)) && file(0, true, Some(LITELLM)) && file(OWN, true, None));
        assert!(against(0, true, 0o644, 2, Some(0)) && !against(0, false, 0o644, 2, Some(0)));
        for mode in [0o664, 0o646, 0o666] {
            assert!(against(0, false, mode, 1, Some(0)) && against(0, true, mode, 1, Some(0)));
        }
    }
}
