//! Data directives: how many bits their values take, and which.

use crate::codes;
use crate::context::Context;
use crate::directives::DataKind;
use crate::npy::{NpyArray, NpyValues};
use crate::outline::DataItem;
use crate::syntax::{BinaryOp, Expr, ExprKind};
use systole_isa::{Diagnostic, ElementFormat};

/// Values of a repeated list that are kept instead of being computed for every turn.
const MAX_KEPT: u64 = 1 << 20;
/// More bits than any program holds.
const MANY_BITS: u64 = 1 << 50;

/// Bits one after the other, lowest first.
#[derive(Default)]
pub(crate) struct Bits {
    bytes: Vec<u8>,
    /// Bits that are in use in the last byte; 0 if it is full.
    n_used: u32,
}

impl Bits {
    pub(crate) fn with_capacity(n_bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(n_bytes),
            n_used: 0,
        }
    }

    /// Goes to the next whole byte.
    pub(crate) fn fill_byte(&mut self) {
        self.n_used = 0;
    }

    /// Adds the lowest bits of a pattern. `n_bits` is a power of two up to 64.
    fn push(&mut self, pattern: u64, n_bits: u32) {
        if n_bits >= 8 {
            self.fill_byte();
            self.bytes.extend(&pattern.to_le_bytes()[..(n_bits / 8) as usize]);
            return;
        }
        let pattern = (pattern & ((1 << n_bits) - 1)) as u8;
        match self.bytes.last_mut().filter(|_| self.n_used > 0) {
            Some(last) => *last |= pattern << self.n_used,
            None => self.bytes.push(pattern),
        }
        self.n_used = (self.n_used + n_bits) % 8;
    }

    pub(crate) fn zeros(&mut self, n_bytes: u64) {
        self.fill_byte();
        self.bytes.resize(self.bytes.len() + n_bytes as usize, 0);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// How values become bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Elements(ElementFormat),
    Integers {
        n_bytes: u32,
        lo: i128,
        hi: i128,
    },
    Floats,
    Hex,
    Zeros,
    /// An array whose values become elements or, without a format, binary32 numbers.
    Array(Option<ElementFormat>),
}

impl Encoding {
    /// Bits of one value, where there are values.
    fn value_bits(self) -> u32 {
        match self {
            Self::Elements(format) | Self::Array(Some(format)) => format.bits(),
            Self::Integers { n_bytes, .. } => n_bytes * 8,
            Self::Floats | Self::Array(None) => u32::BITS,
            Self::Hex | Self::Zeros => u8::BITS,
        }
    }

    /// The format of the elements, if that is what the bits are.
    pub(crate) fn format(self) -> Option<ElementFormat> {
        match self {
            Self::Elements(format) | Self::Array(Some(format)) => Some(format),
            Self::Integers { .. } | Self::Floats | Self::Hex | Self::Zeros | Self::Array(None) => None,
        }
    }
}

/// How the values of a directive become bits, in a tensor of this format if in one; `None` is reported.
pub(crate) fn encoding(item: &DataItem, tensor: Option<ElementFormat>, context: &mut Context) -> Option<Encoding> {
    Some(match item.kind {
        DataKind::Elements(format) => Encoding::Elements(format),
        DataKind::Integers { n_bytes, lo, hi } => Encoding::Integers { n_bytes, lo, hi },
        DataKind::Floats => Encoding::Floats,
        DataKind::Hex => Encoding::Hex,
        DataKind::Zeros => Encoding::Zeros,
        DataKind::Array => Encoding::Array(array_format(item, tensor, context)?),
    })
}

/// The format of an array's elements, or nothing for binary32 numbers; `None` is reported.
fn array_format(
    item: &DataItem,
    tensor: Option<ElementFormat>,
    context: &mut Context,
) -> Option<Option<ElementFormat>> {
    const FLOATS: &str = "f32";
    let statement = item.placed.statement;
    let array = context.arrays.get(&statement.head)?;
    let place = statement.arguments.first()?.value.span;
    let format = match statement.arguments.get(1) {
        Some(word) => {
            let words: Vec<&str> = ElementFormat::ALL
                .iter()
                .map(|format| format.word())
                .chain([FLOATS])
                .collect();
            let chosen = context.choice(&word.value, item.info, "format", &words)?;
            ElementFormat::ALL.get(chosen).copied()
        }
        None => tensor.or(array.format),
    };
    let problem = match (&array.values, format) {
        (NpyValues::Floats(_), Some(format)) => {
            format!("its values are binary32 numbers, not elements of `{}`", format.word())
        }
        (NpyValues::Integers(_), None) => "no format holds every value of its type; say which one is meant".to_owned(),
        _ => return Some(format),
    };
    let diagnostic = Diagnostic::error(codes::BAD_ARRAY, "the array cannot be stored like this")
        .because(problem)
        .help("write `.npy \"FILE\", FORMAT`, with f32 for numbers with a fraction");
    context.report(place, diagnostic);
    None
}

/// Bits of a directive's values; `None` is reported.
pub(crate) fn n_bits(item: &DataItem, encoding: Encoding, context: &mut Context) -> Option<u64> {
    let statement = item.placed.statement;
    match encoding {
        Encoding::Elements(_) | Encoding::Integers { .. } | Encoding::Floats => {
            let mut n_values: u64 = 0;
            for argument in &statement.arguments {
                n_values = n_values.saturating_add(self::n_values(&argument.value, context)?);
            }
            Some(n_values.min(MANY_BITS) * u64::from(encoding.value_bits()))
        }
        Encoding::Zeros => {
            let n_bytes = context.unsigned(&statement.arguments.first()?.value, "the number of zero bytes")?;
            Some(n_bytes.min(MANY_BITS) * 8)
        }
        Encoding::Hex => {
            let n_digits = statement.arguments.iter().map(|argument| match &argument.value.kind {
                ExprKind::Text(text) => text.bytes().filter(|byte| !byte.is_ascii_whitespace()).count() as u64,
                _ => 0,
            });
            // Malformed texts are reported when their bytes are made.
            Some(n_digits.map(|n| n / 2 * 8).sum())
        }
        Encoding::Array(_) => {
            let array = context.arrays.get(&statement.head)?;
            Some(array.n_elements().min(MANY_BITS) * u64::from(encoding.value_bits()))
        }
    }
}

/// A list and how often it stands there, if that is what an expression says.
fn repetition(expr: &Expr) -> Option<(&[Expr], Option<&Expr>)> {
    match &expr.kind {
        ExprKind::List(items) => Some((items, None)),
        ExprKind::Binary(BinaryOp::Multiply, operands) => match &operands.0.kind {
            ExprKind::List(items) => Some((items, Some(&operands.1))),
            _ => None,
        },
        _ => None,
    }
}

/// Number of values that an argument stands for; `None` is reported.
fn n_values(expr: &Expr, context: &mut Context) -> Option<u64> {
    if let Some((items, count)) = repetition(expr) {
        let mut n_items: u64 = 0;
        for item in items {
            n_items = n_items.saturating_add(n_values(item, context)?);
        }
        let count = match count {
            Some(count) => context.unsigned(count, "the number of repetitions")?,
            None => 1,
        };
        return Some(n_items.saturating_mul(count));
    }
    let ExprKind::Range(ends) = &expr.kind else {
        return Some(1);
    };
    let first = context.names.evaluate(&ends.0, &mut context.problems);
    let last = context.names.evaluate(&ends.1, &mut context.problems);
    let (first, last) = (first?, last?);
    if last < first {
        let diagnostic = Diagnostic::error(
            codes::BAD_DATA,
            format!("the range from {first} to {last} runs backwards"),
        )
        .help("write the smaller number first");
        context.report(expr.span, diagnostic);
        return None;
    }
    let n_values = last.checked_sub(first).and_then(|n| u64::try_from(n).ok());
    Some(n_values.map_or(u64::MAX, |n| n.saturating_add(1)))
}

/// Appends the bits of a directive.
pub(crate) fn append<'a>(bits: &mut Bits, item: &DataItem<'a>, encoding: Encoding, context: &mut Context<'a>) {
    let statement = item.placed.statement;
    match encoding {
        Encoding::Elements(_) | Encoding::Integers { .. } | Encoding::Floats => {
            for argument in &statement.arguments {
                append_values(&argument.value, item, encoding, context, &mut |patterns| {
                    for pattern in patterns {
                        bits.push(*pattern, encoding.value_bits());
                    }
                });
            }
        }
        Encoding::Zeros => {
            let n_zeros = statement.arguments.first();
            let n_zeros = n_zeros.and_then(|n| context.unsigned(&n.value, "the number of zero bytes"));
            bits.zeros(n_zeros.unwrap_or(0));
        }
        Encoding::Hex => {
            for argument in &statement.arguments {
                if let Some(text) = context.text(&argument.value, item.info, "hexadecimal data")
                    && let Err(problem) = append_hex(bits, text)
                {
                    context.report(argument.value.span, problem);
                }
            }
        }
        Encoding::Array(format) => {
            if let Some(array) = context.arrays.get(&statement.head) {
                append_array(bits, array, format, item, context);
            }
        }
    }
}

/// Hands the patterns of an argument's values to `emit`, repeated ones again and again.
fn append_values<'a>(
    expr: &'a Expr,
    item: &DataItem<'a>,
    encoding: Encoding,
    context: &mut Context<'a>,
    emit: &mut dyn FnMut(&[u64]),
) {
    if let Some((items, count)) = repetition(expr) {
        let count = count.map_or(Some(1), |count| context.unsigned(count, "the number of repetitions"));
        let n_items = items
            .iter()
            .try_fold(0_u64, |n, inner| Some(n.saturating_add(n_values(inner, context)?)));
        let (Some(count), Some(n_items)) = (count, n_items) else {
            return;
        };
        let mut once = Vec::new();
        if n_items <= MAX_KEPT {
            for inner in items {
                append_values(inner, item, encoding, context, &mut |patterns| {
                    once.extend_from_slice(patterns)
                });
            }
            (0..count).for_each(|_| emit(&once));
            return;
        }
        let n_problems = context.problems.len();
        for _ in 0..count {
            for inner in items {
                append_values(inner, item, encoding, context, emit);
            }
            if context.problems.len() > n_problems {
                break;
            }
        }
        return;
    }
    match (&expr.kind, encoding) {
        (ExprKind::Range(ends), Encoding::Elements(_) | Encoding::Integers { .. }) => {
            let first = integer(&ends.0, item, encoding, context);
            let last = integer(&ends.1, item, encoding, context);
            if let (Some(first), Some(last)) = (first, last) {
                for value in first..=last {
                    emit(&[pattern(value, encoding)]);
                }
            }
        }
        (_, Encoding::Floats) => {
            let value = context.float(expr, "a value of `.f32`").unwrap_or(0.0);
            emit(&[u64::from(value.to_bits())]);
        }
        _ => {
            let value = integer(expr, item, encoding, context).unwrap_or(0);
            emit(&[pattern(value, encoding)]);
        }
    }
}

/// The smallest and the largest value.
fn range_of(encoding: Encoding) -> (i128, i128) {
    match encoding {
        Encoding::Integers { lo, hi, .. } => (lo, hi),
        Encoding::Elements(format) | Encoding::Array(Some(format)) => {
            let (lo, hi) = format.range();
            (i128::from(lo), i128::from(hi))
        }
        Encoding::Floats | Encoding::Hex | Encoding::Zeros | Encoding::Array(None) => (0, 0),
    }
}

/// Whether a format has no zero, only -1 and 1.
fn is_bipolar(encoding: Encoding) -> bool {
    encoding.format() == Some(ElementFormat::B1)
}

fn integer(expr: &Expr, item: &DataItem, encoding: Encoding, context: &mut Context) -> Option<i128> {
    let (lo, hi) = range_of(encoding);
    let value = context.integer(expr, lo..=hi, &format!("a value of `{}`", item.info.name))?;
    if value == 0 && is_bipolar(encoding) {
        let diagnostic = Diagnostic::error(codes::OUT_OF_RANGE, "a bipolar bit is -1 or 1, not 0")
            .because("bit 0 means -1 and bit 1 means 1")
            .help("write -1 or 1");
        context.report(expr.span, diagnostic);
        return None;
    }
    Some(value)
}

fn pattern(value: i128, encoding: Encoding) -> u64 {
    match encoding.format() {
        // The value was checked against the range of the format, which is one of 32 bits.
        Some(format) => u64::from(format.encode(value as i32)),
        None => value as u64,
    }
}

fn append_array(
    bits: &mut Bits,
    array: &NpyArray,
    format: Option<ElementFormat>,
    item: &DataItem,
    context: &mut Context,
) {
    let n_bits = Encoding::Array(format).value_bits();
    match (&array.values, format) {
        (NpyValues::Floats(values), _) => values
            .iter()
            .for_each(|value| bits.push(u64::from(value.to_bits()), n_bits)),
        (NpyValues::Integers(values), Some(format)) => {
            let (lo, hi) = format.range();
            let fits = |value: i64| {
                (i64::from(lo)..=i64::from(hi)).contains(&value) && !(value == 0 && format == ElementFormat::B1)
            };
            let misfit = values.iter().enumerate().find(|(_, value)| !fits(**value));
            if let Some((i, value)) = misfit
                && let Some(argument) = item.placed.statement.arguments.first()
            {
                let message = format!("element {i} of the array is {value}");
                let diagnostic = Diagnostic::error(codes::BAD_ARRAY, message)
                    .because(format!("format `{}` holds {lo}..={hi}", format.word()))
                    .help("choose a wider format, or quantize the array");
                context.report(argument.value.span, diagnostic);
                return;
            }
            for value in values {
                bits.push(u64::from(format.encode(*value as i32)), n_bits);
            }
        }
        (NpyValues::Integers(_), None) => {}
    }
}

fn append_hex(bits: &mut Bits, text: &str) -> Result<(), Diagnostic> {
    let bad = |message: String| {
        Diagnostic::error(codes::BAD_DATA, message)
            .because("each byte is two hexadecimal digits; blanks may stand between")
    };
    let mut high: Option<u64> = None;
    for c in text.chars().filter(|c| !c.is_ascii_whitespace()) {
        let Some(digit) = c.to_digit(16).map(u64::from) else {
            return Err(bad(format!("`{}` is no hexadecimal digit", c.escape_debug())));
        };
        high = match high {
            None => Some(digit),
            Some(high) => {
                bits.push(high << 4 | digit, u8::BITS);
                None
            }
        };
    }
    match high {
        None => Ok(()),
        Some(_) => Err(bad("the number of hexadecimal digits is odd".to_owned())),
    }
}
