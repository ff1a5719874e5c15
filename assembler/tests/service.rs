//! Every question has an answer for every text and every offset.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use systole_assembler::service::Document;
use systole_isa::instruction::OPCODES;

/// Pieces of lines, whole and broken.
const PIECES: [&str; 40] = [
    "\n",
    "\n",
    "\n",
    "\r\n",
    " ",
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
    "..",
    "\"a\"",
    "\"",
    "\\",
    "; ä",
    "x",
    "x:",
    "y:",
    ".L1",
    ".L1:",
    "r1",
    "r40",
    "d3[r4]",
    "?t1",
    "!t2",
    "@",
    ".equ y, x + 1",
    ".symbol \"x\", spm, 3",
    ".segment \"s\", 0",
    ".code",
    ".macro m",
    ".endm",
    ".scope",
    ".endscope",
    "Größe",
];

fn text() -> impl Strategy<Value = String> {
    let mnemonics = proptest::sample::select(OPCODES).prop_map(|row| format!("{} ", row.mnemonic));
    let piece = prop_oneof![
        4 => proptest::sample::select(PIECES.to_vec()).prop_map(str::to_owned),
        1 => mnemonics,
        1 => "\\PC{0,3}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_panics_and_ranges_lie_in_the_text(text in text(), new_name in "[a-zä.]{0,3}") {
        let document = Document::new(text.clone(), "t");
        let is_range = |start: u32, end: u32| text.get(start as usize..end as usize).is_some();
        for (span, _) in document.diagnostics() {
            prop_assert!(is_range(span.start, span.end));
        }
        let mut last_end = 0;
        for (span, _) in document.colours() {
            prop_assert!(is_range(span.start, span.end) && span.start >= last_end);
            prop_assert!(!document.slice(span).contains('\n'));
            last_end = span.end;
        }
        for symbol in document.symbols() {
            prop_assert!(is_range(symbol.span.start, symbol.span.end) && is_range(symbol.name_span.start, symbol.name_span.end));
        }
        let _ = document.formatted();
        for offset in (0..=text.len() as u32 + 2).chain([u32::MAX]) {
            if let Some(hover) = document.hover(offset) {
                prop_assert!(is_range(hover.span.start, hover.span.end));
            }
            for completion in document.completions(offset) {
                prop_assert!(is_range(completion.replaces.start, completion.replaces.end));
            }
            let references = document.references(offset, true);
            if let Some(definition) = document.definition(offset) {
                prop_assert!(references.contains(&definition.span));
            }
            if let Ok(spans) = document.rename(offset, &new_name) {
                prop_assert!(spans.iter().all(|span| is_range(span.start, span.end)));
            }
        }
    }
}
