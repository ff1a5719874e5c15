//! Byte memories whose copies share their pages until one of them is written: a snapshot costs a table of tables, not the contents.
//!
//! Only what was written takes place. What a program brings along is read where it is until a page of it is written.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

const PAGE_BYTES: usize = 4096;
/// Pages per table.
const TABLE_PAGES: usize = 256;
const ZEROS: &Page = &[0; PAGE_BYTES];

type Page = [u8; PAGE_BYTES];
type Table = [Option<Arc<Page>>; TABLE_PAGES];

/// A memory of fixed capacity, zero at first.
#[derive(Clone, Debug)]
pub struct PagedMemory {
    /// Pages that were written, up to the last one.
    tables: Vec<Option<Arc<Table>>>,
    /// What the other pages hold, by address; zero where nothing is.
    image: Arc<Vec<Placed>>,
    capacity_bytes: u64,
}

/// Bytes at an address. No two of a memory overlap.
#[derive(Clone, Debug)]
struct Placed {
    address: u64,
    bytes: Arc<[u8]>,
}

impl Placed {
    fn end(&self) -> u64 {
        self.address + self.bytes.len() as u64
    }
}

/// Table, page in the table and byte in the page.
fn split(address: u64) -> (usize, usize, usize) {
    let page = address / PAGE_BYTES as u64;
    let (table, page) = (page / TABLE_PAGES as u64, page % TABLE_PAGES as u64);
    (table as usize, page as usize, (address % PAGE_BYTES as u64) as usize)
}

impl PagedMemory {
    /// A memory of this many bytes, all zero.
    pub fn new(capacity_bytes: u64) -> Self {
        Self {
            tables: Vec::new(),
            image: Arc::default(),
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

    /// Writes bytes without copying them, as far as nothing was placed or written there before.
    ///
    /// # Panics
    /// If they do not lie inside.
    pub(crate) fn place(&mut self, address: u64, bytes: &Arc<[u8]>) {
        self.assert_holds(address, bytes.len());
        let placed = Placed {
            address,
            bytes: bytes.clone(),
        };
        let at = self.image.partition_point(|other| other.end() <= address);
        let is_apart = self.image.get(at).is_none_or(|next| placed.end() <= next.address);
        if is_apart && self.tables.is_empty() {
            Arc::make_mut(&mut self.image).insert(at, placed);
        } else {
            self.write(address, bytes);
        }
    }

    fn assert_holds(&self, address: u64, length: usize) {
        assert!(
            self.holds(address, length as u64),
            "{length} bytes at {address} lie beyond the {} bytes of the memory",
            self.capacity_bytes
        );
    }

    fn page(&self, table: usize, page: usize) -> Option<&Arc<Page>> {
        self.tables.get(table)?.as_ref()?[page].as_ref()
    }

    /// As many of the `length` bytes from `address` on as lie side by side in the host's memory; at least one.
    ///
    /// # Panics
    /// If they do not lie inside; ranges are checked before an instruction starts.
    pub(crate) fn piece(&self, address: u64, length: usize) -> &[u8] {
        self.assert_holds(address, length);
        let (table, page, offset) = split(address);
        let n = length.min(PAGE_BYTES - offset);
        match self.page(table, page) {
            Some(page) => &page[offset..offset + n],
            None => self.piece_of_image(address, n),
        }
    }

    fn piece_of_image(&self, address: u64, n: usize) -> &[u8] {
        let at = self.image.partition_point(|placed| placed.end() <= address);
        let Some(next) = self.image.get(at) else {
            return &ZEROS[..n];
        };
        match address.checked_sub(next.address) {
            Some(skipped) => {
                let rest = &next.bytes[skipped as usize..];
                &rest[..n.min(rest.len())]
            }
            None => &ZEROS[..n.min((next.address - address) as usize)],
        }
    }

    /// As many of the `length` bytes from `address` on as lie side by side in the host's memory, to be written; at least one.
    ///
    /// # Panics
    /// If they do not lie inside; ranges are checked before an instruction starts.
    pub(crate) fn piece_mut(&mut self, address: u64, length: usize) -> &mut [u8] {
        self.assert_holds(address, length);
        let (table, page, offset) = split(address);
        if self.page(table, page).is_none() {
            self.own(table, page);
        }
        let pages = Arc::make_mut(self.tables[table].as_mut().expect("the page was just made"));
        let page = Arc::make_mut(pages[page].as_mut().expect("the page was just made"));
        &mut page[offset..(offset + length).min(PAGE_BYTES)]
    }

    /// Makes a page of its own from what is there.
    #[cold]
    fn own(&mut self, table: usize, page: usize) {
        let first = ((table * TABLE_PAGES + page) * PAGE_BYTES) as u64;
        let mut contents = *ZEROS;
        let n = (self.capacity_bytes - first).min(PAGE_BYTES as u64) as usize;
        self.read(first, &mut contents[..n]);
        if self.tables.len() <= table {
            self.tables.resize(table + 1, None);
        }
        let pages = self.tables[table].get_or_insert_with(|| Arc::new([const { None }; TABLE_PAGES]));
        Arc::make_mut(pages)[page] = Some(Arc::new(contents));
    }

    /// Reads bytes.
    ///
    /// # Panics
    /// If they do not lie inside; ranges are checked before an instruction starts.
    pub fn read(&self, mut address: u64, mut out: &mut [u8]) {
        while !out.is_empty() {
            let piece = self.piece(address, out.len());
            let (head, tail) = out.split_at_mut(piece.len());
            head.copy_from_slice(piece);
            out = tail;
            address += piece.len() as u64;
        }
    }

    /// Writes bytes.
    ///
    /// # Panics
    /// If they do not lie inside; ranges are checked before an instruction starts.
    pub fn write(&mut self, mut address: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let piece = self.piece_mut(address, bytes.len());
            let n = piece.len();
            piece.copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            address += n as u64;
        }
    }

    /// One byte.
    ///
    /// # Panics
    /// If it does not lie inside.
    pub fn byte(&self, address: u64) -> u8 {
        self.piece(address, 1)[0]
    }
}

impl Hash for PagedMemory {
    /// Hashes the contents, whichever pages are shared or their own; the last page counts as a whole.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.capacity_bytes.hash(state);
        let mut contents = *ZEROS;
        for first in (0..self.capacity_bytes).step_by(PAGE_BYTES) {
            let n = (self.capacity_bytes - first).min(PAGE_BYTES as u64) as usize;
            self.read(first, &mut contents[..n]);
            contents[n..].fill(0);
            state.write(&contents);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
        /// Placed and written bytes, and copies of a memory, are what a plain array of bytes would hold.
        #[test]
        fn it_holds_what_an_array_would(
            writes in prop::collection::vec((any::<bool>(), 0u64..3 << 20, 1usize..9000, any::<u8>()), 1..12),
            copied_after in 0usize..12,
        ) {
            const CAPACITY: usize = (3 << 20) + 9000;
            let (mut memory, mut array) = (PagedMemory::new(CAPACITY as u64), vec![0; CAPACITY]);
            let mut copy = None;
            for (i, &(is_placed, address, length, first)) in writes.iter().enumerate() {
                let bytes: Arc<[u8]> = (0..length).map(|i| first.wrapping_add(i as u8)).collect();
                if is_placed {
                    memory.place(address, &bytes);
                } else {
                    memory.write(address, &bytes);
                }
                array[address as usize..][..length].copy_from_slice(&bytes);
                if i == copied_after {
                    copy = Some((memory.clone(), array.clone()));
                }
            }
            let contents = |memory: &PagedMemory| {
                let mut bytes = vec![0xEE; CAPACITY];
                memory.read(0, &mut bytes);
                bytes
            };
            prop_assert!(contents(&memory) == array);
            if let Some((memory, array)) = copy {
                prop_assert!(contents(&memory) == array);
            }
        }
    }
}
