//! Which file the lines of a program's line table are lines of.
//!
//! A line table holds numbers only. Instructions from an included file are named by a symbol, `file:` and the file's name, which
//! begins at the first of them and has their size; where such ranges lie within each other, the innermost one holds.
//! Everything else comes from the text that was assembled.

use crate::source::Span;
use crate::sources::Sources;
use std::collections::{BTreeMap, BTreeSet};
use systole_isa::Program;
use systole_isa::instruction::WORD_BYTES;
use systole_isa::program::{Symbol, SymbolKind};

/// What the names of such symbols begin with.
const PREFIX: &str = "file:";
/// Between the name of a file and the number of its inclusion, from the second on.
const AGAIN: char = '#';

/// Adds the symbols of included files. `heads` are the places of the instructions.
pub(crate) fn add_symbols(program: &mut Program, heads: impl Iterator<Item = Span>, sources: &Sources) {
    // First and last instruction of every inclusion, by the first offset of its text.
    let mut ranges: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for (pc, head) in (0..).zip(heads) {
        for file in sources.files_around(head) {
            ranges.entry(file).or_insert((pc, pc)).1 = pc;
        }
    }
    let mut taken: BTreeSet<String> = program.symbols.iter().map(|symbol| symbol.name.clone()).collect();
    for (file, (first, last)) in ranges {
        let Some(source) = sources.source_at(file) else {
            continue;
        };
        let mut name = format!("{PREFIX}{}", source.file());
        for number in 2.. {
            if taken.insert(name.clone()) {
                break;
            }
            name = format!("{PREFIX}{}{AGAIN}{number}", source.file());
        }
        program.symbols.push(Symbol {
            name,
            kind: SymbolKind::Label,
            value: first,
            size: (last - first + 1) * WORD_BYTES as u64,
        });
    }
}

/// Where the source of an instruction is: the file, or `None` for the text that was assembled, and the line, counted from 1.
/// `None` if the program has no line table.
pub fn source_line(program: &Program, pc: u32) -> Option<(Option<&str>, u32)> {
    let line = *program.lines.get(pc as usize)?;
    let holds = |symbol: &&Symbol| {
        let offset = u64::from(pc).checked_sub(symbol.value);
        let n_instructions = symbol.size / WORD_BYTES as u64;
        symbol.kind == SymbolKind::Label
            && symbol.name.starts_with(PREFIX)
            && offset.is_some_and(|offset| offset < n_instructions)
    };
    let innermost = program.symbols.iter().filter(holds).min_by_key(|symbol| symbol.size);
    let file = innermost.and_then(|symbol| symbol.name.strip_prefix(PREFIX));
    let file = file.map(|name| match name.rsplit_once(AGAIN) {
        Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => name,
    });
    Some((file, line))
}
