//! The parse tree: what stands in each line, with its place. It knows no instruction and no directive.
//!
//! ```text
//! line      = { WORD ":" } [ statement ] [ comment ]
//! statement = WORD [ argument { "," argument } ] { ("?" | "!") WORD }
//! argument  = [ WORD "=" ] expression
//! ```
//!
//! Every line of the text has its [`Line`], also a malformed one: what could not be understood in it is an
//! [`ExprKind::Invalid`], which was reported and which later passes leave alone.

use crate::source::Span;

/// The lines of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// In the order of the text; line `i` of the tree is line `i + 1` of the text.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Names defined here, without their colons.
    pub labels: Vec<Span>,
    /// What the line does.
    pub statement: Option<Statement>,
    /// The comment with its `;` or `//`.
    pub comment: Option<Span>,
}

/// An instruction or, if its head starts with a point, a directive.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The mnemonic or the directive's name.
    pub head: Span,
    /// What follows, in the order of the text.
    pub arguments: Vec<Argument>,
    /// Tokens to wait for and to post, in the order of the text.
    pub tokens: Vec<TokenUse>,
}

/// An operand of an instruction or an argument of a directive.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The name before `=`, if it is given by name.
    pub name: Option<Span>,
    /// The value.
    pub value: Expr,
}

impl Argument {
    /// Name and value together.
    pub fn span(&self) -> Span {
        self.name.map_or(self.value.span, |name| name.to(self.value.span))
    }
}

/// `?t1` or `!t2`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenUse {
    /// Whether it is posted; otherwise it is waited for.
    pub is_post: bool,
    /// The token's name.
    pub token: Span,
}

/// An expression and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Where it is.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// The kinds of expression. Which of them may stand where is decided by later passes.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// What could not be understood; reported already.
    Invalid,
    /// An integer.
    Int(i128),
    /// A number with a point or an exponent; its value is read from the text, so that it is rounded once.
    Float,
    /// Text in quotes, without the quotes and with escapes replaced.
    Text(String),
    /// A name: register, descriptor, token, choice, constant, label or symbol.
    Name,
    /// `@index`: an instruction by its index.
    At(Box<Expr>),
    /// `base[displacement]`, as in `d3[r4]`.
    Displaced(Span, Span),
    /// `[a, b, ..]`.
    List(Vec<Expr>),
    /// `first..last`, both included.
    Range(Box<(Expr, Expr)>),
    /// `-a`.
    Negate(Box<Expr>),
    /// `a op b`.
    Binary(BinaryOp, Box<(Expr, Expr)>),
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `|`
    Or,
    /// `&`
    And,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`, rounding toward zero.
    Divide,
    /// `%`, with the sign of the dividend.
    Remainder,
}

impl BinaryOp {
    /// How tightly it binds; operators of equal precedence group from the left.
    pub const fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::ShiftLeft | Self::ShiftRight => 3,
            Self::Add | Self::Subtract => 4,
            Self::Multiply | Self::Divide | Self::Remainder => 5,
        }
    }
}
