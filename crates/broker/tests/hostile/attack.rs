//! Hostile frames from a seed: valid requests of every API and version that the broker shows, changed; and what has to
//! become of each, judged by the codec alone.

use poruka_wire::frame::{self, SIZE_BYTES};
use poruka_wire::records::{BatchBuilder, Compression};
use poruka_wire::sample::{self, Choices, Sample, Visitor, mutate, visit_all};
use poruka_wire::{ApiKey, Bytes, Message, Reader, Request, consumer_protocol};

/// Names that hostile frames share, so that they meet topics and groups that are there. The good client's are not
/// among them.
const WORDS: [&str; 22] = [
    "t",
    "u",
    "v.1",
    "g",
    "h",
    "m",
    "",
    "consumer",
    "range",
    "uniform",
    "3",
    "100",
    "-1",
    "cleanup.policy",
    "compact",
    "poruka.durability",
    "memory",
    "cached",
    "retention.ms",
    "max.message.bytes",
    "^t.*",
    "a very long name",
];

/// One kind of request.
pub(crate) struct Kind {
    pub(crate) key: ApiKey,
    make: fn(&mut Choices<'_>, i16, i32) -> Vec<u8>,
    reads: fn(&mut Reader, i16) -> bool,
    /// Reads a response frame and gives its correlation id.
    pub(crate) answer: fn(Bytes, i16) -> Result<i32, String>,
}

struct Kinds(Vec<Kind>);

impl Visitor for Kinds {
    fn visit<R: Request<Response: Sample> + Sample>(&mut self) {
        self.0.push(Kind {
            key: R::KEY,
            make: |choices, version, id| {
                let request: R = sample::message(choices, version);
                let framed = frame::encode_request(id, Some("hostile"), &request, version).expect("a sample");
                framed[SIZE_BYTES..].to_vec()
            },
            reads: |reader, version| R::decode(reader, version).is_ok(),
            answer: |frame, version| {
                frame::decode_response::<R>(frame, version)
                    .map(|(id, _)| id)
                    .map_err(|error| error.to_string())
            },
        });
    }
}

/// What has to become of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// An answer of this kind, in this version.
    Answered { kind: usize, version: i16, id: i32 },
    /// No answer, or the end of the connection: a produce with acks=0.
    Unanswered,
    /// The end of its connection.
    Closed,
}

/// Makes hostile frames.
pub(crate) struct Attacker {
    pub(crate) kinds: Vec<Kind>,
    /// Of each kind, the versions that the broker takes.
    taken: Vec<(i16, i16)>,
    blobs: Vec<Bytes>,
}

impl Attacker {
    /// `shown` is what the broker says it speaks: key, lowest and highest version.
    pub(crate) fn new(shown: &[(i16, i16, i16)]) -> Attacker {
        let mut kinds = Kinds(Vec::new());
        visit_all(&mut kinds);
        let mut all = Vec::new();
        let mut taken = Vec::new();
        for kind in kinds.0 {
            let Some((_, min, max)) = shown.iter().find(|(key, ..)| *key == kind.key.code()) else {
                continue;
            };
            // Produce below 3 is shown for the sake of old clients, and refused.
            taken.push((*kind.key.versions().start().max(min), *max));
            all.push(kind);
        }
        assert_eq!(all.len(), shown.len(), "the codec knows every API that is shown");
        Attacker { kinds: all, taken, blobs: blobs() }
    }

    /// The next frame, without its size: one in eight is valid.
    pub(crate) fn frame(&self, choices: &mut Choices<'_>, id: i32) -> Vec<u8> {
        let mut frame = self.valid(choices, id);
        if choices.one_in(8) {
            return frame;
        }
        let other = if choices.one_in(8) { self.valid(choices, id) } else { Vec::new() };
        for _ in 0..=choices.below(3) {
            mutate(choices, &mut frame, &other);
        }
        frame
    }

    fn valid(&self, choices: &mut Choices<'_>, id: i32) -> Vec<u8> {
        let index = choices.below(self.kinds.len());
        let (min, max) = self.taken[index];
        let version = min + choices.below((max - min + 1) as usize) as i16;
        let mut named = Choices::seeded(choices.number()).with_words(&WORDS).with_blobs(&self.blobs);
        (self.kinds[index].make)(&mut named, version, id)
    }

    /// What has to become of a frame.
    pub(crate) fn fate(&self, frame: &[u8]) -> Fate {
        let (Some(key), Some(version)) = (number(frame, 0), number(frame, 2)) else { return Fate::Closed };
        let Some(index) = self.kinds.iter().position(|kind| kind.key.code() == key) else {
            return Fate::Closed;
        };
        let kind = &self.kinds[index];
        let (min, max) = self.taken[index];
        if !(min..=max).contains(&version) {
            return match frame.get(4..8).filter(|_| kind.key == ApiKey::ApiVersions) {
                // Answered in the form of v0, whatever follows.
                Some(id) => Fate::Answered {
                    kind: index,
                    version: 0,
                    id: i32::from_be_bytes([id[0], id[1], id[2], id[3]]),
                },
                None => Fate::Closed,
            };
        }
        let mut reader = Reader::new(Bytes::copy_from_slice(frame));
        let Ok(header) = frame::decode_request_header(&mut reader) else { return Fate::Closed };
        let body = reader.position();
        if !(kind.reads)(&mut reader, version) {
            return Fate::Closed;
        }
        if kind.key == ApiKey::Produce && asks_for_no_answer(&frame[body..], version) {
            return Fate::Unanswered;
        }
        Fate::Answered { kind: index, version, id: header.correlation_id }
    }
}

fn number(frame: &[u8], at: usize) -> Option<i16> {
    frame.get(at..)?.first_chunk().map(|bytes| i16::from_be_bytes(*bytes))
}

fn asks_for_no_answer(body: &[u8], version: i16) -> bool {
    let mut reader = Reader::new(Bytes::copy_from_slice(body));
    poruka_wire::api::ProduceRequest::decode(&mut reader, version).is_ok_and(|request| request.acks == 0)
}

/// Byte fields that mean something: batches, sound and not, and what members of a group tell.
fn blobs() -> Vec<Bytes> {
    let mut all = Vec::new();
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new(codec);
        for key in [Some(&b"k"[..]), None] {
            builder.push(1_700_000_000_000, key, Some(&[b'x'; 40]), &[]).expect("room");
        }
        let batch = builder.build();
        for seed in 0..4 {
            let mut changed = batch.to_vec();
            mutate(&mut Choices::seeded(seed), &mut changed, &batch);
            all.push(Bytes::from(changed));
        }
        all.push(batch);
    }
    let subscription =
        consumer_protocol::ConsumerSubscription { topics: vec!["t".into()], ..Default::default() };
    all.push(consumer_protocol::encode(&subscription, 1).expect("written"));
    all.push(Bytes::new());
    all
}

/// Streams that are no frames, for the end of a connection.
pub(crate) fn no_frames(choices: &mut Choices<'_>) -> Vec<u8> {
    let starts: [&[u8]; 8] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0x16, 3, 1, 2, 0, 1],
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff],
        &[0x06, 0x40, 0, 0],
        &[0, 0, 0, 0],
        &[0, 0, 0, 200, 0, 3],
        &[0, 0],
    ];
    let mut bytes = choices.one_of(&starts).to_vec();
    bytes.extend((0..choices.below(40)).map(|_| choices.byte()));
    bytes
}
