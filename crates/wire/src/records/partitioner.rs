//! Which partition a key belongs to, exactly as Kafka's default partitioner decides it, so that our producers and
//! everyone else's put the same key in the same place.

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// The 32-bit Murmur2 hash with Kafka's seed.
pub fn murmur2(bytes: &[u8]) -> i32 {
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        k ^= k >> SHIFT;
        hash = hash.wrapping_mul(MULTIPLIER) ^ k.wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        for (index, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    (hash ^ hash >> 15) as i32
}

/// The partition of a key among `partitions`. With fewer than one partition the answer is 0.
pub fn partition_for_key(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & i32::MAX) % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Apache Kafka 4.3.1: hash, and partition among 12.
    const VECTORS: [(&str, i32, i32); 11] = [
        ("", 275646681, 9),
        ("a", -1563381124, 4),
        ("ab", 316155434, 2),
        ("abc", 479470107, 3),
        ("abcd", -1323649548, 8),
        ("21", -973932308, 0),
        ("foobar", -790332482, 6),
        ("a-little-bit-long-string", -985981536, 8),
        ("a-little-bit-longer-string", -1486304829, 11),
        ("поруке", 914128879, 7),
        ("\u{1}\u{ff}", -1184109551, 9),
    ];

    #[test]
    fn a_key_goes_where_kafka_puts_it() {
        for (key, hash, partition) in VECTORS {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
            assert_eq!(partition_for_key(key.as_bytes(), 12), partition, "{key}");
        }
    }

    #[test]
    fn no_number_of_partitions_panics() {
        for partitions in [i32::MIN, -1, 0, 1] {
            assert_eq!(partition_for_key(b"key", partitions), 0);
        }
    }
}
