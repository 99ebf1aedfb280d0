//! What the pages point to is there: files that they link, and code that they quote from a page that is compiled.

use std::path::Path;

const PAGES: [&str; 20] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/benchmarks.md",
    "docs/clocks.md",
    "docs/dashboards.md",
    "docs/fault-matrix.md",
    "docs/guard.md",
    "docs/litellm-compat.md",
    "docs/metrics.md",
    "docs/plugin-abi.md",
    "docs/plugins.md",
    "docs/providers.md",
    "docs/rate-limits.md",
    "docs/runbook.md",
    "docs/security.md",
    "docs/watchdog.md",
    "docs/write-a-policy.md",
    "docs/write-a-provider.md",
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(page: &str) -> String {
    std::fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// The files that a page links and that are not there.
fn dead_links(page: &str, text: &str) -> Vec<String> {
    let folder = root().join(page);
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .filter(|target| !folder.with_file_name("").join(target).exists())
        .map(str::to_owned)
        .collect()
}

/// The modules of `core/src` that the page's table does not name, and those it names that are not there.
fn modules_amiss(page: &str) -> Vec<String> {
    let table = page.split("## The modules of").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let named: Vec<&str> = rows
        .flat_map(|row| row.split('|').next().unwrap().split(['`', ',', ' ']))
        .filter(|n| !n.is_empty())
        .collect();
    let source = std::fs::read_dir(root().join("core/src")).unwrap();
    let there: Vec<String> = source
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "lib")
        .collect();
    let missing = there.iter().filter(|name| !named.contains(&name.as_str())).cloned();
    let stale = named.iter().filter(|name| !there.iter().any(|t| t == *name)).map(|name| (*name).to_owned());
    missing.chain(stale).collect()
}

#[test]
fn every_link_leads_somewhere() {
    for page in PAGES {
        assert_eq!(dead_links(page, &read(page)), [""; 0], "{page}");
    }
    assert_eq!(dead_links("docs/metrics.md", "[a](benchmarks.md) [b](../gone.md#x)"), ["../gone.md"]);
}

#[test]
fn the_readmes_plugin_is_the_compiled_one() {
    let (readme, compiled) = (read("README.md"), read("docs/write-a-provider.md"));
    let quoted = readme.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(quoted.contains("fn end"), "the block was not found");
    assert!(compiled.contains(quoted), "not what docs/write-a-provider.md has:\n{quoted}");
}

/// The fenced blocks of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let start = format!("```{language}\n");
    read(page).split(&start).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn what_the_pages_show_is_what_a_new_project_has() {
    let template = |file: &str| read(&format!("core/src/plugin/templates/{file}"));
    for (page, name, rust, c) in
        [("docs/write-a-provider.md", "provider", 1, 3), ("docs/write-a-policy.md", "policy", 1, 1)]
    {
        let whole = blocks(page, "rust");
        assert_eq!(whole, [template(&format!("rust-{name}/src/lib.rs"))], "{page}");
        let pieces = blocks(page, "c");
        assert_eq!((whole.len(), pieces.len()), (rust, c), "{page}");
        let source = template(&format!("c-{name}/plugin.c"));
        for piece in pieces {
            assert!(source.contains(&piece), "{page} is not what a project in C has:\n{piece}");
        }
    }
    let page = "docs/write-a-provider.md";
    assert_eq!(blocks(page, "toml"), [template("rust-provider/Cargo.toml")]);
    let replay = &blocks(page, "rust,ignore")[0];
    assert!(template("rust-provider/tests/answers.rs").contains(replay.as_str()), "{replay}");
}

#[test]
fn the_architectures_table_has_every_module() {
    let page = read("ARCHITECTURE.md");
    assert_eq!(modules_amiss(&page), [""; 0]);
    assert_eq!(modules_amiss(&page.replace("| `relay` |", "| `delay` |")), ["relay", "delay"]);
}
