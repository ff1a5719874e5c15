//! What can go wrong on the way of a command, and the exit code that says so.

use std::fmt;
use systole_compiler::{CompileError, ImportError, Subject};
use systole_isa::Diagnostic;
use systole_simulator::Fault;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// Something that the user gave is wrong; exit code 1.
    User(Vec<Diagnostic>),
    /// The program that ran committed a fault; exit code 3.
    Fault(Diagnostic),
}

impl CommandError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::User(_) => 1,
            Self::Fault(_) => 3,
        }
    }

    /// A fault with the instruction that committed it.
    pub(crate) fn from_fault(fault: &Fault, program: &systole_isa::Program) -> Self {
        let instruction = systole_assembler::disassemble_line(program, fault.pc);
        let line = match systole_assembler::source_line(program, fault.pc) {
            Some((Some(file), line)) => format!(", source line {line} of `{file}`"),
            Some((None, line)) => format!(", source line {line}"),
            None => String::new(),
        };
        Self::Fault(
            Diagnostic::error(fault.code(), fault.to_string())
                .because(format!("instruction {}{line}: {}", fault.pc, instruction.trim()))
                .help(fault.help()),
        )
    }
}

impl From<Diagnostic> for CommandError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::User(vec![diagnostic])
    }
}

impl From<Vec<Diagnostic>> for CommandError {
    fn from(diagnostics: Vec<Diagnostic>) -> Self {
        Self::User(diagnostics)
    }
}

/// What both kinds of the compiler's errors say.
fn refused(code: &'static str, subject: &Subject, found: &str, expected: &str, help: String) -> Diagnostic {
    Diagnostic::error(code, format!("{subject}: found {found}, expected {expected}")).help(help)
}

impl From<Vec<ImportError>> for CommandError {
    fn from(errors: Vec<ImportError>) -> Self {
        let diagnostic = |e: ImportError| refused(e.kind.code(), &e.subject, &e.found, &e.expected, e.help);
        Self::User(errors.into_iter().map(diagnostic).collect())
    }
}

impl From<Vec<CompileError>> for CommandError {
    fn from(errors: Vec<CompileError>) -> Self {
        let diagnostic = |e: CompileError| refused(e.kind.code(), &e.subject, &e.found, &e.expected, e.help);
        Self::User(errors.into_iter().map(diagnostic).collect())
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(diagnostics) => {
                let texts: Vec<String> = diagnostics.iter().map(Diagnostic::to_string).collect();
                f.write_str(&texts.join("\n"))
            }
            Self::Fault(diagnostic) => write!(f, "{diagnostic}"),
        }
    }
}
