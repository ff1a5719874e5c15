//! Every example of the language reference assembles, and survives its disassembly.
//!
//! A block that begins with three backticks and `sasm` is a text. A word behind it without `=` names the block as a file, which later blocks may
//! include; `NAME=w.npy` gives the block a small array under this name.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use systole_assembler::directives::DIRECTIVES;
use systole_assembler::{LoadedFile, assemble, assemble_with, disassemble};

const PAGE: &str = include_str!("../../docs/assembly.md");

/// The words behind `sasm` and the text of every example.
fn examples() -> Vec<(Vec<&'static str>, String)> {
    let mut examples = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if let Some(words) = line.strip_prefix("```sasm") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            examples.push((words.split_whitespace().collect(), text.join("\n")));
        }
    }
    examples
}

/// A 2 x 3 array of bytes.
fn array() -> Vec<u8> {
    let header = format!(
        "{:<117}\n",
        "{'descr': '|i1', 'fortran_order': False, 'shape': (2, 3), }"
    );
    [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), &[1, 2, 3, 4, 5, 6]].concat()
}

#[test]
fn every_example_assembles() {
    let examples = examples();
    assert!(examples.len() >= 10, "{}", examples.len());
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (words, text) in &examples {
        for word in words {
            match word.split_once('=') {
                Some((name, _)) => files.insert(name.to_owned(), array()),
                None => files.insert((*word).to_owned(), text.clone().into_bytes()),
            };
        }
        let mut load = |path: &str, _: &str| {
            let bytes = files.get(path).ok_or("no such file")?.clone();
            let name = path.to_owned();
            Ok(LoadedFile { name, bytes })
        };
        let program = assemble_with(text, "example.sasm", &mut load)
            .unwrap_or_else(|diagnostics| panic!("{}\n{text}", diagnostics[0]));
        let again = assemble(&disassemble(&program), "again").unwrap();
        assert_eq!(again, program, "{text}");
    }
}

#[test]
fn every_directive_stands_on_the_page() {
    for info in DIRECTIVES {
        let is_there = PAGE.match_indices(info.name).any(|(at, name)| {
            let next = PAGE[at + name.len()..].chars().next();
            next.is_none_or(|c| !c.is_ascii_alphanumeric())
        });
        assert!(is_there, "`{}` is missing", info.name);
    }
}
