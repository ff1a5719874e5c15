//! Which posts a wait follows.
//!
//! The k-th take of a token happens after the k posts that make its count reach k, so it learns what all of them know. That names the same
//! posts in every execution only if the posts of a token are ordered among themselves, and so are its takes; else the match
//! depends on timing, and the first pair of instructions for which it does is kept.

use super::clock::{Clock, Event};
use std::collections::VecDeque;
use systole_isa::Tokens;
use systole_isa::operand::{N_TOKENS, Token};

/// Whether all tokens that an instruction waits for are there.
pub(crate) fn has_tokens(counters: &[u32], tokens: &Tokens) -> bool {
    match tokens.waits {
        [None, None] => true,
        [Some(only), None] | [None, Some(only)] => counters[only.index()] > 0,
        [Some(first), Some(second)] if first == second => counters[first.index()] > 1,
        [Some(first), Some(second)] => counters[first.index()] > 0 && counters[second.index()] > 0,
    }
}

/// Two instructions that post, or take, a token in no fixed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ambiguity {
    pub(crate) token: Token,
    /// Whether they post; else they wait.
    pub(crate) posts: bool,
    pub(crate) first: Event,
    pub(crate) second: Event,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct TokenOrder {
    /// Posts not taken yet, oldest first, as (what it and all posts before it know, number of such posts).
    posted: VecDeque<(Clock, u32)>,
    /// What all posts so far know.
    known: Clock,
    last_post: Option<Event>,
    last_take: Option<Event>,
    ambiguity: Option<Ambiguity>,
}

/// The order of posts and takes of all tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TokenClocks([TokenOrder; N_TOKENS]);

impl TokenClocks {
    /// Adds `n` posts by an instruction that knows `clock` when it posts.
    pub(crate) fn post(&mut self, token: Token, n: u32, clock: &Clock, by: Event) {
        if n == 0 {
            return;
        }
        let order = &mut self.0[token.index()];
        if let Some(last) = order.last_post.replace(by)
            && !last.is_known_to(clock)
        {
            order.ambiguity.get_or_insert(Ambiguity {
                token,
                posts: true,
                first: last,
                second: by,
            });
        }
        order.known.join(clock);
        match order.posted.back_mut() {
            Some((last, count)) if *last == order.known => *count = count.saturating_add(n),
            _ => order.posted.push_back((order.known, n)),
        }
    }

    /// Takes one: what the taker learns. `known` is what it knows without this token. Nothing is learnt where nothing was posted.
    pub(crate) fn take(&mut self, token: Token, known: &Clock, by: Event) -> Clock {
        let order = &mut self.0[token.index()];
        if let Some(last) = order.last_take.replace(by) {
            // A unit takes in the order of its instructions.
            let in_order = last.chain.unit() == by.chain.unit() || last.is_known_to(known);
            if !in_order {
                order.ambiguity.get_or_insert(Ambiguity {
                    token,
                    posts: false,
                    first: last,
                    second: by,
                });
            }
        }
        let Some((clock, count)) = order.posted.front_mut() else {
            return Clock::default();
        };
        let learnt = *clock;
        *count -= 1;
        if *count == 0 {
            order.posted.pop_front();
        }
        learnt
    }

    /// What the next take would learn.
    pub(crate) fn next(&self, token: Token) -> Clock {
        self.0[token.index()]
            .posted
            .front()
            .map_or(Clock::default(), |(clock, _)| *clock)
    }

    /// The first ambiguity of each token.
    pub(crate) fn ambiguities(&self) -> impl Iterator<Item = &Ambiguity> {
        self.0.iter().filter_map(|order| order.ambiguity.as_ref())
    }

    /// The instruction that posted a token last.
    pub(crate) fn last_post(&self, token: Token) -> Option<Event> {
        self.0[token.index()].last_post
    }
}
