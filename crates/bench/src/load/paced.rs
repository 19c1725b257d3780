//! Records at a fixed rate, one a request, with a consumer that waits for each: acknowledgement and end-to-end latency.
//!
//! Latency counts from the moment a record was *due*, not from when it was sent: a broker that stalls is charged with
//! every record that fell due meanwhile (no coordinated omission), and so is the generator's own lateness, which is told
//! apart. While as many requests are in flight as a producer may have, what falls due waits, and then goes in one batch,
//! as it does in clients.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use poruka_env::{Env, Mono, ThreadHandle};
use poruka_wire::api::FetchRequest;
use poruka_wire::frame::decode_response;
use poruka_wire::records::batches_of;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::consume::{fetch_request, fetched};
use super::produce::IN_FLIGHT_MAX;
use crate::conn::{Conn, in_order};
use crate::error::{BenchError, During, Result};
use crate::payload::{NUMBER_BYTES, numbers, paced};
use crate::speech::Speech;
use crate::stats::Latencies;
use crate::stop::Stop;

/// From the call to the first record's due time, so that the consumer waits already.
const LEAD: Duration = Duration::from_millis(100);
/// The kernel may put off the end of a wait by this: as little as it takes.
const TIMER_SLACK_NANOS: NonZeroU64 = NonZeroU64::MIN;
/// Records in one batch after a stall.
const BATCH_RECORDS_MAX: u64 = 1_000;

/// What to send.
#[derive(Clone, Debug)]
pub(crate) struct PacedLoad {
    pub(crate) speech: Speech,
    pub(crate) producer_id: i64,
    pub(crate) rate: u64,
    pub(crate) records: u64,
    pub(crate) record_bytes: usize,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Paced {
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    /// From due to acknowledged.
    pub(crate) acks: Latencies,
    /// From due to received by the consumer.
    pub(crate) arrivals: Latencies,
    /// From due to sent: the generator's own share.
    pub(crate) late: Latencies,
}

/// When record `number` is due.
fn due(began: Mono, rate: u64, number: u64) -> Mono {
    began + Duration::from_nanos((u128::from(number) * 1_000_000_000 / u128::from(rate)) as u64)
}

/// How many records are due at `now`.
fn due_by(began: Mono, rate: u64, now: Mono) -> u64 {
    if now < began {
        return 0;
    }
    ((now - began).as_nanos() * u128::from(rate) / 1_000_000_000) as u64 + 1
}

/// Sends the records when they are due, while another thread consumes them.
pub(crate) fn run_paced(
    env: &Env,
    stop: &Stop,
    mut producer: Conn,
    consumer: Conn,
    load: &PacedLoad,
) -> Result<(Paced, Conn)> {
    let began = env.now() + LEAD;
    let (arrived, arrivals) = mpsc::channel();
    let consuming = consumer.socket().try_clone().during("share the consumer's socket")?;
    let reading = spawn_consumer(env, stop, consumer, load, began, arrived)?;
    let sent = Sender::new(env, &mut producer, load, began)?.run(stop);
    if sent.is_err() {
        // The consumer waits for records that will not come; without the connection it ends.
        drop(consuming.shutdown(std::net::Shutdown::Both));
    }
    let (acks, late, requests) = sent?;
    let received = arrivals.recv().map_err(|_| BenchError::Wrong("the consumer broke".to_owned()))?;
    reading.join();
    let arrivals = received?;
    let seconds = (env.now() - began).as_secs_f64();
    let told = Paced {
        seconds,
        requests,
        acks: Latencies::new(acks),
        arrivals: Latencies::new(arrivals),
        late: Latencies::new(late),
    };
    Ok((told, producer))
}

struct Sender<'a> {
    env: &'a Env,
    conn: &'a mut Conn,
    load: &'a PacedLoad,
    began: Mono,
    value: Vec<u8>,
    sent: u64,
    offset: i64,
    /// Number of the request, and the records in it.
    pending: VecDeque<(i32, u64, u64)>,
    acks: Vec<u64>,
    late: Vec<u64>,
    requests: u64,
}

impl<'a> Sender<'a> {
    fn new(env: &'a Env, conn: &'a mut Conn, load: &'a PacedLoad, began: Mono) -> Result<Sender<'a>> {
        let slack = rustix::thread::set_current_timer_slack(Some(TIMER_SLACK_NANOS));
        slack.map_err(std::io::Error::from).during("ask for a fine clock")?;
        let mut value = vec![0; load.record_bytes.max(NUMBER_BYTES)];
        fastrand::Rng::with_seed(1).fill(&mut value);
        let samples = || Vec::with_capacity(load.records as usize);
        let (acks, late, pending) = (samples(), samples(), VecDeque::new());
        Ok(Sender { env, conn, load, began, value, sent: 0, offset: 0, pending, acks, late, requests: 0 })
    }

    fn run(mut self, stop: &Stop) -> Result<(Vec<u64>, Vec<u64>, u64)> {
        while (self.acks.len() as u64) < self.load.records {
            stop.check()?;
            self.send_due()?;
            if self.conn.has_buffered() || self.wait()? {
                self.take_ack()?;
            }
        }
        Ok((self.acks, self.late, self.requests))
    }

    fn due(&self, number: u64) -> Mono {
        due(self.began, self.load.rate, number)
    }

    fn send_due(&mut self) -> Result<()> {
        loop {
            let now = self.env.now();
            let ready = due_by(self.began, self.load.rate, now).min(self.load.records) - self.sent;
            let free = IN_FLIGHT_MAX - self.pending.len();
            if ready == 0 || free == 0 {
                return Ok(());
            }
            // A backlog that does not fit record by record goes as one batch.
            let count = if ready > free as u64 { ready.min(BATCH_RECORDS_MAX) } else { 1 };
            let (from, to) = (self.sent, self.sent + count);
            let batch = paced(from, to, &mut self.value, self.env.wall_ms(), self.load.producer_id)?;
            let number = self.conn.next_correlation();
            self.conn.send(&self.load.speech.frame(number, 0, &batch)?)?;
            let (began, rate) = (self.began, self.load.rate);
            self.late.extend((from..to).map(|record| (now - due(began, rate, record)).as_nanos() as u64));
            self.pending.push_back((number, from, to));
            self.sent = to;
            self.requests += 1;
        }
    }

    /// Waits for an answer or for the next record's time; true if there is an answer.
    fn wait(&mut self) -> Result<bool> {
        let until = match self.sent < self.load.records && self.pending.len() < IN_FLIGHT_MAX {
            true => Some(self.due(self.sent) - self.env.now()),
            false => None,
        };
        let until = until
            .map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) });
        let mut sockets = [PollFd::new(self.conn.socket(), PollFlags::IN)];
        match poll(&mut sockets, until.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(std::io::Error::from(error)).during("wait for an answer"),
        }
    }

    fn take_ack(&mut self) -> Result<()> {
        let ack = self.load.speech.ack(self.conn.frame()?)?;
        let now = self.env.now();
        let (number, from, to) =
            self.pending.pop_front().ok_or_else(|| BenchError::Wrong("an answer to nothing".to_owned()))?;
        in_order(number, ack.number)?;
        if ack.base_offset != self.offset {
            let (due, came) = (self.offset, ack.base_offset);
            return Err(BenchError::Wrong(format!("offset {due} was due, {came} was acknowledged")));
        }
        self.offset += (to - from) as i64;
        let (began, rate) = (self.began, self.load.rate);
        self.acks.extend((from..to).map(|record| (now - due(began, rate, record)).as_nanos() as u64));
        Ok(())
    }
}

type Arrivals = Result<Vec<u64>>;

fn spawn_consumer(
    env: &Env,
    stop: &Stop,
    conn: Conn,
    load: &PacedLoad,
    began: Mono,
    told: mpsc::Sender<Arrivals>,
) -> Result<ThreadHandle> {
    let (env2, stop, load) = (env.clone(), stop.clone(), load.clone());
    let body = move || {
        // Nobody waits any more where the sender failed first.
        drop(told.send(receive_all(&env2, &stop, conn, &load, began)));
    };
    let thread = env.spawn_thread("bench-consumer", body);
    thread.map_err(|source| BenchError::Start { what: "the consumer's thread", source })
}

fn receive_all(env: &Env, stop: &Stop, mut conn: Conn, load: &PacedLoad, began: Mono) -> Arrivals {
    let version = match load.speech {
        Speech::Kafka { .. } => conn.version::<FetchRequest>()?,
        Speech::Bare => 0,
    };
    let mut arrivals = Vec::with_capacity(load.records as usize);
    while (arrivals.len() as u64) < load.records {
        stop.check()?;
        let records = match &load.speech {
            Speech::Kafka { topic, .. } => {
                let asked = conn.ask(&fetch_request(topic, arrivals.len() as i64), version)?;
                let (answered, response) = decode_response::<FetchRequest>(conn.frame()?, version)?;
                in_order(asked, answered)?;
                fetched(response)?
            }
            Speech::Bare => {
                let frame = conn.frame()?;
                frame.slice(4.min(frame.len())..)
            }
        };
        let now = env.now();
        take_records(&records, &mut arrivals, |number| {
            (now - due(began, load.rate, number)).as_nanos() as u64
        })?;
    }
    Ok(arrivals)
}

fn take_records(records: &Bytes, arrivals: &mut Vec<u64>, latency: impl Fn(u64) -> u64) -> Result<()> {
    for batch in batches_of(records) {
        let (_, batch) = batch?;
        numbers(&batch, |number| {
            let expected = arrivals.len() as u64;
            if number != expected {
                return Err(BenchError::Wrong(format!("record {expected} was due, {number} came")));
            }
            arrivals.push(latency(number));
            Ok(())
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_fall_due_evenly_and_the_first_at_once() {
        let began = Mono::from_millis(1_000);
        assert_eq!(due_by(began, 5_000, Mono::from_millis(999)), 0);
        assert_eq!(due_by(began, 5_000, began), 1);
        assert_eq!(due_by(began, 5_000, Mono::from_millis(2_000)), 5_001);
        assert_eq!(due(began, 5_000, 5_000), Mono::from_millis(2_000));
        for number in [0, 1, 7, 49_999] {
            let at = due(began, 7_001, number);
            assert!(due_by(began, 7_001, at + Duration::from_nanos(1)) > number);
        }
    }

    #[test]
    fn a_record_out_of_turn_is_no_measurement() {
        let batch = paced(1, 2, &mut [0; 8], 0, 1).unwrap();
        let error = take_records(&batch, &mut Vec::new(), |_| 0).unwrap_err();
        assert!(error.to_string().contains("record 0 was due, 1 came"), "{error}");
    }

    #[test]
    fn latency_counts_from_the_due_time() {
        let mut arrivals = Vec::new();
        take_records(&paced(0, 2, &mut [0; 8], 0, 1).unwrap(), &mut arrivals, |number| 500 - number).unwrap();
        assert_eq!(arrivals, [500, 499]);
    }
}
