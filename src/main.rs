//! The `mamparo` binary: everything is in the library.

fn main() -> std::process::ExitCode {
    mamparo::cli::main()
}
