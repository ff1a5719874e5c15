//! How a layer follows the one before it.
//!
//! The sequencer does not wait at the end of a layer: the units hand over by tokens. When a layer is done, the array tells the vector unit, this
//! one tells the unit of stores, and that one tells all of them; each unit waits for it before its first work of the next layer. What is loaded into
//! bytes of the scratchpad that the layer before does not touch, and does not come from it, need not wait: its first weights.
//!
//! Free buffers are given at the begin of a layer, and taken back at its end, by the unit that frees them in between, as a rule, so that
//! every token is posted in one order.

use super::emitter::Emitter;
use std::ops::Range;
use systole_isa::operand::Token;
use systole_isa::{Op, Unit};

/// The array has done its part of the layer; so has the vector unit, and all before it.
const ARRAY_DONE: Token = Token::at(10);
const VECTOR_DONE: Token = Token::at(11);
/// The layer is done, for each unit.
const DONE: [(Unit, Token); 4] = [
    (Unit::Ld, Token::at(12)),
    (Unit::St, Token::at(13)),
    (Unit::Mx, Token::at(14)),
    (Unit::Vx, Token::at(15)),
];

/// A ring of buffers: the token of free ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    free: Token,
    n_buffers: u64,
    /// Those that are free without a token: what is loaded first waits for none.
    n_taken: u64,
    /// The unit that frees buffers, and takes them back at the end.
    giver: Unit,
    /// The unit that gives them at the begin.
    lender: Unit,
}

impl Ring {
    pub(super) fn new(free: Token, n_buffers: u64, giver: Unit) -> Self {
        Self {
            free,
            n_buffers,
            n_taken: 0,
            giver,
            lender: giver,
        }
    }

    /// The same, if the first buffer is filled without a wait.
    pub(super) fn with_first_taken(self) -> Self {
        Self { n_taken: 1, ..self }
    }

    /// The same, given by the unit of loads before its first load that is no constant. The array frees some buffers by loads of tiles,
    /// whose posts tell nothing of its other posts.
    pub(super) fn lent_by_loads(self) -> Self {
        Self {
            lender: Unit::Ld,
            ..self
        }
    }

    /// Tokens that the lender posts.
    fn lent(&self) -> impl Iterator<Item = Token> + use<> {
        std::iter::repeat_n(self.free, (self.n_buffers - self.n_taken) as usize)
    }
}

/// Where the buffers of a layer lie in the scratchpad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// Of constants.
    pub(super) constants: u64,
    /// Of everything else.
    pub(super) rest: u64,
    /// Whether the layer before touches no byte of the constants, so that they may be loaded while it runs.
    pub(super) is_early: bool,
}

/// Bytes of the scratchpad that layers use.
#[derive(Debug, Default)]
pub(super) struct Occupied(Vec<Range<u64>>);

impl Occupied {
    /// Finds room for a layer below `limit`, its constants where the layer before has nothing if that is possible.
    pub(super) fn place(&mut self, constants: u64, rest: u64, limit: u64) -> Places {
        let end = limit.saturating_sub(rest);
        let is_free = |&from: &u64| {
            from + constants <= end
                && !self
                    .0
                    .iter()
                    .any(|used| used.start < from + constants && from < used.end)
        };
        let candidates = [0].into_iter().chain(self.0.iter().map(|used| used.end));
        let early = candidates.filter(is_free).min();
        let places = Places {
            constants: early.unwrap_or(0),
            rest: end,
            is_early: early.is_some(),
        };
        // Tensors that stay lie above the limit.
        let used = [
            places.constants..places.constants + constants,
            places.rest..places.rest + rest,
            limit..u64::MAX / 2,
        ];
        self.0 = used.into_iter().filter(|used| !used.is_empty()).collect();
        places
    }
}

impl Emitter {
    /// Behind the last layer, if there is any: waits for every unit and leaves every counter at zero.
    pub(super) fn end_layers(&mut self) {
        if !self.has_layers {
            return;
        }
        self.op(Op::Fence {});
        let [a, b, c, d] = DONE.map(|(_, token)| token);
        self.ordered(Op::Nop {}, &[a, b], &[]);
        self.ordered(Op::Nop {}, &[c, d], &[]);
    }

    /// Lets the array, the vector unit and stores wait for the layer before, and gives the buffers of this one.
    pub(super) fn follow(&mut self, rings: &[Ring]) {
        if !self.has_layers {
            // Nothing is before the first layer.
            DONE.into_iter().for_each(|(_, token)| self.credit(token, 1));
            self.has_layers = true;
        }
        for (unit, done) in DONE.into_iter().filter(|(unit, _)| *unit != Unit::Ld) {
            self.wait_and_post(unit, &[done], &lent(rings, unit));
        }
    }

    /// Loads constants, at once or when the layer before is done, for which all further loads wait.
    pub(super) fn load_constants(&mut self, rings: &[Ring], is_early: bool, load: impl FnOnce(&mut Self)) {
        let [(ld, done), ..] = DONE;
        let lent = lent(rings, ld);
        if is_early {
            load(self);
            self.wait_and_post(ld, &[done], &lent);
        } else {
            self.wait_and_post(ld, &[done], &lent);
            load(self);
        }
    }

    /// Ends a layer: takes back the free buffers and tells every unit.
    pub(super) fn hand_over(&mut self, rings: &[Ring]) {
        let mut before = None;
        for (unit, posts) in [
            (Unit::Mx, &[ARRAY_DONE][..]),
            (Unit::Vx, &[VECTOR_DONE]),
            (Unit::St, &DONE.map(|(_, token)| token)),
        ] {
            let given = rings.iter().filter(|ring| ring.giver == unit);
            let mut waits: Vec<Token> = given
                .flat_map(|ring| std::iter::repeat_n(ring.free, ring.n_buffers as usize))
                .collect();
            waits.extend(before);
            self.wait_and_post(unit, &waits, posts);
            before = Some(posts[0]);
        }
    }

    /// Instructions of a unit that do nothing but wait for all of `waits` and then post all of `posts`.
    fn wait_and_post(&mut self, unit: Unit, waits: &[Token], posts: &[Token]) {
        let waits: Vec<&[Token]> = waits.chunks(2).collect();
        let posts: Vec<&[Token]> = posts.chunks(2).collect();
        let n_before = waits.len().saturating_sub(1);
        for i in 0..waits.len().max(n_before + posts.len()) {
            let waits = waits.get(i).copied().unwrap_or(&[]);
            let posts = i.checked_sub(n_before).and_then(|i| posts.get(i).copied());
            self.ordered(nop(unit), waits, posts.unwrap_or(&[]));
        }
    }
}

/// What a unit posts at the begin of a layer.
fn lent(rings: &[Ring], lender: Unit) -> Vec<Token> {
    let given = rings.iter().filter(|ring| ring.lender == lender);
    given.flat_map(Ring::lent).collect()
}

/// The instruction of a unit that does nothing.
fn nop(unit: Unit) -> Op {
    match unit {
        Unit::Seq => Op::Nop {},
        Unit::Ld => Op::LdNop {},
        Unit::St => Op::StNop {},
        Unit::Mx => Op::MxNop {},
        Unit::Vx => Op::VxNop {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_avoid_the_layer_before() {
        let mut occupied = Occupied::default();
        let first = occupied.place(100, 300, 1000);
        assert_eq!((first.constants, first.rest, first.is_early), (0, 700, true));
        let second = occupied.place(200, 400, 1000);
        assert_eq!((second.constants, second.rest, second.is_early), (100, 600, true));
        let third = occupied.place(50, 200, 1000);
        assert_eq!((third.constants, third.rest, third.is_early), (0, 800, true));
        let large = occupied.place(700, 300, 1000);
        assert_eq!((large.constants, large.rest, large.is_early), (0, 700, false));
    }

    #[test]
    fn posts_come_with_the_last_wait() {
        let mut e = Emitter::default();
        let [a, b, c, d] = [0, 1, 2, 3].map(Token::at);
        e.wait_and_post(Unit::Mx, &[a, b, a], &[c, d, c]);
        let found: Vec<_> = e.code.iter().map(|i| (i.tokens.waits, i.tokens.posts)).collect();
        let pair = |tokens: &[Token]| [tokens.first().copied(), tokens.get(1).copied()];
        assert_eq!(
            found,
            [
                (pair(&[a, b]), pair(&[])),
                (pair(&[a]), pair(&[c, d])),
                (pair(&[]), pair(&[c]))
            ]
        );
    }
}
