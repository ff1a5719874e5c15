//! The arithmetic of quantized numbers, with the same bits on every host.

/// Rounds to the nearest integer, ties to even, adds the zero point and clips. NaN counts as zero.
fn round_and_clip(value: f32, zero_point: i32, lo: i32, hi: i32) -> i32 {
    let integer = (value.round_ties_even() as i64).saturating_add(i64::from(zero_point));
    integer.max(i64::from(lo)).min(i64::from(hi)) as i32
}

/// `clamp(round_half_even(f32(acc) * scale) + zero_point, lo, hi)`, multiplied in binary32.
pub fn requantize_f32(acc: i32, scale: f32, zero_point: i32, lo: i32, hi: i32) -> i32 {
    round_and_clip(acc as f32 * scale, zero_point, lo, hi)
}

/// `clamp(round_half_even(value / scale) + zero_point, lo, hi)`, divided in binary32, as QuantizeLinear does.
pub fn quantize_f32(value: f32, scale: f32, zero_point: i32, lo: i32, hi: i32) -> i32 {
    round_and_clip(value / scale, zero_point, lo, hi)
}

/// `(integer - zero_point) * scale`, as DequantizeLinear does.
pub fn dequantize_f32(integer: i32, scale: f32, zero_point: i32) -> f32 {
    integer.saturating_sub(zero_point) as f32 * scale
}

/// `clamp(round_half_even((a * a_scale + b * b_scale) / y_scale) + zero_point, lo, hi)` in binary32 in this order; `a`
/// and `b` have lost their zero points.
pub fn add_f32(a: i32, b: i32, scales: [f32; 3], zero_point: i32, lo: i32, hi: i32) -> i32 {
    let [a_scale, b_scale, y_scale] = scales;
    round_and_clip((a as f32 * a_scale + b as f32 * b_scale) / y_scale, zero_point, lo, hi)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_even_neighbour() {
        let halves = [-5, -3, -1, 1, 3, 5].map(|v| requantize_f32(v, 0.5, 0, -128, 127));
        assert_eq!(halves, [-2, -2, 0, 0, 2, 2]);
        assert_eq!(quantize_f32(2.5, 1.0, 1, 0, 255), 3);
    }

    #[test]
    fn extremes_saturate() {
        assert_eq!(requantize_f32(i32::MAX, f32::MAX, i32::MAX, -128, 127), 127);
        assert_eq!(requantize_f32(i32::MIN, f32::MAX, i32::MIN, -128, 127), -128);
        assert_eq!(quantize_f32(f32::NEG_INFINITY, 1.0, 3, 0, 255), 0);
        assert_eq!(quantize_f32(f32::NAN, 1.0, 3, 0, 255), 3);
        assert_eq!(dequantize_f32(-128, 0.5, 127), -127.5);
    }
}
