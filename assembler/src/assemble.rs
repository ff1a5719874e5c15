//! The last pass: outline and layout to a program.

use crate::codes;
use crate::context::{Context, bad_argument};
use crate::directives::{DirectiveInfo, DirectiveKind};
use crate::expand::expand;
use crate::files;
use crate::include::{Loader, NoFiles};
use crate::layout::{self, Layout};
use crate::mask;
use crate::operands;
use crate::outline::{Outline, Size, outline};
use crate::shape;
use crate::source::{Source, Span};
use crate::sources::Sources;
use crate::syntax::{ExprKind, Statement};
use crate::tensors;
use std::collections::BTreeMap;
use systole_isa::program::{LayerPlan, MachineReference, Mark, Program, Symbol, SymbolKind};
use systole_isa::{Diagnostic, machine};

/// Assembles a source text that names no other files. `file` is its name in diagnostics, and names the program unless the text
/// does.
///
/// # Errors
/// Everything that is wrong with the text, in its order, each with place, reason and help.
pub fn assemble(source: &str, file: &str) -> Result<Program, Vec<Diagnostic>> {
    assemble_with(source, file, &mut NoFiles)
}

/// Assembles a source text and the files that it includes, which `loader` reads. `file` is its name in diagnostics and for the
/// loader, and names the program unless the text does.
///
/// # Errors
/// Everything that is wrong with the texts, in the order in which they are read, each with place, reason and help.
pub fn assemble_with(source: &str, file: &str, loader: &mut dyn Loader) -> Result<Program, Vec<Diagnostic>> {
    let Some(sources) = Sources::new(source, file) else {
        return Err(vec![Diagnostic::error(
            codes::TOO_LARGE,
            "a source text of 4 GiB or more cannot be assembled",
        )]);
    };
    let (expansion, problems) = expand(sources, loader);
    let mut context = expansion.context(problems);
    let mut outline = outline(&expansion.pieces, &mut context);
    let layout = layout::layout(&mut outline, &mut context);
    mask::evaluate(&outline, &layout, &mut context);
    evaluate_names(&outline, &mut context);
    let program = Assembly::new(&mut context).program(&outline, &layout);
    if context.problems.is_empty() {
        Ok(program)
    } else {
        Err(context.problems.into_diagnostics(&expansion.sources))
    }
}

/// The values of all names that have one, by the offset at which each is defined. A mistake costs only the names that it concerns;
/// files that the text includes are not read.
pub(crate) fn values(source: &Source<'_>) -> BTreeMap<u32, i128> {
    let (expansion, problems) = expand(Sources::single(source.clone()), &mut NoFiles);
    let mut context = expansion.context(problems);
    let mut outline = outline(&expansion.pieces, &mut context);
    let layout = layout::layout(&mut outline, &mut context);
    mask::evaluate(&outline, &layout, &mut context);
    context.names.values(&mut context.problems)
}

/// Evaluates every definition, so that a mistake in one is reported even if nothing uses it.
fn evaluate_names(outline: &Outline, context: &mut Context) {
    for &(name, scope) in &outline.constants {
        context.enter(scope, name);
        context.names.value_at(name, &mut context.problems);
    }
    for symbol in &outline.symbols {
        if let Some(span) = context.names.get(&symbol.name).map(|definition| definition.span) {
            context.enter(symbol.scope, span);
        }
        context.names.value(&symbol.name, &mut context.problems);
    }
    for &(span, pc) in &outline.repeats {
        let name = context.slice(span);
        let declared = context.names.value(name, &mut context.problems);
        if declared.is_some_and(|value| value != i128::from(pc)) {
            let other = context.names.get(name).map_or(span, |other| other.span);
            let place = context.name_of_place(other, span);
            let diagnostic = Diagnostic::error(codes::DUPLICATE_NAME, format!("`{name}` is defined twice"))
                .because(format!(
                    "{place} declares it as another instruction than this one, which has index {pc}"
                ))
                .help("remove the declaration: a label is a symbol by itself");
            context.report(span, diagnostic);
        }
    }
}

/// A program in the making.
struct Assembly<'c, 'a> {
    context: &'c mut Context<'a>,
    program: Program,
    has_dram: bool,
    is_generated: bool,
    /// Where directives stand that may stand only once.
    given: BTreeMap<&'static str, Span>,
}

impl<'c, 'a> Assembly<'c, 'a> {
    fn new(context: &'c mut Context<'a>) -> Self {
        let program = Program {
            name: stem(context.source.root_file()).to_owned(),
            ..Program::default()
        };
        Self {
            context,
            program,
            has_dram: false,
            is_generated: false,
            given: BTreeMap::new(),
        }
    }

    fn program(mut self, outline: &Outline<'a>, layout: &Layout<'a>) -> Program {
        let mut source_lines = Vec::with_capacity(outline.code.len());
        self.program.code.reserve(outline.code.len());
        for placed in &outline.code {
            let statement = placed.statement;
            self.context.enter(placed.scope, statement.head);
            if let Some(instruction) = operands::instruction(statement, self.context) {
                self.program.code.push(instruction);
            }
            source_lines.push(self.context.source.line_number(statement.head));
        }
        self.program.segments = layout::segments(outline, layout, self.context);
        self.symbols(outline);
        for (info, placed) in &outline.directives {
            self.context.enter(placed.scope, placed.statement.head);
            self.directive(info, placed.statement, outline.code.len());
        }
        self.check_lines(outline);
        if self.program.lines.is_empty() && !self.is_generated {
            self.program.lines = source_lines;
            let heads = outline.code.iter().map(|placed| placed.statement.head);
            files::add_symbols(&mut self.program, heads, self.context.source);
        }
        if !self.has_dram {
            self.program.dram_bytes = used_dram_bytes(&self.program);
        }
        self.program
    }

    fn symbols(&mut self, outline: &Outline<'a>) {
        for symbol in &outline.symbols {
            let Some(span) = self.context.names.get(&symbol.name).map(|definition| definition.span) else {
                continue;
            };
            self.context.enter(symbol.scope, span);
            let value = self.context.names.value(&symbol.name, &mut self.context.problems);
            let Some(value) = value else { continue };
            let Ok(value) = u64::try_from(value) else {
                let message = format!("the value of `{}` is {value}, outside 0..={}", symbol.name, u64::MAX);
                self.context
                    .report(span, Diagnostic::error(codes::OUT_OF_RANGE, message));
                continue;
            };
            let (size, tensor) = match symbol.size {
                Size::Known(size) => (Some(size), None),
                Size::Written(expr) => (self.context.unsigned(expr, "the size of a symbol"), None),
                Size::Tensor(tensor) => {
                    let size = self.context.names.tensor_bytes(tensor, &mut self.context.problems);
                    (size, Some(tensor))
                }
            };
            let Some(size) = size else { continue };
            let symbol = Symbol {
                name: symbol.name.clone().into_owned(),
                kind: symbol.kind,
                value,
                size,
            };
            let typed = tensor.and_then(|tensor| {
                let shape = self.context.names.shape(tensor, &mut self.context.problems)?;
                let format = self.context.names.tensors[tensor].format;
                let name = shape::typed_name(&symbol.name, format, &shape);
                Some(Symbol { name, ..symbol.clone() })
            });
            self.program.symbols.push(symbol);
            if let Some(typed) = typed {
                self.typed_symbol(typed, span);
            }
        }
    }

    /// Adds the symbol that says format and shape of a tensor.
    fn typed_symbol(&mut self, typed: Symbol, span: Span) {
        // Only a name in quotes can be the same.
        if self.context.names.get(&typed.name).is_some() {
            let diagnostic = Diagnostic::error(codes::DUPLICATE_NAME, "a symbol has the name of this tensor's type")
                .because(format!(
                    "the symbol `{}` says the tensor's format and shape",
                    typed.name
                ))
                .help("rename one of them");
            self.context.report(span, diagnostic);
        }
        self.program.symbols.push(typed);
    }

    fn directive(&mut self, info: &'static DirectiveInfo, statement: &'a Statement, n_instructions: usize) {
        match info.kind {
            DirectiveKind::Program => self.name(info, statement),
            DirectiveKind::Machine => self.machine(info, statement),
            DirectiveKind::Dram => {
                self.has_dram = true;
                if self.once(info, statement, 1..=1) {
                    let bytes = self.context.unsigned(&statement.arguments[0].value, "the size of DRAM");
                    self.program.dram_bytes = bytes.unwrap_or(0);
                }
            }
            DirectiveKind::Entry => self.entry(info, statement),
            DirectiveKind::Generated => self.is_generated = self.once(info, statement, 0..=0),
            DirectiveKind::Lines => self.lines(info, statement, n_instructions),
            DirectiveKind::Mark => self.mark(info, statement),
            DirectiveKind::Plan => self.plan(info, statement),
            DirectiveKind::Input => {
                if let Some(tensor) = tensors::tensor(info, statement, self.context) {
                    self.program.inputs.push(tensor);
                }
            }
            DirectiveKind::Output => {
                if let Some(tensor) = tensors::tensor(info, statement, self.context) {
                    self.program.outputs.push(tensor);
                }
            }
            // These were dealt with when names and segments were found.
            DirectiveKind::Equ
            | DirectiveKind::Symbol
            | DirectiveKind::Segment
            | DirectiveKind::Code
            | DirectiveKind::Tensor
            | DirectiveKind::Mask
            | DirectiveKind::Align
            | DirectiveKind::Include
            | DirectiveKind::Scope
            | DirectiveKind::EndScope
            | DirectiveKind::Block(_)
            | DirectiveKind::Data(_) => {}
        }
    }

    /// Whether a directive has its form and stands for the first time; reported if not.
    fn once(
        &mut self,
        info: &'static DirectiveInfo,
        statement: &Statement,
        n: std::ops::RangeInclusive<usize>,
    ) -> bool {
        let has_form = self.context.check_form(statement, info, n);
        match self.given.insert(info.name, statement.head) {
            None => has_form,
            Some(other) => {
                let place = self.context.name_of_place(other, statement.head);
                let diagnostic = Diagnostic::error(codes::GIVEN_TWICE, format!("`{}` is given twice", info.name))
                    .because(format!("{place} gives it already"));
                self.context.report(statement.head, diagnostic);
                false
            }
        }
    }

    fn name(&mut self, info: &'static DirectiveInfo, statement: &'a Statement) {
        if self.once(info, statement, 1..=1)
            && let Some(name) = self
                .context
                .text(&statement.arguments[0].value, info, "the name of a program")
        {
            self.program.name = name.to_owned();
        }
    }

    fn machine(&mut self, info: &'static DirectiveInfo, statement: &'a Statement) {
        if !self.once(info, statement, 1..=2) {
            return;
        }
        let expr = &statement.arguments[0].value;
        let name = self.context.text(expr, info, "the name of a machine");
        let hash = match statement.arguments.get(1) {
            Some(hash) => self.context.unsigned(&hash.value, "the hash of a machine"),
            None => name.and_then(|name| {
                let hash = machine::preset(name).map(|preset| preset.hash());
                if hash.is_none() {
                    let names: Vec<&str> = machine::preset_names().collect();
                    let message = format!("the hash of machine `{}` is not known", crate::literal::escape(name));
                    let help = self.context.help_choose(name, &names);
                    let diagnostic = Diagnostic::error(codes::UNKNOWN_MACHINE, message)
                        .because(format!(
                            "shipped are {}; for any other machine the hash has to be given",
                            names.join(", ")
                        ))
                        .help(help);
                    self.context.report(expr.span, diagnostic);
                }
                hash
            }),
        };
        if let (Some(name), Some(hash)) = (name, hash) {
            let name = name.to_owned();
            self.program.machine = Some(MachineReference { name, hash });
        }
    }

    fn entry(&mut self, info: &'static DirectiveInfo, statement: &'a Statement) {
        if !self.once(info, statement, 1..=1) {
            return;
        }
        let expr = &statement.arguments[0].value;
        let Some(index) = self.context.names.target(expr, &mut self.context.problems) else {
            return;
        };
        match u32::try_from(index) {
            Ok(index) => self.program.entry = index,
            Err(_) => {
                let message = format!("the entry is instruction {index}, outside 0..={}", u32::MAX);
                self.context
                    .report(expr.span, Diagnostic::error(codes::OUT_OF_RANGE, message));
            }
        }
    }

    fn mark(&mut self, info: &'static DirectiveInfo, statement: &'a Statement) {
        if !self.context.check_form(statement, info, 2..=3) {
            return;
        }
        let [id @ .., name, op] = &statement.arguments[..] else {
            return;
        };
        if let Some(id) = id.first()
            && let Some(value) = self.context.names.evaluate(&id.value, &mut self.context.problems)
            && value != self.program.marks.len() as i128
        {
            let place = self.program.marks.len();
            let diagnostic = Diagnostic::error(
                codes::MARK_ORDER,
                format!("the id of this mark is {place}, not {value}"),
            )
            .because("the id of a mark is its place in the list of marks, counted from 0")
            .help("leave the id out");
            self.context.report(id.value.span, diagnostic);
        }
        let name = self.context.text(&name.value, info, "the name of a mark");
        let op = self.context.text(&op.value, info, "the operation of a mark");
        self.program
            .marks
            .push(Mark::new(name.unwrap_or_default(), op.unwrap_or_default()));
    }

    fn plan(&mut self, info: &'static DirectiveInfo, statement: &'a Statement) {
        if !self.context.check_form(statement, info, 4..=4) {
            return;
        }
        let [cycles, bytes, macs, weights] = &statement.arguments[..] else {
            return;
        };
        let cycles = self.context.unsigned(&cycles.value, "a number of cycles");
        let bytes = self.context.unsigned(&bytes.value, "a number of bytes");
        let macs = self.context.unsigned(&macs.value, "a number of multiply-accumulates");
        let weights = self.context.unsigned(&weights.value, "a number of bytes");
        match self.program.marks.last_mut() {
            Some(mark) => {
                mark.plan = Some(LayerPlan {
                    estimated_cycles: cycles.unwrap_or(0),
                    compulsory_bytes: bytes.unwrap_or(0),
                    macs: macs.unwrap_or(0),
                    weight_bytes: weights.unwrap_or(0),
                });
            }
            None => {
                let diagnostic = bad_argument(info, "there is no `.mark` that it could belong to".to_owned());
                self.context.report(statement.head, diagnostic);
            }
        }
    }

    /// Reports a line table that ends early.
    fn check_lines(&mut self, outline: &Outline) {
        let n_lines = self.program.lines.len();
        let mut directives = outline.directives.iter();
        if let Some((_, placed)) = directives.rfind(|(info, _)| info.kind == DirectiveKind::Lines)
            && n_lines < outline.code.len()
            && self.context.problems.is_empty()
        {
            let message = format!(
                "{n_lines} source lines are given for {} instructions",
                outline.code.len()
            );
            let diagnostic = Diagnostic::error(codes::LINE_COUNT, message)
                .because("a line table has one entry for each instruction")
                .help("without `.lines` the lines of this text are used");
            self.context.report(placed.statement.head, diagnostic);
        }
    }

    fn lines(&mut self, info: &'static DirectiveInfo, statement: &'a Statement, n_instructions: usize) {
        if !self.context.check_form(statement, info, 1..=usize::MAX) {
            return;
        }
        let range = 0..=i128::from(u32::MAX);
        for argument in &statement.arguments {
            let expr = &argument.value;
            let mut line = |expr| self.context.integer(expr, range.clone(), "a source line");
            let (first, last) = match &expr.kind {
                ExprKind::Range(ends) => (line(&ends.0), line(&ends.1)),
                _ => {
                    let only = line(expr);
                    (only, only)
                }
            };
            let (Some(first), Some(last)) = (first, last) else {
                continue;
            };
            let n_left = n_instructions.saturating_sub(self.program.lines.len());
            if last < first {
                let diagnostic = bad_argument(info, format!("the range from {first} to {last} runs backwards"));
                self.context.report(expr.span, diagnostic);
            } else if last - first >= n_left as i128 {
                let diagnostic = Diagnostic::error(codes::LINE_COUNT, "there are more source lines than instructions")
                    .because(format!("the program has {n_instructions} instructions"));
                self.context.report(expr.span, diagnostic);
                return;
            } else {
                self.program.lines.extend((first..=last).map(|line| line as u32));
            }
        }
    }
}

/// The last part of a path without its extension.
fn stem(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// DRAM bytes up to the end of everything that the program names.
fn used_dram_bytes(program: &Program) -> u64 {
    let segments = program
        .segments
        .iter()
        .map(|segment| segment.address.saturating_add(segment.bytes.len() as u64));
    let in_dram = program.symbols.iter().filter(|symbol| symbol.kind == SymbolKind::Dram);
    let symbols = in_dram.map(|symbol| symbol.value.saturating_add(symbol.size));
    let tensors = program.inputs.iter().chain(&program.outputs).map(tensors::end_address);
    segments.chain(symbols).chain(tensors).max().unwrap_or(0)
}
