//! The collection of everything that is wrong with a source.

use crate::codes;
use crate::source::Span;
use crate::sources::{Call, Sources};
use std::collections::{BTreeMap, BTreeSet};
use systole_isa::Diagnostic;
use systole_isa::diagnostic::Place;

/// Diagnostics of one line that are kept. Each carries its line's text, so that without a limit a single long line of
/// nonsense would take memory quadratic in its length.
const MAX_PER_LINE: u32 = 24;
/// Calls that a diagnostic within a macro names; deeper nesting says little.
const MAX_CALLS: usize = 4;

/// Collects what is wrong with a source text.
#[derive(Default)]
pub(crate) struct Problems {
    found: Vec<Found>,
    /// The statement that is being looked at.
    within: Option<Span>,
}

struct Found {
    span: Span,
    within: Option<Span>,
    diagnostic: Diagnostic,
}

impl Problems {
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Number of diagnostics so far.
    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// Adds a diagnostic at a place.
    pub(crate) fn push(&mut self, span: Span, diagnostic: Diagnostic) {
        self.found.push(Found {
            span,
            within: self.within,
            diagnostic,
        });
    }

    /// Says which statement what follows is about.
    pub(crate) fn enter(&mut self, statement: Span) {
        self.within = Some(statement);
    }

    /// Everything found, in the order of the text. What several uses of a macro have in common is said once.
    pub(crate) fn into_diagnostics(self, sources: &Sources) -> Vec<Diagnostic> {
        let mut found: Vec<_> = self
            .found
            .into_iter()
            .map(|found| (sources.reading_order(found.span), found))
            .collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut n_of_line: BTreeMap<(u32, usize), u32> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut diagnostics = Vec::new();
        for (_, found) in found {
            let (source, written) = sources.written(found.span);
            if !seen.insert((written, found.diagnostic.code, found.diagnostic.message.clone())) {
                continue;
            }
            let line = (source.base(), source.line_idx(written.start));
            let n = n_of_line.entry(line).or_insert(0);
            *n += 1;
            let diagnostic = match *n {
                n if n < MAX_PER_LINE => with_calls(found.diagnostic, found.span, found.within, sources),
                MAX_PER_LINE => too_many(),
                _ => continue,
            };
            diagnostics.push(diagnostic.at(source.place(written)));
        }
        diagnostics
    }
}

fn too_many() -> Diagnostic {
    Diagnostic::error(codes::TOO_MANY, "this line has more errors, which are not shown")
        .because(format!("{} errors of one line are shown", MAX_PER_LINE - 1))
        .help("correct those first")
}

/// The diagnostic with the way that led to its place: the lines that use the macros around it or, if an argument of a macro is
/// wrong, the line of the macro that it is wrong for.
fn with_calls(mut diagnostic: Diagnostic, span: Span, within: Option<Span>, sources: &Sources) -> Diagnostic {
    let mut notes: Vec<String> = Vec::new();
    if let Some(user) = within.filter(|user| sources.frame(*user) != sources.frame(span)) {
        let place = sources.place(user);
        if let Some(Call { name, .. }) = sources.calls(user).first() {
            notes.push(format!("{} uses it here, {}", block_name(*name), line_of(&place)));
        }
    }
    for call in sources.calls(span).iter().take(MAX_CALLS) {
        notes.push(format!(
            "in {}, used by {}",
            block_name(call.name),
            line_of(&call.place)
        ));
    }
    if !notes.is_empty() {
        let note = notes.join("\n  = note: ");
        diagnostic.reason = Some(match diagnostic.reason.take() {
            Some(reason) => format!("{reason}\n  = note: {note}"),
            None => note,
        });
    }
    diagnostic
}

fn block_name(name: Option<&str>) -> String {
    name.map_or_else(|| "a repetition".to_owned(), |name| format!("macro `{name}`"))
}

fn line_of(place: &Place) -> String {
    format!("{}:{}: `{}`", place.file, place.line, place.text.trim())
}
