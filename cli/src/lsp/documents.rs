//! The texts that are open in the editor.

use super::Refusal;
use super::lines::Lines;
use lsp_server::ErrorCode;
use lsp_types::{DidChangeTextDocumentParams, Position, TextDocumentContentChangeEvent, TextDocumentItem, Uri};
use std::collections::BTreeMap;
use systole_assembler::service::Document;

/// An open text.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) version: i32,
    pub(super) document: Document,
    pub(super) lines: Lines,
}

impl Open {
    fn new(text: String, version: i32, uri: &Uri) -> Self {
        let lines = Lines::new(&text);
        let file = uri.as_str().rsplit('/').next().unwrap_or_default();
        Self {
            version,
            document: Document::new(text, file),
            lines,
        }
    }

    pub(super) fn text(&self) -> &str {
        self.document.text()
    }

    /// The byte at a position.
    pub(super) fn offset(&self, position: Position) -> Result<u32, Refusal> {
        let offset = self
            .lines
            .offset(self.text(), position)
            .and_then(|offset| u32::try_from(offset).ok());
        offset.ok_or_else(|| {
            let message = format!("the text has no line {}, counted from 0", position.line);
            Refusal::new(ErrorCode::InvalidParams, message)
        })
    }
}

/// All open texts by the text of their URI.
#[derive(Debug, Default)]
pub(super) struct Documents {
    open: BTreeMap<String, Open>,
}

impl Documents {
    pub(super) fn get(&self, uri: &Uri) -> Result<&Open, Refusal> {
        self.open.get(uri.as_str()).ok_or_else(|| {
            let message = format!("`{}` is not open", uri.as_str());
            Refusal::new(ErrorCode::InvalidParams, message)
        })
    }

    pub(super) fn open(&mut self, item: TextDocumentItem) -> Uri {
        let open = Open::new(item.text, item.version, &item.uri);
        self.open.insert(item.uri.as_str().to_owned(), open);
        item.uri
    }

    pub(super) fn close(&mut self, uri: Uri) -> Uri {
        self.open.remove(uri.as_str());
        uri
    }

    /// Changes a text; `None` if it is not open. The text is read once, after all changes.
    pub(super) fn change(&mut self, params: DidChangeTextDocumentParams) -> Option<Uri> {
        let uri = params.text_document.uri;
        let open = self.open.get_mut(uri.as_str())?;
        let text = params.content_changes.into_iter().fold(open.text().to_owned(), changed);
        *open = Open::new(text, params.text_document.version, &uri);
        Some(uri)
    }
}

/// A text after a change. Positions outside of it mean its end.
fn changed(mut text: String, change: TextDocumentContentChangeEvent) -> String {
    let Some(range) = change.range else {
        return change.text;
    };
    let lines = Lines::new(&text);
    let start = lines.clamped_offset(&text, range.start);
    let end = lines.clamped_offset(&text, range.end).max(start);
    text.replace_range(start..end, &change.text);
    text
}
