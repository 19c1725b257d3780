//! The consumer as its users see it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use poruka_env::Task;
use poruka_wire::{Str, Uuid};

use super::config::{ConsumerConfig, GroupConfig, Start};
use super::driver::{Shared, run};
use super::event::Event;
use super::member::Member;
use super::slot::Position;
use crate::cluster::Client;
use crate::error::ClientError;
use crate::offsets::{Commit, CommitError, Committed, commit, fetch_committed};
use crate::produce::TopicPartition;

/// Time for the farewell to the group's coordinator on close.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads records: of partitions that the application names, or of those that a group's coordinator assigns.
///
/// Nothing is committed by itself. Dropping a consumer without `close` leaves the group to notice by its session timeout.
pub struct Consumer {
    shared: Arc<Shared>,
    task: Task,
}

impl Consumer {
    /// A consumer that reads the partitions it is told to read by [`Consumer::assign`].
    /// `group`: whose offsets `commit` and `committed` use; commits are only allowed while that group has no members.
    pub fn standalone(client: &Client, config: ConsumerConfig, group: Option<Str>) -> Consumer {
        Consumer::start(Shared::new(client.clone(), config, group, None))
    }

    /// A member of a KIP-848 group. Partitions come as [`Event::Assigned`] and must be given back by [`Consumer::release`]
    /// when [`Event::Revoking`] asks for them. Reading starts at the committed offsets.
    pub fn subscribe(client: &Client, config: ConsumerConfig, group: GroupConfig) -> Consumer {
        let mut id = [0; 16];
        client.env().fill_random(&mut id);
        let name = group.group.clone();
        let now = client.env().now();
        let member = Member::new(group, Str::from(Uuid(id).to_string()), config.backoff, now);
        Consumer::start(Shared::new(client.clone(), config, Some(name), Some(member)))
    }

    fn start(shared: Shared) -> Consumer {
        let shared = Arc::new(shared);
        let task = shared.client.env().spawn("consumer", run(Arc::clone(&shared)));
        Consumer { shared, task }
    }

    /// Reads these partitions from now on, beside those already read. Not for group members.
    ///
    /// # Errors
    /// When a topic does not exist or the cluster does not answer.
    pub async fn assign(&self, partitions: &[(TopicPartition, Start)]) -> Result<(), ClientError> {
        for (at, start) in partitions {
            let topic = self.shared.client.topic(&at.topic).await?;
            let known = usize::try_from(at.partition).is_ok_and(|number| number < topic.partitions.len());
            if !known {
                return Err(ClientError::UnknownTopic { topic: format!("{}-{}", at.topic, at.partition) });
            }
            let mut state = self.shared.lock();
            state.reader.assign(at.clone(), topic.id, position(*start));
            state.reader.set_topic(&topic);
        }
        self.shared.wake.notify_one();
        Ok(())
    }

    /// Reads these partitions from their committed offsets, and by the reset policy where there is none. Not for members.
    ///
    /// # Errors
    /// When a topic does not exist or the cluster does not answer.
    pub async fn assign_committed(&self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        for at in partitions {
            let topic = self.shared.client.topic(&at.topic).await?;
            let mut state = self.shared.lock();
            state.reader.assign(at.clone(), topic.id, Position::Committed);
            state.reader.set_topic(&topic);
        }
        self.shared.wake.notify_one();
        Ok(())
    }

    /// Reads these partitions no longer. Not for group members.
    pub fn unassign(&self, partitions: &[TopicPartition]) {
        let mut state = self.shared.lock();
        for at in partitions {
            state.reader.remove(at);
        }
    }

    /// The next records or event; waits for one.
    ///
    /// Cancel safety: nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// `Closed` after `close`.
    pub async fn next(&self) -> Result<Event, ClientError> {
        loop {
            if let Some(event) = self.try_next() {
                return Ok(event);
            }
            if self.shared.closed.load(Ordering::Acquire) {
                return Err(ClientError::Closed);
            }
            self.shared.ready.notified().await;
        }
    }

    /// The next records or event, if one is there.
    pub fn try_next(&self) -> Option<Event> {
        let event = self.shared.lock().reader.next();
        if event.is_some() {
            // There may be more, for another waiter.
            self.shared.ready.notify_one();
        }
        if matches!(event, Some(Event::Records(_))) {
            // There is room for more.
            self.shared.wake.notify_one();
        }
        event
    }

    /// Lets go of revoked partitions: what was handed out of them is done, and committed if it is to be.
    pub fn release(&self, partitions: &[TopicPartition]) {
        self.shared.lock().release(&self.shared.client, partitions);
        self.shared.wake.notify_one();
        self.shared.ready.notify_one();
    }

    /// Commits positions, with retries. As a group member it does so with the member's epoch, so that a member that lost
    /// its partitions cannot overwrite the new owner's positions; partitions that are not assigned are refused here.
    ///
    /// Cancel safety: dropping the future may leave the commit written or not.
    ///
    /// # Errors
    /// Says whether the commit may be written: see [`CommitError`].
    pub async fn commit(&self, commits: &[Commit]) -> Result<(), CommitError> {
        let shared = &self.shared;
        let Some(group) = &shared.group else {
            let why = ClientError::not_sent("commit offsets", "this consumer belongs to no group");
            return Err(CommitError::NotCommitted { group: String::new(), why });
        };
        let losses = self.losses();
        // A coordinator takes any partition's offset from a member with the right epoch, so a member that lost partitions
        // and joined again must hold itself back.
        let who = || shared.committer_for(commits, losses);
        commit(&shared.client, shared.group_lane, group, commits, shared.config.retry_timeout, who).await
    }

    /// The group's committed offsets of these partitions.
    ///
    /// # Errors
    /// When the coordinator does not answer, or refuses.
    pub async fn committed(&self, partitions: &[TopicPartition]) -> Result<Vec<Committed>, ClientError> {
        let shared = &self.shared;
        let Some(_) = shared.group else {
            return Err(ClientError::not_sent(
                "fetch committed offsets",
                "this consumer belongs to no group",
            ));
        };
        let mut wanted = Vec::new();
        for at in partitions {
            let id = self.topic_id(at);
            let id = if id.is_zero() { shared.client.topic(&at.topic).await?.id } else { id };
            wanted.push((at.clone(), id));
        }
        let wanted = &wanted;
        shared
            .client
            .retrying(|| async move {
                let Some(who) = shared.committer() else { return Err(ClientError::Closed) };
                fetch_committed(&shared.client, shared.group_lane, &who, Some(wanted)).await
            })
            .await
    }

    fn topic_id(&self, at: &TopicPartition) -> Uuid {
        self.shared.lock().reader.slots.get(at).map_or(Uuid::ZERO, |slot| slot.topic_id)
    }

    /// The next offset that will be handed out; `None` while it is not known yet, or for a partition not read here.
    pub fn position(&self, at: &TopicPartition) -> Option<i64> {
        match self.shared.lock().reader.slots.get(at)?.position {
            Position::At(offset) => Some(offset),
            _ => None,
        }
    }

    /// Partitions read at the moment.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared.lock().reader.slots.keys().cloned().collect()
    }

    /// Goes on reading elsewhere; what is buffered of the partition is dropped. False when it is not read here.
    pub fn seek(&self, at: &TopicPartition, start: Start) -> bool {
        let done = self.shared.lock().reader.seek(at, position(start));
        self.shared.wake.notify_one();
        done
    }

    /// Hands out nothing of these partitions until `resume`; a position is kept.
    pub fn pause(&self, partitions: &[TopicPartition]) {
        self.set_paused(partitions, true);
    }

    /// Ends a pause.
    pub fn resume(&self, partitions: &[TopicPartition]) {
        self.set_paused(partitions, false);
        self.shared.wake.notify_one();
        self.shared.ready.notify_one();
    }

    fn set_paused(&self, partitions: &[TopicPartition], paused: bool) {
        let mut state = self.shared.lock();
        for at in partitions {
            if let Some(slot) = state.reader.slots.get_mut(at) {
                slot.paused = paused;
            }
        }
    }

    /// How often partitions were lost so far ([`Event::Lost`]). A commit that spans a loss may be accepted under the new
    /// membership although another member has read the partition in between.
    pub fn losses(&self) -> u64 {
        self.shared.lock().losses
    }

    /// Member id and epoch, for a group member that has joined.
    pub fn membership(&self) -> Option<(Str, i32)> {
        let state = self.shared.lock();
        state
            .member
            .as_ref()
            .filter(|member| member.epoch > 0)
            .map(|member| (member.id.clone(), member.epoch))
    }

    /// Stops reading and leaves the group, so that others take over at once. Commit before.
    pub async fn close(&self) {
        if self.shared.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.task.abort();
        let farewell =
            self.shared.lock().member.as_mut().map(|member| (member.group().clone(), member.leave()));
        if let Some((group, request)) = farewell {
            let client = &self.shared.client;
            let leaving =
                client.call_coordinator("leave the group", &group, self.shared.group_lane, &request);
            let _ = client.env().timeout(LEAVE_TIMEOUT, leaving).await;
        }
        self.end();
    }

    fn end(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.task.abort();
        self.shared.client.close_lane(self.shared.fetch_lane);
        self.shared.client.close_lane(self.shared.group_lane);
        self.shared.ready.notify_waiters();
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.end();
    }
}

fn position(start: Start) -> Position {
    match start {
        Start::Offset(offset) => Position::At(offset),
        other => Position::Look { start: other, from: None, told: false },
    }
}
