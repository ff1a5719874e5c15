//! Programs survive being text and being a file; nothing that is neither makes the tools panic.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{instruction, program};
use proptest::prelude::*;
use systole_assembler::{Disassembler, LoadedFile, assemble, assemble_with, disassemble, format_instruction};
use systole_isa::instruction::OPCODES;
use systole_isa::{Instruction, Program, container};

/// The program of a text that is expected to assemble.
fn assembled(text: &str) -> Program {
    assemble(text, "t.sasm").unwrap_or_else(|diagnostics| {
        let reasons: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        panic!("{}\n{text}", reasons.join("\n"))
    })
}

/// What else a line of assembly may hold, and some of what it may not.
const MARKS: [&str; 74] = [
    "\n",
    "\n",
    "\n",
    ", ",
    ", ",
    ", ",
    ":",
    "=",
    "(",
    ")",
    "[",
    "]",
    "+",
    "-",
    "*",
    "/",
    "%",
    "<<",
    ">>",
    "&",
    "|",
    "?t1",
    "!t2",
    "@",
    "..",
    "\"a\"",
    "\"",
    "\\",
    ";",
    "x",
    "y",
    "x:",
    ".L1",
    ".L1:",
    "r1",
    "r40",
    "d3",
    "d3[r4]",
    "t1",
    "spm",
    "over",
    "1",
    "0",
    "0x10",
    "99999999999",
    "1.5",
    "-1",
    "name=",
    "k=",
    "shape=",
    "[1, 2]",
    "é",
    "\t",
    "\r\n",
    "\"0f\"",
    "\\x",
    "\\y",
    "\\@",
    "\\x.d0",
    "x.bytes",
    "x\\@:",
    ".x",
    ".x:",
    "x.x",
    "[1]*3",
    "i4",
    "x=1",
    "first=1",
    "\n.endm\n",
    "\n.endr\n",
    "\n.macro x x, y=2\n",
    "\n.segment \"s\", 0\n",
    "\n.tensor x, i4, [2, 3]\n",
    "x 1, y\n",
];

/// Lines of something like assembly: pieces that belong in it, in any order.
fn nearly_assembly() -> impl Strategy<Value = String> {
    let mut pieces: Vec<String> = OPCODES.iter().map(|row| format!("{} ", row.mnemonic)).collect();
    pieces.extend(
        systole_assembler::directives::DIRECTIVES
            .iter()
            .map(|row| format!("{} ", row.name)),
    );
    pieces.extend(MARKS.map(str::to_owned));
    prop::collection::vec(proptest::sample::select(pieces), 0..60).prop_map(|pieces| pieces.concat())
}

/// Real programs, which use everything.
const SOURCES: [&str; 9] = [
    include_str!("../../programs/asm/convolution.sasm"),
    include_str!("../../programs/asm/double_buffered.sasm"),
    include_str!("../../programs/asm/matmul.sasm"),
    include_str!("../../programs/asm/max_pool.sasm"),
    include_str!("../../programs/asm/requantize_relu.sasm"),
    include_str!("errors/macros.sasm"),
    include_str!("errors/shapes.sasm"),
    include_str!("errors/names.sasm"),
    include_str!("../../docs/assembly.md"),
];

/// A part of a real program with some of its words exchanged, repeated, left out or cut.
fn damaged_source() -> impl Strategy<Value = String> {
    let lines: Vec<&str> = SOURCES.iter().flat_map(|text| text.lines()).collect();
    let n_lines = lines.len();
    let damage = prop::collection::vec((0_usize..60, 0_usize..8, 0_u8..6, 0_usize..MARKS.len()), 0..6);
    (0..n_lines, 1_usize..60, damage).prop_map(move |(first, n, damage)| {
        let mut part: Vec<String> = lines
            .iter()
            .skip(first)
            .take(n)
            .map(|line| (*line).to_owned())
            .collect();
        for (line, word, kind, mark) in damage {
            let line = line % part.len();
            let mut words: Vec<&str> = part[line].split_inclusive([' ', ',', '(', '[', '\\']).collect();
            let word = word.min(words.len().saturating_sub(1));
            match kind {
                0 if !words.is_empty() => {
                    words.remove(word);
                }
                1 if !words.is_empty() => words.insert(word, words[word]),
                2 => words.insert(word, MARKS[mark]),
                3 if !words.is_empty() => words[word] = MARKS[mark],
                4 => words.truncate(word),
                _ if !words.is_empty() => words.swap(0, word),
                _ => {}
            }
            part[line] = words.concat();
        }
        part.join("\n")
    })
}

/// Files for any name: text for most, an array for some.
fn any_file(path: &str, _: &str) -> Result<LoadedFile, String> {
    let header = format!("{:<117}\n", "{'descr': '|i1', 'fortran_order': False, 'shape': (6,), }");
    let bytes = match path.len() % 3 {
        0 => b".macro row d, n\n    level \\d, 4, \\n, 1\n.endm\nnop\n".to_vec(),
        1 => [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), &[1, 2, 3, 4, 5, 6]].concat(),
        _ => return Err("no such file".to_owned()),
    };
    let name = path.to_owned();
    Ok(LoadedFile { name, bytes })
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn an_instruction_survives_its_word(instruction in instruction()) {
        let word = instruction.encode().unwrap();
        prop_assert_eq!(Instruction::decode(word), Ok(instruction));
    }

    #[test]
    fn an_instruction_survives_its_text(instruction in instruction()) {
        let text = format_instruction(&instruction, &|_| None);
        prop_assert_eq!(assembled(&text).code, [instruction], "{}", text);
    }

    #[test]
    fn a_program_survives_its_text(program in program()) {
        let text = disassemble(&program);
        let again = assembled(&text);
        prop_assert_eq!(&again, &program, "{}", text);
        prop_assert_eq!(container::write(&again).unwrap(), container::write(&program).unwrap());
    }

    #[test]
    fn a_program_survives_its_file(program in program()) {
        let bytes = container::write(&program).unwrap();
        prop_assert_eq!(container::read(&bytes).unwrap(), program);
    }

    #[test]
    fn every_line_can_be_shown_by_itself(program in program()) {
        let names = Disassembler::new(&program);
        for pc in 0..program.code.len() as u32 {
            let line = names.line(pc);
            prop_assert!(!line.is_empty() && !line.contains('\n'));
        }
        prop_assert_eq!(names.line(program.code.len() as u32), "");
    }

    #[test]
    fn a_damaged_file_is_refused_or_equal(program in program(), at in any::<prop::sample::Index>(), xor in 1_u8..) {
        let mut bytes = container::write(&program).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= xor;
        if let Ok(read) = container::read(&bytes) {
            prop_assert_eq!(read, program);
        }
    }

    #[test]
    fn random_text_never_panics(text in any::<String>()) {
        let _ = assemble(&text, "t.sasm");
    }

    #[test]
    fn random_pieces_of_assembly_never_panic(text in nearly_assembly()) {
        if let Ok(program) = assemble(&text, "t.sasm") {
            // What assembles is a program like any other.
            prop_assert_eq!(assembled(&disassemble(&program)), program);
        }
    }

    #[test]
    fn a_damaged_disassembly_assembles_to_a_program_or_says_why(
        program in program(),
        places in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4), 1..4),
    ) {
        let mut lines: Vec<String> = disassemble(&program).lines().map(str::to_owned).collect();
        for (at, damage) in places {
            let at = at.index(lines.len());
            let n_chars = lines[at].chars().count();
            match damage {
                0 => { lines.remove(at); }
                1 => lines.insert(at, lines[at].clone()),
                2 => lines[at] = lines[at].chars().take(n_chars / 2).collect(),
                _ => lines[at] = lines[at].replacen(',', " ", 1),
            }
            if lines.is_empty() {
                break;
            }
        }
        match assemble(&lines.join("\n"), "t.sasm") {
            Ok(program) => prop_assert_eq!(assembled(&disassemble(&program)), program),
            Err(diagnostics) => prop_assert!(!diagnostics.is_empty()),
        }
    }

    #[test]
    fn a_damaged_source_assembles_to_a_program_or_says_why(text in damaged_source()) {
        match assemble_with(&text, "t.sasm", &mut any_file) {
            Ok(program) => prop_assert_eq!(assembled(&disassemble(&program)), program, "{}", text),
            Err(diagnostics) => {
                prop_assert!(!diagnostics.is_empty());
                for diagnostic in diagnostics {
                    prop_assert!(!diagnostic.to_string().is_empty());
                }
            }
        }
    }

    #[test]
    fn every_place_lies_in_the_text(text in nearly_assembly()) {
        for diagnostic in assemble(&text, "t.sasm").err().unwrap_or_default() {
            let place = diagnostic.place.as_ref().unwrap();
            let line = text.split('\n').nth(place.line as usize - 1).unwrap();
            prop_assert_eq!(line.trim_end_matches('\r'), &place.text);
            prop_assert!(place.column as usize + place.length as usize <= place.text.chars().count() + 2);
        }
    }

    #[test]
    fn random_bytes_are_no_program_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(container::read(&bytes).is_err());
    }

    #[test]
    fn a_random_rest_behind_a_real_header_never_panics(rest in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = container::write(&Program::default()).unwrap();
        bytes.truncate(64);
        bytes.extend(rest);
        prop_assert!(container::read(&bytes).is_err());
    }
}
