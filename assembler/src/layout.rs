//! The second pass: where segments and the labels within them are, and which bytes they hold.

use crate::codes;
use crate::context::Context;
use crate::directives::{DataKind, DirectiveInfo};
use crate::outline::{Item, Outline, SegmentPlan, Size, SymbolPlan};
use crate::source::Span;
use crate::syntax::{ExprKind, Statement};
use std::collections::BTreeMap;
use systole_isa::Diagnostic;
use systole_isa::container::CODE_BASE;
use systole_isa::program::Segment;

/// Bytes of all segments together; a few characters of source can ask for any number of zeros.
const MAX_BYTES: u64 = 1 << 30;

/// The place of a segment.
pub(crate) struct Placed {
    address: u64,
    n_bytes: u64,
    span: Span,
}

/// Finds the place of every segment and label. A segment without a place is reported and absent from the result.
pub(crate) fn place_segments(outline: &mut Outline, context: &mut Context) -> Vec<Option<Placed>> {
    let mut n_left = MAX_BYTES;
    let mut placed = Vec::new();
    for segment in &outline.segments {
        placed.push(place(segment, &mut outline.symbols, context, &mut n_left));
    }
    report_overlaps(&placed, context);
    placed
}

fn place(plan: &SegmentPlan, symbols: &mut [SymbolPlan], context: &mut Context, n_left: &mut u64) -> Option<Placed> {
    let what = "the address of a segment";
    let address = plan.statement.arguments.get(1).and_then(|expr| {
        let address = context.integer(&expr.value, 0..=i128::from(CODE_BASE), what)?;
        u64::try_from(address).ok()
    });
    // The length is needed although the address may be missing: its mistakes are to be reported, too.
    let mut n_bytes = Some(0_u64);
    let mut open_label: Option<(usize, u64)> = None;
    for item in &plan.items {
        match item {
            Item::Label(symbol_idx) => {
                close_label(symbols, open_label, n_bytes);
                let here = address.zip(n_bytes).map(|(address, n_bytes)| address + n_bytes);
                context.names.set_address(&symbols[*symbol_idx].name, here);
                open_label = n_bytes.map(|n_bytes| (*symbol_idx, n_bytes));
            }
            Item::Data(kind, _, statement) => {
                let n_more = data_length(*kind, statement, context);
                n_bytes = n_bytes.zip(n_more).and_then(|(n_bytes, n_more)| {
                    if n_more > *n_left {
                        let message = "the segments hold too many bytes";
                        let diagnostic = Diagnostic::error(codes::BAD_SEGMENT, message)
                            .because(format!("together they hold at most {MAX_BYTES} bytes"))
                            .help("DRAM is zero where no segment is, so that zeros at an end can be left out");
                        context.report(statement.head, diagnostic);
                        return None;
                    }
                    *n_left -= n_more;
                    Some(n_bytes + n_more)
                });
            }
        }
    }
    close_label(symbols, open_label, n_bytes);
    let (address, n_bytes) = address.zip(n_bytes)?;
    let span = plan.statement.arguments.get(1)?.value.span;
    if address + n_bytes > CODE_BASE {
        let diagnostic = Diagnostic::error(codes::BAD_SEGMENT, "the segment reaches beyond the end of all DRAM")
            .because(format!("it has {n_bytes} bytes, and addresses end at {CODE_BASE:#x}"));
        context.report(span, diagnostic);
        return None;
    }
    Some(Placed { address, n_bytes, span })
}

fn close_label(symbols: &mut [SymbolPlan], label: Option<(usize, u64)>, n_bytes: Option<u64>) {
    if let Some(((symbol_idx, start), end)) = label.zip(n_bytes) {
        symbols[symbol_idx].size = Size::Known(end - start);
    }
}

/// Bytes of a data directive; `None` is reported.
fn data_length(kind: DataKind, statement: &Statement, context: &mut Context) -> Option<u64> {
    let n_arguments = statement.arguments.len() as u64;
    match kind {
        DataKind::Integers { n_bytes, .. } => Some(n_arguments * u64::from(n_bytes)),
        DataKind::Floats => Some(n_arguments * 4),
        DataKind::Zeros => context.unsigned(&statement.arguments.first()?.value, "the number of zero bytes"),
        DataKind::Hex => {
            let n_digits = statement.arguments.iter().map(|argument| match &argument.value.kind {
                ExprKind::Text(text) => text.bytes().filter(|byte| !byte.is_ascii_whitespace()).count() as u64,
                _ => 0,
            });
            // Malformed texts are reported when their bytes are made.
            Some(n_digits.map(|n| n / 2).sum())
        }
    }
}

fn report_overlaps(placed: &[Option<Placed>], context: &mut Context) {
    let mut by_address: Vec<&Placed> = placed.iter().flatten().filter(|segment| segment.n_bytes > 0).collect();
    by_address.sort_by_key(|segment| (segment.address, segment.span));
    let mut furthest: Option<&Placed> = None;
    for segment in by_address {
        if let Some(before) = furthest.filter(|before| segment.address < before.address + before.n_bytes) {
            let line = context.line_number(before.span);
            let end = before.address + before.n_bytes;
            let diagnostic = Diagnostic::error(codes::BAD_SEGMENT, "the segment overlaps another one")
                .because(format!(
                    "it starts at {:#x}, and the one of line {line} ends at {end:#x}",
                    segment.address
                ))
                .help(format!("move it to {end:#x} or further"));
            context.report(segment.span, diagnostic);
        }
        let reaches_further = |before: &Placed| segment.address + segment.n_bytes > before.address + before.n_bytes;
        if furthest.is_none_or(reaches_further) {
            furthest = Some(segment);
        }
    }
}

/// The segments with their bytes. What is missing was reported.
pub(crate) fn segments<'a>(
    outline: &Outline<'a>,
    placed: &[Option<Placed>],
    context: &mut Context<'a>,
) -> Vec<Segment> {
    let mut lines_of_names: BTreeMap<&str, u32> = BTreeMap::new();
    let mut segments = Vec::new();
    for (plan, placed) in outline.segments.iter().zip(placed) {
        let name = match plan.statement.arguments.first() {
            Some(argument) => context.text(&argument.value, plan.info, "the name of a segment"),
            None => None,
        };
        if let Some(name) = name {
            let line = context.line_number(plan.statement.head);
            let other = lines_of_names.insert(name, line);
            if let Some(other) = other {
                let message = format!("two segments are named `{}`", crate::literal::escape(name));
                let diagnostic = Diagnostic::error(codes::BAD_SEGMENT, message)
                    .because(format!("line {other} begins a segment of this name already"));
                context.report(plan.statement.arguments[0].value.span, diagnostic);
            }
        }
        let mut bytes = Vec::with_capacity(placed.as_ref().map_or(0, |placed| placed.n_bytes as usize));
        for item in &plan.items {
            if let Item::Data(kind, info, statement) = item {
                append(&mut bytes, *kind, info, statement, placed.is_some(), context);
            }
        }
        if let (Some(name), Some(placed)) = (name, placed) {
            segments.push(Segment {
                name: name.to_owned(),
                address: placed.address,
                bytes: bytes.into(),
            });
        }
    }
    segments
}

/// Appends the bytes of a data directive.
fn append<'a>(
    bytes: &mut Vec<u8>,
    kind: DataKind,
    info: &DirectiveInfo,
    statement: &'a Statement,
    is_placed: bool,
    context: &mut Context<'a>,
) {
    for argument in &statement.arguments {
        let expr = &argument.value;
        match kind {
            DataKind::Integers { n_bytes, lo, hi } => {
                let value = context.integer(
                    expr,
                    i128::from(lo)..=i128::from(hi),
                    &format!("a value of `{}`", info.name),
                );
                bytes.extend(&value.unwrap_or(0).to_le_bytes()[..n_bytes as usize]);
            }
            DataKind::Floats => bytes.extend(context.float(expr, "a value of `.f32`").unwrap_or(0.0).to_le_bytes()),
            // Without a place the length was reported, and may be anything.
            DataKind::Zeros if is_placed => {
                let n_zeros = context.unsigned(expr, "the number of zero bytes").unwrap_or(0);
                bytes.resize(bytes.len() + n_zeros as usize, 0);
            }
            DataKind::Zeros => {}
            DataKind::Hex => {
                if let Some(text) = context.text(expr, info, "hexadecimal data")
                    && let Err(problem) = append_hex(bytes, text)
                {
                    context.report(expr.span, problem);
                }
            }
        }
    }
}

fn append_hex(bytes: &mut Vec<u8>, text: &str) -> Result<(), Diagnostic> {
    let bad = |message: String| {
        Diagnostic::error(codes::BAD_DATA, message)
            .because("each byte is two hexadecimal digits; blanks may stand between")
    };
    let mut high: Option<u8> = None;
    for c in text.chars().filter(|c| !c.is_ascii_whitespace()) {
        let Some(digit) = c.to_digit(16) else {
            return Err(bad(format!("`{}` is no hexadecimal digit", c.escape_debug())));
        };
        high = match high {
            None => Some(digit as u8),
            Some(high) => {
                bytes.push(high << 4 | digit as u8);
                None
            }
        };
    }
    match high {
        None => Ok(()),
        Some(_) => Err(bad("the number of hexadecimal digits is odd".to_owned())),
    }
}
