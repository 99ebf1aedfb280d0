//! A plugin's number and the one copy of its name. Both belong to the name: every version of a plugin has them.

use std::collections::HashMap;
use std::sync::LazyLock;

use parking_lot::Mutex;

static NAMES: LazyLock<Mutex<HashMap<&'static str, u32>>> = LazyLock::new(Mutex::default);

/// The number of this name, from 1, and the name for as long as the process lives.
pub(crate) fn intern(name: &str) -> (u32, &'static str) {
    let mut names = NAMES.lock();
    if let Some((name, id)) = names.get_key_value(name) {
        return (*id, name);
    }
    let name: &'static str = Box::leak(name.into());
    let id = u32::try_from(names.len()).unwrap_or(u32::MAX).saturating_add(1);
    names.insert(name, id);
    (id, name)
}

/// The plugin's name that has this [`crate::Plugin::id`]. A search under a lock: for those who keep what they make of it.
pub fn plugin_name(id: u32) -> Option<&'static str> {
    let names = NAMES.lock();
    names.iter().find(|(_, known)| **known == id).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::{intern, plugin_name};

    #[test]
    fn a_name_has_one_number() {
        let (first, name) = intern("names-test-a");
        let (other, _) = intern("names-test-b");
        assert_ne!(first, other);
        let (again, same) = intern(&String::from("names-test-a"));
        assert_eq!((again, same.as_ptr()), (first, name.as_ptr()));
        assert_eq!((plugin_name(other), plugin_name(u32::MAX)), (Some("names-test-b"), None));
        assert!(first > 0 && other > 0);
    }
}
