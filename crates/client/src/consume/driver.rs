//! The consumer's own task: it asks the two state machines (reading, membership) what to do and tells them what happened.
//!
//! Everything that waits (a fetch, a look-up, a heartbeat) is a task of its own that reports back. Fetches and group
//! requests have lanes of their own: a heartbeat or a commit never stands behind a fetch that waits for data.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use poruka_env::Mono;
use poruka_wire::api::{
    ConsumerGroupHeartbeatRequest, FetchPartition, FetchRequest, FetchResponse, FetchTopic, READ_UNCOMMITTED,
};
use poruka_wire::{Str, Uuid};
use tokio::sync::Notify;

use super::config::{ConsumerConfig, Start};
use super::event::Event;
use super::machine::{FetchPlan, Lookup, Reader};
use super::member::{Assignment, Member, MemberEvent};
use super::slot::Position;
use crate::cluster::{Client, Lane, is_coordinator_trouble};
use crate::error::ClientError;
use crate::offsets::{Commit, Committer, Spot, fetch_committed, list_offsets};
use crate::produce::TopicPartition;

pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) config: ConsumerConfig,
    pub(crate) fetch_lane: Lane,
    pub(crate) group_lane: Lane,
    /// The group whose offsets are used, with or without membership.
    pub(crate) group: Option<Str>,
    state: Mutex<State>,
    /// The driver has something to look at.
    pub(crate) wake: Notify,
    /// The application has something to look at.
    pub(crate) ready: Notify,
    pub(crate) closed: AtomicBool,
}

pub(crate) struct State {
    pub(crate) reader: Reader,
    pub(crate) member: Option<Member>,
    /// How often partitions were lost.
    pub(crate) losses: u64,
    refreshing: bool,
    failures: u32,
    refreshed: Mono,
    /// Assigned by id, name not known yet.
    pub(crate) nameless: Assignment,
    naming: bool,
}

impl Shared {
    pub(crate) fn new(
        client: Client,
        config: ConsumerConfig,
        group: Option<Str>,
        member: Option<Member>,
    ) -> Shared {
        let state = State {
            reader: Reader::new(config.clone(), member.is_none()),
            member,
            losses: 0,
            refreshing: false,
            failures: 0,
            refreshed: client.env().now(),
            nameless: Assignment::new(),
            naming: false,
        };
        Shared {
            fetch_lane: client.new_lane(),
            group_lane: client.new_lane(),
            client,
            config,
            group,
            state: Mutex::new(state),
            wake: Notify::new(),
            ready: Notify::new(),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As whom offsets are committed and fetched now.
    pub(crate) fn committer(&self) -> Option<Committer> {
        let group = self.group.clone()?;
        let state = self.lock();
        Some(match &state.member {
            Some(member) => Committer {
                group,
                member_id: member.id.clone(),
                epoch: member.epoch,
                instance_id: member.instance_id(),
            },
            None => Committer::outsider(group),
        })
    }

    /// As whom these positions are committed; `None` when a member has lost partitions since `losses` were counted, or does
    /// not own one of these.
    pub(crate) fn committer_for(&self, commits: &[Commit], losses: u64) -> Option<Committer> {
        let is_ours = {
            let state = self.lock();
            let owns = |commit: &Commit| state.reader.slots.contains_key(&commit.at);
            state.member.is_none() || (state.losses == losses && commits.iter().all(owns))
        };
        if is_ours { self.committer() } else { None }
    }

    fn poke(&self) {
        self.ready.notify_one();
        self.wake.notify_one();
    }
}

struct Step {
    fetches: Vec<FetchPlan>,
    lookups: Vec<Lookup>,
    refresh: BTreeSet<Str>,
    name: BTreeSet<Uuid>,
    heartbeat: Option<ConsumerGroupHeartbeatRequest>,
    failures: u32,
    wake_at: Option<Mono>,
}

impl State {
    fn step(&mut self, now: Mono, age_max: std::time::Duration) -> Step {
        let mut refresh = BTreeSet::new();
        if !self.refreshing {
            refresh = self.reader.take_refresh();
            if now - self.refreshed > age_max {
                refresh.extend(self.reader.slots.keys().map(|at| at.topic.clone()));
            }
            self.refreshing = !refresh.is_empty();
        }
        let mut name = BTreeSet::new();
        if !self.naming {
            name = self.nameless.iter().map(|(id, _)| *id).collect();
            self.naming = !name.is_empty();
        }
        let heartbeat = self.member.as_mut().and_then(|member| member.heartbeat(now));
        let fetches = self.reader.plan(now);
        let lookups = self.reader.take_lookups(now);
        let due = self.member.as_ref().and_then(Member::due_at);
        let wake_at = [self.reader.wake_at(now), due].into_iter().flatten().min();
        Step { fetches, lookups, refresh, name, heartbeat, failures: self.failures, wake_at }
    }
}

/// Runs until it is aborted.
pub(crate) async fn run(shared: Arc<Shared>) {
    let env = shared.client.env().clone();
    let age_max = shared.client.config().metadata_age_max;
    loop {
        let step = shared.lock().step(env.now(), age_max);
        for plan in step.fetches {
            let shared = Arc::clone(&shared);
            env.spawn("consumer-fetch", async move { fetch(&shared, plan).await });
        }
        if !step.lookups.is_empty() {
            let shared = Arc::clone(&shared);
            env.spawn("consumer-lookup", async move { look_up(&shared, step.lookups).await });
        }
        if !step.refresh.is_empty() {
            let shared = Arc::clone(&shared);
            env.spawn("consumer-refresh", async move { refresh(&shared, step.refresh, step.failures).await });
        }
        if !step.name.is_empty() {
            let shared = Arc::clone(&shared);
            env.spawn("consumer-names", async move { find_names(&shared, step.name).await });
        }
        if let Some(request) = step.heartbeat {
            let shared = Arc::clone(&shared);
            env.spawn("consumer-heartbeat", async move { heartbeat(&shared, request).await });
        }
        match step.wake_at {
            Some(until) => {
                tokio::select! {
                    biased;
                    () = shared.wake.notified() => {}
                    () = env.sleep_until(until) => {}
                }
            }
            None => shared.wake.notified().await,
        }
    }
}

async fn fetch(shared: &Arc<Shared>, plan: FetchPlan) {
    let answer = ask_fetch(shared, &plan).await;
    if let Err(error) = &answer {
        tracing::debug!(node = plan.node, %error, "a fetch had no answer");
    }
    let (now, random) = (shared.client.env().now(), shared.client.env().random_u64());
    if !shared.closed.load(Ordering::Acquire) {
        shared.lock().reader.answered(now, &plan, answer.ok().as_ref(), random);
    }
    shared.poke();
}

async fn ask_fetch(shared: &Shared, plan: &FetchPlan) -> Result<FetchResponse, ClientError> {
    let config = &shared.config;
    let mut request = FetchRequest {
        max_wait_ms: i32::try_from(config.max_wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: config.min_bytes,
        max_bytes: plan.bytes_max,
        isolation_level: READ_UNCOMMITTED,
        ..Default::default()
    };
    for part in &plan.parts {
        let partition = FetchPartition {
            partition: part.at.partition,
            current_leader_epoch: part.leader_epoch,
            fetch_offset: part.offset,
            last_fetched_epoch: part.last_epoch,
            partition_max_bytes: config.partition_bytes_max,
            ..Default::default()
        };
        match request.topics.iter_mut().find(|topic| topic.topic_id == part.topic_id) {
            Some(topic) => topic.partitions.push(partition),
            None => request.topics.push(FetchTopic {
                topic: part.at.topic.clone(),
                topic_id: part.topic_id,
                partitions: vec![partition],
            }),
        }
    }
    let connection = shared.client.connection(plan.node, shared.fetch_lane).await?;
    let limit = config.max_wait + shared.client.config().request_timeout;
    connection.call_within(&request, limit).await.map_err(|error| ClientError::from_call("fetch", error))
}

/// Finds positions: committed ones first, then at the leaders.
async fn look_up(shared: &Arc<Shared>, lookups: Vec<Lookup>) {
    let (committed, others): (Vec<_>, Vec<_>) =
        lookups.into_iter().partition(|lookup| lookup.start.is_none());
    if !committed.is_empty() {
        look_up_committed(shared, &committed).await;
    }
    if !others.is_empty() {
        look_up_at_leaders(shared, &others).await;
    }
    shared.poke();
}

async fn look_up_committed(shared: &Shared, lookups: &[Lookup]) {
    let wanted: Vec<(TopicPartition, Uuid)> =
        lookups.iter().map(|lookup| (lookup.at.clone(), lookup.topic_id)).collect();
    let answer = match shared.committer() {
        Some(who) => fetch_committed(&shared.client, shared.group_lane, &who, Some(&wanted)).await,
        None => Ok(Vec::new()),
    };
    let (now, random) = (shared.client.env().now(), shared.client.env().random_u64());
    let mut state = shared.lock();
    for lookup in lookups {
        let found = answer.as_ref().map(|all| all.iter().find(|committed| committed.at == lookup.at));
        match found {
            Ok(Some(committed)) => match committed.offset {
                Some(offset) => state.reader.position_found(&lookup.at, lookup.generation, offset),
                None => state.reader.nothing_committed(&lookup.at, lookup.generation),
            },
            Ok(None) if shared.group.is_none() => {
                state.reader.nothing_committed(&lookup.at, lookup.generation)
            }
            Ok(None) | Err(_) => state.reader.lookup_failed(now, &lookup.at, lookup.generation, random),
        }
    }
}

async fn look_up_at_leaders(shared: &Shared, lookups: &[Lookup]) {
    let mut wanted = Vec::new();
    let mut known = Vec::new();
    for lookup in lookups {
        match lookup.start {
            Some(Start::Offset(offset)) => known.push((lookup, offset)),
            Some(Start::Earliest) | None => wanted.push((lookup.at.clone(), Spot::Earliest)),
            Some(Start::Latest) => wanted.push((lookup.at.clone(), Spot::Latest)),
            Some(Start::Timestamp(ms)) => wanted.push((lookup.at.clone(), Spot::Timestamp(ms))),
        }
    }
    let answers = list_offsets(&shared.client, shared.fetch_lane, &wanted).await;
    let (now, random) = (shared.client.env().now(), shared.client.env().random_u64());
    let mut state = shared.lock();
    for (lookup, offset) in known {
        state.reader.position_found(&lookup.at, lookup.generation, offset);
    }
    for (at, answer) in answers {
        let Some(lookup) = lookups.iter().find(|lookup| lookup.at == at) else { continue };
        match answer.map(|found| found.offset) {
            Ok(Some(offset)) => state.reader.position_found(&at, lookup.generation, offset),
            // No record is that young: the end is where one will be.
            Ok(None) => state.reader.look_at_end(&at, lookup.generation),
            Err(_) => state.reader.lookup_failed(now, &at, lookup.generation, random),
        }
    }
}

async fn refresh(shared: &Arc<Shared>, topics: BTreeSet<Str>, failures: u32) {
    let answer = shared.client.refresh(&topics).await;
    let metadata = shared.client.metadata();
    let good = {
        let mut state = shared.lock();
        state.refreshed = shared.client.env().now();
        if answer.is_ok() {
            for name in &topics {
                match metadata.topic(name) {
                    Some(topic) => state.reader.set_topic(topic),
                    None => state.reader.topic_gone(name),
                }
            }
        }
        let good = answer.is_ok() && !state.reader.is_leaderless();
        state.failures = if good { 0 } else { state.failures.saturating_add(1) };
        good
    };
    shared.poke();
    // Even a look-up that helped is not followed by another one at once.
    shared.client.back_off(if good { 1 } else { failures + 1 }).await;
    shared.lock().refreshing = false;
    shared.wake.notify_one();
}

/// Finds the names of topics that were assigned by id.
async fn find_names(shared: &Arc<Shared>, ids: BTreeSet<Uuid>) {
    let known = |id: &Uuid| shared.client.metadata().topic_by_id(*id).is_some();
    let unknown: Vec<Uuid> = ids.iter().filter(|id| !known(id)).copied().collect();
    if !unknown.is_empty() {
        let _ = shared.client.refresh_ids(&unknown).await;
    }
    let missing = {
        let mut state = shared.lock();
        state.begin_named(&shared.client);
        !state.nameless.is_empty()
    };
    shared.poke();
    if missing {
        shared.client.back_off(2).await;
    }
    shared.lock().naming = false;
    shared.wake.notify_one();
}

impl State {
    /// Starts reading those assigned partitions whose topics have a name by now.
    fn begin_named(&mut self, client: &Client) {
        let metadata = client.metadata();
        let mut begun = Vec::new();
        self.nameless.retain(|(id, partition)| match metadata.topic_by_id(*id) {
            Some(topic) => {
                begun.push((TopicPartition { topic: topic.name.clone(), partition: *partition }, *id));
                false
            }
            None => true,
        });
        if begun.is_empty() {
            return;
        }
        let names: Vec<TopicPartition> = begun.iter().map(|(at, _)| at.clone()).collect();
        for (at, id) in begun {
            self.reader.assign(at.clone(), id, Position::Committed);
            if let Some(topic) = metadata.topic(&at.topic) {
                self.reader.set_topic(topic);
            }
        }
        self.reader.events.push_back(Event::Assigned(names));
    }

    /// Our partitions with these ids; those that were never begun are left out.
    fn names_of(&self, partitions: &Assignment) -> Vec<TopicPartition> {
        let slots = self.reader.slots.iter();
        slots
            .filter(|(at, slot)| partitions.contains(&(slot.topic_id, at.partition)))
            .map(|(at, _)| at.clone())
            .collect()
    }

    /// Does what the membership says. `now` is needed because what was never begun is let go of at once.
    pub(crate) fn apply(&mut self, client: &Client, events: Vec<MemberEvent>) {
        let mut events = std::collections::VecDeque::from(events);
        while let Some(event) = events.pop_front() {
            match event {
                MemberEvent::Assigned(partitions) => {
                    self.nameless.extend(partitions);
                    self.begin_named(client);
                }
                MemberEvent::Revoke(partitions) => {
                    let names = self.names_of(&partitions);
                    for at in &names {
                        self.reader.seek(at, Position::Stopped);
                    }
                    let never_begun: Assignment = partitions
                        .iter()
                        .filter(|partition| self.nameless.contains(partition))
                        .copied()
                        .collect();
                    self.nameless.retain(|partition| !never_begun.contains(partition));
                    if !never_begun.is_empty()
                        && let Some(member) = &mut self.member
                    {
                        events.extend(member.released(client.env().now(), &never_begun));
                    }
                    if !names.is_empty() {
                        self.reader.events.push_back(Event::Revoking(names));
                    }
                }
                MemberEvent::Lost(partitions) => {
                    let names = self.names_of(&partitions);
                    self.nameless.retain(|partition| !partitions.contains(partition));
                    for at in &names {
                        self.reader.remove(at);
                    }
                    if !names.is_empty() {
                        self.losses += 1;
                        self.reader.events.push_back(Event::Lost(names));
                    }
                }
                MemberEvent::Failed(code, message) => {
                    self.reader.events.push_back(Event::GroupFailed { code, message });
                }
            }
        }
    }

    /// The application has let go of partitions.
    pub(crate) fn release(&mut self, client: &Client, names: &[TopicPartition]) {
        let mut partitions = Assignment::new();
        for at in names {
            if let Some(slot) = self.reader.slots.get(at) {
                partitions.insert((slot.topic_id, at.partition));
            }
            self.reader.remove(at);
        }
        let events = self.member.as_mut().map(|member| member.released(client.env().now(), &partitions));
        self.apply(client, events.unwrap_or_default());
    }
}

async fn heartbeat(shared: &Arc<Shared>, request: ConsumerGroupHeartbeatRequest) {
    let group = request.group_id.clone();
    let answer =
        shared.client.call_coordinator("send a heartbeat", &group, shared.group_lane, &request).await;
    if answer.as_ref().is_ok_and(|answer| is_coordinator_trouble(answer.error_code)) {
        shared.client.forget_coordinator(&group);
    }
    let (now, random) = (shared.client.env().now(), shared.client.env().random_u64());
    {
        let mut state = shared.lock();
        let events = match (&mut state.member, &answer) {
            (Some(member), Err(ClientError::Unsupported(unsupported))) => {
                member.unsupported(&unsupported.to_string())
            }
            (Some(member), answer) => member.answered(now, answer.as_ref().ok(), random),
            (None, _) => Vec::new(),
        };
        state.apply(&shared.client, events);
    }
    shared.poke();
}
