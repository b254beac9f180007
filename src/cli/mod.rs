//! Arguments, exit codes, what a person sees. One file a subcommand.
//!
//! Exit status: 0 good, 1 failure, 2 usage; `check` answers 1 on any mistake in rules or configuration.

mod args;
mod check;
mod engine_log;
mod explain;
mod list;
mod outputs;
pub mod progress;
mod replay;
mod run;
mod setup;

pub use progress::Progress;

use std::process::ExitCode;

use clap::Parser as _;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = match args::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let result = match arguments.command() {
        Ok(args::Command::Replay(replay)) => replay::run(&replay),
        Ok(args::Command::Run(run)) => run::run(&run),
        Ok(args::Command::Check(check)) => check::run(&check),
        Ok(args::Command::ListKeywords) => list::keywords(),
        Ok(args::Command::ListProtocols) => list::protocols(),
        Ok(args::Command::DumpConfig(common)) => list::config(&common),
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(code) => code,
        Err(message) => {
            complain(&message);
            ExitCode::FAILURE
        }
    }
}

/// A message to a person, on standard error.
#[expect(clippy::print_stderr, reason = "with what goes well, the one place that speaks to standard error")]
pub(crate) fn complain(message: &str) {
    eprintln!("mamparo: {message}");
    engine_log::write(message);
}

/// What goes well, for a person, on standard error.
#[expect(clippy::print_stderr, reason = "beside complaints the one thing said on standard error")]
pub(crate) fn say(message: &str) {
    eprintln!("mamparo: {message}");
}

/// What was asked for, on standard output. A reader that has gone is no failure of ours.
pub(crate) fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
