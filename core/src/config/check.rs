//! `tidegate check FILE`: what is wrong with a config, what differs from litellm, and the worst case of each group.

use std::fmt;
use std::path::Path;

use tidegate_engine::MAX_ATTEMPTS;
use tidegate_host::LoadError;

use super::AccessLog;
use super::diagnose::{Notice, Report, Severity};
use super::env::Env;
use super::model::Config;
use super::worst_case::WorstCase;
use super::{load, units};

/// What the check found. `Display` is the text that the command prints.
#[derive(Debug)]
pub struct CheckOutcome {
    /// The config, or why it is refused.
    pub result: Result<Config, Report>,
    /// One row per group, in the order of the file; empty when the config is refused.
    pub groups: Vec<WorstCase>,
    /// The plugin and vendor files that `serve` would refuse.
    pub refused: Vec<LoadError>,
    /// The files that `serve` would write to and cannot, each a sentence.
    pub unwritable: Vec<String>,
}

/// Checks the config file at `path`.
pub fn check(path: &Path, env: &dyn Env) -> CheckOutcome {
    CheckOutcome::new(load(path, env))
}

impl CheckOutcome {
    /// Works out the groups of a config that loads.
    pub fn new(result: Result<Config, Report>) -> Self {
        let groups = match &result {
            Ok(config) => config.groups.iter().map(|group| config.worst_case(group)).collect(),
            Err(_) => Vec::new(),
        };
        let unwritable = match &result {
            Ok(config) => unwritable(config),
            Err(_) => Vec::new(),
        };
        Self { result, groups, refused: Vec::new(), unwritable }
    }

    /// Adds what the plugins that it would be served with say: of the config, and of the files that are none.
    #[must_use]
    pub fn with_plugins(mut self, said: Vec<Notice>, refused: Vec<LoadError>) -> Self {
        self.refused = refused;
        let (errors, warnings): (Vec<_>, Vec<_>) =
            said.into_iter().partition(|notice| notice.severity == Severity::Error);
        if let Ok(config) = &mut self.result {
            config.notices.extend(warnings);
            if !errors.is_empty() {
                let notices = std::mem::take(&mut config.notices);
                self.result = Err(Report { errors, notices });
                self.groups.clear();
            }
        }
        self
    }

    /// Whether `tidegate serve` would take this config.
    pub fn is_ok(&self) -> bool {
        self.result.is_ok() && self.unwritable.is_empty()
    }

    fn notices(&self) -> &[Notice] {
        match &self.result {
            Ok(config) => &config.notices,
            Err(report) => &report.notices,
        }
    }
}

impl fmt::Display for CheckOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in &self.refused {
            writeln!(f, "warning: {error}")?;
        }
        for notice in self.notices() {
            writeln!(f, "{notice}")?;
        }
        let warned = self.notices().iter().filter(|notice| notice.severity == Severity::Warning).count();
        let (notes, warnings) = (self.notices().len() - warned, warned + self.refused.len());
        if let Err(report) = &self.result {
            return writeln!(f, "{report}; {}, {}", counted(warnings, "warning"), counted(notes, "note"));
        }
        if !self.notices().is_empty() || !self.refused.is_empty() {
            writeln!(f)?;
        }
        table(f, &self.groups)?;
        silence(f, &self.groups)?;
        if let Ok(config) = &self.result {
            config.tidegate.guard.iter().try_for_each(|guard| writeln!(f, "{guard}"))?;
        }
        for why in &self.unwritable {
            writeln!(f, "error: {why}")?;
        }
        let verdict = if self.unwritable.is_empty() { "good" } else { "good, but cannot be served here" };
        writeln!(f, "the config is {verdict}: {}, {}", counted(warnings, "warning"), counted(notes, "note"))
    }
}

/// `serve` opens these at its start, and makes them where they are not there.
fn unwritable(config: &Config) -> Vec<String> {
    let access = match &config.tidegate.access_log {
        AccessLog::File(path) => Some(("access_log", path)),
        _ => None,
    };
    let incidents =
        config.tidegate.watchdog.incidents.file.as_ref().map(|path| ("watchdog.incidents.file", path));
    let mut wrong = Vec::new();
    for (key, path) in access.into_iter().chain(incidents) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let why = match path.metadata() {
            // Opening a pipe would wait for its reader.
            Ok(file) if file.is_file() => {
                std::fs::OpenOptions::new().append(true).open(path).err().map(|error| error.to_string())
            }
            Ok(other) => other.is_dir().then(|| "it is a folder".to_owned()),
            Err(_) => (!folder.is_dir() && !is_the_services(folder))
                .then(|| format!("there is no folder {}", folder.display())),
        };
        wrong.extend(why.map(|why| format!("`{key}`: {} cannot be opened: {why}", path.display())));
    }
    wrong
}

/// Whether a service manager makes it at the service's start, as systemd's `StateDirectory=` and `LogsDirectory=` do.
fn is_the_services(folder: &Path) -> bool {
    let kinds = ["/var/lib", "/var/log", "/var/cache", "/run"];
    folder.parent().is_some_and(|kind| kinds.iter().any(|known| kind == Path::new(known)))
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn table(f: &mut fmt::Formatter<'_>, groups: &[WorstCase]) -> fmt::Result {
    if groups.is_empty() {
        return writeln!(f, "no models: every request is answered with 404");
    }
    let width = groups.iter().map(|row| row.group.chars().count()).max().unwrap_or(0).max("model".len());
    writeln!(f, "{:width$}  deployments  attempts  request  stream  fallbacks", "model")?;
    for row in groups {
        let fallbacks = if row.fallbacks.is_empty() { "-".to_owned() } else { row.fallbacks.join(", ") };
        writeln!(
            f,
            "{:width$}  {:>11}  {:>8}  {:>7}  {:>6}  {fallbacks}",
            row.group,
            row.deployments,
            row.attempts,
            units::show(row.request),
            units::show(row.stream),
        )?;
    }
    writeln!(f, "attempts and times are the most that one request can take")?;
    let continued: Vec<&str> =
        groups.iter().filter(|row| row.continuations > 0).map(|row| row.group.as_str()).collect();
    if continued.is_empty() {
        return Ok(());
    }
    let names = continued.join(", ");
    writeln!(
        f,
        "one of these attempts is kept for going on with a stream that broke off after content: {names}"
    )
}

/// How long the error may be in coming, with what it is the sum of. A request's own options come on top.
fn silence(f: &mut fmt::Formatter<'_>, groups: &[WorstCase]) -> fmt::Result {
    if groups.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nwhere no provider answers, the client has its error after at most")?;
    for row in groups {
        writeln!(f, "{}\n  request  {}\n  stream   {}", row.group, row.silent_request, row.silent_stream)?;
    }
    writeln!(
        f,
        "a request that brings its own `fallbacks` or `num_retries` has at most {MAX_ATTEMPTS} attempts\n"
    )
}
