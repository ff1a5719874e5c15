//! Assembled and compiled programs as files: read back as the same program, shown by `readelf` completely and without a warning, and refused by
//! a machine that they were not made for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use systole_compiler::codegen::{TilingPolicy, generate};
use systole_compiler::{import_onnx, lower};
use systole_isa::machine::preset;
use systole_isa::program::SymbolKind;
use systole_isa::{Program, container};
use systole_simulator::{Machine, Mode};
use systole_testkit::instruction_test::{folder, read_all};

/// The digits network for a shipped machine.
fn digits_on(machine: &str) -> Program {
    let graph = lower(import_onnx(systole_programs::DIGITS.model).unwrap()).unwrap();
    generate(&graph, &preset(machine).unwrap(), TilingPolicy::Fastest).unwrap()
}

/// What `readelf -a` prints about a program; `None` if there is no `readelf`.
fn readelf(program: &Program, name: &str) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("program.elf");
    std::fs::write(&path, container::write(program).unwrap()).unwrap();
    let output = Command::new("readelf").args(["-a", "-W"]).arg(&path).output().ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.is_empty(), "{name}: {errors}");
    assert!(!text.to_lowercase().contains("warning"), "{name}: {text}");
    Some(text)
}

/// False, with a message, if there is no `readelf`.
fn check(program: &Program, name: &str) -> bool {
    let Some(text) = readelf(program, name) else {
        eprintln!("skipped: readelf is not installed");
        return false;
    };
    let sections = program
        .segments
        .iter()
        .map(|segment| format!("] .data.{} ", segment.name));
    let kinds = program.symbols.iter().map(|symbol| {
        let kind = match symbol.kind {
            SymbolKind::Label => "NOTYPE",
            SymbolKind::Dram | SymbolKind::Spm | SymbolKind::Acc => "OBJECT",
        };
        (kind, format!(" {}", symbol.name))
    });
    for section in sections.chain(["] .text ".to_owned(), "] .systole.check ".to_owned()]) {
        assert!(text.contains(&section), "{name}: `{section}` is not in\n{text}");
    }
    for (kind, symbol) in kinds {
        let is_shown = text.lines().any(|line| line.contains(kind) && line.ends_with(&symbol));
        assert!(is_shown, "{name}: `{symbol}` is not in\n{text}");
    }
    assert_eq!(text.contains(".note.systole"), program.machine.is_some(), "{name}");
    true
}

#[test]
fn readelf_shows_assembled_programs() {
    let programs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../programs/asm");
    let mut sources: Vec<(String, String)> = std::fs::read_dir(programs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    for (mnemonic, test) in read_all(&folder()).unwrap() {
        sources.extend(test.cases.into_iter().map(|case| (mnemonic.clone(), case.text)));
    }
    for (name, source) in sources {
        let program = systole_assembler::assemble(&source, &name).unwrap();
        if !check(&program, &name) {
            return;
        }
    }
}

#[test]
fn readelf_shows_compiled_programs() {
    for machine in ["tiny4x4", "edge16x16", "big128x128"] {
        let program = digits_on(machine);
        assert!(program.segments.len() >= 10 && program.machine.is_some());
        if !check(&program, machine) {
            return;
        }
    }
}

/// The diagnostic with which a machine refuses a program, as text.
fn refusal(program: Program, machine: &str) -> String {
    let description = Arc::new(preset(machine).unwrap());
    let error = Machine::new(Arc::new(program), description, Mode::Full).expect_err("the program does not fit");
    error.to_string()
}

#[test]
fn a_program_file_runs_on_its_own_machine_and_on_no_other() {
    let program = digits_on("tiny4x4");
    let read = container::read(&container::write(&program).unwrap()).unwrap();
    assert_eq!(read, program);
    let tiny = Arc::new(preset("tiny4x4").unwrap());
    assert!(Machine::new(Arc::new(read.clone()), tiny, Mode::Full).is_ok());
    let text = refusal(read, "edge16x16");
    for part in [
        "error[S0010]",
        "`tiny4x4`",
        "`edge16x16`",
        "rows: 4, here, rows: 16, there",
    ] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
}

#[test]
fn a_program_that_needs_other_dram_is_refused() {
    let program = |dram_bytes, source: &str| Program {
        dram_bytes,
        ..systole_assembler::assemble(source, "dram.sasm").unwrap()
    };
    assert!(refusal(program(1 << 60, "halt"), "tiny4x4").contains("error[S0011]"));
    let data = ".dram 64\n.segment \"a\", 32\n.zero 32\n.code\nhalt";
    assert!(refusal(program(63, data), "tiny4x4").contains("error[S0012]"));
}
