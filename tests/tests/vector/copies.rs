//! Copies by `ld`, `st` and `vx.move` between all pairs of formats: strides, transposition, filling, clipping, packing.

use super::bench::*;
use proptest::prelude::*;
use systole_isa::operand::{Axis, Space};
use systole_isa::{ElementFormat, Op};
use systole_testkit::build::{Matrix, count, whole};

/// Which instruction copies, with the memories that it connects.
#[derive(Clone, Copy, Debug)]
enum Way {
    Load(Space),
    Store(Space),
    Move(Space, Space),
}

const WAYS: [Way; 7] = [
    Way::Load(Space::Spm),
    Way::Load(Space::Acc),
    Way::Store(Space::Spm),
    Way::Store(Space::Acc),
    Way::Move(Space::Spm, Space::Spm),
    Way::Move(Space::Spm, Space::Acc),
    Way::Move(Space::Acc, Space::Spm),
];

impl Way {
    fn spaces(self) -> (Space, Space) {
        match self {
            Way::Load(to) => (Space::Dram, to),
            Way::Store(from) => (from, Space::Dram),
            Way::Move(from, to) => (from, to),
        }
    }

    fn op(self, m: u64, n: u64) -> Op {
        let (dst, src, m, n) = (whole(1), whole(0), count(m), count(n));
        match self {
            Way::Load(_) => Op::Ld { dst, src, m, n },
            Way::Store(_) => Op::St { dst, src, m, n },
            Way::Move(..) => Op::VxMove { dst, src, m, n },
        }
    }
}

/// A copy of an `m` x `n` matrix: from a transposed or a strided place, partly outside a window, into a strided place.
#[derive(Clone, Debug)]
struct Copy {
    way: Way,
    from: ElementFormat,
    to: ElementFormat,
    m: usize,
    n: usize,
    transposed: bool,
    gaps: [usize; 2],
    fill: i32,
    /// Rows and columns before the source's own.
    pad: usize,
    limits: Option<(i32, i32)>,
    values: Vec<i32>,
    old: Vec<i32>,
}

fn value(format: ElementFormat, seed: i32) -> i32 {
    let (lo, hi) = format.range();
    match format {
        ElementFormat::B1 => 2 * (seed & 1) - 1,
        _ if seed % 3 == 0 => (seed % 20).clamp(lo, hi),
        _ => (i64::from(lo) + i64::from(seed as u32) % (i64::from(hi) - i64::from(lo) + 1)) as i32,
    }
}

fn copy() -> impl Strategy<Value = Copy> {
    let formats = || prop::sample::select(ElementFormat::ALL);
    let shape = (1usize..7, 1usize..9, any::<bool>(), [0usize..4, 0..4], 0usize..3);
    let limits = prop::option::of((-9i32..=0, 0i32..9));
    let seeds = || prop::collection::vec(any::<i32>(), 128);
    (
        prop::sample::select(WAYS.to_vec()),
        formats(),
        formats(),
        shape,
        -300i32..300,
        limits,
        seeds(),
        seeds(),
    )
        .prop_map(
            |(way, from, to, (m, n, transposed, gaps, pad), fill, limits, values, old)| Copy {
                way,
                from,
                to,
                m,
                n,
                transposed,
                gaps,
                fill,
                pad,
                limits,
                values: values.into_iter().map(|seed| value(from, seed)).collect(),
                old: old.into_iter().map(|seed| value(to, seed)).collect(),
            },
        )
}

impl Copy {
    /// Elements from row to row and from column to column of the source.
    fn steps(&self) -> (usize, usize) {
        match self.transposed {
            false => (self.n + self.gaps[0], 1),
            true => (1, self.m + self.gaps[0]),
        }
    }

    /// What stands at the destination afterwards.
    fn expected(&self) -> Vec<i32> {
        let (row_step, column_step) = self.steps();
        let (lo, hi) = self.to.range();
        let limits = self.limits.map_or((lo, hi), |(low, high)| (low.max(lo), high.min(hi)));
        let stride = self.n + self.gaps[1];
        let mut all = self.old.clone();
        for i in 0..self.m {
            for j in 0..self.n {
                let inside = i.checked_sub(self.pad).zip(j.checked_sub(self.pad));
                let value = inside.map_or(self.fill, |(i, j)| self.values[i * row_step + j * column_step]);
                let clipped = value.clamp(limits.0, limits.1);
                // One bit stores the sign.
                let stored = if self.to == ElementFormat::B1 {
                    if clipped >= 0 { 1 } else { -1 }
                } else {
                    clipped
                };
                all[i * stride + j] = stored;
            }
        }
        all
    }

    /// What the machine leaves there.
    fn found(&self) -> Vec<i32> {
        let (m, n) = (self.m as u64, self.n as u64);
        let (from, to) = self.way.spaces();
        let (row_step, column_step) = self.steps();
        let (row_step, column_step) = (row_step as i64, column_step as i64);
        let mut bench = Bench::new();
        let before = self.pad as i64 * (row_step + column_step) * i64::from(self.from.bits());
        bench.fill(from, self.from, 1024, &self.values);
        assert_eq!(before % 8, 0, "a base address is whole bytes");
        let place = (1024 - before / 8, self.fill);
        bench
            .b
            .view(0, (from, self.from), place, 4, &[(m, row_step), (n, column_step)]);
        // Level 0 counts once and adds nothing to the coordinate.
        bench.b.window(0, Axis::Y, (3, 0), -(self.pad as i64), 1 << 20);
        bench.b.window(0, Axis::X, (4, 0), -(self.pad as i64), 1 << 20);
        let stride = self.n as i64 + self.gaps[1] as i64;
        let y = Matrix {
            row_stride: stride,
            ..Matrix::dense(to, self.to, 2048, m, n)
        };
        bench.matrix(1, y, &self.old);
        if let Some((lo, hi)) = self.limits {
            bench.clip(1, (lo, hi));
        }
        unpack(&bench.run(self.way.op(m, n)), to, self.to, 2048, self.old.len())
    }

    fn is_bytewise(&self) -> bool {
        let (row_step, column_step) = self.steps();
        (self.pad * (row_step + column_step) * self.from.bits() as usize).is_multiple_of(8)
    }
}

proptest! {
    #[test]
    fn every_way_between_all_formats(copy in copy().prop_filter("padding is whole bytes", Copy::is_bytewise)) {
        prop_assert_eq!(copy.found(), copy.expected());
    }
}

fn plain(way: Way, from: ElementFormat, to: ElementFormat, values: &[i32]) -> Copy {
    Copy {
        way,
        from,
        to,
        m: 2,
        n: values.len() / 2,
        transposed: false,
        gaps: [0, 0],
        fill: 0,
        pad: 0,
        limits: None,
        values: values.to_vec(),
        old: vec![value(to, 0); values.len()],
    }
}

#[test]
fn nibbles_are_unpacked_on_load_and_clipped_on_the_way_back() {
    let values = [-8, 7, 0, -1, 3, -4];
    let unpacked = plain(Way::Load(Space::Spm), ElementFormat::I4, ElementFormat::I8, &values);
    assert_eq!(unpacked.found(), values);
    let clipped = plain(
        Way::Store(Space::Spm),
        ElementFormat::I8,
        ElementFormat::I4,
        &[-128, 127, 0, -9, 8, 7],
    );
    assert_eq!(clipped.found(), [-8, 7, 0, -8, 7, 7]);
}

#[test]
fn a_tensor_is_transposed_on_load_in_every_format() {
    for &format in ElementFormat::ALL {
        for way in WAYS {
            let values: Vec<i32> = (0..12).map(|i| value(format, 7 * i + 1)).collect();
            let straight = Copy {
                m: 3,
                n: 4,
                ..plain(way, format, format, &values)
            };
            let transposed = Copy {
                transposed: true,
                ..straight.clone()
            };
            assert_eq!(straight.found(), values, "{format} {way:?}");
            let expected: Vec<i32> = (0..3)
                .flat_map(|i| (0..4).map(move |j| 3 * j + i))
                .map(|k| values[k])
                .collect();
            assert_eq!(transposed.found(), expected, "{format} {way:?}");
        }
    }
}

#[test]
fn a_reference_with_another_rule_is_caught() {
    let values: Vec<i32> = (0..12).collect();
    let copy = Copy {
        m: 3,
        n: 4,
        ..plain(Way::Load(Space::Spm), ElementFormat::I8, ElementFormat::U4, &values)
    };
    assert_eq!(copy.found(), copy.expected());
    assert_ne!(
        copy.found(),
        Copy {
            transposed: true,
            ..copy.clone()
        }
        .expected()
    );
    assert_ne!(copy.found(), Copy { pad: 1, ..copy.clone() }.expected());
    assert_ne!(
        copy.found(),
        Copy {
            limits: Some((0, 5)),
            ..copy.clone()
        }
        .expected()
    );
}
