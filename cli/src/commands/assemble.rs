//! `asm` and `disasm`.

use super::print;
use crate::args::{AsmArgs, DisasmArgs};
use crate::error::CommandError;
use crate::source::{assemble, read, utf8, write};
use systole_isa::container;

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
    print(systole_assembler::disassemble(&program).trim_end());
    Ok(())
}
