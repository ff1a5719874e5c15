//! One function for each request about a text.

use super::documents::{Documents, Open};
use super::{Refusal, convert, serialized};
use lsp_server::ErrorCode;
use lsp_types::request::{
    Completion, DocumentSymbolRequest, Formatting, GotoDefinition, HoverRequest, PrepareRenameRequest, References,
    Rename, Request, SemanticTokensFullRequest,
};
use lsp_types::{
    CompletionResponse, DocumentSymbolResponse, GotoDefinitionResponse, Hover, HoverContents, Location,
    PrepareRenameResponse, SemanticTokens, TextDocumentPositionParams, TextEdit, Uri, WorkspaceEdit,
};
use serde_json::Value;
use std::collections::HashMap;
use systole_assembler::source::Span;

type Answer<R> = Result<<R as Request>::Result, Refusal>;

/// The answer to a request.
pub(super) fn answer(documents: &Documents, method: &str, params: Value) -> Result<Value, Refusal> {
    match method {
        Completion::METHOD => typed::<Completion>(documents, params, completion),
        DocumentSymbolRequest::METHOD => typed::<DocumentSymbolRequest>(documents, params, symbols),
        Formatting::METHOD => typed::<Formatting>(documents, params, formatting),
        GotoDefinition::METHOD => typed::<GotoDefinition>(documents, params, definition),
        HoverRequest::METHOD => typed::<HoverRequest>(documents, params, hover),
        PrepareRenameRequest::METHOD => typed::<PrepareRenameRequest>(documents, params, prepare_rename),
        References::METHOD => typed::<References>(documents, params, references),
        Rename::METHOD => typed::<Rename>(documents, params, rename),
        SemanticTokensFullRequest::METHOD => typed::<SemanticTokensFullRequest>(documents, params, tokens),
        _ => {
            let message = format!("`{method}` is not supported");
            Err(Refusal::new(ErrorCode::MethodNotFound, message))
        }
    }
}

fn typed<R: Request>(
    documents: &Documents,
    params: Value,
    answer: fn(&Documents, R::Params) -> Answer<R>,
) -> Result<Value, Refusal> {
    let params = serde_json::from_value(params)
        .map_err(|error| Refusal::new(ErrorCode::InvalidParams, format!("`{}`: {error}", R::METHOD)))?;
    serialized(answer(documents, params)?)
}

/// The text and the offset that a request is about.
fn place<'d>(documents: &'d Documents, at: &TextDocumentPositionParams) -> Result<(&'d Open, u32), Refusal> {
    let open = documents.get(&at.text_document.uri)?;
    Ok((open, open.offset(at.position)?))
}

fn location(open: &Open, uri: &Uri, span: Span) -> Location {
    Location::new(uri.clone(), open.lines.range(open.text(), span))
}

fn completion(documents: &Documents, params: lsp_types::CompletionParams) -> Answer<Completion> {
    let (open, offset) = place(documents, &params.text_document_position)?;
    let found = open.document.completions(offset).into_iter().enumerate();
    let items = found.map(|(place, completion)| convert::completion(open, place, completion));
    Ok(Some(CompletionResponse::Array(items.collect())))
}

fn symbols(documents: &Documents, params: lsp_types::DocumentSymbolParams) -> Answer<DocumentSymbolRequest> {
    let open = documents.get(&params.text_document.uri)?;
    let symbols = open
        .document
        .symbols()
        .into_iter()
        .map(|part| convert::symbol(open, part));
    Ok(Some(DocumentSymbolResponse::Nested(symbols.collect())))
}

/// A text whose form has mistakes is left alone; the editor shows them already.
fn formatting(documents: &Documents, params: lsp_types::DocumentFormattingParams) -> Answer<Formatting> {
    let open = documents.get(&params.text_document.uri)?;
    let tidy = open.document.formatted().ok();
    Ok(tidy.map(|tidy| convert::difference(open, &tidy).into_iter().collect()))
}

fn definition(documents: &Documents, params: lsp_types::GotoDefinitionParams) -> Answer<GotoDefinition> {
    let at = params.text_document_position_params;
    let (open, offset) = place(documents, &at)?;
    let found = open.document.definition(offset);
    Ok(found.map(|definition| GotoDefinitionResponse::Scalar(location(open, &at.text_document.uri, definition.span))))
}

fn hover(documents: &Documents, params: lsp_types::HoverParams) -> Answer<HoverRequest> {
    let (open, offset) = place(documents, &params.text_document_position_params)?;
    Ok(open.document.hover(offset).map(|hover| Hover {
        contents: HoverContents::Markup(convert::markup(&hover.help)),
        range: Some(open.lines.range(open.text(), hover.span)),
    }))
}

fn references(documents: &Documents, params: lsp_types::ReferenceParams) -> Answer<References> {
    let at = params.text_document_position;
    let (open, offset) = place(documents, &at)?;
    let spans = open.document.references(offset, params.context.include_declaration);
    let locations = spans
        .into_iter()
        .map(|span| location(open, &at.text_document.uri, span));
    Ok(Some(locations.collect()))
}

fn prepare_rename(documents: &Documents, at: TextDocumentPositionParams) -> Answer<PrepareRenameRequest> {
    let (open, offset) = place(documents, &at)?;
    let span = open.document.renameable(offset);
    Ok(span.map(|span| PrepareRenameResponse::RangeWithPlaceholder {
        range: open.lines.range(open.text(), span),
        placeholder: open.document.slice(span).to_owned(),
    }))
}

fn rename(documents: &Documents, params: lsp_types::RenameParams) -> Answer<Rename> {
    let at = params.text_document_position;
    let (open, offset) = place(documents, &at)?;
    let spans = open
        .document
        .rename(offset, &params.new_name)
        .map_err(|error| Refusal::new(ErrorCode::RequestFailed, error.to_string()))?;
    let edit = |span| TextEdit::new(open.lines.range(open.text(), span), params.new_name.clone());
    let edits: Vec<TextEdit> = spans.into_iter().map(edit).collect();
    Ok(Some(WorkspaceEdit::new(HashMap::from([(at.text_document.uri, edits)]))))
}

fn tokens(documents: &Documents, params: lsp_types::SemanticTokensParams) -> Answer<SemanticTokensFullRequest> {
    let open = documents.get(&params.text_document.uri)?;
    let tokens = SemanticTokens {
        result_id: None,
        data: convert::tokens(open),
    };
    Ok(Some(tokens.into()))
}
