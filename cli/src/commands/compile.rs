//! `compile`: a model to a program, or to any stage on the way.

use super::print;
use crate::args::{CompileArgs, Emit};
use crate::error::CommandError;
use crate::source::{compile, load_machine, read, write};
use std::ops::ControlFlow;
use systole_isa::{Diagnostic, container};

pub(crate) fn run(args: &CompileArgs) -> Result<(), CommandError> {
    let bytes = read(&args.model)?;
    if let Some(pass) = &args.dump_after {
        return dump_after(&bytes, pass);
    }
    let description = load_machine(&args.machine)?;
    if args.emit == Some(Emit::Graph) {
        let graph = systole_compiler::run_passes(systole_compiler::import_onnx(&bytes)?, &mut |_, _| {
            ControlFlow::Continue(())
        })?;
        print(graph.to_string().trim_end());
        return Ok(());
    }
    let name = args
        .model
        .file_stem()
        .map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
    let program = compile(&bytes, &name, &description)?;
    if args.emit == Some(Emit::Asm) {
        print(systole_assembler::disassemble(&program).trim_end());
    }
    if let Some(path) = &args.output {
        let elf = container::write(&program).map_err(|error| error.diagnostic())?;
        write(path, &elf)?;
    }
    if args.emit.is_none() && args.output.is_none() {
        return Err(Diagnostic::error("F0013", "there is nothing to do with the program")
            .help("write it with `-o P.elf`, or print it with `--emit asm`")
            .into());
    }
    Ok(())
}

fn dump_after(bytes: &[u8], name: &str) -> Result<(), CommandError> {
    systole_compiler::passes::find_pass(name).map_err(|error| vec![error])?;
    let mut observe = |pass: &systole_compiler::passes::Pass, graph: &systole_compiler::Graph| {
        if pass.name != name {
            return ControlFlow::Continue(());
        }
        print(graph.to_string().trim_end());
        ControlFlow::Break(())
    };
    systole_compiler::run_passes(systole_compiler::import_onnx(bytes)?, &mut observe)?;
    Ok(())
}
