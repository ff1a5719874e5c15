//! The text of a trace: one request per line, `0xADDRESS R` or `0xADDRESS W`.

use super::TraceRequest;
use systole_isa::Diagnostic;
use systole_isa::diagnostic::{CodeInfo, Place, code_list};

/// Codes of what can be wrong with a trace.
pub const CODES: &[CodeInfo] = &code_list([
    (
        "T0001",
        "not a request",
        "A line of a trace is a hexadecimal byte address and R or W, as in `0x7C2A6D00 R`. Empty lines and lines that begin with # are left out.",
    ),
    (
        "T0002",
        "trace without requests",
        "A trace has at least one request; there is nothing to time otherwise.",
    ),
]);

/// Faulty lines that are told of; the rest is only counted.
const MAX_TOLD: usize = 20;

/// Reads a trace piece by piece and keeps all errors.
#[derive(Debug)]
pub struct TraceReader {
    file: String,
    line: u32,
    problems: Vec<Diagnostic>,
    n_faulty: u64,
    n_requests: u64,
}

impl TraceReader {
    /// A reader of the file with this name.
    pub fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            problems: Vec::new(),
            n_faulty: 0,
            n_requests: 0,
        }
    }

    /// Appends the requests of whole lines.
    pub fn read(&mut self, lines: &[u8], requests: &mut Vec<TraceRequest>) {
        let before = requests.len();
        let text = lines.strip_suffix(b"\n").unwrap_or(lines);
        for line in text.split(|&byte| byte == b'\n') {
            self.line = self.line.saturating_add(1);
            let words = line.trim_ascii();
            match request(words) {
                Some(request) => requests.push(request),
                None if words.is_empty() || words[0] == b'#' => {}
                None => self.complain(line),
            }
        }
        self.n_requests += (requests.len() - before) as u64;
    }

    /// Ends reading.
    ///
    /// # Errors
    /// Every faulty line, the first twenty in full; or that there was no request.
    pub fn finish(mut self) -> Result<u64, Vec<Diagnostic>> {
        if self.n_faulty > self.problems.len() as u64 {
            let more = self.n_faulty - self.problems.len() as u64;
            self.problems
                .push(Diagnostic::error("T0001", format!("{more} more lines are no requests")));
        }
        if self.n_requests == 0 && self.problems.is_empty() {
            let message = format!("`{}` has no requests", self.file);
            self.problems
                .push(Diagnostic::error("T0002", message).help("write lines like `0x7C2A6D00 R`"));
        }
        if self.problems.is_empty() {
            Ok(self.n_requests)
        } else {
            Err(self.problems)
        }
    }

    fn complain(&mut self, line: &[u8]) {
        self.n_faulty += 1;
        if self.problems.len() >= MAX_TOLD {
            return;
        }
        let text: String = String::from_utf8_lossy(line).trim_end().chars().take(80).collect();
        let place = Place {
            file: self.file.clone(),
            line: self.line,
            column: 1,
            length: text.chars().count().max(1) as u32,
            text,
        };
        self.problems.push(
            Diagnostic::error("T0001", "this line is no request")
                .at(place)
                .help("write a hexadecimal byte address and R or W, as in `0x7C2A6D00 R`"),
        );
    }
}

fn request(words: &[u8]) -> Option<TraceRequest> {
    let blank = words.iter().position(u8::is_ascii_whitespace)?;
    let is_write = match words[blank..].trim_ascii() {
        b"R" => false,
        b"W" => true,
        _ => return None,
    };
    let digits = words[..blank].strip_prefix(b"0x")?;
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let address = digits.iter().try_fold(0u64, |address, &digit| {
        Some(address << 4 | u64::from((digit as char).to_digit(16)?))
    })?;
    Some(TraceRequest { address, is_write })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_comments_and_line_ends_are_read() {
        let mut reader = TraceReader::new("t.trc");
        let mut requests = Vec::new();
        reader.read(b"# a trace\n0x40 R\r\n\n  0xFFffFFffFFffFFff\tW \n", &mut requests);
        let read = |address, is_write| TraceRequest { address, is_write };
        assert_eq!(requests, [read(0x40, false), read(u64::MAX, true)]);
        assert_eq!(reader.finish().unwrap(), 2);
    }

    #[test]
    fn every_faulty_line_is_named_by_its_number() {
        let mut reader = TraceReader::new("t.trc");
        let mut requests = Vec::new();
        reader.read(b"0x40 R\n40 R\n0x40\n", &mut requests);
        reader.read(b"0x40 RW\n0xG0 R\n0x12345678123456789 R\n\xFF\n0x80 W", &mut requests);
        let problems = reader.finish().unwrap_err();
        let lines: Vec<u32> = problems.iter().map(|p| p.place.as_ref().unwrap().line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7]);
        assert_eq!(requests.len(), 2);
    }

    #[test]
    fn a_flood_of_faulty_lines_is_counted_and_an_empty_trace_refused() {
        let mut reader = TraceReader::new("t.trc");
        reader.read("?\n".repeat(1000).as_bytes(), &mut Vec::new());
        let problems = reader.finish().unwrap_err();
        assert_eq!(problems.len(), 21);
        assert!(problems[20].message.contains("980"));
        let mut reader = TraceReader::new("t.trc");
        reader.read(b"", &mut Vec::new());
        assert_eq!(reader.finish().unwrap_err()[0].code, "T0002");
    }
}
