//! A request that arrives twice: at once or late, on a connection of its own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use poruka_env::Env;
use poruka_wire::api::ApiVersionsRequest;
use poruka_wire::frame::{FrameDecoder, correlation_id, encode_request};
use tokio::io::{AsyncWriteExt, split};

use super::connection::{next_frame, sized};
use super::director::{Director, Taken};

/// How late a repeat arrives at most, in milliseconds.
const LATE_MS_MAX: u64 = 400;
/// How long the broker may take to answer behind a repeat.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3);
/// An ending of the broker is known to the director at the latest after this.
const ENDING_TOLD_AFTER: Duration = Duration::from_millis(100);
/// Marks the question that is sent behind the repeat; no client uses it.
const BEHIND: i32 = i32::MIN;
/// Answers that may come before the one that is waited for.
const ANSWERS_MAX: usize = 2;

/// Sends the request once more, after a seeded while: one in three at once.
pub(crate) fn later(env: &Env, director: &Arc<Director>, frame: Bytes, fault: Taken) {
    let late_ms = if fault.salt().is_multiple_of(3) { 0 } else { fault.salt() % LATE_MS_MAX };
    let (own, director) = (env.clone(), Arc::clone(director));
    env.spawn("prove-repeat", async move {
        own.sleep(Duration::from_millis(late_ms)).await;
        if let Ok(Ok(())) = own.timeout(ANSWER_TIME_MAX, repeat(&own, &director, &frame)).await {
            fault.took_effect(&format!("{late_ms} ms later"));
        }
    });
}

/// The broker handles a connection's requests in order: once it answers the question behind the repeat, it has handled
/// the repeat. A repeat without acks that it refuses, it refuses by closing the connection: that is an answer too, unless
/// the broker was ended meanwhile.
async fn repeat(env: &Env, director: &Director, frame: &Bytes) -> io::Result<()> {
    let upstream = director.upstream().ok_or(io::ErrorKind::NotConnected)?;
    let generation = director.generation();
    let (mut from, mut to) = split(env.connect(&upstream).await?);
    to.write_all_buf(&mut sized(frame)).await?;
    let question =
        encode_request(BEHIND, None, &ApiVersionsRequest::default(), 0).map_err(io::Error::other)?;
    // The connection may be closed by now: then the answer is the end of the stream.
    let _asked = to.write_all(&question).await;
    let mut decoder = FrameDecoder::default();
    for _ in 0..ANSWERS_MAX {
        match next_frame(&mut decoder, &mut from).await {
            Ok(Some(answer)) if correlation_id(&answer) == Some(BEHIND) => return Ok(()),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
    // Whether the broker still runs is known once its ending had time to be told.
    env.sleep(ENDING_TOLD_AFTER).await;
    let same_broker = director.generation() == generation && director.upstream().is_some();
    if same_broker { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
