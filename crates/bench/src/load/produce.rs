//! Batches as fast as they are acknowledged, a few in flight, spread over partitions one after the other.

use std::collections::VecDeque;

use poruka_env::{Env, Mono};

use crate::conn::{Conn, in_order};
use crate::error::{BenchError, Result};
use crate::speech::{Speech, Template};
use crate::stats::Latencies;
use crate::stop::Stop;

/// Requests in flight: what idempotent producers keep at most.
pub(crate) const IN_FLIGHT_MAX: usize = 5;

/// What to send.
#[derive(Debug)]
pub(crate) struct ProduceLoad<'a> {
    pub(crate) speech: &'a Speech,
    /// Sent in turn.
    pub(crate) templates: &'a mut [Template],
    /// How many batches.
    pub(crate) batches: u64,
    pub(crate) partitions: i32,
}

/// What was sent and acknowledged.
#[derive(Debug)]
pub(crate) struct Produced {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    /// From the sending of a batch to its acknowledgement.
    pub(crate) acks: Latencies,
    /// Where each partition's log ends.
    pub(crate) ends: Vec<i64>,
}

struct Pending {
    number: i32,
    partition: i32,
    records: u32,
    sent: Mono,
}

/// Sends all of it and waits for every answer.
pub(crate) fn produce(env: &Env, stop: &Stop, conn: &mut Conn, load: ProduceLoad<'_>) -> Result<Produced> {
    let partitions = load.partitions.max(1);
    let mut ends = vec![0_i64; partitions as usize];
    let mut sequences = vec![0_i32; partitions as usize];
    let mut pending: VecDeque<Pending> = VecDeque::with_capacity(IN_FLIGHT_MAX);
    let mut acks = Vec::with_capacity(load.batches as usize);
    let (mut records, mut bytes) = (0_u64, 0_u64);
    let began = env.now();
    for index in 0..load.batches {
        stop.check()?;
        if pending.len() == IN_FLIGHT_MAX {
            acks.push(take_ack(env, conn, load.speech, &mut pending, &mut ends)?);
        }
        let partition = (index % partitions as u64) as i32;
        let turn = (index % load.templates.len() as u64) as usize;
        let template = &mut load.templates[turn];
        let number = conn.next_correlation();
        let sequence = &mut sequences[partition as usize];
        let sent = env.now();
        conn.send(template.stamp(number, partition, *sequence))?;
        // Sequences go on at 0 after 2^31-1.
        *sequence = sequence.wrapping_add(template.records as i32) & i32::MAX;
        records += u64::from(template.records);
        bytes += template.batch().len() as u64;
        pending.push_back(Pending { number, partition, records: template.records, sent });
    }
    while !pending.is_empty() {
        acks.push(take_ack(env, conn, load.speech, &mut pending, &mut ends)?);
    }
    let seconds = (env.now() - began).as_secs_f64();
    Ok(Produced { records, bytes, seconds, acks: Latencies::new(acks), ends })
}

fn take_ack(
    env: &Env,
    conn: &mut Conn,
    speech: &Speech,
    pending: &mut VecDeque<Pending>,
    ends: &mut [i64],
) -> Result<u64> {
    let ack = speech.ack(conn.frame()?)?;
    let now = env.now();
    let due = pending.pop_front().ok_or_else(|| BenchError::Wrong("an answer to nothing".to_owned()))?;
    in_order(due.number, ack.number)?;
    let end = &mut ends[due.partition as usize];
    if (ack.partition, ack.base_offset) != (due.partition, *end) {
        return Err(BenchError::Wrong(format!(
            "a batch for partition {} at offset {end} was acknowledged at {} of partition {}",
            due.partition, ack.base_offset, ack.partition
        )));
    }
    *end += i64::from(due.records);
    Ok((now - due.sent).as_nanos() as u64)
}
