//! Average pooling and depthwise convolution over padded, strided windows.

use super::bench::*;
use proptest::prelude::*;
use systole_isa::operand::{Accumulate, Divide, Rounding, Space};
use systole_isa::{ElementFormat, Op};
use systole_testkit::build::{Matrix, count, whole};

fn image() -> impl Strategy<Value = (Image, Vec<i32>)> {
    (2usize..6, 2usize..6, 1usize..4, 1usize..4, 1usize..3, 0usize..3)
        .prop_filter("a window has a place", |&(h, w, _, side, _, pad)| {
            side <= h.min(w) && pad < side
        })
        .prop_flat_map(|(h, w, c, side, stride, pad)| {
            let image = Image {
                h,
                w,
                c,
                side,
                stride,
                pad,
                out: None,
            };
            (Just(image), prop::collection::vec(-128i32..128, h * w * c))
        })
}

/// Averages an image; d0 = windows, d1 = scale, d2 = result.
pub(super) fn average(
    image: Image,
    values: &[i32],
    zero_points: [i32; 2],
    par: [i32; 2],
    divide: Divide,
    rounding: Rounding,
) -> Vec<i32> {
    let mut bench = Bench::new();
    bench.fill(Space::Spm, ElementFormat::I8, 0, values);
    bench.windows(0, image, (0, zero_points[0]));
    bench.table(1, 1024, (1, 2), &par);
    let (m, n) = (image.n_pixels_out() as u64, image.c as u64);
    let zero_point = zero_points[1];
    bench.b.matrix(
        2,
        Matrix {
            zero_point,
            ..Matrix::dense(Space::Spm, ElementFormat::I8, 2048, m, n)
        },
    );
    let machine = bench.run(Op::VxAvgPool {
        dst: whole(2),
        src: whole(0),
        par: whole(1),
        m: count(m),
        n: count(n),
        divide,
        rounding,
    });
    unpack(&machine, Space::Spm, ElementFormat::I8, 2048, (m * n) as usize)
}

/// Sum over the taps inside and the number that it is divided by.
fn sum_and_count(taps: &[Option<i32>], zero_point: i32, divide: Divide) -> (i32, usize) {
    let inside: Vec<i32> = taps.iter().flatten().map(|v| v - zero_point).collect();
    let n = match divide {
        Divide::Valid => inside.len(),
        Divide::All => taps.len(),
        Divide::None => 1,
    };
    (inside.iter().sum(), n)
}

fn fixed_reference(
    (image, values): (Image, &[i32]),
    [zx, zy]: [i32; 2],
    par: [i32; 2],
    divide: Divide,
    round: Round,
) -> Vec<i32> {
    image.map(|place, channel| {
        let (sum, n) = sum_and_count(&image.taps(values, place, channel), zx, divide);
        placed(scaled(round(sum.into(), n as i128), par, half_away), zy, INT8)
    })
}

fn float_reference(
    (image, values): (Image, &[i32]),
    [zx, zy]: [i32; 2],
    scale: f32,
    divide: Divide,
    round: RoundReal,
) -> Vec<i32> {
    image.map(|place, channel| {
        let (sum, n) = sum_and_count(&image.taps(values, place, channel), zx, divide);
        placed(
            round(single(single(f64::from(sum) * f64::from(scale)) / n as f64)),
            zy,
            INT8,
        )
    })
}

/// Convolves an image, `old` in the accumulators; d0 = windows, d1 = weights, d2 = sums.
pub(super) fn convolve(
    (image, values): (Image, &[i32]),
    (weights, zero_points): (&[i32], [i32; 2]),
    old: &[i32],
    mode: Accumulate,
) -> Vec<i32> {
    let mut bench = Bench::new();
    bench.fill(Space::Spm, ElementFormat::I8, 0, values);
    bench.windows(0, image, (0, zero_points[0]));
    let (m, n) = (image.n_pixels_out() as u64, image.c as u64);
    let n_taps = (image.side * image.side) as u64;
    let zero_point = zero_points[1];
    let w = Matrix {
        zero_point,
        ..Matrix::dense(Space::Spm, ElementFormat::I8, 1024, n_taps, n)
    };
    bench.matrix(1, w, weights);
    bench.matrix(2, Matrix::dense(Space::Acc, ElementFormat::I32, 0, m, n), old);
    let machine = bench.run(Op::VxDwConv {
        dst: whole(2),
        src: whole(0),
        w: whole(1),
        m: count(m),
        n: count(n),
        mode,
    });
    unpack(&machine, Space::Acc, ElementFormat::I32, 0, (m * n) as usize)
}

/// `padding` is what an element in the padding contributes before the zero point is taken off; `None` for nothing.
fn convolution_reference(
    (image, values): (Image, &[i32]),
    (weights, [zx, zw]): (&[i32], [i32; 2]),
    padding: Option<i32>,
) -> Vec<i32> {
    image.map(|place, channel| {
        let taps = image.taps(values, place, channel);
        let products = taps.iter().enumerate().map(|(tap, value)| match value.or(padding) {
            Some(value) => (value - zx) * (weights[tap * image.c + channel] - zw),
            None => 0,
        });
        products.sum()
    })
}

fn zero_points() -> impl Strategy<Value = [i32; 2]> {
    [-128i32..128, -128..128]
}

proptest! {
    #[test]
    fn fixed_average((image, values) in image(), zero_points in zero_points(), par in ((1i32 << 30)..=i32::MAX, -2i32..4), divide in prop::sample::select(Divide::ALL)) {
        let par = [par.0, par.1];
        let got = average(image, &values, zero_points, par, divide, Rounding::Fixed);
        prop_assert_eq!(got, fixed_reference((image, &values), zero_points, par, divide, half_away));
    }

    #[test]
    fn floating_average((image, values) in image(), zero_points in zero_points(), scale in 0.01f32..3.0, divide in prop::sample::select(Divide::ALL)) {
        let par = [scale.to_bits() as i32, 0];
        let got = average(image, &values, zero_points, par, divide, Rounding::Float);
        prop_assert_eq!(got, float_reference((image, &values), zero_points, scale, divide, nearest_even));
    }

    #[test]
    fn depthwise_convolution((image, values) in image(), weights in prop::collection::vec(-128i32..128, 27), zero_points in zero_points(), old in prop::collection::vec(-1_000_000i32..1_000_000, 300)) {
        let weights = &weights[..image.side * image.side * image.c];
        let old = &old[..image.n_pixels_out() * image.c];
        let expected = convolution_reference((image, &values), (weights, zero_points), None);
        prop_assert_eq!(&convolve((image, &values), (weights, zero_points), old, Accumulate::Over), &expected);
        let sums: Vec<i32> = expected.iter().zip(old).map(|(a, b)| a + b).collect();
        prop_assert_eq!(convolve((image, &values), (weights, zero_points), old, Accumulate::Add), sums);
    }
}

fn padded() -> (Image, Vec<i32>) {
    let image = Image {
        h: 3,
        w: 3,
        c: 2,
        side: 2,
        stride: 1,
        pad: 1,
        out: None,
    };
    (image, (0..18).map(|i| i * i % 23 - 12).collect())
}

#[test]
fn a_reference_with_another_rule_is_caught() {
    let (image, values) = padded();
    let one = [1 << 30, -1];
    let got = average(image, &values, [1, 2], one, Divide::Valid, Rounding::Fixed);
    let reference = |divide, round| fixed_reference((image, &values), [1, 2], one, divide, round);
    assert_eq!(got, reference(Divide::Valid, half_away));
    assert_ne!(got, reference(Divide::Valid, half_up), "ties go away from zero");
    assert_ne!(got, reference(Divide::All, half_away), "the padding does not count");
    let par = [1f32.to_bits() as i32, 0];
    let got = average(image, &values, [1, 2], par, Divide::All, Rounding::Float);
    let reference = |divide, round| float_reference((image, &values), [1, 2], 1.0, divide, round);
    assert_eq!(got, reference(Divide::All, nearest_even));
    assert_ne!(got, reference(Divide::All, nearest_up));
    assert_ne!(got, reference(Divide::Valid, nearest_even));
    let weights: Vec<i32> = (1..9).collect();
    let got = convolve((image, &values), (&weights, [1, 0]), &[0; 32], Accumulate::Over);
    assert_eq!(got, convolution_reference((image, &values), (&weights, [1, 0]), None));
    assert_ne!(
        got,
        convolution_reference((image, &values), (&weights, [1, 0]), Some(0)),
        "padding is no zero byte"
    );
}
