//! Property: against a broker that really deduplicates, under any interleaving of lost requests, lost answers, refusals,
//! breaks and time, every outcome tells the truth and the log keeps what the mode promises.
//!
//! Invariants:
//! 1. every record has exactly one outcome (two are refused by the bench);
//! 2. acked with an offset: the record is at that offset; acked without: it is in the log;
//! 3. not appended: the record is not in the log;
//! 4. stamped: no record is in the log twice, and records of a partition are there in the order of `push`, unless an
//!    earlier one ended without an ack;
//! 5. single attempt: no batch is handed out twice, and none is in the log twice;
//! 6. at most five batches of a partition are in flight (asserted by the machine itself).

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

/// A broker as Apache Kafka decides: duplicate window of five, sequence and epoch checks, one log per partition.
#[derive(Default)]
struct Broker {
    logs: BTreeMap<i32, Vec<u32>>,
    producers: BTreeMap<i32, Known>,
}

#[derive(Default)]
struct Known {
    epoch: i16,
    /// First sequence, count and base offset of the last five batches.
    window: VecDeque<(i32, i32, i64)>,
}

impl Broker {
    fn append(&mut self, partition: i32, stamp: Option<Stamp>, records: &[u32]) -> (i16, i64) {
        let log = self.logs.entry(partition).or_default();
        let base = log.len() as i64;
        let count = records.len() as i32;
        if let Some(stamp) = stamp {
            let is_new = !self.producers.contains_key(&partition);
            let known = self.producers.entry(partition).or_default();
            if known.epoch == stamp.epoch
                && let Some((_, _, first)) =
                    known.window.iter().find(|(seq, n, _)| (*seq, *n) == (stamp.sequence, count))
            {
                return (0, *first);
            }
            if stamp.epoch < known.epoch {
                return (47, -1);
            }
            let expected = match known.window.back() {
                Some((seq, n, _)) if known.epoch == stamp.epoch => seq + n,
                _ if is_new => stamp.sequence,
                _ => 0,
            };
            if stamp.sequence != expected {
                if is_new {
                    self.producers.remove(&partition);
                }
                return (45, -1);
            }
            if stamp.epoch > known.epoch {
                known.window.clear();
                known.epoch = stamp.epoch;
            }
            known.window.push_back((stamp.sequence, count, base));
            if known.window.len() > 5 {
                known.window.pop_front();
            }
        }
        log.extend_from_slice(records);
        (0, base)
    }
}

/// What may happen next.
#[derive(Clone, Debug)]
enum Event {
    Push(i32),
    Poll,
    /// The oldest request reaches the broker, and its answer us.
    Serve,
    /// It reaches the broker; the connection breaks before the answer does.
    LoseAnswer,
    /// The connection breaks before any request reaches the broker.
    LoseRequests,
    /// It is answered with a code instead of being appended.
    Refuse(i16),
    /// It is appended, and answered with a code that hides it.
    AppendAndHide(i16),
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..2i32).prop_map(Event::Push),
        6 => Just(Event::Poll),
        6 => Just(Event::Serve),
        1 => Just(Event::LoseAnswer),
        1 => Just(Event::LoseRequests),
        1 => prop::sample::select(vec![2i16, 10, 19, 87]).prop_map(Event::Refuse),
        1 => prop::sample::select(vec![-1i16, 3, 6, 7, 20, 56]).prop_map(Event::AppendAndHide),
        2 => (1..3000u64).prop_map(Event::Wait),
    ]
}

struct World {
    bench: Bench,
    broker: Broker,
    wire: VecDeque<Flight>,
    pushed: BTreeMap<i32, Vec<u32>>,
    handed_out: BTreeSet<u32>,
    single: bool,
    last: u32,
}

impl World {
    fn new(mode: Mode) -> World {
        World {
            bench: Bench::new(mode),
            broker: Broker::default(),
            wire: VecDeque::new(),
            pushed: BTreeMap::new(),
            handed_out: BTreeSet::new(),
            single: mode.is_single(),
            last: 0,
        }
    }

    fn serve(&mut self, flight: &Flight) -> Vec<PartAnswer> {
        let mut parts = Vec::new();
        for part in &flight.parts {
            let (code, base) = self.broker.append(part.at.partition, part.stamp, &tokens(&part.records));
            parts.push(part_answer(&part.at, code, base));
        }
        parts
    }

    /// Everything on the wire is lost, and a new connection stands.
    fn lose_wire(&mut self) {
        for flight in std::mem::take(&mut self.wire) {
            self.bench.answer(&flight, &Answer::Lost);
        }
        self.bench.reconnect();
    }

    fn poll(&mut self) {
        for flight in self.bench.poll() {
            for token in flight.parts.iter().flat_map(|part| tokens(&part.records)) {
                let first = self.handed_out.insert(token);
                assert!(first || !self.single, "record {token} was handed to the network twice");
            }
            self.wire.push_back(flight);
        }
    }

    fn step(&mut self, event: &Event) {
        match event {
            Event::Push(partition) => {
                self.last += 1;
                self.pushed.entry(*partition).or_default().push(self.last);
                self.bench.push(*partition, self.last);
            }
            Event::Poll => self.poll(),
            Event::Wait(ms) => self.bench.pass(Duration::from_millis(*ms)),
            Event::LoseRequests => self.lose_wire(),
            Event::Serve | Event::LoseAnswer | Event::Refuse(_) | Event::AppendAndHide(_) => {
                let Some(flight) = self.wire.pop_front() else { return };
                if let Event::Refuse(code) = event {
                    return self.bench.code(&flight, *code);
                }
                let parts = self.serve(&flight);
                match event {
                    Event::AppendAndHide(code) => self.bench.code(&flight, *code),
                    Event::LoseAnswer => {
                        self.bench.answer(&flight, &Answer::Lost);
                        self.lose_wire();
                    }
                    _ => self.bench.answer(&flight, &Answer::Parts(parts)),
                }
            }
        }
    }

    /// Lets everything come to its end without further faults.
    fn finish(&mut self) {
        for _ in 0..400 {
            self.poll();
            while let Some(flight) = self.wire.pop_front() {
                let parts = self.serve(&flight);
                self.bench.answer(&flight, &Answer::Parts(parts));
            }
            if self.bench.outcomes.len() == self.last as usize {
                return;
            }
            if self.bench.machine.wants_identity() {
                self.bench.machine.identity(Identity { producer_id: 9, epoch: 1000 });
            }
            self.bench.back_off();
        }
        panic!("records without an outcome: {} of {}", self.bench.outcomes.len(), self.last);
    }

    fn check(&self, stamped: bool) {
        for (partition, pushed) in &self.pushed {
            let empty = Vec::new();
            let log = self.broker.logs.get(partition).unwrap_or(&empty);
            for token in pushed {
                let places: Vec<usize> = (0..log.len()).filter(|place| log[*place] == *token).collect();
                let outcome = self.bench.outcome(*token).expect("an outcome");
                match outcome {
                    Outcome::Acked(acked) => match acked.offset {
                        Some(offset) => {
                            assert!(places.contains(&(offset as usize)), "{token}: {outcome:?} {log:?}")
                        }
                        None => assert!(!places.is_empty()),
                    },
                    Outcome::NotAppended(_) => assert!(places.is_empty(), "{token}: {outcome:?} {log:?}"),
                    Outcome::Sent { .. } | Outcome::Unknown(_) => {}
                }
                assert!(!stamped || places.len() <= 1, "{token} stands at {places:?}");
            }
            let in_order = log.windows(2).all(|pair| pair[0] < pair[1]);
            let all_acked = pushed.iter().all(|token| is_acked(self.bench.outcome(*token)));
            assert!(!stamped || in_order || !all_acked, "{log:?}");
        }
    }
}

fn tokens(records: &[Payload]) -> Vec<u32> {
    let text =
        |record: &Payload| String::from_utf8(record.value.clone().expect("a value").to_vec()).expect("text");
    records.iter().map(|record| text(record).parse().expect("a number")).collect()
}

fn run(mode: Mode, stamped: bool, events: &[Event]) {
    let mut world = World::new(mode);
    for event in events {
        world.step(event);
    }
    world.finish();
    world.check(stamped);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_stamped_producer_tells_the_truth_and_appends_once_in_order(events in prop::collection::vec(event(), 1..120)) {
        run(Mode::Stamped, true, &events);
    }

    #[test]
    fn a_plain_producer_tells_the_truth(events in prop::collection::vec(event(), 1..120)) {
        run(Mode::Plain, false, &events);
    }

    #[test]
    fn a_single_attempt_producer_tells_the_truth_and_never_tries_twice(events in prop::collection::vec(event(), 1..120)) {
        run(Mode::SingleAttempt { stamped: true }, true, &events);
    }
}
