//! The instruction reference says what the instruction table says. `BLESS=1` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use systole_isa::Instruction;
use systole_isa::instruction::OPCODES;
use systole_testkit::manual::{example, fields, manual};

#[test]
fn the_reference_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/instructions.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, manual()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == manual(),
        "{} differs from the table; run this test with BLESS=1",
        path.display()
    );
}

#[test]
fn every_bit_of_every_word_has_one_owner() {
    for row in OPCODES {
        let mut next = 0;
        for (name, low_bit, bits) in fields(row) {
            assert_eq!(low_bit, next, "{} {name}", row.mnemonic);
            next += bits;
        }
        assert_eq!(next, 128, "{}", row.mnemonic);
    }
}

#[test]
fn every_example_assembles_to_the_word_that_stands_beside_it() {
    for row in OPCODES {
        let example = example(row).unwrap_or_else(|| panic!("{} has no example", row.mnemonic));
        let line = systole_assembler::format_instruction(&example, &|_| None);
        let program = systole_assembler::assemble(&line, "example.sasm").unwrap_or_else(|d| panic!("{line}: {d:?}"));
        assert_eq!(program.code, [example]);
        assert_eq!(Instruction::decode(example.encode().unwrap()), Ok(example));
    }
}
