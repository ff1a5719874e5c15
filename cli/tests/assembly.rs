//! Assembly texts of several files on the command line.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use support::outcome;

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn included_files_are_found_next_to_the_file_that_names_them_and_faults_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let main = write(folder.path(), "main.sasm", ".include \"lib/a.sasm\"\n    halt\n");
    write(folder.path(), "lib/a.sasm", "    nop\n.include \"b.sasm\"\n");
    let inner = write(folder.path(), "lib/b.sasm", "\n\n    trap 7\n");
    let elf = folder.path().join("main.elf");
    let elf = elf.to_str().unwrap();
    let (code, _, stderr) = outcome(&["asm", &main, "-o", elf]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for source in [elf, &main] {
        let (code, _, stderr) = outcome(&["run", source]);
        assert_eq!(code, 3, "{stderr}");
        let place = format!("source line 3 of `{inner}`");
        assert!(stderr.contains(&place), "{place} is missing in:\n{stderr}");
    }
    let (code, listing, _) = outcome(&["disasm", elf]);
    assert_eq!(code, 0);
    let again = write(folder.path(), "again.sasm", &listing);
    let copy = folder.path().join("again.elf");
    let (code, _, stderr) = outcome(&["asm", &again, "-o", copy.to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(std::fs::read(elf).unwrap(), std::fs::read(copy).unwrap());
}

#[test]
fn mistakes_in_included_files_are_shown_with_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let main = write(
        folder.path(),
        "main.sasm",
        ".include \"lib.sasm\"\n.include \"./sub/../main.sasm\"\n.include \"nowhere.sasm\"\n",
    );
    let lib = write(folder.path(), "lib.sasm", "    nop\n    nopp\n");
    let elf = folder.path().join("main.elf");
    let (code, _, stderr) = outcome(&["asm", &main, "-o", elf.to_str().unwrap()]);
    assert_eq!(code, 1);
    for expected in [
        &format!("--> {lib}:2:5"),
        "error[A0055]",
        "error[A0056]",
        "error[A0010]",
    ] {
        assert!(stderr.contains(expected), "{expected} is missing in:\n{stderr}");
    }
}

#[test]
fn long_constants_stand_in_arrays_beside_a_short_text() {
    let folder = tempfile::tempdir().unwrap();
    let main = write(
        folder.path(),
        "main.sasm",
        "    halt\n.segment \"short\", 0\n.hex \"0102\"\n.segment \"long\", 64\n.zero 3000\n.hex \"ff00\"\n",
    );
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (elf, copy, constants) = (path("main.elf"), path("again.elf"), path("constants"));
    let (code, _, stderr) = outcome(&["asm", &main, "-o", &elf]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let (code, listing, _) = outcome(&["disasm", &elf, "--constants", &constants]);
    assert_eq!(code, 0);
    assert!(
        listing.contains(".npy") && listing.contains(".hex \"0102\"") && !listing.contains(".zero"),
        "{listing}"
    );
    let again = write(folder.path(), "again.sasm", &listing);
    let (code, _, stderr) = outcome(&["asm", &again, "-o", &copy]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(std::fs::read(&elf).unwrap(), std::fs::read(copy).unwrap());
}
