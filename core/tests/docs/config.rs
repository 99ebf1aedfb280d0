//! Every YAML block of the pages is a configuration that loads, and the README's defaults are the defaults.

use std::collections::BTreeMap;
use std::path::Path;

use tidegate::config::{self, Config, Severity, Tidegate};

const README: &str = include_str!("../../../README.md");
const PAGES: [(&str, &str); 9] = [
    ("README.md", README),
    ("docs/guard.md", include_str!("../../../docs/guard.md")),
    ("docs/access-log.md", include_str!("../../../docs/access-log.md")),
    ("docs/traces.md", include_str!("../../../docs/traces.md")),
    ("docs/litellm-compat.md", include_str!("../../../docs/litellm-compat.md")),
    ("docs/rate-limits.md", include_str!("../../../docs/rate-limits.md")),
    ("docs/security.md", include_str!("../../../docs/security.md")),
    ("docs/watchdog.md", include_str!("../../../docs/watchdog.md")),
    ("docs/write-a-provider.md", include_str!("../../../docs/write-a-provider.md")),
];

fn blocks(page: &str) -> impl Iterator<Item = &str> {
    page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap())
}

fn load(page: &str, text: &str) -> Config {
    let env = BTreeMap::from([("GEMINI_API_KEY".to_owned(), "key".to_owned())]);
    config::parse(text, Path::new(page), &env).unwrap_or_else(|report| panic!("{page}:\n{report}"))
}

#[test]
fn every_block_loads_without_a_warning() {
    let mut count = 0;
    for (page, text) in PAGES {
        for block in blocks(text) {
            let config = load(page, block);
            let warned: Vec<_> =
                config.notices.iter().filter(|notice| notice.severity == Severity::Warning).collect();
            assert!(warned.is_empty(), "{page}: {warned:?}");
            count += 1;
        }
    }
    assert!(count >= 3, "only {count} blocks were found");
}

/// What is in force under a `tidegate:` section.
fn in_force(section: &Tidegate) -> String {
    format!(
        "{:?}",
        (
            (
                section.listen,
                section.admin,
                &section.admin_key,
                section.clocks,
                section.mid_stream,
                section.limits
            ),
            (section.keep_alive, section.retry_budget, section.policy_name(), &section.compat_metrics),
            (&section.plugins, &section.watchdog, &section.guard, section.groups.len()),
            (section.log_upstream_errors, &section.access_log, &section.traces),
        )
    )
}

#[test]
fn the_readmes_defaults_are_the_defaults() {
    let block = blocks(README).find(|block| block.starts_with("tidegate:")).unwrap();
    for section in [
        "listen",
        "admin",
        "clocks",
        "mid_stream",
        "keep_alive",
        "litellm_headers",
        "compat_metrics",
        "retry_budget",
        "policy",
        "limits",
        "plugins",
        "log_upstream_errors",
        "access_log",
        "watchdog",
        "guard",
    ] {
        assert!(block.contains(&format!("\n  {section}:")), "{section} is not shown");
    }
    assert_eq!(in_force(&load("README.md", block).tidegate), in_force(&Tidegate::default()));
    let other = block.replace("connect: 10s", "connect: 11s");
    assert_ne!(in_force(&load("README.md", &other).tidegate), in_force(&Tidegate::default()));
}
