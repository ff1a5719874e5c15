//! Diagnostics as users meet them: code, place, reason and help.
//!
//! The files in `errors/` are assembly with mistakes. A comment line with carets below a mistake gives its place, its code and a
//! part of its text:
//!
//! ```text
//!     mx.mmm d0
//! ;   ^^^^^^ A0010 did you mean `mx.mm`?
//! ```
//!
//! Each file has to give exactly the diagnostics that its carets announce.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use systole_assembler::codes::CODES;
use systole_assembler::{LoadedFile, assemble, assemble_with};
use systole_isa::Diagnostic;

/// A diagnostic that a caret line announces.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Expected {
    line: u32,
    column: u32,
    length: u32,
    code: String,
    part: String,
}

/// What the caret lines of a text announce, in the order of the places.
fn expected(text: &str) -> Vec<Expected> {
    let mut expected = Vec::new();
    let mut line_with_mistake = 0;
    for (line, number) in text.lines().zip(1..) {
        let carets = line.strip_prefix(';').filter(|rest| rest.trim_start().starts_with('^'));
        let Some(rest) = carets else {
            line_with_mistake = number;
            continue;
        };
        let n_blanks = rest.chars().take_while(|c| *c == ' ').count() as u32;
        let length = rest.chars().filter(|c| *c == '^').count() as u32;
        let (code, part) = rest.trim_start_matches([' ', '^']).split_at(5);
        expected.push(Expected {
            line: line_with_mistake,
            column: n_blanks + 2,
            length,
            code: code.to_owned(),
            part: part.trim().to_owned(),
        });
    }
    expected.sort();
    expected
}

/// Whether the diagnostics are those that the text announces; if not, both.
fn mismatch(text: &str, diagnostics: &[Diagnostic]) -> Option<String> {
    let expected = expected(text);
    let fits = |(expected, found): (&Expected, &Diagnostic)| {
        let place = found.place.as_ref().expect("every mistake in a text has a place");
        (place.line, place.column, place.length) == (expected.line, expected.column, expected.length)
            && found.code == expected.code
            && found.to_string().contains(&expected.part)
    };
    let n_fitting = expected.iter().zip(diagnostics).take_while(|pair| fits(*pair)).count();
    if n_fitting == expected.len() && n_fitting == diagnostics.len() {
        return None;
    }
    let expected = expected
        .get(n_fitting)
        .map_or("nothing".to_owned(), |expected| format!("{expected:?}"));
    let found = diagnostics
        .get(n_fitting)
        .map_or("nothing".to_owned(), ToString::to_string);
    Some(format!("expected {expected}\nfound {found}"))
}

/// The files that the texts with mistakes include.
fn load(path: &str, _: &str) -> Result<LoadedFile, String> {
    let npy = |descr: &str, values: &[u8]| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (4,), }}");
        let header = format!("{header:<117}\n");
        [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), values].concat()
    };
    let bytes = match path {
        "self.sasm" => b"nop\n.include \"self.sasm\"\n".to_vec(),
        "lib.sasm" => b".macro tile n, m=1\n    ld d1, d2, \\m, \\n\n.endm\nx: nop\n".to_vec(),
        "bytes.bin" => vec![0xff, 0xfe],
        "four.npy" => npy("|i1", &[1, 2, 0xff, 9]),
        "reals.npy" => npy("<f4", &[0; 16]),
        "wide.npy" => npy("<i8", &[0; 32]),
        _ => return Err("no such file".to_owned()),
    };
    let name = path.to_owned();
    Ok(LoadedFile { name, bytes })
}

#[test]
fn files_give_the_diagnostics_that_they_announce() {
    let mut seen = BTreeSet::new();
    let mut reports = Vec::new();
    let mut n_files = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let diagnostics = assemble_with(&text, &file, &mut load).unwrap_err();
        if let Some(report) = mismatch(&text, &diagnostics) {
            reports.push(format!("{}: {report}", path.display()));
        }
        seen.extend(diagnostics.iter().map(|diagnostic| diagnostic.code));
        n_files += 1;
    }
    assert!(reports.is_empty(), "{}", reports.join("\n"));
    assert!(n_files >= 6, "{n_files}");
    // What takes too much text for a file is tested by itself.
    seen.extend(["A0006", "A0050", "A0056"]);
    let untested: Vec<&str> = CODES
        .iter()
        .map(|info| info.code)
        .filter(|code| !seen.contains(code))
        .collect();
    assert!(untested.is_empty(), "no file provokes {untested:?}");
}

#[test]
fn a_comparison_with_wrong_carets_fails() {
    let right = "\n    mx.mmm d0\n;   ^^^^^^ A0010 did you mean `mx.mm`?\n";
    assert_eq!(mismatch(right, &assemble(right, "t").unwrap_err()), None);
    for (from, to) in [
        ("A0010", "A0011"),
        ("^^^^^^", "^^^^^"),
        (";   ^", ";  ^^"),
        ("`mx.mm`?", "`mul`?"),
    ] {
        let wrong = right.replacen(from, to, 1);
        assert!(
            mismatch(&wrong, &assemble(&wrong, "t").unwrap_err()).is_some(),
            "{wrong}"
        );
    }
}

#[test]
fn a_diagnostic_shows_its_place_reason_and_help() {
    let diagnostics = assemble("\n\tld d1, d2, m=-1, n=4 ; ü\n", "demo.sasm").unwrap_err();
    let expected = "\
error[A0017]: `m` of `ld` is -1, outside 0..=16777215
 --> demo.sasm:2:15
  |
2 | \tld d1, d2, m=-1, n=4 ; ü
  | \t             ^^
  = why: it is stored in 24 bits, in bits 48 to 72 of the instruction word
  = help: put the value in a register and give the register";
    assert_eq!(diagnostics[0].to_string(), expected);
}

fn reports(text: &str) -> Vec<String> {
    let diagnostics = assemble_with(text, "demo.sasm", &mut load).unwrap_err();
    diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn a_mistake_in_a_macro_shows_its_line_and_the_line_that_uses_it() {
    let text = ".macro tile n\n    li r77, \\n\n.endm\n.macro both n\n    tile \\n\n.endm\n    both 1\n    both 2\n";
    let expected = "\
error[A0018]: there is no register `r77`
 --> demo.sasm:2:8
  |
2 |     li r77, \\n
  |        ^^^
  = why: the registers are `r0` to `r31`
  = note: in macro `tile`, used by demo.sasm:5: `tile \\n`
  = note: in macro `both`, used by demo.sasm:7: `both 1`";
    assert_eq!(reports(text), [expected], "what all uses have in common is said once");
}

#[test]
fn a_wrong_argument_shows_the_line_of_the_macro_that_it_is_wrong_for() {
    let text = ".include \"lib.sasm\"\n    tile -1\n    tile 5, m=w\n";
    let expected = [
        "\
error[A0017]: `n` of `ld` is -1, outside 0..=16777215
 --> demo.sasm:2:10
  |
2 |     tile -1
  |          ^^
  = why: it is stored in 24 bits, in bits 73 to 97 of the instruction word
  = note: macro `tile` uses it here, lib.sasm:2: `ld d1, d2, \\m, \\n`
  = help: put the value in a register and give the register",
        "\
error[A0030]: `w` is not defined
 --> demo.sasm:3:15
  |
3 |     tile 5, m=w
  |               ^
  = why: macro `tile` uses it here, lib.sasm:2: `ld d1, d2, \\m, \\n`
  = help: did you mean `x`?",
    ];
    assert_eq!(reports(text), expected);
}

#[test]
fn names_defined_twice_show_both_files_and_files_that_include_themselves_show_the_way() {
    let twice = &reports(".include \"lib.sasm\"\nx: nop\n")[0];
    assert!(
        twice.contains("it is defined in line 4 of `lib.sasm` already"),
        "{twice}"
    );
    let cycle = &reports(".include \"self.sasm\"\n")[0];
    assert!(
        cycle.contains("self.sasm:2:10") && cycle.contains("the way is self.sasm -> self.sasm"),
        "{cycle}"
    );
}

#[test]
fn macros_that_double_at_every_level_end_soon() {
    let double = ".macro twice n\n twice \\n\n twice \\n\n.endm\n twice 1\n";
    let sums = ".macro sum n\n sum \\n + \\n\n.endm\n sum 1\n";
    let turns = ".rept 5_000_000\nnop\n.endr\n";
    let start = std::time::Instant::now();
    let conditions = &format!("{}{}", ".if 1\n".repeat(10_000), ".endif\n".repeat(10_000));
    for text in [double, sums, turns, conditions] {
        let codes: Vec<&str> = assemble(text, "t").unwrap_err().iter().map(|d| d.code).collect();
        assert!(codes.iter().all(|code| ["A0005", "A0054"].contains(code)), "{codes:?}");
    }
    assert!(start.elapsed().as_secs() < 120, "{:?}", start.elapsed());
}

#[test]
fn columns_count_characters_not_bytes() {
    let diagnostics = assemble(".program \"größer\" 7", "t").unwrap_err();
    let place = diagnostics[0].place.as_ref().unwrap();
    assert_eq!((place.column, place.length), (19, 1));
}

#[test]
fn a_long_line_of_nonsense_gives_few_diagnostics() {
    let diagnostics = assemble(&"# ".repeat(10_000), "t").unwrap_err();
    assert_eq!(diagnostics.len(), 24);
    assert_eq!(diagnostics[23].code, "A0006");
}

#[test]
fn deep_nesting_and_long_chains_are_refused_and_not_followed() {
    let parentheses = format!("li r1, {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    let signs = format!("li r1, {}1", "-".repeat(100_000));
    let sum = format!("li r1, {}1", "1+".repeat(100_000));
    let lists = format!(".input \"x\", shape={}", "[".repeat(100_000));
    let chain: String = (0..100_000).map(|i| format!(".equ c{}x, c{}x\n", i, i + 1)).collect();
    for text in [parentheses, signs, sum, lists, chain] {
        let diagnostics = assemble(&text, "t").unwrap_err();
        assert!(diagnostics.iter().any(|d| d.code == "A0005"), "{}", diagnostics[0]);
    }
}

#[test]
fn the_long_way_round_in_order_is_no_problem() {
    let chain: String = (1..10_000).map(|i| format!(".equ c{i}x, c{}x + 1\n", i - 1)).collect();
    let program = assemble(&format!(".equ c0x, 0\n{chain}li r1, c9999x\n"), "t").unwrap();
    assert_eq!(systole_assembler::disassemble_line(&program, 0), "li r1, 9999");
}

#[test]
fn thousands_of_unknown_names_take_no_quadratic_time() {
    let text: String = (0..20_000)
        .map(|i| format!("label_number_{i}: jmp label_nummer_{i}\n"))
        .collect();
    let start = std::time::Instant::now();
    assert_eq!(assemble(&text, "t").unwrap_err().len(), 20_000);
    assert!(start.elapsed().as_secs() < 120, "{:?}", start.elapsed());
}
