//! Questions of a lesson and how answers are judged.

use super::expression::{Expression, Scope};

/// A question with what the student may answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The question.
    pub text: String,
    /// What is right.
    pub answer: Answer,
    /// What helps, from the gentlest on.
    pub hints: Vec<String>,
    /// Why the right answer is right; shown with it.
    pub why: String,
}

/// What is right.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A number that the machine's state gives.
    Number {
        /// The number.
        value: Expression,
        /// Its unit, such as `cycles`; may be empty.
        unit: String,
        /// How far an answer may be off.
        tolerance: Tolerance,
    },
    /// One of several texts.
    Choice {
        /// The texts.
        options: Vec<String>,
        /// Which of them is right.
        right_idx: usize,
    },
}

/// How far a number may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// By this much.
    Absolute(f64),
    /// By this share of the right number.
    Relative(f64),
}

impl Tolerance {
    /// Reads `0.5` or `5 %`.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (digits, is_relative) = match text.trim().strip_suffix('%') {
            Some(digits) => (digits.trim(), true),
            None => (text.trim(), false),
        };
        match digits.parse::<f64>() {
            Ok(value) if value.is_finite() && value >= 0.0 && is_relative => Ok(Tolerance::Relative(value / 100.0)),
            Ok(value) if value.is_finite() && value >= 0.0 => Ok(Tolerance::Absolute(value)),
            _ => Err(format!("`{text}` is no tolerance; it is written `0.5` or `5 %`")),
        }
    }

    fn allows(self, wanted: f64, given: f64) -> bool {
        let most = match self {
            Tolerance::Absolute(most) => most,
            Tolerance::Relative(share) => share * wanted.abs(),
        };
        // Answers are typed in decimal, so the last bits of a quotient are no mistake.
        (given - wanted).abs() <= most + 1e-9 * wanted.abs().max(1.0)
    }
}

/// What the student gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// The text in the answer field.
    Text(String),
    /// The index of a choice.
    Option(usize),
}

/// What becomes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right.
    Right,
    /// Wrong, with a word on how.
    Wrong(String),
    /// Not to be judged, with the reason; it does not count as an attempt.
    Unclear(String),
}

impl Question {
    /// Judges an answer in a machine's state.
    pub fn judge(&self, given: &Given, scope: &dyn Scope) -> Verdict {
        match (&self.answer, given) {
            (Answer::Choice { right_idx, .. }, Given::Option(idx)) if idx == right_idx => Verdict::Right,
            (Answer::Choice { .. }, Given::Option(_)) => Verdict::Wrong("Not that one. Have another look.".to_owned()),
            (Answer::Choice { .. }, Given::Text(_)) => Verdict::Unclear("Choose one of the answers.".to_owned()),
            (Answer::Number { .. }, Given::Option(_)) => Verdict::Unclear("Type a number.".to_owned()),
            (Answer::Number { value, unit, tolerance }, Given::Text(text)) => {
                let Some(number) = number(text, unit) else {
                    return Verdict::Unclear(not_a_number(text, unit));
                };
                match value.evaluate(scope) {
                    None => Verdict::Unclear("Do the step above first: the machine has no such number yet.".to_owned()),
                    Some(wanted) if tolerance.allows(wanted, number) => Verdict::Right,
                    Some(wanted) if number < wanted => Verdict::Wrong("Not yet: that is too small.".to_owned()),
                    Some(_) => Verdict::Wrong("Not yet: that is too large.".to_owned()),
                }
            }
        }
    }

    /// The right answer in words, if the machine's state gives one.
    pub fn right_answer(&self, scope: &dyn Scope) -> Option<String> {
        match &self.answer {
            Answer::Choice { options, right_idx } => options.get(*right_idx).cloned(),
            Answer::Number { value, unit, .. } => {
                let number = decimal(value.evaluate(scope)?);
                Some(format!("{number} {unit}").trim_end().to_owned())
            }
        }
    }
}

fn not_a_number(text: &str, unit: &str) -> String {
    let example = format!("42 {unit}");
    match text.trim() {
        "" => format!("Type a number, such as {}.", example.trim_end()),
        text => format!("`{text}` is not a number. Type one, such as {}.", example.trim_end()),
    }
}

/// A number as a student writes it: with its unit or without, with separators of thousands or without.
fn number(text: &str, unit: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.strip_suffix(unit).unwrap_or(text);
    let digits: String = digits
        .chars()
        .filter(|c| !matches!(c, ',' | ' ' | '_' | '\u{a0}'))
        .collect();
    digits.parse().ok().filter(|value: &f64| value.is_finite())
}

/// A number with at most two decimals.
fn decimal(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesson::expression::Function;

    struct Cycle(Option<f64>);

    impl Scope for Cycle {
        fn value(&self, name: &str) -> Option<f64> {
            self.0.filter(|_| name == "cycle")
        }

        fn pe(&self, _: Function, _: usize, _: usize) -> Option<f64> {
            None
        }
    }

    fn question(tolerance: &str) -> Question {
        Question {
            text: "How long?".to_owned(),
            answer: Answer::Number {
                value: Expression::parse("cycle").unwrap(),
                unit: "cycles".to_owned(),
                tolerance: Tolerance::parse(tolerance).unwrap(),
            },
            hints: Vec::new(),
            why: String::new(),
        }
    }

    #[test]
    fn numbers_are_judged_within_their_tolerance() {
        let judge = |tolerance: &str, text: &str| {
            question(tolerance).judge(&Given::Text(text.to_owned()), &Cycle(Some(1200.0)))
        };
        for right in ["1200", " 1,200 cycles", "1 200", "1200.0", "+1200"] {
            assert_eq!(judge("0", right), Verdict::Right, "{right}");
        }
        assert!(matches!(judge("0", "1201"), Verdict::Wrong(text) if text.contains("too large")));
        assert!(matches!(judge("0", "-1200"), Verdict::Wrong(text) if text.contains("too small")));
        assert_eq!(judge("1", "1201"), Verdict::Right);
        assert_eq!(judge("5 %", "1141"), Verdict::Right);
        assert!(matches!(judge("5 %", "1139"), Verdict::Wrong(_)));
        for unclear in ["", "many", "inf", "NaN", "1200 kg"] {
            assert!(matches!(judge("0", unclear), Verdict::Unclear(_)), "{unclear}");
        }
    }

    #[test]
    fn without_a_state_nothing_is_right_or_wrong() {
        let verdict = question("0").judge(&Given::Text("3".to_owned()), &Cycle(None));
        assert!(matches!(verdict, Verdict::Unclear(text) if text.contains("Do the step")));
        assert_eq!(question("0").right_answer(&Cycle(None)), None);
        assert_eq!(
            question("0").right_answer(&Cycle(Some(7.0))),
            Some("7 cycles".to_owned())
        );
    }

    #[test]
    fn tolerances_are_read() {
        assert_eq!(Tolerance::parse(" 5 %"), Ok(Tolerance::Relative(0.05)));
        assert_eq!(Tolerance::parse("0.5"), Ok(Tolerance::Absolute(0.5)));
        for wrong in ["", "%", "-1", "inf", "some"] {
            assert!(Tolerance::parse(wrong).is_err(), "{wrong}");
        }
    }
}
