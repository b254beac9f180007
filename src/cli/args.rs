//! The command line.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Mamparo: intrusion prevention for container hosts, in the Suricata rule language.
#[derive(Parser, Debug)]
#[command(name = "mamparo", version, about, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// List all rule keywords with what they do, and end.
    #[arg(long)]
    list_keywords: bool,
    /// List all application protocols, and end.
    #[arg(long)]
    list_protocols: bool,
    /// Print the configuration in force as `key = value`, and end.
    #[arg(long)]
    dump_config: bool,
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What is to be done.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Analyse captures: alerts and records go to eve.json, a summary to the terminal.
    Replay(Replay),
    /// Hold or watch live traffic: drop what rules drop, until a signal says stop.
    Run(Run),
    /// Check rules and configuration: every mistake with its place and a hint.
    Check(Check),
    #[command(skip)]
    ListKeywords,
    #[command(skip)]
    ListProtocols,
    #[command(skip)]
    DumpConfig(Common),
}

/// What most commands take.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct Common {
    /// Configuration: a suricata.yaml as it is.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set one key of the configuration, dotted: --set stream.midstream=true
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Folder in which data sets are kept (save, state). Without it, the folder of the logs.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// `mamparo replay`
#[derive(Args, Debug)]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Rules to use, instead of those that the configuration names (files; several allowed). Without any, the built-in ones.
    #[arg(short = 'S', long = "rules", value_name = "FILE", num_args = 1)]
    pub(crate) rules: Vec<PathBuf>,
    /// Rules to use beside those of the configuration.
    #[arg(short = 's', value_name = "FILE", num_args = 1)]
    pub(crate) more_rules: Vec<PathBuf>,
    /// Folder for eve.json and other logs.
    #[arg(short = 'l', long = "log-dir", value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,
    /// Behave as if inline: judge data before it is acknowledged, drop what rules drop.
    #[arg(long)]
    pub(crate) simulate_ips: bool,
    /// Whether wrong checksums count; by default they do until too many are wrong (offloading).
    #[arg(short = 'k', value_name = "MODE")]
    pub(crate) checksums: Option<Checksums>,
    /// Threads that analyse; flows are spread over them. The alerts are the same for any number.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) workers: u16,
    /// Load rules and configuration, say what is wrong, and end.
    #[arg(short = 'T', long = "test")]
    pub(crate) test: bool,
    /// Without rules: protocols and flows are recorded, nothing alerts.
    #[arg(long)]
    pub(crate) disable_detection: bool,
    /// End with a failure when a rule cannot be loaded.
    #[arg(long)]
    pub(crate) init_errors_fatal: bool,
    /// A broken capture is told, but the exit status stays 0: for folders in which some are known to be damaged.
    #[arg(long)]
    pub(crate) tolerate_broken: bool,
    /// Print the summary as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// Measure what each rule costs: the slowest are in the summary, and all in rule_perf.log where -l names a folder.
    #[arg(long)]
    pub(crate) profile: bool,
    /// Say more; twice for every refused rule in full.
    #[arg(short = 'v', action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Captures: pcap or pcapng, also gzip, xz or zstd; folders; `-` for standard input.
    #[arg(value_name = "PCAP")]
    pub(crate) captures: Vec<PathBuf>,
    /// Another way to name captures, as Suricata has it.
    #[arg(short = 'r', value_name = "PCAP", hide = true)]
    pub(crate) read: Vec<PathBuf>,
    /// How literals of rules are searched; the alerts are the same for each.
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Prefilter::Window)]
    pub(crate) prefilter: Prefilter,
    /// Accepted for Suricata's sake, without effect.
    #[arg(long, hide = true, value_name = "MODE")]
    pub(crate) runmode: Option<String>,
    /// Accepted for Suricata's sake, without effect.
    #[arg(long, hide = true)]
    pub(crate) no_random: bool,
}

/// `mamparo run`
#[derive(Args, Debug)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Stand in the way of traffic, and where: `host` holds what the host forwards, bridged or routed.
    #[arg(long, value_name = "MODE", num_args = 1..=2, conflicts_with = "tap")]
    pub(crate) inline: Vec<String>,
    /// Watch copies of traffic on these interfaces; nothing is dropped.
    #[arg(long, value_name = "INTERFACE", num_args = 0.., value_delimiter = ',')]
    pub(crate) tap: Option<Vec<String>>,
    /// What happens to traffic while Mamparo is not there, or cannot keep up: it goes on, or it stops.
    #[arg(long, value_name = "POLICY", value_enum)]
    pub(crate) fail: Option<FailArgument>,
    /// Nothing is dropped: records say what would have been, each with `dry_run`.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Rules to use, instead of those that the configuration names (files; several allowed). Without any, the built-in ones.
    #[arg(short = 'S', long = "rules", value_name = "FILE", num_args = 1)]
    pub(crate) rules: Vec<PathBuf>,
    /// Rules to use beside those of the configuration.
    #[arg(short = 's', value_name = "FILE", num_args = 1)]
    pub(crate) more_rules: Vec<PathBuf>,
    /// Folder for eve.json and other logs.
    #[arg(short = 'l', long = "log-dir", value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,
    /// Threads that analyse, and queues of the kernel; flows are spread over them by their addresses. Without it, one a processor,
    /// eight at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) workers: Option<u16>,
    /// Number of the first queue of the kernel.
    #[arg(long, value_name = "N")]
    pub(crate) queue: Option<u16>,
    /// Health and counters over HTTP at that address: /healthz, /readyz, /metrics (Prometheus).
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) metrics: Option<std::net::SocketAddr>,
    /// A socket for commands, as suricatasc speaks them.
    #[arg(long, value_name = "PATH")]
    pub(crate) unix_socket: Option<PathBuf>,
    /// Whether wrong checksums count; those that hardware fills in or the kernel has checked are never looked at.
    #[arg(short = 'k', value_name = "MODE")]
    pub(crate) checksums: Option<Checksums>,
    /// End with a failure when a rule cannot be loaded.
    #[arg(long)]
    pub(crate) init_errors_fatal: bool,
    /// Say more; twice for every refused rule in full.
    #[arg(short = 'v', action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// `--fail`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailArgument {
    /// It goes on.
    Open,
    /// It stops.
    Closed,
}

/// `mamparo check`
#[derive(Args, Debug)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Rules to check (files; several allowed).
    #[arg(short = 'S', long = "rules", value_name = "FILE", num_args = 1)]
    pub(crate) rules: Vec<PathBuf>,
    /// More rules to check.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// One JSON object a line on standard output: file, line, column, end, sid, code, severity, message, hint.
    #[arg(long)]
    pub(crate) json: bool,
    /// Every warning in full; without it warnings of one kind are counted.
    #[arg(short = 'v', action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// End with a failure on warnings too.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Explain a rule: when it is looked at, its fast pattern, what it costs, the bits it depends on. May be given again.
    #[arg(long, value_name = "[GID:]SID", value_parser = rule_id)]
    pub(crate) explain: Vec<(Option<u32>, u32)>,
}

/// `-k`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Checksums {
    /// Wrong ones count.
    All,
    /// None is computed.
    None,
    /// They count until too many are wrong.
    Auto,
}

/// `--prefilter`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Prefilter {
    /// Hashed windows of four bytes.
    Window,
    /// One automaton, the reference.
    AhoCorasick,
    /// None: every rule is evaluated in full. Slow; to prove the others.
    Off,
}

impl Arguments {
    /// The command, listings among them.
    pub(crate) fn command(self) -> Result<Command, clap::Error> {
        match self {
            Arguments { list_keywords: true, .. } => Ok(Command::ListKeywords),
            Arguments { list_protocols: true, .. } => Ok(Command::ListProtocols),
            Arguments { dump_config: true, common, .. } => Ok(Command::DumpConfig(common)),
            Arguments { command: Some(command), .. } => Ok(command),
            Arguments { .. } => Err(Arguments::command_for_errors().error(
                ErrorKind::MissingSubcommand,
                "no command given; try 'mamparo replay CAPTURE' or 'mamparo --help'",
            )),
        }
    }

    fn command_for_errors() -> clap::Command {
        <Arguments as clap::CommandFactory>::command()
    }
}

fn rule_id(text: &str) -> Result<(Option<u32>, u32), String> {
    let number =
        |text: &str| text.trim().parse::<u32>().map_err(|_| format!("{text:?} is not a number of a rule"));
    match text.split_once(':') {
        Some((gid, sid)) => Ok((Some(number(gid)?), number(sid)?)),
        None => Ok((None, number(text)?)),
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("expected KEY=VALUE, such as stream.midstream=true".to_owned()),
    }
}
