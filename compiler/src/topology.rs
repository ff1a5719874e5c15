//! Reads the topology tables of SCALE-Sim: one layer per line, as a convolution or as a matrix product.
//!
//! Such a table has sizes and nothing else. Its layers become independent: each has an input and an output of its own. They compute on i8 with seeded
//! pseudorandom weights, so that time, traffic and energy are those of dense layers, and results are no one's. As in SCALE-Sim, images contain their
//! padding, and a last window that does not fit is left out.

use crate::error::{ImportError, ImportErrorKind, Subject};
use crate::gemm::splitmix64;
use crate::graph::{
    ClipRange, DType, Graph, Layout, Node, Op, Quantization, Tensor, TensorData, TensorId, WindowAttributes,
    element_count,
};

/// Columns of a convolution: image height and width, filter height and width, channels, filters, stride, and maybe a horizontal stride.
const CONV_COLUMNS: usize = 7;
/// Clips nothing of an i8.
const CLIP: ClipRange = ClipRange { lo: -128, hi: 127 };

/// Whether this text is a table of layers: its first line names columns, the layer's name first.
pub fn is_topology(text: &str) -> bool {
    let header = text.lines().find(|line| !line.trim().is_empty());
    let cells = header.map(cells).unwrap_or_default();
    cells.len() >= 4 && cells[0].to_ascii_lowercase().starts_with("layer")
}

/// Reads a table.
///
/// # Errors
/// Every line that is no layer.
pub fn import_topology(text: &str) -> Result<Graph, Vec<ImportError>> {
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let header = lines.next().map(|(_, line)| cells(line)).unwrap_or_default();
    let names: Vec<String> = header.iter().map(|cell| cell.to_ascii_lowercase()).collect();
    let product = ["m", "n", "k"].map(|name| names.iter().position(|cell| cell == name));
    let mut graph = Graph {
        channels_last: true,
        ..Graph::default()
    };
    let mut errors = Vec::new();
    for (number, line) in lines {
        let cells = cells(line);
        let layer = match product {
            [Some(m), Some(n), Some(k)] => read_product(&cells, [m, k, n]),
            _ => read_conv(&cells),
        };
        let added = layer.and_then(|layer| layer.add(&mut graph, cells[0], number));
        errors.extend(added.err().map(|(found, expected)| {
            let found = format!("{found} in line {number}");
            let help = "correct the table; its lines are a name and sizes, separated by commas";
            let subject = Subject::node(cells[0]);
            ImportError::new(ImportErrorKind::Shape, subject, found, expected, help)
        }));
    }
    if graph.nodes.is_empty() && errors.is_empty() {
        let help = "add lines behind the names of the columns";
        let found = "a table without layers";
        errors.push(ImportError::new(
            ImportErrorKind::Incomplete,
            Subject::Model,
            found,
            "one layer or more",
            help,
        ));
    }
    if errors.is_empty() { Ok(graph) } else { Err(errors) }
}

/// What was found, and what was expected.
type Refusal = (String, String);

/// The cells of a line, without the empty ones that a comma at the end leaves.
fn cells(line: &str) -> Vec<&str> {
    let mut cells: Vec<&str> = line.split(',').map(str::trim).collect();
    while cells.last().is_some_and(|cell| cell.is_empty()) {
        cells.pop();
    }
    cells
}

fn size(cell: &str) -> Result<usize, Refusal> {
    let size = cell.parse().ok().filter(|size| (1..=1 << 24).contains(size));
    size.ok_or_else(|| (format!("`{cell}`"), "sizes of 1..=16777216".into()))
}

enum Layer {
    Conv {
        image: [usize; 3],
        filter: [usize; 2],
        n_filters: usize,
        strides: [usize; 2],
    },
    Product {
        m: usize,
        k: usize,
        n: usize,
    },
}

fn read_product(cells: &[&str], columns: [usize; 3]) -> Result<Layer, Refusal> {
    let at = |column: usize| cells.get(column).copied().unwrap_or("");
    let [m, k, n] = columns.map(|column| size(at(column)));
    Ok(Layer::Product { m: m?, k: k?, n: n? })
}

fn read_conv(cells: &[&str]) -> Result<Layer, Refusal> {
    // A last cell of the form N:M says which share of the weights is kept.
    let (sizes, share) = match cells.split_last() {
        Some((last, rest)) if last.contains(':') => (rest, Some(*last)),
        _ => (cells, None),
    };
    if let Some((kept, of)) = share.and_then(|share| share.split_once(':'))
        && kept.trim() != of.trim()
    {
        return Err((format!("sparsity {kept}:{of}"), "dense layers".into()));
    }
    if !(CONV_COLUMNS + 1..=CONV_COLUMNS + 2).contains(&sizes.len()) {
        let expected = "a name, image height and width, filter height and width, channels, filters, stride, and maybe a second stride";
        return Err((format!("{} cells", sizes.len()), expected.into()));
    }
    let sizes: Vec<usize> = sizes[1..].iter().map(|cell| size(cell)).collect::<Result<_, _>>()?;
    let (image, filter) = ([sizes[0], sizes[1], sizes[4]], [sizes[2], sizes[3]]);
    if filter[0] > image[0] || filter[1] > image[1] {
        let found = format!(
            "a filter of {}x{} for an image of {}x{}",
            filter[0], filter[1], image[0], image[1]
        );
        return Err((found, "a filter that fits the image".into()));
    }
    if filter.iter().chain(&sizes[6..]).any(|&size| size > 1 << 16) {
        return Err((
            format!("filter {filter:?}, strides {:?}", &sizes[6..]),
            "at most 65536".into(),
        ));
    }
    Ok(Layer::Conv {
        image,
        filter,
        n_filters: sizes[5],
        strides: [sizes[6], *sizes.get(7).unwrap_or(&sizes[6])],
    })
}

impl Layer {
    fn add(&self, graph: &mut Graph, name: &str, line: u64) -> Result<(), Refusal> {
        let [x, w, y]: [Vec<usize>; 3] = match *self {
            Self::Product { m, k, n } => [vec![m, k], vec![k, n], vec![m, n]],
            Self::Conv {
                image: [h, w, ci],
                filter: [kh, kw],
                n_filters,
                strides: [sv, sh],
            } => [
                vec![1, h, w, ci],
                vec![kh * kw * ci, n_filters],
                vec![1, (h - kh) / sv + 1, (w - kw) / sh + 1, n_filters],
            ],
        };
        for shape in [&x, &w, &y] {
            if element_count(shape).is_none() {
                return Err((format!("a tensor of shape {shape:?}"), "at most 2^28 elements".into()));
            }
        }
        let (k, n) = (w[0], w[1]);
        let name = match graph.nodes.iter().any(|node| node.name == name) {
            true => format!("{name}#{line}"),
            false => name.to_owned(),
        };
        let x = activation(graph, format!("{name}.input"), x);
        let w = weights(graph, &name, [k, n], line);
        let bias = Tensor::constant(format!("{name}.bias"), vec![n], TensorData::I32(vec![0; n]));
        let bias = graph.add_tensor(bias);
        let y = activation(graph, format!("{name}.output"), y);
        graph.add_node(Node::new(name, self.op(), &[x, w, bias], y));
        graph.add_input(x);
        graph.add_output(y);
        Ok(())
    }

    fn op(&self) -> Op {
        match *self {
            Self::Product { .. } => Op::QDense { clip: CLIP },
            Self::Conv { filter, strides, .. } => Op::QConv {
                window: WindowAttributes {
                    kernel: Some(filter),
                    strides,
                    ..WindowAttributes::default()
                },
                group: 1,
                clip: CLIP,
            },
        }
    }
}

fn activation(graph: &mut Graph, name: String, shape: Vec<usize>) -> TensorId {
    let layout = if shape.len() == 4 {
        Layout::Nhwc
    } else {
        Layout::Logical
    };
    let tensor = Tensor::value(name, DType::I8, shape).with_quantization(Quantization::per_tensor(1.0, 0));
    graph.add_tensor(Tensor { layout, ..tensor })
}

/// Weights of the layer in a line, whose scale keeps the results of uniform activations within i8.
fn weights(graph: &mut Graph, name: &str, [k, n]: [usize; 2], line: u64) -> TensorId {
    let mut state = line;
    let values = (0..k * n).map(|_| splitmix64(&mut state) as i8).collect();
    // Uniform bytes deviate by 74 from their mean, so do the activations.
    let scale = 1.0 / (74.0 * (k as f32).sqrt());
    let tensor = Tensor::constant(format!("{name}.weights"), vec![k, n], TensorData::I8(values));
    graph.add_tensor(tensor.with_quantization(Quantization::per_tensor(scale, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONVS: &str = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n\
        Conv1, 9, 8, 3, 2, 3, 16, 2,\n\n\
        Conv2, 5, 5, 5, 5, 4, 8, 1, 3,\n\
        Conv2, 4, 4, 1, 1, 2, 2, 1, 1:1,\n";

    #[test]
    fn layers_have_the_sizes_of_their_lines() {
        assert!(is_topology(CONVS));
        let graph = import_topology(CONVS).unwrap();
        let shapes: Vec<_> = graph.outputs.iter().map(|io| io.shape.clone().unwrap()).collect();
        assert_eq!(shapes, [vec![1, 4, 4, 16], vec![1, 1, 1, 8], vec![1, 4, 4, 2]]);
        let names: Vec<_> = graph.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["Conv1", "Conv2", "Conv2#5"]);
        let product = import_topology("Layer, M, N, K,\nfc, 4, 10, 32,\n").unwrap();
        assert_eq!(product.inputs[0].shape, Some(vec![4, 32]));
        assert_eq!(product.outputs[0].shape, Some(vec![4, 10]));
    }

    #[test]
    fn every_line_that_is_no_layer_is_named() {
        let table = format!(
            "{CONVS}short, 1, 2\nlarge, 2, 2, 3, 3, 1, 1, 1,\nsparse, 4, 4, 1, 1, 4, 4, 1, 2:4\nword, 4, 4, x, 1, 4, 4, 1\nzero, 4, 4, 1, 1, 4, 4, 0\nhuge, 9999999, 9999999, 1, 1, 4, 4, 1\n"
        );
        let errors = import_topology(&table).unwrap_err();
        let lines: Vec<bool> = errors
            .iter()
            .zip(6..)
            .map(|(error, line)| error.found.ends_with(&format!("line {line}")))
            .collect();
        assert_eq!(lines, [true; 6], "{errors:#?}");
        assert_eq!(
            import_topology("Layer, M, N, K,\n").unwrap_err()[0].kind,
            ImportErrorKind::Incomplete
        );
        assert!(!is_topology("layer: mx.nop\n") && !is_topology("") && !is_topology("a,b,c,d"));
    }
}
