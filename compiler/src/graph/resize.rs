//! Nearest-neighbour scaling: which element of the operand each element of the result shows.

/// How a coordinate of the result becomes one of the operand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum CoordinateTransform {
    /// `x / scale`.
    Asymmetric,
    /// `(x + 1/2) / scale - 1/2`.
    #[default]
    HalfPixel,
    /// The first and the last element of both fall on each other.
    AlignCorners,
}

/// How a coordinate between two elements is rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum NearestRounding {
    /// To the nearest, halves down.
    #[default]
    RoundPreferFloor,
    /// To the nearest, halves up.
    RoundPreferCeil,
    /// Down.
    Floor,
    /// Up.
    Ceil,
}

/// Both choices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResizeMode {
    /// Of coordinates.
    pub transform: CoordinateTransform,
    /// Of fractions.
    pub rounding: NearestRounding,
}

impl ResizeMode {
    /// The element of an axis of `length` that element `index` of the result shows; the result has `resized` elements along this axis and is
    /// `scale` times as long in the model's words.
    pub fn source(self, index: usize, length: usize, resized: usize, scale: f64) -> usize {
        let x = index as f64;
        let coordinate = match self.transform {
            CoordinateTransform::Asymmetric => x / scale,
            CoordinateTransform::HalfPixel => (x + 0.5) / scale - 0.5,
            CoordinateTransform::AlignCorners if resized < 2 => 0.0,
            CoordinateTransform::AlignCorners => x * (length.saturating_sub(1)) as f64 / (resized - 1) as f64,
        };
        let rounded = match self.rounding {
            NearestRounding::RoundPreferFloor => (coordinate - 0.5).ceil(),
            NearestRounding::RoundPreferCeil => (coordinate + 0.5).floor(),
            NearestRounding::Floor => coordinate.floor(),
            NearestRounding::Ceil => coordinate.ceil(),
        };
        (rounded.max(0.0) as usize).min(length.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_shows_every_element_twice() {
        let of = |transform, rounding| {
            let mode = ResizeMode { transform, rounding };
            (0..6).map(|i| mode.source(i, 3, 6, 2.0)).collect::<Vec<_>>()
        };
        assert_eq!(
            of(CoordinateTransform::Asymmetric, NearestRounding::Floor),
            [0, 0, 1, 1, 2, 2]
        );
        assert_eq!(
            of(CoordinateTransform::HalfPixel, NearestRounding::RoundPreferFloor),
            [0, 0, 1, 1, 2, 2]
        );
        assert_eq!(
            of(CoordinateTransform::Asymmetric, NearestRounding::Ceil),
            [0, 1, 1, 2, 2, 2]
        );
        assert_eq!(
            of(CoordinateTransform::AlignCorners, NearestRounding::RoundPreferCeil),
            [0, 0, 1, 1, 2, 2]
        );
    }
}
