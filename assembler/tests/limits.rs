//! Long programs take little time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};
use systole_assembler::{assemble, disassemble};

/// Without optimization everything takes far longer: the programs are shorter, and the limit only finds what is quadratic.
const N_BLOCKS: usize = if cfg!(debug_assertions) { 2500 } else { 25_000 };
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 20_000 } else { 1000 });

/// Nanoseconds that this thread has computed, where the system says so, else that have passed: a busy machine makes no program slow.
fn now(start: Instant) -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let on_cpu = statistics.and_then(|text| text.split_whitespace().next()?.parse().ok());
    on_cpu.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// The shortest time of a few.
fn shortest(mut run: impl FnMut()) -> Duration {
    let start = Instant::now();
    let times = (0..3).map(|_| {
        let before = now(start);
        run();
        now(start) - before
    });
    times.min().unwrap()
}

/// The time that a text takes and the number of its instructions.
fn time(text: &str) -> (Duration, usize) {
    let mut n_instructions = 0;
    let elapsed = shortest(|| {
        let program = assemble(text, "long.sasm").unwrap_or_else(|diagnostics| panic!("{}", diagnostics[0]));
        n_instructions = program.code.len();
    });
    (elapsed, n_instructions)
}

#[test]
fn a_hundred_thousand_lines_assemble_in_a_second() {
    let mut text = String::new();
    for i in 0..N_BLOCKS {
        let _ = writeln!(
            text,
            "at_{i}: desc d1, spm, i8, {i} + 4, -3, 2\n    level d1, 0, 16 * 2, 28"
        );
        let _ = writeln!(
            text,
            "    mx.wload d3[r4], k=16, n=16 ?t1\n    bne r1, {i}, at_{}",
            i / 2
        );
    }
    let (elapsed, n_instructions) = time(&text);
    assert_eq!(n_instructions, 4 * N_BLOCKS);
    eprintln!("{elapsed:?}");
    assert!(elapsed < LIMIT, "{elapsed:?}");
}

#[test]
fn a_hundred_thousand_lines_of_macros_assemble_in_a_second() {
    let mut text =
        ".macro block i, rows=16\n.at: desc d1, spm, i8, \\i + 4, -3, 2\n    level d1, 0, \\rows * 2, 28\n    \
                    mx.wload d3[r4], k=\\rows, n=16 ?t1\n    bne r1, \\i, .at\n.endm\n"
            .to_owned();
    for i in 0..N_BLOCKS {
        let _ = writeln!(text, "    block {i}");
    }
    let (elapsed, n_instructions) = time(&text);
    assert_eq!(n_instructions, 4 * N_BLOCKS);
    eprintln!("{elapsed:?}");
    assert!(elapsed < LIMIT, "{elapsed:?}");
}

#[test]
fn a_long_program_with_loops_is_disassembled_soon() {
    let mut text = String::new();
    for i in 0..N_BLOCKS / 5 {
        let _ = writeln!(
            text,
            "    desc d{0}, spm, i8, {i}, 0, 2\n    loop r{0}, .l{i}\n    add r{0}, r{0}, 1",
            i % 32
        );
        let _ = writeln!(
            text,
            "    mx.wload d{}[r4], 16, 16\n.l{i}: bne r1, {i}, .l{}",
            i % 32,
            i / 2
        );
    }
    let program = assemble(&text, "long.sasm").unwrap();
    let mut text = String::new();
    let elapsed = shortest(|| text = disassemble(&program));
    eprintln!("{elapsed:?}");
    assert!(elapsed < LIMIT, "{elapsed:?}");
    assert_eq!(assemble(&text, "again").unwrap().code, program.code);
}
