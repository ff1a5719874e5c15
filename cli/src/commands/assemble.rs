//! `asm` and `disasm`.

use super::print;
use crate::args::{AsmArgs, DisasmArgs};
use crate::arrays::save_bytes;
use crate::error::CommandError;
use crate::source::{assemble, file_name, make_folder, read, utf8, write};
use std::path::Path;
use systole_isa::{Program, container};

pub(crate) fn asm(args: &AsmArgs) -> Result<(), CommandError> {
    let file = args.source.display().to_string();
    let text = utf8(read(&args.source)?, &file)?;
    let program = assemble(&text, &file)?;
    let elf = container::write(&program).map_err(|error| error.diagnostic())?;
    write(&args.output, &elf)?;
    Ok(())
}

pub(crate) fn disasm(args: &DisasmArgs) -> Result<(), CommandError> {
    let bytes = read(&args.program)?;
    let program = crate::source::read_program(&bytes, &args.program.display().to_string())?;
    let text = match &args.constants {
        None => systole_assembler::disassemble(&program),
        Some(folder) => disassemble_with_constants(&program, folder)?,
    };
    print(text.trim_end());
    Ok(())
}

/// Constants of more bytes than this are no pleasure to read in a text.
const MOST_BYTES_IN_TEXT: usize = 1024;

/// The text, with long constants in arrays of their own in a folder.
fn disassemble_with_constants(program: &Program, folder: &Path) -> Result<String, CommandError> {
    make_folder(folder)?;
    let mut failures = Vec::new();
    let mut n_files = 0;
    let text = systole_assembler::disassemble_with_files(program, &mut |segment| {
        if segment.bytes.len() <= MOST_BYTES_IN_TEXT {
            return None;
        }
        let path = folder.join(format!("{n_files:04}.{}.npy", file_name(&segment.name)));
        n_files += 1;
        failures.extend(save_bytes(&path, &segment.bytes).err());
        Some(path.display().to_string())
    });
    if failures.is_empty() {
        Ok(text)
    } else {
        Err(failures.into())
    }
}
