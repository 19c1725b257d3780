//! Plants an anomaly in a history, to see whether the checker finds it.
//!
//! Two uses: the tests plant everything, and a run plants what no weaker name can show (a phantom, a stalled
//! record) in a copy of its own history: a checker that is blind there proves nothing.

use poruka_guarantee::Anomaly;

use crate::history::{Entry, History, Outcome};

/// Makes the anomaly appear in the history, near the `pick`-th candidate. False when the history offers no place.
pub(crate) fn plant(anomaly: Anomaly, history: &mut History, pick: usize) -> bool {
    match anomaly {
        Anomaly::Lost => lose(history, pick),
        Anomaly::Duplicated => repeat(history, pick),
        Anomaly::Reordered => swap(history, pick),
        Anomaly::Phantom => invent(history, pick),
        Anomaly::ForgottenAfterKill | Anomaly::ForgottenAfterPowerLoss => forget(history, pick),
        Anomaly::Stalled => stall(history, pick),
        Anomaly::CausalInversion | Anomaly::Torn | Anomaly::ForgottenAfterNodeLoss => false,
    }
}

/// Index of the `pick`-th of `count` candidates, going round.
fn chosen(count: usize, pick: usize) -> Option<usize> {
    pick.checked_rem(count)
}

fn acked(history: &History, since_us: u64) -> Vec<usize> {
    let counts = |index: &usize| {
        let send = &history.sends[*index];
        matches!(send.outcome, Outcome::Acked { .. }) && send.began_us > since_us
    };
    (0..history.sends.len()).filter(counts).collect()
}

fn remove(entries: &mut Vec<Entry>, index: usize) {
    entries.retain(|entry| entry.truth.is_none_or(|truth| truth.index as usize != index));
}

fn lose(history: &mut History, pick: usize) -> bool {
    let since_us = history.ends.last().map_or(0, |end| end.at_us);
    let candidates = acked(history, since_us);
    let Some(at) = chosen(candidates.len(), pick) else { return false };
    for read in [&mut history.live, &mut history.after] {
        for partition in &mut read.partitions {
            remove(&mut partition.entries, candidates[at]);
        }
    }
    true
}

fn forget(history: &mut History, pick: usize) -> bool {
    let candidates = acked(history, 0);
    let Some(at) = chosen(candidates.len(), pick) else { return false };
    for partition in &mut history.after.partitions {
        remove(&mut partition.entries, candidates[at]);
    }
    true
}

fn repeat(history: &mut History, pick: usize) -> bool {
    let Some(at) = chosen(history.deliveries.len(), pick) else { return false };
    let again = history.deliveries[at];
    history.deliveries.push(again);
    true
}

/// Exchanges two neighbours of one key in the hands of the handlers.
fn swap(history: &mut History, pick: usize) -> bool {
    let mut last_of_key = std::collections::HashMap::new();
    let mut pairs = Vec::new();
    for (at, delivery) in history.deliveries.iter().enumerate() {
        let Some(truth) = delivery.truth.filter(|truth| truth.key_hash != 0) else { continue };
        pairs.extend(last_of_key.insert(truth.key_hash, at).map(|earlier| (earlier, at)));
    }
    let Some(at) = chosen(pairs.len(), pick) else { return false };
    let (earlier, later) = pairs[at];
    history.deliveries.swap(earlier, later);
    true
}

fn invent(history: &mut History, pick: usize) -> bool {
    let Some(at) = chosen(history.live.partitions.len(), pick) else { return false };
    let entries = &mut history.live.partitions[at].entries;
    let offset = entries.last().map_or(0, |entry| entry.offset + 1);
    entries.push(Entry { offset, truth: None });
    true
}

/// The record may stand in the log more than once: the group has to stand before the first place.
fn stall(history: &mut History, pick: usize) -> bool {
    let logs = &mut history.live.partitions;
    let genuine: Vec<u32> =
        logs.iter().flat_map(|log| log.entries.last()?.truth).map(|truth| truth.index).collect();
    let Some(at) = chosen(genuine.len(), pick) else { return false };
    let index = genuine[at];
    let is_it = |entry: &&Entry| entry.truth.is_some_and(|truth| truth.index == index);
    for log in logs {
        if let Some(first) = log.entries.iter().find(is_it) {
            log.committed = log.committed.min(first.offset);
        }
    }
    history.deliveries.retain(|delivery| delivery.truth.is_none_or(|truth| truth.index != index));
    true
}
