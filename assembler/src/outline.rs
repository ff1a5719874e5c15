//! The first pass: which instruction, name and datum each line contributes. It evaluates nothing.

use crate::codes;
use crate::context::{Context, bad_argument};
use crate::directives::{DIRECTIVES, DataKind, DirectiveInfo, DirectiveKind, directive};
use crate::names::Meaning;
use crate::registers;
use crate::source::Span;
use crate::syntax::{Expr, ExprKind, Line, Statement, Tree};
use std::borrow::Cow;
use systole_isa::Diagnostic;
use systole_isa::operand::OperandKind;
use systole_isa::program::SymbolKind;

/// What the lines of a source contribute, each kind in the order of the text.
#[derive(Default)]
pub(crate) struct Outline<'a> {
    /// One statement for each instruction.
    pub(crate) code: Vec<&'a Statement>,
    /// Directives that describe the program.
    pub(crate) directives: Vec<(&'static DirectiveInfo, &'a Statement)>,
    pub(crate) constants: Vec<&'a str>,
    pub(crate) symbols: Vec<SymbolPlan<'a>>,
    pub(crate) segments: Vec<SegmentPlan<'a>>,
    /// Labels that repeat a declared symbol, with their instruction.
    pub(crate) repeats: Vec<(Span, u32)>,
}

/// A symbol to be.
pub(crate) struct SymbolPlan<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) kind: SymbolKind,
    pub(crate) size: Size<'a>,
}

/// Where the size of a symbol comes from.
pub(crate) enum Size<'a> {
    Known(u64),
    Written(&'a Expr),
}

/// A segment to be.
pub(crate) struct SegmentPlan<'a> {
    pub(crate) info: &'static DirectiveInfo,
    pub(crate) statement: &'a Statement,
    pub(crate) items: Vec<Item<'a>>,
}

/// What a segment consists of.
pub(crate) enum Item<'a> {
    /// The symbol with this index in [`Outline::symbols`] names what follows.
    Label(usize),
    /// Bytes.
    Data(DataKind, &'static DirectiveInfo, &'a Statement),
}

/// Most instructions of a program: a jump can then also name the end of it.
fn max_instructions() -> usize {
    OperandKind::Target.range().map_or(0, |(_, hi)| hi as usize)
}

/// Reports a program of more than `n_most` instructions.
fn check_size(code: &[&Statement], n_most: usize, context: &mut Context) {
    if let Some(first_extra) = code.get(n_most) {
        let message = "the program has more instructions than a jump can reach";
        let diagnostic = Diagnostic::error(codes::TOO_LARGE, message)
            .because(format!("a program has at most {n_most} instructions"))
            .help("use loops, or split the work into several programs");
        context.report(first_extra.head, diagnostic);
    }
}

/// Walks the tree and defines its names.
pub(crate) fn outline<'a>(tree: &'a Tree, context: &mut Context<'a>) -> Outline<'a> {
    let mut walk = Walk {
        context,
        outline: Outline::default(),
        is_in_segment: false,
    };
    for line in &tree.lines {
        walk.line(line);
    }
    check_size(&walk.outline.code, max_instructions(), walk.context);
    walk.outline
}

struct Walk<'c, 'a> {
    context: &'c mut Context<'a>,
    outline: Outline<'a>,
    is_in_segment: bool,
}

impl<'a> Walk<'_, 'a> {
    fn line(&mut self, line: &'a Line) {
        for &label in &line.labels {
            self.label(label);
        }
        let Some(statement) = &line.statement else { return };
        let head = self.context.slice(statement.head);
        if head.starts_with('.') {
            self.directive(head, statement);
            return;
        }
        if self.is_in_segment {
            let diagnostic = Diagnostic::error(codes::WRONG_SECTION, format!("`{head}` stands within a segment"))
                .because("a segment holds data only")
                .help("write `.code` before the instruction");
            self.context.report(statement.head, diagnostic);
        }
        self.outline.code.push(statement);
    }

    fn label(&mut self, span: Span) {
        let name = self.context.slice(span);
        let pc = self.outline.code.len() as u32;
        if name.starts_with('.') {
            if self.is_in_segment {
                let diagnostic = Diagnostic::error(codes::WRONG_SECTION, format!("`{name}` stands within a segment"))
                    .because("a local label, which starts with a point, names an instruction")
                    .help("remove the point, so that it becomes a symbol");
                self.context.report(span, diagnostic);
            } else if let Err(other) = self.context.names.define_local(name, span, pc) {
                self.report_duplicate(name, span, other);
            }
            return;
        }
        if !self.check_name(name, span) {
            return;
        }
        let meaning = if self.is_in_segment {
            Meaning::Data
        } else {
            Meaning::Label(pc)
        };
        match self.context.names.define(Cow::Borrowed(name), span, meaning) {
            Ok(()) => {}
            Err(other) if matches!(other.meaning, Meaning::Symbol(SymbolKind::Label, _)) && !self.is_in_segment => {
                self.outline.repeats.push((span, pc));
                return;
            }
            Err(other) => {
                let other = other.span;
                self.report_duplicate(name, span, other);
                return;
            }
        }
        let symbol_idx = self.outline.symbols.len();
        let kind = if self.is_in_segment {
            SymbolKind::Dram
        } else {
            SymbolKind::Label
        };
        self.outline.symbols.push(SymbolPlan {
            name: Cow::Borrowed(name),
            kind,
            size: Size::Known(0),
        });
        if let Some(segment) = self.outline.segments.last_mut().filter(|_| self.is_in_segment) {
            segment.items.push(Item::Label(symbol_idx));
        }
    }

    /// Whether something may be given this name; reported if not.
    fn check_name(&mut self, name: &str, span: Span) -> bool {
        let reason = match registers::kind_of(name) {
            Some(kind) => format!("a letter and a number as in `{name}` name a {kind}"),
            None if name.starts_with('.') => "only local labels start with a point".to_owned(),
            None => return true,
        };
        let diagnostic = Diagnostic::error(codes::RESERVED_NAME, format!("`{name}` cannot be defined"))
            .because(reason)
            .help("choose another name");
        self.context.report(span, diagnostic);
        false
    }

    fn report_duplicate(&mut self, name: &str, span: Span, other: Span) {
        let line = self.context.line_number(other);
        let diagnostic = Diagnostic::error(codes::DUPLICATE_NAME, format!("`{name}` is defined twice"))
            .because(format!("it is defined in line {line} already"))
            .help("rename one of them");
        self.context.report(span, diagnostic);
    }

    fn directive(&mut self, head: &str, statement: &'a Statement) {
        let Some(info) = directive(head) else {
            let names: Vec<&str> = DIRECTIVES.iter().map(|info| info.name).collect();
            let help = self.context.help_choose(head, &names);
            let diagnostic = Diagnostic::error(codes::UNKNOWN_DIRECTIVE, format!("there is no directive `{head}`"))
                .because("a word that starts with a point and has no colon is a directive")
                .help(help);
            self.context.report(statement.head, diagnostic);
            return;
        };
        match info.kind {
            DirectiveKind::Equ => self.constant(info, statement),
            DirectiveKind::Symbol => self.symbol(info, statement),
            DirectiveKind::Segment => {
                self.context.check_form(statement, info, 2..=2);
                self.is_in_segment = true;
                self.outline.segments.push(SegmentPlan {
                    info,
                    statement,
                    items: Vec::new(),
                });
            }
            DirectiveKind::Code => {
                self.context.check_form(statement, info, 0..=0);
                self.is_in_segment = false;
            }
            DirectiveKind::Data(kind) => self.data(kind, info, statement),
            _ => self.outline.directives.push((info, statement)),
        }
    }

    fn data(&mut self, kind: DataKind, info: &'static DirectiveInfo, statement: &'a Statement) {
        let n_most = if kind == DataKind::Zeros { 1 } else { usize::MAX };
        let has_form = self.context.check_form(statement, info, 1..=n_most);
        match self.outline.segments.last_mut().filter(|_| self.is_in_segment) {
            Some(segment) if has_form => segment.items.push(Item::Data(kind, info, statement)),
            Some(_) => {}
            None => {
                let message = format!("`{}` stands outside a segment", info.name);
                let diagnostic = Diagnostic::error(codes::WRONG_SECTION, message)
                    .because("data has to have a place in DRAM")
                    .help("write `.segment \"NAME\", ADDRESS` before it");
                self.context.report(statement.head, diagnostic);
            }
        }
    }

    fn constant(&mut self, info: &'static DirectiveInfo, statement: &'a Statement) {
        if !self.context.check_form(statement, info, 2..=2) {
            return;
        }
        let [name, value] = &statement.arguments[..] else {
            return;
        };
        let Some(word) = self.context.word(&name.value, info, "the name of a constant") else {
            return;
        };
        let span = name.value.span;
        if !self.check_name(word, span) {
            return;
        }
        let meaning = Meaning::Constant(&value.value);
        match self.context.names.define(Cow::Borrowed(word), span, meaning) {
            Ok(()) => self.outline.constants.push(word),
            Err(other) => {
                let other = other.span;
                self.report_duplicate(word, span, other);
            }
        }
    }

    fn symbol(&mut self, info: &'static DirectiveInfo, statement: &'a Statement) {
        if !self.context.check_form(statement, info, 3..=4) {
            return;
        }
        let [name, kind, value, size @ ..] = &statement.arguments[..] else {
            return;
        };
        const KINDS: [(&str, SymbolKind); 4] = [
            ("label", SymbolKind::Label),
            ("dram", SymbolKind::Dram),
            ("spm", SymbolKind::Spm),
            ("acc", SymbolKind::Acc),
        ];
        let kind = self
            .context
            .choice(&kind.value, info, "kind of symbol", &KINDS.map(|(word, _)| word));
        let span = name.value.span;
        // A name in quotes may be anything: it is for the symbol table and need not be usable in expressions.
        let name = match &name.value.kind {
            ExprKind::Text(text) => Cow::Borrowed(text.as_str()),
            ExprKind::Name if self.check_name(self.context.slice(span), span) => {
                Cow::Borrowed(self.context.slice(span))
            }
            ExprKind::Name | ExprKind::Invalid => return,
            _ => {
                self.context
                    .report(span, bad_argument(info, "a symbol has a name".to_owned()));
                return;
            }
        };
        let Some(kind) = kind else { return };
        let kind = KINDS[kind].1;
        let meaning = Meaning::Symbol(kind, &value.value);
        match self.context.names.define(name.clone(), span, meaning) {
            Ok(()) => self.outline.symbols.push(SymbolPlan {
                name,
                kind,
                size: size.first().map_or(Size::Known(0), |size| Size::Written(&size.value)),
            }),
            Err(other) => {
                let other = other.span;
                self.report_duplicate(&name, span, other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::parse;
    use crate::source::{Problems, Source};

    #[test]
    fn the_first_instruction_too_many_is_named() {
        for (n_most, line) in [(3, None), (2, Some(4)), (0, Some(1))] {
            let source = Source::new("a\nb ; second\n\nc\n", "t").unwrap();
            let mut problems = Problems::new(&source);
            let tree = parse(&source, &mut problems);
            let mut context = Context::new(&source, problems);
            let outline = outline(&tree, &mut context);
            check_size(&outline.code, n_most, &mut context);
            let found = context.problems.into_diagnostics();
            let place = found.first().and_then(|diagnostic| diagnostic.place.as_ref());
            assert_eq!(place.map(|place| place.line), line, "{n_most}");
        }
    }
}
