//! `docs/providers.md` has a row for each vendor that ships and for each quirk, made from the files.

use std::collections::BTreeMap;
use std::path::Path;

use tidegate::config::vendor::{Speakers, parse};
use tidegate_host::{LoadOptions, ProviderManifest, VendorSupport};

const PAGE: &str = include_str!("../../../docs/providers.md");

fn support() -> VendorSupport {
    let name = format!("libtidegate_plugin_openai{}", std::env::consts::DLL_SUFFIX);
    let beside = std::env::current_exe().unwrap().parent().unwrap().join(name);
    let plugin = tidegate_host::load(&beside, &LoadOptions::default()).unwrap();
    plugin.manifest().vendors.clone().unwrap()
}

fn vendors(support: &VendorSupport) -> Vec<ProviderManifest> {
    let speakers: Speakers<'_> = BTreeMap::from([("openai", Some(support))]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/openai/vendors");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: &Path| parse(&std::fs::read_to_string(file).unwrap(), file, &speakers).unwrap().offer;
    files.iter().map(|file| read(file)).collect()
}

fn row(vendor: &ProviderManifest) -> String {
    let names = |names: &[String]| match names {
        [] => "-".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    };
    let (base, key) = (&vendor.params["api_base"], &vendor.secrets["api_key"]);
    let address = base.default.as_ref().and_then(|base| base.as_str()).map(|base| format!("`{base}`"));
    let fixed = key.default.as_ref().map(|text| format!(", else `{text}`")).unwrap_or_default();
    let quirks = vendor.vendor.as_ref().unwrap()["quirks"].as_object().unwrap();
    let mut quirks: Vec<String> = quirks.keys().cloned().collect();
    quirks.sort();
    quirks.extend(vendor.headers.keys().map(|name| format!("header {name}")));
    let also: Vec<&str> =
        vendor.dialects.iter().filter_map(|dialect| dialect.name().strip_prefix("openai-")).collect();
    let also = also.into_iter().filter(|name| *name != "chat").collect::<Vec<_>>().join(", ");
    format!(
        "| `{}/` | {} | {} | {}{fixed} | {} | {} |",
        vendor.prefix,
        address.unwrap_or_else(|| "`api_base`".to_owned()),
        names(&base.env),
        names(&key.env),
        if also.is_empty() { "-" } else { &also },
        if quirks.is_empty() { "-".to_owned() } else { quirks.join(", ") },
    )
}

#[test]
fn the_table_has_the_vendors_that_ship() {
    let table = PAGE.split("|---|---|---|---|---|---|\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let made: Vec<String> = vendors(&support()).iter().map(row).collect();
    assert_eq!(table.lines().collect::<Vec<_>>(), made, "the page should have\n{}\n", made.join("\n"));
}

#[test]
fn each_quirk_has_a_row_and_a_vendor_that_needs_it() {
    let support = support();
    let section = PAGE.split("## Quirks").nth(1).unwrap();
    let rows: BTreeMap<&str, &str> =
        section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(':')).collect();
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), support.quirks.keys().collect::<Vec<_>>());
    let vendors = vendors(&support);
    for (quirk, row) in rows {
        let users =
            vendors.iter().filter(|vendor| vendor.vendor.as_ref().unwrap()["quirks"].get(quirk).is_some());
        let users: Vec<&str> = users.map(|vendor| vendor.prefix.as_str()).collect();
        let named = row.rsplit('|').nth(1).unwrap();
        assert!(!users.is_empty(), "nobody needs {quirk}");
        for name in named.split('`').skip(1).step_by(2) {
            assert!(users.contains(&name), "{quirk}: {name} does not have it");
        }
    }
}
