//! `.mask`: which blocks of rows of some data hold anything, as the bits of a constant.

use crate::codes;
use crate::context::{Context, bad_argument};
use crate::directives::DirectiveInfo;
use crate::layout::{Layout, NamedData};
use crate::outline::{Outline, Placed};
use crate::source::Span;
use crate::syntax::Expr;
use systole_isa::{Diagnostic, ElementFormat};

/// Bits of a mask: as many as a register has.
const MAX_BLOCKS: u64 = 64;
/// The largest logarithm of a block's length.
const MAX_LOG2_ROWS: i128 = 24;
/// Arguments that are given by name and may be left out.
const KEYS: [&str; 4] = ["first", "rows", "columns", "zero"];

/// A mask to be.
pub(crate) struct MaskPlan<'a> {
    pub(crate) name: Span,
    data: Span,
    log2_rows: &'a Expr,
    /// The values of [`KEYS`].
    keys: [Option<&'a Expr>; KEYS.len()],
    placed: Placed<'a>,
}

/// The mask of a line; `None` is reported.
pub(crate) fn plan<'a>(
    info: &'static DirectiveInfo,
    placed: Placed<'a>,
    context: &mut Context<'a>,
) -> Option<MaskPlan<'a>> {
    let statement = placed.statement;
    let mut is_good = context.check_no_tokens(statement, info) && crate::context::is_clear(statement);
    let n_by_position = statement
        .arguments
        .iter()
        .take_while(|argument| argument.name.is_none())
        .count();
    let (by_position, by_name) = statement.arguments.split_at(n_by_position);
    let mut keys = [None; KEYS.len()];
    for argument in by_name {
        let Some(span) = argument.name else {
            let message = "this argument is given by position after one by name";
            context.report(argument.value.span, bad_argument(info, message.to_owned()));
            is_good = false;
            continue;
        };
        let key = context.slice(span);
        match KEYS.iter().position(|known| *known == key) {
            Some(place) if keys[place].is_none() => keys[place] = Some(&argument.value),
            Some(_) => {
                let diagnostic = Diagnostic::error(codes::BAD_KEY, format!("key `{key}` is given twice"));
                context.report(span, diagnostic);
            }
            None => {
                let help = context.help_choose(key, &KEYS);
                let diagnostic = Diagnostic::error(codes::BAD_KEY, format!("a mask has no key `{key}`")).help(help);
                context.report(span, diagnostic);
            }
        }
    }
    let [name, data, log2_rows] = by_position else {
        if is_good {
            let message = "a mask has a name, data and the logarithm of a block's length".to_owned();
            context.report(statement.head, bad_argument(info, message));
        }
        return None;
    };
    context.word(&name.value, info, "the name of a mask")?;
    context.word(&data.value, info, "the name of the data")?;
    is_good.then_some(MaskPlan {
        name: name.value.span,
        data: data.value.span,
        log2_rows: &log2_rows.value,
        keys,
        placed,
    })
}

/// Finds the bits of every mask, in the order of the text.
pub(crate) fn evaluate<'a>(outline: &Outline<'a>, layout: &Layout<'a>, context: &mut Context<'a>) {
    for plan in &outline.masks {
        context.enter(plan.placed.scope, plan.placed.statement.head);
        let value = bits(plan, layout, context);
        context.enter(plan.placed.scope, plan.placed.statement.head);
        context.names.set_value(plan.name, value);
    }
}

/// The part of a matrix that a mask is about.
struct Part {
    first_row: u64,
    n_rows: u64,
    n_columns: u64,
    /// Logarithm of the number of rows of a block.
    log2_rows: u32,
    zero: i32,
}

fn bits<'a>(plan: &MaskPlan<'a>, layout: &Layout<'a>, context: &mut Context<'a>) -> Option<i128> {
    let named = context.names.definition(plan.data).map(|definition| definition.span);
    let Some(named) = named.and_then(|name| layout.named.get(&name)) else {
        let name = context.slice(plan.data);
        let diagnostic = Diagnostic::error(codes::BAD_MASK, format!("`{name}` is no data of this program"))
            .because("a mask shows where a tensor or a label within a segment has elements that are not zero")
            .help("name a `.tensor` or label with data behind it");
        context.report(plan.data, diagnostic);
        return None;
    };
    let Some(format) = named.format else {
        let name = context.slice(plan.data);
        let diagnostic = Diagnostic::error(codes::BAD_MASK, format!("the format of `{name}` is not known"))
            .help("declare it with `.tensor`, or write its data with a directive such as `.i8`");
        context.report(plan.data, diagnostic);
        return None;
    };
    let bytes = layout.bytes(named, context);
    context.enter(plan.placed.scope, plan.placed.statement.head);
    let n_elements = bytes.len() as u64 * 8 / u64::from(format.bits());
    let part = part(plan, named, n_elements, context)?;
    Some(i128::from(live_blocks(&bytes, format, &part) as i64))
}

/// The rows of a mask, checked against the data that there are; `None` is reported.
fn part(plan: &MaskPlan, named: &NamedData, n_elements: u64, context: &mut Context) -> Option<Part> {
    let shape = match named.tensor {
        Some(tensor) => Some(context.names.shape(tensor, &mut context.problems)?),
        None => None,
    };
    let n_there = n_elements;
    let n_elements = shape.as_ref().map_or(n_there, |shape| shape.iter().product());
    if n_elements > n_there {
        // Why its data are incomplete was reported.
        return None;
    }
    let [first, rows, columns, zero] = plan.keys;
    let count = 1..=i128::from(n_elements.max(1));
    let n_columns = match (columns, &shape) {
        (Some(columns), _) => context.integer(columns, count, "the number of columns")? as u64,
        (None, Some(shape)) => shape[1..].iter().product(),
        (None, None) => 1,
    };
    let n_rows_there = n_elements / n_columns;
    let first_row = match first {
        Some(first) => context.integer(first, 0..=i128::from(n_rows_there), "the first row")? as u64,
        None => 0,
    };
    let n_left = n_rows_there - first_row;
    let n_rows = match rows {
        Some(rows) => context.integer(rows, 0..=i128::from(n_left), "the number of rows")? as u64,
        None => n_left,
    };
    let log2_rows = context.integer(plan.log2_rows, 0..=MAX_LOG2_ROWS, "the logarithm of a block's length")? as u32;
    let format_range = (i128::from(i32::MIN), i128::from(i32::MAX));
    let zero = match zero {
        Some(zero) => context.integer(zero, format_range.0..=format_range.1, "the zero point")? as i32,
        None => 0,
    };
    let n_blocks = n_rows.div_ceil(1 << log2_rows);
    if n_blocks > MAX_BLOCKS {
        let diagnostic = Diagnostic::error(codes::BAD_MASK, format!("the mask has {n_blocks} blocks"))
            .because(format!(
                "{n_rows} rows in blocks of {}, and a register has {MAX_BLOCKS} bits",
                1_u64 << log2_rows
            ))
            .help("make masks for parts of the rows with `first=ROW, rows=N`, or choose longer blocks");
        context.report(plan.log2_rows.span, diagnostic);
        return None;
    }
    Some(Part {
        first_row,
        n_rows,
        n_columns,
        log2_rows,
        zero,
    })
}

/// One bit for each block of rows, the first one lowest: whether an element differs from zero.
fn live_blocks(bytes: &[u8], format: ElementFormat, part: &Part) -> u64 {
    let n_bits = u64::from(format.bits());
    let element = |i: u64| {
        let bit = i * n_bits;
        let first = (bit / 8) as usize;
        let mut word = [0; 4];
        let there = bytes.get(first..).unwrap_or_default();
        let n_bytes = there.len().min(word.len());
        word[..n_bytes].copy_from_slice(&there[..n_bytes]);
        format.decode(u32::from_le_bytes(word) >> (bit % 8))
    };
    let mut live = 0;
    for row in 0..part.n_rows {
        let first = (part.first_row + row) * part.n_columns;
        if (first..first + part.n_columns).any(|i| element(i) != part.zero) {
            live |= 1 << (row >> part.log2_rows);
        }
    }
    live
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_live_if_one_of_its_elements_differs_from_zero() {
        // Six rows of two i4 elements: 0 0 | 0 1 | 0 0 | 0 0 | 7 0 | 0 0.
        let bytes = [0x00, 0x10, 0x00, 0x00, 0x07, 0x00];
        let mut part = Part {
            first_row: 0,
            n_rows: 6,
            n_columns: 2,
            log2_rows: 0,
            zero: 0,
        };
        assert_eq!(live_blocks(&bytes, ElementFormat::I4, &part), 0b01_0010);
        part.log2_rows = 1;
        assert_eq!(live_blocks(&bytes, ElementFormat::I4, &part), 0b101);
        part.first_row = 2;
        part.n_rows = 3;
        assert_eq!(live_blocks(&bytes, ElementFormat::I4, &part), 0b10);
        part.zero = 7;
        assert_eq!(live_blocks(&bytes, ElementFormat::I4, &part), 0b11);
    }
}
