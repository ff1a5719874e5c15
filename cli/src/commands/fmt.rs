//! `fmt`: the tidy form of assembly texts.

use crate::args::FmtArgs;
use crate::error::CommandError;
use crate::source::{read, utf8, write};
use std::io::{Read, Write};
use std::path::Path;
use systole_assembler::format_source;
use systole_isa::Diagnostic;

/// Every file is looked at, whatever is wrong with the others.
pub(crate) fn run(args: &FmtArgs) -> Result<(), CommandError> {
    let mut problems = Vec::new();
    for path in &args.files {
        if let Err(found) = file(path, args) {
            problems.extend(found);
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.into())
    }
}

fn file(path: &Path, args: &FmtArgs) -> Result<(), Vec<Diagnostic>> {
    let is_stdin = path == Path::new("-");
    let name = if is_stdin {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let bytes = if is_stdin { read_stdin() } else { read(path) };
    let text = bytes
        .and_then(|bytes| utf8(bytes, &name))
        .map_err(|problem| vec![problem])?;
    let tidy = format_source(&text, &name)?;
    if args.check {
        if tidy != text {
            return Err(vec![untidy(&text, &tidy, &name)]);
        }
    } else if args.stdout || is_stdin {
        let _ = std::io::stdout().write_all(tidy.as_bytes());
    } else if tidy != text {
        write(path, tidy.as_bytes()).map_err(|problem| vec![problem])?;
    }
    Ok(())
}

fn read_stdin() -> Result<Vec<u8>, Diagnostic> {
    let mut bytes = Vec::new();
    match std::io::stdin().read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Diagnostic::error(
            "F0001",
            format!("standard input cannot be read: {error}"),
        )),
    }
}

/// Names the first line that would change.
fn untidy(text: &str, tidy: &str, name: &str) -> Diagnostic {
    let n_same = text.lines().zip(tidy.lines()).take_while(|(a, b)| a == b).count();
    Diagnostic::error("F0032", format!("`{name}` is not in its tidy form"))
        .because(format!("line {} is the first that would change", n_same + 1))
        .help("run `systole fmt` on it without `--check`")
}
