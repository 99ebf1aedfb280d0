//! Loading.

use tidegate_host::abi::{ABI_MAJOR, ABI_MINOR};

use super::Bench;
use crate::plugin::check::verdict::About;
use crate::plugin::inspect::kinds;

/// What was not loaded never comes here: the bench says why.
pub(super) fn loads(bench: &mut Bench) {
    let plugin = bench.plugin.clone();
    let kinds: Vec<String> = kinds(&plugin).into_iter().map(str::to_owned).collect();
    let prefixes = plugin.manifest().providers.iter().map(|offer| format!("{}/", offer.prefix)).collect();
    let minor = plugin.abi_minor();
    if minor > ABI_MINOR {
        bench.warn(format!(
            "it was built for minor {minor} of the ABI and is checked by minor {ABI_MINOR}: what came later is not"
        ));
    }
    let (name, version) = (plugin.name().to_owned(), plugin.version().to_owned());
    bench.verdict.about = Some(About { name, version, kinds, prefixes, abi: format!("{ABI_MAJOR}.{minor}") });
    bench.did("one entry symbol, a valid descriptor and manifest; only its owner can change it");
}
