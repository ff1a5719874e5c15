//! Bytes as a NumPy array, for the constants that a disassembly names.

/// What precedes the header: magic, version 1.0.
const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";

/// Magic, length and header together are a multiple of this.
const ALIGNMENT: usize = 64;

/// A file with one array: u8, one axis.
pub(crate) fn of_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut header = format!(
        "{{'descr': '|u1', 'fortran_order': False, 'shape': ({},), }}",
        bytes.len()
    );
    let n_before = MAGIC.len() + 2;
    let n_padded = (n_before + header.len() + 1).next_multiple_of(ALIGNMENT) - n_before - 1;
    header = format!("{header:n_padded$}\n");
    let mut file = Vec::with_capacity(n_before + header.len() + bytes.len());
    file.extend(MAGIC);
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    file
}
