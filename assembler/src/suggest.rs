//! Guesses what a misspelled name was meant to be.

use std::cell::Cell;

/// Longest name for which a guess is made.
const MAX_CHARS: usize = 48;
/// Names compared over one run. A source with thousands of unknown names and thousands of labels would else take time
/// proportional to their product.
const MAX_COMPARISONS: u32 = 200_000;

/// Finds names that are near to a misspelled one.
pub(crate) struct Suggester {
    n_left: Cell<u32>,
}

impl Suggester {
    pub(crate) fn new() -> Self {
        Self {
            n_left: Cell::new(MAX_COMPARISONS),
        }
    }

    /// The candidate nearest to a name, if one is near enough to be a typing error. The first of equally near ones.
    pub(crate) fn nearest<'c>(&self, name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
        let name: Vec<char> = name.chars().take(MAX_CHARS + 1).flat_map(char::to_lowercase).collect();
        if name.len() > MAX_CHARS {
            return None;
        }
        let limit = (name.len() / 3).clamp(1, 3);
        let mut best: Option<(usize, &str)> = None;
        for candidate in candidates {
            let Some(n_left) = self.n_left.get().checked_sub(1) else {
                break;
            };
            self.n_left.set(n_left);
            let other: Vec<char> = candidate
                .chars()
                .take(MAX_CHARS + 1)
                .flat_map(char::to_lowercase)
                .collect();
            if other.len().abs_diff(name.len()) > limit {
                continue;
            }
            let distance = edit_distance(&name, &other);
            if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
                best = Some((distance, candidate));
            }
        }
        best.map(|(_, candidate)| candidate)
    }
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one name into the other.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(previous[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut previous, row);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_within_reach_is_suggested() {
        let names = ["mx.wload", "mx.mm", "mul", "loop"];
        let suggester = Suggester::new();
        for (typed, meant) in [
            ("mx.wlaod", Some("mx.wload")),
            ("MX.MM", Some("mx.mm")),
            ("lop", Some("loop")),
            ("mlu", Some("mul")),
            ("convolve", None),
        ] {
            assert_eq!(suggester.nearest(typed, names), meant, "{typed}");
        }
    }

    #[test]
    fn distances_count_single_edits() {
        let distance = |a: &str, b: &str| edit_distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        for (a, b, expected) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
