//! A 64-bit FNV-1a hash: the same value on every host and in every build, which `std::hash` does not promise.
//!
//! Used to name programs, machine descriptions and machine states; it is not meant to resist an adversary.

/// An FNV-1a hasher whose result depends on nothing but the bytes fed to it.
#[derive(Clone, Copy, Debug)]
pub struct StableHasher(u64);

impl Default for StableHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl StableHasher {
    /// Feeds bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The hash of everything fed so far.
    pub fn finish(self) -> u64 {
        self.0
    }
}

/// Lets `#[derive(Hash)]` types feed the stable hasher. Integers arrive in native byte order; every host that Systole
/// supports is little-endian, and `usize` is widened so that the pointer width does not show.
impl std::hash::Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        StableHasher::write(self, bytes);
    }
    fn write_usize(&mut self, value: usize) {
        StableHasher::write(self, &(value as u64).to_le_bytes());
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// The stable hash of one byte string.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    let mut hasher = StableHasher::default();
    hasher.write(bytes);
    hasher.finish()
}
