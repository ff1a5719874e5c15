//! The project's own models and data, embedded so that the command works from any folder.

/// A model with inputs, labels and the outputs that its reference runtime gives, as NumPy arrays.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// Name of the model.
    pub name: &'static str,
    /// The model, ONNX.
    pub model: &'static [u8],
    /// Inputs, inferences along axis 0.
    pub inputs: &'static [u8],
    /// The class of each input.
    pub labels: &'static [u8],
    /// The reference runtime's outputs.
    pub expected: &'static [u8],
}

/// A trained convolutional network that reads 28 x 28 handwritten digits: three convolutions, two dense layers, int8 per channel.
pub const DIGITS: Example = Example {
    name: "digits",
    model: include_bytes!("../digits/digits_int8_qdq.onnx"),
    inputs: include_bytes!("../digits/images.npy"),
    labels: include_bytes!("../digits/labels.npy"),
    expected: include_bytes!("../digits/expected.npy"),
};
