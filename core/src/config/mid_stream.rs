//! Which groups let a stream that broke off be continued.

use super::model::Config;
use super::tidegate::MidStream;
use crate::dialects::options::Options;

impl Config {
    /// What happens to a stream of this group whose upstream fails after content was sent: the group's own rule, else
    /// the section's, else litellm's `enable_mid_stream_fallback_continuation`.
    pub fn mid_stream_for(&self, group: &str) -> MidStream {
        let section = &self.tidegate;
        let name = self.group(group).map_or(group, |group| group.name.as_str());
        let own = section.groups.get(name).and_then(|overrides| overrides.mid_stream);
        let litellms =
            if self.router.mid_stream_continuation { MidStream::Continue } else { MidStream::Fail };
        own.or(section.written_mid_stream).unwrap_or(litellms)
    }

    /// Continuations that one request to `group` may come to: 0 or 1. Without a second deployment there is none.
    pub fn continuations(&self, group: &str, options: Option<&Options>) -> u32 {
        if self.mid_stream_for(group) == MidStream::Fail {
            return 0;
        }
        let reach = self.reach(group, options);
        let groups = reach.groups.iter().take(reach.general).filter_map(|name| self.group(name));
        let deployments: usize = groups.map(|group| group.deployments.len()).sum();
        u32::from(deployments > 1)
    }
}
