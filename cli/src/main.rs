//! The `systole` command: parses the command line, calls the libraries, prints.

mod args;
mod arrays;
mod commands;
mod error;
mod lsp;
mod model;
mod outcome;
mod print;
mod source;

use args::{Cli, Command};
use clap::Parser;
use error::CommandError;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(cli: &Cli) -> Result<(), CommandError> {
    match &cli.command {
        None => commands::digits::run(&cli.digits),
        Some(Command::Run(args)) => commands::run::run(args),
        Some(Command::Compile(args)) => commands::compile::run(args),
        Some(Command::Asm(args)) => commands::assemble::asm(args),
        Some(Command::Disasm(args)) => commands::assemble::disasm(args),
        Some(Command::Explain { code }) => commands::explain::run(code.as_deref()),
        Some(Command::Check(args)) => commands::check::run(args),
        Some(Command::Fmt(args)) => commands::fmt::run(args),
        Some(Command::Lsp) => commands::lsp::run(),
        Some(Command::Gemm(args)) => commands::gemm::run(args),
        Some(Command::Trace(args)) => commands::trace::run(args),
        Some(Command::Dram(args)) => commands::dram::run(args),
        Some(Command::Machine(args)) => commands::machine::run(&args.verb),
        #[cfg(feature = "gui")]
        Some(Command::Gui(args)) => commands::gui::run(args),
    }
}
