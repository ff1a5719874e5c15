//! `check` as users and scripts meet it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{json, outcome, program_file};

#[test]
fn what_is_right_exits_0_and_what_is_wrong_exits_1_with_both_instructions() {
    let (code, stdout, stderr) = outcome(&["check", &program_file("asm/matmul.sasm"), "--machine", "tiny4x4"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("proven right for every timing"), "{stdout}");
    let (code, stdout, stderr) = outcome(&["check", &program_file("asm/race.sasm"), "--machine", "tiny4x4"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    for part in [
        "error[K0002]",
        "race.sasm:18:5",
        "instruction 7, line 17: ld d1, d0, 1, 16",
        "instruction 8, line 18: mx.wload d2, 4, 4",
        "both touch spm byte 0x0",
        "help:",
    ] {
        assert!(stderr.contains(part), "{part} is missing in:\n{stderr}");
    }
    let (code, _, stderr) = outcome(&["check", &program_file("asm/deadlock.sasm"), "--machine", "tiny4x4"]);
    assert_eq!(code, 1);
    assert!(
        stderr.contains("error[K0001]") && stderr.contains("MX -> VX -> MX"),
        "{stderr}"
    );
}

#[test]
fn models_and_their_programs_are_checked_alike() {
    let model = program_file("digits/digits_int8_qdq.onnx");
    let report = json(&["check", &model, "--json"]);
    assert_eq!(
        (&report["proven"], &report["diagnostics"]),
        (&true.into(), &serde_json::json!([]))
    );
    let folder = tempfile::tempdir().unwrap();
    let elf = folder.path().join("digits_int8_qdq.elf");
    let elf = elf.to_str().unwrap();
    assert_eq!(outcome(&["compile", &model, "-o", elf]).0, 0);
    assert_eq!(json(&["check", elf, "--json"]), report);
    let (code, _, stderr) = outcome(&["check", elf, "--machine", "tiny4x4"]);
    assert!(code == 1 && stderr.contains("error[S0010]"), "{stderr}");
}

#[test]
fn a_wrong_program_still_prints_one_json_object() {
    let (code, stdout, _) = outcome(&[
        "check",
        &program_file("asm/race.sasm"),
        "--machine",
        "tiny4x4",
        "--json",
    ]);
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &report["proven"]), (1, &false.into()));
    assert_eq!(report["diagnostics"][0]["code"], "K0002");
}

#[test]
fn every_code_of_the_check_is_explained() {
    for number in 1..=12 {
        let (code, stdout, stderr) = outcome(&["explain", &format!("K{number:04}")]);
        assert!(code == 0 && stdout.len() > 100, "{stdout}{stderr}");
    }
}
