//! Every instruction does what its file in `tests/instructions/` says, and every instruction has such a file. `BLESS=1` writes the
//! numbers of the runs into the files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use systole_isa::instruction::OPCODES;
use systole_testkit::instruction_test::{Case, InstructionTest, folder, incomplete, read_all};
use systole_testkit::{program_test, takes};

fn files() -> BTreeMap<String, InstructionTest> {
    read_all(&folder()).unwrap()
}

#[test]
fn every_case_does_what_it_says() {
    let mut failures = Vec::new();
    for (mnemonic, test) in files() {
        let file = format!("tests/instructions/{mnemonic}.sasm");
        let mut test = test;
        if std::env::var_os("BLESS").is_some() {
            let text = test.blessed(&file).unwrap();
            std::fs::write(folder().join(format!("{mnemonic}.sasm")), &text).unwrap();
            test = InstructionTest::parse(&text).unwrap();
        }
        failures.extend(test.cases.iter().filter_map(|case| case.check(&file).err()));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_instruction_has_a_complete_file() {
    let missing = incomplete(&files());
    let (n_missing, n_rows) = (missing.len(), OPCODES.len());
    assert!(
        missing.is_empty(),
        "{n_missing} of {n_rows} instructions are not fully tested:\n{}",
        missing.join("\n")
    );
}

#[test]
fn every_formula_names_only_operands_and_known_names() {
    for row in OPCODES {
        let names = takes::names(row.takes).unwrap_or_else(|why| panic!("{}: {why}", row.mnemonic));
        for name in names {
            let is_known = takes::NAMES.iter().any(|(known, _)| *known == name);
            let is_operand = row.operands.iter().any(|operand| operand.name == name);
            assert!(
                is_known || is_operand,
                "{}: `{name}` in `{}` is no operand and not explained in takes::NAMES",
                row.mnemonic,
                row.takes
            );
        }
    }
}

/// The case with its line number `line` replaced.
fn with_line(case: &Case, line_idx: usize, line: &str) -> Case {
    let mut lines: Vec<&str> = case.text.lines().collect();
    lines[line_idx] = line;
    Case {
        text: lines.join("\n"),
        ..case.clone()
    }
}

/// A line that says something else: its last number is another one, or its end of the run.
fn falsified(line: &str) -> Option<String> {
    let said = program_test::statement(line)?;
    let (before, last) = said.rsplit_once(' ').unwrap_or(("", said));
    Some(match said.split_whitespace().next()? {
        "halted" => ";! fault S0001 trap".to_owned(),
        "fault" => ";! halted".to_owned(),
        "dram" | "spm" | "acc" | "reg" | "cycles" => {
            let number: i64 = last.parse().ok()?;
            format!(";! {before} {}", !number)
        }
        _ => return None,
    })
}

#[test]
fn a_wrong_line_is_caught_wherever_it_stands() {
    let mut n_falsified = 0;
    for (mnemonic, test) in files() {
        for case in &test.cases {
            for (line_idx, line) in case.text.lines().enumerate() {
                let Some(wrong) = falsified(line) else { continue };
                let outcome = with_line(case, line_idx, &wrong).check(&mnemonic);
                assert!(outcome.is_err(), "{mnemonic}: case {}: {wrong}", case.name);
                n_falsified += 1;
            }
        }
    }
    assert!(n_falsified >= 10, "{n_falsified}");
}

const ADDITION: &str = "\
;! never_traps for this test
;! case values
;! machine tiny4x4
;! halted
;! reg r1 3
;! takes add
;! cycles add 1
    add r1, r0, 3
    mx.nop
    halt
";

fn outcome(text: &str) -> Result<(), String> {
    let test = InstructionTest::parse(text).unwrap();
    test.cases.iter().try_for_each(|case| case.check("add.sasm"))
}

#[test]
fn what_differs_is_named() {
    assert_eq!(outcome(ADDITION), Ok(()));
    for (right, wrong, why) in [
        ("reg r1 3", "reg r1 4", "`reg r1 4`: found 3"),
        ("reg r1 3", "reg r32 3", "there is no register `r32`"),
        ("reg r1 3", "spm 0x7fff i8: 0 0", "spm holds 0x8000 bytes"),
        ("reg r1 3", "spm 0x7fff i8:", "there is no value"),
        ("reg r1 3", "spm 0x0 b1: -1 -1 1", "found -1 -1 -1"),
        ("cycles add 1", "cycles add 2", "`cycles add 2`: found 1"),
        ("cycles add", "cycles sub", "no `sub` was completed"),
        ("takes add", "takes add m=3", "`m` does not occur in `1`"),
        ("takes add", "takes addd", "there is no instruction `addd`"),
        ("tiny4x4", "tiny", "there is no machine `tiny`"),
        (";! halted", ";! ends", "this line cannot be understood"),
        ("halt\n", "", "execution ran past the last instruction"),
        ("halt\n", "hlt\n", "add.sasm:10:5"),
    ] {
        let error = outcome(&ADDITION.replace(right, wrong)).unwrap_err();
        assert!(error.contains(why), "{wrong}: {error}");
    }
}

/// Seven rows through 4 x 4 PEs: 7 cycles to enter, 6 more for the wavefront.
const PRODUCT: &str = "\
;! case timing
;! machine tiny4x4
;! takes mx.mm NAMES
    desc    d0, spm, i8, 0, 0, 4
    level   d0, 3, 7, 4
    level   d0, 4, 4, 1
    desc    d1, acc, i32, 0, 0, 4
    level   d1, 3, 7, 4
    level   d1, 4, 4, 1
    li      r1, 7
    mx.wload d0, 4, 4
    mx.mm   d1, d0, 0, r1, 0, over, swap
    halt
";

#[test]
fn a_formula_that_gives_another_number_is_caught() {
    for (names, why) in [
        ("m=7 passes=1", ""),
        ("m=R+3 passes=1", ""),
        ("m=8 passes=1", "gives 14, but it took 13 cycles"),
        ("m=7 passes=2", "gives 20, but it took 13 cycles"),
        ("passes=1", "`m` in `max(m * passes, 1) + R + C - 2` has no value"),
        ("m=7 passes=1 R=5", "gives 14, but it took 13 cycles"),
    ] {
        match outcome(&PRODUCT.replace("NAMES", names)) {
            Ok(()) => assert_eq!(why, "", "{names}"),
            Err(error) => assert!(!why.is_empty() && error.contains(why), "{names}: {error}"),
        }
    }
}

#[test]
fn blessing_writes_the_numbers_of_the_run_and_nothing_else() {
    let wrong = ADDITION
        .replace("reg r1 3", "reg r1 77")
        .replace("cycles add 1", "cycles add 9");
    let blessed = InstructionTest::parse(&wrong).unwrap().blessed("add.sasm").unwrap();
    assert_eq!(blessed, ADDITION);
}

#[test]
fn an_incomplete_file_says_what_it_lacks() {
    let lacks = |text: &str| InstructionTest::parse(text).unwrap().lacks("add").join(", ");
    assert_eq!(lacks(ADDITION), "a case `timing` with `;! takes add ...`");
    let timing = ADDITION.replace("case values", "case timing");
    assert_eq!(lacks(&timing), "a case `values` with a line of values");
    let silent = ADDITION.replace(";! never_traps for this test\n", "");
    assert!(lacks(&silent).contains("`;! fault CODE add`"));
    assert!(InstructionTest::parse("    halt\n").is_err());
    assert!(InstructionTest::parse(&format!("{ADDITION}{ADDITION}")).is_err());
    let only_add = incomplete(&[("add".to_owned(), InstructionTest::parse(ADDITION).unwrap())].into());
    assert_eq!(only_add.len(), OPCODES.len());
    let stranger = [("adder".to_owned(), InstructionTest::parse(ADDITION).unwrap())].into();
    assert!(incomplete(&stranger).contains(&"adder: there is a file, but no such instruction".to_owned()));
}
