//! What could stand at a place.

use super::Document;
use super::help::{Help, directive_help, form_of, instruction_help};
use super::hover::number;
use super::index::{Definition, NameKind};
use super::slots::{Slot, argument_names, slot};
use crate::directives::DIRECTIVES;
use crate::lexer::{Mark, Token, TokenKind, continues_word};
use crate::operands::{describe_kind, signature};
use crate::registers::{DESCRIPTORS, Family, REGISTERS, TOKENS};
use crate::source::Span;
use systole_isa::instruction::OPCODES;
use systole_isa::operand::OperandKind;

/// What a proposal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionKind {
    /// An instruction.
    Mnemonic,
    /// A directive.
    Directive,
    /// A register, a descriptor or a token.
    Register,
    /// A word of an operand.
    Choice,
    /// The name of an operand or key, with `=`.
    ArgumentName,
    /// A label of an instruction.
    Label,
    /// A constant or an address.
    Symbol,
}

/// Something that could be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The text that is put in the place of `replaces`.
    pub text: String,
    /// The word, perhaps empty, that is being typed.
    pub replaces: Span,
    /// What it is.
    pub kind: CompletionKind,
    /// A few words on it.
    pub detail: String,
    /// All there is to say about it.
    pub help: Option<Help>,
}

/// Where in a line the cursor is.
enum Place<'d> {
    /// At the mnemonic or directive.
    Head,
    /// At an argument of a statement.
    Argument {
        head: &'d str,
        position: usize,
        name: Option<&'d str>,
        /// Whether nothing of the argument stands before the word that is being typed.
        is_start: bool,
    },
    /// In the brackets behind a descriptor.
    Displacement,
    /// Behind `?` or `!`.
    Token,
    /// Where nothing is proposed.
    Nowhere,
}

impl Document {
    /// What could stand at an offset: everything of the right kind that contains the word typed so far, whatever its case.
    pub fn completions(&self, offset: u32) -> Vec<Completion> {
        if self.text.get(..offset as usize).is_none() {
            return Vec::new();
        }
        let mut tokens = self.tokens_before(offset);
        let word = match tokens.last() {
            Some(token) if token.kind == TokenKind::Word && token.span.end == offset => {
                let word = token.span;
                tokens.pop();
                word
            }
            _ => Span {
                start: offset,
                end: offset,
            },
        };
        let replaces = self.whole_word(word);
        let typed = self.slice(word).to_lowercase();
        let mut proposals = Proposals {
            replaces,
            found: Vec::new(),
        };
        self.propose(&self.place(&tokens, offset), &mut proposals);
        let mut found = proposals.found;
        found.retain(|completion| completion.text.to_lowercase().contains(&typed));
        found
    }

    /// A word up to its end behind the cursor.
    fn whole_word(&self, word: Span) -> Span {
        let rest = self.text.get(word.end as usize..).unwrap_or("");
        let n_more = rest.find(|c| !continues_word(c)).unwrap_or(rest.len());
        Span {
            start: word.start,
            end: word.end + if word.start == word.end { 0 } else { n_more as u32 },
        }
    }

    fn place(&self, tokens: &[Token], offset: u32) -> Place<'_> {
        use TokenKind::{Comment, Float, Integer, Text, UnclosedText, Word};
        if let Some(last) = tokens.last() {
            let touches = last.span.end == offset;
            match last.kind {
                Comment | UnclosedText => return Place::Nowhere,
                Integer | Float | Text if touches => return Place::Nowhere,
                _ => {}
            }
        }
        let mut code = tokens;
        while let [name, colon, rest @ ..] = code
            && (name.kind, colon.kind) == (Word, TokenKind::Mark(Mark::Colon))
        {
            code = rest;
        }
        let [head, arguments @ ..] = code else {
            return Place::Head;
        };
        if head.kind == Word {
            self.argument_place(self.slice(head.span), arguments)
        } else {
            Place::Nowhere
        }
    }

    /// The place behind these tokens of arguments.
    fn argument_place<'d>(&'d self, head: &'d str, tokens: &[Token]) -> Place<'d> {
        let is_token_mark = |token: &Token| matches!(token.kind, TokenKind::Mark(Mark::Wait | Mark::Post));
        if tokens.iter().any(is_token_mark) {
            let is_behind = tokens.last().is_some_and(is_token_mark);
            return if is_behind { Place::Token } else { Place::Nowhere };
        }
        let (mut position, mut start, mut brackets) = (0, 0, Vec::new());
        for (i, token) in tokens.iter().enumerate() {
            let TokenKind::Mark(mark) = token.kind else { continue };
            match mark {
                Mark::Comma if brackets.is_empty() => (position, start) = (position + 1, i + 1),
                Mark::OpenBracket | Mark::OpenParenthesis => {
                    let is_behind_word = i > start && tokens[i - 1].kind == TokenKind::Word;
                    brackets.push(mark == Mark::OpenBracket && is_behind_word);
                }
                Mark::CloseBracket | Mark::CloseParenthesis => {
                    brackets.pop();
                }
                _ => {}
            }
        }
        if brackets.last() == Some(&true) {
            return Place::Displacement;
        }
        let mut of_argument = &tokens[start..];
        let mut name = None;
        if let [word, equals, rest @ ..] = of_argument
            && (word.kind, equals.kind) == (TokenKind::Word, TokenKind::Mark(Mark::Equals))
        {
            name = Some(self.slice(word.span));
            of_argument = rest;
        }
        match of_argument.last().map(|token| token.kind) {
            None | Some(TokenKind::Mark(_)) => Place::Argument {
                head,
                position,
                name,
                is_start: of_argument.is_empty(),
            },
            // Behind an operand that is complete stands a comma or an operator.
            Some(_) => Place::Nowhere,
        }
    }

    fn propose(&self, place: &Place, proposals: &mut Proposals) {
        match *place {
            Place::Nowhere => {}
            Place::Head => proposals.heads(self.index.definitions()),
            Place::Displacement => proposals.family(&REGISTERS),
            Place::Token => proposals.family(&TOKENS),
            Place::Argument {
                head,
                position,
                name,
                is_start,
            } => {
                self.propose_argument(&slot(head, position, name), is_start, proposals);
                if is_start && name.is_none() {
                    proposals.argument_names(head);
                }
            }
        }
    }

    fn propose_argument(&self, slot: &Slot, is_start: bool, proposals: &mut Proposals) {
        match slot {
            Slot::Definition | Slot::Other => {}
            Slot::Label => self.propose_names(true, proposals),
            Slot::Expression => self.propose_names(false, proposals),
            Slot::Words(words) => proposals.words(words, ""),
            Slot::Operand(row, operand) => match operand.kind {
                OperandKind::Reg => proposals.family(&REGISTERS),
                OperandKind::Desc | OperandKind::DescRef => proposals.family(&DESCRIPTORS),
                OperandKind::Token => proposals.family(&TOKENS),
                OperandKind::Choice(words) => {
                    proposals.words(words, &format!("{} of {}", operand.name, row.mnemonic));
                }
                OperandKind::Target => self.propose_names(true, proposals),
                OperandKind::Imm { .. } => self.propose_names(false, proposals),
                OperandKind::Val { .. } => {
                    self.propose_names(false, proposals);
                    if is_start {
                        proposals.family(&REGISTERS);
                    }
                }
            },
        }
    }

    /// Proposes labels of instructions, or else everything else that has a value.
    fn propose_names(&self, is_label: bool, proposals: &mut Proposals) {
        for definition in self.index.definitions() {
            let kind = match definition.kind {
                NameKind::Label if is_label => CompletionKind::Label,
                NameKind::Data | NameKind::Declared(_) if !is_label && definition.value.is_some() => {
                    CompletionKind::Symbol
                }
                _ => continue,
            };
            let value = definition
                .value
                .map_or(String::new(), |value| format!(" = {}", number(value)));
            let detail = format!("{}{value}", definition.kind.noun());
            proposals.push(definition.name.clone(), kind, detail, None);
        }
    }
}

struct Proposals {
    replaces: Span,
    found: Vec<Completion>,
}

impl Proposals {
    fn push(&mut self, text: String, kind: CompletionKind, detail: String, help: Option<Help>) {
        self.found.push(Completion {
            text,
            replaces: self.replaces,
            kind,
            detail,
            help,
        });
    }

    fn heads(&mut self, definitions: &[Definition]) {
        for row in OPCODES {
            let help = instruction_help(row.mnemonic);
            self.push(row.mnemonic.to_owned(), CompletionKind::Mnemonic, signature(row), help);
        }
        for info in DIRECTIVES {
            let help = directive_help(info.name);
            self.push(info.name.to_owned(), CompletionKind::Directive, form_of(info), help);
        }
        // What a directive defines without a value can be a statement.
        for definition in definitions {
            if let NameKind::Declared(info) = definition.kind
                && definition.value.is_none()
                && info.form.starts_with("NAME ")
            {
                let detail = definition.kind.noun().to_owned();
                self.push(definition.name.clone(), CompletionKind::Mnemonic, detail, None);
            }
        }
    }

    fn family(&mut self, family: &Family) {
        for index in 0..family.count {
            let name = format!("{}{index}", family.letter);
            self.push(name, CompletionKind::Register, family.name.to_owned(), None);
        }
    }

    fn words(&mut self, words: &[&str], detail: &str) {
        for word in words {
            self.push((*word).to_owned(), CompletionKind::Choice, detail.to_owned(), None);
        }
    }

    fn argument_names(&mut self, head: &str) {
        for name in argument_names(head) {
            let detail = match slot(head, 0, Some(name)) {
                Slot::Operand(_, operand) => describe_kind(operand.kind),
                _ => format!("key of {head}"),
            };
            self.push(format!("{name}="), CompletionKind::ArgumentName, detail, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is proposed at the mark `|` of a line, behind a text that defines a few names.
    fn proposed(line: &str) -> Vec<String> {
        let before = ".equ BLOCK, 8\nstart: nop\n.segment \"w\", 0x40\nweights: .i8 1\n.code\n";
        let offset = before.len() + line.find('|').unwrap();
        let document = Document::new(format!("{before}{}\n", line.replace('|', "")), "t");
        let completions = document.completions(offset as u32);
        completions.into_iter().map(|completion| completion.text).collect()
    }

    #[test]
    fn proposals_are_of_the_kind_that_fits() {
        for (line, first, absent) in [
            ("  |", "halt", "r0"),
            ("  mx.w|", "mx.wload", "mx.mm"),
            ("a: MM|", "mx.mm", "mx.wload"),
            ("  .seg|", ".segment", "halt"),
            ("  add |", "r0", "d0"),
            ("  add r1, r2, |", "BLOCK", "start"),
            ("  add r1, r2, r|", "r0", "BLOCK"),
            ("  add r1, r2, BLOCK + |", "BLOCK", "r0"),
            ("  mx.wload |", "d0", "r0"),
            ("  mx.wload d3[|", "r0", "d0"),
            ("  mx.wload d3[r1], k=|", "BLOCK", "k="),
            ("  mx.wload d3, w|", "weights", "r1"),
            ("  mx.mm d1, d2, 0, 1, 0, |", "over", "swap"),
            ("  mx.mm d1, d2, 0, 1, 0, over, |4", "keep", "over"),
            ("  jmp |", "start", "BLOCK"),
            ("  nop ?|", "t0", "r0"),
            ("  nop ?t0 !t1|", "t1", "t0"),
            (".symbol x, |", "label", "BLOCK"),
            (".entry |", "start", "BLOCK"),
            (".input \"x\", format=|", "b1", "f32"),
            (".input \"x\", ho|", "host=", "shape="),
        ] {
            let found = proposed(line);
            assert_eq!(found.first().map(String::as_str), Some(first), "{line}: {found:?}");
            assert!(!found.iter().any(|text| text == absent), "{line}: {found:?}");
        }
    }

    #[test]
    fn nothing_is_proposed_where_nothing_can_stand() {
        for line in [
            "  ; ad|",
            "  add r1, 1|",
            "  .program \"a|",
            "  .program \"a\"|",
            ".equ |",
            "  add r1 |",
            "  nop ?t0 |",
            "  + |",
        ] {
            assert_eq!(proposed(line), [""; 0], "{line}");
        }
        let document = Document::new("ü".to_owned(), "t");
        assert!(document.completions(1).is_empty() && document.completions(u32::MAX).is_empty());
    }

    #[test]
    fn a_word_is_replaced_to_its_end() {
        let document = Document::new("  mx.wlaod d1".to_owned(), "t");
        let completion = &document.completions(5)[0];
        assert_eq!(document.slice(completion.replaces), "mx.wlaod");
        assert!(
            completion
                .help
                .as_ref()
                .is_some_and(|help| help.title == completion.detail)
        );
    }
}
