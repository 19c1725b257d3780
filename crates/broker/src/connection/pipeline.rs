//! The requests of one connection in flight, in order.
//!
//! Only the oldest is waited for: what comes after it cannot leave before it. Effects were had when the requests
//! were handled, so waiting in order costs nothing but the order itself.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use super::{Boxed, IN_FLIGHT_BYTES_MAX, IN_FLIGHT_REQUESTS_MAX, Outcome, Reply};

enum Slot {
    Done(Outcome),
    Waiting(Boxed<Outcome>),
}

#[derive(Default)]
pub(super) struct Pipeline {
    slots: VecDeque<(Slot, usize)>,
    bytes: usize,
    /// The newest request has its effect still to come.
    alone: bool,
}

impl Pipeline {
    /// Whether another request may be handled now.
    pub(super) fn has_room(&self) -> bool {
        !self.alone && self.slots.len() < IN_FLIGHT_REQUESTS_MAX && self.bytes < IN_FLIGHT_BYTES_MAX
    }

    /// Bytes of the requests in flight.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Adds what became of a request of `bytes` bytes.
    pub(super) fn push(&mut self, reply: Reply, bytes: usize) {
        assert!(!self.alone, "nothing is handled while a request has its effect still to come");
        let slot = match reply {
            Reply::Now(outcome) => Slot::Done(outcome),
            Reply::Later(waiting) => Slot::Waiting(waiting),
            Reply::Alone(waiting) => {
                self.alone = true;
                Slot::Waiting(waiting)
            }
        };
        self.slots.push_back((slot, bytes));
        self.bytes += bytes;
    }

    /// Gives up every request: none of them is answered.
    pub(super) fn clear(&mut self) {
        *self = Pipeline::default();
    }

    /// The outcome of the oldest request, once it is there. Pending too when there is none.
    pub(super) fn poll_oldest(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Some((slot, bytes)) = self.slots.front_mut() else { return Poll::Pending };
        let outcome = match slot {
            Slot::Done(outcome) => std::mem::replace(outcome, Ok(None)),
            Slot::Waiting(waiting) => ready!(waiting.as_mut().poll(cx)),
        };
        self.bytes -= *bytes;
        self.slots.pop_front();
        if self.slots.is_empty() {
            // The request that had to be alone was the newest, so an empty queue means that it is done.
            self.alone = false;
        }
        Poll::Ready(outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use bytes::Bytes;
    use tokio::sync::oneshot;

    use super::*;

    fn answer(text: &'static str) -> Outcome {
        Ok(Some(vec![Bytes::from_static(text.as_bytes()).into()]))
    }

    /// The text of the oldest answer, if it is there.
    fn oldest(pipeline: &mut Pipeline) -> Poll<Bytes> {
        pipeline.poll_oldest(&mut cx()).map(|outcome| {
            let mut frame = outcome.expect("no end").expect("an answer");
            frame.remove(0).into_bytes().expect("in memory")
        })
    }

    fn cx() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    #[test]
    fn responses_leave_in_request_order_whatever_is_ready_first() {
        let (send, receive) = oneshot::channel();
        let mut pipeline = Pipeline::default();
        pipeline.push(Reply::Later(Box::pin(async { receive.await.expect("sent") })), 1);
        pipeline.push(Reply::Now(answer("second")), 1);
        assert_eq!(oldest(&mut pipeline), Poll::Pending);
        send.send(answer("first")).expect("received");
        assert_eq!(oldest(&mut pipeline), Poll::Ready("first".into()));
        assert_eq!(oldest(&mut pipeline), Poll::Ready("second".into()));
        assert!(pipeline.is_empty());
    }

    #[test]
    fn reading_stops_at_either_bound_and_goes_on_below_it() {
        let mut pipeline = Pipeline::default();
        for _ in 0..IN_FLIGHT_REQUESTS_MAX {
            assert!(pipeline.has_room());
            pipeline.push(Reply::Now(Ok(None)), 1);
        }
        assert!(!pipeline.has_room());
        assert!(pipeline.poll_oldest(&mut cx()).is_ready());
        assert!(pipeline.has_room());

        let mut pipeline = Pipeline::default();
        pipeline.push(Reply::Now(Ok(None)), IN_FLIGHT_BYTES_MAX);
        assert!(!pipeline.has_room());
        assert!(pipeline.poll_oldest(&mut cx()).is_ready());
        assert!(pipeline.has_room());
    }

    #[test]
    fn a_request_whose_effect_is_to_come_keeps_the_next_one_out() {
        let mut pipeline = Pipeline::default();
        pipeline.push(Reply::Now(Ok(None)), 1);
        pipeline.push(Reply::Alone(Box::pin(async { answer("made") })), 1);
        assert!(!pipeline.has_room());
        assert!(pipeline.poll_oldest(&mut cx()).is_ready());
        assert!(!pipeline.has_room());
        assert_eq!(oldest(&mut pipeline), Poll::Ready("made".into()));
        assert!(pipeline.has_room());
    }
}
