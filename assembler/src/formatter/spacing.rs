//! Blanks between the tokens of a statement.

use crate::lexer::{Mark, Token, TokenKind};

fn slice<'t>(text: &'t str, token: &Token) -> &'t str {
    &text[token.span.start as usize..token.span.end as usize]
}

/// Tokens with the blanks that rules put between them: one behind each comma, one on both sides of an operator.
pub(super) fn tidy(text: &str, tokens: &[Token]) -> String {
    let mut written = String::new();
    for (i, token) in tokens.iter().enumerate() {
        if i > 0 && is_blank_before(tokens, i) {
            written.push(' ');
        }
        written.push_str(slice(text, token));
    }
    written
}

/// Whether a blank belongs between a token and the one before it.
fn is_blank_before(tokens: &[Token], i: usize) -> bool {
    let (previous, token) = (tokens[i - 1].kind, tokens[i].kind);
    let is_range = |i: usize| {
        tokens
            .get(i)
            .is_some_and(|token| token.kind == TokenKind::Mark(Mark::DotDot))
    };
    if let TokenKind::Mark(Mark::Comma | Mark::CloseParenthesis | Mark::CloseBracket | Mark::Equals) = token {
        return false;
    }
    if let TokenKind::Mark(
        Mark::OpenParenthesis | Mark::OpenBracket | Mark::Equals | Mark::At | Mark::Wait | Mark::Post,
    ) = previous
    {
        return false;
    }
    if is_range(i) || is_range(i - 1) {
        // A name may hold points, so that those of a range have to stand apart from it.
        let dots = if is_range(i) { i } else { i - 1 };
        let is_word = |i: Option<usize>| i.and_then(|i| tokens.get(i)).is_some_and(|t| t.kind == TokenKind::Word);
        return is_word(dots.checked_sub(1)) || is_word(Some(dots + 1));
    }
    if token == TokenKind::Mark(Mark::OpenBracket) && previous == TokenKind::Word {
        return false;
    }
    !is_sign(tokens, i - 1)
}

/// Whether a token is a minus that belongs to what follows it.
fn is_sign(tokens: &[Token], i: usize) -> bool {
    let ends_operand = |token: &Token| !matches!(token.kind, TokenKind::Mark(mark) if !matches!(mark, Mark::CloseParenthesis | Mark::CloseBracket));
    tokens[i].kind == TokenKind::Mark(Mark::Minus)
        && !i.checked_sub(1).is_some_and(|before| ends_operand(&tokens[before]))
}

/// Everything behind the first token with the blanks of the author, at least one behind each comma. A run of blanks with a
/// tabulator in it, which is as wide as one wants, becomes one blank.
pub(super) fn as_written(text: &str, tokens: &[Token]) -> String {
    let mut written = String::new();
    for (i, pair) in tokens.windows(2).enumerate() {
        let [previous, token] = pair else { continue };
        let blanks = &text[previous.span.end as usize..token.span.start as usize];
        let is_due = i == 0 || previous.kind == TokenKind::Mark(Mark::Comma);
        if blanks.contains(|c| c != ' ') || (blanks.is_empty() && is_due) {
            written.push(' ');
        } else {
            written.push_str(blanks);
        }
        written.push_str(slice(text, token));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::lex;

    #[test]
    fn operators_and_signs_are_told_apart() {
        for (text, expected) in [
            ("a-1,-b , - -c", "a - 1, -b, --c"),
            ("(a+ b)*- 2", "(a + b) * -2"),
            ("d3 [ r4 ],[1,2]", "d3[r4], [1, 2]"),
            ("1 .. 5,a .. 5", "1..5, a .. 5"),
            ("m0 = 0,target=@ 3", "m0=0, target=@3"),
            ("?t1!t2", "?t1 !t2"),
            ("1<<4|3", "1 << 4 | 3"),
        ] {
            assert_eq!(tidy(text, &lex(text)), expected);
            assert_eq!(tidy(expected, &lex(expected)), expected);
        }
    }

    #[test]
    fn the_blanks_of_a_table_stay() {
        let text = ".i8  1,2,  3\t, 4";
        assert_eq!(as_written(text, &lex(text)), "  1, 2,  3 , 4");
    }
}
