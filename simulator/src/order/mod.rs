//! Happens-before: which work is ordered by the program, whatever the timing.
//!
//! The machine and the static check tell this module what is dispatched, starts, posts and is waited for; it knows neither a cycle nor a
//! value. Two accesses to a byte, one of them a write, that nothing orders are a race even if they never meet in time.
//!
//! What orders work:
//! - An instruction knows what the sequencer knew when it dispatched it (its operands were captured then), and what the
//!   instructions before it in its unit knew.
//! - A take of a token knows what the posts know that made the count reach it (see [`tokens`]).
//! - A post knows that its instruction is complete, and all work that the unit's pipeline completes before it: for LD, ST and VX everything
//!   before it in the unit; for a product of the array the products before it and the loads that were swapped in; for a load the
//!   loads before it; for `mx.nop` everything before it.
//! - After a fence the sequencer knows everything.
//!
//! Full queues order nothing, since their depth is the machine's and not the program's. Accesses of one unit are never in conflict: the
//! unit performs them in order.

pub(crate) mod clock;
pub(crate) mod deadlock;
mod footprint;
mod grid;
mod last_epochs;
mod shadow;
pub(crate) mod tokens;

use crate::race::Access;
use clock::{Chain, Clock, Event, N_CHAINS};
pub(crate) use footprint::Footprint;
pub(crate) use shadow::Conflict;
use shadow::Shadow;
use smallvec::SmallVec;
use std::collections::VecDeque;
use systole_isa::operand::{Space, Token};
use systole_isa::{Tokens, Unit};
pub(crate) use tokens::Ambiguity;
use tokens::TokenClocks;

/// What an instruction does to the registers of the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ArrayUse {
    /// It fills the shadow registers.
    Load,
    /// It computes; with `swaps` the shadow registers become active first.
    Product { swaps: bool },
    /// Nothing: it only waits and posts.
    Nothing,
}

/// What the posts of an instruction tell those who take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Release {
    pub(crate) clock: Clock,
    pub(crate) event: Event,
}

/// Who knows what, and what was touched that not everyone knows of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    /// What the next instruction of each unit knows before it waits.
    clocks: [Clock; Unit::ALL.len()],
    /// The epoch of work that starts now, per chain.
    epochs: [u64; N_CHAINS],
    /// What the sequencer knew when it dispatched the instructions in each queue.
    dispatched: [VecDeque<Clock>; Unit::ALL.len()],
    tokens: TokenClocks,
    /// Epoch of the last load into the array that has been swapped in.
    swapped_load: u64,
    newest_load: u64,
    /// Newest epoch of loads that a post has told of.
    told_load: u64,
    shadow: Shadow,
}

impl Default for Order {
    fn default() -> Self {
        Self {
            clocks: Default::default(),
            epochs: [1; N_CHAINS],
            dispatched: Default::default(),
            tokens: TokenClocks::default(),
            swapped_load: 0,
            newest_load: 0,
            told_load: 0,
            shadow: Shadow::default(),
        }
    }
}

/// The bytes of one access.
#[derive(Clone, Debug)]
pub(crate) struct Touch {
    pub(crate) space: Space,
    pub(crate) writes: bool,
    pub(crate) footprint: Footprint,
}

/// What one instruction touches.
pub(crate) type Touches = SmallVec<[Touch; 4]>;

impl Touch {
    /// The bytes of an access.
    pub(crate) fn of(access: &Access<'_>) -> Self {
        Self {
            space: access.space(),
            writes: access.writes(),
            footprint: Footprint::of(access),
        }
    }
}

fn chain_of(unit: Unit, array: ArrayUse) -> Chain {
    match (unit, array) {
        (Unit::Seq, _) => Chain::Seq,
        (Unit::Ld, _) => Chain::Ld,
        (Unit::St, _) => Chain::St,
        (Unit::Mx, ArrayUse::Load) => Chain::MxLoad,
        (Unit::Mx, ArrayUse::Product { .. } | ArrayUse::Nothing) => Chain::MxProduct,
        (Unit::Vx, _) => Chain::Vx,
    }
}

impl Order {
    /// The sequencer puts an instruction into a unit's queue.
    pub(crate) fn dispatch(&mut self, unit: Unit) {
        self.dispatched[unit.index()].push_back(self.clocks[Unit::Seq.index()]);
    }

    /// The sequencer executes an instruction of its own that waits and posts.
    pub(crate) fn sequence(&mut self, pc: u32, tokens: &Tokens) {
        if *tokens != Tokens::NONE {
            let release = self.sequencer_event(pc, tokens);
            self.post(tokens, &release);
        }
    }

    /// The sequencer adds to a token, after its own waits and posts.
    pub(crate) fn credit(&mut self, pc: u32, token: Token, n: u32) {
        let release = self.sequencer_event(pc, &Tokens::NONE);
        self.tokens.post(token, n, &release.clock, release.event);
    }

    fn sequencer_event(&mut self, pc: u32, tokens: &Tokens) -> Release {
        let (seq, epoch) = (Unit::Seq.index(), self.epochs[Chain::Seq.index()]);
        let event = Event {
            chain: Chain::Seq,
            epoch,
            pc,
        };
        self.clocks[seq] = self.take(tokens, self.clocks[seq], event);
        self.clocks[seq].learn(Chain::Seq, epoch);
        self.epochs[Chain::Seq.index()] += 1;
        Release {
            clock: self.clocks[seq],
            event,
        }
    }

    /// Every unit is idle, and the sequencer knows it.
    pub(crate) fn fence(&mut self) {
        for chain in Chain::ALL {
            let epoch = &mut self.epochs[chain.index()];
            self.clocks[Unit::Seq.index()].learn(chain, *epoch);
            *epoch += 1;
        }
        self.told_load = self.epochs[Chain::MxLoad.index()];
        self.shadow.clear();
    }

    /// The instruction at the head of a unit's queue starts: what it conflicts with, and what its posts will tell. Takes its touches out
    /// of their list.
    pub(crate) fn start(
        &mut self,
        (unit, pc): (Unit, u32),
        array: ArrayUse,
        tokens: &Tokens,
        touches: &mut Touches,
    ) -> (Release, Vec<Conflict>) {
        let chain = chain_of(unit, array);
        let epoch = self.epochs[chain.index()];
        let event = Event { chain, epoch, pc };
        let dispatched = self.dispatched[unit.index()].pop_front().unwrap_or_default();
        let clock = self.take(tokens, self.clocks[unit.index()].joined(&dispatched), event);
        self.clocks[unit.index()] = clock;
        let conflicts = self.shadow.conflicts(chain, &clock, touches);
        let (clocks, dispatched) = (&self.clocks, &self.dispatched);
        self.shadow
            .record((chain, epoch, pc), touches, || known_to_all(chain, clocks, dispatched));
        let release = Release {
            clock: self.completion(unit, array, clock, tokens.posts[0].is_some()),
            event,
        };
        (release, conflicts)
    }

    /// What the completion of an instruction that starts now implies. If it posts, that ends an epoch.
    fn completion(&mut self, unit: Unit, array: ArrayUse, mut clock: Clock, posts: bool) -> Clock {
        let (chain, load) = (chain_of(unit, array), Chain::MxLoad);
        clock.learn(chain, self.epochs[chain.index()]);
        if unit == Unit::Mx {
            let loads = self.epochs[load.index()];
            match array {
                ArrayUse::Load => self.newest_load = loads,
                ArrayUse::Product { swaps } => {
                    if swaps {
                        self.swap();
                    }
                    clock.learn(load, self.swapped_load);
                }
                ArrayUse::Nothing => {
                    clock.learn(load, loads);
                    self.epochs[load.index()] += u64::from(posts);
                }
            }
            if posts {
                self.told_load = self.told_load.max(clock.of(load));
            }
        }
        self.epochs[chain.index()] += u64::from(posts);
        clock
    }

    /// The newest load into the array is swapped in: products from now on imply it, but not the loads behind it, so these
    /// get another epoch.
    fn swap(&mut self) {
        let epoch = &mut self.epochs[Chain::MxLoad.index()];
        if self.told_load < self.swapped_load && self.swapped_load < self.newest_load && *epoch == self.newest_load {
            // No post has told of the loads before: this one can be of their epoch, which keeps epochs few.
            self.shadow
                .move_back(Chain::MxLoad, self.newest_load, self.swapped_load);
            self.newest_load = self.swapped_load;
        } else {
            self.swapped_load = self.newest_load;
            *epoch = (*epoch).max(self.swapped_load + 1);
        }
    }

    /// The posts of an instruction that is complete.
    pub(crate) fn post(&mut self, tokens: &Tokens, release: &Release) {
        for &token in tokens.posts.iter().flatten() {
            self.tokens.post(token, 1, &release.clock, release.event);
        }
    }

    fn take(&mut self, tokens: &Tokens, known: Clock, by: Event) -> Clock {
        let mut learnt = known;
        for (i, &token) in tokens.waits.iter().enumerate() {
            let Some(token) = token else { continue };
            let other = tokens.waits[1 - i].filter(|&other| other != token);
            // The first of two waits has taken its token already when the second is looked at.
            let from_other = match (i, other) {
                (0, Some(other)) => self.tokens.next(other),
                _ => learnt,
            };
            let from_token = self.tokens.take(token, &known.joined(&from_other), by);
            learnt.join(&from_token);
        }
        learnt
    }

    /// Instructions that post, or take, a token in no fixed order: the first pair for each token.
    pub(crate) fn ambiguities(&self) -> impl Iterator<Item = &Ambiguity> {
        self.tokens.ambiguities()
    }

    /// The instruction that posted a token last.
    pub(crate) fn last_post(&self, token: Token) -> Option<u32> {
        self.tokens.last_post(token).map(|event| event.pc)
    }
}

/// The newest epoch of a chain that all work of other units knows which starts from now on.
fn known_to_all(
    chain: Chain,
    clocks: &[Clock; Unit::ALL.len()],
    dispatched: &[VecDeque<Clock>; Unit::ALL.len()],
) -> u64 {
    let others = Unit::ALL
        .into_iter()
        .filter(|&unit| unit != Unit::Seq && unit != chain.unit());
    let sequencer = &clocks[Unit::Seq.index()];
    let of = |unit: Unit| {
        let dispatched = dispatched[unit.index()].front().unwrap_or(sequencer);
        clocks[unit.index()].of(chain).max(dispatched.of(chain))
    };
    others.map(of).min().unwrap_or(0)
}
