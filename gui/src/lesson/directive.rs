//! What a lesson can have the dashboard do: one table of directives, which the parser, the documentation and its test read.

use super::expression::Expression;
use crate::frame::UNIT_NAMES;
use crate::panels::panes::{PANES, Pane};
use crate::view::ArrayValue;
use std::fmt;

/// One line of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Directive {
    /// Open a shipped program or model, on its own machine or another one.
    Open {
        /// Name of the example.
        name: String,
        /// Name of a shipped machine.
        machine: Option<String>,
    },
    /// Open the present example again, on another machine.
    Machine(String),
    /// Move in time.
    Move(Move),
    /// Bring a panel to the front.
    Show(Shown),
    /// Show the numbers of the PE in a row and a column.
    SelectPe(usize, usize),
    /// Choose what the colour of a PE stands for.
    Color(Coloring),
    /// Show the whole run in the timeline.
    FitTimeline,
    /// Remember a number under a name.
    Note(String, Expression),
    /// A number of the text: the machine gives the same.
    Claim(Expression, Expression),
}

/// A way through time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// To a cycle, in either direction.
    ToCycle(u64),
    /// To where a layer begins.
    ToLayer(String),
    /// To where a unit, any but the sequencer or this one, begins to wait.
    ToStall(Option<usize>),
    /// To the next start of an instruction with this mnemonic.
    ToInstruction(String),
    /// To the end of the program.
    ToEnd,
    /// Some cycles forwards.
    Step(u64),
    /// Some cycles backwards.
    Back(u64),
    /// To cycle 0.
    Restart,
}

/// A panel that a lesson points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown(pub(crate) Pane);

/// What colours stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coloring(pub(crate) ArrayValue);

/// One row of the table.
#[derive(Debug)]
pub struct DirectiveInfo {
    /// The words that it begins with.
    pub words: &'static str,
    /// What follows them.
    pub arguments: &'static str,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// A line of it.
    pub example: &'static str,
    parse: fn(&str) -> Result<Directive, String>,
}

/// All directives. Where the words of one begin those of another, the longer ones come first.
pub const DIRECTIVES: [DirectiveInfo; 16] = [
    DirectiveInfo {
        words: "open",
        arguments: "NAME [on MACHINE]",
        help: "Opens a shipped program or the model `digits`. A program stands on its own machine unless another one is named.",
        example: "open matmul on tiny4x4",
        parse: parse_open,
    },
    DirectiveInfo {
        words: "machine",
        arguments: "NAME",
        help: "Opens the same example again, on another shipped machine.",
        example: "machine edge16x16",
        parse: |rest| Ok(Directive::Machine(word(rest, "the name of a machine")?)),
    },
    DirectiveInfo {
        words: "run to cycle",
        arguments: "N",
        help: "Moves to a cycle, forwards or backwards.",
        example: "run to cycle 120",
        parse: |rest| Ok(Directive::Move(Move::ToCycle(number(rest, "a cycle")?))),
    },
    DirectiveInfo {
        words: "run to layer",
        arguments: "NAME",
        help: "Runs to where a layer begins: the first cycle from here on that shows an instruction of it. The name may be given in part.",
        example: "run to layer conv2",
        parse: |rest| Ok(Directive::Move(Move::ToLayer(word(rest, "the name of a layer")?))),
    },
    DirectiveInfo {
        words: "run to stall",
        arguments: "[UNIT]",
        help: "Runs until a unit begins to wait: any but the sequencer, or the one named.",
        example: "run to stall MX",
        parse: parse_stall,
    },
    DirectiveInfo {
        words: "run to end",
        arguments: "",
        help: "Runs to the end of the program.",
        example: "run to end",
        parse: |rest| alone(rest, Directive::Move(Move::ToEnd)),
    },
    DirectiveInfo {
        words: "run to",
        arguments: "MNEMONIC",
        help: "Runs until a unit starts an instruction with this mnemonic.",
        example: "run to mx.mm",
        parse: |rest| Ok(Directive::Move(Move::ToInstruction(word(rest, "a mnemonic")?))),
    },
    DirectiveInfo {
        words: "step",
        arguments: "N",
        help: "Advances by some cycles.",
        example: "step 3",
        parse: |rest| Ok(Directive::Move(Move::Step(number(rest, "a number of cycles")?))),
    },
    DirectiveInfo {
        words: "back",
        arguments: "N",
        help: "Goes back by some cycles.",
        example: "back 1",
        parse: |rest| Ok(Directive::Move(Move::Back(number(rest, "a number of cycles")?))),
    },
    DirectiveInfo {
        words: "restart",
        arguments: "",
        help: "Goes back to cycle 0.",
        example: "restart",
        parse: |rest| alone(rest, Directive::Move(Move::Restart)),
    },
    DirectiveInfo {
        words: "show",
        arguments: "PANEL",
        help: "Brings a panel to the front, and opens it if it is closed.",
        example: "show array",
        parse: parse_show,
    },
    DirectiveInfo {
        words: "select pe",
        arguments: "ROW COLUMN",
        help: "Shows the numbers of one PE; both count from 0.",
        example: "select pe 0 3",
        parse: parse_pe,
    },
    DirectiveInfo {
        words: "color by",
        arguments: "VALUE",
        help: "Chooses what the colour of a PE stands for: state, weight, next weight, activation or partial sum.",
        example: "color by partial sum",
        parse: parse_color,
    },
    DirectiveInfo {
        words: "fit timeline",
        arguments: "",
        help: "Shows the whole run in the timeline.",
        example: "fit timeline",
        parse: |rest| alone(rest, Directive::FitTimeline),
    },
    DirectiveInfo {
        words: "note",
        arguments: "NAME = EXPRESSION",
        help: "Remembers a number under a name, for later expressions of the lesson. The student does not see it.",
        example: "note first = cycle",
        parse: parse_note,
    },
    DirectiveInfo {
        words: "claim",
        arguments: "EXPRESSION = EXPRESSION",
        help: "Says that both are equal, because the text says so. The student does not see it; if it is wrong, the step reports it.",
        example: "claim mx.busy = rows + 4",
        parse: parse_claim,
    },
];

impl Directive {
    /// Reads one line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim();
        for info in &DIRECTIVES {
            if let Some(rest) = strip_words(line, info.words) {
                return (info.parse)(rest)
                    .map_err(|reason| format!("{reason}; it is written `{} {}`", info.words, info.arguments));
            }
        }
        let words: Vec<&str> = DIRECTIVES.iter().map(|info| info.words).collect();
        Err(format!(
            "`{line}` is no directive; a directive begins with {}",
            words.join(", ")
        ))
    }

    /// Whether it is for the author only.
    pub fn is_hidden(&self) -> bool {
        matches!(self, Directive::Note(..) | Directive::Claim(..))
    }

    /// The expressions in it.
    pub fn expressions(&self) -> Vec<&Expression> {
        match self {
            Directive::Note(_, expression) => vec![expression],
            Directive::Claim(left, right) => vec![left, right],
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Directive::Open { name, machine: None } => write!(f, "open {name}"),
            Directive::Open {
                name,
                machine: Some(machine),
            } => write!(f, "open {name} on {machine}"),
            Directive::Machine(name) => write!(f, "machine {name}"),
            Directive::Move(motion) => motion.fmt(f),
            Directive::Show(Shown(pane)) => write!(f, "show {}", pane.info().name),
            Directive::SelectPe(row_idx, col_idx) => write!(f, "select pe {row_idx} {col_idx}"),
            Directive::Color(Coloring(value)) => write!(f, "color by {}", value.name().to_lowercase()),
            Directive::FitTimeline => f.write_str("fit timeline"),
            Directive::Note(name, value) => write!(f, "note {name} = {value}"),
            Directive::Claim(left, right) => write!(f, "claim {left} = {right}"),
        }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Move::ToCycle(cycle) => write!(f, "run to cycle {cycle}"),
            Move::ToLayer(name) => write!(f, "run to layer {name}"),
            Move::ToStall(None) => f.write_str("run to stall"),
            Move::ToStall(Some(unit_idx)) => write!(f, "run to stall {}", UNIT_NAMES[*unit_idx]),
            Move::ToInstruction(mnemonic) => write!(f, "run to {mnemonic}"),
            Move::ToEnd => f.write_str("run to end"),
            Move::Step(n_cycles) => write!(f, "step {n_cycles}"),
            Move::Back(n_cycles) => write!(f, "back {n_cycles}"),
            Move::Restart => f.write_str("restart"),
        }
    }
}

/// What follows some words at the start of a line, or `None` if it does not begin with them.
fn strip_words<'a>(line: &'a str, words: &str) -> Option<&'a str> {
    let mut rest = line;
    for word in words.split(' ') {
        rest = rest.trim_start().strip_prefix(word)?;
        if rest.starts_with(|c: char| !c.is_whitespace()) {
            return None;
        }
    }
    Some(rest.trim())
}

fn word(rest: &str, what: &str) -> Result<String, String> {
    match rest.split_whitespace().collect::<Vec<_>>()[..] {
        [word] => Ok(word.to_owned()),
        [] => Err(format!("{what} is missing")),
        _ => Err(format!("`{rest}` is more than {what}")),
    }
}

fn number<T: std::str::FromStr>(rest: &str, what: &str) -> Result<T, String> {
    let digits = word(rest, what)?;
    digits.parse().map_err(|_| format!("`{digits}` is not {what}"))
}

fn alone(rest: &str, directive: Directive) -> Result<Directive, String> {
    match rest {
        "" => Ok(directive),
        _ => Err(format!("nothing may follow, but `{rest}` does")),
    }
}

fn parse_open(rest: &str) -> Result<Directive, String> {
    let (name, machine) = match rest.split_once(" on ") {
        Some((name, machine)) => (name, Some(word(machine, "the name of a machine")?)),
        None => (rest, None),
    };
    let name = word(name, "the name of an example")?;
    Ok(Directive::Open { name, machine })
}

fn parse_stall(rest: &str) -> Result<Directive, String> {
    if rest.is_empty() {
        return Ok(Directive::Move(Move::ToStall(None)));
    }
    let unit_idx = UNIT_NAMES.iter().position(|name| *name == rest);
    let unit_idx = unit_idx.ok_or_else(|| format!("`{rest}` is no unit; the units are {}", UNIT_NAMES.join(", ")))?;
    Ok(Directive::Move(Move::ToStall(Some(unit_idx))))
}

fn parse_show(rest: &str) -> Result<Directive, String> {
    let pane = Pane::from_name(rest).ok_or_else(|| {
        let names: Vec<&str> = PANES.iter().map(|info| info.name).collect();
        format!("`{rest}` is no panel; the panels are {}", names.join(", "))
    })?;
    Ok(Directive::Show(Shown(pane)))
}

fn parse_pe(rest: &str) -> Result<Directive, String> {
    let (row, col) = rest.split_once(' ').ok_or("a row and a column are needed")?;
    Ok(Directive::SelectPe(number(row, "a row")?, number(col, "a column")?))
}

fn parse_color(rest: &str) -> Result<Directive, String> {
    let value = ArrayValue::ALL
        .into_iter()
        .find(|value| value.name().to_lowercase() == rest);
    let value = value.ok_or_else(|| format!("`{rest}` is nothing that a PE holds"))?;
    Ok(Directive::Color(Coloring(value)))
}

fn parse_note(rest: &str) -> Result<Directive, String> {
    let (name, value) = rest.split_once('=').ok_or("there is no `=`")?;
    let name = word(name, "a name")?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(is_name) {
        return Err(format!("`{name}` is no name: letters, digits and `_` make one"));
    }
    Ok(Directive::Note(name, Expression::parse(value)?))
}

fn parse_claim(rest: &str) -> Result<Directive, String> {
    let (left, right) = rest.split_once('=').ok_or("there is no `=`")?;
    Ok(Directive::Claim(Expression::parse(left)?, Expression::parse(right)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_reads_its_example_and_writes_it_again() {
        for info in &DIRECTIVES {
            let directive = Directive::parse(info.example).unwrap_or_else(|error| panic!("{}: {error}", info.example));
            let written = directive.to_string();
            assert_eq!(Directive::parse(&written).as_ref(), Ok(&directive), "{written}");
            assert!(info.example.starts_with(info.words));
        }
    }

    #[test]
    fn no_row_hides_a_later_one() {
        for (i, info) in DIRECTIVES.iter().enumerate() {
            let found = DIRECTIVES
                .iter()
                .position(|row| strip_words(info.example, row.words).is_some());
            assert_eq!(found, Some(i), "{}", info.example);
        }
    }

    #[test]
    fn mistakes_are_explained() {
        let error = |line: &str| Directive::parse(line).unwrap_err();
        assert!(error("dance").contains("begins with open, machine, run to cycle"));
        assert!(error("opened matmul").contains("is no directive"));
        assert!(error("open").contains("the name of an example is missing; it is written `open NAME [on MACHINE]`"));
        assert!(error("run to cycle ten").contains("`ten` is not a cycle"));
        assert!(error("run to cycle 99999999999999999999").contains("is not a cycle"));
        assert!(error("run to stall QX").contains("the units are SEQ, LD, ST, MX, VX"));
        assert!(error("show cinema").contains("the panels are lesson, array"));
        assert!(error("select pe 3").contains("a row and a column"));
        assert!(error("restart now").contains("nothing may follow"));
        assert!(error("note 1x = 2").contains("is no name"));
        assert!(error("claim 1").contains("there is no `=`"));
    }
}
