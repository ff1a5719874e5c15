//! The host's side of a run: inputs are quantized and laid out as the program expects them, outputs are read back.

use crate::machine::Machine;
use systole_isa::operand::Space;
use systole_isa::program::{HostType, IoTensor};
use systole_isa::{Descriptor, Diagnostic, numerics};

/// Values of one tensor for one inference, in the host's order (row-major over the host's shape).
#[derive(Clone, Debug, PartialEq)]
pub enum HostValues {
    /// Real numbers.
    F32(Vec<f32>),
    /// Integers.
    Integer(Vec<i64>),
}

impl HostValues {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Integer(values) => values.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::F32(_) => "real numbers (f32)",
            Self::Integer(_) => "integers",
        }
    }
}

/// DRAM byte addresses of a tensor's elements in the host's order. Elements of input and output tensors are whole bytes.
fn addresses(tensor: &IoTensor) -> impl Iterator<Item = u64> + '_ {
    let element_bytes = u64::from(tensor.format.bits()).div_ceil(8);
    (0..tensor.n_elements()).map(move |mut index| {
        let mut offset = 0;
        for (&extent, &stride) in tensor.shape.iter().zip(&tensor.strides).rev() {
            offset += index % extent * stride;
            index /= extent;
        }
        tensor.address + offset * element_bytes
    })
}

fn mismatch(tensor: &IoTensor, what: String, expected: String) -> Diagnostic {
    Diagnostic::error("S0020", format!("input `{}`: {what}", tensor.name))
        .because(format!("the program expects {expected}"))
        .help("give one array per input, in the order of the model's inputs, with the inferences along axis 0")
}

fn stored_values(tensor: &IoTensor, values: &HostValues) -> Result<Vec<i32>, Diagnostic> {
    let shape = tensor.shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ");
    if values.len() as u64 != tensor.n_elements() {
        let what = format!("{} values per inference", values.len());
        return Err(mismatch(
            tensor,
            what,
            format!("{} values ({shape})", tensor.n_elements()),
        ));
    }
    let (lo, hi) = tensor.format.range();
    match (tensor.host_type, tensor.quantization, values) {
        (HostType::F32, Some(q), HostValues::F32(values)) => Ok(values
            .iter()
            .map(|&v| {
                numerics::clip(
                    numerics::round_half_even(v / q.scale).saturating_add(i64::from(q.zero_point)),
                    lo,
                    hi,
                )
            })
            .collect()),
        (HostType::Integer, _, HostValues::Integer(values)) => values
            .iter()
            .map(|&v| {
                i32::try_from(v).ok().filter(|v| (lo..=hi).contains(v)).ok_or_else(|| {
                    mismatch(
                        tensor,
                        format!("the value {v}"),
                        format!("{} values, {lo} to {hi}", tensor.format),
                    )
                })
            })
            .collect(),
        _ => {
            let expected = match tensor.host_type {
                HostType::F32 => "real numbers (f32)",
                HostType::Integer => "integers",
            };
            Err(mismatch(tensor, values.type_name().to_owned(), expected.to_owned()))
        }
    }
}

/// A view of one element.
fn element_view(tensor: &IoTensor) -> Descriptor {
    Descriptor::new(Space::Dram, tensor.format, 0, 0, 0)
}

/// Puts one inference's values of an input into DRAM.
///
/// # Errors
/// If number or type of the values differ from what the program expects.
pub fn write_input(machine: &mut Machine, tensor: &IoTensor, values: &HostValues) -> Result<(), Diagnostic> {
    let stored = stored_values(tensor, values)?;
    let memory = machine.memory_mut(Space::Dram);
    let view = element_view(tensor);
    for (address, value) in addresses(tensor).zip(stored) {
        if !memory.holds(address, 4.min(u64::from(tensor.format.bits()) / 8)) {
            return Err(mismatch(
                tensor,
                format!("its address {address:#x} lies outside DRAM"),
                "a tensor inside it".into(),
            ));
        }
        crate::access::write_row(memory, &view.displaced(address as i64), 0, &[value]);
    }
    Ok(())
}

/// Reads the stored integers of an output in the host's order.
pub fn read_stored(machine: &Machine, tensor: &IoTensor) -> Vec<i32> {
    let memory = machine.memory(Space::Dram);
    let (view, mut row) = (element_view(tensor), Vec::new());
    addresses(tensor)
        .filter(|&address| memory.holds(address, u64::from(tensor.format.bits()).div_ceil(8)))
        .map(|address| {
            crate::access::read_row(memory, &view.displaced(address as i64), 0, 0, 1, &mut row);
            row[0]
        })
        .collect()
}

/// Reads an output as the host sees it.
pub fn read_output(machine: &Machine, tensor: &IoTensor) -> HostValues {
    let stored = read_stored(machine, tensor);
    match (tensor.host_type, tensor.quantization) {
        (HostType::F32, Some(q)) => {
            HostValues::F32(stored.iter().map(|&v| (v - q.zero_point) as f32 * q.scale).collect())
        }
        _ => HostValues::Integer(stored.into_iter().map(i64::from).collect()),
    }
}
