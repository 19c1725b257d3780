//! The fuzz targets as ordinary tests: valid bytes of every kind, and thousands of seeded changes of them.
//!
//! `PORUKA_FUZZ_ROUNDS` makes them more; `PORUKA_FUZZ_CORPUS=DIR` writes the valid bytes for a fuzzer to begin with, one
//! folder for each target. A failure prints the bytes.

mod targets;

use std::panic::catch_unwind;

use poruka_wire::frame::{self, SIZE_BYTES};
use poruka_wire::records::{BatchBuilder, Compression, HEADER_BYTES, Header};
use poruka_wire::sample::{self, Choices, Sample, Visitor, mutate, visit_all};
use poruka_wire::{ApiKey, Request, Writer, consumer_protocol};

const ROUNDS: u64 = 20_000;

#[derive(Default)]
struct Corpus {
    requests: Vec<Vec<u8>>,
    responses: Vec<Vec<u8>>,
    request_frames: Vec<Vec<u8>>,
}

impl Visitor for Corpus {
    fn visit<R: Request<Response: Sample> + Sample>(&mut self) {
        let key = ApiKey::ALL.iter().position(|key| *key == R::KEY).expect("a key") as u8;
        for version in R::VERSIONS {
            let mut choices = Choices::seeded(u64::from(key) << 8 | version as u64);
            let prefix = [key, (version - R::VERSIONS.start()) as u8];
            let request: R = sample::message(&mut choices, version);
            let mut writer = Writer::new();
            request.encode(&mut writer, version).expect("a sample");
            self.requests.push([&prefix[..], &writer.into_bytes()].concat());
            let framed = frame::encode_request(1, Some("me"), &request, version).expect("a sample");
            self.request_frames.push(framed[SIZE_BYTES..].to_vec());
            let mut writer = Writer::new();
            let response: R::Response = sample::message(&mut choices, version);
            poruka_wire::Message::encode(&response, &mut writer, version).expect("a sample");
            self.responses.push([&prefix[..], &writer.into_bytes()].concat());
        }
    }
}

fn batches() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for codec in Compression::ALL {
        for count in [1, 3, 40] {
            let mut builder = BatchBuilder::new(codec).producer(7, 1, 0);
            for index in 0..count {
                let value = vec![index as u8; 30];
                let headers = [Header::new("h", "v")];
                let key = (index != 2).then_some(&b"key"[..]);
                builder.push(index, key, Some(&value), &headers[..(index % 2) as usize]).expect("room");
            }
            all.push(builder.build().to_vec());
        }
    }
    all
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let mut all = Corpus::default();
    match target {
        "request" | "response" | "request_frame" | "frames" => visit_all(&mut all),
        _ => {}
    }
    match target {
        "request" => all.requests,
        "response" => all.responses,
        "request_frame" => all.request_frames,
        "frames" => {
            let sized = |frame: &Vec<u8>| [&(frame.len() as u32).to_be_bytes()[..], frame].concat();
            let streams = all.request_frames.chunks(5);
            streams.map(|part| [vec![0; 8], part.iter().flat_map(sized).collect()].concat()).collect()
        }
        "batch" => batches(),
        "compressed" => {
            let codec_of = |batch: &Vec<u8>| (batch[22] & 7).saturating_sub(1);
            batches().iter().map(|batch| [&[codec_of(batch)], &batch[HEADER_BYTES..]].concat()).collect()
        }
        "builder" => (0..40)
            .map(|seed| {
                let mut choices = Choices::seeded(seed);
                (0..400).map(|_| choices.byte()).collect()
            })
            .collect(),
        "subscription" => {
            let partitions =
                consumer_protocol::ConsumerTopicPartitions { topic: "t".into(), partitions: vec![0, 1] };
            let subscription = consumer_protocol::ConsumerSubscription {
                topics: vec!["t".into()],
                owned_partitions: vec![partitions.clone()],
                ..Default::default()
            };
            let assignment = consumer_protocol::ConsumerAssignment {
                assigned_partitions: vec![partitions],
                ..Default::default()
            };
            let written = |version| {
                [
                    consumer_protocol::encode(&subscription, version).expect("written").to_vec(),
                    consumer_protocol::encode(&assignment, version).expect("written").to_vec(),
                ]
            };
            (0..=3).flat_map(written).collect()
        }
        other => panic!("target {other} has no corpus"),
    }
}

fn run((name, target): targets::Target) {
    let all = corpus(name);
    assert!(!all.is_empty());
    if let Some(folder) = std::env::var_os("PORUKA_FUZZ_CORPUS") {
        let folder = std::path::Path::new(&folder).join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        for (index, bytes) in all.iter().enumerate() {
            std::fs::write(folder.join(index.to_string()), bytes).expect("written");
        }
    }
    let rounds =
        std::env::var("PORUKA_FUZZ_ROUNDS").ok().map_or(ROUNDS, |text| text.parse().expect("a number"));
    let check = |bytes: &[u8], what: &str| {
        catch_unwind(|| target(bytes)).unwrap_or_else(|_| panic!("target {name}, {what}: {bytes:02x?}"));
    };
    for (index, bytes) in all.iter().enumerate() {
        check(bytes, &format!("valid bytes {index}"));
    }
    for round in 0..rounds {
        let mut choices = Choices::seeded(round);
        let mut bytes = choices.one_of(&all).clone();
        let other = choices.one_of(&all);
        (0..=choices.below(4)).for_each(|_| mutate(&mut choices, &mut bytes, other));
        check(&bytes, &format!("round {round}"));
    }
}

macro_rules! tests {
    ($($test:ident: $target:ident;)*) => {$(
        #[test]
        fn $test() {
            run((stringify!($target), targets::$target));
        }
    )*

        #[test]
        fn every_target_is_a_test() {
            let named: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(named, [$(stringify!($target)),*]);
        }
    };
}

tests! {
    a_stream_is_cut_the_same_however_it_arrives: frames;
    any_bytes_as_a_request_cost_one_error: request_frame;
    any_bytes_as_a_request_body_read_as_they_are_written: request;
    any_bytes_as_a_response_body_read_as_they_are_written: response;
    what_validation_takes_a_reader_reads: batch;
    any_compressed_bytes_stay_below_the_limit: compressed;
    any_records_that_are_built_are_sound: builder;
    any_bytes_as_a_subscription_cost_one_error: subscription;
}
