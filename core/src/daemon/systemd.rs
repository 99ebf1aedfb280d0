//! systemd's unit files.

use std::path::Path;

use super::{File, Place, put};

const SERVICE_TEXT: &str = include_str!("../../../packaging/systemd/tidegate.service");
const SOCKET_TEXT: &str = include_str!("../../../packaging/systemd/tidegate.socket");

/// Where an administrator's own units are.
pub(super) const SERVICE: &str = "/etc/systemd/system/tidegate.service";
pub(super) const SOCKET: &str = "/etc/systemd/system/tidegate.socket";
pub(super) const COMMENT: (&str, &str) = ("# ", "");

// As the template has them.
pub(super) const PROGRAM: &str = "/usr/bin/tidegate";
pub(super) const CONFIG: &str = "/etc/tidegate/config.yaml";
pub(super) const KEYS: &str = "/etc/tidegate/keys";
const USER: &str = "User=tidegate\nDynamicUser=yes\n";
const STOP: (&str, u64) = ("TimeoutStopSec=60\n", 60);

pub(super) fn files(place: &Place, socket: bool) -> Result<Vec<File>, String> {
    let mut text = put(SERVICE_TEXT, PROGRAM, &word(&place.program)?)?;
    if let Some(config) = &place.config {
        text = put(&text, CONFIG, &word(config)?)?;
    }
    if let Some(user) = &place.user {
        text = put(&text, USER, &format!("User={user}\n"))?;
        // DynamicUser's account has a folder of its own making; any other's groups are its administrator's.
    }
    if let Some(seconds) = place.patience(STOP.1) {
        text = put(&text, STOP.0, &format!("TimeoutStopSec={seconds}\n"))?;
    }
    let mut files = vec![File { path: SERVICE, text, comment: COMMENT }];
    if socket {
        files.push(File { path: SOCKET, text: SOCKET_TEXT.to_owned(), comment: COMMENT });
    }
    Ok(files)
}

/// A path as a word of a command line (systemd.service(5)): `%` and `$` mean something there, and blanks part words.
fn word(path: &Path) -> Result<String, String> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control));
    let text = text.ok_or_else(|| format!("{} cannot stand in a unit file", path.display()))?;
    let escaped = text.replace('%', "%%").replace('$', "$$");
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:=,%$".contains(c);
    if escaped.chars().all(plain) {
        return Ok(escaped);
    }
    Ok(format!("\"{}\"", escaped.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn unit(place: Place) -> String {
        files(&place, false).unwrap().remove(0).text
    }

    fn usual() -> Place {
        Place { program: PROGRAM.into(), config: None, user: None, drain: None }
    }

    #[test]
    fn without_a_wish_it_is_the_file_as_it_is() {
        assert_eq!(unit(usual()), SERVICE_TEXT);
        let socket = files(&usual(), true).unwrap().remove(1);
        assert_eq!((socket.path, socket.text.as_str()), (SOCKET, SOCKET_TEXT));
    }

    #[test]
    fn every_wish_is_in_it() {
        let text = unit(Place {
            program: "/opt/tide gate/50%/tidegate".into(),
            config: Some("/srv/t.yaml".into()),
            user: Some("llm".into()),
            drain: Some(Duration::from_secs(300)),
        });
        assert!(
            text.contains("\nExecStart=\"/opt/tide gate/50%%/tidegate\" serve --config /srv/t.yaml\n"),
            "{text}"
        );
        assert!(text.contains("\nExecReload=\"/opt/tide gate/50%%/tidegate\" check /srv/t.yaml\n"));
        assert!(text.contains("\nUser=llm\n") && !text.contains("\nDynamicUser="));
        assert!(text.contains("\nTimeoutStopSec=330\n"));
        assert!(!text.contains(PROGRAM) && !text.contains(CONFIG));
    }

    #[test]
    fn the_drain_by_default_fits_in_the_patience() {
        let drain = crate::config::Clocks::default().drain;
        assert!(drain + super::super::SLACK <= Duration::from_secs(STOP.1));
        assert!(unit(Place { drain: Some(drain), ..usual() }).contains(STOP.0));
        assert_eq!(word(Path::new("/a/$b")).unwrap(), "/a/$$b");
        assert!(word(Path::new("/a\nb")).is_err());
    }
}
