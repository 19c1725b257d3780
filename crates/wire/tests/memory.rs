//! What hostile bytes make us allocate, counted by the allocator: never more than the bytes that arrived times a small
//! constant, whatever they declare.
//!
//! One test in one program, because the count is the whole process's. zstd allocates in C, which the counter does not
//! see: for it the address space of the process is measured, and a plain decompressor shows that the measure works.

use std::io::Read;

use peak_alloc::PeakAlloc;
use poruka_wire::primitives::{DECODE_BASE_BYTES_MAX, DECODE_MEMORY_FACTOR_MAX, DECODE_MEMORY_RATIO_MAX};
use poruka_wire::records::{
    BatchBuilder, Compression, DECOMPRESS_WORK_BYTES_MAX, DECOMPRESSED_RATIO_MAX, HEADER_BYTES, Limits,
    decompress, set_max_timestamp, validate,
};
use poruka_wire::sample::{self, Choices, Sample, Visitor, visit_all};
use poruka_wire::{Bytes, Message, Reader, Request, Writer};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What an error takes: itself and the way to its field.
const ERROR_BYTES_MAX: usize = 1024;

/// Lengths and counts in every form that they have on the wire.
const NUMBERS: [&[u8]; 6] = [
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0x07],
    &[0x7f, 0xff],
    &[0x00, 0x10, 0x00, 0x00],
    &[0xff, 0x7f],
    &[0x00, 0x00, 0x04, 0x00],
];

/// The most that was allocated at one time during some work, beyond what was there before.
fn peak_of<T>(work: impl FnOnce() -> T) -> usize {
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let result = work();
    let peak = HEAP.peak_usage() - before;
    drop(result);
    peak
}

#[derive(Default)]
struct Declared {
    decoded: usize,
    worst_ratio: f64,
}

impl Declared {
    fn decode<M: Message>(&mut self, bytes: Bytes, version: i16) {
        let length = bytes.len();
        let peak = peak_of(|| M::decode(&mut Reader::new(bytes), version));
        let by_ratio = length * DECODE_MEMORY_RATIO_MAX;
        let allowed =
            by_ratio.min(DECODE_BASE_BYTES_MAX + length * DECODE_MEMORY_FACTOR_MAX) + ERROR_BYTES_MAX;
        assert!(peak <= allowed, "{} v{version}: {peak} bytes for {length}", M::NAME);
        self.worst_ratio = self.worst_ratio.max(peak as f64 / (length.max(64) as f64));
        self.decoded += 1;
    }

    /// At every place of a valid body: a number that declares too much, alone, before the rest, and before a flood
    /// of the smallest elements.
    fn attack<M: Message + Sample>(&mut self, version: i16) {
        for seed in 0..2 {
            let mut writer = Writer::new();
            let message: M = sample::message(&mut Choices::seeded(seed), version);
            message.encode(&mut writer, version).expect("a sample");
            let valid = writer.into_bytes();
            let step = 1 + valid.len() / 60;
            for at in (0..valid.len()).step_by(step) {
                for number in NUMBERS {
                    let declared = [&valid[..at], number].concat();
                    let rest = valid.get(at + number.len()..).unwrap_or_default();
                    self.decode::<M>([&declared[..], rest].concat().into(), version);
                    for element in [0, 1, 2] {
                        self.decode::<M>([&declared[..], &[element; 1500]].concat().into(), version);
                    }
                    self.decode::<M>(declared.into(), version);
                }
            }
        }
    }
}

impl Visitor for Declared {
    fn visit<R: Request<Response: Sample> + Sample>(&mut self) {
        for version in R::VERSIONS {
            self.attack::<R>(version);
            self.attack::<R::Response>(version);
        }
    }
}

/// A batch whose records are `payload` in a codec, with a right checksum.
fn batch_of(codec: Compression, payload: &[u8]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    builder.push(0, None, Some(b"v"), &[]).expect("room");
    let mut batch = [&builder.build()[..HEADER_BYTES], payload].concat();
    let length = batch.len() as i32 - 12;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    set_max_timestamp(&mut batch, 0, false);
    batch
}

/// Small batches that come to much more than they are.
fn bombs() -> Vec<(Compression, Vec<u8>)> {
    let content = vec![0; 8 << 20];
    let mut all = Vec::new();
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new(codec);
        builder.push(0, None, Some(&content), &[]).expect("room");
        all.push((codec, builder.build().to_vec()));
    }
    // A block of LZ4 and of snappy that claim as much as they can.
    let frame = lz4_flex::frame::FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max4MB);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
    std::io::Write::write_all(&mut encoder, b"tiny").expect("in memory");
    all.push((Compression::Lz4, batch_of(Compression::Lz4, &encoder.finish().expect("in memory"))));
    let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0];
    all.push((Compression::Snappy, batch_of(Compression::Snappy, &claim)));
    all
}

fn bombs_stay_below_their_bounds() {
    let limits = Limits { batch_bytes_max: 64 << 20, ..Limits::default() };
    for (codec, batch) in bombs() {
        let work = DECOMPRESS_WORK_BYTES_MAX + batch.len() * DECOMPRESSED_RATIO_MAX;
        let peak = peak_of(|| validate(&batch, &limits));
        assert!(peak <= work.min(8 << 20), "{codec}: {peak} bytes to check {} bytes", batch.len());
        let records = Bytes::copy_from_slice(&batch[HEADER_BYTES..]);
        let most = 1 << 20;
        let peak = peak_of(|| decompress(codec, &records, most));
        // A growing vector is there twice while it moves.
        assert!(peak <= DECOMPRESS_WORK_BYTES_MAX + 4 * most, "{codec}: {peak} bytes for at most {most}");
    }
}

/// The address space that this process has ("VmSize") or had at most ("VmPeak"), in bytes.
#[cfg(target_os = "linux")]
fn address_space(which: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':')).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

/// A frame of a few bytes that declares the largest window.
#[cfg(target_os = "linux")]
fn a_zstd_window_takes_no_memory_by_being_declared() {
    // Magic, no flags, a window of 2^27, and one last block of seven bytes as they are: one record.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (27 - 10) << 3, 0x39, 0, 0, 12, 0, 0, 0, 1, 1, 0];
    let batch = batch_of(Compression::Zstd, &frame);
    // Whatever the peak is above the present would hide what is taken below: fill it up.
    let _filled: Vec<u8> = Vec::with_capacity(address_space("VmPeak") - address_space("VmSize"));
    let before = address_space("VmPeak");
    for _ in 0..20 {
        validate(&batch, &Limits::default()).expect("it is sound");
    }
    let taken = address_space("VmPeak") - before;
    assert!(taken <= DECOMPRESS_WORK_BYTES_MAX, "{taken} bytes for a frame of {}", frame.len());
    let mut plain = zstd::stream::read::Decoder::with_buffer(&frame[..]).expect("a decoder");
    plain.read_to_end(&mut Vec::new()).expect("a frame");
    let taken = address_space("VmPeak") - before;
    assert!(taken > 100 << 20, "the measure sees a plain decompressor take {taken} bytes");
}

#[test]
fn nothing_is_allocated_because_it_was_declared() {
    #[cfg(target_os = "linux")]
    a_zstd_window_takes_no_memory_by_being_declared();
    bombs_stay_below_their_bounds();
    let mut declared = Declared::default();
    visit_all(&mut declared);
    println!(
        "{} hostile bodies, at most {:.1} bytes for each that arrived",
        declared.decoded, declared.worst_ratio
    );
    assert!(declared.decoded > 100_000, "{}", declared.decoded);
}
