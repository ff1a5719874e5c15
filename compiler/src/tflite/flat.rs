//! Reads tables of a FlatBuffers file without trusting a single offset.
//!
//! The usual reader wants `unsafe` code around it; what a model file needs is little: tables of numbers, strings, vectors and further tables. All
//! positions are checked before they are followed, and all vectors together may not be much longer than the file, so that a damaged file in which
//! many tables share one vector costs no more time than a sound one.

use std::cell::Cell;

/// What is wrong with the bytes, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Offset in the file.
    pub(super) at: usize,
    /// What leads out of the file.
    pub(super) what: &'static str,
}

pub(super) type Result<T> = std::result::Result<T, Fault>;

/// How many times the length of the file its vectors may have together.
const BUDGET_FACTOR: usize = 16;

/// A file.
#[derive(Debug)]
pub(super) struct File<'a> {
    bytes: &'a [u8],
    /// Bytes of vectors that may still be read.
    budget: Cell<usize>,
}

/// A table: fields by number, each there or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'a> {
    file: &'a File<'a>,
    at: usize,
    vtable: usize,
    vtable_bytes: usize,
}

/// A number of little-endian bytes.
pub(super) trait Scalar: Sized {
    /// Bytes of the number.
    const BYTES: usize;
    /// The number; `bytes` has as many as it needs.
    fn from_le(bytes: &[u8]) -> Self;
}

macro_rules! scalars {
    ($($number:ty),+) => {$(
        impl Scalar for $number {
            const BYTES: usize = size_of::<$number>();
            fn from_le(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<$number>()];
                own.copy_from_slice(bytes);
                Self::from_le_bytes(own)
            }
        }
    )+};
}

scalars!(u8, i8, u16, i16, i32, u32, f32, i64);

impl<'a> File<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            budget: Cell::new(bytes.len().saturating_mul(BUDGET_FACTOR)),
        }
    }

    /// The table that everything else hangs on.
    pub(super) fn root(&'a self) -> Result<Table<'a>> {
        self.table(self.follow(0)?)
    }

    fn bytes(&self, at: usize, n: usize, what: &'static str) -> Result<&'a [u8]> {
        let end = at.checked_add(n);
        end.and_then(|end| self.bytes.get(at..end)).ok_or(Fault { at, what })
    }

    fn scalar<T: Scalar>(&self, at: usize, what: &'static str) -> Result<T> {
        self.bytes(at, T::BYTES, what).map(T::from_le)
    }

    /// The place that the offset at `at` points to.
    fn follow(&self, at: usize) -> Result<usize> {
        let what = "an offset beyond the end";
        let offset: u32 = self.scalar(at, what)?;
        at.checked_add(offset as usize).ok_or(Fault { at, what })
    }

    fn table(&'a self, at: usize) -> Result<Table<'a>> {
        let what = "a table beyond the end";
        let back: i32 = self.scalar(at, what)?;
        let vtable = usize::try_from(at as i64 - i64::from(back)).map_err(|_| Fault { at, what })?;
        let vtable_bytes: u16 = self.scalar(vtable, what)?;
        Ok(Table {
            file: self,
            at,
            vtable,
            vtable_bytes: vtable_bytes.into(),
        })
    }

    /// The elements of the vector at `at`, each of `element_bytes`.
    fn vector(&self, at: usize, element_bytes: usize) -> Result<(usize, &'a [u8])> {
        let what = "a vector beyond the end";
        let length: u32 = self.scalar(at, what)?;
        let (start, n_bytes) = (at + 4, (length as usize).saturating_mul(element_bytes));
        let bytes = self.bytes(start, n_bytes, what)?;
        let budget = self.budget.get().checked_sub(n_bytes).ok_or(Fault {
            at,
            what: "vectors that are together much longer than the file",
        })?;
        self.budget.set(budget);
        Ok((start, bytes))
    }
}

impl<'a> Table<'a> {
    /// Where a field lies, if the table has it.
    fn field(&self, number: usize) -> Result<Option<usize>> {
        let slot = 4 + 2 * number;
        if slot + 2 > self.vtable_bytes {
            return Ok(None);
        }
        let offset: u16 = self.file.scalar(self.vtable + slot, "a table beyond the end")?;
        Ok((offset != 0).then(|| self.at + usize::from(offset)))
    }

    /// A number; absent ones have the value that the format gives them.
    pub(super) fn scalar<T: Scalar>(&self, number: usize, absent: T) -> Result<T> {
        match self.field(number)? {
            Some(at) => self.file.scalar(at, "a number beyond the end"),
            None => Ok(absent),
        }
    }

    /// A table.
    pub(super) fn table(&self, number: usize) -> Result<Option<Table<'a>>> {
        let Some(at) = self.field(number)? else { return Ok(None) };
        self.file.table(self.file.follow(at)?).map(Some)
    }

    /// The bytes of a vector of bytes.
    pub(super) fn bytes(&self, number: usize) -> Result<Option<&'a [u8]>> {
        let Some(at) = self.field(number)? else { return Ok(None) };
        Ok(Some(self.file.vector(self.file.follow(at)?, 1)?.1))
    }

    /// A string; what is not UTF-8 in it is replaced.
    pub(super) fn string(&self, number: usize) -> Result<Option<String>> {
        Ok(self
            .bytes(number)?
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    }

    /// The numbers of a vector; none if it is absent.
    pub(super) fn scalars<T: Scalar>(&self, number: usize) -> Result<Vec<T>> {
        let Some(at) = self.field(number)? else {
            return Ok(Vec::new());
        };
        let (_, bytes) = self.file.vector(self.file.follow(at)?, T::BYTES)?;
        Ok(bytes.chunks_exact(T::BYTES).map(T::from_le).collect())
    }

    /// The tables of a vector; none if it is absent.
    pub(super) fn tables(&self, number: usize) -> Result<Vec<Table<'a>>> {
        let Some(at) = self.field(number)? else {
            return Ok(Vec::new());
        };
        let (start, bytes) = self.file.vector(self.file.follow(at)?, 4)?;
        let places = (0..bytes.len() / 4).map(|index| start + 4 * index);
        places.map(|place| self.file.table(self.file.follow(place)?)).collect()
    }
}
