//! A program as text that assembles to an equal program.

use crate::format::{Naming, Parts, is_plain_name};
use crate::listing;
use std::collections::{BTreeMap, BTreeSet};
use systole_isa::Program;
use systole_isa::operand::{OperandValue, Space};
use systole_isa::program::{Segment, Symbol, SymbolKind};

/// A program as text. [`crate::assemble`] makes an equal program of it, down to the bytes of its file.
///
/// This holds for every program that has a file, that is which [`systole_isa::container::write`] accepts, whose tensors
/// have one stride per axis and whose segments do not overlap.
pub fn disassemble(program: &Program) -> String {
    disassemble_with_files(program, &mut |_| None)
}

/// A program as text that leaves the bytes of some segments to NumPy arrays. `file_of` writes such an array (u8, one axis) and gives
/// its path from the folder of the text, or `None` for a segment whose bytes stand in the text.
pub fn disassemble_with_files(program: &Program, file_of: &mut dyn FnMut(&Segment) -> Option<String>) -> String {
    listing::text(&Disassembler::new(program), file_of)
}

/// One instruction as text, with the names of labels; empty if there is no such instruction.
///
/// For many lines of one program, a [`Disassembler`] looks names up faster.
pub fn disassemble_line(program: &Program, pc: u32) -> String {
    Disassembler::new(program).line(pc)
}

/// A program with an index of its names.
pub struct Disassembler<'p> {
    program: &'p Program,
    /// Symbols that stand as a label before their instruction, by index of the instruction, in the order of the table.
    labels: BTreeMap<u32, Vec<&'p Symbol>>,
    /// Instructions that are jumped to.
    targets: BTreeSet<u32>,
    /// The names of all symbols.
    names: BTreeSet<&'p str>,
    /// Symbols of each memory that can be written in an expression, by address.
    addresses: [BTreeMap<u64, &'p Symbol>; 3],
}

impl<'p> Disassembler<'p> {
    /// Indexes the names of a program.
    pub fn new(program: &'p Program) -> Self {
        let mut labels: BTreeMap<u32, Vec<&Symbol>> = BTreeMap::new();
        let mut addresses = [const { BTreeMap::new() }; 3];
        for symbol in &program.symbols {
            if is_inline_label(program, symbol) {
                labels.entry(symbol.value as u32).or_default().push(symbol);
            } else if let Some(space) = space_of(symbol.kind)
                && is_plain_name(&symbol.name)
            {
                addresses[space as usize].entry(symbol.value).or_insert(symbol);
            }
        }
        let operands = program.code.iter().flat_map(|instruction| instruction.op.operands());
        let targets = operands.filter_map(|value| match value {
            OperandValue::Target(pc) => Some(pc),
            _ => None,
        });
        Self {
            program,
            labels,
            targets: targets.collect(),
            names: program.symbols.iter().map(|symbol| symbol.name.as_str()).collect(),
            addresses,
        }
    }

    /// The program.
    pub fn program(&self) -> &'p Program {
        self.program
    }

    /// One instruction as text, with the names of labels and addresses; empty if there is no such instruction.
    pub fn line(&self, pc: u32) -> String {
        let instruction = self.program.code.get(pc as usize);
        instruction.map_or_else(String::new, |instruction| {
            Parts::new(instruction, &self.seen_from(pc)).to_string()
        })
    }

    /// The names as they are written in the line of an instruction.
    pub(crate) fn seen_from(&self, pc: u32) -> SeenFrom<'_, 'p> {
        SeenFrom {
            names: self,
            scope: self.scope_until(u64::from(pc) + 1),
        }
    }

    /// The names as they are written before all code.
    pub(crate) fn seen_from_above(&self) -> SeenFrom<'_, 'p> {
        SeenFrom {
            names: self,
            scope: None,
        }
    }

    /// The last label before an instruction, to which the local labels from there on belong.
    fn scope_until(&self, end: u64) -> Option<&'p str> {
        let end = u32::try_from(end).unwrap_or(u32::MAX);
        let (_, symbols) = self.labels.range(..end).next_back()?;
        symbols.last().map(|symbol| symbol.name.as_str())
    }

    /// The names that stand before an instruction: those of its symbols or, if it has none but is jumped to, a local one.
    pub fn labels(&self, pc: u32) -> Vec<String> {
        match self.labels.get(&pc) {
            Some(symbols) => symbols.iter().map(|symbol| symbol.name.clone()).collect(),
            None if self.targets.contains(&pc) && self.is_place(pc) => vec![local_label(pc)],
            None => Vec::new(),
        }
    }

    /// The symbols to be declared before and behind the code, so that with its labels they make the symbol table in its order.
    pub(crate) fn declarations(&self) -> (&'p [Symbol], &'p [Symbol]) {
        let symbols = &self.program.symbols[..];
        let is_label = |symbol: &Symbol| is_inline_label(self.program, symbol);
        let start = symbols.iter().position(is_label).unwrap_or(symbols.len());
        let end = symbols.iter().rposition(is_label).map_or(start, |last| last + 1);
        let labels = &symbols[start..end];
        if labels.iter().all(is_label) && labels.is_sorted_by_key(|symbol| symbol.value) {
            (&symbols[..start], &symbols[end..])
        } else {
            (symbols, &[])
        }
    }

    /// Whether a label can stand there: before an instruction or behind the last.
    fn is_place(&self, pc: u32) -> bool {
        pc as usize <= self.program.code.len()
    }
}

/// The names of a program as they are written after a label.
pub(crate) struct SeenFrom<'d, 'p> {
    names: &'d Disassembler<'p>,
    /// The label to which local labels belong here.
    scope: Option<&'p str>,
}

impl Naming for SeenFrom<'_, '_> {
    fn label(&self, pc: u32) -> Option<String> {
        if let Some(symbol) = self.names.labels.get(&pc).and_then(|symbols| symbols.first()) {
            return Some(symbol.name.clone());
        }
        if !self.names.is_place(pc) {
            return None;
        }
        let home = self.names.scope_until(u64::from(pc));
        match home.filter(|_| home != self.scope) {
            None => Some(local_label(pc)),
            Some(home) => {
                let name = format!("{home}{}", local_label(pc));
                (!self.names.names.contains(name.as_str())).then_some(name)
            }
        }
    }

    fn address(&self, space: Space, address: i64) -> Option<String> {
        let address = u64::try_from(address).ok()?;
        let (&start, symbol) = self.names.addresses[space as usize].range(..=address).next_back()?;
        match address - start {
            0 => Some(symbol.name.clone()),
            offset if offset < symbol.size => Some(format!("{} + {offset}", symbol.name)),
            _ => None,
        }
    }
}

/// Whether a symbol can be written as a label: it names an instruction and nothing else can be meant.
fn is_inline_label(program: &Program, symbol: &Symbol) -> bool {
    symbol.kind == SymbolKind::Label
        && symbol.size == 0
        && symbol.value <= program.code.len() as u64
        && is_plain_name(&symbol.name)
}

fn space_of(kind: SymbolKind) -> Option<Space> {
    match kind {
        SymbolKind::Label => None,
        SymbolKind::Dram => Some(Space::Dram),
        SymbolKind::Spm => Some(Space::Spm),
        SymbolKind::Acc => Some(Space::Acc),
    }
}

fn local_label(pc: u32) -> String {
    format!(".L{pc}")
}
