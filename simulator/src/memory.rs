//! Byte memories whose copies share their pages until one of them is written: a snapshot costs a page table, not the contents.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

const PAGE_BYTES: usize = 4096;
type Page = [u8; PAGE_BYTES];

/// A memory of fixed capacity, zero at first.
#[derive(Clone, Debug)]
pub struct PagedMemory {
    pages: Vec<Arc<Page>>,
    capacity_bytes: u64,
}

impl PagedMemory {
    /// A memory of this many bytes, all zero.
    pub fn new(capacity_bytes: u64) -> Self {
        let zero = Arc::new([0; PAGE_BYTES]);
        Self {
            pages: vec![zero; capacity_bytes.div_ceil(PAGE_BYTES as u64) as usize],
            capacity_bytes,
        }
    }

    /// Its size in bytes.
    pub fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    /// Whether `length` bytes from `address` on lie inside.
    pub fn holds(&self, address: u64, length: u64) -> bool {
        address
            .checked_add(length)
            .is_some_and(|end| end <= self.capacity_bytes)
    }

    /// Reads bytes.
    ///
    /// # Panics
    /// If they do not lie inside; ranges are checked before an instruction starts.
    pub fn read(&self, mut address: u64, mut out: &mut [u8]) {
        while !out.is_empty() {
            let (page, offset) = (
                (address / PAGE_BYTES as u64) as usize,
                (address % PAGE_BYTES as u64) as usize,
            );
            let n = out.len().min(PAGE_BYTES - offset);
            let (head, tail) = out.split_at_mut(n);
            head.copy_from_slice(&self.pages[page][offset..offset + n]);
            out = tail;
            address += n as u64;
        }
    }

    /// Writes bytes.
    ///
    /// # Panics
    /// If they do not lie inside; ranges are checked before an instruction starts.
    pub fn write(&mut self, mut address: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (page, offset) = (
                (address / PAGE_BYTES as u64) as usize,
                (address % PAGE_BYTES as u64) as usize,
            );
            let n = bytes.len().min(PAGE_BYTES - offset);
            Arc::make_mut(&mut self.pages[page])[offset..offset + n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            address += n as u64;
        }
    }

    /// One byte.
    pub fn byte(&self, address: u64) -> u8 {
        self.pages[(address / PAGE_BYTES as u64) as usize][(address % PAGE_BYTES as u64) as usize]
    }
}

impl Hash for PagedMemory {
    /// Hashes the contents, whichever pages are shared.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.capacity_bytes.hash(state);
        for page in &self.pages {
            state.write(&page[..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_its_contents_when_the_original_is_written() {
        let mut memory = PagedMemory::new(10_000);
        memory.write(4090, &[1; 20]);
        let copy = memory.clone();
        memory.write(4095, &[2; 2]);
        let mut bytes = [0; 4];
        copy.read(4094, &mut bytes);
        assert_eq!(bytes, [1; 4]);
        memory.read(4094, &mut bytes);
        assert_eq!(bytes, [1, 2, 2, 1]);
        assert!(memory.holds(9_999, 1) && !memory.holds(9_999, 2) && !memory.holds(u64::MAX, 2));
    }
}
