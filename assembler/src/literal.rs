//! Literals in both directions: integers, scales and quoted texts.

use crate::codes;
use systole_isa::Diagnostic;

/// The value of an integer as written.
pub(crate) fn integer(text: &str) -> Result<i128, Diagnostic> {
    let (radix, digits, kind) = match text.get(..2) {
        Some("0x" | "0X") => (16, &text[2..], "hexadecimal"),
        Some("0b" | "0B") => (2, &text[2..], "binary"),
        _ => (10, text, "decimal"),
    };
    let bad = |message: String| Diagnostic::error(codes::BAD_NUMBER, message);
    let mut value: i128 = 0;
    let mut n_digits = 0;
    for c in digits.chars().filter(|&c| c != '_') {
        let Some(digit) = c.to_digit(radix) else {
            return Err(bad(format!("`{text}` is no number: `{c}` is no {kind} digit"))
                .help("write 12, 0xc or 0b1100; a name cannot start with a digit"));
        };
        n_digits += 1;
        let next = value
            .checked_mul(i128::from(radix))
            .and_then(|v| v.checked_add(i128::from(digit)));
        value = next.ok_or_else(|| bad(format!("`{text}` is too large")).because("numbers have at most 127 bits"))?;
    }
    if n_digits == 0 {
        return Err(bad(format!("`{text}` is no number: it has no digits")));
    }
    Ok(value)
}

/// A binary32 number, rounded once from its decimal digits.
pub(crate) fn float(text: &str) -> Option<f32> {
    text.replace('_', "").parse().ok()
}

/// The shortest decimal that reads back as the same number.
pub(crate) fn float_text(value: f32) -> String {
    format!("{value:?}")
}

/// The content of a text in quotes.
pub(crate) fn unescape(quoted: &str) -> Result<String, Diagnostic> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or("");
    if !inner.contains('\\') {
        return Ok(inner.to_owned());
    }
    let mut content = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            content.push(c);
            continue;
        }
        let escape = rest.next().unwrap_or(' ');
        let replaced = match escape {
            '\\' | '"' => Some(escape),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            '0' => Some('\0'),
            'u' => unicode_escape(&mut rest),
            _ => None,
        };
        content.push(replaced.ok_or_else(|| {
            Diagnostic::error(codes::BAD_TEXT, format!("`\\{escape}` in this text is no escape"))
                .because("a backslash starts \\\\, \\\", \\n, \\r, \\t, \\0 or \\u{HEX}")
                .help("write `\\\\` for a backslash")
        })?);
    }
    Ok(content)
}

fn unicode_escape(rest: &mut std::str::Chars) -> Option<char> {
    let (digits, after) = rest.as_str().strip_prefix('{')?.split_once('}')?;
    *rest = after.chars();
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

/// A text in quotes that reads back as the same text.
pub(crate) fn quote(text: &str) -> String {
    format!("\"{}\"", escape(text))
}

/// A text on one line, with everything escaped that would end it or a quotation.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '"' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if c.is_control() => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_three_radices_and_a_reason_when_they_are_none() {
        for (text, value) in [
            ("0", 0),
            ("1_000", 1000),
            ("0xFF_ff", 0xffff),
            ("0b1010", 10),
            ("007", 7),
        ] {
            assert_eq!(integer(text), Ok(value), "{text}");
        }
        for text in ["0x", "0b2", "12abc", "1e", "_", &"9".repeat(40)] {
            assert_eq!(integer(text).unwrap_err().code, codes::BAD_NUMBER, "{text}");
        }
    }

    #[test]
    fn texts_survive_quoting() {
        for text in ["", "conv 1/weights", "a\"b\\c\n\r\t\0\u{1b}", "Größe π"] {
            assert_eq!(unescape(&quote(text)).as_deref(), Ok(text));
        }
    }

    #[test]
    fn scales_survive_printing() {
        for value in [0.1, f32::MIN_POSITIVE, f32::MAX, 1e-45, 1.0, 0.007_812_5, 1.0 / 3.0] {
            assert_eq!(float(&float_text(value)), Some(value));
        }
    }
}
