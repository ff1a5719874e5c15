//! The static check: it names what is wrong, and passes what is right on every machine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use systole_compiler::QuantizedGraph;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_compiler::gemm::gemm;
use systole_isa::diagnostic::Severity;
use systole_isa::machine::{preset, preset_names};
use systole_isa::{MachineDescription, Program};
use systole_simulator::check::{CheckReport, DEFAULT_LIMIT, check};
use systole_testkit::build::tiny;
use systole_testkit::models::models;

fn report(program: &Program, machine: &MachineDescription) -> CheckReport {
    check(program, machine, DEFAULT_LIMIT).unwrap()
}

fn assemble(source: &str) -> Program {
    systole_assembler::assemble(source, "test.sasm").unwrap_or_else(|errors| panic!("{source}\n{errors:?}"))
}

/// Code and instructions of every finding on the smallest machine.
fn findings(source: &str) -> Vec<(&'static str, Vec<u32>)> {
    let report = report(&assemble(source), &tiny());
    report
        .findings
        .into_iter()
        .map(|finding| (finding.code, finding.pcs))
        .collect()
}

fn compile(graph: &QuantizedGraph, machine: &MachineDescription) -> Program {
    codegen::generate(graph, machine, TilingPolicy::Fastest).unwrap()
}

fn assert_proven(program: &Program, machine: &MachineDescription) {
    let report = report(program, machine);
    let messages: Vec<&str> = report.findings.iter().map(|finding| finding.message.as_str()).collect();
    assert!(
        report.findings.is_empty(),
        "{} on {}: {messages:#?}",
        program.name,
        machine.name
    );
}

fn hand_written() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../programs/asm");
    let mut programs: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    programs.sort();
    programs
}

#[test]
fn the_two_bad_programs_are_found_and_all_others_are_proven() {
    let mut n_proven = 0;
    for (name, source) in hand_written() {
        let program = assemble(&source);
        let report = report(&program, &tiny());
        let errors: Vec<_> = report
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Error)
            .collect();
        let lines = |pcs: &[u32]| -> Vec<u32> { pcs.iter().map(|&pc| program.lines[pc as usize]).collect() };
        match name.as_str() {
            "race.sasm" => {
                assert_eq!((errors.len(), errors[0].code), (1, "K0002"), "{errors:?}");
                assert_eq!(lines(&errors[0].pcs), [17, 18]);
                assert!(
                    errors[0].message.contains("both touch spm byte 0x0"),
                    "{}",
                    errors[0].message
                );
            }
            "deadlock.sasm" => {
                assert_eq!((errors.len(), errors[0].code), (1, "K0001"), "{errors:?}");
                assert!(
                    errors[0].message.contains("cycle: MX -> VX -> MX"),
                    "{}",
                    errors[0].message
                );
            }
            _ => {
                assert!(report.is_proven(), "{name}: {errors:#?}");
                n_proven += 1;
            }
        }
    }
    assert!(n_proven >= 5, "{n_proven}");
}

#[test]
fn taking_any_token_from_a_proven_program_is_found() {
    for (name, source) in hand_written() {
        let is_bad = matches!(name.as_str(), "race.sasm" | "deadlock.sasm");
        let code: Vec<usize> = source.match_indices(['?', '!']).map(|(at, _)| at).collect();
        let is_token =
            |&at: &usize| source[at + 1..].starts_with('t') && !source[..at].rsplit('\n').next().unwrap().contains(';');
        for at in code.into_iter().filter(is_token).filter(|_| !is_bad) {
            let end = at + 1 + source[at + 1..].find(|c: char| !c.is_alphanumeric()).unwrap();
            let mutant = format!("{}{}", &source[..at], &source[end..]);
            let poorer = report(&assemble(&mutant), &tiny());
            // A ring of two buffers goes on with one, but then it ends with fewer free buffers than before.
            let is_counted = poorer.findings != report(&assemble(&source), &tiny()).findings;
            let token = &source[at..end];
            assert!(is_counted, "{name} without `{token}` at byte {at}");
            if poorer.is_proven() {
                assert_eq!((name.as_str(), token), ("double_buffered.sasm", "!t1"));
                assert!(poorer.findings[0].message.contains("t1 ends at 1"), "{poorer:?}");
            }
        }
    }
}

#[test]
fn matrix_products_of_many_shapes_are_proven_on_every_machine() {
    for name in preset_names() {
        let machine = preset(name).unwrap();
        for (m, k, n) in [
            (1, 1, 1),
            (7, 13, 5),
            (33, 64, 16),
            (64, 300, 70),
            (200, 48, 129),
            (300, 1000, 40),
        ] {
            assert_proven(&compile(&gemm(m, k, n), &machine), &machine);
        }
    }
}

#[test]
fn compiled_digits_are_proven_on_every_machine() {
    let Some(folder) = models("digits") else { return };
    for model in ["digits_int8_qdq.onnx", "digits_int8_qoperator.onnx"] {
        let bytes = std::fs::read(folder.join(model)).unwrap();
        let graph = systole_compiler::lower(systole_compiler::import_onnx(&bytes).unwrap()).unwrap();
        for name in preset_names() {
            let machine = preset(name).unwrap();
            assert_proven(&compile(&graph, &machine), &machine);
        }
    }
}

/// The first wait without its post, in a program that was right, is found as what it causes.
#[test]
fn a_compiled_program_without_one_of_its_waits_is_not_proven() {
    let machine = tiny();
    let program = compile(&gemm(40, 64, 40), &machine);
    assert_proven(&program, &machine);
    let waiting: Vec<usize> = (0..program.code.len())
        .filter(|&pc| program.code[pc].tokens.waits[0].is_some())
        .collect();
    assert!(waiting.len() > 8, "{waiting:?}");
    for pc in waiting {
        let mut mutant = program.clone();
        let waits = &mut mutant.code[pc].tokens.waits;
        *waits = [waits[1], None];
        assert!(
            !report(&mutant, &machine).findings.is_empty(),
            "without the wait of instruction {pc}"
        );
    }
}

const VIEWS: &str = "
.program \"test\"
.dram 0x400
.code
    desc    d0, dram, i8, 0, 0, 4
    level   d0, 3, 4, 4
    level   d0, 4, 4, 1
    desc    d1, spm, i8, 0, 0, 4
    level   d1, 3, 4, 4
    level   d1, 4, 4, 1
    desc    d2, acc, i32, 0, 0, 4
    level   d2, 3, 4, 4
    level   d2, 4, 4, 1
";
/// Instructions in `VIEWS`.
const FIRST: u32 = 9;

fn with_views(code: &str) -> Vec<(&'static str, Vec<u32>)> {
    findings(&format!("{VIEWS}{code}\n"))
}

#[test]
fn a_full_queue_in_front_of_the_needed_post_is_a_deadlock() {
    let code = |n: usize| {
        format!(
            ".program \"q\"\n.code\n{}  nop !t0\n halt\n",
            " ld.nop ?t0\n".to_owned() + &" ld.nop\n".repeat(n)
        )
    };
    let depth = tiny().queue_depth as usize;
    assert_eq!(findings(&code(depth - 1)), []);
    let report = report(&assemble(&code(depth)), &tiny());
    let [finding] = &report.findings[..] else {
        panic!("{report:?}")
    };
    assert_eq!(finding.code, "K0001");
    assert!(
        finding.message.contains("waits for t0, which SEQ would post"),
        "{}",
        finding.message
    );
    assert!(
        finding.reason.as_ref().unwrap().contains("the queue of LD holds 16"),
        "{finding:?}"
    );
}

#[test]
fn a_token_that_nobody_posts_is_said_so() {
    let report = report(&assemble(".program \"n\"\n.code\n vx.nop ?t3\n halt\n"), &tiny());
    assert!(
        report.findings[0]
            .message
            .contains("VX at instruction 0 (line 3) waits for t3, which nobody posts"),
        "{report:?}"
    );
}

#[test]
fn leftover_tokens_are_a_warning() {
    let report = report(
        &assemble(".program \"l\"\n.code\n credit t2, 3\n nop ?t2\n halt\n"),
        &tiny(),
    );
    assert!(report.is_proven());
    assert_eq!(report.findings[0].code, "K0004");
    assert!(report.findings[0].message.contains("t2 ends at 2"), "{report:?}");
}

#[test]
fn a_token_of_two_posters_or_two_takers_is_not_unique() {
    let posters = findings(".program \"p\"\n.code\n ld.nop !t0\n st.nop !t0\n mx.nop ?t0\n mx.nop ?t0\n halt\n");
    assert!(posters.contains(&("K0003", vec![0, 1])), "{posters:?}");
    let takers = findings(".program \"p\"\n.code\n ld.nop !t0\n ld.nop !t0\n mx.nop ?t0\n vx.nop ?t0\n halt\n");
    assert!(takers.contains(&("K0003", vec![2, 3])), "{takers:?}");
    let fenced = findings(".program \"p\"\n.code\n ld.nop !t0\n mx.nop ?t0\n fence\n st.nop !t0\n vx.nop ?t0\n halt\n");
    assert_eq!(fenced, []);
    let chained = findings(
        ".program \"p\"\n.code\n credit t0, 1\n ld.nop ?t0 !t0 !t1\n st.nop ?t1 !t2\n vx.nop ?t0 ?t2\n halt\n",
    );
    assert_eq!(chained, [], "the second take knows the first by another token");
}

#[test]
fn ranges_operands_and_weights_are_checked() {
    let out = with_views(" level d1, 3, 4, 0x4000\n ld d1, d0, 4, 4\n halt");
    assert_eq!(out, [("K0005", vec![FIRST + 1])]);
    let wide = with_views(" ld d1, d0, 4, 5\n halt");
    assert_eq!(wide, [("K0006", vec![FIRST])]);
    let bare = with_views(" ld d1, d0, 4, 4 !t0\n mx.mm d2, d1, 0, 4, 0, over, keep ?t0\n halt");
    assert_eq!(bare, [("K0007", vec![FIRST + 1])]);
    let twice = with_views(" ld d1, d0, 4, 4 !t0\n mx.wload d1, 4, 4 ?t0\n mx.wload d1, 4, 4\n halt");
    assert_eq!(twice, [("K0007", vec![FIRST + 2])]);
    let unwritten = with_views(" mx.wload d1, 4, 4\n halt");
    assert_eq!(unwritten, [("K0008", vec![FIRST])]);
    let added = with_views(" ld d1, d0, 4, 4 !t0\n mx.wload d1, 4, 4 ?t0\n mx.mm d2, d1, 0, 4, 0, add, swap\n halt");
    assert_eq!(added, [("K0008", vec![FIRST + 2])]);
}

#[test]
fn what_depends_on_time_is_not_proven() {
    let branch = findings(".program \"t\"\n.code\n rdcycle r1\n add r2, r1, 1\n blt r2, 100, out\nout: halt\n");
    assert_eq!(branch, [("K0009", vec![2])]);
    let count = findings(".program \"t\"\n.code\n rdperf r1, macs\n loop r1, out\n nop\nout: halt\n");
    assert_eq!(count, [("K0009", vec![1])]);
    let address = with_views(" rdcycle r1\n move d1, r1\n ld d1, d0, 4, 4\n halt");
    assert_eq!(address, [("K0009", vec![FIRST + 2])]);
    let overwritten = findings(".program \"t\"\n.code\n rdcycle r1\n li r1, 3\n loop r1, out\n nop\nout: halt\n");
    assert_eq!(overwritten, []);
    let measured = findings(".program \"t\"\n.code\n rdcycle r1\n nop\n rdcycle r2\n sub r3, r2, r1\n halt\n");
    assert_eq!(measured, [], "a time may be measured");
}

#[test]
fn endless_programs_and_faults_end_the_check() {
    assert_eq!(
        findings(".program \"e\"\n.code\n nop\nhere: jmp here\n"),
        [("K0010", vec![1])]
    );
    let counting = assemble(".program \"e\"\n.code\nhere: add r1, r1, 1\n jmp here\n");
    let report = check(&counting, &tiny(), 1000).unwrap();
    assert_eq!((report.findings[0].code, report.n_executed), ("K0010", 1000));
    assert!(report.findings[0].help.contains("--limit"));
    assert_eq!(findings(".program \"e\"\n.code\n trap 7\n"), [("K0011", vec![0])]);
    assert_eq!(findings(".program \"e\"\n.code\n nop\n"), [("K0011", vec![])]);
}

#[test]
fn posts_of_the_array_tell_what_its_pipeline_guarantees() {
    // The load of new weights waits for: a product that swapped the old ones in, or a synchronization behind the load of weights.
    let refill = |post: &str| {
        with_views(&format!(
            " ld d1, d0, 4, 4 !t0\n mx.wload d1, 4, 4 ?t0\n {post}\n ld d1, d0, 4, 4 ?t1\n mx.mm d2, d1, 0, 4, 0, over, swap ?t2\n ld.nop !t2\n halt"
        ))
    };
    let codes =
        |list: Vec<(&'static str, Vec<u32>)>| -> Vec<&'static str> { list.into_iter().map(|(code, _)| code).collect() };
    assert_eq!(codes(refill("mx.nop !t1")), [] as [&str; 0]);
    assert_eq!(codes(refill("nop !t1")), ["K0002"]);
    // A load of weights may be complete before the product in front of it is.
    let early = " ld d1, d0, 4, 4 !t0\n mx.wload d1, 4, 4 ?t0\n mx.mm d2, d1, 0, 4, 0, over, swap\n mx.wload d1, 4, 4 !t1\n st d3, d2, 4, 4 ?t1\n mx.mm d2, d1, 0, 1, 0, over, swap ?t2\n st.nop !t2\n halt";
    let views = " desc d3, dram, i32, 0x100, 0, 4\n level d3, 3, 4, 4\n level d3, 4, 4, 1\n";
    assert_eq!(codes(with_views(&format!("{views}{early}"))), ["K0002"]);
    let late = early.replace("mx.wload d1, 4, 4 !t1", "mx.wload d1, 4, 4\n mx.nop !t1");
    assert_eq!(codes(with_views(&format!("{views}{late}"))), [] as [&str; 0]);
}
