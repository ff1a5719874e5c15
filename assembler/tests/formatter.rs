//! The tidy form of a text means the same, keeps its comments, and is its own tidy form.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use proptest::prelude::*;
use std::path::Path;
use systole_assembler::{assemble, disassemble, format_source};
use systole_isa::Program;

/// The shipped assembly programs.
fn programs() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../programs/asm");
    let mut programs: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sasm"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    programs.sort();
    assert!(!programs.is_empty());
    programs
}

/// The program of a text without the numbers of its lines, which formatting may change.
fn meaning(text: &str) -> Result<Program, Vec<&'static str>> {
    match assemble(text, "t.sasm") {
        Ok(program) if text.contains(".lines") => Ok(program),
        Ok(program) => Ok(Program {
            lines: Vec::new(),
            ..program
        }),
        Err(problems) => Err(problems.iter().map(|problem| problem.code).collect()),
    }
}

/// Everything of a text but blanks.
fn ink(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn check(text: &str) -> String {
    let tidy = format_source(text, "t.sasm").unwrap();
    assert_eq!(format_source(&tidy, "t.sasm").as_ref(), Ok(&tidy), "of\n{text}");
    assert_eq!(ink(&tidy), ink(text));
    assert!(meaning(&tidy) == meaning(text), "{text}\nbecomes\n{tidy}");
    assert!(!tidy.contains("\n\n\n") && !tidy.starts_with('\n') && !tidy.ends_with("\n\n"));
    assert!(tidy.lines().all(|line| line.trim_end() == line));
    tidy
}

#[test]
fn shipped_programs_are_tidy() {
    for (path, text) in programs() {
        assert_eq!(check(&text), text, "{path}: run `systole fmt {path}`");
    }
}

/// Changes to the blanks of a text that its tokens survive.
fn untidied(text: &str, choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle();
    let mut choice = |n: u8| choices.next().map_or(0, |choice| choice % n);
    let mut untidy = String::new();
    for line in text.lines() {
        let mut is_quoted = false;
        let body = line.split(';').next().unwrap_or("").len();
        for (i, c) in line.char_indices() {
            is_quoted ^= c == '"';
            if i >= body || is_quoted || !matches!(c, ' ' | ',') {
                untidy.push(c);
                continue;
            }
            match choice(6) {
                0 => untidy.extend([c, '\t']),
                1 => untidy.extend([c, ' ', ' ', ' ']),
                2 if c == ',' => untidy.extend([' ', c]),
                3 if i == 0 => {}
                _ => untidy.push(c),
            }
        }
        let end = ["\n", "\r\n", "  \n", "\n\n\n", "\n \t\n\n"];
        untidy.push_str(end[usize::from(choice(5))]);
    }
    untidy
}

proptest! {
    #[test]
    fn untidied_programs_mean_the_same(place in any::<prop::sample::Index>(), choices in prop::collection::vec(any::<u8>(), 1..300)) {
        let programs = programs();
        let text = &programs[place.index(programs.len())].1;
        prop_assert!(meaning(text).is_ok());
        check(&untidied(text, &choices));
    }

    #[test]
    fn random_programs_mean_the_same(program in common::program()) {
        check(&disassemble(&program));
    }

    #[test]
    fn programs_with_a_piece_replaced_are_refused_or_mean_the_same(
        place in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        n_chars in 0_usize..6,
        piece in "[ -~\\n\\t]{0,6}",
    ) {
        let programs = programs();
        let text: Vec<char> = programs[place.index(programs.len())].1.chars().collect();
        let start = cut.index(text.len());
        let end = (start + n_chars).min(text.len());
        let mutated: String = text[..start].iter().copied().chain(piece.chars()).chain(text[end..].iter().copied()).collect();
        if format_source(&mutated, "t.sasm").is_ok() {
            check(&mutated);
        }
    }
}
