//! The container: what is written is read back, and what is damaged or foreign is refused with its reason.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/sample.rs"]
mod sample;

use sample::sample;
use std::process::Command;
use systole_isa::container::{self, CODE_BASE, ContainerError};
use systole_isa::operand::Target;
use systole_isa::program::{Program, Quantization};
use systole_isa::{Op, Tokens};

#[test]
fn a_program_survives_its_file_and_equal_programs_have_equal_bytes() {
    for program in [sample(), Program::default()] {
        let bytes = container::write(&program).unwrap();
        assert!(container::is_elf(&bytes));
        assert_eq!(container::read(&bytes).unwrap(), program);
        assert_eq!(container::write(&program.clone()).unwrap(), bytes);
    }
}

#[test]
fn a_file_may_lie_at_any_alignment_in_memory() {
    let bytes = container::write(&sample()).unwrap();
    for shift in 0..16 {
        let mut moved = vec![0; shift];
        moved.extend(&bytes);
        assert_eq!(container::read(&moved[shift..]).unwrap(), sample());
    }
}

#[test]
fn every_flipped_bit_of_content_is_refused_by_the_checksum() {
    let mut bytes = container::write(&sample()).unwrap();
    let contents: [&[u8]; 3] = [b"dram_bytes", &[7, 7, 7], &[3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0]];
    for content in contents {
        let at = bytes
            .windows(content.len())
            .position(|window| window == content)
            .unwrap();
        for bit in 0..8 * content.len() {
            bytes[at + bit / 8] ^= 1 << (bit % 8);
            let error = container::read(&bytes).unwrap_err();
            assert!(matches!(error, ContainerError::Checksum { .. }), "{error}");
            bytes[at + bit / 8] ^= 1 << (bit % 8);
        }
    }
}

/// A file with one byte changed.
fn patched(at: usize, byte: u8) -> Vec<u8> {
    let mut bytes = container::write(&sample()).unwrap();
    bytes[at] = byte;
    bytes
}

#[test]
fn foreign_files_get_the_reason() {
    let cases: [(Vec<u8>, ContainerError); 7] = [
        (Vec::new(), ContainerError::NotElf),
        (b"#!/bin/sh".to_vec(), ContainerError::NotElf),
        (patched(4, 1), ContainerError::Class(1)),
        (patched(5, 2), ContainerError::Encoding(2)),
        (patched(16, 1), ContainerError::FileType(1)),
        (patched(16, 3), ContainerError::FileType(3)),
        (patched(18, 0x3e), ContainerError::Machine(0x593e)),
    ];
    for (bytes, expected) in cases {
        let error = container::read(&bytes).unwrap_err();
        assert_eq!(error, expected);
        let diagnostic = error.diagnostic();
        assert_eq!(diagnostic.code, "P0001");
        assert!(diagnostic.help.is_some());
    }
}

#[test]
fn a_file_of_another_version_is_told_from_a_damaged_one() {
    let mut bytes = container::write(&sample()).unwrap();
    let word = b"systole-program ";
    let at = bytes.windows(word.len()).position(|window| window == word).unwrap();
    bytes[at + word.len()] = b'7';
    assert_eq!(container::read(&bytes), Err(ContainerError::Version(7)));
}

#[test]
fn what_contradicts_itself_is_not_written() {
    let reason = |change: fn(&mut Program)| {
        let mut program = sample();
        change(&mut program);
        container::write(&program).unwrap_err().to_string()
    };
    assert!(reason(|p| p.lines.truncate(2)).contains("2 source lines are given for 5 instructions"));
    assert!(reason(|p| p.segments[1].name = "weights".to_owned()).contains("two segments are named `weights`"));
    assert!(reason(|p| p.symbols[0].name = "tile".to_owned()).contains("two symbols are named `tile`"));
    assert!(reason(|p| p.segments[0].address = CODE_BASE - 39).contains("reaches beyond"));
    assert!(reason(|p| p.segments[0].address = u64::MAX).contains("reaches beyond"));
    assert!(reason(|p| p.dram_bytes = 5).contains("tensor `x` has more elements than the program's DRAM holds"));
    assert!(reason(|p| p.outputs[0].shape = vec![u64::MAX, 2, 0]).contains("`y` has more elements"));
    assert!(reason(|p| p.inputs[0].strides = vec![1, 1]).contains("`x` has 3 axes and 2 strides"));
    assert!(reason(|p| p.inputs[0].strides = vec![1, u64::MAX, 1]).contains("`x` reaches beyond"));
    let scale = |p: &mut Program, scale| p.inputs[0].quantization = Some(Quantization { scale, zero_point: 0 });
    let mut program = sample();
    for wrong in [f32::NAN, f32::INFINITY, 0.0, -1.0] {
        scale(&mut program, wrong);
        let error = container::write(&program).unwrap_err().to_string();
        assert!(error.contains("not finite and above zero"), "{error}");
    }
    let too_wide = |p: &mut Program| {
        p.code[2].op = Op::Loop {
            count: (1 << 50).into(),
            end: Target(4),
        }
    };
    assert!(reason(too_wide).contains("instruction 2: operand `count`"));
    let second_token_only = |p: &mut Program| {
        let token = Some(systole_isa::operand::Token::at(1));
        p.code[0].tokens = Tokens {
            waits: [None, token],
            ..Tokens::NONE
        };
    };
    assert!(reason(second_token_only).contains("first token place is empty"));
}

/// What `readelf -a` prints; `None`, with a message, if it is not installed.
fn readelf(program: &Program) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("program.elf");
    std::fs::write(&path, container::write(program).unwrap()).unwrap();
    let Ok(output) = Command::new("readelf").args(["-a", "-W"]).arg(&path).output() else {
        eprintln!("skipped: readelf is not installed");
        return None;
    };
    let (text, errors) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    assert!(!text.to_lowercase().contains("warning"), "{text}");
    Some(text)
}

#[test]
fn readelf_shows_every_part_without_a_warning() {
    let Some(text) = readelf(&sample()) else { return };
    for part in [
        "EXEC (Executable file)",
        "0x1000000000010",
        ".text",
        ".data.weights",
        ".data.bias_",
        ".systole.meta",
        ".systole.lines",
        ".systole.check",
        ".note.systole     NOTE",
        "Systole              0x00000012",
        "ff ff ff ff ff ff ff ff 65 64 67 65 31 36 78 31 36 00",
        "LOAD",
        "0001000000000020     0 NOTYPE  GLOBAL DEFAULT    1 top",
        "0000000000000200    40 OBJECT  GLOBAL DEFAULT    2 weights",
        "0000000000000040    16 OBJECT  GLOBAL DEFAULT  ABS sums",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[test]
fn readelf_has_no_complaint_about_an_empty_program() {
    if let Some(text) = readelf(&Program::default()) {
        assert!(text.contains(".text") && !text.contains(".note"), "{text}");
    }
}
