//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::plugin::check::RecordedFraming;
use crate::plugin::new::{Kind, Lang};

/// A daemon between LLM clients and LLM providers that cannot be hung.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve clients. Without a file: simulated models, no key and no network needed.
    Serve {
        /// A litellm config.yaml, with an optional `tidegate:` section.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The code to end with where the configuration is bad. launchd starts a service again after every other than 0.
        #[arg(long, value_name = "CODE", default_value_t = crate::command::BAD_CONFIG)]
        bad_config_exit: u8,
        /// Take the sockets that the process before offers on standard input.
        #[arg(long, hide = true)]
        take_over: bool,
    },
    /// Be a service of systemd or launchd: print, install or remove its files, or restart without downtime.
    Service {
        /// What to do.
        #[command(subcommand)]
        what: Service,
    },
    /// Start a program and leave it: a restart's first step.
    #[command(hide = true)]
    StartDetached {
        /// The program.
        program: OsString,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Watch other processes, such as a litellm, and end one that answers nobody. Serves no model itself.
    ///
    /// `serve` does the same beside serving. What is read is `tidegate.guard` of the file, which may be litellm's own.
    Guard {
        /// The configuration.
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Say what a configuration means, where it differs from litellm, and what is wrong with it.
    Check {
        /// The configuration.
        #[arg(value_name = "FILE")]
        config: PathBuf,
    },
    /// Play the founding bug against this build: every fault, with a healthy stream beside it.
    Demo,
    /// Play every fault of upstreams and clients against this build, or against your own configuration.
    Drill(Drill),
    /// Show incidents: what the watchdog found and did, and loops of 429s.
    Incidents {
        /// What to show; without it, the list.
        #[command(subcommand)]
        what: Option<Incidents>,
        /// The admin address of the running tidegate.
        #[arg(long, global = true, value_name = "ADDR", default_value = "127.0.0.1:4001")]
        admin: SocketAddr,
        /// Read the file of `tidegate.watchdog.incidents` instead; nothing need be running.
        #[arg(long, global = true, value_name = "FILE", conflicts_with = "admin")]
        file: Option<PathBuf>,
        /// Print JSON.
        #[arg(long, global = true)]
        json: bool,
    },
    /// Watch a running tidegate: streams by CPU and polls, deployments, incidents, plugins.
    ///
    /// The admin key, which is asked for off loopback and to abort a stream, is read from TIDEGATE_ADMIN_KEY.
    Top {
        /// The admin address of the running tidegate.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4001")]
        admin: SocketAddr,
    },
    /// For authors and operators of plugins.
    Plugin {
        /// What to do.
        #[command(subcommand)]
        what: Plugin,
    },
    /// Be a worker: the program starts itself so, for a plugin that runs in a process of its own.
    #[command(hide = true)]
    PluginWorker {
        /// The process that started it.
        parent: u32,
        /// The plugin's file, for people who look at the list of processes.
        plugin: OsString,
    },
    /// Print what a shell is to load to complete this command line.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the man pages; for packages.
    #[command(hide = true)]
    Manual {
        /// Where to.
        folder: PathBuf,
    },
    /// Serve simulated providers: healthy and faulty, byte-exact.
    Sim {
        /// Where to listen.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4010")]
        listen: SocketAddr,
        /// Name the scenarios instead, one a line.
        #[arg(long)]
        list: bool,
    },
}

/// `tidegate drill`.
#[derive(Args, Debug)]
pub struct Drill {
    /// Your own configuration, every provider replaced by a simulated one. Without it: the built-in matrix.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only the cells whose id has this in it, or fits it as a pattern with `*`; repeatable.
    #[arg(long, value_name = "PATTERN")]
    pub only: Vec<String>,
    /// The built-in matrix in full: the providers that play what is their own play every fault too.
    #[arg(long, conflicts_with_all = ["config", "markdown"])]
    pub all: bool,
    /// Name the cells instead of playing them.
    #[arg(long)]
    pub list: bool,
    /// One JSON document instead of tables.
    #[arg(long, conflicts_with = "list")]
    pub json: bool,
    /// The generated part of docs/fault-matrix.md instead of tables; with a PAGE, put between its markers there.
    #[arg(long, value_name = "PAGE", num_args = 0..=1, default_missing_value = "-",
          conflicts_with_all = ["list", "json", "config", "only"])]
    pub markdown: Option<PathBuf>,
    /// No progress on standard error.
    #[arg(long)]
    pub no_progress: bool,
    /// The control: no proxy stands between the clients and the faults, and promises must break.
    #[arg(long, hide = true)]
    pub without_proxy: bool,
}

/// What `tidegate incidents` shows.
#[derive(Debug, Subcommand)]
pub enum Incidents {
    /// List them, a line for each, the oldest first.
    List,
    /// Show one, with the stream's last seconds as a timeline.
    Show {
        /// Its id, as the list has it.
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// `tidegate service`.
#[derive(Debug, Subcommand)]
pub enum Service {
    /// Print what would be installed.
    Print {
        /// What to print.
        #[command(flatten)]
        settings: ServiceSettings,
    },
    /// Write the service's files, each path named, and say what is left to do.
    Install {
        /// What to write.
        #[command(flatten)]
        settings: ServiceSettings,
        /// How to write it.
        #[command(flatten)]
        writing: Writing,
    },
    /// Remove what `install` has written, and nothing else.
    Uninstall {
        /// Whose files.
        #[command(flatten)]
        manager: Manager,
        /// How to remove them.
        #[command(flatten)]
        writing: Writing,
    },
    /// Restart a running service of systemd without losing a request; wait until the new process serves.
    ///
    /// The program is started as it is on disk now, and reads its configuration anew. Where that fails the old process serves
    /// on, and this says why and exits with 1. What systemd itself sets up (the unit, its environment, credentials) changes
    /// with `systemctl restart` alone.
    Restart {
        /// The unit.
        #[arg(long, value_name = "NAME", default_value = "tidegate.service")]
        unit: String,
    },
}

/// Which service manager; without a word, that of this operating system.
#[derive(Args, Clone, Copy, Debug)]
pub struct Manager {
    /// systemd.
    #[arg(long, conflicts_with = "launchd")]
    pub systemd: bool,
    /// launchd.
    #[arg(long)]
    pub launchd: bool,
}

/// What the service's files say.
#[derive(Args, Debug)]
pub struct ServiceSettings {
    /// Which service manager.
    #[command(flatten)]
    pub manager: Manager,
    /// The configuration. Without it /etc/tidegate/config.yaml, for launchd /usr/local/etc/tidegate/config.yaml.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The account to run as. Without it one that systemd makes for as long as the service runs; to install for launchd, one must be
    /// named.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The program. Without it the one that runs now; with --root, where packages put it.
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
    /// systemd: the socket unit. To print it instead of the service; to install it too.
    #[arg(long, conflicts_with = "launchd")]
    pub socket: bool,
}

/// How files are written and removed.
#[derive(Args, Debug)]
pub struct Writing {
    /// The folder that stands for /.
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Overwrite or remove files that somebody has changed.
    #[arg(long)]
    pub force: bool,
}

/// `tidegate plugin`.
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Write a project: it builds, passes its tests and loads as it is.
    New {
        /// What the plugin is to be.
        #[arg(long)]
        kind: Kind,
        /// What it is to be written in.
        #[arg(long)]
        lang: Lang,
        /// The folder for it, new or empty.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The plugin's name; without it, the folder's.
        #[arg(long)]
        name: Option<String>,
        /// The SDK, for Rust: `plugins/sdk` of a checkout of Tidegate. Without it, that of the checkout which this
        /// program was built from.
        #[arg(long, value_name = "FOLDER")]
        sdk: Option<PathBuf>,
    },
    /// Ask a plugin whether it keeps the contract, whatever comes: each case in a process of its own.
    Check {
        /// The plugin.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A JSON file with the object that `create` is to be given; without it one is made from the manifest.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// A recorded answer of the real upstream: the bytes of a 2xx body that is a stream.
        #[arg(long, value_name = "FILE")]
        transcript: Option<PathBuf>,
        /// How the transcript is framed; without it by its ending: .sse, .jsonl, .json or .eventstream.
        #[arg(long, requires = "transcript")]
        framing: Option<RecordedFraming>,
        /// Only this case; repeatable.
        #[arg(long, value_name = "CASE")]
        only: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Run one case in this process.
        #[arg(long, value_name = "CASE", hide = true)]
        case: Option<String>,
    },
    /// Say which plugins a configuration loads, and which files are refused and why.
    List {
        /// The configuration; without it, the folders that are looked into without one.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Measure what a call costs, in this process and in one of its own.
    ///
    /// The plugin's code runs in this process for that. Use a release build, on a machine that is otherwise idle.
    Cost {
        /// The plugin; without it, those that are shipped: openai, gemini, fallback.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// How often both modes take turns; the median is shown.
        #[arg(long, default_value_t = 15, value_name = "NUMBER")]
        rounds: u32,
        /// The data of an event as the provider's upstream sends it; without it, one of the dialect that it says.
        #[arg(long, value_name = "TEXT")]
        event: Option<String>,
    },
    /// Say what a plugin file is and offers, and whether it would be loaded.
    Inspect {
        /// The plugin.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}
