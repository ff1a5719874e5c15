//! Text to tokens. Every byte of the text belongs to one token or is a blank between two; nothing makes the lexer stop.

use crate::source::Span;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while};
use nom::character::complete::{anychar, char, digit1, one_of, satisfy};
use nom::combinator::{map_opt, not, opt, recognize, value};
use nom::error::ErrorKind;
use nom::{IResult, Input as _, Parser};
use nom_locate::LocatedSpan;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// End of a line.
    Newline,
    /// `;` or `//` up to the end of the line.
    Comment,
    /// A name: mnemonic, directive, label, register, choice.
    Word,
    /// An integer, or what starts with a digit and is none.
    Integer,
    /// A number with a point or an exponent.
    Float,
    /// Text in double quotes.
    Text,
    /// A double quote whose partner is missing, up to the end of the line.
    UnclosedText,
    /// A mark or an operator.
    Mark(Mark),
    /// A character that no token starts with.
    Unknown,
}

/// Marks and operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `,`
    Comma,
    /// `:`
    Colon,
    /// `=`
    Equals,
    /// `(`
    OpenParenthesis,
    /// `)`
    CloseParenthesis,
    /// `[`
    OpenBracket,
    /// `]`
    CloseBracket,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Star,
    /// `/`
    Slash,
    /// `%`
    Percent,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `&`
    And,
    /// `|`
    Or,
    /// `?`, before a token to wait for.
    Wait,
    /// `!`, before a token to post.
    Post,
    /// `@`, before the index of an instruction.
    At,
    /// `..`, between the ends of a range.
    DotDot,
}

/// A token and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it is.
    pub span: Span,
}

type Input<'s> = LocatedSpan<&'s str>;

/// The tokens of a text that is shorter than 4 GiB.
pub(crate) fn lex(text: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(text.len() / 4);
    let mut rest = skip_blanks(Input::new(text));
    while !rest.fragment().is_empty() {
        let start = rest.location_offset() as u32;
        let Ok((after, kind)) = token(rest) else { break };
        let end = after.location_offset() as u32;
        tokens.push(Token {
            kind,
            span: Span { start, end },
        });
        rest = skip_blanks(after);
    }
    tokens
}

fn skip_blanks(input: Input) -> Input {
    let blanks = take_while::<_, _, nom::error::Error<Input>>(|c| matches!(c, ' ' | '\t' | '\r'));
    match { blanks }.parse(input) {
        Ok((rest, _)) => rest,
        Err(_) => input,
    }
}

/// Whether a name may start with this character; a directive or local label starts with a point.
pub(crate) fn starts_word(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '.'
}

/// Whether a name may go on with this character.
pub(crate) fn continues_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.' || c == '$'
}

/// One token. Its first character decides what it can be, so that no alternative is tried in vain.
fn token(input: Input) -> IResult<Input, TokenKind> {
    let first = input.fragment().chars().next().unwrap_or('\n');
    match first {
        '\n' => value(TokenKind::Newline, char('\n')).parse(input),
        '"' => text(input),
        '\\' => alt((value(TokenKind::Word, word), value(TokenKind::Unknown, anychar))).parse(input),
        ';' => value(TokenKind::Comment, comment).parse(input),
        '/' => alt((value(TokenKind::Comment, comment), mark.map(TokenKind::Mark))).parse(input),
        '.' => alt((mark.map(TokenKind::Mark), value(TokenKind::Word, word))).parse(input),
        '0'..='9' => alt((value(TokenKind::Float, float), value(TokenKind::Integer, integer))).parse(input),
        c if starts_word(c) => value(TokenKind::Word, word).parse(input),
        _ => alt((mark.map(TokenKind::Mark), value(TokenKind::Unknown, anychar))).parse(input),
    }
}

fn comment(input: Input) -> IResult<Input, Input> {
    recognize((alt((tag(";"), tag("//"))), take_till(|c| c == '\n'))).parse(input)
}

/// A name, in which `\parameter` and `\@` stand for what the use of a macro puts there.
fn word(input: Input) -> IResult<Input, Input> {
    let text = input.fragment();
    let mut chars = text.char_indices().peekable();
    let mut length = 0;
    while let Some((i, c)) = chars.next() {
        let is_part = match c {
            '\\' => chars
                .next_if(|&(_, next)| next == '@' || (next != '.' && starts_word(next)))
                .is_some(),
            c if i == 0 => starts_word(c),
            c => continues_word(c),
        };
        if !is_part {
            break;
        }
        length = chars.peek().map_or(text.len(), |(next, _)| *next);
    }
    if length == 0 {
        return Err(nom::Err::Error(nom::error::Error::new(input, ErrorKind::Alpha)));
    }
    Ok(input.take_split(length))
}

/// A digit and everything that looks like part of the number, so that `12abc` is one malformed number and not two tokens.
fn integer(input: Input) -> IResult<Input, Input> {
    let rest = take_while(|c: char| c.is_alphanumeric() || c == '_');
    recognize((satisfy(|c| c.is_ascii_digit()), rest)).parse(input)
}

fn float(input: Input) -> IResult<Input, Input> {
    let exponent = || (one_of("eE"), opt(one_of("+-")), digit1);
    let fraction = (char('.'), digit1, opt(exponent()));
    let scaled = alt((recognize(fraction), recognize(exponent())));
    recognize((digit1, scaled, not(satisfy(continues_word)))).parse(input)
}

/// Text in quotes; a backslash takes the next character's meaning away, so that `\"` does not end it.
fn text(input: Input) -> IResult<Input, TokenKind> {
    let (after_quote, _) = char('"').parse(input)?;
    let mut is_escaped = false;
    for (i, c) in after_quote.iter_indices() {
        match c {
            '\n' => return Ok((after_quote.take_from(i), TokenKind::UnclosedText)),
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Ok((after_quote.take_from(i + 1), TokenKind::Text)),
            _ => {}
        }
    }
    let n_bytes = after_quote.fragment().len();
    Ok((after_quote.take_from(n_bytes), TokenKind::UnclosedText))
}

fn mark(input: Input) -> IResult<Input, Mark> {
    let two = |mark, text| value(mark, tag(text));
    match input.fragment().as_bytes() {
        [b'<', ..] => two(Mark::ShiftLeft, "<<").parse(input),
        [b'>', ..] => two(Mark::ShiftRight, ">>").parse(input),
        [b'.', ..] => two(Mark::DotDot, "..").parse(input),
        _ => map_opt(anychar, mark_of_char).parse(input),
    }
}

fn mark_of_char(c: char) -> Option<Mark> {
    Some(match c {
        ',' => Mark::Comma,
        ':' => Mark::Colon,
        '=' => Mark::Equals,
        '(' => Mark::OpenParenthesis,
        ')' => Mark::CloseParenthesis,
        '[' => Mark::OpenBracket,
        ']' => Mark::CloseBracket,
        '+' => Mark::Plus,
        '-' => Mark::Minus,
        '*' => Mark::Star,
        '/' => Mark::Slash,
        '%' => Mark::Percent,
        '&' => Mark::And,
        '|' => Mark::Or,
        '?' => Mark::Wait,
        '!' => Mark::Post,
        '@' => Mark::At,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(TokenKind, &str)> {
        lex(text)
            .iter()
            .map(|token| (token.kind, &text[token.span.start as usize..token.span.end as usize]))
            .collect()
    }

    #[test]
    fn numbers_ranges_and_words_are_told_apart() {
        use TokenKind::{Float, Integer, Word};
        let dots = (TokenKind::Mark(Mark::DotDot), "..");
        assert_eq!(kinds("5..8"), [(Integer, "5"), dots, (Integer, "8")]);
        assert_eq!(kinds("1.5e-3 1e5"), [(Float, "1.5e-3"), (Float, "1e5")]);
        let minus = (TokenKind::Mark(Mark::Minus), "-");
        assert_eq!(kinds("0x1e-5"), [(Integer, "0x1e"), minus, (Integer, "5")]);
        assert_eq!(kinds("12abc"), [(Integer, "12abc")]);
        assert_eq!(kinds("mx.mm .L3"), [(Word, "mx.mm"), (Word, ".L3")]);
    }

    #[test]
    fn a_quote_in_a_text_can_be_escaped_and_an_open_text_ends_with_its_line() {
        assert_eq!(
            kinds(r#""a\"b" ; c"#),
            [(TokenKind::Text, r#""a\"b""#), (TokenKind::Comment, "; c")]
        );
        assert_eq!(
            kinds("\"ab\nx"),
            [
                (TokenKind::UnclosedText, "\"ab"),
                (TokenKind::Newline, "\n"),
                (TokenKind::Word, "x")
            ]
        );
    }
}
