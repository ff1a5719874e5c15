//! Instruction lines to instructions. The table says which operands there are; this file names no instruction.

use crate::codes;
use crate::context::Context;
use crate::registers::{self, DESCRIPTORS, Family, REGISTERS, TOKENS};
use crate::source::Span;
use crate::syntax::{Argument, Expr, ExprKind, Statement};
use systole_isa::instruction::{OPCODES, OpcodeInfo, OperandInfo, opcode_by_mnemonic};
use systole_isa::operand::{Desc, DescRef, OperandKind, OperandValue, Reg, Token};
use systole_isa::{Diagnostic, Instruction, Op, Tokens};

/// How an instruction is written: its mnemonic and the names of its operands.
pub fn signature(row: &OpcodeInfo) -> String {
    let names: Vec<&str> = row.operands.iter().map(|operand| operand.name).collect();
    format!("{} {}", row.mnemonic, names.join(", ")).trim_end().to_owned()
}

/// What may be written for an operand, such as "a register, `r0` to `r31`".
pub fn describe_kind(kind: OperandKind) -> String {
    let integer = |bits: u32, signed: bool| {
        let (lo, hi) = kind.range().unwrap_or_default();
        let sign = if signed { "signed" } else { "unsigned" };
        format!("a constant of {bits} bits, {sign}: {lo} to {hi}")
    };
    match kind {
        OperandKind::Reg => format!("a register, {}", REGISTERS.range()),
        OperandKind::Desc => format!("a descriptor, {}", DESCRIPTORS.range()),
        OperandKind::DescRef => format!(
            "a descriptor, {}, alone or displaced as in `d3[r4]`",
            DESCRIPTORS.range()
        ),
        OperandKind::Val { bits, signed } => format!("a register or {}", integer(bits, signed)),
        OperandKind::Imm { bits, signed } => integer(bits, signed),
        OperandKind::Target => "a label".to_owned(),
        OperandKind::Token => format!("a token, {}", TOKENS.range()),
        OperandKind::Choice(words) => format!("one of {}", words.join(", ")),
    }
}

/// The instruction of a line; `None` is reported, with everything that is wrong in the line.
pub(crate) fn instruction(statement: &Statement, context: &mut Context) -> Option<Instruction> {
    let mnemonic = context.slice(statement.head);
    let tokens = tokens(statement, context);
    let Some(row) = opcode_by_mnemonic(mnemonic) else {
        report_mnemonic(mnemonic, statement.head, context);
        return None;
    };
    let bound = bind(row, statement, context);
    // Every operand is looked at, also after a mistake.
    let values: Vec<Option<OperandValue>> = row
        .operands
        .iter()
        .zip(bound)
        .map(|(operand, argument)| Field { row, operand }.value(&argument?.value, context))
        .collect();
    let values: Option<Vec<OperandValue>> = values.into_iter().collect();
    let op = Op::from_operands(row.opcode, &values?).expect("each operand was checked against its row of the table");
    Some(Instruction::from(op).with(tokens?))
}

fn report_mnemonic(mnemonic: &str, span: Span, context: &mut Context) {
    let known = OPCODES.iter().map(|row| row.mnemonic);
    let known = known.chain(context.macros.iter().map(String::as_str));
    let message = format!("there is no instruction `{mnemonic}`");
    let diagnostic = Diagnostic::error(codes::UNKNOWN_MNEMONIC, message);
    let diagnostic = match context.names.suggester.nearest(mnemonic, known) {
        Some(near) if near == mnemonic => diagnostic.because(format!(
            "macro `{near}` is defined behind this line, and can be used only there"
        )),
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("a label ends with a colon, a directive starts with a point"),
    };
    context.report(span, diagnostic);
}

/// The argument for each operand of a row, by position or name; absent ones were reported.
fn bind<'t>(row: &OpcodeInfo, statement: &'t Statement, context: &mut Context) -> Vec<Option<&'t Argument>> {
    let mut bound: Vec<Option<&Argument>> = vec![None; row.operands.len()];
    let mut is_by_name = false;
    let mut is_unclear = false;
    for (i, argument) in statement.arguments.iter().enumerate() {
        let place = match argument.name {
            Some(name) => {
                is_by_name = true;
                place_by_name(row, name, context)
            }
            None if is_by_name && argument.value.kind == ExprKind::Invalid => None,
            None if is_by_name => {
                let message = "this operand is given by position after one by name";
                let diagnostic = Diagnostic::error(codes::POSITION_AFTER_NAME, message)
                    .because("after an operand by name, positions say nothing any more")
                    .help(format!("write `name=value`; the operands are `{}`", signature(row)));
                context.report(argument.span(), diagnostic);
                None
            }
            None if i < bound.len() => Some(i),
            None if argument.value.kind == ExprKind::Invalid => break,
            None => {
                report_extra(row, i, statement, context);
                break;
            }
        };
        match place {
            Some(place) if bound[place].is_some() => {
                let name = row.operands[place].name;
                let diagnostic =
                    Diagnostic::error(codes::DUPLICATE_OPERAND, format!("operand `{name}` is given twice"))
                        .help(format!("the operands are `{}`", signature(row)));
                context.report(argument.span(), diagnostic);
            }
            Some(place) => bound[place] = Some(argument),
            None => is_unclear = true,
        }
    }
    // An operand that could not be placed was probably meant for one of the missing ones.
    if !is_unclear {
        report_missing(row, &bound, statement, context);
    }
    bound
}

fn place_by_name(row: &OpcodeInfo, name: Span, context: &mut Context) -> Option<usize> {
    let text = context.slice(name);
    let place = row.operands.iter().position(|operand| operand.name == text);
    if place.is_none() {
        let names: Vec<&str> = row.operands.iter().map(|operand| operand.name).collect();
        let message = format!("`{}` has no operand `{text}`", row.mnemonic);
        let help = match names[..] {
            [] => "it has no operands".to_owned(),
            _ => context.help_choose(text, &names),
        };
        let diagnostic = Diagnostic::error(codes::UNKNOWN_OPERAND, message)
            .because(format!("its form is `{}`", signature(row)))
            .help(help);
        context.report(name, diagnostic);
    }
    place
}

/// Reports operand `i` and the following ones as superfluous.
fn report_extra(row: &OpcodeInfo, i: usize, statement: &Statement, context: &mut Context) {
    let n_operands = row.operands.len();
    let extra = &statement.arguments[i..];
    let span = extra
        .iter()
        .fold(extra[0].span(), |span, argument| span.to(argument.span()));
    let message = format!("`{}` takes {}", row.mnemonic, plural(n_operands, "operand"));
    let diagnostic = Diagnostic::error(codes::TOO_MANY_OPERANDS, message)
        .because(format!("{} given", plural(statement.arguments.len(), "operand")))
        .help(format!("the form is `{}`", signature(row)));
    context.report(span, diagnostic);
}

fn report_missing(row: &OpcodeInfo, bound: &[Option<&Argument>], statement: &Statement, context: &mut Context) {
    let missing = row
        .operands
        .iter()
        .zip(bound)
        .filter(|(_, argument)| argument.is_none());
    let missing: Vec<&OperandInfo> = missing.map(|(operand, _)| operand).collect();
    if missing.is_empty() {
        return;
    }
    let names: Vec<String> = missing.iter().map(|operand| format!("`{}`", operand.name)).collect();
    let forms: Vec<String> = missing
        .iter()
        .map(|operand| format!("`{}` is {}", operand.name, describe_kind(operand.kind)))
        .collect();
    let diagnostic = Diagnostic::error(
        codes::MISSING_OPERAND,
        format!("`{}` lacks {}", row.mnemonic, names.join(", ")),
    )
    .because(forms.join("; "))
    .help(format!("the form is `{}`", signature(row)));
    context.report(statement.head, diagnostic);
}

fn plural(n: usize, noun: &str) -> String {
    match n {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{n} {noun}s"),
    }
}

/// The tokens of a line; `None` is reported.
fn tokens(statement: &Statement, context: &mut Context) -> Option<Tokens> {
    let mut tokens = Some(Tokens::NONE);
    for used in &statement.tokens {
        let Some(token) = token(used.token, context) else {
            tokens = None;
            continue;
        };
        let Some(before) = tokens else { continue };
        let after = if used.is_post {
            before.and_post(token)
        } else {
            before.and_wait(token)
        };
        if after.is_none() {
            let verb = if used.is_post { "posts" } else { "waits for" };
            let message = format!("an instruction {verb} at most two tokens");
            let diagnostic = Diagnostic::error(codes::TOO_MANY_TOKENS, message)
                .because("the instruction word has two places for tokens to wait for and two for tokens to post")
                .help("put an instruction of the same unit that does nothing next to it, and give it the other tokens");
            context.report(used.token, diagnostic);
            return None;
        }
        tokens = after;
    }
    tokens
}

fn token(span: Span, context: &mut Context) -> Option<Token> {
    let name = context.slice(span);
    let index = family_index(&TOKENS, name, span, context)?;
    match index {
        Some(index) => Token::new(index),
        None => {
            let diagnostic = Diagnostic::error(codes::WRONG_KIND, format!("`{name}` is no token"))
                .because(format!("after `?` and `!` stands a token, {}", TOKENS.range()));
            context.report(span, diagnostic);
            None
        }
    }
}

/// The index of a name that may belong to a family: `Some(None)` if it does not, `None` if it does but there is no
/// such index, which is reported.
fn family_index(family: &Family, name: &str, span: Span, context: &mut Context) -> Option<Option<u8>> {
    if !family.claims(name) {
        return Some(None);
    }
    let index = family.index(name);
    if index.is_none() {
        let diagnostic = Diagnostic::error(codes::NO_SUCH_REGISTER, format!("there is no {} `{name}`", family.name))
            .because(format!("the {}s are {}", family.name, family.range()));
        context.report(span, diagnostic);
    }
    index.map(Some)
}

/// An operand of a row.
struct Field {
    row: &'static OpcodeInfo,
    operand: &'static OperandInfo,
}

impl Field {
    /// The value that an expression means as this operand; `None` is reported.
    fn value(&self, expr: &Expr, context: &mut Context) -> Option<OperandValue> {
        if expr.kind == ExprKind::Invalid {
            return None;
        }
        match self.operand.kind {
            OperandKind::Reg => self
                .indexed(&REGISTERS, expr, context)
                .and_then(Reg::new)
                .map(OperandValue::Reg),
            OperandKind::Desc => self
                .indexed(&DESCRIPTORS, expr, context)
                .and_then(Desc::new)
                .map(OperandValue::Desc),
            OperandKind::Token => self
                .indexed(&TOKENS, expr, context)
                .and_then(Token::new)
                .map(OperandValue::Token),
            OperandKind::DescRef => self.displaced(expr, context),
            OperandKind::Val { .. } => {
                if expr.kind == ExprKind::Name {
                    let name = context.slice(expr.span);
                    if let Some(index) = family_index(&REGISTERS, name, expr.span, context)? {
                        return Reg::new(index).map(OperandValue::ValReg);
                    }
                }
                self.constant(expr, context)
            }
            OperandKind::Imm { .. } => self.constant(expr, context),
            OperandKind::Target => {
                let value = context.names.target(expr, &mut context.problems)?;
                let index = u32::try_from(self.in_range(value, expr, context)?).ok()?;
                Some(OperandValue::Target(index))
            }
            OperandKind::Choice(words) => self.choice(words, expr, context),
        }
    }

    fn indexed(&self, family: &Family, expr: &Expr, context: &mut Context) -> Option<u8> {
        if expr.kind != ExprKind::Name {
            return self.wrong_kind(expr, context);
        }
        match family_index(family, context.slice(expr.span), expr.span, context)? {
            Some(index) => Some(index),
            None => self.wrong_kind(expr, context),
        }
    }

    fn displaced(&self, expr: &Expr, context: &mut Context) -> Option<OperandValue> {
        let ExprKind::Displaced(base, displacement) = expr.kind else {
            let desc = self.indexed(&DESCRIPTORS, expr, context).and_then(Desc::new)?;
            return Some(OperandValue::DescRef(desc.into()));
        };
        let part = |span| Expr {
            span,
            kind: ExprKind::Name,
        };
        let desc = self.indexed(&DESCRIPTORS, &part(base), context).and_then(Desc::new);
        let offset = match family_index(&REGISTERS, context.slice(displacement), displacement, context)? {
            Some(index) => Reg::new(index),
            None => self.wrong_kind(&part(displacement), context),
        };
        Some(OperandValue::DescRef(DescRef {
            desc: desc?,
            offset: offset?,
        }))
    }

    fn constant(&self, expr: &Expr, context: &mut Context) -> Option<OperandValue> {
        let is_other_kind = match &expr.kind {
            ExprKind::Name => registers::kind_of(context.slice(expr.span)).is_some(),
            ExprKind::Int(_) | ExprKind::Negate(_) | ExprKind::Binary(..) => false,
            _ => true,
        };
        if is_other_kind {
            return self.wrong_kind(expr, context);
        }
        let value = context.names.evaluate(expr, &mut context.problems)?;
        self.in_range(value, expr, context).map(OperandValue::Imm)
    }

    /// The value if it fits the field; `None` is reported.
    fn in_range(&self, value: i128, expr: &Expr, context: &mut Context) -> Option<i64> {
        let (lo, hi) = self.operand.kind.range()?;
        let fitting = i64::try_from(value).ok().filter(|value| (lo..=hi).contains(value));
        if fitting.is_none() {
            let OperandInfo {
                name, low_bit, bits, ..
            } = self.operand;
            let n_bits = match self.operand.kind {
                OperandKind::Val { bits, .. } | OperandKind::Imm { bits, .. } => bits,
                _ => *bits,
            };
            let message = format!("`{name}` of `{}` is {value}, outside {lo}..={hi}", self.row.mnemonic);
            let high_bit = low_bit + bits - 1;
            let diagnostic = Diagnostic::error(codes::OUT_OF_RANGE, message)
                .because(format!(
                    "it is stored in {n_bits} bits, in bits {low_bit} to {high_bit} of the instruction word"
                ))
                .help(match self.operand.kind {
                    OperandKind::Val { .. } => "put the value in a register and give the register".to_owned(),
                    _ => format!("choose a value from {lo} to {hi}"),
                });
            context.report(expr.span, diagnostic);
        }
        fitting
    }

    fn choice(&self, words: &[&str], expr: &Expr, context: &mut Context) -> Option<OperandValue> {
        if expr.kind != ExprKind::Name {
            return self.wrong_kind(expr, context);
        }
        let word = context.slice(expr.span);
        let found = words.iter().position(|known| *known == word);
        if found.is_none() {
            let help = context.help_choose(word, words);
            let message = format!("`{word}` is no `{}` of `{}`", self.operand.name, self.row.mnemonic);
            let diagnostic = Diagnostic::error(codes::UNKNOWN_CHOICE, message)
                .because(format!("it is one of {}", words.join(", ")))
                .help(help);
            context.report(expr.span, diagnostic);
        }
        found
            .and_then(|index| u8::try_from(index).ok())
            .map(OperandValue::Choice)
    }

    /// Reports that something of another kind is needed.
    fn wrong_kind<T>(&self, expr: &Expr, context: &mut Context) -> Option<T> {
        let found = context.slice(expr.span);
        let message = format!("`{found}` cannot be `{}` of `{}`", self.operand.name, self.row.mnemonic);
        let diagnostic = Diagnostic::error(codes::WRONG_KIND, message)
            .because(format!("it is {}", describe_kind(self.operand.kind)))
            .help(format!("the form is `{}`", signature(self.row)));
        context.report(expr.span, diagnostic);
        None
    }
}
