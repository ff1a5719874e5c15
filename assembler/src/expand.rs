//! The first pass over the tree: macros, repetitions, conditions and included files become lines.
//!
//! What comes out is the lines of the whole program, with marks where a use of a macro begins and ends. It evaluates
//! only what decides how many lines there are, and knows no instruction.

use crate::codes;
use crate::context::Context;
use crate::context::bad_argument;
use crate::copier::Copier;
use crate::directives::{BlockKind, DirectiveInfo, DirectiveKind, directive};
use crate::include::{self, Loader};
use crate::macros::MacroDefinition;
use crate::names::Names;
use crate::names::apply;
use crate::npy::{self, NpyArray};
use crate::parser::parse;
use crate::problems::Problems;
use crate::source::Span;
use crate::sources::{Copy, Sources};
use crate::suggest::Suggester;
use crate::syntax::{Expr, ExprKind, Line, Statement, Tree};
use std::collections::BTreeMap;
use std::rc::Rc;
use systole_isa::Diagnostic;

/// Macros, repetitions and files within each other.
const MAX_DEPTH: usize = 64;
/// Lines and parts of expressions that all macros, repetitions and files may make together.
const MAX_PARTS: usize = 1 << 22;

/// One piece of the expanded program.
pub(crate) enum Piece {
    /// A line without macros.
    Line(Line),
    /// A use of a macro, by its [`Sources::frame`], or a turn of a repetition begins.
    Open(Option<u32>),
    /// It ends.
    Close,
}

/// A program without macros.
pub(crate) struct Expansion<'s> {
    pub(crate) sources: Sources<'s>,
    pub(crate) pieces: Vec<Piece>,
    /// Arrays by the place of the directive that names their file.
    pub(crate) arrays: BTreeMap<Span, NpyArray>,
    /// Names of all macros.
    pub(crate) macros: Vec<String>,
}

impl Expansion<'_> {
    /// What the passes over the pieces need, with the problems found so far.
    pub(crate) fn context(&self, problems: Problems) -> Context<'_> {
        Context {
            problems,
            source: &self.sources,
            names: Names::new(&self.sources),
            arrays: &self.arrays,
            macros: &self.macros,
        }
    }
}

/// Expands a text and everything that it includes; the problems found on the way.
pub(crate) fn expand<'s>(sources: Sources<'s>, loader: &mut dyn Loader) -> (Expansion<'s>, Problems) {
    let mut problems = Problems::default();
    let tree = sources
        .source_at(0)
        .map_or_else(Tree::default, |root| parse(root, &mut problems));
    let open_files = vec![sources.root_file().to_owned()];
    let mut expander = Expander {
        sources,
        problems,
        loader,
        open_files,
        pieces: Vec::with_capacity(tree.lines.len()),
        arrays: BTreeMap::new(),
        macros: BTreeMap::new(),
        constants: BTreeMap::new(),
        n_copies: 0,
        n_parts_left: MAX_PARTS,
        suggester: Suggester::new(),
    };
    expander.walk(tree.lines, 0);
    let expansion = Expansion {
        sources: expander.sources,
        pieces: expander.pieces,
        arrays: expander.arrays,
        macros: expander.macros.into_keys().collect(),
    };
    (expansion, expander.problems)
}

struct Expander<'s, 'l> {
    sources: Sources<'s>,
    problems: Problems,
    loader: &'l mut dyn Loader,
    /// Names of the files around the current line, outermost first.
    open_files: Vec<String>,
    pieces: Vec<Piece>,
    arrays: BTreeMap<Span, NpyArray>,
    macros: BTreeMap<String, Rc<MacroDefinition>>,
    /// Constants whose value is known already; those of a macro by its frame.
    constants: BTreeMap<(u32, String), i128>,
    n_copies: u32,
    n_parts_left: usize,
    suggester: Suggester,
}

/// What a line asks of this pass.
enum Request {
    Nothing,
    Block(BlockKind, &'static DirectiveInfo),
    Constant,
    Include(&'static DirectiveInfo),
    Array(&'static DirectiveInfo),
    Call(Rc<MacroDefinition>),
}

/// The lines between the two directives of a block.
struct Block {
    lines: Vec<Line>,
    /// Lines behind `.else`.
    otherwise: Vec<Line>,
    end: Span,
}

impl Expander<'_, '_> {
    fn walk(&mut self, lines: Vec<Line>, depth: usize) {
        let mut lines = lines.into_iter();
        while let Some(mut line) = lines.next() {
            let request = self.request(&line);
            if let Request::Nothing | Request::Constant | Request::Array(_) = request {
                match (&request, &line.statement) {
                    (Request::Constant, Some(statement)) => self.constant(statement),
                    (Request::Array(info), Some(statement)) => self.array(info, statement),
                    _ => {}
                }
                self.pieces.push(Piece::Line(line));
                continue;
            }
            let statement = line.statement.take();
            if !line.labels.is_empty() {
                self.pieces.push(Piece::Line(line));
            }
            let Some(statement) = statement else { continue };
            self.problems.enter(statement.head);
            match request {
                Request::Block(kind, info) => self.block(kind, info, &statement, &mut lines, depth),
                Request::Include(info) => self.include(info, &statement, depth),
                Request::Call(definition) => self.call(&definition, &statement, depth),
                Request::Nothing | Request::Constant | Request::Array(_) => {}
            }
        }
    }

    fn request(&self, line: &Line) -> Request {
        let Some(statement) = &line.statement else {
            return Request::Nothing;
        };
        let head = self.sources.slice(statement.head);
        if head.starts_with('.') {
            return match directive(head).map(|info| (info.kind, info)) {
                Some((DirectiveKind::Block(kind), info)) => Request::Block(kind, info),
                Some((DirectiveKind::Equ, _)) => Request::Constant,
                Some((DirectiveKind::Include, info)) => Request::Include(info),
                Some((DirectiveKind::Data(crate::directives::DataKind::Array), info)) => Request::Array(info),
                _ => Request::Nothing,
            };
        }
        if self.macros.is_empty() {
            return Request::Nothing;
        }
        let definition = self.macros.get(head);
        definition.map_or(Request::Nothing, |definition| Request::Call(Rc::clone(definition)))
    }

    /// Whether a directive has as many arguments as it takes and no tokens; reported if not.
    fn check_form(&mut self, info: &DirectiveInfo, statement: &Statement, n: std::ops::RangeInclusive<usize>) -> bool {
        let problem = crate::context::form_problem(statement, info, n);
        let is_good = problem.is_none();
        if let Some(Some((span, diagnostic))) = problem {
            self.problems.push(span, diagnostic);
        }
        is_good
    }

    fn block(
        &mut self,
        kind: BlockKind,
        info: &'static DirectiveInfo,
        statement: &Statement,
        lines: &mut std::vec::IntoIter<Line>,
        depth: usize,
    ) {
        let Some(end) = kind.end() else {
            let diagnostic = Diagnostic::error(codes::UNCLOSED_BLOCK, format!("`{}` ends nothing here", info.name))
                .because("no block of its kind is open");
            self.problems.push(statement.head, diagnostic);
            return;
        };
        let block = self.collect(kind, lines);
        let Some(block) = block else {
            let diagnostic = Diagnostic::error(codes::UNCLOSED_BLOCK, format!("`{}` is not closed", info.name))
                .because("everything up to the end of the file would belong to it")
                .help(format!("write `{end}` where it ends"));
            self.problems.push(statement.head, diagnostic);
            return;
        };
        match kind {
            BlockKind::Macro => self.define(info, statement, block),
            BlockKind::Repeat => self.repeat(info, statement, &block, depth),
            _ => self.condition(info, statement, block, depth),
        }
    }

    /// Takes the lines up to the end of a block; `None` if it has none.
    fn collect(&self, kind: BlockKind, lines: &mut std::vec::IntoIter<Line>) -> Option<Block> {
        let mut nesting = 0;
        let mut block = Block {
            lines: Vec::new(),
            otherwise: Vec::new(),
            end: Span::default(),
        };
        let mut is_otherwise = false;
        for mut line in lines {
            let head = line.statement.as_ref().map(|statement| statement.head);
            let info = head.and_then(|head| directive(self.sources.slice(head)));
            if let (Some(DirectiveKind::Block(other)), Some(head)) = (info.map(|info| info.kind), head) {
                if other == kind {
                    nesting += 1;
                } else if other.ends(kind) && nesting > 0 {
                    nesting -= 1;
                } else if other.ends(kind) {
                    block.end = head;
                    line.statement = None;
                    if !line.labels.is_empty() {
                        block.lines.push(line);
                    }
                    return Some(block);
                } else if other == BlockKind::Else && kind == BlockKind::If && nesting == 0 && !is_otherwise {
                    is_otherwise = true;
                    continue;
                }
            }
            if is_otherwise {
                block.otherwise.push(line);
            } else {
                block.lines.push(line);
            }
        }
        None
    }

    fn define(&mut self, info: &'static DirectiveInfo, statement: &Statement, block: Block) {
        if !crate::context::is_clear(statement) {
            return;
        }
        let definition = MacroDefinition::new(
            info,
            statement,
            block.lines,
            block.end,
            &self.sources,
            &mut self.problems,
            &self.suggester,
        );
        let Some(definition) = definition else { return };
        let name = self.sources.slice(definition.name).to_owned();
        if let Some(other) = self.macros.get(&name) {
            let place = self.sources.name_of_place(other.name, definition.name);
            let diagnostic = Diagnostic::error(codes::DUPLICATE_NAME, format!("macro `{name}` is defined twice"))
                .because(format!("it is defined in {place} already"))
                .help("rename one of them");
            self.problems.push(definition.name, diagnostic);
            return;
        }
        self.macros.insert(name, Rc::new(definition));
    }

    /// Takes from what all macros together may make; reported if nothing is left.
    fn spend(&mut self, n_parts: usize, depth: usize, place: Span) -> bool {
        if self.n_parts_left == 0 {
            return false;
        }
        let problem = if depth >= MAX_DEPTH {
            Some((
                "macros, repetitions and files are nested too deep".to_owned(),
                format!("at most {MAX_DEPTH} may stand within each other"),
                "a macro that uses itself needs an `.if` that ends it",
            ))
        } else if n_parts > self.n_parts_left {
            Some((
                "the macros and repetitions of this text make too many lines".to_owned(),
                format!("together they may make {MAX_PARTS} lines and parts of expressions"),
                "use a loop of the machine instead",
            ))
        } else {
            None
        };
        self.n_parts_left = self.n_parts_left.saturating_sub(n_parts);
        if let Some((message, reason, help)) = problem {
            // Nothing is expanded any more: what a macro does at every level doubles with each.
            self.n_parts_left = 0;
            let diagnostic = Diagnostic::error(codes::EXPANSION, message).because(reason).help(help);
            self.problems.push(place, diagnostic);
            return false;
        }
        true
    }

    fn call(&mut self, definition: &MacroDefinition, statement: &Statement, depth: usize) {
        let arguments = definition.bind(statement, &self.sources, &mut self.problems, &self.suggester);
        let Some(arguments) = arguments else { return };
        let copy = Copy {
            original: definition.extent,
            call: statement.head,
            name: Some(definition.name),
        };
        self.copy(copy, &definition.lines, definition.n_parts, &arguments, depth);
    }

    fn copy(&mut self, copy: Copy, lines: &[Line], n_parts: usize, arguments: &[(&str, Expr)], depth: usize) {
        if !self.spend(n_parts + 1, depth, copy.call) {
            return;
        }
        let Some(base) = self.sources.add_copy(copy) else {
            self.problems.push(copy.call, too_much_text());
            return;
        };
        self.n_copies += 1;
        let mut copier = Copier::new(
            &mut self.sources,
            &mut self.problems,
            copy.original,
            base,
            arguments,
            self.n_copies,
        );
        let lines = lines.iter().map(|line| copier.line(line)).collect();
        let n_extra_parts = copier.n_parts_of_arguments();
        if !self.spend(n_extra_parts, depth, copy.call) {
            return;
        }
        self.pieces.push(Piece::Open(copy.name.map(|_| base)));
        self.walk(lines, depth + 1);
        self.pieces.push(Piece::Close);
    }

    fn repeat(&mut self, info: &'static DirectiveInfo, statement: &Statement, block: &Block, depth: usize) {
        if !self.check_form(info, statement, 1..=2) {
            return;
        }
        let Some(count) = self.value(&statement.arguments[0].value, "how often lines are repeated") else {
            return;
        };
        let counter = statement.arguments.get(1).map(|argument| &argument.value);
        if let Some(counter) = counter.filter(|counter| counter.kind != ExprKind::Name) {
            let diagnostic = bad_argument(info, "the counter is a word".to_owned());
            self.problems.push(counter.span, diagnostic);
            return;
        }
        let span = statement.arguments[0].value.span;
        let Ok(count) = u32::try_from(count) else {
            let message = format!("the number of repetitions is {count}, outside 0..={}", u32::MAX);
            self.problems
                .push(span, Diagnostic::error(codes::OUT_OF_RANGE, message));
            return;
        };
        let n_parts = crate::macros::n_parts(&block.lines);
        if (n_parts + 1).saturating_mul(count as usize) > self.n_parts_left {
            self.spend((n_parts + 1).saturating_mul(count as usize), depth, span);
            return;
        }
        let name = counter.map(|counter| self.sources.slice(counter.span).to_owned());
        for turn in 0..count {
            let value = Expr {
                span: counter.map_or(statement.head, |counter| counter.span),
                kind: ExprKind::Int(i128::from(turn)),
            };
            let arguments: Vec<(&str, Expr)> = name.as_deref().map(|name| (name, value)).into_iter().collect();
            let copy = Copy {
                original: statement.head.to(block.end),
                call: statement.head,
                name: None,
            };
            self.copy(copy, &block.lines, n_parts, &arguments, depth);
        }
    }

    fn condition(&mut self, info: &'static DirectiveInfo, statement: &Statement, block: Block, depth: usize) {
        if !self.check_form(info, statement, 1..=1) {
            return;
        }
        let Some(value) = self.value(&statement.arguments[0].value, "which lines are there") else {
            return;
        };
        if self.spend(1, depth, statement.head) {
            let lines = if value == 0 { block.otherwise } else { block.lines };
            self.walk(lines, depth + 1);
        }
    }

    /// The value of an expression that decides how many lines there are; `None` is reported.
    fn value(&mut self, expr: &Expr, what: &str) -> Option<i128> {
        match self.constant_value(expr) {
            Ok(value) => Some(value),
            Err(span) => {
                let text = self.sources.slice(span).to_owned();
                let diagnostic = Diagnostic::error(codes::NOT_YET_KNOWN, format!("`{text}` has no value here"))
                    .because(format!(
                        "{what} depends only on numbers and on constants that are defined before"
                    ))
                    .help("define it above with `.equ`");
                self.problems.push(span, diagnostic);
                None
            }
        }
    }

    /// The value of an expression over constants that are known already, or the part that has none.
    fn constant_value(&self, expr: &Expr) -> Result<i128, Span> {
        let value = match &expr.kind {
            ExprKind::Int(value) => Some(*value),
            ExprKind::Name => self.constants.get(&self.constant_key(expr.span)).copied(),
            ExprKind::Negate(inner) => self.constant_value(inner)?.checked_neg(),
            ExprKind::Binary(op, operands) => apply(
                *op,
                self.constant_value(&operands.0)?,
                self.constant_value(&operands.1)?,
            ),
            _ => None,
        };
        value.ok_or(expr.span)
    }

    fn constant_key(&self, name: Span) -> (u32, String) {
        let text = self.sources.slice(name);
        let frame = if text.starts_with('.') {
            self.sources.frame(name)
        } else {
            0
        };
        (frame, text.to_owned())
    }

    fn constant(&mut self, statement: &Statement) {
        let [name, value] = &statement.arguments[..] else {
            return;
        };
        if let (ExprKind::Name, Ok(known)) = (&name.value.kind, self.constant_value(&value.value)) {
            let key = self.constant_key(name.value.span);
            self.constants.entry(key).or_insert(known);
        }
    }

    /// The file that a directive names in its first argument; `None` is reported.
    fn load(&mut self, info: &'static DirectiveInfo, statement: &Statement) -> Option<(include::LoadedFile, Span)> {
        let argument = &statement.arguments.first()?.value;
        let ExprKind::Text(path) = &argument.kind else {
            let diagnostic = bad_argument(info, "the path of a file is a text in double quotes".to_owned());
            self.problems.push(argument.span, diagnostic);
            return None;
        };
        let from = self.open_files.last().map_or("", String::as_str);
        match self.loader.load(path, from) {
            Ok(file) => Some((file, argument.span)),
            Err(reason) => {
                self.problems.push(argument.span, include::not_loaded(path, reason));
                None
            }
        }
    }

    fn include(&mut self, info: &'static DirectiveInfo, statement: &Statement, depth: usize) {
        if !self.check_form(info, statement, 1..=1) {
            return;
        }
        let Some((file, span)) = self.load(info, statement) else {
            return;
        };
        if self.open_files.contains(&file.name) {
            self.problems.push(span, include::cycle(&file.name, &self.open_files));
            return;
        }
        let name = file.name.clone();
        let text = match include::text_of(file) {
            Ok(text) => text,
            Err(diagnostic) => {
                self.problems.push(span, diagnostic);
                return;
            }
        };
        let base = self.sources.add_file(text, name.clone(), statement.head);
        let Some(source) = base.and_then(|base| self.sources.source_at(base)) else {
            self.problems.push(span, too_much_text());
            return;
        };
        let tree = parse(source, &mut self.problems);
        if !self.spend(tree.lines.len(), depth, span) {
            return;
        }
        self.open_files.push(name);
        self.walk(tree.lines, depth + 1);
        self.open_files.pop();
    }

    fn array(&mut self, info: &'static DirectiveInfo, statement: &Statement) {
        self.problems.enter(statement.head);
        if !self.check_form(info, statement, 1..=2) {
            return;
        }
        let Some((file, span)) = self.load(info, statement) else {
            return;
        };
        match npy::parse(&file.bytes) {
            Ok(array) => {
                self.arrays.insert(statement.head, array);
            }
            Err(reason) => {
                let message = format!("`{}` is no array that can be data", crate::literal::escape(&file.name));
                let diagnostic = Diagnostic::error(codes::BAD_ARRAY, message)
                    .because(reason)
                    .help("save it with numpy.save as integers of up to 64 bits, bool or float32");
                self.problems.push(span, diagnostic);
            }
        }
    }
}

fn too_much_text() -> Diagnostic {
    Diagnostic::error(codes::TOO_LARGE, "the texts of this program are too large")
        .because("all files and all uses of macros together have less than 4 GiB")
}
