//! Which partition a record goes to: by key as Kafka's default partitioner chooses, else the same one for a while.
//!
//! Source: Kafka's default partitioner (murmur2 of the key) and KIP-794 (records without a key stay on one partition until
//! about a batch is full, so that batches fill up). Pure.

use std::collections::HashMap;

use poruka_wire::Str;
use poruka_wire::records::partition_for_key;

/// Topics remembered; past it all are forgotten, which costs a smaller batch here and there.
const TOPICS_MAX: usize = 10_000;

/// Where records without a key go at the moment.
#[derive(Debug, Default)]
pub(crate) struct Partitioner {
    sticky: HashMap<Str, Sticky>,
}

#[derive(Clone, Copy, Debug)]
struct Sticky {
    partition: i32,
    bytes: usize,
}

impl Partitioner {
    /// The partition for a record of `bytes`. `random` decides when a new one is chosen for records without a key.
    pub(crate) fn choose(
        &mut self,
        topic: &Str,
        key: Option<&[u8]>,
        partitions: i32,
        bytes: usize,
        batch_bytes_max: usize,
        random: u64,
    ) -> i32 {
        if let Some(key) = key {
            return partition_for_key(key, partitions);
        }
        if self.sticky.len() >= TOPICS_MAX && !self.sticky.contains_key(topic) {
            self.sticky.clear();
        }
        let fresh = || i32::try_from(random % u64::try_from(partitions.max(1)).unwrap_or(1)).unwrap_or(0);
        let sticky =
            self.sticky.entry(topic.clone()).or_insert_with(|| Sticky { partition: fresh(), bytes: 0 });
        if sticky.bytes >= batch_bytes_max || sticky.partition >= partitions {
            *sticky = Sticky { partition: (sticky.partition + 1) % partitions.max(1), bytes: 0 };
        }
        sticky.bytes += bytes;
        sticky.partition
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_without_a_key_fill_one_batch_and_then_move_on_to_the_next_partition() {
        let mut partitioner = Partitioner::default();
        let topic = Str::from("t");
        let chosen: Vec<i32> = (0..6).map(|_| partitioner.choose(&topic, None, 3, 50, 100, 2)).collect();
        assert_eq!(chosen, [2, 2, 0, 0, 1, 1]);
    }

    #[test]
    fn a_key_always_goes_to_the_partition_that_kafkas_own_clients_choose() {
        let mut partitioner = Partitioner::default();
        for key in ["a", "N14228", "ключ"] {
            let first = partitioner.choose(&Str::from("t"), Some(key.as_bytes()), 7, 50, 100, 1);
            assert_eq!(first, partition_for_key(key.as_bytes(), 7));
        }
    }
}
