//! Where the lines of a text are after it was changed.

use crate::frame::ProgramInfo;
use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Time after which two texts that have little in common are no longer compared as closely as possible.
const PATIENCE: Duration = Duration::from_millis(100);

/// For each line of `old`, the line of `new` that it has become; `None` for those that are gone. Lines that were changed in place,
/// as many as before, count as the same.
pub(crate) fn line_map(old: &str, new: &str) -> Vec<Option<u32>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut map = vec![None; old.len()];
    let deadline = Instant::now() + PATIENCE;
    for op in capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(deadline)) {
        let (old_index, new_index, len) = match op {
            DiffOp::Equal {
                old_index,
                new_index,
                len,
            } => (old_index, new_index, len),
            DiffOp::Replace {
                old_index,
                old_len,
                new_index,
                new_len,
            } if old_len == new_len => (old_index, new_index, old_len),
            DiffOp::Replace { .. } | DiffOp::Insert { .. } | DiffOp::Delete { .. } => continue,
        };
        for i in 0..len {
            map[old_index + i] = u32::try_from(new_index + i).ok();
        }
    }
    map
}

/// The breakpoints of a program in the one that its edited text has become: at the same instruction of what each line makes, or at
/// the last if there are fewer now. Those whose line is gone are gone.
pub(crate) fn moved_breakpoints(old: &ProgramInfo, new: &ProgramInfo, breakpoints: &BTreeSet<u32>) -> BTreeSet<u32> {
    let (Some(old), Some(new)) = (&old.source, &new.source) else {
        return BTreeSet::new();
    };
    let map = line_map(&old.text, &new.text);
    let of_line = |lines: &[Option<u32>], line: u32| -> Vec<u32> {
        let pcs = (0..).zip(lines).filter(|(_, of)| **of == Some(line));
        pcs.map(|(pc, _)| pc).collect()
    };
    let moved = breakpoints.iter().filter_map(|pc| {
        let line = (*old.lines.get(*pc as usize)?)?;
        let nth = of_line(&old.lines, line).iter().position(|other| other == pc)?;
        let new_line = (*map.get(line as usize)?)?;
        let pcs = of_line(&new.lines, new_line);
        pcs.get(nth).or(pcs.last()).copied()
    });
    moved.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_again_behind_insertions_and_deletions() {
        let map = |new| line_map("a\nb\nc\nd\n", new);
        assert_eq!(map("a\nb\nc\nd\n"), [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(map("x\na\nb\nc\nd\n"), [Some(1), Some(2), Some(3), Some(4)]);
        assert_eq!(map("a\nd\n"), [Some(0), None, None, Some(1)]);
        assert_eq!(map("a\nB\nc\nd\n"), [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(map(""), [None; 4]);
    }

    #[test]
    fn texts_that_have_nothing_in_common_do_not_take_long() {
        let text = |first: u32| (0..20_000).map(|i| format!("{}\n", first + i * 3)).collect::<String>();
        let start = Instant::now();
        let map = line_map(&text(0), &text(1));
        assert_eq!(map.len(), 20_000);
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }
}
