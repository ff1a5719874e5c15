//! The instruction reference says what the instruction table and the instruction tests say. `BLESS=1` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use systole_isa::Instruction;
use systole_isa::instruction::OPCODES;
use systole_testkit::instruction_test::{folder, read_all};
use systole_testkit::manual::{anchor, drawing, example, fields, manual};

#[test]
fn the_reference_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/instructions.md");
    let text = manual(&folder()).unwrap();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == text,
        "{} differs from the table or the instruction tests; run this test with BLESS=1",
        path.display()
    );
}

#[test]
fn every_link_of_the_contents_has_one_heading() {
    let text = manual(&folder()).unwrap();
    let headings: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")))
        .map(anchor)
        .collect();
    let unique: BTreeSet<&str> = headings.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), headings.len(), "two headings have one anchor");
    let links: BTreeSet<&str> = text
        .split("](#")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .collect();
    assert!(links.is_subset(&unique), "{:?}", links.difference(&unique));
    for row in OPCODES {
        assert!(links.contains(anchor(row.mnemonic).as_str()), "{}", row.mnemonic);
    }
}

#[test]
fn every_instruction_is_in_the_grammar_and_has_its_executed_example() {
    let text = manual(&folder()).unwrap();
    let grammar = text.split("```").nth(1).unwrap();
    let missing: Vec<&str> = OPCODES
        .iter()
        .filter(|row| !text.contains(&format!("\n### {}\n", row.mnemonic)))
        .map(|row| row.mnemonic)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    for row in OPCODES {
        let action = row.mnemonic.rsplit('.').next().unwrap();
        assert!(grammar.contains(&format!("\"{action}\"")), "{}", row.mnemonic);
    }
    // Which files are missing is said by the test of the files; those that exist are all shown.
    for (mnemonic, test) in read_all(&folder()).unwrap() {
        let case = test
            .case("values")
            .unwrap_or_else(|| panic!("{mnemonic} has no case `values`"));
        let program = case.text.split_once('\n').unwrap().1.trim_end();
        let section = text
            .split("\n### ")
            .find(|part| part.starts_with(&format!("{mnemonic}\n")))
            .unwrap();
        assert!(section.contains(program), "{mnemonic}");
    }
}

#[test]
fn a_drawing_shows_every_field_at_its_place() {
    let row = OPCODES.iter().find(|row| row.mnemonic == "mx.wload").unwrap();
    let expected = "     \
     +---------------------------------------------------------------+
127  |                             zero                              |  96
     +---------------+-----------------------------------------------+
 95  |     zero      |                       n                       |  64
     +-+-------------+-----------------------------------+-----------+
 63  |n|                        k                        |     w     |  32
     +-+-----+---------+---------+---------+---------+---+-----------+
 31  |   w   | post 1  | post 0  | wait 1  | wait 0  |    opcode     |  0
     +-------+---------+---------+---------+---------+---------------+
";
    assert_eq!(drawing(row), expected);
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
