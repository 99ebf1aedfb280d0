//! The demo, as a stranger runs it: the built program, its plugins beside it, and every row right.

use std::path::Path;
use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_tidegate"));
    let folder = program.parent().expect("a program lies in a folder");
    for plugin in ["openai", "gemini", "fallback"] {
        let file = format!(
            "{}tidegate_plugin_{plugin}{}",
            std::env::consts::DLL_PREFIX,
            std::env::consts::DLL_SUFFIX
        );
        assert!(
            folder.join(&file).exists(),
            "{file} is not in {}: the demo needs the plugins beside the program; run `cargo build --workspace` first",
            folder.display()
        );
    }
    Command::new(program).args(arguments).output().expect("the program runs")
}

#[test]
fn every_row_is_right() {
    let output = demo(&["demo"]);
    let (text, words) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{words}");
    assert!(text.contains("13 of 13 rows are right"), "{text}");
    assert!(!text.contains('\x1b'), "no colours where nobody looks: {text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let config =
        text.lines().find_map(|line| line.trim().strip_prefix("config ")).expect("the config's path");
    assert!(!Path::new(config.trim()).exists(), "{config} is left behind");
}
