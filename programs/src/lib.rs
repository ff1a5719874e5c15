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

impl Example {
    /// The pixels of the input image at an index, or `None` if there is no such image.
    pub fn image(&self, image_idx: usize) -> Option<Vec<f32>> {
        let values = npy_values(self.inputs)?;
        let n_images = npy_values(self.expected)?.len() / N_CLASSES;
        let n_pixels = values.len() / n_images.max(1);
        Some(values.chunks_exact(n_pixels.max(1)).nth(image_idx)?.to_vec())
    }
}

/// Classes of the digits network.
const N_CLASSES: usize = 10;

/// The values of a NumPy array of little-endian binary32 numbers: behind ten bytes of preamble, two of which are the header's
/// length, and the header.
fn npy_values(file: &[u8]) -> Option<Vec<f32>> {
    let length = file.get(8..10)?;
    let start = 10 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    let values = file.get(start..)?.as_chunks::<4>().0;
    Some(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// A text that is shipped: an assembly program or a lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// The file's name without its ending.
    pub name: &'static str,
    /// The text.
    pub text: &'static str,
}

/// The texts of a folder, named once.
macro_rules! texts {
    ($folder:literal, $ending:literal, $($name:literal)*) => {
        &[$(Text { name: $name, text: include_str!(concat!("../", $folder, "/", $name, $ending)) }),*]
    };
}

/// The programs written by hand, by name. Lines that begin with `;!` say on which machine each runs.
pub const ASSEMBLY: &[Text] = texts!(
    "asm", ".sasm",
    "argmax_and_mask"
    "average_pool"
    "convolution"
    "deadlock"
    "depthwise_convolution"
    "double_buffered"
    "hard_swish"
    "int4_product"
    "layer_norm"
    "matmul"
    "matmul_input_stationary"
    "matmul_output_stationary"
    "max_pool"
    "one_bit_product"
    "race"
    "requantize_relu"
    "single_buffered"
    "skipped_product"
    "softmax"
    "sparse_two_of_four"
);

/// The lessons, in the order in which they are meant to be taken.
pub const LESSONS: &[Text] = texts!(
    "lessons", ".md",
    "1_first_steps"
    "2_fill_and_drain"
    "3_what_stays"
    "4_memory_or_compute"
    "5_zeros"
    "6_a_layer"
);

impl Text {
    /// The first sentence of a program's opening comment, without its end: what the program is.
    pub fn summary(&self) -> &'static str {
        let comment = self.text.lines().next().unwrap_or("").trim_start_matches([';', ' ']);
        comment
            .split(". ")
            .next()
            .unwrap_or(comment)
            .trim_end_matches(['.', ':'])
    }

    /// The machine that a program names for itself in a line `;! machine NAME`.
    pub fn machine(&self) -> Option<&'static str> {
        self.text
            .lines()
            .find_map(|line| line.strip_prefix(";! machine "))
            .map(str::trim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Names of the files in a folder that end in `ending`.
    fn files(folder: &str, ending: &str) -> BTreeSet<String> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files = std::fs::read_dir(folder).expect("the folder is there");
        let names = files.map(|file| {
            file.expect("a readable entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        });
        names
            .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
            .collect()
    }

    #[test]
    fn every_program_and_lesson_is_embedded() {
        let names = |texts: &[Text]| texts.iter().map(|text| text.name.to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(files("asm", ".sasm"), names(ASSEMBLY));
        assert_eq!(files("lessons", ".md"), names(LESSONS));
    }

    #[test]
    fn every_program_says_what_it_is_and_where_it_runs() {
        for program in ASSEMBLY {
            let summary = program.summary();
            assert!((10..=130).contains(&summary.len()), "{}: `{summary}`", program.name);
            assert!(program.machine().is_some(), "{} names no machine", program.name);
        }
    }

    #[test]
    fn images_have_the_shape_of_the_network_s_input() {
        let image = DIGITS.image(7).expect("there are eight images");
        assert_eq!(image.len(), 28 * 28);
        assert!(image.iter().all(|pixel| (0.0..=1.0).contains(pixel)) && image.iter().any(|pixel| *pixel > 0.9));
        assert_eq!(DIGITS.image(8), None);
    }
}
