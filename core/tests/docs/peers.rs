//! The peers' reports in `docs/fault-matrix.md` against their tests: each row has one, each test its row.

const PAGE: &str = include_str!("../../../docs/fault-matrix.md");
const TESTS: &str = include_str!("../../../tests/tests/it/peers.rs");

/// Reference and test of each row of the table.
fn rows(page: &str) -> Vec<(&str, &str)> {
    let section = page.split("## Peers' own repros").nth(1).unwrap().split("\n## ").next().unwrap();
    section
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('#'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            (cells[0], cells[3].trim_matches('`'))
        })
        .collect()
}

/// The names of the tests in a source.
fn tests(source: &str) -> Vec<&str> {
    let behind = source.split("#[tokio::test(flavor = \"multi_thread\")]\nasync fn ").skip(1);
    behind.map(|rest| rest.split('(').next().unwrap()).collect()
}

#[test]
fn each_row_has_its_test_and_each_test_its_row() {
    let (rows, tests) = (rows(PAGE), tests(TESTS));
    for (report, test) in &rows {
        assert!(tests.contains(test), "{report}: there is no test {test}");
        let (project, number) = report.split_once('#').unwrap();
        let peer = project.split('/').next_back().unwrap().to_lowercase().replace('-', "_");
        let owner = project.split('/').next().unwrap().to_lowercase().replace("-ai", "");
        let begins = |name: &str| test.starts_with(&format!("{name}_{number}_"));
        assert!(begins(&peer) || begins(&owner), "{test} is not named after {report}");
    }
    for test in &tests {
        assert!(rows.iter().any(|(_, listed)| listed == test), "docs/fault-matrix.md does not list {test}");
    }
    assert_eq!(rows.len(), tests.len());
}

#[test]
fn every_report_that_was_promised_is_there() {
    let promised = [
        "litellm#29808",
        "litellm#40404",
        "litellm#20722",
        "litellm#40130",
        "litellm#27823",
        "bifrost#5395",
        "bifrost#7108",
        "bifrost#3261",
        "tensorzero#6328",
        "gateway#1797",
        "agentgateway#1500",
        "jcode#976",
        "llm-gateway#1119",
    ];
    for report in promised {
        assert!(rows(PAGE).iter().any(|(listed, _)| listed.ends_with(&format!("/{report}"))), "{report}");
    }
}
