//! The second pass: which instruction, name and datum each line contributes. It evaluates nothing.

use crate::codes;
use crate::context::{Context, bad_argument};
use crate::directives::{DIRECTIVES, DataKind, DirectiveInfo, DirectiveKind, directive};
use crate::expand::Piece;
use crate::mask::{self, MaskPlan};
use crate::names::{Meaning, State};
use crate::registers;
use crate::scope::ScopeId;
use crate::shape::{MAX_AXES, TensorPlan};
use crate::source::Span;
use crate::syntax::{Argument, Expr, ExprKind, Line, Statement};
use std::borrow::Cow;
use std::cell::Cell;
use systole_isa::operand::{OperandKind, Space};
use systole_isa::program::SymbolKind;
use systole_isa::{Diagnostic, ElementFormat};

/// What the lines of a source contribute, each kind in the order of the text.
#[derive(Default)]
pub(crate) struct Outline<'a> {
    /// One statement for each instruction.
    pub(crate) code: Vec<Placed<'a>>,
    /// Directives that describe the program.
    pub(crate) directives: Vec<(&'static DirectiveInfo, Placed<'a>)>,
    /// Where constants are defined.
    pub(crate) constants: Vec<(Span, ScopeId)>,
    pub(crate) symbols: Vec<SymbolPlan<'a>>,
    pub(crate) segments: Vec<SegmentPlan<'a>>,
    pub(crate) masks: Vec<MaskPlan<'a>>,
    /// Labels that repeat a declared symbol, with their instruction.
    pub(crate) repeats: Vec<(Span, u32)>,
}

/// A statement and where its local names belong.
#[derive(Clone, Copy)]
pub(crate) struct Placed<'a> {
    pub(crate) statement: &'a Statement,
    pub(crate) scope: ScopeId,
}

/// A symbol to be.
pub(crate) struct SymbolPlan<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) kind: SymbolKind,
    pub(crate) size: Size<'a>,
    pub(crate) scope: ScopeId,
}

/// Where the size of a symbol comes from.
pub(crate) enum Size<'a> {
    Known(u64),
    Written(&'a Expr),
    /// The tensor with this index.
    Tensor(usize),
}

/// A segment to be.
pub(crate) struct SegmentPlan<'a> {
    pub(crate) info: &'static DirectiveInfo,
    pub(crate) placed: Placed<'a>,
    pub(crate) items: Vec<Item<'a>>,
}

/// What a segment consists of.
pub(crate) enum Item<'a> {
    /// The symbol with this index in [`Outline::symbols`] names what follows.
    Label(usize, Span),
    /// The tensor with this index begins; its symbol.
    Tensor(usize, usize),
    /// Zeros up to a round address.
    Align(&'static DirectiveInfo, Placed<'a>),
    /// Bytes.
    Data(DataItem<'a>),
}

/// A data directive.
#[derive(Clone, Copy)]
pub(crate) struct DataItem<'a> {
    pub(crate) kind: DataKind,
    pub(crate) info: &'static DirectiveInfo,
    pub(crate) placed: Placed<'a>,
}

/// The memories that a tensor or symbol may be in.
const SPACES: [(&str, Space, SymbolKind); 3] = [
    ("dram", Space::Dram, SymbolKind::Dram),
    ("spm", Space::Spm, SymbolKind::Spm),
    ("acc", Space::Acc, SymbolKind::Acc),
];

/// Most instructions of a program: a jump can then also name the end of it.
fn max_instructions() -> usize {
    OperandKind::Target.range().map_or(0, |(_, hi)| hi as usize)
}

/// Reports a program of more than `n_most` instructions.
fn check_size(code: &[Placed], n_most: usize, context: &mut Context) {
    if let Some(first_extra) = code.get(n_most) {
        let message = "the program has more instructions than a jump can reach";
        let diagnostic = Diagnostic::error(codes::TOO_LARGE, message)
            .because(format!("a program has at most {n_most} instructions"))
            .help("use loops, or split the work into several programs");
        context.report(first_extra.statement.head, diagnostic);
    }
}

/// Walks the program and defines its names.
pub(crate) fn outline<'a>(pieces: &'a [Piece], context: &mut Context<'a>) -> Outline<'a> {
    let mut walk = Walk {
        context,
        outline: Outline::default(),
        is_in_segment: false,
    };
    for piece in pieces {
        match piece {
            Piece::Line(line) => walk.line(line),
            Piece::Open(frame) => walk.context.names.scopes.begin_block(*frame, None),
            Piece::Close => walk.close(),
        }
    }
    walk.close();
    check_size(&walk.outline.code, max_instructions(), walk.context);
    walk.outline
}

struct Walk<'c, 'a> {
    context: &'c mut Context<'a>,
    outline: Outline<'a>,
    is_in_segment: bool,
}

impl<'a> Walk<'_, 'a> {
    /// Ends the use of a macro, a repetition or the program.
    fn close(&mut self) {
        for directive in self.context.names.scopes.end_block() {
            let diagnostic = Diagnostic::error(codes::UNCLOSED_BLOCK, "`.scope` is not closed")
                .help("write `.endscope` where it ends");
            self.context.report(directive, diagnostic);
        }
    }

    fn scope(&self) -> ScopeId {
        self.context.names.scopes.current()
    }

    fn placed(&self, statement: &'a Statement) -> Placed<'a> {
        Placed {
            statement,
            scope: self.scope(),
        }
    }

    fn line(&mut self, line: &'a Line) {
        for &label in &line.labels {
            self.context.enter(self.scope(), label);
            self.label(label);
        }
        let Some(statement) = &line.statement else { return };
        self.context.enter(self.scope(), statement.head);
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
        let placed = self.placed(statement);
        self.outline.code.push(placed);
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
            } else if let Err(other) = self.context.names.define_local(name, span, Meaning::Label(pc)) {
                self.report_duplicate(name, span, other);
            }
            return;
        }
        if !self.check_name(name, span) {
            return;
        }
        if !self.is_in_segment {
            self.context.names.scopes.begin_label(name);
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
            scope: self.scope(),
        });
        if let Some(segment) = self.outline.segments.last_mut().filter(|_| self.is_in_segment) {
            segment.items.push(Item::Label(symbol_idx, span));
        }
    }

    /// Whether something may be given this name; reported if not.
    fn check_name(&mut self, name: &str, span: Span) -> bool {
        let reason = match registers::kind_of(name) {
            Some(kind) => format!("a letter and a number as in `{name}` name a {kind}"),
            None if name.starts_with('.') => "only local labels and constants start with a point".to_owned(),
            None if name.contains('\\') => "a backslash and a name stand for the parameter of a macro".to_owned(),
            None => return true,
        };
        let diagnostic = Diagnostic::error(codes::RESERVED_NAME, format!("`{name}` cannot be defined"))
            .because(reason)
            .help("choose another name");
        self.context.report(span, diagnostic);
        false
    }

    fn report_duplicate(&mut self, name: &str, span: Span, other: Span) {
        let place = self.context.name_of_place(other, span);
        let diagnostic = Diagnostic::error(codes::DUPLICATE_NAME, format!("`{name}` is defined twice"))
            .because(format!("it is defined in {place} already"))
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
                self.context.check_form(statement, info, 1..=2);
                self.is_in_segment = true;
                let placed = self.placed(statement);
                self.outline.segments.push(SegmentPlan {
                    info,
                    placed,
                    items: Vec::new(),
                });
            }
            DirectiveKind::Code => {
                self.context.check_form(statement, info, 0..=0);
                self.is_in_segment = false;
            }
            DirectiveKind::Data(kind) => self.data(kind, info, statement),
            DirectiveKind::Align => {
                if self.context.check_form(statement, info, 1..=1) {
                    let item = Item::Align(info, self.placed(statement));
                    self.item(item, info, statement);
                }
            }
            DirectiveKind::Tensor => self.tensor(info, statement),
            DirectiveKind::Mask => self.mask(info, statement),
            DirectiveKind::Scope => {
                self.context.check_form(statement, info, 0..=0);
                self.context.names.scopes.begin_block(None, Some(statement.head));
            }
            DirectiveKind::EndScope => {
                self.context.check_form(statement, info, 0..=0);
                if !self.context.names.scopes.end_directive() {
                    let diagnostic = Diagnostic::error(codes::UNCLOSED_BLOCK, "`.endscope` ends nothing here")
                        .because("no `.scope` is open in these lines");
                    self.context.report(statement.head, diagnostic);
                }
            }
            // These were replaced by the lines that they stand for.
            DirectiveKind::Include | DirectiveKind::Block(_) => {}
            _ => {
                let placed = self.placed(statement);
                self.outline.directives.push((info, placed));
            }
        }
    }

    /// Puts something into the segment; reported if there is none.
    fn item(&mut self, item: Item<'a>, info: &DirectiveInfo, statement: &Statement) {
        match self.outline.segments.last_mut().filter(|_| self.is_in_segment) {
            Some(segment) => segment.items.push(item),
            None => {
                let message = format!("`{}` stands outside a segment", info.name);
                let diagnostic = Diagnostic::error(codes::WRONG_SECTION, message)
                    .because("data has to have a place in DRAM")
                    .help("write `.segment \"NAME\", ADDRESS` before it");
                self.context.report(statement.head, diagnostic);
            }
        }
    }

    fn data(&mut self, kind: DataKind, info: &'static DirectiveInfo, statement: &'a Statement) {
        let n_most = if kind == DataKind::Zeros { 1 } else { usize::MAX };
        let n_most = if kind == DataKind::Array { 2 } else { n_most };
        let has_form = self.context.check_form(statement, info, 1..=n_most);
        if has_form || !self.is_in_segment {
            let placed = self.placed(statement);
            self.item(Item::Data(DataItem { kind, info, placed }), info, statement);
        }
    }

    /// Defines a constant, which may be local; whether that was possible.
    fn define_constant(&mut self, span: Span, meaning: Meaning<'a>) -> bool {
        let word = self.context.slice(span);
        let other = if word.starts_with('.') {
            self.context.names.define_local(word, span, meaning).err()
        } else if self.check_name(word, span) {
            let defined = self.context.names.define(Cow::Borrowed(word), span, meaning);
            defined.err().map(|other| other.span)
        } else {
            return false;
        };
        if let Some(other) = other {
            self.report_duplicate(word, span, other);
        }
        other.is_none()
    }

    fn tensor(&mut self, info: &'static DirectiveInfo, statement: &'a Statement) {
        if !self.context.check_form(statement, info, 3..=5) {
            return;
        }
        let [name, format, shape, place @ ..] = &statement.arguments[..] else {
            return;
        };
        let words: Vec<&str> = ElementFormat::ALL.iter().map(|format| format.word()).collect();
        let format = self.context.choice(&format.value, info, "format", &words);
        let axes = match &shape.value.kind {
            ExprKind::List(axes) if (1..=MAX_AXES).contains(&axes.len()) => Some(axes),
            _ => {
                let message = format!("a shape is a list of 1 to {MAX_AXES} lengths such as [1, 28, 28]");
                self.context.report(shape.value.span, bad_argument(info, message));
                None
            }
        };
        let place = self.place(info, statement, place);
        let word = self.context.word(&name.value, info, "the name of a tensor");
        let span = name.value.span;
        let (Some(format), Some(axes), Some((space, kind, address)), Some(word)) = (format, axes, place, word) else {
            return;
        };
        if !self.check_name(word, span) {
            return;
        }
        let tensor = self.context.names.tensors.len();
        let scope = self.scope();
        self.context.names.tensors.push(TensorPlan {
            name: span,
            format: ElementFormat::ALL[format],
            axes: axes.iter().map(|axis| (axis, Cell::new(State::Unknown))).collect(),
            space,
            address,
            scope,
            is_in_segment: self.is_in_segment,
        });
        let defined = self
            .context
            .names
            .define(Cow::Borrowed(word), span, Meaning::Tensor(tensor));
        if let Err(other) = defined {
            let other = other.span;
            self.report_duplicate(word, span, other);
            return;
        }
        let symbol_idx = self.outline.symbols.len();
        self.outline.symbols.push(SymbolPlan {
            name: Cow::Borrowed(word),
            kind,
            size: Size::Tensor(tensor),
            scope,
        });
        if self.is_in_segment {
            self.item(Item::Tensor(tensor, symbol_idx), info, statement);
        }
    }

    /// Memory and address of a tensor from the arguments behind its shape; `None` is reported.
    fn place(
        &mut self,
        info: &'static DirectiveInfo,
        statement: &Statement,
        arguments: &'a [Argument],
    ) -> Option<(Space, SymbolKind, Option<&'a Expr>)> {
        let space_of = |argument: &Argument| {
            let word = self.context.slice(argument.value.span);
            SPACES
                .iter()
                .find(|(known, ..)| argument.value.kind == ExprKind::Name && *known == word)
        };
        let (space, address) = match arguments {
            [] => (None, None),
            [only] => match space_of(only) {
                Some(space) => (Some(space), None),
                None => (None, Some(&only.value)),
            },
            [space, address, ..] => match space_of(space) {
                Some(space) => (Some(space), Some(&address.value)),
                None => {
                    self.context
                        .choice(&space.value, info, "memory", &SPACES.map(|(word, ..)| word));
                    return None;
                }
            },
        };
        let &(_, memory, kind) = space.unwrap_or(&SPACES[0]);
        let problem = match (self.is_in_segment, arguments) {
            (true, [first, ..]) => Some((
                first.value.span,
                "a tensor in a segment begins where it stands",
                "remove its place, or write `.code` before it",
            )),
            (false, _) if memory == Space::Dram && address.is_none() => Some((
                statement.head,
                "a tensor in DRAM needs a place",
                "give its address, its memory, or put it into a segment",
            )),
            _ => None,
        };
        match problem {
            None => Some((memory, kind, address)),
            Some((span, message, help)) => {
                self.context
                    .report(span, Diagnostic::error(codes::BAD_TENSOR, message).help(help));
                None
            }
        }
    }

    fn mask(&mut self, info: &'static DirectiveInfo, statement: &'a Statement) {
        let placed = self.placed(statement);
        if let Some(plan) = mask::plan(info, placed, self.context)
            && self.define_constant(plan.name, Meaning::Mask)
        {
            self.outline.masks.push(plan);
        }
    }

    fn constant(&mut self, info: &'static DirectiveInfo, statement: &'a Statement) {
        if !self.context.check_form(statement, info, 2..=2) {
            return;
        }
        let [name, value] = &statement.arguments[..] else {
            return;
        };
        let span = name.value.span;
        if self.context.word(&name.value, info, "the name of a constant").is_some()
            && self.define_constant(span, Meaning::Constant(&value.value))
        {
            let scope = self.scope();
            self.outline.constants.push((span, scope));
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
                scope: self.context.names.scopes.current(),
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
    use crate::expand::expand;
    use crate::include::NoFiles;
    use crate::sources::Sources;

    #[test]
    fn the_first_instruction_too_many_is_named() {
        for (n_most, line) in [(3, None), (2, Some(4)), (0, Some(1))] {
            let sources = Sources::new("a\nb ; second\n\nc\n", "t").unwrap();
            let (expansion, problems) = expand(sources, &mut NoFiles);
            let mut context = expansion.context(problems);
            let outline = outline(&expansion.pieces, &mut context);
            check_size(&outline.code, n_most, &mut context);
            let found = context.problems.into_diagnostics(&expansion.sources);
            let place = found.first().and_then(|diagnostic| diagnostic.place.as_ref());
            assert_eq!(place.map(|place| place.line), line, "{n_most}");
        }
    }
}
