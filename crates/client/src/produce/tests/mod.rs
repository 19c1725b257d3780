//! The producer state machine under every kind of answer, with a hand-turned clock and no sockets.

mod faulty_broker;
mod rows;
mod single;
mod stamped;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use poruka_env::Mono;
use poruka_wire::{Str, Uuid};

use super::answers::{Answer, PartAnswer};
use super::batch::{Payload, Stamp, TopicPartition};
use super::machine::{Flight, Machine, Mode, Settings};
use super::outcome::{Cause, Outcome};
use super::queue::Leader;
use super::stamps::Identity;
use crate::backoff::Backoff;

const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
const NODE: i32 = 1;

/// A machine with one connected node that leads every partition, and a clock turned by hand.
struct Bench {
    machine: Machine<u32>,
    now: Mono,
    outcomes: BTreeMap<u32, Outcome>,
    connection: u64,
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition { topic: Str::from("t"), partition }
}

impl Bench {
    fn new(mode: Mode) -> Bench {
        let settings = Settings {
            mode,
            linger: Duration::ZERO,
            // Every record becomes a batch of its own: 61 bytes of header and at least 24 of record.
            batch_bytes_max: 86,
            request_bytes_max: 1 << 20,
            in_flight_max: 5,
            delivery_timeout: DELIVERY_TIMEOUT,
            backoff: Backoff { first: Duration::from_millis(10), max: Duration::from_millis(100) },
        };
        let mut machine = Machine::new(settings);
        for partition in 0..3 {
            machine.set_leader(&at(partition), Some(Leader { node: NODE, topic_id: Uuid([7; 16]) }));
        }
        machine.node_up(NODE, 1);
        machine.identity(Identity { producer_id: 9, epoch: 0 });
        Bench { machine, now: Mono::from_millis(1), outcomes: BTreeMap::new(), connection: 1 }
    }

    fn push(&mut self, partition: i32, token: u32) {
        let value = Some(Bytes::from(token.to_string()));
        let payload = Payload { value, timestamp_ms: Some(5), ..Default::default() };
        self.machine.push(self.now, &at(partition), payload, token);
    }

    /// Everything that may leave now.
    fn poll(&mut self) -> Vec<Flight> {
        let mut flights = Vec::new();
        while let Some(flight) = self.machine.poll(self.now) {
            flights.push(flight);
        }
        self.collect();
        flights
    }

    fn one(&mut self) -> Flight {
        let mut flights = self.poll();
        assert_eq!(flights.len(), 1, "one request was expected");
        flights.remove(0)
    }

    fn collect(&mut self) {
        for (token, outcome) in self.machine.take_finished() {
            assert!(self.outcomes.insert(token, outcome).is_none(), "record {token} has two outcomes");
        }
    }

    fn answer(&mut self, flight: &Flight, answer: &Answer) {
        self.machine.answered(self.now, flight.id, answer, 0);
        self.collect();
    }

    /// Answers every partition of a request with one code.
    fn code(&mut self, flight: &Flight, code: i16) {
        let parts = flight.parts.iter().map(|part| part_answer(&part.at, code, 100)).collect();
        self.answer(flight, &Answer::Parts(parts));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Lets any back-off pass.
    fn back_off(&mut self) {
        self.pass(Duration::from_millis(100));
    }

    fn reconnect(&mut self) {
        self.machine.node_down(NODE, self.connection);
        self.connection += 1;
        self.machine.node_up(NODE, self.connection);
    }

    /// Lets one batch per partition be acked first, so that several may be in flight.
    fn anchor(&mut self) {
        for partition in 0..3 {
            self.push(partition, 1000 + partition as u32);
        }
        for flight in self.poll() {
            self.code(&flight, 0);
        }
    }

    fn outcome(&self, token: u32) -> Option<&Outcome> {
        self.outcomes.get(&token)
    }
}

fn part_answer(at: &TopicPartition, code: i16, base_offset: i64) -> PartAnswer {
    PartAnswer { at: Some(at.clone()), code, base_offset, append_time_ms: -1, message: None }
}

fn stamp(flight: &Flight) -> Stamp {
    flight.parts[0].stamp.expect("a stamped batch")
}

fn is_acked(outcome: Option<&Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Acked(_)))
}

fn is_unknown(outcome: Option<&Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Unknown(_)))
}

fn is_not_appended(outcome: Option<&Outcome>) -> bool {
    matches!(outcome, Some(Outcome::NotAppended(_)))
}

/// The cause of an outcome that is no ack.
fn cause(outcome: Option<&Outcome>) -> &Cause {
    match outcome {
        Some(Outcome::NotAppended(failure) | Outcome::Unknown(failure)) => &failure.cause,
        other => panic!("no failure: {other:?}"),
    }
}
