//! Reading and writing rows of a descriptor's matrix view, whatever the element format.

use crate::memory::PagedMemory;
use systole_isa::Descriptor;
use systole_isa::descriptor::Run;

/// Reads columns `column..column + n` of one row. Elements outside a window read as the zero point.
pub(crate) fn read_row(memory: &PagedMemory, view: &Descriptor, row: u64, column: u64, n: u64, out: &mut Vec<i32>) {
    out.clear();
    let mut bytes = [0u8; 256];
    view.for_each_run(row, column, n, |run| match run.bit_address {
        None => out.resize(out.len() + run.n_elements as usize, view.zero_point),
        Some(bit) if view.format.bits() < 8 => {
            let bits = view.format.bits();
            let (mut bit, mut left) = (bit as u64, run.n_elements as usize);
            while left > 0 {
                let chunk = left.min(128);
                let (first, last) = (bit / 8, (bit + chunk as u64 * u64::from(bits)).div_ceil(8));
                let buffer = &mut bytes[..(last - first) as usize];
                memory.read(first, buffer);
                decode_chunk(view, buffer, (bit % 8) as u32, chunk, out);
                bit += chunk as u64 * u64::from(bits);
                left -= chunk;
            }
        }
        Some(bit) => {
            let element_bytes = view.format.bits() as usize / 8;
            let (mut address, mut left) = (bit as u64 / 8, run.n_elements as usize * element_bytes);
            while left > 0 {
                let piece = memory.piece(address, left);
                // An element may lie across two pieces.
                let n = match piece.len() / element_bytes * element_bytes {
                    0 => {
                        memory.read(address, &mut bytes[..element_bytes]);
                        decode_chunk(view, &bytes[..element_bytes], 0, 1, out);
                        element_bytes
                    }
                    n => {
                        decode_chunk(view, &piece[..n], 0, n / element_bytes, out);
                        n
                    }
                };
                address += n as u64;
                left -= n;
            }
        }
    });
}

fn decode_chunk(view: &Descriptor, bytes: &[u8], first_bit: u32, n: usize, out: &mut Vec<i32>) {
    use systole_isa::ElementFormat as F;
    match view.format {
        F::I8 => out.extend(bytes.iter().map(|&b| i32::from(b as i8))),
        F::U8 => out.extend(bytes.iter().map(|&b| i32::from(b))),
        F::I16 | F::U16 => out.extend(
            bytes
                .chunks_exact(2)
                .map(|b| view.format.decode(u32::from(u16::from_le_bytes([b[0], b[1]])))),
        ),
        F::I32 => out.extend(
            bytes
                .chunks_exact(4)
                .map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])),
        ),
        F::B1 | F::I2 | F::U2 | F::I4 | F::U4 => {
            let bits = view.format.bits();
            out.extend((0..n as u32).map(|i| {
                let at = first_bit + i * bits;
                view.format.decode(u32::from(bytes[(at / 8) as usize] >> (at % 8)))
            }));
        }
    }
}

/// Writes one row from column 0 on, clipping each value to the view's limits. Elements outside a window are dropped.
pub(crate) fn write_row(memory: &mut PagedMemory, view: &Descriptor, row: u64, values: &[i32]) {
    let mut at = 0;
    view.for_each_run(row, 0, values.len() as u64, |run| {
        let values = &values[at..at + run.n_elements as usize];
        at += values.len();
        write_run(memory, view, run, values);
    });
}

fn write_run(memory: &mut PagedMemory, view: &Descriptor, run: Run, values: &[i32]) {
    let Some(bit) = run.bit_address else { return };
    let (lo, hi) = view.clip;
    let pattern = |value: &i32| view.format.encode((*value).clamp(lo, hi));
    let bits = view.format.bits();
    if bits < 8 {
        for (i, value) in values.iter().enumerate() {
            let at = bit as u64 + i as u64 * u64::from(bits);
            let shift = at % 8;
            let mask = ((1u32 << bits) - 1) << shift;
            let byte = u32::from(memory.byte(at / 8)) & !mask | pattern(value) << shift;
            memory.write(at / 8, &[byte as u8]);
        }
        return;
    }
    let element_bytes = bits as usize / 8;
    let (mut address, mut values) = (bit as u64 / 8, values);
    while !values.is_empty() {
        let piece = memory.piece_mut(address, values.len() * element_bytes);
        let n = piece.len() / element_bytes;
        let (head, rest) = values.split_at(n.max(1));
        if n == 0 {
            // An element that lies across two pieces.
            memory.write(address, &pattern(&head[0]).to_le_bytes()[..element_bytes]);
        } else {
            encode_chunk(&mut piece[..n * element_bytes], head, element_bytes, pattern);
        }
        address += (head.len() * element_bytes) as u64;
        values = rest;
    }
}

/// Writes the patterns of values side by side; their width is known where the loops are made.
fn encode_chunk(bytes: &mut [u8], values: &[i32], element_bytes: usize, pattern: impl Fn(&i32) -> u32) {
    match element_bytes {
        1 => bytes
            .iter_mut()
            .zip(values)
            .for_each(|(byte, value)| *byte = pattern(value) as u8),
        2 => bytes
            .chunks_exact_mut(2)
            .zip(values)
            .for_each(|(slot, value)| slot.copy_from_slice(&(pattern(value) as u16).to_le_bytes())),
        _ => bytes
            .chunks_exact_mut(4)
            .zip(values)
            .for_each(|(slot, value)| slot.copy_from_slice(&pattern(value).to_le_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use systole_isa::ElementFormat;
    use systole_isa::descriptor::Level;
    use systole_isa::operand::Space;

    proptest! {
        #[test]
        fn what_is_written_is_read_in_every_format(
            format in prop::sample::select(ElementFormat::ALL),
            seed in prop::collection::vec(any::<i32>(), 1..300),
            base in 0i64..5000,
            stride in 1i64..4,
        ) {
            let mut memory = PagedMemory::new(16_384);
            let mut view = Descriptor::new(Space::Spm, format, base, 0, 0);
            view.levels[4] = Level { count: seed.len() as u32, stride };
            let (lo, hi) = format.range();
            let values: Vec<i32> = seed.iter().map(|&v| if format == ElementFormat::B1 { v | 1 } else { v }.clamp(lo, hi)).collect();
            write_row(&mut memory, &view, 0, &values);
            let mut read = Vec::new();
            read_row(&memory, &view, 0, 0, values.len() as u64, &mut read);
            prop_assert_eq!(read, values);
        }
    }
}
