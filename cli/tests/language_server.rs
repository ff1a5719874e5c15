//! The language server and the formatter as an editor and a shell meet them: the real command with its standard streams.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use support::outcome;

fn command(args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_systole"));
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn send(stdin: &mut ChildStdin, message: &Value) {
    let text = message.to_string();
    write!(stdin, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
}

fn receive(stdout: &mut impl BufRead) -> Value {
    let mut length = 0;
    loop {
        let mut header = String::new();
        stdout.read_line(&mut header).unwrap();
        match header.trim_end().strip_prefix("Content-Length: ") {
            Some(n) => length = n.parse().unwrap(),
            None => break,
        }
    }
    let mut body = vec![0; length];
    stdout.read_exact(&mut body).unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn a_session_over_standard_input_and_output() {
    let mut server = command(&["lsp"]);
    let mut stdin = server.stdin.take().unwrap();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());
    let request =
        |id: i32, method: &str, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let notification = |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": method, "params": params});

    send(&mut stdin, &request(1, "initialize", json!({"capabilities": {}})));
    assert_eq!(receive(&mut stdout)["result"]["serverInfo"]["name"], "systole");
    send(&mut stdin, &notification("initialized", json!({})));
    let item = json!({"uri": "file:///p.sasm", "languageId": "systole", "version": 7, "text": "  mx.wlaod d1, 4, 4\n"});
    send(
        &mut stdin,
        &notification("textDocument/didOpen", json!({"textDocument": item})),
    );
    let published = receive(&mut stdout);
    assert_eq!(
        (&published["method"], &published["params"]["version"]),
        (&json!("textDocument/publishDiagnostics"), &json!(7))
    );
    let message = published["params"]["diagnostics"][0]["message"].as_str().unwrap();
    assert!(message.contains("did you mean `mx.wload`?"), "{message}");
    let place = json!({"textDocument": {"uri": "file:///p.sasm"}, "position": {"line": 0, "character": 6}});
    send(&mut stdin, &request(2, "textDocument/completion", place));
    assert_eq!(receive(&mut stdout)["result"][0]["label"], "mx.wload");
    send(&mut stdin, &request(3, "textDocument/dance", json!({})));
    assert_eq!(receive(&mut stdout)["error"]["code"], -32601);
    send(&mut stdin, &request(4, "shutdown", Value::Null));
    assert_eq!(receive(&mut stdout)["id"], 4);
    send(&mut stdin, &notification("exit", Value::Null));
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn an_editor_that_goes_away_or_talks_nonsense_is_reported() {
    for (sent, reason) in [
        ("", "it closed the connection"),
        ("Content-Length: 5\r\n\r\n{\"a\":", "malformed LSP payload"),
        ("hello\r\n\r\n", "malformed header"),
    ] {
        let mut server = command(&["lsp"]);
        server.stdin.take().unwrap().write_all(sent.as_bytes()).unwrap();
        let output = server.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(
            stderr.starts_with("error[F0031]") && stderr.contains(reason),
            "{stderr}"
        );
    }
}

const UNTIDY: &str = ".program \"p\"\nnop ; one\nadd r1,r2,3 ; two\n";
const TIDY: &str = "\
.program \"p\"
    nop                                 ; one
    add     r1, r2, 3                   ; two
";

#[test]
fn files_are_brought_into_their_tidy_form() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.sasm");
    let broken = folder.path().join("broken.sasm");
    let (file, broken_file) = (path.to_str().unwrap(), broken.to_str().unwrap());
    std::fs::write(&path, UNTIDY).unwrap();
    std::fs::write(&broken, "  li r1, (\n").unwrap();

    let (code, stdout, stderr) = outcome(&["fmt", "--check", file]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(
        stderr.starts_with("error[F0032]") && stderr.contains("line 2 is the first"),
        "{stderr}"
    );
    assert_eq!(outcome(&["fmt", "--stdout", file]), (0, TIDY.to_owned(), String::new()));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), UNTIDY);

    // What is wrong with one file keeps no other from being formatted.
    let (code, _, stderr) = outcome(&["fmt", broken_file, file]);
    assert_eq!(code, 1);
    assert!(
        stderr.contains("error[A0004]") && stderr.contains("broken.sasm:1:"),
        "{stderr}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), TIDY);
    assert_eq!(std::fs::read_to_string(&broken).unwrap(), "  li r1, (\n");
    assert_eq!(outcome(&["fmt", "--check", file]), (0, String::new(), String::new()));

    assert_eq!(outcome(&["fmt"]).0, 2);
    assert_eq!(outcome(&["fmt", "--check", "--stdout", file]).0, 2);
    let (code, _, stderr) = outcome(&["fmt", "nowhere.sasm"]);
    assert!(code == 1 && stderr.starts_with("error[F0001]"), "{stderr}");
}

#[test]
fn standard_input_is_formatted_to_standard_output() {
    let mut formatter = command(&["fmt", "-"]);
    formatter.stdin.take().unwrap().write_all(UNTIDY.as_bytes()).unwrap();
    let output = formatter.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stdout).unwrap()),
        (Some(0), TIDY.to_owned())
    );
}

#[test]
fn the_help_of_both_has_an_example() {
    for verb in ["fmt", "lsp"] {
        let (code, stdout, _) = outcome(&[verb, "--help"]);
        assert!(
            code == 0 && stdout.contains("Example") && stdout.contains(&format!("systole {verb}")),
            "{stdout}"
        );
    }
}
