//! What is sent: batches made once from a seed, and paced records that carry their own number.

use bytes::Bytes;
use poruka_wire::records::{BatchBuilder, Compression, RECORD_BATCH_BYTES_MAX, records};

use crate::error::{BenchError, Result};

/// The time of every record of a batch that is made once: 2024-01-01 UTC, the same in every run.
pub(crate) const MADE_AT_MS: i64 = 1_704_067_200_000;
/// Bytes at the start of a paced record's value that hold its number.
pub(crate) const NUMBER_BYTES: usize = 8;

/// Batches of at most `batch_bytes` with values of `record_bytes` random bytes, and how many records each has.
/// Different batches have different bytes; the same seed gives the same ones.
pub(crate) fn batches(
    count: usize,
    batch_bytes: usize,
    record_bytes: usize,
    producer_id: i64,
    seed: u64,
) -> Vec<(Bytes, u32)> {
    let batch_bytes = batch_bytes.min(RECORD_BATCH_BYTES_MAX);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut value = vec![0; record_bytes];
    let one = |random: &mut fastrand::Rng, value: &mut [u8]| {
        let mut builder = BatchBuilder::new(Compression::None).producer(producer_id, 0, 0);
        loop {
            random.fill(value);
            let full = builder.push(MADE_AT_MS, None, Some(value), &[]).is_err();
            let room = BatchBuilder::record_bytes_max(None, Some(value), &[]);
            if full || builder.size() + room > batch_bytes {
                break;
            }
        }
        let records = builder.count() as u32;
        (builder.build(), records)
    };
    (0..count).map(|_| one(&mut random, &mut value)).collect()
}

/// A batch of paced records with the numbers `from..to`; without a producer where its id is below 0.
pub(crate) fn paced(from: u64, to: u64, value: &mut [u8], now_ms: i64, producer_id: i64) -> Result<Bytes> {
    let mut builder = BatchBuilder::new(Compression::None);
    if producer_id >= 0 {
        builder.set_producer(producer_id, 0, (from & 0x7fff_ffff) as i32);
    }
    for number in from..to {
        value[..NUMBER_BYTES].copy_from_slice(&number.to_be_bytes());
        let pushed = builder.push(now_ms, None, Some(value), &[]);
        pushed.map_err(|full| BenchError::Wrong(full.to_string()))?;
    }
    Ok(builder.build())
}

/// Calls `each` with the number of every record of a batch, in order.
pub(crate) fn numbers(batch: &Bytes, mut each: impl FnMut(u64) -> Result<()>) -> Result<()> {
    let mut found = records(batch)?;
    while let Some(record) = found.next_view() {
        let value = record?.value.and_then(|value| value.first_chunk::<NUMBER_BYTES>());
        let value = value.ok_or_else(|| BenchError::Wrong("a record has lost its number".to_owned()))?;
        each(u64::from_be_bytes(*value))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_fill_their_size_and_follow_the_seed() {
        let made = batches(2, 1_000_000, 1024, 1, 9);
        for (batch, records) in &made {
            assert!(batch.len() <= 1_000_000 && batch.len() > 1_000_000 - 2_100, "{}", batch.len());
            assert!(*records > 900);
        }
        assert_ne!(made[0].0, made[1].0);
        assert_eq!(made, batches(2, 1_000_000, 1024, 1, 9));
        assert_ne!(made, batches(2, 1_000_000, 1024, 1, 10));
    }

    #[test]
    fn a_batch_has_one_record_even_where_it_does_not_fit() {
        assert_eq!(batches(1, 10, 100, 1, 9)[0].1, 1);
    }

    #[test]
    fn paced_records_carry_their_numbers() {
        let batch = paced(40, 43, &mut [0; 100], 5, 1).unwrap();
        let mut seen = Vec::new();
        numbers(&batch, |number| {
            seen.push(number);
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [40, 41, 42]);
    }
}
