//! One vector instruction on prepared memories, and exact arithmetic to compare its results with.

use systole_isa::operand::{Axis, Desc, Imm, Space};
use systole_isa::{ElementFormat, Op, Tokens, Unit};
use systole_simulator::{Activity, BusyKind, Machine, Status};
use systole_testkit::build::{Builder, Matrix, load, tiny};

/// The lowest bits of a value as they lie in memory, elements packed from the lowest bit of the first byte on.
pub(crate) fn pack(format: ElementFormat, values: &[i32]) -> Vec<u8> {
    let n_bits = format.bits() as usize;
    let mut bytes = vec![0u8; (values.len() * n_bits).div_ceil(8)];
    for (i, &value) in values.iter().enumerate() {
        let pattern = if format == ElementFormat::B1 {
            i32::from(value > 0)
        } else {
            value
        };
        for bit in 0..n_bits {
            let at = i * n_bits + bit;
            bytes[at / 8] |= ((pattern >> bit & 1) as u8) << (at % 8);
        }
    }
    bytes
}

/// Reads packed elements back.
pub(crate) fn unpack(machine: &Machine, space: Space, format: ElementFormat, address: u64, n: usize) -> Vec<i32> {
    let n_bits = format.bits() as usize;
    let mut bytes = vec![0; (n * n_bits).div_ceil(8)];
    machine.memory(space).read(address, &mut bytes);
    let signed = format.range().0 < 0;
    let element = |i: usize| {
        let at = |bit: usize| i64::from(bytes[(i * n_bits + bit) / 8] >> ((i * n_bits + bit) % 8) & 1);
        let pattern: i64 = (0..n_bits).map(|bit| at(bit) << bit).sum();
        match n_bits {
            1 => 2 * pattern as i32 - 1,
            _ if signed && at(n_bits - 1) == 1 => (pattern - (1 << n_bits)) as i32,
            _ => pattern as i32,
        }
    };
    (0..n).map(element).collect()
}

/// A program under construction with the memory that it finds.
pub(crate) struct Bench {
    pub(crate) b: Builder,
    fills: Vec<(Space, u64, Vec<u8>)>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            b: Builder::new(1 << 14),
            fills: Vec::new(),
        }
    }

    /// Puts packed values into a memory.
    pub(crate) fn fill(&mut self, space: Space, format: ElementFormat, address: u64, values: &[i32]) {
        self.fills.push((space, address, pack(format, values)));
    }

    /// Shows a dense matrix through a descriptor and puts values there.
    pub(crate) fn matrix(&mut self, d: u8, matrix: Matrix, values: &[i32]) {
        self.b.matrix(d, matrix);
        self.fill(matrix.space, matrix.format, matrix.base as u64, values);
    }

    /// Parameters: an i32 matrix in the scratchpad.
    pub(crate) fn table(&mut self, d: u8, base: i64, (m, n): (usize, usize), words: &[i32]) {
        assert_eq!(m * n, words.len());
        let matrix = Matrix::dense(Space::Spm, ElementFormat::I32, base, m as u64, n as u64);
        self.matrix(d, matrix, words);
    }

    /// Limits of a descriptor.
    pub(crate) fn clip(&mut self, d: u8, (lo, hi): (i32, i32)) {
        self.b.op(Op::Clip {
            d: Desc::at(d),
            lo: Imm(lo.into()),
            hi: Imm(hi.into()),
        });
    }

    /// The view of a pooling or a depthwise convolution over an image (height, width, channels; window side, stride, padding).
    pub(crate) fn windows(&mut self, d: u8, image: Image, (base, zero_point): (i64, i32)) {
        let [w, c, stride, pad] = [image.w, image.c, image.stride, image.pad].map(|v| v as i64);
        let row = w * c;
        let levels = [
            (image.oh(), stride * row),
            (image.ow(), stride * c),
            (image.side, row),
            (image.side, c),
            (image.c, 1),
        ];
        let levels = levels.map(|(n, step)| (n as u64, step));
        let place = (base - pad * (row + c), zero_point);
        self.b.view(d, (Space::Spm, ElementFormat::I8), place, 2, &levels);
        for (axis, outer, extent) in [(Axis::Y, 0, image.h), (Axis::X, 1, image.w)] {
            self.b.op(Op::Window {
                d: Desc::at(d),
                axis,
                outer: Imm(outer),
                outer_step: Imm(stride),
                inner: Imm(outer + 2),
                inner_step: Imm(1),
                origin: (-pad).into(),
                extent: (extent as i64).into(),
            });
        }
    }

    /// Runs one instruction to the end of the program.
    pub(crate) fn run(mut self, op: Op) -> Machine {
        self.b.with(op, Tokens::NONE);
        let mut machine = load(self.b.halt(), &tiny());
        for (space, address, bytes) in self.fills {
            machine.memory_mut(space).write(address, &bytes);
        }
        machine.advance_to(1_000_000, &mut ());
        assert_eq!(*machine.status(), Status::Halted);
        machine
    }
}

/// Cycles in which the vector unit worked.
pub(crate) fn vector_cycles(machine: &Machine) -> u64 {
    machine.unit_cycles(Unit::Vx).of(Activity::Busy(BusyKind::Vector))
}

/// An image and the windows that slide over it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image {
    pub(crate) h: usize,
    pub(crate) w: usize,
    pub(crate) c: usize,
    pub(crate) side: usize,
    pub(crate) stride: usize,
    pub(crate) pad: usize,
    /// Positions of the window along each axis, where padding below and to the right is not that above and to the left.
    pub(crate) out: Option<usize>,
}

impl Image {
    pub(crate) fn oh(&self) -> usize {
        self.out
            .unwrap_or((self.h + 2 * self.pad - self.side) / self.stride + 1)
    }

    pub(crate) fn ow(&self) -> usize {
        self.out
            .unwrap_or((self.w + 2 * self.pad - self.side) / self.stride + 1)
    }

    pub(crate) fn n_pixels_out(&self) -> usize {
        self.oh() * self.ow()
    }

    /// What one channel's window at an output pixel sees, tap by tap; `None` in the padding.
    pub(crate) fn taps(&self, values: &[i32], (oy, ox): (usize, usize), channel: usize) -> Vec<Option<i32>> {
        let mut taps = Vec::new();
        for ky in 0..self.side {
            for kx in 0..self.side {
                let (y, x) = (oy * self.stride + ky, ox * self.stride + kx);
                let is_inside = y >= self.pad && x >= self.pad && y - self.pad < self.h && x - self.pad < self.w;
                taps.push(is_inside.then(|| values[((y - self.pad) * self.w + x - self.pad) * self.c + channel]));
            }
        }
        taps
    }

    /// A result per output pixel and channel, channels fastest.
    pub(crate) fn map<T>(&self, result: impl Fn((usize, usize), usize) -> T) -> Vec<T> {
        let mut all = Vec::new();
        for oy in 0..self.oh() {
            for ox in 0..self.ow() {
                all.extend((0..self.c).map(|channel| result((oy, ox), channel)));
            }
        }
        all
    }
}

/// How an integer is made of a quotient.
pub(crate) type Round = fn(i128, i128) -> i128;

/// To nearest, ties away from zero. The divisor is positive.
pub(crate) fn half_away(numerator: i128, divisor: i128) -> i128 {
    let (floor, twice) = (numerator.div_euclid(divisor), 2 * numerator.rem_euclid(divisor));
    floor + i128::from(twice > divisor || twice == divisor && numerator >= 0)
}

/// To nearest, ties upwards.
pub(crate) fn half_up(numerator: i128, divisor: i128) -> i128 {
    (2 * numerator + divisor).div_euclid(2 * divisor)
}

/// Downwards: wrong on purpose.
pub(crate) fn floor(numerator: i128, divisor: i128) -> i128 {
    numerator.div_euclid(divisor)
}

/// A fixed-point multiplier and a right shift, with the quotient by the power of two rounded by `round`. Values stay small enough for
/// 32 bits.
pub(crate) fn scaled(value: i128, [multiplier, shift]: [i32; 2], round: Round) -> i128 {
    let shifted = value << (-shift).max(0);
    let high = half_up(shifted * i128::from(multiplier), 1 << 31);
    round(high, 1 << shift.max(0))
}

/// Rounds a binary64 number, which holds the exact result of one operation on binary32 numbers, to binary32.
pub(crate) fn single(x: f64) -> f64 {
    f64::from(x as f32)
}

/// How an integer is made of a real number.
pub(crate) type RoundReal = fn(f64) -> i128;

/// To nearest, ties to even.
pub(crate) fn nearest_even(x: f64) -> i128 {
    let floor = x.floor();
    let up = match x - floor {
        0.5 => (floor as i128).rem_euclid(2) == 1,
        rest => rest > 0.5,
    };
    floor as i128 + i128::from(up)
}

/// To nearest, ties upwards: wrong on purpose.
pub(crate) fn nearest_up(x: f64) -> i128 {
    (x + 0.5).floor() as i128
}

/// Adds the zero point and clips.
pub(crate) fn placed(value: i128, zero_point: i32, (lo, hi): (i32, i32)) -> i32 {
    (value + i128::from(zero_point)).clamp(lo.into(), hi.into()) as i32
}

/// Limits of i8.
pub(crate) const INT8: (i32, i32) = (-128, 127);
