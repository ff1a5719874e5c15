//! How an instruction is ordered against other units: the tokens that it waits for and posts.

use crate::operand::Token;

/// The tokens that an instruction waits for before it starts and posts when it is done.
///
/// Waiting takes one from a counter, as soon as it is above zero; posting adds one. Absent entries come last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tokens {
    /// Taken before the start.
    pub waits: [Option<Token>; 2],
    /// Added at completion.
    pub posts: [Option<Token>; 2],
}

impl Tokens {
    /// No token at all.
    pub const NONE: Tokens = Tokens {
        waits: [None, None],
        posts: [None, None],
    };

    /// One token to wait for.
    pub const fn wait(token: Token) -> Self {
        Self {
            waits: [Some(token), None],
            posts: [None, None],
        }
    }

    /// One token to post.
    pub const fn post(token: Token) -> Self {
        Self {
            waits: [None, None],
            posts: [Some(token), None],
        }
    }

    /// This set and a token to wait for; `None` if both places are taken.
    pub fn and_wait(mut self, token: Token) -> Option<Self> {
        *self.waits.iter_mut().find(|slot| slot.is_none())? = Some(token);
        Some(self)
    }

    /// This set and a token to post; `None` if both places are taken.
    pub fn and_post(mut self, token: Token) -> Option<Self> {
        *self.posts.iter_mut().find(|slot| slot.is_none())? = Some(token);
        Some(self)
    }

    /// Whether absent entries come last, which an encodable set has to satisfy.
    pub fn is_canonical(&self) -> bool {
        [self.waits, self.posts]
            .iter()
            .all(|pair| pair[0].is_some() || pair[1].is_none())
    }
}
