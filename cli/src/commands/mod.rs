//! One file per verb; each calls library functions and prints.

pub(crate) mod assemble;
pub(crate) mod check;
pub(crate) mod compile;
pub(crate) mod digits;
pub(crate) mod dram;
pub(crate) mod explain;
pub(crate) mod fmt;
pub(crate) mod gemm;
#[cfg(feature = "gui")]
pub(crate) mod gui;
pub(crate) mod lsp;
pub(crate) mod machine;
pub(crate) mod run;
pub(crate) mod trace;

use crate::error::CommandError;
use serde::Serialize;
use std::io::Write;
use systole_isa::Diagnostic;

/// Prints to standard output. A reader that went away, as `head` does, is no error.
pub(crate) fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints one JSON object.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Diagnostic::error("F0008", format!("the report cannot be written as JSON: {error}")))?;
    print(&text);
    Ok(())
}

/// Says on standard error what does not stop a command.
pub(crate) fn warn(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        let _ = writeln!(std::io::stderr(), "{diagnostic}");
    }
}
