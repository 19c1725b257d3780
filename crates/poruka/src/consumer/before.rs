//! At-most-once: the commit comes first, and must be known to have happened.
//!
//! Every commit carries a note of its own. When the answer to a commit is lost, the committed position is read back:
//! our note there proves that the commit happened, and that nobody has committed since. Anything else proves nothing
//! yet (the request may still be on its way), so the same commit is made again: it is the same position by the same
//! member, and making it twice does no harm. A refusal that says that the partition is no longer ours ends it: the
//! records belong to whoever has the partition now, and are not handed out here. The same goes for a commit that is
//! accepted only after the membership was lost and gained anew: somebody else may have read them in between.

use poruka_client::consume::Records;
use poruka_client::{Commit, CommitError};
use poruka_wire::Str;

use super::{ConsumeError, Consumer, Notice};

/// How often an unknown commit is read back and made again, each within the commit's own time limit.
const SETTLE_ROUNDS_MAX: u32 = 3;

impl Consumer {
    /// Commits the position after `records`. True when that is certain, and the records may be handed out; false when
    /// they are given up, which is told.
    pub(super) async fn commit_before(
        &mut self,
        records: &Records,
        done: &Commit,
    ) -> Result<bool, ConsumeError> {
        self.commits_made += 1;
        let nonce = self.topic.client().env().random_u64();
        let note = Str::from(format!("poruka-{nonce:016x}-{}", self.commits_made));
        let commit = Commit { note: note.clone(), ..done.clone() };
        let losses = self.inner.losses();
        let mut why = String::new();
        for _ in 0..SETTLE_ROUNDS_MAX {
            match self.inner.commit(std::slice::from_ref(&commit)).await {
                Ok(()) if self.inner.losses() == losses => return Ok(true),
                Ok(()) => {
                    self.give_up(records, "the partition was lost while its position was committed");
                    return Ok(false);
                }
                Err(error @ CommitError::NotCommitted { .. }) => {
                    self.give_up(records, &error.to_string());
                    // A fenced member goes on: the group tells what it may read from now on.
                    return if error.is_fenced() { Ok(false) } else { Err(ConsumeError::Commit(error)) };
                }
                Err(error @ CommitError::Unknown { .. }) => {
                    if self.is_ours(&commit).await {
                        return Ok(true);
                    }
                    why = error.to_string();
                }
            }
        }
        self.give_up(records, &why);
        Ok(false)
    }

    /// Whether the committed position is the one that this very commit made.
    async fn is_ours(&self, commit: &Commit) -> bool {
        match self.inner.committed(std::slice::from_ref(&commit.at)).await {
            Ok(found) => found.iter().any(|one| {
                one.at == commit.at && one.offset == Some(commit.offset) && one.note == commit.note
            }),
            Err(error) => {
                tracing::debug!(%error, "committed position could not be read back");
                false
            }
        }
    }

    fn give_up(&mut self, records: &Records, why: &str) {
        let from = records.records.first().map_or(records.next_offset, |record| record.offset);
        self.notices.push(Notice::GivenUp {
            partition: records.at.partition,
            from,
            to: records.next_offset,
            why: why.to_owned(),
        });
    }
}
