//! What the windowing library keeps between two starts, in memory.

use eframe::Storage;
use std::collections::BTreeMap;

/// A storage that ends with the test.
#[derive(Clone, Default, Debug)]
pub(crate) struct Store(pub(crate) BTreeMap<String, String>);

impl Storage for Store {
    fn get_string(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned()
    }

    fn set_string(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }

    fn remove_string(&mut self, key: &str) {
        self.0.remove(key);
    }

    fn flush(&mut self) {}
}
