//! The loop around a handler: hand out, handle, commit.
//!
//! Where records may be handled again, a handler that fails is given the same record again after a wait that grows and
//! is spread by chance; nothing behind it in its partition is handled before it, so that order is kept. With best-effort
//! and at-most-once a record is given to the handler once.

use std::ops::ControlFlow;

use poruka_guarantee::Delivery;

use super::{Batch, ConsumeError, Consumer, Notice, RunError};
use crate::record::Received;

impl Consumer {
    /// Gives every record to `handler`, one after the other, until it says `Break`, fails for good, or the consumer cannot
    /// go on. Positions are committed after the handler has returned (at-most-once: before it is called), at most every
    /// [`super::ConsumerOptions::commit_every`], and at the end. Notices go to the log at level info.
    ///
    /// Cancel safety: dropping the future is like a crash of the consumer: the record being handled, and those handled
    /// since the last commit, come again, except with at-most-once.
    ///
    /// # Errors
    /// See [`RunError`].
    pub async fn run<E>(
        &mut self,
        mut handler: impl AsyncFnMut(&Received) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), RunError<E>> {
        let env = self.topic.client().env().clone();
        let mut committed_at = env.now();
        loop {
            let batch = match self.next_within_commit_period(committed_at).await? {
                Some(batch) => batch,
                None => {
                    self.commit_handled().await?;
                    committed_at = env.now();
                    continue;
                }
            };
            batch.notices.iter().for_each(|notice| self.log(notice));
            for (done, record) in batch.records.iter().enumerate() {
                let flow = match self.handle(&mut handler, record).await {
                    Ok(flow) => flow,
                    Err(error) => {
                        self.mark_up_to(&batch, done);
                        self.commit_handled().await?;
                        return Err(error);
                    }
                };
                if flow.is_break() {
                    self.mark_up_to(&batch, done + 1);
                    self.commit_handled().await?;
                    return Ok(());
                }
            }
            self.mark(&batch);
            if env.now() - committed_at >= self.options.commit_every {
                self.commit_handled().await?;
                committed_at = env.now();
            }
        }
    }

    /// The next batch; `None` when something is handled and it is time to commit it.
    async fn next_within_commit_period(
        &mut self,
        committed_at: poruka_env::Mono,
    ) -> Result<Option<Batch>, ConsumeError> {
        if self.handled.is_empty() {
            return self.next().await.map(Some);
        }
        let env = self.topic.client().env().clone();
        let left = committed_at + self.options.commit_every - env.now();
        match env.timeout(left, self.next()).await {
            Ok(batch) => batch.map(Some),
            Err(_) => Ok(None),
        }
    }

    async fn handle<E>(
        &self,
        handler: &mut impl AsyncFnMut(&Received) -> Result<ControlFlow<()>, E>,
        record: &Received,
    ) -> Result<ControlFlow<()>, RunError<E>> {
        let again = self.topic.guarantee().delivery >= Delivery::AtLeastOnce;
        let attempts_max = if again { self.options.attempts_max.max(1) } else { 1 };
        let env = self.topic.client().env();
        let mut attempts = 0;
        loop {
            attempts += 1;
            match handler(record).await {
                Ok(flow) => return Ok(flow),
                Err(error) if attempts >= attempts_max => {
                    let Received { partition, offset, .. } = *record;
                    return Err(RunError::Handler { partition, offset, attempts, error });
                }
                Err(_) => env.sleep(self.options.backoff.wait(attempts, env.random_u64())).await,
            }
        }
    }

    /// Notes that the first `count` records of a batch are handled.
    fn mark_up_to(&mut self, batch: &Batch, count: usize) {
        if count == batch.records.len() {
            return self.mark(batch);
        }
        let (Some(done), Some(next)) = (&batch.done, batch.records.get(count)) else { return };
        if count > 0 {
            let mut partly = done.clone();
            partly.offset = next.offset;
            self.handled.insert(partly.at.partition, partly);
        }
    }

    fn log(&self, notice: &Notice) {
        tracing::info!(topic = self.topic.name(), %notice, "consumer");
    }
}
