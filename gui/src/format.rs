//! How every number of the dashboard is written: thousands separators, one unit per quantity, a fixed number of digits.
//!
//! This is the only place that turns a number into text. It knows no panel and no colour.

/// A number together with what it measures; `quantity` writes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// A duration in core clock cycles.
    Cycles(u64),
    /// A number of things (instructions, bursts, multiplications).
    Count(u64),
    /// A size or an amount of traffic in bytes.
    Bytes(u64),
    /// An energy in femtojoules.
    Femtojoules(u64),
    /// An average power in watts.
    Watts(f64),
    /// A traffic rate in bytes per second.
    BytesPerSecond(f64),
    /// An area in square millimetres.
    SquareMillimetres(f64),
    /// A duration of the simulated machine in seconds.
    Seconds(f64),
    /// A part of a whole, 1.0 being all of it.
    Share(f64),
}

/// Writes a quantity with its unit, for example `1,024 cycles`, `12.5 KiB`, `3.20 nJ` or `41.7 %`.
pub(crate) fn quantity(value: Quantity) -> String {
    match value {
        Quantity::Cycles(n) => cycles(n),
        Quantity::Count(n) => grouped(n),
        Quantity::Bytes(n) => bytes(n),
        Quantity::Femtojoules(n) => scaled(n as f64 * 1e-15, "J"),
        Quantity::Watts(watts) => scaled(watts, "W"),
        Quantity::BytesPerSecond(rate) => scaled(rate, "B/s"),
        Quantity::SquareMillimetres(area) => format!("{area:.3} mm²"),
        Quantity::Seconds(seconds) => scaled(seconds, "s"),
        Quantity::Share(part) => share(part),
    }
}

/// Writes an integer with a comma between groups of three digits.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a signed integer with a comma between groups of three digits.
pub(crate) fn signed(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(value.unsigned_abs()))
}

/// Writes a duration in cycles.
pub(crate) fn cycles(n: u64) -> String {
    counted(n, "cycle")
}

/// Writes a number of things by their English noun, with a plural `s` where one is due.
pub(crate) fn counted(n: u64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(n))
}

/// Writes a size in bytes below 1 KiB and in KiB, MiB or GiB above.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Writes a share as a percentage.
pub(crate) fn share(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

/// Writes a value with three significant digits and the SI prefix that keeps it between 1 and 1000.
fn scaled(value: f64, unit: &str) -> String {
    const PREFIXES: [(f64, &str); 9] = [
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
        (1e3, "k"),
        (1.0, ""),
        (1e-3, "m"),
        (1e-6, "µ"),
        (1e-9, "n"),
        (1e-12, "p"),
    ];
    if value == 0.0 || !value.is_finite() {
        return format!("0 {unit}");
    }
    let smallest = PREFIXES[PREFIXES.len() - 1];
    let (scale, prefix) = PREFIXES
        .into_iter()
        .find(|(scale, _)| value.abs() >= *scale)
        .unwrap_or(smallest);
    let mantissa = value / scale;
    let decimals = if mantissa.abs() >= 100.0 {
        0
    } else if mantissa.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{mantissa:.decimals$} {prefix}{unit}")
}

/// Writes a rate of traffic per clock cycle.
pub(crate) fn bytes_per_cycle(rate: f64) -> String {
    format!("{rate:.2} B/cycle")
}

/// Writes a rate of work in multiply-accumulates per second.
pub(crate) fn macs_per_second(rate: f64) -> String {
    scaled(rate, "MAC/s")
}

/// Writes an operational intensity in multiply-accumulates per byte.
pub(crate) fn macs_per_byte(intensity: f64) -> String {
    scaled(intensity, "MAC/B")
}

/// Writes a number so that it fits a small cell: at most four characters and a sign.
pub(crate) fn compact(value: i64) -> String {
    let magnitude = value.unsigned_abs();
    let sign = if value < 0 { "-" } else { "" };
    match magnitude {
        0..=9_999 => format!("{value}"),
        10_000..=999_999 => format!("{sign}{}k", magnitude / 1_000),
        1_000_000..=999_999_999 => format!("{sign}{}M", magnitude / 1_000_000),
        _ => format!("{sign}{}G", magnitude / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_grouped_by_three() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (value, text) in cases {
            assert_eq!(grouped(value), text);
        }
        assert_eq!(signed(-12_345), "-12,345");
        assert_eq!(signed(i64::MIN), "-9,223,372,036,854,775,808");
    }

    #[test]
    fn every_quantity_has_its_unit() {
        let cases = [
            (Quantity::Cycles(1), "1 cycle"),
            (Quantity::Cycles(2_048), "2,048 cycles"),
            (Quantity::Count(65_536), "65,536"),
            (Quantity::Bytes(1_023), "1023 B"),
            (Quantity::Bytes(12_800), "12.5 KiB"),
            (Quantity::Bytes(5 << 20), "5.0 MiB"),
            (Quantity::Femtojoules(0), "0 J"),
            (Quantity::Femtojoules(1_500), "1.50 pJ"),
            (Quantity::Femtojoules(3_200_000), "3.20 nJ"),
            (Quantity::Femtojoules(45_600_000_000), "45.6 µJ"),
            (Quantity::Watts(0.25), "250 mW"),
            (Quantity::BytesPerSecond(12.8e9), "12.8 GB/s"),
            (Quantity::Share(0.4172), "41.7 %"),
        ];
        for (value, text) in cases {
            assert_eq!(quantity(value), text);
        }
    }

    #[test]
    fn compact_numbers_stay_short() {
        for value in [0, 9_999, -9_999, 10_000, -123_456, 7_654_321, i64::from(i32::MIN)] {
            assert!(compact(value).len() <= 5, "{value} is written as {}", compact(value));
        }
    }
}
