//! Writes FlatBuffers files: tables of numbers, vectors and further tables, front to back.

/// A value of a field.
#[derive(Clone, Debug)]
pub enum Value {
    /// One byte.
    I8(i8),
    /// Four bytes.
    I32(i32),
    /// Four bytes.
    F32(f32),
    /// A vector of bytes; strings are such vectors with a zero behind them.
    Bytes(Vec<u8>),
    /// A vector of numbers of four bytes.
    I32s(Vec<i32>),
    /// A vector of numbers of eight bytes.
    I64s(Vec<i64>),
    /// A vector of numbers of four bytes.
    F32s(Vec<f32>),
    /// A table: its fields by number, absent ones as `None`.
    Table(Vec<Option<Value>>),
    /// A vector of tables.
    Tables(Vec<Value>),
}

impl Value {
    /// A table without absent fields.
    pub fn table(fields: impl IntoIterator<Item = Self>) -> Self {
        Self::Table(fields.into_iter().map(Some).collect())
    }

    /// A string.
    pub fn text(text: &str) -> Self {
        Self::Bytes(text.bytes().collect())
    }
}

/// The file of a root table with an identifier of four bytes.
pub fn file(root: &Value, identifier: [u8; 4]) -> Vec<u8> {
    let mut writer = Writer { bytes: vec![0; 4] };
    writer.bytes.extend(identifier);
    writer.object(root, 0);
    writer.bytes
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn align(&mut self, to: usize, offset: usize) {
        while !(self.bytes.len() + offset).is_multiple_of(to) {
            self.bytes.push(0);
        }
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Makes the four bytes at `slot` point to the end of the file.
    fn point_here(&mut self, slot: usize) {
        let distance = (self.bytes.len() - slot) as u32;
        self.put(slot, &distance.to_le_bytes());
    }

    fn numbers<const N: usize>(&mut self, slot: usize, numbers: impl ExactSizeIterator<Item = [u8; N]>) {
        self.align(N.max(4), 4);
        self.point_here(slot);
        self.bytes.extend((numbers.len() as u32).to_le_bytes());
        numbers.for_each(|number| self.bytes.extend(number));
        self.bytes.push(0);
    }

    /// Writes what does not stand in a field itself, and its place into the field.
    fn object(&mut self, value: &Value, slot: usize) {
        match value {
            Value::I8(_) | Value::I32(_) | Value::F32(_) => {}
            Value::Bytes(bytes) => self.numbers(slot, bytes.iter().map(|&byte| [byte])),
            Value::I32s(values) => self.numbers(slot, values.iter().map(|v| v.to_le_bytes())),
            Value::I64s(values) => self.numbers(slot, values.iter().map(|v| v.to_le_bytes())),
            Value::F32s(values) => self.numbers(slot, values.iter().map(|v| v.to_le_bytes())),
            Value::Tables(tables) => {
                self.align(4, 0);
                self.point_here(slot);
                self.bytes.extend((tables.len() as u32).to_le_bytes());
                let first = self.bytes.len();
                self.bytes.resize(first + 4 * tables.len(), 0);
                for (index, table) in tables.iter().enumerate() {
                    self.object(table, first + 4 * index);
                }
            }
            Value::Table(fields) => self.table(fields, slot),
        }
    }

    /// A table behind its list of field offsets. Every field has four bytes.
    fn table(&mut self, fields: &[Option<Value>], slot: usize) {
        self.align(4, 0);
        let list = self.bytes.len();
        let present = fields.iter().flatten().count();
        let lengths = [4 + 2 * fields.len(), 4 + 4 * present];
        lengths
            .iter()
            .for_each(|&length| self.bytes.extend((length as u16).to_le_bytes()));
        let mut next = 4u16;
        for field in fields {
            let offset = if field.is_some() { next } else { 0 };
            next += if field.is_some() { 4 } else { 0 };
            self.bytes.extend(offset.to_le_bytes());
        }
        self.align(4, 0);
        self.point_here(slot);
        let table = self.bytes.len();
        self.bytes.extend(((table - list) as i32).to_le_bytes());
        self.bytes.resize(table + 4 + 4 * present, 0);
        for (index, field) in fields.iter().flatten().enumerate() {
            let slot = table + 4 + 4 * index;
            match field {
                Value::I8(v) => self.put(slot, &v.to_le_bytes()),
                Value::I32(v) => self.put(slot, &v.to_le_bytes()),
                Value::F32(v) => self.put(slot, &v.to_le_bytes()),
                object => self.object(object, slot),
            }
        }
    }
}
