//! Numbers that a lesson computes from the machine's state: `mx.busy / cycle`, `rows + cols - 2`, `sum(3, 0)`.
//!
//! A lesson never contains the answer to a question about the machine, only the expression that gives it, so that it stays right
//! when the machine changes.

use std::fmt;

/// Nesting that an expression may have, so that no text can exhaust the stack.
const MAX_DEPTH: usize = 32;

/// A number computed from names.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A literal.
    Number(f64),
    /// What a name stands for.
    Name(String),
    /// A function of some arguments.
    Call(Function, Vec<Expression>),
    /// Two operands.
    Binary(Operator, Box<Expression>, Box<Expression>),
}

/// What stands between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Sum.
    Add,
    /// Difference.
    Subtract,
    /// Product.
    Multiply,
    /// Quotient; by zero it has no value.
    Divide,
}

/// A function of a lesson's expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The weight that the PE in a row and a column holds.
    Weight,
    /// The activation that passes it.
    Activation,
    /// The partial sum that leaves it.
    Sum,
    /// The nearest integer, halves away from zero.
    Round,
}

impl Function {
    /// All functions.
    pub const ALL: [Function; 4] = [Function::Weight, Function::Activation, Function::Sum, Function::Round];

    /// Its name in a lesson.
    pub fn name(self) -> &'static str {
        match self {
            Function::Weight => "weight",
            Function::Activation => "activation",
            Function::Sum => "sum",
            Function::Round => "round",
        }
    }

    /// How it is called.
    pub fn signature(self) -> &'static str {
        match self {
            Function::Weight => "weight(ROW, COLUMN)",
            Function::Activation => "activation(ROW, COLUMN)",
            Function::Sum => "sum(ROW, COLUMN)",
            Function::Round => "round(NUMBER)",
        }
    }

    /// What it gives, in one sentence.
    pub fn help(self) -> &'static str {
        match self {
            Function::Weight => "The weight that the PE in a row and a column holds.",
            Function::Activation => "The activation that passes the PE in a row and a column.",
            Function::Sum => "The partial sum that leaves the PE in a row and a column.",
            Function::Round => "The nearest integer, halves away from zero.",
        }
    }

    /// Arguments that it takes.
    pub fn n_arguments(self) -> usize {
        match self {
            Function::Weight | Function::Activation | Function::Sum => 2,
            Function::Round => 1,
        }
    }
}

/// Where the values of names come from.
pub trait Scope {
    /// What a name stands for, if it has a value now.
    fn value(&self, name: &str) -> Option<f64>;

    /// What a PE holds, if it holds anything now.
    fn pe(&self, what: Function, row_idx: usize, col_idx: usize) -> Option<f64>;
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it, for a reader of the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text, depth: 0 };
        let expression = parser.sum()?;
        match parser.rest.trim_start() {
            "" => Ok(expression),
            rest => Err(format!("`{rest}` is left over behind the expression")),
        }
    }

    /// Its value, or `None` if a name has none now or a divisor is zero.
    pub fn evaluate(&self, scope: &dyn Scope) -> Option<f64> {
        let value = match self {
            Expression::Number(value) => *value,
            Expression::Name(name) => scope.value(name)?,
            Expression::Call(Function::Round, arguments) => arguments.first()?.evaluate(scope)?.round(),
            Expression::Call(what, arguments) => {
                let mut places = arguments.iter().map(|argument| index(argument.evaluate(scope)?));
                scope.pe(*what, places.next()??, places.next()??)?
            }
            Expression::Binary(operator, left, right) => {
                let (left, right) = (left.evaluate(scope)?, right.evaluate(scope)?);
                match operator {
                    Operator::Add => left + right,
                    Operator::Subtract => left - right,
                    Operator::Multiply => left * right,
                    Operator::Divide => left / right,
                }
            }
        };
        value.is_finite().then_some(value)
    }

    /// Every name in it.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Expression::Number(_) => Vec::new(),
            Expression::Name(name) => vec![name],
            Expression::Call(_, arguments) => arguments.iter().flat_map(Expression::names).collect(),
            Expression::Binary(_, left, right) => [left.names(), right.names()].concat(),
        }
    }
}

/// A row or a column, if the number is one.
fn index(value: f64) -> Option<usize> {
    (value >= 0.0 && value < f64::from(u32::MAX) && value.fract() == 0.0).then_some(value as usize)
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Number(value) => write!(f, "{value}"),
            Expression::Name(name) => f.write_str(name),
            Expression::Call(function, arguments) => {
                let arguments: Vec<String> = arguments.iter().map(Expression::to_string).collect();
                write!(f, "{}({})", function.name(), arguments.join(", "))
            }
            Expression::Binary(operator, left, right) => {
                let sign = match operator {
                    Operator::Add => '+',
                    Operator::Subtract => '-',
                    Operator::Multiply => '*',
                    Operator::Divide => '/',
                };
                write!(f, "({left} {sign} {right})")
            }
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// Takes a character, if it is the next one.
    fn accept(&mut self, wanted: char) -> bool {
        match self.rest.trim_start().strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.accept(wanted) {
            return Ok(());
        }
        Err(format!("expected `{wanted}`, found {}", self.found()))
    }

    fn found(&self) -> String {
        match self.rest.trim_start().chars().next() {
            Some(found) => format!("`{found}`"),
            None => "the end of the line".to_owned(),
        }
    }

    /// Takes the longest run of characters that `is_part` accepts.
    fn take(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let text = self.rest.trim_start();
        let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
        let (taken, rest) = text.split_at(end);
        self.rest = rest;
        taken
    }

    fn sum(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} brackets in each other"));
        }
        let mut left = self.product()?;
        loop {
            let operator = match (self.accept('+'), self.rest.trim_start().starts_with('-')) {
                (true, _) => Operator::Add,
                (false, true) if self.accept('-') => Operator::Subtract,
                _ => break,
            };
            left = Expression::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn product(&mut self) -> Result<Expression, String> {
        let mut left = self.operand()?;
        loop {
            let operator = if self.accept('*') {
                Operator::Multiply
            } else if self.accept('/') {
                Operator::Divide
            } else {
                return Ok(left);
            };
            left = Expression::Binary(operator, Box::new(left), Box::new(self.operand()?));
        }
    }

    fn operand(&mut self) -> Result<Expression, String> {
        if self.accept('(') {
            let inner = self.sum()?;
            self.expect(')')?;
            return Ok(inner);
        }
        let number = self.take(|c| c.is_ascii_digit() || c == '.');
        if !number.is_empty() {
            let value = number.parse().map_err(|_| format!("`{number}` is no number"))?;
            return Ok(Expression::Number(value));
        }
        let name = self.take(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        if name.is_empty() {
            return Err(format!("expected a number, a name or `(`, found {}", self.found()));
        }
        if !self.accept('(') {
            return Ok(Expression::Name(name.to_owned()));
        }
        self.call(name)
    }

    fn call(&mut self, name: &str) -> Result<Expression, String> {
        let function = Function::ALL.into_iter().find(|function| function.name() == name);
        let function = function.ok_or_else(|| {
            let names = Function::ALL.map(Function::name).join(", ");
            format!("there is no function `{name}`; the functions are {names}")
        })?;
        let mut arguments = vec![self.sum()?];
        while self.accept(',') {
            arguments.push(self.sum()?);
        }
        self.expect(')')?;
        if arguments.len() != function.n_arguments() {
            let (wanted, found) = (function.n_arguments(), arguments.len());
            return Err(format!("`{name}` takes {wanted} arguments, found {found}"));
        }
        Ok(Expression::Call(function, arguments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sample;

    impl Scope for Sample {
        fn value(&self, name: &str) -> Option<f64> {
            Some(match name {
                "rows" => 4.0,
                "mx.busy" => 11.0,
                _ => return None,
            })
        }

        fn pe(&self, what: Function, row_idx: usize, col_idx: usize) -> Option<f64> {
            (what == Function::Sum).then_some((10 * row_idx + col_idx) as f64)
        }
    }

    fn value(text: &str) -> Option<f64> {
        Expression::parse(text).unwrap().evaluate(&Sample)
    }

    #[test]
    fn operators_bind_as_in_school() {
        assert_eq!(value("2 * rows + 4 - 2"), Some(10.0));
        assert_eq!(value("10 - 2 - 3"), Some(5.0));
        assert_eq!(value("12/rows/3"), Some(1.0));
        assert_eq!(value("2*(rows - 1)"), Some(6.0));
        assert_eq!(value("mx.busy / rows"), Some(2.75));
        assert_eq!(value("round(mx.busy / rows)"), Some(3.0));
        assert_eq!(value("sum(rows - 1, 2)"), Some(32.0));
    }

    #[test]
    fn what_is_not_known_has_no_value() {
        assert_eq!(value("cycle"), None);
        assert_eq!(value("rows / (rows - 4)"), None);
        assert_eq!(value("weight(0, 0)"), None);
        assert_eq!(value("sum(0.5, 0)"), None);
        assert_eq!(value("sum(0 - 1, 0)"), None);
    }

    #[test]
    fn mistakes_are_explained() {
        let error = |text: &str| Expression::parse(text).unwrap_err();
        assert!(error("").contains("found the end of the line"));
        assert!(error("1 +").contains("expected a number"));
        assert!(error("(1").contains("expected `)`"));
        assert!(error("1 2").contains("`2` is left over"));
        assert!(error("1.2.3").contains("is no number"));
        assert!(error("sine(1)").contains("no function `sine`"));
        assert!(error("sum(1)").contains("takes 2 arguments, found 1"));
        assert!(error(&"(".repeat(10_000)).contains("brackets"));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "rows + cols * 2 - sum(1, mx.busy)",
            "round(cycle / (1 + 2))",
            "1 - 2 - 3",
        ] {
            let expression = Expression::parse(text).unwrap();
            assert_eq!(Expression::parse(&expression.to_string()), Ok(expression));
        }
    }
}
