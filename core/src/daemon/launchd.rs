//! launchd's property list.

use std::path::Path;

use super::{File, Place, put};

const TEXT: &str = include_str!("../../../packaging/launchd/local.tidegate.plist");

pub(super) const PLIST: &str = "/Library/LaunchDaemons/local.tidegate.plist";
pub(super) const COMMENT: (&str, &str) = ("<!-- ", " -->");

// As the template has them.
pub(super) const PROGRAM: &str = "/usr/local/bin/tidegate";
pub(super) const CONFIG: &str = "/usr/local/etc/tidegate/config.yaml";
pub(super) const KEYS: &str = "/usr/local/etc/tidegate/keys";
const USER: &str = "<string>nobody</string>";
const STOP: (&str, u64) = ("<integer>60</integer>", 60);

pub(super) fn files(place: &Place) -> Result<Vec<File>, String> {
    let string = |text: &str| format!("<string>{text}</string>");
    let mut text = put(TEXT, &string(PROGRAM), &string(&escaped(&place.program)?))?;
    if let Some(config) = &place.config {
        text = put(&text, &string(CONFIG), &string(&escaped(config)?))?;
    }
    if let Some(user) = &place.user {
        text = put(&text, USER, &string(user))?;
    }
    if let Some(seconds) = place.patience(STOP.1) {
        text = put(&text, STOP.0, &format!("<integer>{seconds}</integer>"))?;
    }
    Ok(vec![File { path: PLIST, text, comment: COMMENT }])
}

fn escaped(path: &Path) -> Result<String, String> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control));
    let text = text.ok_or_else(|| format!("{} cannot stand in a property list", path.display()))?;
    Ok(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_wish_is_in_it_and_none_changes_nothing() {
        let usual = Place { program: PROGRAM.into(), config: None, user: None, drain: None };
        assert_eq!(files(&usual).unwrap().remove(0).text, TEXT);
        let place = Place {
            program: "/opt/a&b/tidegate".into(),
            config: Some("/srv/t.yaml".into()),
            user: Some("llm".into()),
            drain: Some(Duration::from_secs(300)),
        };
        let text = files(&place).unwrap().remove(0).text;
        for wish in ["/opt/a&amp;b/tidegate", "/srv/t.yaml", "llm"] {
            assert!(text.contains(&format!("<string>{wish}</string>")), "{wish} is not in {text}");
        }
        assert!(text.contains("<integer>330</integer>"));
    }
}
