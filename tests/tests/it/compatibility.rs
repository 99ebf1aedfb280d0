//! docs/compatibility.md is what its command makes.

use tidegate_tests::compatibility::{file, made};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_what_the_program_does() {
    let page = std::fs::read_to_string(file()).unwrap();
    let made = made().await;
    let differs: Vec<&str> = made.lines().filter(|line| !page.lines().any(|one| one == *line)).collect();
    assert!(
        differs.is_empty(),
        "run `cargo run -p tidegate-tests --bin compatibility`; the page should have\n{}",
        differs.join("\n")
    );
    assert!(page == made, "the page has lines of which nothing was seen");
    // What must hold whatever the page says: no failure is a normal end or silence, and no probe broke the program.
    let mut requests = made
        .split("What of a request arrives:")
        .skip(1)
        .map(|part| part.split("What of an answer").next().unwrap());
    let silent = requests
        .find_map(|table| table.lines().find(|line| line.starts_with('|') && line.contains("left out")));
    assert_eq!(silent, None, "nothing of a request is left out without being named");
    for bad in ["NORMAL END", "NOTHING", "cut off", "HTTP 500 |"] {
        assert!(!made.contains(bad), "{bad}:\n{made}");
    }
}
