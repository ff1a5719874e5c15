//! Damaged program files and machine descriptions: whatever happened to the bytes, they are refused with a reason or mean what they meant.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/sample.rs"]
mod sample;
mod support;

use proptest::prelude::*;
use sample::sample;
use std::collections::BTreeMap;
use support::config;
use systole_isa::container::{ContainerError, read, write};
use systole_isa::instruction::WORD_BYTES;
use systole_isa::machine::{preset_names, preset_text};
use systole_isa::{Instruction, MachineDescription};

/// Fields of the ELF header: offset and name.
const HEADER: [(usize, &str); 18] = [
    (0, "magic"),
    (4, "class"),
    (5, "data encoding"),
    (6, "version of the identification"),
    (7, "ABI and padding"),
    (16, "e_type"),
    (18, "e_machine"),
    (20, "e_version"),
    (24, "e_entry"),
    (32, "e_phoff"),
    (40, "e_shoff"),
    (48, "e_flags"),
    (52, "e_ehsize"),
    (54, "e_phentsize"),
    (56, "e_phnum"),
    (58, "e_shentsize"),
    (60, "e_shnum"),
    (62, "e_shstrndx"),
];
/// Fields of a section header: offset and name.
const SECTION_HEADER: [(usize, &str); 10] = [
    (0, "sh_name"),
    (4, "sh_type"),
    (8, "sh_flags"),
    (16, "sh_addr"),
    (24, "sh_offset"),
    (32, "sh_size"),
    (40, "sh_link"),
    (44, "sh_info"),
    (48, "sh_addralign"),
    (56, "sh_entsize"),
];

fn number(bytes: &[u8], at: usize, n_bytes: usize) -> usize {
    bytes[at..at + n_bytes]
        .iter()
        .rev()
        .fold(0, |value, &byte| value << 8 | usize::from(byte))
}

fn field(fields: &[(usize, &'static str)], offset: usize) -> &'static str {
    fields.iter().rev().find(|(from, _)| *from <= offset).unwrap().1
}

/// What each byte of a file belongs to.
fn regions(bytes: &[u8]) -> Vec<String> {
    let mut regions = vec!["padding".to_owned(); bytes.len()];
    let mut fill = |from: usize, length: usize, name: &dyn Fn(usize) -> String| {
        (0..length).for_each(|i| regions[from + i] = name(i));
    };
    fill(0, 64, &|i| format!("header: {}", field(&HEADER, i)));
    let (programs, n_programs) = (number(bytes, 32, 8), number(bytes, 56, 2));
    fill(programs, 56 * n_programs, &|_| "program headers".to_owned());
    let (sections, n_sections) = (number(bytes, 40, 8), number(bytes, 60, 2));
    let header = |i: usize| sections + 64 * i;
    let place = |i: usize| (number(bytes, header(i) + 24, 8), number(bytes, header(i) + 32, 8));
    let names = place(number(bytes, 62, 2)).0;
    for i in 0..n_sections {
        let start = names + number(bytes, header(i), 4);
        let name: String = bytes[start..]
            .iter()
            .take_while(|&&b| b != 0)
            .map(|&b| b as char)
            .collect();
        let is_ours = name.starts_with(".systole") || name.starts_with(".data") || name == ".text";
        fill(header(i), 64, &|i| match is_ours {
            true => format!("section header: {}", field(&SECTION_HEADER, i)),
            false => "section header of what other tools read".to_owned(),
        });
        let (offset, size) = place(i);
        fill(offset, size, &|_| format!("content of {name}"));
    }
    regions
}

#[test]
fn every_truncation_is_refused() {
    let bytes = write(&sample()).unwrap();
    for n in 0..bytes.len() {
        let error = read(&bytes[..n]).expect_err("a part of a file is no file");
        assert!(!error.diagnostic().to_string().is_empty());
    }
}

/// The parts of which some bit may change unnoticed. A program is read from the contents of its own sections alone, and those and their
/// places are not among them; these parts only tell other tools about it. `sh_offset` is that of a section without content.
const UNUSED: &[&str] = &[
    "content of .note.systole",
    "content of .shstrtab",
    "content of .strtab",
    "content of .symtab",
    "header: ABI and padding",
    "header: e_ehsize",
    "header: e_flags",
    "header: e_phentsize",
    "header: e_phnum",
    "header: e_phoff",
    "header: e_version",
    "padding",
    "program headers",
    "section header of what other tools read",
    "section header: sh_addr",
    "section header: sh_addralign",
    "section header: sh_entsize",
    "section header: sh_flags",
    "section header: sh_info",
    "section header: sh_link",
    "section header: sh_offset",
    "section header: sh_type",
];

#[test]
fn every_flipped_bit_is_refused_or_changes_nothing() {
    let program = sample();
    let mut bytes = write(&program).unwrap();
    let regions = regions(&bytes);
    let mut accepted: BTreeMap<&str, usize> = BTreeMap::new();
    for i in 0..bytes.len() {
        for bit in 0..8 {
            bytes[i] ^= 1 << bit;
            match read(&bytes) {
                Ok(read) => {
                    assert_eq!(read, program, "byte {i:#x} bit {bit}, {}", regions[i]);
                    *accepted.entry(&regions[i]).or_default() += 1;
                }
                Err(error) => assert!(error.diagnostic().help.is_some()),
            }
            bytes[i] ^= 1 << bit;
        }
    }
    let found: Vec<&str> = accepted.keys().copied().collect();
    assert_eq!(found, UNUSED, "{accepted:#?}");
}

/// A file with some of its bytes changed, and mostly with the checksum mended so that the change is not refused for it alone.
fn changed_file() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8);
    (changes, prop::bool::weighted(0.8)).prop_map(|(changes, is_mended)| {
        let mut bytes = write(&sample()).unwrap();
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if let (true, Err(ContainerError::Checksum { stored, computed })) = (is_mended, read(&bytes)) {
            let (stored, computed) = (format!("{stored:016x}"), format!("{computed:016x}"));
            if let Some(at) = bytes.windows(16).position(|window| window == stored.as_bytes()) {
                bytes[at..at + 16].copy_from_slice(computed.as_bytes());
            }
        }
        bytes
    })
}

/// A file is refused with a diagnostic, or read as a program that is written and read again as the same.
fn check_file(bytes: &[u8]) -> bool {
    match read(bytes) {
        Ok(program) => {
            let written = write(&program).expect("what was read can be written");
            assert_eq!(read(&written), Ok(program));
            true
        }
        Err(error) => {
            assert!(error.diagnostic().code.starts_with('P') && error.diagnostic().help.is_some());
            false
        }
    }
}

/// A shipped description with a piece of it replaced, repeated or cut out.
fn changed_description() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        "[-a-z0-9_\\.(){}\\[\\],:\" ]{0,6}",
        Just("4294967296".to_owned()),
        Just("-1".to_owned()),
        Just("0".to_owned()),
        Just("1e999".to_owned()),
        Just("((((((((".to_owned()),
    ];
    let name = prop::sample::select(preset_names().collect::<Vec<_>>());
    let range = (any::<prop::sample::Index>(), 0_usize..12);
    (name, prop::collection::vec((range, pieces), 1..4)).prop_map(|(name, changes)| {
        let mut text: Vec<char> = preset_text(name).unwrap().chars().collect();
        for ((index, length), piece) in changes {
            let from = index.index(text.len());
            let to = (from + length).min(text.len());
            text.splice(from..to, piece.chars());
        }
        text.into_iter().collect()
    })
}

/// A text is refused with every reason, or is a description that its own text gives again.
fn check_description(text: &str) {
    match MachineDescription::from_ron(text, "property.ron") {
        Ok(description) => assert_eq!(
            MachineDescription::from_ron(&description.to_ron(), "again.ron"),
            Ok(description)
        ),
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_bytes_are_no_program(bytes in prop::collection::vec(any::<u8>(), 0..300), is_elf in any::<bool>()) {
        let mut bytes = bytes;
        if is_elf {
            bytes.splice(0..0, write(&sample()).unwrap()[..64].iter().copied());
        }
        prop_assert!(!check_file(&bytes));
        for word in bytes.as_chunks::<WORD_BYTES>().0 {
            let word = u128::from_le_bytes(*word);
            if let Ok(instruction) = Instruction::decode(word) {
                prop_assert_eq!(instruction.encode(), Ok(word));
            }
        }
    }

    #[test]
    fn a_changed_file_is_refused_or_a_program(bytes in changed_file()) {
        check_file(&bytes);
    }

    #[test]
    fn random_text_is_no_machine(text in "\\PC{0,80}") {
        prop_assert!(MachineDescription::from_ron(&text, "property.ron").is_err());
        check_description(&text);
    }

    #[test]
    fn random_bytes_are_no_machine(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        check_description(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_changed_description_is_refused_or_a_machine(text in changed_description()) {
        check_description(&text);
    }
}

#[test]
fn changes_are_neither_all_refused_nor_all_accepted() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let n_read = (0..500)
        .filter(|_| check_file(&changed_file().new_tree(&mut runner).unwrap().current()))
        .count();
    let n_machines = (0..500)
        .filter(|_| {
            let text = changed_description().new_tree(&mut runner).unwrap().current();
            MachineDescription::from_ron(&text, "property.ron").is_ok()
        })
        .count();
    assert!(
        (20..480).contains(&n_read) && (20..480).contains(&n_machines),
        "{n_read} {n_machines}"
    );
}
