//! Inputs and outputs: `.input` and `.output` lines to tensors.

use crate::codes;
use crate::context::{Context, bad_argument};
use crate::directives::DirectiveInfo;
use crate::names::Meaning;
use crate::syntax::{Expr, ExprKind, Statement};
use std::collections::BTreeMap;
use systole_isa::operand::Space;
use systole_isa::program::{HostType, IoTensor, Quantization};
use systole_isa::{Diagnostic, ElementFormat};

/// Keys of a tensor, and whether each has to be given.
const KEYS: [(&str, bool); 8] = [
    ("tensor", false),
    ("shape", true),
    ("host", true),
    ("format", true),
    ("scale", false),
    ("zero", false),
    ("address", true),
    ("strides", false),
];

/// The words for the host's element types.
pub(crate) const HOST_TYPES: [(&str, HostType); 2] = [("f32", HostType::F32), ("integer", HostType::Integer)];

/// The tensor of a line; `None` is reported.
pub(crate) fn tensor<'a>(
    info: &'static DirectiveInfo,
    statement: &'a Statement,
    context: &mut Context<'a>,
) -> Option<IoTensor> {
    let has_no_tokens = context.check_no_tokens(statement, info);
    let (name, keys) = match &statement.arguments[..] {
        [first, keys @ ..] if first.name.is_none() => (context.text(&first.value, info, "the name of a tensor"), keys),
        keys => {
            context.report(statement.head, bad_argument(info, "a tensor has a name".to_owned()));
            (None, keys)
        }
    };
    let mut values: BTreeMap<&str, &Expr> = BTreeMap::new();
    for argument in keys {
        let Some(span) = argument.name else {
            if argument.value.kind != ExprKind::Invalid {
                let message = "only the name of a tensor is given by position";
                context.report(argument.value.span, bad_argument(info, message.to_owned()));
            }
            continue;
        };
        let key = context.slice(span);
        if KEYS.iter().all(|(known, _)| *known != key) {
            let help = context.help_choose(key, &KEYS.map(|(known, _)| known));
            let diagnostic = Diagnostic::error(codes::BAD_KEY, format!("a tensor has no key `{key}`")).help(help);
            context.report(span, diagnostic);
        } else if values.insert(key, &argument.value).is_some() {
            let diagnostic = Diagnostic::error(codes::BAD_KEY, format!("key `{key}` is given twice"));
            context.report(span, diagnostic);
        }
    }
    let declared = match values.get("tensor") {
        Some(expr) => Some(declared(expr, info, context)?),
        None => None,
    };
    let is_complete = check_complete(info, statement, &values, context);
    let tensor = values_of_keys(info, &values, declared, context);
    let (name, tensor) = name.zip(tensor)?;
    (has_no_tokens && is_complete).then(|| IoTensor {
        name: name.to_owned(),
        ..tensor
    })
}

/// What is known of a tensor that `.tensor` declares.
struct Declared {
    shape: Vec<u64>,
    format: ElementFormat,
    address: u64,
}

/// The keys that stand for what a declared tensor says by itself.
const DECLARED_KEYS: [&str; 3] = ["shape", "format", "address"];

/// The tensor that an argument names; `None` is reported.
fn declared(expr: &Expr, info: &DirectiveInfo, context: &mut Context) -> Option<Declared> {
    let name = context.word(expr, info, "the name of a declared tensor")?;
    let meaning = context.names.definition(expr.span).map(|definition| definition.meaning);
    let tensor = match meaning {
        Some(Meaning::Tensor(tensor)) if context.names.tensors[tensor].space == Space::Dram => tensor,
        _ => {
            let diagnostic = Diagnostic::error(codes::BAD_TENSOR, format!("`{name}` is no tensor in DRAM"))
                .because("the host writes inputs to DRAM and reads outputs from it")
                .help(format!("declare it, as in `.tensor {name}, i8, [1, 28, 28], 0x100`"));
            context.report(expr.span, diagnostic);
            return None;
        }
    };
    let shape = context.names.shape(tensor, &mut context.problems)?;
    let address = context.names.evaluate(expr, &mut context.problems)?;
    Some(Declared {
        shape,
        format: context.names.tensors[tensor].format,
        address: u64::try_from(address).ok()?,
    })
}

fn check_complete(
    info: &'static DirectiveInfo,
    statement: &Statement,
    values: &BTreeMap<&str, &Expr>,
    context: &mut Context,
) -> bool {
    let needed = KEYS
        .iter()
        .filter(|(key, is_needed)| *is_needed && !values.contains_key(key))
        .filter(|(key, _)| !values.contains_key("tensor") || !DECLARED_KEYS.contains(key));
    let mut missing: Vec<&str> = needed.map(|(key, _)| *key).collect();
    for (one, other) in [("scale", "zero"), ("zero", "scale")] {
        if values.contains_key(one) && !values.contains_key(other) {
            missing.push(other);
        }
    }
    // What could not be read was probably one of the missing keys.
    let is_unclear = statement
        .arguments
        .iter()
        .any(|argument| argument.value.kind == ExprKind::Invalid);
    if !missing.is_empty() && !is_unclear {
        let is_half_quantized = values.contains_key("scale") != values.contains_key("zero");
        let reason = match is_half_quantized {
            true => "a scale and a zero point mean something only together",
            false => "the host could not find or read the tensor without them",
        };
        let diagnostic = Diagnostic::error(codes::BAD_KEY, format!("`{}` lacks {}", info.name, missing.join(", ")))
            .because(reason)
            .help(format!("the form is `{} {}`", info.name, info.form));
        context.report(statement.head, diagnostic);
    }
    missing.is_empty()
}

/// Everything but the name. Each key is looked at, also after a mistake in another.
fn values_of_keys<'a>(
    info: &'static DirectiveInfo,
    values: &BTreeMap<&str, &'a Expr>,
    declared: Option<Declared>,
    context: &mut Context<'a>,
) -> Option<IoTensor> {
    let get = |key: &str| values.get(key).copied();
    let shape = get("shape").and_then(|expr| list(expr, info, "shape", context));
    let host_words = HOST_TYPES.map(|(word, _)| word);
    let host_type = get("host").and_then(|expr| context.choice(expr, info, "host type", &host_words));
    let format_words: Vec<&str> = ElementFormat::ALL.iter().map(|format| format.word()).collect();
    let format = get("format").and_then(|expr| context.choice(expr, info, "format", &format_words));
    let scale = get("scale").map(|expr| context.float(expr, "the scale"));
    let range = i128::from(i32::MIN)..=i128::from(i32::MAX);
    let zero_point = get("zero").map(|expr| context.integer(expr, range, "the zero point"));
    let address = get("address").and_then(|expr| context.unsigned(expr, "the address"));
    let strides = get("strides").map(|expr| (expr, list(expr, info, "strides", context)));

    let format = format.map(|format| ElementFormat::ALL[format]);
    // What is given here as well holds for the host, such as a shape of other axes.
    let (shape, format, address) = match declared {
        Some(declared) => (
            shape.unwrap_or(declared.shape),
            format.unwrap_or(declared.format),
            address.unwrap_or(declared.address),
        ),
        None => (shape?, format?, address?),
    };
    let strides = match strides {
        Some((expr, strides)) => {
            let strides = strides?;
            if strides.len() != shape.len() {
                let message = format!("{} strides are given for {} axes", strides.len(), shape.len());
                context.report(expr.span, bad_argument(info, message));
                return None;
            }
            strides
        }
        None => dense_strides(&shape),
    };
    let quantization = match (scale, zero_point) {
        (Some(scale), Some(zero_point)) => Some(Quantization {
            scale: scale?,
            zero_point: zero_point? as i32,
        }),
        _ => None,
    };
    Some(IoTensor {
        name: String::new(),
        shape,
        host_type: HOST_TYPES[host_type?].1,
        format,
        quantization,
        address,
        strides,
    })
}

fn list(expr: &Expr, info: &DirectiveInfo, what: &str, context: &mut Context) -> Option<Vec<u64>> {
    let items = match &expr.kind {
        ExprKind::List(items) => items,
        ExprKind::Invalid => return None,
        _ => {
            context.report(
                expr.span,
                bad_argument(info, format!("{what} is a list such as [1, 28, 28]")),
            );
            return None;
        }
    };
    let what = format!("an element of `{what}`");
    let values: Vec<Option<u64>> = items.iter().map(|item| context.unsigned(item, &what)).collect();
    values.into_iter().collect()
}

/// Strides of a tensor without gaps whose last axis is contiguous.
pub(crate) fn dense_strides(shape: &[u64]) -> Vec<u64> {
    let mut strides = vec![1_u64; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// The DRAM address behind a tensor.
pub(crate) fn end_address(tensor: &IoTensor) -> u64 {
    let steps = tensor.shape.iter().zip(&tensor.strides);
    let last: u128 = steps
        .map(|(n, stride)| u128::from(n.saturating_sub(1)) * u128::from(*stride))
        .fold(0, u128::saturating_add);
    let n_bits = last.saturating_add(1).saturating_mul(u128::from(tensor.format.bits()));
    let n_bytes = u64::try_from(n_bits.div_ceil(8)).unwrap_or(u64::MAX);
    tensor.address.saturating_add(n_bytes)
}
