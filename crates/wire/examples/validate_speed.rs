//! How long a batch takes to validate, for each record: `cargo run --release -p poruka-wire --example validate_speed`.
//!
//! Batches of about a megabyte, as a producer under load sends them; the fastest of several rounds, since whatever
//! else the machine does only makes a round slower.

#![expect(clippy::disallowed_methods, reason = "a program that measures reads the clock of the machine")]

use std::hint::black_box;
use std::time::Instant;

use poruka_wire::records::{BatchBuilder, Compression, Limits, validate};

const BATCH_BYTES: usize = 1_000_000;
const ROUNDS: usize = 300;

fn main() {
    println!("codec   record bytes  records  ns per record  GB/s");
    for codec in Compression::ALL {
        for value_bytes in [100, 1024] {
            let mut builder = BatchBuilder::new(codec);
            let mut number = 0u32;
            while builder.size() < BATCH_BYTES {
                let value: Vec<u8> = (0..value_bytes)
                    .map(|index| {
                        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        if index % 2 == 0 { b'a' } else { (number >> 24) as u8 }
                    })
                    .collect();
                builder.push(1_700_000_000_000, None, Some(&value), &[]).expect("room");
            }
            let (records, bytes) = (builder.count(), builder.size());
            let batch = builder.build();
            let limits = Limits { batch_bytes_max: 2 * BATCH_BYTES, ..Limits::default() };
            let fastest = (0..ROUNDS)
                .map(|_| {
                    let start = Instant::now();
                    black_box(validate(black_box(&batch), &limits).expect("sound"));
                    start.elapsed()
                })
                .min()
                .unwrap_or_default();
            let ns = fastest.as_nanos() as f64;
            let (name, each, rate) = (codec.name(), ns / records as f64, bytes as f64 / ns);
            println!("{name:<8}{value_bytes:>12}{records:>9}{each:>15.1}{rate:>6.2}");
        }
    }
}
