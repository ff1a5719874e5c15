//! How long a program of 100,000 lines takes to be assembled, disassembled, written and read.

#![allow(missing_docs, reason = "the benchmark macros make public items")]

use criterion::{Criterion, criterion_group, criterion_main};
use std::fmt::Write as _;
use std::hint::black_box;
use systole_assembler::{assemble, disassemble};
use systole_isa::container;

/// Lines of a long program: labels, jumps to them, descriptors, array instructions and data.
fn source(n_lines: usize) -> String {
    let mut text = String::from(".symbol acts, spm, 0x40, 4096\n.equ ROWS, 16\n");
    for i in 0..n_lines / 8 {
        let _ = write!(
            text,
            "block_{i}: mark tile, {i}\n    desc d1, spm, i8, acts + {}, -3, 2\n    level d1, 0, ROWS * 2, 28\n",
            i % 4096
        );
        let _ = write!(
            text,
            "    loop r5, .end_{i}\n      mx.wload d3[r4], 16, 16 ?t1 !t2\n      mx.mm d2, d1[r6], 0, ROWS, 0, over, swap ?t2\n"
        );
        let _ = write!(
            text,
            ".end_{i}: vx.requant d4, d2, d5, ROWS, 16, fixed ; per channel\n    bne r1, {i}, block_{}\n",
            i / 2
        );
    }
    text
}

/// As many lines, which a macro makes.
fn macro_source(n_lines: usize) -> String {
    let mut text = String::from(
        ".symbol acts, spm, 0x40, 4096\n.macro block i, rows=16\n    mark tile, \\i\n    desc d1, spm, i8, acts + \\i % 4096, -3, 2\n    \
         level d1, 0, \\rows * 2, 28\n    loop r5, .end\n      mx.wload d3[r4], 16, 16 ?t1 !t2\n      \
         mx.mm d2, d1[r6], 0, \\rows, 0, over, swap ?t2\n.end: vx.requant d4, d2, d5, \\rows, 16, fixed\n    bne r1, \\i, .end\n.endm\n",
    );
    for i in 0..n_lines / 8 {
        let _ = writeln!(text, "    block {i}");
    }
    text
}

fn benchmarks(criterion: &mut Criterion) {
    let text = source(100_000);
    let program = assemble(&text, "long.sasm").expect("the source is well-formed");
    let disassembly = disassemble(&program);
    let file = container::write(&program).expect("the program is well-formed");
    let mut group = criterion.benchmark_group("100k_lines");
    group.sample_size(10);
    group.bench_function("assemble", |bencher| {
        bencher.iter(|| assemble(black_box(&text), "long.sasm"))
    });
    let macros = macro_source(100_000);
    group.bench_function("assemble_macros", |bencher| {
        bencher.iter(|| assemble(black_box(&macros), "long.sasm").expect("the source is well-formed"));
    });
    group.bench_function("disassemble", |bencher| {
        bencher.iter(|| disassemble(black_box(&program)))
    });
    group.bench_function("assemble_disassembly", |bencher| {
        bencher.iter(|| assemble(black_box(&disassembly), "long.sasm"));
    });
    group.bench_function("write", |bencher| {
        bencher.iter(|| container::write(black_box(&program)))
    });
    group.bench_function("read", |bencher| bencher.iter(|| container::read(black_box(&file))));
    group.finish();
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
