//! `check`: what a program does wrong, before it runs.

use super::{print, print_json, warn};
use crate::args::CheckArgs;
use crate::error::CommandError;
use crate::print::grouped;
use crate::source::{load, load_machine, read};
use serde::Serialize;
use systole_isa::diagnostic::{Place, Severity};
use systole_isa::{Diagnostic, Program};
use systole_simulator::check::{self, CheckReport, Finding};

/// The report of `--json`.
#[derive(Serialize)]
struct Outcome<'a> {
    program: &'a str,
    machine: &'a str,
    proven: bool,
    instructions_executed: u64,
    instructions_dispatched: u64,
    more_findings: usize,
    diagnostics: &'a [Diagnostic],
}

pub(crate) fn run(args: &CheckArgs) -> Result<(), CommandError> {
    let loaded = load(&args.source, load_machine(&args.machine)?, &args.model)?;
    warn(&loaded.diagnostics);
    let (program, machine) = (&loaded.program, &loaded.description);
    let report = check::check(program, machine, args.limit).map_err(|error| error.0)?;
    let bytes = read(&args.source)?;
    let text = std::str::from_utf8(&bytes).unwrap_or("");
    let file = args.source.display().to_string();
    let diagnostics = diagnostics(&report, program, &file, text);
    if args.json {
        print_json(&Outcome {
            program: &program.name,
            machine: &machine.name,
            proven: report.is_proven(),
            instructions_executed: report.n_executed,
            instructions_dispatched: report.n_dispatched,
            more_findings: report.n_more,
            diagnostics: &diagnostics,
        })?;
    }
    if !report.is_proven() {
        return Err(diagnostics.into());
    }
    if !args.json {
        diagnostics.iter().for_each(|diagnostic| print(&diagnostic.to_string()));
        print(&format!(
            "`{}` on {}: tokens, order, operands and ranges are proven right for every timing\n{} instructions executed by the sequencer, {} of them dispatched to the units",
            program.name,
            machine.name,
            grouped(report.n_executed),
            grouped(report.n_dispatched)
        ));
    }
    Ok(())
}

/// The findings with places and texts of the instructions. `text` is the source, empty if the program has none.
fn diagnostics(report: &CheckReport, program: &Program, file: &str, text: &str) -> Vec<Diagnostic> {
    let disassembler = systole_assembler::Disassembler::new(program);
    let describe = |pc: u32| {
        let line = program
            .lines
            .get(pc as usize)
            .map_or(String::new(), |line| format!(", line {line}"));
        format!("instruction {pc}{line}: {}", disassembler.line(pc).trim())
    };
    let mut list: Vec<Diagnostic> = report
        .findings
        .iter()
        .map(|finding| {
            let diagnostic = finding.diagnostic(describe);
            match place(finding, program, file, text) {
                Some(place) => diagnostic.at(place),
                None => diagnostic,
            }
        })
        .collect();
    // What stands against the proof comes first.
    list.sort_by_key(|diagnostic| std::cmp::Reverse(diagnostic.severity));
    if report.n_more > 0 {
        list.push(Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error("K0012", format!("{} more findings are not shown", report.n_more))
                .help("fix the first ones and check again")
        });
    }
    list
}

/// The line of the last instruction that a finding is about: where its trouble shows.
fn place(finding: &Finding, program: &Program, file: &str, text: &str) -> Option<Place> {
    let line = *program.lines.get(*finding.pcs.last()? as usize)?;
    let text = text.lines().nth((line as usize).checked_sub(1)?)?;
    let code = text.split(';').next().unwrap_or("").trim();
    let indent = text.chars().take_while(|c| c.is_whitespace()).count();
    Some(Place {
        file: file.to_owned(),
        line,
        column: indent as u32 + 1,
        length: code.chars().count() as u32,
        text: text.to_owned(),
    })
}
