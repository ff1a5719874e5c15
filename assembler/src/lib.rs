//! Text to program and back.
//!
//! [`assemble`] reads assembly and reports everything that is wrong with it at once. [`disassemble`] writes a program as text
//! that assembles to an equal program. Both take every fact on instructions from the table in `systole_isa`; this crate names no
//! instruction, and refuses to know what one does.
//!
//! [`format_source`] brings a text into its tidy form, and [`service`] answers an editor's questions about one.
//!
//! The passes, in order: [`lexer`] text to tokens, `parser` tokens to the [`syntax`] tree, `expand` macros and included files to
//! lines, `outline` names and their lines, `layout` addresses of data, `operands` and `assemble` the program. This crate reads no
//! file: texts that include others come with a [`Loader`].

mod assemble;
pub mod codes;
mod context;
mod copier;
mod data;
pub mod directives;
mod disassemble;
mod expand;
mod files;
mod flow;
mod format;
mod formatter;
mod include;
mod layout;
pub mod lexer;
mod listing;
mod literal;
mod macros;
mod mask;
mod names;
mod npy;
mod operands;
mod outline;
mod parser;
mod problems;
mod registers;
mod scope;
pub mod service;
mod shape;
pub mod source;
mod sources;
mod suggest;
pub mod syntax;
mod tensors;

pub use assemble::{assemble, assemble_with};
pub use disassemble::{Disassembler, disassemble, disassemble_line, disassemble_with_files};
pub use files::source_line;
pub use format::format_instruction;
pub use formatter::format_source;
pub use include::{LoadedFile, Loader, NextTo, NoFiles};
pub use operands::{describe_kind, signature};

use systole_isa::Diagnostic;

/// The tree of a text, and everything that is wrong with its form. The text itself may mean nothing all the same.
pub fn parse(source: &source::Source) -> (syntax::Tree, Vec<Diagnostic>) {
    let mut problems = problems::Problems::default();
    let tree = parser::parse(source, &mut problems);
    (
        tree,
        problems.into_diagnostics(&sources::Sources::single(source.clone())),
    )
}
