//! The language server: the assembler's answers to an editor's questions, in the language server protocol.
//!
//! It keeps the open texts and translates; what the answers are is known to [`systole_assembler::service`] alone.

mod answers;
mod capabilities;
mod convert;
mod documents;
mod lines;
#[cfg(test)]
mod tests;

use documents::Documents;
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::notification::{
    DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, Notification as _, PublishDiagnostics,
};
use lsp_types::request::{Initialize, Request as _, Shutdown};
use lsp_types::{PublishDiagnosticsParams, Uri};
use serde_json::Value;

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The editor asked for it, in the right order.
    Asked,
    /// The editor asked for it without a request to shut down before.
    NotShutDown,
    /// The editor's messages came to an end.
    Disconnected,
    /// Nobody takes what the server sends.
    Unheard,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: ErrorCode,
    message: String,
}

impl Refusal {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Running,
    ShutDown,
}

/// Serves one session.
pub(crate) fn serve(connection: &Connection) -> End {
    let mut server = Server {
        stage: Stage::Starting,
        documents: Documents::default(),
    };
    for message in &connection.receiver {
        let sent = match message {
            Message::Request(request) => vec![server.request(request).into()],
            Message::Notification(notification) if notification.method == EXIT => {
                return match server.stage {
                    Stage::ShutDown => End::Asked,
                    Stage::Starting | Stage::Running => End::NotShutDown,
                };
            }
            Message::Notification(notification) => server.notification(notification),
            // The server asks for nothing.
            Message::Response(_) => Vec::new(),
        };
        for message in sent {
            if connection.sender.send(message).is_err() {
                return End::Unheard;
            }
        }
    }
    End::Disconnected
}

const EXIT: &str = "exit";

struct Server {
    stage: Stage,
    documents: Documents,
}

impl Server {
    fn request(&mut self, request: Request) -> Response {
        let id = request.id.clone();
        response(id, self.result(request))
    }

    fn result(&mut self, request: Request) -> Result<Value, Refusal> {
        match (self.stage, request.method.as_str()) {
            (Stage::Starting, Initialize::METHOD) => {
                self.stage = Stage::Running;
                serialized(capabilities::initialize_result())
            }
            (Stage::Starting, _) => Err(Refusal::new(
                ErrorCode::ServerNotInitialized,
                "the first request is `initialize`",
            )),
            (Stage::Running, Initialize::METHOD) | (Stage::ShutDown, _) => {
                let message = format!("`{}` comes too late", request.method);
                Err(Refusal::new(ErrorCode::InvalidRequest, message))
            }
            (Stage::Running, Shutdown::METHOD) => {
                self.stage = Stage::ShutDown;
                Ok(Value::Null)
            }
            (Stage::Running, _) => answers::answer(&self.documents, &request.method, request.params),
        }
    }

    /// Keeps the texts up to date; what is to be sent. A notification that makes no sense has no answer in the protocol and is left
    /// alone.
    fn notification(&mut self, notification: Notification) -> Vec<Message> {
        if self.stage != Stage::Running {
            return Vec::new();
        }
        let uri = match notification.method.as_str() {
            DidOpenTextDocument::METHOD => {
                params::<DidOpenTextDocument>(notification).map(|params| self.documents.open(params.text_document))
            }
            DidChangeTextDocument::METHOD => {
                params::<DidChangeTextDocument>(notification).and_then(|params| self.documents.change(params))
            }
            DidCloseTextDocument::METHOD => params::<DidCloseTextDocument>(notification)
                .map(|params| self.documents.close(params.text_document.uri)),
            _ => None,
        };
        uri.map(|uri| self.diagnostics(uri)).into_iter().collect()
    }

    /// What is wrong with a text; nothing if it is not open any more.
    fn diagnostics(&self, uri: Uri) -> Message {
        let open = self.documents.get(&uri).ok();
        let params = PublishDiagnosticsParams {
            version: open.map(|open| open.version),
            diagnostics: open.map_or(Vec::new(), convert::diagnostics),
            uri,
        };
        Notification::new(PublishDiagnostics::METHOD.to_owned(), params).into()
    }
}

fn params<N: lsp_types::notification::Notification>(notification: Notification) -> Option<N::Params> {
    serde_json::from_value(notification.params).ok()
}

fn serialized(result: impl serde::Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(result).map_err(|error| Refusal::new(ErrorCode::InternalError, error.to_string()))
}

fn response(id: RequestId, result: Result<Value, Refusal>) -> Response {
    match result {
        Ok(value) => Response::new_ok(id, value),
        Err(refusal) => Response::new_err(id, refusal.code as i32, refusal.message),
    }
}
