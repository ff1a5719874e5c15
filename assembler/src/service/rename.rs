//! New names for what a text defines.

use super::Document;
use crate::lexer::{continues_word, starts_word};
use crate::registers;
use crate::source::Span;
use systole_isa::instruction::opcode_by_mnemonic;

/// Why something cannot be renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenameError {
    /// No name that the text defines stands there.
    NoName,
    /// The new name cannot be one.
    Invalid {
        /// The new name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The new name is defined already, or would mean something else in a place.
    Collision {
        /// The new name.
        name: String,
        /// Line of the definition that it collides with, counted from 1.
        line: usize,
    },
}

impl std::fmt::Display for RenameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoName => f.write_str("only names that this text defines can be renamed"),
            Self::Invalid { name, reason } => write!(f, "`{name}` cannot be a name: {reason}"),
            Self::Collision { name, line } => write!(f, "`{name}` is defined in line {line} already"),
        }
    }
}

impl std::error::Error for RenameError {}

impl Document {
    /// The name at an offset that could be renamed.
    pub fn renameable(&self, offset: u32) -> Option<Span> {
        let (span, definition) = self.index.at(offset)?;
        // A name with escapes in it is not written as it is called.
        (self.slice(definition.span) == definition.name).then_some(span)
    }

    /// The ranges to replace so that the name at an offset becomes another one.
    ///
    /// # Errors
    /// If no name stands there, the new one cannot be a name, or it is taken.
    pub fn rename(&self, offset: u32, new_name: &str) -> Result<Vec<Span>, RenameError> {
        self.renameable(offset).ok_or(RenameError::NoName)?;
        let definition = self.definition(offset).ok_or(RenameError::NoName)?;
        if definition.name == new_name {
            return Ok(Vec::new());
        }
        if let Some(reason) = reason_against(new_name, definition.name.starts_with('.')) {
            return Err(RenameError::Invalid {
                name: new_name.to_owned(),
                reason,
            });
        }
        if let Some(other) = self.index.other_of_name(definition, new_name) {
            return Err(RenameError::Collision {
                name: new_name.to_owned(),
                line: self.line_idx(other.span.start) + 1,
            });
        }
        Ok(self.references(offset, true))
    }
}

/// Why a text cannot be a name; a local one, which starts with a point, or not.
fn reason_against(name: &str, is_local: bool) -> Option<String> {
    let mut chars = name.chars();
    let is_word = chars.next().is_some_and(starts_word) && chars.all(continues_word);
    if let Some(kind) = registers::kind_of(name) {
        Some(format!("a letter and a number as in `{name}` name a {kind}"))
    } else if !is_word || name.contains("..") {
        Some("a name starts with a letter and goes on with letters, digits, `_`, `.` and `$`".to_owned())
    } else if name.starts_with('.') && !is_local {
        Some("only local labels start with a point".to_owned())
    } else if is_local && !name.starts_with('.') {
        Some("this label is local, so that its name has to start with a point".to_owned())
    } else if name == "." || opcode_by_mnemonic(name).is_some() {
        Some("it means something else".to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble;

    const TEXT: &str = "\
.equ N, 8
.symbol \"table\", spm, N * 2, 4
.symbol start, label, 0
start:
    li r1, N + table
.back:
    loop 3, .end
    nop
.end:
    jmp .back
    jmp start
.segment \"N\", 0x40
w:  .i8 N, 2
";

    fn renamed(what: &str, new_name: &str) -> Result<String, RenameError> {
        let document = Document::new(TEXT.to_owned(), "t");
        let spans = document.rename(TEXT.find(what).unwrap() as u32, new_name)?;
        let mut text = TEXT.to_owned();
        for span in spans.iter().rev() {
            text.replace_range(span.start as usize..span.end as usize, new_name);
        }
        Ok(text)
    }

    #[test]
    fn a_renamed_text_assembles_to_the_same_code() {
        let before = assemble(TEXT, "t").unwrap();
        for (what, new_name, n_uses) in [
            ("N,", "COUNT", 4),
            ("table", "lookup", 2),
            ("start", "first", 3),
            (".back", ".again", 2),
            (".end", ".done", 2),
            ("w:", "weights", 1),
        ] {
            let text = renamed(what, new_name).unwrap();
            let after = assemble(&text, "t").unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
            assert_eq!((&after.code, &after.segments), (&before.code, &before.segments));
            assert_eq!(text.matches(new_name).count(), n_uses, "{text}");
        }
        assert_eq!(renamed("N,", "N").unwrap(), TEXT);
    }

    #[test]
    fn what_cannot_be_a_name_and_what_is_taken_is_refused() {
        for name in ["", "3x", "a b", "r7", "t99", ".local", "add", "a..b", "ä-", "x:"] {
            assert!(
                matches!(renamed("N,", name), Err(RenameError::Invalid { .. })),
                "{name}"
            );
        }
        assert!(matches!(renamed(".back", "back"), Err(RenameError::Invalid { .. })));
        assert_eq!(
            renamed("N,", "w"),
            Err(RenameError::Collision {
                name: "w".to_owned(),
                line: 13
            })
        );
        assert!(matches!(
            renamed(".back", ".end"),
            Err(RenameError::Collision { line: 9, .. })
        ));
        for what in ["li", "r1", "8", "nop"] {
            assert_eq!(renamed(what, "x"), Err(RenameError::NoName), "{what}");
        }
    }
}
