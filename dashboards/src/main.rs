//! Writes `dashboards/grafana/*.json`.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "it tells which files it wrote")]

use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana");
    for dashboard in tidegate_dashboards::all() {
        let file = folder.join(dashboard.file_name());
        std::fs::write(&file, dashboard.to_json())?;
        println!("{}", file.display());
    }
    Ok(())
}
