//! `tidegate.plugins.watch`: looks at the plugin folders, and asks for a reload when something in them has changed and
//! come to rest.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::gateway::Gateway;
use crate::routing::plugins::Snapshot;

/// Time between two looks; what is the same at both is at rest. A file that is being copied is not.
const LOOK: Duration = Duration::from_secs(2);

/// Starts the thread. `loaded`: what was there before the plugins in force were looked for.
///
/// # Errors
/// There can be no more threads.
#[expect(clippy::disallowed_methods, reason = "a thread of its own, which waits for nothing else")]
pub(super) fn start(gateway: &Arc<Gateway>, loaded: Snapshot) -> std::io::Result<()> {
    let gateway = Arc::downgrade(gateway);
    std::thread::Builder::new().name("tidegate-reload".into()).spawn(move || {
        let mut watcher = Watcher { applied: loaded, last: None };
        while let Some(again) = look(&gateway, &mut watcher) {
            std::thread::sleep(again);
        }
    })?;
    Ok(())
}

fn look(gateway: &Weak<Gateway>, watcher: &mut Watcher) -> Option<Duration> {
    let gateway = gateway.upgrade()?;
    let settings = gateway.routes.load().config.tidegate.plugins.clone();
    if settings.watch && watcher.changed(Snapshot::of(&settings)) {
        tracing::info!("a plugin folder has changed");
        // One that waits already sees the same. Nobody here needs the answer: the log has it.
        drop(gateway.reloads.get().and_then(|reloads| reloads.ask()));
    }
    Some(LOOK)
}

struct Watcher {
    applied: Snapshot,
    /// What was seen that is not applied.
    last: Option<Snapshot>,
}

impl Watcher {
    /// Whether what is there now has changed since it was applied, and was the same at the look before.
    fn changed(&mut self, now: Snapshot) -> bool {
        if now == self.applied {
            self.last = None;
            return false;
        }
        if self.last.as_ref() == Some(&now) {
            self.applied = now;
            self.last = None;
            return true;
        }
        self.last = Some(now);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Plugins;

    #[test]
    fn a_change_counts_once_and_when_it_has_come_to_rest() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Plugins { dirs: vec![dir.path().to_owned()], ..Plugins::default() };
        let now = || Snapshot::of(&settings);
        let mut watcher = Watcher { applied: now(), last: None };
        assert!(!watcher.changed(now()), "nothing has changed");
        let file = dir.path().join("libmine.so");
        std::fs::write(&file, "half of").unwrap();
        assert!(!watcher.changed(now()), "it may not be all of it");
        std::fs::write(&file, "half of it and the rest").unwrap();
        assert!(!watcher.changed(now()), "it was still written");
        assert!(watcher.changed(now()));
        assert!(!watcher.changed(now()), "once");
        std::fs::remove_file(&file).unwrap();
        assert!(!watcher.changed(now()));
        std::fs::write(&file, "half of it and the rest").unwrap();
        assert!(!watcher.changed(now()), "another file");
        assert!(watcher.changed(now()));
    }
}
