//! Man pages and shell completions, made of the command line's own definition: packages carry what this program says.

use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::Cli;

/// What is no option of the command line, for `tidegate(1)`: a heading, and a term with its text for each.
type Section = (&'static str, &'static [(&'static str, &'static str)]);

const SECTIONS: &[Section] = &[
    (
        "SIGNALS",
        &[
            (
                "SIGTERM, SIGINT",
                "Drain: no new connections; requests in flight get clocks.drain, then their terminal error. A second one ends \
                 the process at once.",
            ),
            (
                "SIGHUP",
                "Read the configuration again and look for plugins. Requests in flight finish on the old one; a bad file leaves \
                 the old one in force.",
            ),
            (
                "SIGUSR2",
                "Start the program that is on disk now, hand it the listening sockets, and drain once it serves. `tidegate service \
                 restart` sends it.",
            ),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "Ended in order."),
            ("1", "Failure, or a second signal."),
            ("2", "Wrong usage."),
            ("70", "The watchdog gave up on this process; start it again."),
            ("78", "Bad configuration; starting it again does not help."),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            (
                "TIDEGATE_LOG",
                "What is logged: a level, such as debug or WARNING, or the syntax of the crate tracing. Usually info.",
            ),
            ("TIDEGATE_WORKERS", "Worker threads; without it one for each core, and never fewer than two."),
            ("TIDEGATE_ADMIN_KEY", "The admin key, for the commands that ask a running tidegate."),
            (
                "CREDENTIALS_DIRECTORY",
                "A folder of files; each is what os.environ/NAME means where the variable NAME is not set.",
            ),
            (
                "TIDEGATE_CORE_DUMPS",
                "1 allows core dumps of tidegate serve, with the keys and prompts that are in them.",
            ),
            ("LITELLM_MASTER_KEY", "The master key, where general_settings.master_key is not set."),
            ("NO_COLOR", "No colours on a terminal."),
        ],
    ),
    (
        "FILES",
        &[
            ("/etc/tidegate/config.yaml", "The configuration of the packaged service."),
            ("/etc/tidegate/keys", "Keys of the packaged service, a file for each, of the variable's name."),
            ("/usr/lib/tidegate/plugins", "Plugins of the package. They run within the process."),
            ("/usr/local/lib/tidegate/plugins", "Plugins of your own. Each runs in a process of its own."),
            ("/usr/share/tidegate", "Dashboards for Grafana, and recording and alert rules for Prometheus."),
        ],
    ),
];

/// Writes the page of each command that is not hidden to `folder`, which is made if it is not there.
///
/// # Errors
/// The folder or a file cannot be written.
pub fn pages(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    page(&command, folder, SECTIONS)
}

fn page(command: &Command, folder: &Path, sections: &[Section]) -> io::Result<()> {
    let man = Man::new(command.clone()).source(format!("tidegate {}", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut text)?;
    }
    let mut below = command.get_subcommands().filter(|one| !one.is_hide_set()).peekable();
    if below.peek().is_some() {
        man.render_subcommands_section(&mut text)?;
    }
    for (heading, entries) in sections {
        let mut roff = Roff::new();
        roff.control("SH", [*heading]);
        for (term, said) in *entries {
            roff.control("TP", []);
            roff.text([bold(*term)]);
            roff.text([roman(*said)]);
        }
        roff.to_writer(&mut text)?;
    }
    std::fs::write(folder.join(man.get_filename()), text)?;
    below.try_for_each(|one| page(one, folder, &[]))
}

/// Writes what `shell` is to load. What it cannot be written to has seen enough.
pub fn completions(shell: Shell, to: &mut dyn Write) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tidegate", &mut script);
    let _ = to.write_all(&script);
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn each_command_that_is_shown_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        pages(&folder.path().join("man")).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join("man").join(name));
        let main = read("tidegate.1").unwrap();
        for (heading, entries) in SECTIONS {
            assert!(
                main.contains(&format!(".SH {heading:?}")) || main.contains(&format!(".SH {heading}\n")),
                "{main}"
            );
            assert!(!entries.is_empty());
        }
        for page in ["tidegate-serve.1", "tidegate-plugin-check.1", "tidegate-incidents-show.1"] {
            assert!(read(page).unwrap().contains(".SH OPTIONS"), "{page}");
        }
        assert!(read("tidegate-plugin-worker.1").is_err() && read("tidegate-manual.1").is_err(), "hidden");
    }

    #[test]
    fn each_shell_has_completions_with_the_commands() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            completions(*shell, &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("incidents") && script.contains("drill"), "{shell}");
        }
    }
}
