//! The seeded generator: orders of a small shop, with a few busy keys, many quiet ones and some without a key.
//!
//! Keys come in several scripts, because a key is any text. The same seed gives the same records.

use super::{Collector, Full};

const KEYS: usize = 400;
/// One record in this many has no key.
const UNKEYED_ONE_IN: u64 = 64;
/// Bytes of filling text at most.
const NOTE_BYTES_MAX: usize = 160;
const KEY_STEMS: [&str; 8] = ["kupac", "купец", "покупатель", "客户", "مشتري", "αγοραστής", "buyer", "顧客"];
const GOODS: [&str; 6] = ["kafa", "čaj", "μέλι", "хлеб", "米", "bread"];

/// Adds `count` records.
///
/// # Errors
/// [`Full`] when the workload would not fit into memory.
pub(crate) fn generate(seed: u64, count: usize, collector: &mut Collector) -> Result<(), Full> {
    let mut random = fastrand::Rng::with_seed(seed ^ 0x6765_6e65_7261_7465);
    for number in 0..count {
        let key = (random.u64(0..UNKEYED_ONE_IN) > 0).then(|| key(&mut random));
        let note: String = (0..random.usize(0..NOTE_BYTES_MAX)).map(|_| random.alphanumeric()).collect();
        let body = format!(
            "{{\"order\":{number},\"goods\":\"{}\",\"pieces\":{},\"note\":\"{note}\"}}",
            GOODS[random.usize(0..GOODS.len())],
            random.u32(1..100),
        );
        let id = format!("generated-{number}");
        collector.add(&id, key.as_deref(), body.as_bytes(), number as u64)?;
    }
    Ok(())
}

/// Few keys are busy and most are quiet: the smaller of two draws, squared.
fn key(random: &mut fastrand::Rng) -> String {
    let draw = random.f64() * random.f64();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a draw from 0 to 1 times 400"
    )]
    let rank = (draw * KEYS as f64) as usize;
    format!("{}-{rank}", KEY_STEMS[rank % KEY_STEMS.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_records_and_another_seed_others() {
        let of = |seed| {
            let mut collector = Collector::default();
            generate(seed, 500, &mut collector).expect("fits");
            collector.finish().records
        };
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
    }
}
