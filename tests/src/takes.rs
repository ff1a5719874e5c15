//! Evaluates the `takes` expressions of the instruction table: how many cycles an instruction takes, given numbers for its names.
//!
//! ```text
//! sum     = product { ("+" | "-") product }
//! product = atom { ("*" | "/") atom }
//! atom    = NUMBER | NAME | "(" sum ")" | "ceil" "(" sum ")" | ("max" | "min") "(" sum "," sum ")"
//! ```
//!
//! Division is exact; what is left of a fraction at the end is an error and not rounded in silence. This module knows no instruction and
//! no machine.

use std::collections::{BTreeMap, BTreeSet};

/// The names that may stand in an expression beside an instruction's own operands, with what they mean.
pub const NAMES: &[(&str, &str)] = &[
    ("R", "rows of the PE array"),
    ("C", "columns of the PE array"),
    (
        "p",
        "products that a PE forms per cycle with the two element formats, at least 1",
    ),
    (
        "passes",
        "times that an activation row enters the array: 1 for 8 bits and narrower",
    ),
    (
        "live",
        "rows of the reduction, or activation rows, that a mask leaves over",
    ),
    ("kept", "rows of a compressed tile: `k * N / M`"),
    ("lanes", "elements that the vector unit processes per cycle"),
    (
        "entries",
        "elements of the lookup table: one for each value of the format of `src`",
    ),
    ("taps", "elements of the window: the product of its levels' counts"),
    ("dram", "cycles that the DRAM needs for the instruction's bursts"),
];

/// Numbers for names.
pub type Values = BTreeMap<String, i128>;

/// The value of an expression.
///
/// # Errors
/// If it is malformed, holds a name without a number, divides by zero, leaves 128 bits, or is no whole number.
pub fn evaluate(expression: &str, values: &Values) -> Result<i128, String> {
    let mut reader = Reader {
        rest: expression,
        lookup: &mut |name| {
            values.get(name).copied().ok_or_else(|| {
                let known: Vec<&str> = values.keys().map(String::as_str).collect();
                format!(
                    "`{name}` in `{expression}` has no value; known are: {}",
                    known.join(", ")
                )
            })
        },
    };
    let Fraction { over, under } = reader.whole()?;
    if over % under == 0 {
        Ok(over / under)
    } else {
        Err(format!("`{expression}` is {over}/{under}, which is no whole number"))
    }
}

/// The names in an expression.
///
/// # Errors
/// If it is malformed.
pub fn names(expression: &str) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    let mut reader = Reader {
        rest: expression,
        // Different primes, so that no difference of two names is zero where it divides.
        lookup: &mut |name| {
            found.insert(name.to_owned());
            Ok(name
                .bytes()
                .fold(1_009, |sum, byte| sum * 31 % 65_521 + i128::from(byte)))
        },
    };
    reader.whole()?;
    Ok(found)
}

/// An exact number; `under` is above zero.
#[derive(Clone, Copy)]
struct Fraction {
    over: i128,
    under: i128,
}

impl Fraction {
    fn new(over: Option<i128>, under: Option<i128>) -> Result<Self, String> {
        let (over, under) = over.zip(under).ok_or("a number leaves 128 bits")?;
        match under {
            0 => Err("division by zero".to_owned()),
            _ => Ok(Self {
                over: over * under.signum(),
                under: under.abs(),
            }),
        }
    }

    fn add(self, other: Self, sign: i128) -> Result<Self, String> {
        let left = self.over.checked_mul(other.under);
        let right = other.over.checked_mul(self.under).map(|v| v * sign);
        let over = left.zip(right).and_then(|(left, right)| left.checked_add(right));
        Self::new(over, self.under.checked_mul(other.under))
    }

    fn times(self, other: Self) -> Result<Self, String> {
        Self::new(self.over.checked_mul(other.over), self.under.checked_mul(other.under))
    }

    fn inverse(self) -> Result<Self, String> {
        Self::new(Some(self.under), Some(self.over))
    }

    fn ceil(self) -> Result<Self, String> {
        let whole = self.over.div_euclid(self.under) + i128::from(self.over.rem_euclid(self.under) != 0);
        Self::new(Some(whole), Some(1))
    }

    fn is_above(self, other: Self) -> Result<bool, String> {
        Ok(self.add(other, -1)?.over > 0)
    }
}

struct Reader<'a, 'f> {
    rest: &'a str,
    lookup: &'f mut dyn FnMut(&str) -> Result<i128, String>,
}

impl Reader<'_, '_> {
    fn whole(&mut self) -> Result<Fraction, String> {
        let value = self.sum()?;
        match self.rest.trim_start() {
            "" => Ok(value),
            rest => Err(format!("`{rest}` is left over")),
        }
    }

    /// Whether this mark comes next; if so, it is read.
    fn takes(&mut self, mark: &str) -> bool {
        let rest = self.rest.trim_start();
        let after = rest.strip_prefix(mark);
        self.rest = after.unwrap_or(rest);
        after.is_some()
    }

    fn needs(&mut self, mark: &str) -> Result<(), String> {
        if self.takes(mark) {
            Ok(())
        } else {
            Err(format!("`{mark}` is missing before `{}`", self.rest))
        }
    }

    fn sum(&mut self) -> Result<Fraction, String> {
        let mut value = self.product()?;
        loop {
            if self.takes("+") {
                value = value.add(self.product()?, 1)?;
            } else if self.takes("-") {
                value = value.add(self.product()?, -1)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<Fraction, String> {
        let mut value = self.atom()?;
        loop {
            if self.takes("*") {
                value = value.times(self.atom()?)?;
            } else if self.takes("/") {
                value = value.times(self.atom()?.inverse()?)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn atom(&mut self) -> Result<Fraction, String> {
        if self.takes("(") {
            let value = self.sum()?;
            self.needs(")")?;
            return Ok(value);
        }
        let length = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(length);
        if word.is_empty() {
            return Err(format!("a number, a name or `(` is missing before `{rest}`"));
        }
        self.rest = rest;
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            let number = word.parse().map_err(|error| format!("{word}: {error}"))?;
            return Fraction::new(Some(number), Some(1));
        }
        if self.takes("(") {
            return self.call(word);
        }
        Fraction::new(Some((self.lookup)(word)?), Some(1))
    }

    fn call(&mut self, function: &str) -> Result<Fraction, String> {
        let first = self.sum()?;
        let value = match function {
            "ceil" => first.ceil()?,
            "max" | "min" => {
                self.needs(",")?;
                let second = self.sum()?;
                if first.is_above(second)? == (function == "max") {
                    first
                } else {
                    second
                }
            }
            _ => return Err(format!("there is no function `{function}`")),
        };
        self.needs(")")?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(expression: &str) -> Result<i128, String> {
        let values = [("m", 5), ("lanes", 4), ("R", 8), ("zero", 0)];
        evaluate(expression, &values.map(|(name, value)| (name.to_owned(), value)).into())
    }

    #[test]
    fn operators_bind_and_round_as_written() {
        assert_eq!(value("1 + 2 * 3 - 4"), Ok(3));
        assert_eq!(value("(1 + 2) * 3"), Ok(9));
        assert_eq!(value("2 - 3 - 4"), Ok(-5));
        assert_eq!(value("ceil(m / lanes) + 4"), Ok(6));
        assert_eq!(value("ceil(m * 4 / lanes)"), Ok(5));
        assert_eq!(value("ceil((2 - m) / 2)"), Ok(-1));
        assert_eq!(value("m / lanes * lanes"), Ok(5));
        assert_eq!(value("max(m, 1) + R"), Ok(13));
        assert_eq!(value("min(m, ceil(R / lanes))+max(2,2)"), Ok(4));
    }

    #[test]
    fn what_has_no_value_says_why() {
        for (expression, why) in [
            ("k + 1", "`k` in `k + 1` has no value; known are: R, lanes, m, zero"),
            ("m / zero", "division by zero"),
            ("m / lanes", "`m / lanes` is 5/4, which is no whole number"),
            ("m +", "is missing before ``"),
            ("(m", "`)` is missing before ``"),
            ("m m", "`m` is left over"),
            ("floor(m)", "there is no function `floor`"),
            ("max(m)", "`,` is missing before `)`"),
            ("99999999999999999999 * 99999999999999999999", "leaves 128 bits"),
        ] {
            let error = value(expression).unwrap_err();
            assert!(error.contains(why), "{expression}: {error}");
        }
    }

    #[test]
    fn names_are_collected_without_values() {
        let found: Vec<String> = names("ceil(m * taps / lanes) + max(R, 1)")
            .unwrap()
            .into_iter()
            .collect();
        assert_eq!(found, ["R", "lanes", "m", "taps"]);
        assert!(names("m +").is_err());
    }
}
