//! What single instructions do: scalar semantics, loops, counters, address generation and copies, each against plain arithmetic.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use systole_isa::descriptor::{Level, Window};
use systole_isa::operand::{Accumulate, Axis, Desc, Imm, PerfCounter, Reg, Scalar, Space, Target, Weights};
use systole_isa::{Descriptor, ElementFormat, MachineDescription, Op, Program, Tokens, Unit};
use systole_simulator::{Activity, Event, Machine, StallReason, Status, observer::Watch};
use systole_testkit::build::{Builder, Matrix, count, load, read_values, tiny, tokens, whole};

const NONE: Tokens = Tokens::NONE;

fn r(i: u8) -> Reg {
    Reg::at(i)
}

fn li(b: &mut Builder, i: u8, value: i64) {
    b.op(Op::Li {
        rd: r(i),
        value: Imm(value),
    });
}

fn increment(b: &mut Builder, i: u8) -> u32 {
    b.op(Op::Add {
        rd: r(i),
        ra: r(i),
        b: Scalar::Imm(1),
    })
}

fn open_loop(b: &mut Builder, n: impl Into<Scalar>) -> u32 {
    b.op(Op::Loop {
        count: n.into(),
        end: Target(0),
    })
}

fn finished(program: Program) -> Machine {
    let mut machine = load(program, &tiny());
    machine.advance_to(1_000_000, &mut ());
    assert_eq!(*machine.status(), Status::Halted);
    machine
}

/// The value of `r3` after `op(r3, r1, b)`.
fn computed(op: fn(Reg, Reg, Scalar) -> Op, a: i64, b: i64) -> i64 {
    let mut by_register = Builder::new(0);
    li(&mut by_register, 1, a);
    li(&mut by_register, 2, b);
    let mut by_immediate = by_register.clone();
    by_register.op(op(r(3), r(1), r(2).into()));
    let result = finished(by_register.halt()).registers()[3];
    if (-(1 << 39)..1 << 39).contains(&b) {
        by_immediate.op(op(r(3), r(1), Scalar::Imm(b)));
        assert_eq!(
            finished(by_immediate.halt()).registers()[3],
            result,
            "register and immediate forms agree"
        );
    }
    result
}

fn wide() -> impl Strategy<Value = i64> {
    prop_oneof![2 => any::<i64>(), 2 => -100i64..100, 1 => prop::sample::select(vec![i64::MIN, i64::MAX, 63, 64, -1])]
}

proptest! {
    #[test]
    fn scalar_instructions_compute_in_64_bits((a, b) in (wide(), wide())) {
        // In 128 bits nothing wraps; the low 64 are the result.
        let (wide_a, wide_b) = (i128::from(a), i128::from(b));
        prop_assert_eq!(computed(|rd, ra, b| Op::Add { rd, ra, b }, a, b), (wide_a + wide_b) as i64);
        prop_assert_eq!(computed(|rd, ra, b| Op::Sub { rd, ra, b }, a, b), (wide_a - wide_b) as i64);
        prop_assert_eq!(computed(|rd, ra, b| Op::Mul { rd, ra, b }, a, b), wide_a.wrapping_mul(wide_b) as i64);
        prop_assert_eq!(computed(|rd, ra, b| Op::And { rd, ra, b }, a, b), a & b);
        prop_assert_eq!(computed(|rd, ra, b| Op::Or { rd, ra, b }, a, b), a | b);
        prop_assert_eq!(computed(|rd, ra, b| Op::Xor { rd, ra, b }, a, b), a ^ b);
        let places = b.rem_euclid(64);
        prop_assert_eq!(computed(|rd, ra, b| Op::Shl { rd, ra, b }, a, b), (wide_a << places) as i64);
        prop_assert_eq!(i128::from(computed(|rd, ra, b| Op::Shr { rd, ra, b }, a, b)), wide_a.div_euclid(1 << places));
        prop_assert_eq!(computed(|rd, ra, b| Op::Min { rd, ra, b }, a, b), if a < b { a } else { b });
        prop_assert_eq!(computed(|rd, ra, b| Op::Max { rd, ra, b }, a, b), if a < b { b } else { a });
    }

    #[test]
    fn branches_compare_signed((a, b) in prop_oneof![(wide(), wide()), wide().prop_map(|v| (v, v))]) {
        type Branch = fn(Reg, Scalar, Target) -> Op;
        let branches: [(Branch, bool); 4] = [
            (|ra, b, target| Op::Beq { ra, b, target }, a == b),
            (|ra, b, target| Op::Bne { ra, b, target }, a != b),
            (|ra, b, target| Op::Blt { ra, b, target }, a < b),
            (|ra, b, target| Op::Bge { ra, b, target }, a >= b),
        ];
        for (branch, is_taken) in branches {
            let mut p = Builder::new(0);
            li(&mut p, 1, a);
            li(&mut p, 2, b);
            p.op(branch(r(1), r(2).into(), Target(4)));
            increment(&mut p, 3);
            prop_assert_eq!(finished(p.halt()).registers()[3], i64::from(!is_taken));
        }
    }

    #[test]
    fn nested_loops_multiply_and_empty_ones_skip(counts in prop::collection::vec(-1i64..4, 1..5), by_register in any::<bool>()) {
        let mut b = Builder::new(0);
        let mut loops = Vec::new();
        for (i, &n) in counts.iter().enumerate() {
            li(&mut b, 10 + i as u8, n);
            loops.push(open_loop(&mut b, if by_register { r(10 + i as u8).into() } else { Scalar::Imm(n) }));
            increment(&mut b, 1 + i as u8);
        }
        loops.into_iter().rev().for_each(|pc| b.close_loop(pc));
        let machine = finished(b.halt());
        let mut expected = 1;
        for (i, &n) in counts.iter().enumerate() {
            expected *= n.max(0);
            prop_assert_eq!(machine.registers()[1 + i], expected);
        }
    }
}

#[test]
fn register_zero_stays_zero() {
    let mut b = Builder::new(0);
    li(&mut b, 0, 7);
    b.op(Op::RdCycle { rd: r(0) });
    b.op(Op::Add {
        rd: r(1),
        ra: r(0),
        b: Scalar::Imm(5),
    });
    let machine = finished(b.halt());
    assert_eq!((machine.registers()[0], machine.registers()[1]), (0, 5));
}

#[test]
fn a_loop_costs_one_cycle_and_its_jump_back_none() {
    let mut b = Builder::new(0);
    let body = open_loop(&mut b, 10);
    increment(&mut b, 1);
    increment(&mut b, 1);
    b.close_loop(body);
    b.op(Op::RdCycle { rd: r(2) });
    let machine = finished(b.halt());
    assert_eq!(machine.registers()[1..3], [20, 1 + 10 * 2]);
}

#[test]
fn a_branch_out_of_a_loop_leaves_it_and_not_the_one_around() {
    let mut b = Builder::new(0);
    let outer = open_loop(&mut b, 3);
    increment(&mut b, 1);
    let inner = open_loop(&mut b, 100);
    increment(&mut b, 2);
    let branch = b.here();
    b.op(Op::Beq {
        ra: r(2),
        b: Scalar::Imm(5),
        target: Target(branch + 3),
    });
    increment(&mut b, 3);
    b.close_loop(inner);
    increment(&mut b, 4);
    b.op(Op::Nop {});
    b.close_loop(outer);
    // The first inner loop ends at 5 by a branch that skips `r4`; the others run in full: 5 + 100 + 100.
    assert_eq!(finished(b.halt()).registers()[1..5], [3, 205, 204, 2]);
}

#[test]
fn a_jump_to_the_end_of_a_loop_continues_it() {
    let mut b = Builder::new(0);
    let body = open_loop(&mut b, 4);
    increment(&mut b, 1);
    b.op(Op::Jmp { target: Target(4) });
    increment(&mut b, 2);
    b.close_loop(body);
    assert_eq!(finished(b.halt()).registers()[1..3], [4, 0]);
}

/// Start and end of the completed instructions of a unit, in order.
fn spans_of(unit: Unit, program: Program, description: &MachineDescription) -> (Machine, Vec<(u64, u64)>) {
    let mut machine = load(program, description);
    let mut spans = Vec::new();
    machine.advance_to(
        1_000_000,
        &mut Watch(|event: &Event| match *event {
            Event::Completed {
                unit: of, start, end, ..
            } if of == unit => spans.push((start, end)),
            _ => {}
        }),
    );
    assert_eq!(*machine.status(), Status::Halted);
    (machine, spans)
}

#[test]
fn a_synchronization_instruction_takes_one_cycle() {
    let nops = [
        (Unit::Ld, Op::LdNop {}),
        (Unit::St, Op::StNop {}),
        (Unit::Mx, Op::MxNop {}),
        (Unit::Vx, Op::VxNop {}),
    ];
    for (unit, op) in nops {
        let mut b = Builder::new(0);
        b.op(op);
        b.op(Op::Nop {});
        b.with(op, tokens(&[1], &[2]));
        b.with(Op::Nop {}, tokens(&[], &[1]));
        b.with(Op::RdCycle { rd: r(1) }, tokens(&[2], &[]));
        let (machine, spans) = spans_of(unit, b.halt(), &tiny());
        assert_eq!(
            spans,
            [(0, 1), (3, 4)],
            "{unit:?}: the second waits for the token of cycle 3"
        );
        assert_eq!(machine.registers()[1], 4);
    }
}

#[test]
fn a_full_queue_holds_the_sequencer_until_the_cycle_after_a_place_is_free() {
    let mut b = Builder::new(0);
    b.matrix(0, Matrix::dense(Space::Acc, ElementFormat::I32, 0, 4, 10));
    b.matrix(1, Matrix::dense(Space::Spm, ElementFormat::I8, 0, 4, 10));
    let first = u64::from(b.here());
    for _ in 0..3 {
        b.op(Op::VxMaxPool {
            dst: whole(1),
            src: whole(0),
            m: count(4),
            n: count(10),
        });
    }
    b.op(Op::RdCycle { rd: r(1) });
    let one_place = MachineDescription {
        queue_depth: 1,
        ..tiny()
    };
    let (machine, spans) = spans_of(Unit::Vx, b.halt(), &one_place);
    // 40 elements on 4 lanes behind a pipeline of 4.
    let duration = 40 / 4 + 4;
    let starts: Vec<u64> = spans.iter().map(|span| span.0).collect();
    assert_eq!(starts, [first, first + duration, first + 2 * duration]);
    // The second leaves the queue when the first ends; one cycle later the third enters it, and the sequencer goes on.
    assert_eq!(machine.registers()[1] as u64, first + duration + 2);
    let stalled = Activity::Stalled(StallReason::QueueFull);
    assert_eq!(machine.unit_cycles(Unit::Seq).of(stalled), duration - 1);
}

#[test]
fn counters_read_what_has_happened() {
    let mut b = Builder::new(256);
    b.matrix(0, Matrix::dense(Space::Dram, ElementFormat::I8, 0, 4, 5));
    b.matrix(1, Matrix::dense(Space::Spm, ElementFormat::I8, 0, 4, 5));
    b.ld(1, 0, (4, 5), tokens(&[], &[0]));
    b.st(0, 1, (2, 5), tokens(&[0], &[]));
    b.op(Op::Fence {});
    for (rd, counter) in [
        (1, PerfCounter::DramReadBytes),
        (2, PerfCounter::DramWriteBytes),
        (3, PerfCounter::Macs),
    ] {
        b.op(Op::RdPerf { rd: r(rd), counter });
    }
    b.op(Op::MxWload {
        w: whole(1),
        k: count(4),
        n: count(4),
    });
    b.matrix(2, Matrix::dense(Space::Acc, ElementFormat::I32, 0, 3, 4));
    b.op(Op::MxMm {
        c: whole(2),
        a: whole(1),
        m0: count(1),
        m: count(3),
        k0: count(1),
        mode: Accumulate::Over,
        weights: Weights::Swap,
    });
    b.op(Op::Fence {});
    b.op(Op::RdPerf {
        rd: r(4),
        counter: PerfCounter::Macs,
    });
    b.op(Op::RdPerf {
        rd: r(5),
        counter: PerfCounter::MxStream,
    });
    assert_eq!(finished(b.halt()).registers()[1..6], [20, 10, 0, 48, 3]);
}

/// A convolution's or pooling's view of an `h` x `w` image with `c` channels: `k` x `k` windows with padding, stride 1.
fn window_view(
    b: &mut Builder,
    d: u8,
    memory: (Space, ElementFormat),
    [h, w, c, k, pad]: [u64; 5],
    fill: i32,
) -> Descriptor {
    let (row, pixel, pad) = ((w * c) as i64, c as i64, pad as i64);
    let (oh, ow) = (h + 2 * pad as u64 + 1 - k, w + 2 * pad as u64 + 1 - k);
    let base = -pad * (row + pixel);
    let levels = [(oh, row), (ow, pixel), (k, row), (k, pixel), (c, 1)];
    b.view(d, memory, (base, fill), 2, &levels);
    b.window(d, Axis::Y, (0, 2), -pad, h);
    b.window(d, Axis::X, (1, 3), -pad, w);
    let mut view = Descriptor::new(memory.0, memory.1, base, fill, 2);
    view.levels = levels.map(|(n, stride)| Level {
        count: n as u32,
        stride,
    });
    let window = |outer, inner, extent: u64| Window {
        outer,
        outer_step: 1,
        inner,
        inner_step: 1,
        origin: -pad,
        extent: extent as i64,
    };
    view.set_window(Axis::Y, window(0, 2, h));
    view.set_window(Axis::X, window(1, 3, w));
    view
}

/// Height, width, channels, window side and padding of an image.
fn image() -> impl Strategy<Value = ([u64; 5], Vec<i32>)> {
    (2u64..6, 2u64..6, 1u64..4, 1u64..4, 0u64..3)
        .prop_filter("a window has a place", |&(h, w, _, k, pad)| k <= h.min(w) && pad < k)
        .prop_flat_map(|(h, w, c, k, pad)| {
            (
                Just([h, w, c, k, pad]),
                prop::collection::vec(-128..128, (h * w * c) as usize),
            )
        })
}

/// The image's values that window `(oy, ox)` sees, by tap and channel; `None` in the padding. Plain loops over coordinates.
fn taps([h, w, c, k, pad]: [u64; 5], image: &[i32], oy: u64, ox: u64) -> Vec<Option<i32>> {
    let mut taps = Vec::new();
    for (ky, kx, channel) in (0..k).flat_map(|ky| (0..k).flat_map(move |kx| (0..c).map(move |ch| (ky, kx, ch)))) {
        let (y, x) = ((oy + ky).checked_sub(pad), (ox + kx).checked_sub(pad));
        let inside = y.zip(x).filter(|&(y, x)| y < h && x < w);
        taps.push(inside.map(|(y, x)| image[((y * w + x) * c + channel) as usize]));
    }
    taps
}

fn output_positions([h, w, _, k, pad]: [u64; 5]) -> impl Iterator<Item = (u64, u64)> {
    let (oh, ow) = (h + 2 * pad + 1 - k, w + 2 * pad + 1 - k);
    (0..oh).flat_map(move |oy| (0..ow).map(move |ox| (oy, ox)))
}

proptest! {
    #[test]
    fn a_load_unfolds_windows_and_fills_the_padding((shape, image) in image(), fill in -128i32..128) {
        let mut b = Builder::new(4096);
        b.values(0, ElementFormat::I8, &image);
        let view = window_view(&mut b, 0, (Space::Dram, ElementFormat::I8), shape, fill);
        let (m, n) = (view.n_rows(), view.n_columns());
        b.matrix(1, Matrix::dense(Space::Spm, ElementFormat::I16, 64, m, n));
        b.ld(1, 0, (m, n), NONE);
        let machine = finished(b.halt());
        let expected: Vec<Option<i32>> = output_positions(shape).flat_map(|(oy, ox)| taps(shape, &image, oy, ox)).collect();
        let n_inside = expected.iter().flatten().count() as u64;
        let filled: Vec<i32> = expected.into_iter().map(|tap| tap.unwrap_or(fill)).collect();
        prop_assert_eq!(read_values(&machine, Space::Spm, ElementFormat::I16, 64, filled.len()), filled);
        prop_assert_eq!(machine.counts().dram_read_bytes, n_inside, "the padding is not fetched");
        prop_assert_eq!(view.bytes_touched(0, m, 0, n), n_inside);
    }

    #[test]
    fn pooling_takes_the_largest_tap_and_skips_the_padding((shape, image) in image()) {
        let c = shape[2] as usize;
        let mut b = Builder::new(4096);
        b.values(0, ElementFormat::I8, &image);
        b.matrix(0, Matrix::dense(Space::Dram, ElementFormat::I8, 0, 1, image.len() as u64));
        b.matrix(1, Matrix::dense(Space::Spm, ElementFormat::I8, 0, 1, image.len() as u64));
        b.ld(1, 0, (1, image.len() as u64), tokens(&[], &[0]));
        // The padding would win if it took part.
        let view = window_view(&mut b, 2, (Space::Spm, ElementFormat::I8), shape, 127);
        let m = view.n_rows();
        b.matrix(3, Matrix::dense(Space::Spm, ElementFormat::I8, 1024, m, c as u64));
        b.with(Op::VxMaxPool { dst: whole(3), src: whole(2), m: count(m), n: count(c as u64) }, tokens(&[0], &[]));
        let machine = finished(b.halt());
        let mut expected = Vec::new();
        for (oy, ox) in output_positions(shape) {
            let taps = taps(shape, &image, oy, ox);
            expected.extend((0..c).map(|channel| taps.iter().skip(channel).step_by(c).flatten().max().copied().unwrap()));
        }
        prop_assert_eq!(read_values(&machine, Space::Spm, ElementFormat::I8, 1024, expected.len()), expected);
    }

    #[test]
    fn copies_convert_between_whole_byte_formats(
        from in prop::sample::select(WHOLE_BYTES),
        to in prop::sample::select(WHOLE_BYTES),
        clip in prop::option::of((-300i64..0, 0i64..300)),
        seed in prop::collection::vec(any::<i32>(), 1..40),
    ) {
        let (lo, hi) = from.range();
        let values: Vec<i32> = seed.iter().map(|&v| if v % 3 == 0 { v % 400 } else { v }.clamp(lo, hi)).collect();
        let n = values.len() as u64;
        let mut b = Builder::new(4096);
        b.values(0, from, &values);
        b.matrix(0, Matrix::dense(Space::Dram, from, 0, 1, n));
        b.matrix(1, Matrix::dense(Space::Spm, to, 0, 1, n));
        b.matrix(2, Matrix::dense(Space::Dram, ElementFormat::I32, 2048, 1, n));
        let (mut lo, mut hi) = to.range();
        if let Some((low, high)) = clip {
            b.op(Op::Clip { d: Desc::at(1), lo: Imm(low), hi: Imm(high) });
            (lo, hi) = (lo.max(low as i32), hi.min(high as i32));
        }
        b.ld(1, 0, (1, n), tokens(&[], &[0]));
        b.st(2, 1, (1, n), tokens(&[0], &[]));
        let machine = finished(b.halt());
        let expected: Vec<i32> = values.iter().map(|&v| v.clamp(lo, hi)).collect();
        prop_assert_eq!(read_values(&machine, Space::Dram, ElementFormat::I32, 2048, values.len()), expected);
    }

    #[test]
    fn packed_formats_survive_a_round_trip_at_any_offset(
        format in prop::sample::select(ElementFormat::ALL),
        bytes in prop::collection::vec(any::<u8>(), 64),
        (m, n, skip) in (1u64..5, 1u64..9, 0i64..8),
    ) {
        // Rows start within a byte: the row stride is not a multiple of the elements per byte.
        let stride = n as i64 + skip;
        let mut b = Builder::new(4096);
        b.data(0, bytes.clone());
        b.matrix(0, Matrix { row_stride: stride, ..Matrix::dense(Space::Dram, format, 0, m, n) });
        b.matrix(1, Matrix::dense(Space::Spm, format, 100, m, n));
        b.matrix(2, Matrix { row_stride: stride, ..Matrix::dense(Space::Dram, format, 1024, m, n) });
        b.ld(1, 0, (m, n), tokens(&[], &[0]));
        b.st(2, 1, (m, n), tokens(&[0], &[]));
        let machine = finished(b.halt());
        let bit = |base: u64, bit: u64| {
            let mut byte = [0];
            machine.memory(Space::Dram).read(base + bit / 8, &mut byte);
            byte[0] >> (bit % 8) & 1
        };
        let bits = u64::from(format.bits());
        for row in 0..m {
            for i in 0..n * bits {
                let at = row * stride as u64 * bits + i;
                prop_assert_eq!(bit(0, at), bit(1024, at));
            }
            // What lies between the rows is left alone.
            for i in n * bits..stride as u64 * bits {
                prop_assert_eq!(bit(1024, row * stride as u64 * bits + i), 0);
            }
        }
    }
}

const WHOLE_BYTES: &[ElementFormat] = &[
    ElementFormat::I8,
    ElementFormat::U8,
    ElementFormat::I16,
    ElementFormat::U16,
    ElementFormat::I32,
];

#[test]
fn move_and_register_displacement_add_bytes() {
    let mut b = Builder::new(64);
    b.data(0, (0..64).collect());
    b.matrix(0, Matrix::dense(Space::Dram, ElementFormat::U8, 0, 1, 4));
    b.matrix(1, Matrix::dense(Space::Spm, ElementFormat::U8, 0, 1, 4));
    li(&mut b, 1, 8);
    for _ in 0..2 {
        // The displacement holds for one instruction, the move for all that follow.
        let src = systole_isa::operand::DescRef {
            desc: Desc::at(0),
            offset: r(1),
        };
        b.op(Op::Ld {
            dst: whole(1),
            src,
            m: count(1),
            n: count(4),
        });
        b.op(Op::Move {
            d: Desc::at(0),
            bytes: Scalar::Imm(16),
        });
        b.op(Op::Move {
            d: Desc::at(1),
            bytes: Scalar::Imm(4),
        });
    }
    b.op(Op::Move {
        d: Desc::at(0),
        bytes: Scalar::Imm(-31),
    });
    b.ld(1, 0, (1, 4), NONE);
    let machine = finished(b.halt());
    let expected = [8, 9, 10, 11, 24, 25, 26, 27, 1, 2, 3, 4];
    assert_eq!(read_values(&machine, Space::Spm, ElementFormat::U8, 0, 12), expected);
}

#[test]
fn the_split_decides_what_is_a_row() {
    // Levels (2, 12), (3, 4), (4, 1) as 2 x 12, 6 x 4 and 24 x 1; every second column of the first 2 rows is kept.
    for (split, m, n) in [(3, 2, 12), (4, 6, 4), (5, 24, 1)] {
        let mut b = Builder::new(64);
        b.data(0, (0..24).collect());
        b.view(
            0,
            (Space::Dram, ElementFormat::U8),
            (0, 0),
            split,
            &[(2, 12), (3, 4), (4, 1)],
        );
        b.matrix(
            1,
            Matrix {
                row_stride: 32,
                ..Matrix::dense(Space::Spm, ElementFormat::U8, 0, m, n)
            },
        );
        b.ld(1, 0, (m, n), NONE);
        let machine = finished(b.halt());
        for row in 0..m {
            let expected: Vec<i32> = (0..n).map(|column| (row * n + column) as i32).collect();
            assert_eq!(
                read_values(&machine, Space::Spm, ElementFormat::U8, 32 * row, n as usize),
                expected,
                "{split}"
            );
        }
    }
}

#[test]
fn a_negative_stride_transposes_and_mirrors() {
    let mut b = Builder::new(64);
    b.data(0, (0..12).collect());
    // Column-major and from the last column on: element (i, j) of the view is element (j, 3 - i) of a 3 x 4 matrix.
    b.view(0, (Space::Dram, ElementFormat::U8), (3, 0), 4, &[(4, -1), (3, 4)]);
    b.matrix(1, Matrix::dense(Space::Spm, ElementFormat::U8, 0, 4, 3));
    b.ld(1, 0, (4, 3), NONE);
    let expected = [3, 7, 11, 2, 6, 10, 1, 5, 9, 0, 4, 8];
    assert_eq!(
        read_values(&finished(b.halt()), Space::Spm, ElementFormat::U8, 0, 12),
        expected
    );
}
