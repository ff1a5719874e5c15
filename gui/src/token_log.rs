//! Which post of a token which instruction took. The n-th take of a token takes the n-th post; the log numbers both as instructions
//! complete, keeps the newest of each token, and pairs them.

use std::collections::VecDeque;

/// Posts, and takes, that are kept per token.
const MAX_EVENTS: usize = 8_192;

/// A post or a take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenEvent {
    /// Cycle in which it happens: a take at the instruction's start, a post at its completion.
    pub cycle: u64,
    /// Cycle in which the instruction was complete, from which on the log knows of it.
    pub known_at: u64,
    /// Unit of the instruction.
    pub unit_idx: usize,
    /// The instruction.
    pub pc: u32,
}

/// A post and the take that it allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLink {
    /// The token.
    pub token: u8,
    /// Who posted it.
    pub post: TokenEvent,
    /// Who took it.
    pub take: TokenEvent,
}

/// Events of one kind of one token, numbered in order.
#[derive(Clone, Debug, Default)]
struct Events {
    /// Number of the first event that is kept.
    first: u64,
    kept: VecDeque<TokenEvent>,
}

impl Events {
    fn push(&mut self, event: TokenEvent) {
        if self.kept.len() == MAX_EVENTS {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(event);
    }

    fn get(&self, number: u64) -> Option<TokenEvent> {
        let idx = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.kept.get(idx).copied()
    }

    fn n_ever(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    fn truncate(&mut self, cycle: u64) {
        while self.kept.pop_back_if(|event| event.known_at >= cycle).is_some() {}
    }

    fn reaches(&self, cycle: u64) -> bool {
        self.first == 0 || self.kept.front().is_some_and(|event| event.known_at < cycle)
    }
}

/// Posts and takes of all tokens.
#[derive(Clone, Debug)]
pub struct TokenLog {
    posts: Vec<Events>,
    takes: Vec<Events>,
    /// Whether numbers of posts and takes still belong together.
    is_paired: bool,
}

impl TokenLog {
    /// An empty log for tokens `0..n_tokens`.
    pub fn new(n_tokens: usize) -> Self {
        Self {
            posts: vec![Events::default(); n_tokens],
            takes: vec![Events::default(); n_tokens],
            is_paired: true,
        }
    }

    /// Notes a post.
    pub fn post(&mut self, token: u8, event: TokenEvent) {
        self.posts[usize::from(token)].push(event);
    }

    /// Notes a take.
    pub fn take(&mut self, token: u8, event: TokenEvent) {
        self.takes[usize::from(token)].push(event);
    }

    /// Takes back what became known in cycle `cycle` or later. Further back than what is kept, nothing is paired any more until
    /// the run starts anew.
    pub fn truncate(&mut self, cycle: u64) {
        let all = self.posts.iter_mut().chain(&mut self.takes);
        let mut reaches = true;
        for events in all {
            reaches &= events.reaches(cycle);
            events.truncate(cycle);
        }
        self.is_paired &= reaches;
        if cycle == 0 {
            *self = Self::new(self.posts.len());
        }
    }

    /// The pairs of which the take happened in `start..end` or the post did, at most `limit` of them; `None` if there are more.
    pub fn links(&self, start: u64, end: u64, limit: usize) -> Option<Vec<TokenLink>> {
        let mut links = Vec::new();
        for token in (0..self.posts.len()).filter(|_| self.is_paired) {
            let takes = &self.takes[token];
            let from = takes.kept.partition_point(|take| take.cycle < start);
            for idx in from..takes.kept.len() {
                let Some(link) = self.link(token, takes.first + idx as u64) else {
                    continue;
                };
                if link.post.cycle >= end {
                    break;
                }
                if links.len() == limit {
                    return None;
                }
                links.push(link);
            }
        }
        Some(links)
    }

    fn link(&self, token: usize, number: u64) -> Option<TokenLink> {
        Some(TokenLink {
            token: token as u8,
            post: self.posts[token].get(number)?,
            take: self.takes[token].get(number)?,
        })
    }

    /// The pair of the take by an instruction that started in cycle `cycle`.
    pub fn link_of_take(&self, token: u8, pc: u32, cycle: u64) -> Option<TokenLink> {
        let takes = &self.takes[usize::from(token)];
        let from = takes.kept.partition_point(|take| take.cycle < cycle);
        let same = takes.kept.iter().skip(from).take_while(|take| take.cycle == cycle);
        let offset = same.clone().position(|take| take.pc == pc)?;
        let number = takes.first + (from + offset) as u64;
        self.link(usize::from(token), number).filter(|_| self.is_paired)
    }

    /// Posts so far of a token.
    pub fn n_posts(&self, token: u8) -> u64 {
        self.posts[usize::from(token)].n_ever()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(cycle: u64, known_at: u64, pc: u32) -> TokenEvent {
        TokenEvent {
            cycle,
            known_at,
            unit_idx: 1,
            pc,
        }
    }

    /// Post `i` at `10 i + 5`, take `i` at `10 i + 7`, known 4 cycles later.
    fn log(n: u64) -> TokenLog {
        let mut log = TokenLog::new(2);
        for i in 0..n {
            log.post(1, event(10 * i + 5, 10 * i + 5, i as u32));
            log.take(1, event(10 * i + 7, 10 * i + 11, 100 + i as u32));
        }
        log
    }

    #[test]
    fn the_nth_take_takes_the_nth_post() {
        let log = log(20_000);
        let links = log.links(199_000, 199_040, 10).expect("four are few");
        assert_eq!(links.len(), 4);
        for link in &links {
            assert_eq!(
                (link.post.pc + 100, link.post.cycle + 2),
                (link.take.pc, link.take.cycle)
            );
        }
        assert_eq!(log.links(199_000, 199_200, 10), None, "twenty are too many");
        assert_eq!(
            log.link_of_take(1, 20_000, 199_007).map(|link| link.post.pc),
            Some(19_900)
        );
        assert_eq!(log.link_of_take(1, 20_001, 199_007), None);
        assert_eq!(log.link_of_take(1, 100, 7), None, "no longer kept");
    }

    #[test]
    fn going_back_takes_back_what_was_not_known() {
        let mut log = log(100);
        log.truncate(511);
        // Take 50 at 507 was known only at 511; post 50 at 505 was known.
        assert_eq!((log.n_posts(1), log.takes[1].n_ever()), (51, 50));
        log.take(1, event(507, 511, 150));
        assert_eq!(log.link_of_take(1, 150, 507).map(|link| link.post.pc), Some(50));
    }

    #[test]
    fn numbers_that_were_forgotten_are_not_guessed() {
        let mut log = log(20_000);
        log.truncate(50_000);
        assert_eq!(log.links(0, 60_000, 100), Some(Vec::new()));
    }
}
