//! What the integers of a tensor mean as real numbers.

/// `real = scale * (integer - zero_point)`, for a whole tensor or per index along one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantization {
    scales: Vec<f32>,
    zero_points: Vec<i32>,
    axis: Option<usize>,
}

impl Quantization {
    /// One scale and zero point for the whole tensor.
    pub fn per_tensor(scale: f32, zero_point: i32) -> Self {
        Self {
            scales: vec![scale],
            zero_points: vec![zero_point],
            axis: None,
        }
    }

    /// One scale and zero point per index along `axis`. `None` if the two lists differ in length.
    pub fn per_axis(scales: Vec<f32>, zero_points: Vec<i32>, axis: usize) -> Option<Self> {
        (scales.len() == zero_points.len()).then_some(Self {
            scales,
            zero_points,
            axis: Some(axis),
        })
    }

    /// The scales: one, or one per index along the axis.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// The zero points, as many as scales.
    pub fn zero_points(&self) -> &[i32] {
        &self.zero_points
    }

    /// The axis along which the parameters differ.
    pub const fn axis(&self) -> Option<usize> {
        self.axis
    }

    /// Scale and zero point, if one pair holds for the whole tensor.
    pub fn single(&self) -> Option<(f32, i32)> {
        match (self.axis, self.scales.as_slice(), self.zero_points.as_slice()) {
            (None, &[scale], &[zero_point]) => Some((scale, zero_point)),
            _ => None,
        }
    }

    /// Scales for `n` columns, repeated if there is only one for the tensor. `None` if the numbers do not fit.
    pub fn scales_for(&self, n: usize) -> Option<Vec<f32>> {
        spread(&self.scales, n, self.axis)
    }

    /// Zero points for `n` columns, repeated if there is only one for the tensor. `None` if the numbers do not fit.
    pub fn zero_points_for(&self, n: usize) -> Option<Vec<i32>> {
        spread(&self.zero_points, n, self.axis)
    }

    /// The same parameters along another axis, after a transposition.
    pub fn along(mut self, axis: usize) -> Self {
        self.axis = self.axis.map(|_| axis);
        self
    }
}

fn spread<T: Copy>(values: &[T], n: usize, axis: Option<usize>) -> Option<Vec<T>> {
    match (axis, values) {
        (None, &[value]) => Some(vec![value; n]),
        (_, values) if values.len() == n => Some(values.to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_scale_serves_all_columns_and_several_must_match() {
        let single = Quantization::per_tensor(0.5, 3);
        assert_eq!(single.scales_for(3), Some(vec![0.5; 3]));
        assert_eq!(single.single(), Some((0.5, 3)));
        let pair = Quantization::per_axis(vec![0.5, 0.25], vec![0, 1], 0).unwrap();
        assert_eq!(pair.zero_points_for(2), Some(vec![0, 1]));
        assert_eq!(pair.scales_for(3), None);
        assert_eq!(pair.single(), None);
        assert_eq!(Quantization::per_axis(vec![0.5], vec![], 0), None);
    }
}
