//! Whole sessions over a connection in memory.

use super::{End, serve};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response, ResponseError};
use serde_json::{Value, json};
use std::thread::JoinHandle;

const URI: &str = "file:///work/p.sasm";
/// Line 2 holds characters of two and four bytes before what is asked about.
const TEXT: &str = "\
.equ N, 8
start:
    .program \"Größe 😀\" ; x
    li r1, N
    jmp start
";

/// An editor in a session.
struct Editor {
    connection: Connection,
    server: JoinHandle<End>,
    n_requests: i32,
}

impl Editor {
    /// Begins a session, without a handshake.
    fn connected() -> Self {
        let (connection, other) = Connection::memory();
        let server = std::thread::Builder::new().spawn(move || serve(&other)).unwrap();
        Self {
            connection,
            server,
            n_requests: 0,
        }
    }

    /// Begins a session and opens the text.
    fn with_text(text: &str) -> (Self, Vec<Value>) {
        let mut editor = Self::connected();
        editor.ask("initialize", json!({"capabilities": {}})).unwrap();
        editor.tell("initialized", json!({}));
        let item = json!({"uri": URI, "languageId": "systole", "version": 1, "text": text});
        editor.tell("textDocument/didOpen", json!({"textDocument": item}));
        let diagnostics = editor.diagnostics(Some(1));
        (editor, diagnostics)
    }

    fn receive(&self) -> Message {
        let wait = std::time::Duration::from_secs(20);
        self.connection.receiver.recv_timeout(wait).unwrap()
    }

    fn tell(&self, method: &str, params: Value) {
        let notification = Notification::new(method.to_owned(), params);
        self.connection.sender.send(notification.into()).unwrap();
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<Value, ResponseError> {
        self.n_requests += 1;
        let request = Request::new(self.n_requests.into(), method.to_owned(), params);
        self.connection.sender.send(request.into()).unwrap();
        match self.receive() {
            Message::Response(Response { id, response_result }) => {
                assert_eq!(id, self.n_requests.into());
                response_result
            }
            other => panic!("{other:?}"),
        }
    }

    /// Asks about a place of the text.
    fn ask_at(&mut self, method: &str, line: u32, character: u32) -> Value {
        self.ask(method, at(line, character)).unwrap()
    }

    fn diagnostics(&self, version: Option<i32>) -> Vec<Value> {
        let Message::Notification(Notification { method, params }) = self.receive() else {
            panic!("no notification")
        };
        assert_eq!(
            (method.as_str(), &params["uri"]),
            ("textDocument/publishDiagnostics", &json!(URI))
        );
        assert_eq!(params["version"], json!(version));
        params["diagnostics"].as_array().unwrap().clone()
    }

    fn change(&self, version: i32, changes: Value) -> Vec<Value> {
        let document = json!({"uri": URI, "version": version});
        self.tell(
            "textDocument/didChange",
            json!({"textDocument": document, "contentChanges": changes}),
        );
        self.diagnostics(Some(version))
    }

    fn end(mut self) -> End {
        self.ask("shutdown", Value::Null).unwrap();
        self.tell("exit", Value::Null);
        self.server.join().unwrap()
    }
}

fn at(line: u32, character: u32) -> Value {
    json!({"textDocument": {"uri": URI}, "position": {"line": line, "character": character}})
}

/// A place with the question whether definitions are to be found as well.
fn uses_at(line: u32, character: u32, with_definition: bool) -> Value {
    let mut params = at(line, character);
    params["context"] = json!({"includeDeclaration": with_definition});
    params
}

fn range(line: u32, start: u32, end: u32) -> Value {
    json!({"start": {"line": line, "character": start}, "end": {"line": line, "character": end}})
}

/// A text after edits that do not overlap.
fn edited(text: &str, edits: &Value) -> String {
    let offset = |place: &Value| {
        let line_idx = place["line"].as_u64().unwrap() as usize;
        let start: usize = text.split_inclusive('\n').take(line_idx).map(str::len).sum();
        let mut n_left = place["character"].as_u64().unwrap() as usize;
        let within = text[start..].chars().take_while(|c| {
            let is_before = n_left > 0;
            n_left = n_left.saturating_sub(c.len_utf16());
            is_before
        });
        start + within.map(char::len_utf8).sum::<usize>()
    };
    let mut text = text.to_owned();
    let mut edits: Vec<(usize, usize, &str)> = edits
        .as_array()
        .unwrap()
        .iter()
        .map(|edit| {
            let range = &edit["range"];
            (
                offset(&range["start"]),
                offset(&range["end"]),
                edit["newText"].as_str().unwrap(),
            )
        })
        .collect();
    edits.sort_unstable();
    for (start, end, new) in edits.into_iter().rev() {
        text.replace_range(start..end, new);
    }
    text
}

#[test]
fn a_session_begins_and_ends_in_order() {
    let mut editor = Editor::connected();
    let refused = editor.ask("textDocument/hover", at(0, 0)).unwrap_err();
    assert_eq!(refused.code, ErrorCode::ServerNotInitialized as i32);
    let result = editor.ask("initialize", json!({"capabilities": {}})).unwrap();
    assert_eq!(result["serverInfo"]["name"], "systole");
    let capabilities = &result["capabilities"];
    assert_eq!(
        (&capabilities["positionEncoding"], &capabilities["textDocumentSync"]),
        (&json!("utf-16"), &json!(2))
    );
    let refused = editor.ask("initialize", json!({"capabilities": {}})).unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidRequest as i32);
    assert_eq!(editor.ask("shutdown", Value::Null).unwrap(), Value::Null);
    let refused = editor.ask("textDocument/hover", at(0, 0)).unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidRequest as i32);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.server.join().unwrap(), End::Asked);
}

#[test]
fn a_session_may_end_too_early() {
    let editor = Editor::connected();
    editor.tell("exit", Value::Null);
    assert_eq!(editor.server.join().unwrap(), End::NotShutDown);
    let Editor { connection, server, .. } = Editor::connected();
    drop(connection);
    assert_eq!(server.join().unwrap(), End::Disconnected);
}

#[test]
fn diagnostics_follow_what_is_typed() {
    let (editor, diagnostics) = Editor::with_text(TEXT);
    assert_eq!(diagnostics, [json!(null); 0]);
    // `; x` behind the text in quotes becomes a mistake; the range counts UTF-16 units.
    let found = editor.change(2, json!([{"range": range(2, 24, 25), "text": ","}]));
    assert_eq!(found[0]["range"], range(2, 26, 27));
    assert_eq!(
        (&found[0]["code"], &found[0]["severity"], &found[0]["source"]),
        (&json!("A0041"), &json!(1), &json!("systole"))
    );
    assert!(
        found[0]["message"].as_str().unwrap().contains("\nhelp: the form is"),
        "{found:?}"
    );
    // Several changes at once, each to the text after the one before it; then the whole text.
    let changes = json!([{"range": range(2, 24, 25), "text": ";"}, {"range": range(3, 0, 0), "text": "    add r1\n"}]);
    let found = editor.change(3, changes);
    assert_eq!((found.len(), &found[0]["range"]), (1, &range(3, 4, 7)));
    assert_eq!(editor.change(4, json!([{"text": TEXT}])), [json!(null); 0]);
    // Positions behind the end mean the end.
    let found = editor.change(5, json!([{"range": range(99, 3, 9), "text": "  nonsense"}]));
    assert_eq!(found[0]["range"], range(5, 2, 10));
    assert_eq!(editor.end(), End::Asked);
}

#[test]
fn a_closed_text_has_no_diagnostics_and_no_answers() {
    let (mut editor, diagnostics) = Editor::with_text("  nonsense");
    assert_eq!(diagnostics.len(), 1);
    editor.tell("textDocument/didClose", json!({"textDocument": {"uri": URI}}));
    assert_eq!(editor.diagnostics(None), [json!(null); 0]);
    let refused = editor.ask("textDocument/hover", at(0, 3)).unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidParams as i32);
    assert!(refused.message.contains("is not open"), "{}", refused.message);
    // A change of a text that is not open is left alone.
    let document = json!({"uri": URI, "version": 2});
    editor.tell(
        "textDocument/didChange",
        json!({"textDocument": document, "contentChanges": []}),
    );
    assert_eq!(editor.end(), End::Asked);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (mut editor, _) = Editor::with_text(TEXT);
    let mut refusal = |method: &str, params: Value| editor.ask(method, params).unwrap_err().code;
    assert_eq!(
        refusal("textDocument/dance", at(0, 0)),
        ErrorCode::MethodNotFound as i32
    );
    assert_eq!(
        refusal("textDocument/hover", at(77, 0)),
        ErrorCode::InvalidParams as i32
    );
    assert_eq!(
        refusal("textDocument/hover", json!({"position": "here"})),
        ErrorCode::InvalidParams as i32
    );
    assert_eq!(
        refusal("textDocument/hover", Value::Null),
        ErrorCode::InvalidParams as i32
    );
    editor.tell("textDocument/didOpen", json!({"textDocument": 3}));
    editor.tell("$/cancelRequest", json!({"id": 1}));
    editor.tell("workspace/unheardOf", Value::Null);
    // A column behind the end of a line is the end of the line.
    assert_eq!(editor.ask_at("textDocument/hover", 0, 999)["range"], range(0, 8, 9));
    assert_eq!(editor.end(), End::Asked);
}

#[test]
fn hover_explains() {
    let (mut editor, _) = Editor::with_text(TEXT);
    let hover = editor.ask_at("textDocument/hover", 3, 5);
    assert_eq!(
        (&hover["range"], &hover["contents"]["kind"]),
        (&range(3, 4, 6), &json!("markdown"))
    );
    let text = hover["contents"]["value"].as_str().unwrap();
    assert!(
        text.starts_with("```systole\nli rd, value\n```") && text.contains("| `rd` |"),
        "{text}"
    );
    let hover = editor.ask_at("textDocument/hover", 3, 11);
    assert!(
        hover["contents"]["value"].as_str().unwrap().contains("N: constant = 8"),
        "{hover}"
    );
    assert_eq!(editor.ask_at("textDocument/hover", 3, 1), Value::Null);
    assert_eq!(editor.end(), End::Asked);
}

#[test]
fn proposals_replace_the_word_that_is_typed() {
    let (mut editor, _) = Editor::with_text("    vx.req\nx: jmp \n");
    let items = editor.ask_at("textDocument/completion", 0, 10);
    assert_eq!(
        (&items[0]["label"], &items[0]["detail"]),
        (&json!("vx.requant"), &json!("vx.requant dst, src, par, m, n, rounding"))
    );
    assert_eq!(
        items[0]["textEdit"],
        json!({"range": range(0, 4, 10), "newText": "vx.requant"})
    );
    assert_eq!(items[0]["documentation"]["kind"], "markdown");
    let items = editor.ask_at("textDocument/completion", 1, 7);
    assert_eq!(items[0]["label"], "x");
    assert_eq!(editor.end(), End::Asked);
}

#[test]
fn names_are_found() {
    let (mut editor, _) = Editor::with_text(TEXT);
    let found = editor.ask_at("textDocument/definition", 3, 11);
    assert_eq!(found, json!({"uri": URI, "range": range(0, 5, 6)}));
    assert_eq!(editor.ask_at("textDocument/definition", 3, 4), Value::Null);
    let found = editor.ask("textDocument/references", uses_at(4, 9, true)).unwrap();
    assert_eq!(
        found,
        json!([{"uri": URI, "range": range(1, 0, 5)}, {"uri": URI, "range": range(4, 8, 13)}])
    );
    let found = editor.ask("textDocument/references", uses_at(1, 2, false)).unwrap();
    assert_eq!(found, json!([{"uri": URI, "range": range(4, 8, 13)}]));
    assert_eq!(editor.end(), End::Asked);
}

#[test]
fn names_are_changed_or_refused() {
    let (mut editor, _) = Editor::with_text(TEXT);
    let prepared = editor.ask_at("textDocument/prepareRename", 4, 9);
    assert_eq!(prepared, json!({"range": range(4, 8, 13), "placeholder": "start"}));
    assert_eq!(editor.ask_at("textDocument/prepareRename", 4, 5), Value::Null);
    let mut rename = |line, character, new_name: &str| {
        let mut params = at(line, character);
        params["newName"] = json!(new_name);
        editor.ask("textDocument/rename", params)
    };
    let edits = rename(4, 9, "again").unwrap();
    let text = edited(TEXT, &edits["changes"][URI]);
    assert_eq!(text, TEXT.replace("start", "again"));
    for (line, character, new_name, reason) in [
        (4, 9, "N", "defined in line 1 already"),
        (4, 9, "r3", "name a register"),
        (4, 9, "two words", "cannot be a name"),
        (4, 5, "x", "only names that this text defines"),
    ] {
        let refused = rename(line, character, new_name).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RequestFailed as i32);
        assert!(refused.message.contains(reason), "{}", refused.message);
    }
    assert_eq!(editor.end(), End::Asked);
}

#[test]
fn formatting_changes_only_what_is_untidy() {
    let (mut editor, _) = Editor::with_text(TEXT);
    let params = json!({"textDocument": {"uri": URI}, "options": {"tabSize": 4, "insertSpaces": true}});
    let edits = editor.ask("textDocument/formatting", params.clone()).unwrap();
    let tidy = systole_assembler::format_source(TEXT, "t").unwrap();
    assert_ne!(tidy, TEXT);
    assert_eq!(edited(TEXT, &edits), tidy);
    assert_eq!(edits[0]["range"]["start"], json!({"line": 2, "character": 0}));
    editor.change(2, json!([{"text": tidy}]));
    assert_eq!(
        editor.ask("textDocument/formatting", params.clone()).unwrap(),
        json!([])
    );
    editor.change(3, json!([{"text": "  li r1, (\n"}]));
    assert_eq!(editor.ask("textDocument/formatting", params).unwrap(), Value::Null);
    assert_eq!(editor.end(), End::Asked);
}

#[test]
fn the_overview_and_the_colours_are_those_of_the_text() {
    let (mut editor, _) = Editor::with_text(TEXT);
    let params = json!({"textDocument": {"uri": URI}});
    let symbols = editor.ask("textDocument/documentSymbol", params.clone()).unwrap();
    assert_eq!(
        (&symbols[0]["name"], &symbols[0]["detail"]),
        (&json!("N"), &json!("constant = 8"))
    );
    assert_eq!(
        (&symbols[1]["name"], &symbols[1]["selectionRange"]),
        (&json!("start"), &range(1, 0, 5))
    );
    let tokens = editor.ask("textDocument/semanticTokens/full", params).unwrap();
    let data: Vec<u64> = tokens["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_u64().unwrap())
        .collect();
    let tokens: Vec<&[u64]> = data.chunks(5).collect();
    // Line, column, length and index of the kind: `.equ`, `N`, `8`, `start`, `.program`, the text, the comment.
    assert_eq!(tokens[..3], [[0, 0, 4, 2, 0], [0, 5, 1, 5, 0], [0, 3, 1, 9, 0]]);
    assert_eq!(
        tokens[3..7],
        [[1, 0, 5, 4, 0], [1, 4, 8, 2, 0], [0, 9, 10, 10, 0], [0, 11, 3, 0, 0]]
    );
    assert_eq!(editor.end(), End::Asked);
}
