//! Who is in a group, as far as this machine's own files say. A distribution whose users have a private group each lets
//! that group write everything its user makes; and Debian's `/usr/local/lib` was `root:staff` and writable by the group
//! for many years, with nobody in it.

use std::path::Path;

/// Whether no one but the trusted users is in the group, so that what it may write is written by nobody else. A group
/// that the machine's files do not have may have members elsewhere, unless it is the owner's private one by its number.
pub(super) fn only(gid: u32, owner: u32, trusted: &[u32]) -> bool {
    let read = |file: &str| std::fs::read_to_string(Path::new(file));
    // Without users there are no other users: an image that holds one program has neither file.
    let gone = |e: &std::io::Error| e.kind() == std::io::ErrorKind::NotFound;
    match (read("/etc/group"), read("/etc/passwd")) {
        (Ok(groups), Ok(users)) => only_in(&groups, &users, gid, owner, trusted),
        (Err(group), Err(passwd)) if gone(&group) && gone(&passwd) => gid == owner || gid == 0,
        _ => false,
    }
}

fn only_in(groups: &str, users: &str, gid: u32, owner: u32, trusted: &[u32]) -> bool {
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok());
    // name:password:uid:gid:...
    let users: Vec<(&str, Option<u32>, Option<u32>)> = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .filter(|fields| fields.len() >= 4)
        .map(|fields| (fields[0], number(fields.get(2).copied()), number(fields.get(3).copied())))
        .collect();
    let is_trusted = |uid: Option<u32>| uid.is_some_and(|uid| trusted.contains(&uid));
    if users.iter().any(|(_, uid, group)| *group == Some(gid) && !is_trusted(*uid)) {
        return false;
    }
    // name:password:gid:member,member
    let mut found = groups
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .filter(|fields| number(fields.get(2).copied()) == Some(gid))
        .peekable();
    if found.peek().is_none() {
        return gid == owner || gid == 0;
    }
    let mut members = found.flat_map(|fields| fields.get(3).copied().unwrap_or_default().split(','));
    members.all(|member| {
        member.is_empty() || users.iter().any(|(name, uid, _)| *name == member && is_trusted(*uid))
    })
}

/// A user as people know them.
pub(super) fn user(uid: u32) -> String {
    named("/etc/passwd", uid)
}

/// A group as people know it.
pub(super) fn group(gid: u32) -> String {
    named("/etc/group", gid)
}

fn named(file: &str, number: u32) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let wanted = number.to_string();
    let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = lines.find(|fields| fields.get(2) == Some(&&*wanted));
    found.and_then(|fields| fields.first().map(|name| (*name).to_owned())).unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::only_in;

    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\nsync:x:4:65534::/bin:/bin/sync\n\
        ann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\nfed:x:5:0::/:/bin/sh\n";
    const GROUPS: &str =
        "root:x:0:\nstaff:x:50:\nann:x:1000:\nbob:x:1001:ann\nboth:x:60:ann,root\nops:x:70:ann,bob\n";

    fn only(gid: u32, owner: u32, trusted: &[u32]) -> bool {
        only_in(GROUPS, USERS, gid, owner, trusted)
    }

    #[test]
    fn a_group_is_harmless_when_only_the_trusted_are_in_it() {
        let ann = &[0, 1000];
        assert!(only(50, 0, ann), "Debian's staff, with nobody in it");
        assert!(only(1000, 1000, ann), "a private group");
        assert!(only(60, 0, ann), "all of its members are trusted");
        assert!(!only(60, 0, &[0]), "one of them is not");
        assert!(!only(70, 0, ann), "bob is in it");
        assert!(!only(1001, 1000, ann), "bob's own group, though bob is in no list");
        assert!(!only(0, 0, ann), "somebody's first group is root's");
    }

    #[test]
    fn a_group_that_the_files_do_not_have_is_not_harmless() {
        assert!(!only(54321, 0, &[0]));
        assert!(only(54321, 54321, &[0, 54321]), "but for one of the owner's own number");
        assert!(!only_in("ops:x:70:ghost\n", USERS, 70, 0, &[0]), "nor is a member that nobody knows");
    }
}
