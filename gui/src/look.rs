//! What the user has chosen in the close-up panels: the array's zoom and radix, and the stretch of memory. Like [`crate::view::View`], of
//! which it is a part, panels read it and ask for changes.

use crate::driver::Request;
use crate::format::Radix;
use crate::inspect::{Focus, MemorySpace, MemoryWindow};
use std::ops::Range;

/// Bytes of memory in one row of the panel.
pub(crate) const ROW_BYTES: u64 = 16;

/// What the user looks at closely.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// How numbers of the array and of operands are written.
    pub(crate) radix: Radix,
    /// Which part of the array is visible.
    pub(crate) zoom: ArrayZoom,
    /// Rows and columns of the PEs whose partial sums are shown.
    pub(crate) sums: (Range<usize>, Range<usize>),
    /// The visible stretch of memory.
    pub(crate) memory: MemoryWindow,
    /// The text in the address field.
    pub(crate) address_text: String,
    /// The byte that is selected in the memory panel.
    pub(crate) selected_byte: Option<u64>,
    /// The text in the field that changes memory.
    pub(crate) edit_text: String,
}

impl Default for Look {
    fn default() -> Self {
        let focus = Focus::default();
        Self {
            radix: Radix::Decimal,
            zoom: ArrayZoom::default(),
            sums: focus.sums,
            memory: focus.memory,
            address_text: String::new(),
            selected_byte: None,
            edit_text: String::new(),
        }
    }
}

/// Which part of the array is visible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ArrayZoom {
    /// How many times larger than the whole array in its place; at least 1.
    pub(crate) level: f32,
    /// What is in the middle, as shares of width and height.
    pub(crate) center: [f32; 2],
}

impl Default for ArrayZoom {
    fn default() -> Self {
        Self {
            level: 1.0,
            center: [0.5, 0.5],
        }
    }
}

/// A change that a close-up panel asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LookAction {
    /// Write numbers another way.
    SetRadix(Radix),
    /// Show another part of the array.
    SetZoom(ArrayZoom),
    /// Other PEs show partial sums.
    SetSums((Range<usize>, Range<usize>)),
    /// Show another stretch of memory.
    SetMemory(MemoryWindow),
    /// Show the row of memory with this byte and select it.
    GoToByte(MemorySpace, u64),
    /// Select a byte.
    SelectByte(Option<u64>),
    /// Change the text in the address field.
    EditAddress(String),
    /// Change the text in the field that changes memory.
    EditValue(String),
    /// Change memory.
    Write(MemorySpace, u64, Vec<u8>),
    /// Set or clear a watchpoint.
    ToggleWatch(MemorySpace, u64, usize),
}

impl Look {
    /// What the engine has to look at for this.
    pub(crate) fn focus(&self, pe: Option<(usize, usize)>) -> Focus {
        Focus {
            pe,
            sums: self.sums.clone(),
            memory: self.memory,
        }
    }

    /// Applies a change; returns what the worker is to be asked for.
    pub(crate) fn apply(&mut self, action: LookAction) -> Option<Request> {
        match action {
            LookAction::SetRadix(radix) => self.radix = radix,
            LookAction::SetZoom(zoom) => self.zoom = zoom,
            LookAction::SetSums(sums) => self.sums = sums,
            LookAction::SetMemory(window) => {
                if window.space != self.memory.space {
                    self.selected_byte = None;
                }
                self.memory = window;
            }
            LookAction::GoToByte(space, address) => {
                (self.memory.space, self.memory.address) = (space, address / ROW_BYTES * ROW_BYTES);
                self.selected_byte = Some(address);
            }
            LookAction::SelectByte(address) => self.selected_byte = address,
            LookAction::EditAddress(text) => self.address_text = text,
            LookAction::EditValue(text) => self.edit_text = text,
            LookAction::Write(space, address, bytes) => return Some(Request::WriteMemory(space, address, bytes)),
            LookAction::ToggleWatch(space, address, n_bytes) => {
                return Some(Request::ToggleWatchpoint(space, address, n_bytes));
            }
        }
        None
    }
}
