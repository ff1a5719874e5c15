//! Sequential bit packing into a 128-bit word, lowest bits first.

/// Appends fields to a word.
#[derive(Default)]
pub(crate) struct BitWriter {
    word: u128,
    at: u32,
}

impl BitWriter {
    /// Appends the low `width` bits of `value`, whose other bits are zero.
    pub(crate) fn put(&mut self, value: u128, width: u32) {
        debug_assert!(width < 128 && value >> width == 0, "field value wider than its field");
        self.word |= value << self.at;
        self.at += width;
    }

    pub(crate) fn finish(self) -> u128 {
        self.word
    }
}

/// Takes fields off a word in the order in which they were put.
pub(crate) struct BitReader {
    rest: u128,
}

impl BitReader {
    pub(crate) fn new(word: u128) -> Self {
        Self { rest: word }
    }

    pub(crate) fn take(&mut self, width: u32) -> u128 {
        let value = self.rest & ((1 << width) - 1);
        self.rest >>= width;
        value
    }

    /// What no field owns; zero in a canonical word.
    pub(crate) fn rest(&self) -> u128 {
        self.rest
    }
}
