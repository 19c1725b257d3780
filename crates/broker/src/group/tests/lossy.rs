//! A driver whose log becomes durable late and whose process dies: what is not durable is lost, answers and all.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use poruka_wire::Str;

use super::world::two_topics;
use crate::group::{
    Effect, GroupCall, GroupConfig, GroupRequest, GroupResponse, Groups, Now, Token, TopicView,
};

pub(super) struct Lossy {
    pub(super) groups: Groups,
    pub(super) now: Now,
    pub(super) topics: TopicView,
    config: GroupConfig,
    /// The durable log, folded as a compacted log is.
    durable: BTreeMap<Bytes, Bytes>,
    /// Effects that have not taken place yet.
    queue: VecDeque<Effect>,
    /// Answers that have left, in order.
    pub(super) delivered: VecDeque<(Token, GroupResponse)>,
    tokens: u64,
    starts: u128,
}

impl Lossy {
    pub(super) fn new(config: GroupConfig) -> Self {
        let mut lossy = Self {
            groups: Groups::new(config.clone(), 0),
            now: Now { mono_ms: 1_000, wall_ms: 1_000_000_000 },
            topics: two_topics(),
            config,
            durable: BTreeMap::new(),
            queue: VecDeque::new(),
            delivered: VecDeque::new(),
            tokens: 0,
            starts: 0,
        };
        lossy.start();
        lossy
    }

    fn start(&mut self) {
        self.starts += 1;
        self.groups = Groups::new(self.config.clone(), self.starts);
        for (key, value) in &self.durable {
            self.groups.replay(key, Some(value)).expect("own records can be read");
        }
        let effects = self.groups.start(self.now, self.topics.clone());
        self.apply(effects);
    }

    /// Dies after `effects` more of the queue became durable without anyone being told, and starts again.
    pub(super) fn crash(&mut self, effects: usize) {
        for effect in std::mem::take(&mut self.queue).into_iter().take(effects) {
            if let Effect::Persist { records } = effect {
                fold(&mut self.durable, records);
            }
        }
        self.start();
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        self.queue.extend(effects);
        self.flush(0);
        self.check_log_and_memory_agree();
    }

    /// Makes the next `persists` appends durable, and delivers every answer that nothing holds back any more.
    pub(super) fn flush(&mut self, persists: usize) {
        let mut left = persists;
        while let Some(effect) = self.queue.pop_front() {
            match effect {
                Effect::Persist { records } if left > 0 => {
                    left -= 1;
                    fold(&mut self.durable, records);
                }
                Effect::Reply { token, response } => self.delivered.push_back((token, response)),
                effect @ Effect::Persist { .. } => {
                    self.queue.push_front(effect);
                    return;
                }
            }
        }
    }

    pub(super) fn send(&mut self, api_version: i16, request: impl Into<GroupRequest>) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        let call = GroupCall {
            api_version,
            client_id: Str::from("client"),
            client_host: Str::from("/127.0.0.1"),
            request: request.into(),
        };
        let effects = self.groups.handle(self.now, token, call);
        self.apply(effects);
        token
    }

    pub(super) fn pass(&mut self, ms: u64) {
        let end_ms = self.now.mono_ms + ms;
        for _ in 0..1_000 {
            let Some(at_ms) = self.groups.next_deadline().filter(|at_ms| *at_ms <= end_ms) else { break };
            self.move_clock(at_ms.max(self.now.mono_ms));
            let effects = self.groups.tick(self.now);
            self.apply(effects);
        }
        self.move_clock(end_ms);
    }

    fn move_clock(&mut self, mono_ms: u64) {
        self.now.wall_ms += (mono_ms - self.now.mono_ms) as i64;
        self.now.mono_ms = mono_ms;
    }

    pub(super) fn set_topics(&mut self, topics: TopicView) {
        self.topics = topics.clone();
        let effects = self.groups.topics_changed(self.now, topics);
        self.apply(effects);
    }

    /// The state in memory is the one that the log, with all that is on its way to it, would give.
    fn check_log_and_memory_agree(&self) {
        let mut log = self.durable.clone();
        for effect in &self.queue {
            if let Effect::Persist { records } = effect {
                fold(&mut log, records.clone());
            }
        }
        assert_eq!(self.groups.state.snapshot(), log, "log and memory differ");
    }
}

fn fold(log: &mut BTreeMap<Bytes, Bytes>, records: Vec<(Bytes, Option<Bytes>)>) {
    for (key, value) in records {
        match value {
            Some(value) => log.insert(key, value),
            None => log.remove(&key),
        };
    }
}
