//! A logarithmic axis: from values to places on the page, with its ticks.

/// An axis over whole decades.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LogAxis {
    /// Exponents of ten at both ends.
    lo: i32,
    hi: i32,
    /// Places of both ends on the page.
    from: f64,
    to: f64,
}

impl LogAxis {
    /// An axis that holds all these values, at least one decade.
    pub(super) fn around(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut lo, mut hi) = (f64::INFINITY, f64::NEG_INFINITY);
        for exponent in values.filter(|v| *v > 0.0 && v.is_finite()).map(f64::log10) {
            (lo, hi) = (lo.min(exponent), hi.max(exponent));
        }
        if lo > hi {
            (lo, hi) = (0.0, 1.0);
        }
        // A little room on both sides, so that no point lies on the frame.
        let (lo, hi) = ((lo - 0.08).floor() as i32, (hi + 0.08).ceil() as i32);
        Self {
            lo,
            hi: hi.max(lo + 1),
            from,
            to,
        }
    }

    /// Smallest and largest value.
    pub(super) fn range(&self) -> (f64, f64) {
        (10f64.powi(self.lo), 10f64.powi(self.hi))
    }

    /// The place of a value; what lies outside is put at the end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let (lo, hi) = (f64::from(self.lo), f64::from(self.hi));
        let exponent = if value > 0.0 { value.log10().clamp(lo, hi) } else { lo };
        self.from + (exponent - lo) / (hi - lo) * (self.to - self.from)
    }

    /// Values of the decades.
    pub(super) fn decades(&self) -> impl Iterator<Item = f64> {
        (self.lo..=self.hi).map(|exponent| 10f64.powi(exponent))
    }

    /// Values between the decades: 2, 3, ... 9 times each.
    pub(super) fn minor(&self) -> impl Iterator<Item = f64> {
        (self.lo..self.hi).flat_map(|exponent| (2..10).map(move |digit| f64::from(digit) * 10f64.powi(exponent)))
    }
}

/// A value with its prefix: `1.5 G`.
pub(super) fn prefixed(value: f64) -> String {
    const PREFIXES: [(f64, &str); 6] = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")];
    let (factor, prefix) = PREFIXES
        .into_iter()
        .find(|(factor, _)| value >= 0.9995 * factor)
        .unwrap_or((1.0, ""));
    let mantissa = value / factor;
    let is_whole = mantissa >= 99.95 || (mantissa - mantissa.round()).abs() < 1e-9;
    let digits = if is_whole {
        format!("{mantissa:.0}")
    } else if mantissa >= 0.995 {
        format!("{mantissa:.1}")
    } else {
        format!("{mantissa:.3}").trim_end_matches('0').to_owned()
    };
    format!("{digits} {prefix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decades_lie_at_equal_distances() {
        let axis = LogAxis::around([0.5, 40.0, 700.0].into_iter(), 100.0, 500.0);
        assert_eq!(axis.range(), (0.1, 1000.0));
        let places: Vec<f64> = axis.decades().map(|v| axis.place(v)).collect();
        assert_eq!(places, [100.0, 200.0, 300.0, 400.0, 500.0]);
        assert_eq!(axis.place(0.0), 100.0);
        assert_eq!(LogAxis::around([].into_iter(), 0.0, 1.0).range(), (0.1, 100.0));
    }

    #[test]
    fn values_have_prefixes() {
        assert_eq!(
            [1.0, 1500.0, 2.56e11, 0.01].map(prefixed),
            ["1 ", "1.5 k", "256 G", "0.01 "]
        );
    }
}
