//! The assembler's values as those of the protocol.

use super::documents::Open;
use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionTextEdit, Diagnostic, DiagnosticSeverity, DocumentSymbol,
    Documentation, MarkupContent, MarkupKind, NumberOrString, Range, SemanticToken, SemanticTokenType,
    SemanticTokensLegend, SymbolKind, TextEdit,
};
use systole_assembler::service::{Colour, Completion, CompletionKind, Help, Symbol, SymbolRole};
use systole_isa::diagnostic::Severity;

/// What is wrong with a text.
pub(super) fn diagnostics(open: &Open) -> Vec<Diagnostic> {
    let of_text = open.document.diagnostics();
    of_text
        .map(|(span, found)| {
            let reason = found.reason.iter().map(|reason| format!("\nwhy: {reason}"));
            let help = found.help.iter().map(|help| format!("\nhelp: {help}"));
            let message = std::iter::once(found.message.clone())
                .chain(reason)
                .chain(help)
                .collect();
            Diagnostic {
                range: open.lines.range(open.text(), span),
                severity: Some(match found.severity {
                    Severity::Warning => DiagnosticSeverity::WARNING,
                    Severity::Error => DiagnosticSeverity::ERROR,
                }),
                code: Some(NumberOrString::String(found.code.to_owned())),
                source: Some("systole".to_owned()),
                message,
                ..Diagnostic::default()
            }
        })
        .collect()
}

/// An explanation.
pub(super) fn markup(help: &Help) -> MarkupContent {
    MarkupContent {
        kind: MarkupKind::Markdown,
        value: help.markdown(),
    }
}

/// A proposal. `place` is its position in the list, which the editor keeps among equally good ones.
pub(super) fn completion(open: &Open, place: usize, completion: Completion) -> CompletionItem {
    let kind = match completion.kind {
        CompletionKind::Mnemonic => CompletionItemKind::KEYWORD,
        CompletionKind::Directive => CompletionItemKind::FUNCTION,
        CompletionKind::Register => CompletionItemKind::VARIABLE,
        CompletionKind::Choice => CompletionItemKind::ENUM_MEMBER,
        CompletionKind::ArgumentName => CompletionItemKind::PROPERTY,
        CompletionKind::Label => CompletionItemKind::REFERENCE,
        CompletionKind::Symbol => CompletionItemKind::CONSTANT,
    };
    let edit = TextEdit::new(
        open.lines.range(open.text(), completion.replaces),
        completion.text.clone(),
    );
    CompletionItem {
        label: completion.text,
        kind: Some(kind),
        detail: Some(completion.detail).filter(|detail| !detail.is_empty()),
        documentation: completion
            .help
            .as_ref()
            .map(|help| Documentation::MarkupContent(markup(help))),
        sort_text: Some(format!("{place:04}")),
        text_edit: Some(CompletionTextEdit::Edit(edit)),
        ..CompletionItem::default()
    }
}

/// A part of a text with its own parts.
pub(super) fn symbol(open: &Open, part: Symbol) -> DocumentSymbol {
    let kind = match part.role {
        SymbolRole::Label => SymbolKind::FUNCTION,
        SymbolRole::Data => SymbolKind::ARRAY,
        SymbolRole::Constant => SymbolKind::CONSTANT,
        SymbolRole::Segment => SymbolKind::NAMESPACE,
        SymbolRole::Tensor => SymbolKind::INTERFACE,
    };
    let children: Vec<DocumentSymbol> = part.children.into_iter().map(|part| symbol(open, part)).collect();
    #[allow(deprecated, reason = "the structure has no other way to be made")]
    DocumentSymbol {
        name: part.name,
        detail: Some(part.detail),
        kind,
        tags: None,
        deprecated: None,
        range: open.lines.range(open.text(), part.span),
        selection_range: open.lines.range(open.text(), part.name_span),
        children: Some(children).filter(|children| !children.is_empty()),
    }
}

/// The kinds of coloured parts; the index of a colour is that of its kind.
pub(super) fn token_legend() -> SemanticTokensLegend {
    let kind = |colour: Colour| match colour {
        Colour::Comment => SemanticTokenType::COMMENT,
        Colour::Mnemonic => SemanticTokenType::KEYWORD,
        Colour::Directive => SemanticTokenType::DECORATOR,
        Colour::Macro => SemanticTokenType::MACRO,
        Colour::Label => SemanticTokenType::FUNCTION,
        Colour::Symbol => SemanticTokenType::VARIABLE,
        Colour::Register => SemanticTokenType::PARAMETER,
        Colour::Choice => SemanticTokenType::ENUM_MEMBER,
        Colour::ArgumentName => SemanticTokenType::PROPERTY,
        Colour::Number => SemanticTokenType::NUMBER,
        Colour::Text => SemanticTokenType::STRING,
    };
    SemanticTokensLegend {
        token_types: Colour::ALL.into_iter().map(kind).collect(),
        token_modifiers: Vec::new(),
    }
}

/// The coloured parts, each relative to the one before it.
pub(super) fn tokens(open: &Open) -> Vec<SemanticToken> {
    let mut tokens = Vec::new();
    let (mut line, mut column) = (0, 0);
    for (span, colour) in open.document.colours() {
        let Range { start, end } = open.lines.range(open.text(), span);
        if start.line != end.line {
            // A comment with a carriage return in it, which ends a line for the protocol but not for the assembler.
            continue;
        }
        tokens.push(SemanticToken {
            delta_line: start.line - line,
            delta_start: if start.line == line {
                start.character - column
            } else {
                start.character
            },
            length: end.character - start.character,
            token_type: colour as u32,
            token_modifiers_bitset: 0,
        });
        (line, column) = (start.line, start.character);
    }
    tokens
}

/// The change of one text into another that leaves the lines alone that both begin and end with; `None` if they are equal.
pub(super) fn difference(open: &Open, new: &str) -> Option<TextEdit> {
    let old = open.text();
    if old == new {
        return None;
    }
    let n_same = |same: &mut dyn Iterator<Item = (&str, &str)>| -> usize {
        same.take_while(|(a, b)| a == b).map(|(a, _)| a.len()).sum()
    };
    let start = n_same(&mut old.split_inclusive('\n').zip(new.split_inclusive('\n')));
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    // Lines that are counted at the start are not counted at the end again.
    let n_end = n_same(
        &mut old_rest
            .split_inclusive('\n')
            .rev()
            .zip(new_rest.split_inclusive('\n').rev()),
    );
    let range = Range::new(
        open.lines.position(old, start),
        open.lines.position(old, old.len() - n_end),
    );
    Some(TextEdit::new(range, new_rest[..new_rest.len() - n_end].to_owned()))
}
