//! `lsp`: the language server on standard input and output.

use crate::error::CommandError;
use crate::lsp::{End, serve};
use lsp_server::Connection;
use systole_isa::Diagnostic;

pub(crate) fn run() -> Result<(), CommandError> {
    let (connection, threads) = Connection::stdio();
    let end = serve(&connection);
    // The thread that writes goes on as long as somebody could send something.
    drop(connection);
    match end {
        End::Asked => match threads.join() {
            Ok(()) => Ok(()),
            Err(error) => Err(lost(&error.to_string())),
        },
        End::NotShutDown => Err(lost("it asked for the end without a `shutdown` before")),
        End::Disconnected => Err(match threads.join() {
            Ok(()) => lost("it closed the connection"),
            Err(error) => lost(&error.to_string()),
        }),
        // The thread that reads may wait for the editor forever.
        End::Unheard => Err(lost("it does not read answers any more")),
    }
}

fn lost(reason: &str) -> CommandError {
    Diagnostic::error("F0031", "the language server lost its editor")
        .because(reason.to_owned())
        .into()
}
