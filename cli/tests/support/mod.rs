//! Runs the command as a user would.

use std::path::PathBuf;
use std::process::Command;

/// Exit code, standard output and standard error of the command with these arguments, without a display.
#[allow(dead_code, reason = "every test binary has its own copy of this module")]
pub(crate) fn outcome(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_systole"))
        .args(args)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The JSON object that a successful command prints.
#[allow(dead_code, reason = "every test binary has its own copy of this module")]
pub(crate) fn json(args: &[&str]) -> serde_json::Value {
    let (code, stdout, stderr) = outcome(args);
    assert_eq!(code, 0, "{args:?}: {stderr}");
    serde_json::from_str(&stdout).unwrap()
}

/// A file of the project's own data.
#[allow(dead_code, reason = "every test binary has its own copy of this module")]
pub(crate) fn program_file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../programs").join(name);
    path.to_str().unwrap().to_owned()
}

/// A file under `SYSTOLE_MODELS` (default: `../shared/models` beside the project); `None`, with a message, if it is absent.
#[allow(dead_code, reason = "every test binary has its own copy of this module")]
pub(crate) fn model_file(name: &str) -> Option<String> {
    let root = std::env::var_os("SYSTOLE_MODELS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/models"),
        PathBuf::from,
    );
    let path = root.join(name);
    if path.exists() {
        return Some(path.to_str().unwrap().to_owned());
    }
    eprintln!("skipped: {} does not exist; set SYSTOLE_MODELS", path.display());
    None
}
