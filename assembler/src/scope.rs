//! Where local names belong, those that start with a point.
//!
//! A local name belongs to the last label without a point before it. Uses of macros, turns of repetitions and
//! `.scope` blocks have local names of their own. Those in a repetition or block are seen together with the ones around;
//! those in a macro are not, except that a name which the user of the macro wrote means what it means for the user.

use crate::source::Span;
use std::collections::BTreeMap;

/// A scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ScopeId(u32);

struct Scope {
    /// Where names that are not found here are looked for.
    outer: Option<ScopeId>,
    /// The scope around this one, also if its names are not seen.
    around: Option<ScopeId>,
    /// The use of a macro that it belongs to; see [`crate::sources::Sources::frame`].
    frame: u32,
}

/// What has begun and not ended yet.
struct Open {
    /// The scope before the first label of the block.
    block: ScopeId,
    /// The scope of the last label.
    current: ScopeId,
    /// The directive that began it, if one has to end it.
    directive: Option<Span>,
}

/// All scopes of a program.
pub(crate) struct Scopes<'a> {
    all: Vec<Scope>,
    open: Vec<Open>,
    by_label: BTreeMap<&'a str, ScopeId>,
}

impl<'a> Scopes<'a> {
    pub(crate) fn new() -> Self {
        let root = ScopeId(0);
        Self {
            all: vec![Scope {
                outer: None,
                around: None,
                frame: 0,
            }],
            open: vec![Open {
                block: root,
                current: root,
                directive: None,
            }],
            by_label: BTreeMap::new(),
        }
    }

    fn add(&mut self, scope: Scope) -> ScopeId {
        self.all.push(scope);
        ScopeId(self.all.len() as u32 - 1)
    }

    fn get(&self, id: ScopeId) -> &Scope {
        &self.all[id.0 as usize]
    }

    /// The scope of what stands here.
    pub(crate) fn current(&self) -> ScopeId {
        self.open.last().map_or(ScopeId(0), |open| open.current)
    }

    /// Begins the scope of a label.
    pub(crate) fn begin_label(&mut self, name: &'a str) {
        let Some(block) = self.open.last().map(|open| open.block) else {
            return;
        };
        let frame = self.get(block).frame;
        let scope = self.add(Scope {
            outer: Some(block),
            around: Some(block),
            frame,
        });
        self.by_label.entry(name).or_insert(scope);
        if let Some(open) = self.open.last_mut() {
            open.current = scope;
        }
    }

    /// Begins the use of a macro, if a frame is given, or else a block that sees the names around it.
    pub(crate) fn begin_block(&mut self, frame: Option<u32>, directive: Option<Span>) {
        let around = self.current();
        let block = self.add(Scope {
            outer: frame.is_none().then_some(around),
            around: Some(around),
            frame: frame.unwrap_or(self.get(around).frame),
        });
        self.open.push(Open {
            block,
            current: block,
            directive,
        });
    }

    /// Ends a block that a directive began; false if none is open here.
    pub(crate) fn end_directive(&mut self) -> bool {
        let is_open = self.open.last().is_some_and(|open| open.directive.is_some());
        if is_open {
            self.open.pop();
        }
        is_open
    }

    /// Ends the use of a macro or a repetition, or the program, and the blocks that are still open in it, which are returned.
    pub(crate) fn end_block(&mut self) -> Vec<Span> {
        let mut unclosed = Vec::new();
        while let Some(directive) = self.open.last().and_then(|open| open.directive) {
            unclosed.push(directive);
            self.open.pop();
        }
        if self.open.len() > 1 {
            self.open.pop();
        }
        unclosed
    }

    /// The scope of a label without a point.
    pub(crate) fn of_label(&self, name: &str) -> Option<ScopeId> {
        self.by_label.get(name).copied()
    }

    /// The scope around `from` in which a word belongs that was written within `frame`.
    pub(crate) fn home(&self, from: ScopeId, frame: u32) -> ScopeId {
        let mut scope = from;
        while self.get(scope).frame != frame {
            match self.get(scope).around {
                Some(around) => scope = around,
                None => return from,
            }
        }
        scope
    }

    /// The scopes whose names are seen from one, nearest first.
    pub(crate) fn seen_from(&self, scope: ScopeId) -> impl Iterator<Item = ScopeId> + '_ {
        std::iter::successors(Some(scope), |scope| self.get(*scope).outer)
    }
}
