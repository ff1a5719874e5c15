//! Diagnostics: what is wrong, where, why, and what to do about it.

use serde::Serialize;
use std::fmt;

/// A diagnostic code with the long text that `systole explain` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeInfo {
    /// The code, such as `A0010`.
    pub code: &'static str,
    /// What it means, in a few words.
    pub title: &'static str,
    /// What it means, why it is refused and how to go on.
    pub explanation: &'static str,
}

/// A list of codes from (code, title, explanation).
pub const fn code_list<const N: usize>(rows: [(&'static str, &'static str, &'static str); N]) -> [CodeInfo; N] {
    let mut codes = [CodeInfo {
        code: "",
        title: "",
        explanation: "",
    }; N];
    let mut i = 0;
    while i < N {
        codes[i] = CodeInfo {
            code: rows[i].0,
            title: rows[i].1,
            explanation: rows[i].2,
        };
        i += 1;
    }
    codes
}

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The result stands, but the user should know.
    Warning,
    /// There is no result.
    Error,
}

/// A place in a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Place {
    /// Name of the file, as the user gave it.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// Number of characters.
    pub length: u32,
    /// The whole line, for the picture of the place.
    pub text: String,
}

/// Something to tell the user.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// Stable code, such as `A0003`; the argument of `systole explain`.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where, if it is in a text.
    pub place: Option<Place>,
    /// Why it is so.
    pub reason: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            place: None,
            reason: None,
            help: None,
        }
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// The same with a place.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The same with a reason.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The same with advice.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}[{}]: {}", self.code, self.message)?;
        if let Some(place) = &self.place {
            let margin = place.line.to_string().len();
            write!(f, "\n{:margin$}--> {}:{}:{}", "", place.file, place.line, place.column)?;
            write!(
                f,
                "\n{:margin$} |\n{} | {}\n{:margin$} | ",
                "", place.line, place.text, ""
            )?;
            let indent: String = place
                .text
                .chars()
                .take(place.column.saturating_sub(1) as usize)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            write!(f, "{indent}{}", "^".repeat(place.length.max(1) as usize))?;
        }
        if let Some(reason) = &self.reason {
            write!(f, "\n  = why: {reason}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  = help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}
