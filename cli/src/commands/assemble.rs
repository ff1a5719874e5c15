//! `asm` and `disasm`.

use super::print;
use crate::args::{AsmArgs, DisasmArgs};
use crate::error::CommandError;
use crate::source::{assemble, read, write};
use systole_isa::{Diagnostic, container};

pub(crate) fn asm(args: &AsmArgs) -> Result<(), CommandError> {
    let file = args.source.display().to_string();
    let text = String::from_utf8(read(&args.source)?).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        Diagnostic::error("F0004", format!("`{file}` is no text: byte {offset} is not UTF-8"))
            .help("assembly is UTF-8 text")
    })?;
    let program = assemble(&text, &file)?;
    let elf = container::write(&program).map_err(|error| error.diagnostic())?;
    write(&args.output, &elf)?;
    Ok(())
}

pub(crate) fn disasm(args: &DisasmArgs) -> Result<(), CommandError> {
    let bytes = read(&args.program)?;
    let program = crate::source::read_program(&bytes, &args.program.display().to_string())?;
    print(systole_assembler::disassemble(&program).trim_end());
    Ok(())
}
