//! Units that a panel may have: ids of Grafana's own list (`@grafana/data`, `valueFormats/categories`), those of them that
//! Tidegate's metrics need. A word that is not in Grafana's list is drawn as plain text after the number.

pub(crate) const UNITS: [&str; 9] =
    ["none", "short", "locale", "percentunit", "s", "bytes", "reqps", "ops", "bool_on_off"];
