//! Every hand-written program does what its own lines say.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use systole_testkit::program_test::check;

fn programs() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../programs/asm");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut programs: Vec<(String, String)> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "sasm"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap()))
        .collect();
    programs.sort();
    programs
}

#[test]
fn every_program_does_what_it_says() {
    let programs = programs();
    assert!(programs.len() >= 13, "{} programs", programs.len());
    let failures: Vec<String> = programs
        .iter()
        .filter_map(|(file, source)| check(source, file).err().map(|why| format!("{file}: {why}")))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_program_that_does_something_else_is_caught() {
    for (file, source) in programs() {
        let wrong = match source.contains(";! halted") {
            true => source.replace(";! halted", ";! fault S0001 trap"),
            false => source.replace(";! fault", ";! halted ;"),
        };
        assert!(check(&wrong, &file).is_err(), "{file}");
    }
    let (file, source) = programs()
        .into_iter()
        .find(|(file, _)| file.ends_with("matmul.sasm"))
        .unwrap();
    let wrong = source.replace("i32: -11", "i32: -12");
    assert!(check(&wrong, &file).unwrap_err().contains("-11"), "values are compared");
}
