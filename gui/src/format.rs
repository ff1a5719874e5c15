//! How every number of the dashboard is written: thousands separators, one unit per quantity, a fixed number of digits.
//!
//! This is the only place that turns a number into text. It knows no panel and no colour.

/// How an integer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Radix {
    /// With a sign and groups of three digits.
    #[default]
    Decimal,
    /// Two's complement in as few bytes as hold the value.
    Hexadecimal,
    /// The same in binary.
    Binary,
}

impl Radix {
    /// All of them, in the order of the switch.
    pub(crate) const ALL: [Radix; 3] = [Radix::Decimal, Radix::Hexadecimal, Radix::Binary];

    /// The switch's text.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Radix::Decimal => "dec",
            Radix::Hexadecimal => "hex",
            Radix::Binary => "bin",
        }
    }
}

/// Writes an integer in a radix. Hexadecimal and binary are two's complement of 8, 16, 32 or 64 bits, whichever is the first that holds it.
pub(crate) fn in_radix(value: i64, radix: Radix) -> String {
    let holds = |bits: &u32| *bits == 64 || (-(1i64 << (bits - 1))..1i64 << (bits - 1)).contains(&value);
    let bits = [8, 16, 32, 64].into_iter().find(holds).unwrap_or(64);
    let pattern = value as u64 & (u64::MAX >> (64 - bits));
    match radix {
        Radix::Decimal => signed(value),
        Radix::Hexadecimal => format!("{pattern:0width$x}", width = bits as usize / 4),
        Radix::Binary => format!("{pattern:0width$b}", width = bits as usize),
    }
}

/// Writes a byte in hexadecimal.
pub(crate) fn byte(byte: u8) -> String {
    format!("{byte:02x}")
}

/// Writes a byte address.
pub(crate) fn address(address: u64) -> String {
    format!("0x{address:x}")
}

/// Reads an address or a number: decimal, or hexadecimal behind `0x`, with a minus sign or without.
pub(crate) fn parse_integer(text: &str) -> Option<i64> {
    let text = text.trim().replace(['_', ','], "");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.as_str()),
    };
    let magnitude = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => digits.parse::<i64>(),
    };
    magnitude.ok().filter(|value| *value >= 0).map(|value| sign * value)
}

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

/// Writes a number so that it fits a small cell: in full if that takes no more than `n_characters`, else rounded to thousands, millions or
/// billions.
pub(crate) fn compact(value: i64, n_characters: usize) -> String {
    let full = value.to_string();
    if full.len() <= n_characters {
        return full;
    }
    let rounded = |(unit, name): (i64, &str)| {
        let half = value.signum() * (unit / 2);
        (value.saturating_add(half) / unit, name.to_owned())
    };
    let units = [(1_000, "k"), (1_000_000, "M"), (1_000_000_000, "G")];
    let (number, name) = units
        .into_iter()
        .map(rounded)
        .find(|(number, _)| number.unsigned_abs() < 1_000)
        .unwrap_or_else(|| rounded((1_000_000_000, "G")));
    format!("{number}{name}")
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
    fn integers_are_written_in_three_radices_and_read_back() {
        let cases = [
            (-3, "-3", "fd", "11111101"),
            (127, "127", "7f", "01111111"),
            (128, "128", "0080", "0000000010000000"),
        ];
        for (value, decimal, hexadecimal, binary) in cases {
            let texts = Radix::ALL.map(|radix| in_radix(value, radix));
            assert_eq!(texts, [decimal, hexadecimal, binary]);
        }
        assert_eq!(in_radix(i64::MIN, Radix::Hexadecimal), "8000000000000000");
        for (text, value) in [
            ("0x1F", Some(31)),
            (" -12 ", Some(-12)),
            ("1_000", Some(1_000)),
            ("-0x80", Some(-128)),
        ] {
            assert_eq!(parse_integer(text), value, "{text}");
        }
        for text in ["", "x", "0x", "--3", "1.5"] {
            assert_eq!(parse_integer(text), None, "{text}");
        }
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
            let text = compact(value, 5);
            assert!(text.len() <= 5, "{value} is written as {text}");
        }
        for (value, text) in [
            (-4_659, "-5k"),
            (999, "999"),
            (-999, "-999"),
            (1_499, "1499"),
            (999_600, "1M"),
            (-12_300, "-12k"),
        ] {
            assert_eq!(compact(value, 4), text);
        }
    }
}
