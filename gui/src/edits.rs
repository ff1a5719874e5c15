//! What the user has changed and may want back: one stack for breakpoints, sources and machines alike.

/// A change that can be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// A breakpoint was set or cleared.
    Breakpoint(u32),
}

/// Most changes that are kept.
const MAX_EDITS: usize = 1_000;

/// The stack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edits {
    done: Vec<Edit>,
    undone: Vec<Edit>,
}

impl Edits {
    /// Notes a change.
    pub(crate) fn push(&mut self, edit: Edit) {
        self.undone.clear();
        self.done.push(edit);
        if self.done.len() > MAX_EDITS {
            self.done.remove(0);
        }
    }

    /// The change to take back now.
    pub(crate) fn undo(&mut self) -> Option<Edit> {
        let edit = self.done.pop()?;
        self.undone.push(edit.clone());
        Some(edit)
    }

    /// The change to make again now.
    pub(crate) fn redo(&mut self) -> Option<Edit> {
        let edit = self.undone.pop()?;
        self.done.push(edit.clone());
        Some(edit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_change_ends_what_could_be_made_again() {
        let mut edits = Edits::default();
        edits.push(Edit::Breakpoint(1));
        edits.push(Edit::Breakpoint(2));
        assert_eq!(edits.undo(), Some(Edit::Breakpoint(2)));
        assert_eq!(edits.redo(), Some(Edit::Breakpoint(2)));
        assert_eq!(edits.undo(), Some(Edit::Breakpoint(2)));
        edits.push(Edit::Breakpoint(3));
        assert_eq!(edits.redo(), None);
        assert_eq!(edits.undo(), Some(Edit::Breakpoint(3)));
        assert_eq!(edits.undo(), Some(Edit::Breakpoint(1)));
        assert_eq!(edits.undo(), None);
    }
}
