//! Positions as the protocol counts them: lines that end with `\n`, `\r\n` or `\r`, and columns in UTF-16 units.

use lsp_types::{Position, Range};
use systole_assembler::source::Span;

/// Where the lines of a text are.
#[derive(Debug)]
pub(super) struct Lines {
    /// First byte of each line, and the byte behind its last character.
    lines: Vec<(usize, usize)>,
}

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut lines = Vec::new();
        let (mut start, mut at) = (0, 0);
        while at < bytes.len() {
            let n_end = match (bytes[at], bytes.get(at + 1)) {
                (b'\r', Some(b'\n')) => 2,
                (b'\r' | b'\n', _) => 1,
                _ => {
                    at += 1;
                    continue;
                }
            };
            lines.push((start, at));
            at += n_end;
            start = at;
        }
        lines.push((start, bytes.len()));
        Self { lines }
    }

    /// The byte at a position, the end of its line if the line is shorter; `None` if there is no such line. A position within a
    /// character is that of its start.
    pub(super) fn offset(&self, text: &str, position: Position) -> Option<usize> {
        let (start, end) = *self.lines.get(position.line as usize)?;
        let mut column = 0;
        for (i, c) in text.get(start..end)?.char_indices() {
            column += c.len_utf16();
            if column > position.character as usize {
                return Some(start + i);
            }
        }
        Some(end)
    }

    /// The byte at a position, the end of the text if it has no such line.
    pub(super) fn clamped_offset(&self, text: &str, position: Position) -> usize {
        self.offset(text, position).unwrap_or(text.len())
    }

    /// The position of a byte. One that is not the start of a character has the position of that character.
    pub(super) fn position(&self, text: &str, offset: usize) -> Position {
        let line_idx = self
            .lines
            .partition_point(|(start, _)| *start <= offset)
            .saturating_sub(1);
        let (start, end) = self.lines[line_idx];
        let within = text.get(start..end).unwrap_or("");
        let before = within
            .char_indices()
            .take_while(|(i, c)| start + i + c.len_utf8() <= offset);
        let column: usize = before.map(|(_, c)| c.len_utf16()).sum();
        Position::new(line_idx as u32, column as u32)
    }

    /// The range of a span.
    pub(super) fn range(&self, text: &str, span: Span) -> Range {
        Range::new(
            self.position(text, span.start as usize),
            self.position(text, span.end as usize),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_utf16_units() {
        let text = "aä😀b\r\nx\ry\n";
        let lines = Lines::new(text);
        for (line, character, offset, exact) in [
            (0, 0, 0, true),
            (0, 1, 1, true),
            (0, 2, 3, true),
            (0, 3, 3, false),
            (0, 4, 7, true),
            (0, 5, 8, true),
            (0, 99, 8, false),
            (1, 0, 10, true),
            (2, 1, 13, true),
            (3, 0, 14, true),
        ] {
            let position = Position::new(line, character);
            assert_eq!(lines.offset(text, position), Some(offset), "{position:?}");
            if exact {
                assert_eq!(lines.position(text, offset), position);
            }
        }
        assert_eq!(lines.offset(text, Position::new(4, 0)), None);
        assert_eq!(lines.position(text, 5), Position::new(0, 2));
        assert_eq!(lines.position(text, 999), Position::new(3, 0));
        assert_eq!(Lines::new("").position("", 0), Position::new(0, 0));
    }
}
