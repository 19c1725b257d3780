//! The director: knows the plan and the progress, hands out faults, and counts those that took effect.
//!
//! One mutex over small state; nothing waits while holding it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use poruka_env::{Env, Mono};
use tokio::sync::Notify;

use crate::faults::{FaultCount, FaultKind, FaultPlan, Planned};
use crate::history::FaultMark;
use crate::payload::{Phase, fnv64};
use crate::report::Mark;

/// An unanswered request counts as in flight when it was passed on this short a time ago.
pub(crate) const UNANSWERED_IN_FLIGHT_MAX: Duration = Duration::from_millis(10);

/// What was under way when the broker was ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InFlight {
    /// Produce requests passed on whose answer the client does not have.
    pub(crate) unacked: u64,
    /// Of those, the ones whose answer is held back and says that records were appended.
    pub(crate) appended: u64,
    /// Produce requests that are never answered, passed on within the last moments.
    pub(crate) unanswered: u64,
}

impl InFlight {
    /// Whether an ending now would meet unacked appends.
    pub(crate) fn is_enough(&self) -> bool {
        self.appended > 0 || self.unanswered > 0
    }
}

pub(crate) struct Director {
    env: Env,
    phase: Phase,
    topic: String,
    started: Mono,
    state: Mutex<State>,
    /// Told when an ending may have become due.
    pub(crate) end_due: Notify,
    /// Told when a consumer's crash may have become due.
    pub(crate) crash_due: Notify,
    /// Told when what is in flight has changed while answers are held back.
    pub(crate) in_flight_changed: Notify,
    released: Notify,
    /// Sums up every frame that is passed on; only where somebody asks for it.
    tap: Option<Mutex<Tap>>,
}

/// What went through the proxy, in a number: two runs with the same sum did the same at the same moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tap {
    pub(crate) frames: u64,
    pub(crate) sum: u64,
}

#[derive(Default)]
struct State {
    upstream: Option<String>,
    progress: u64,
    waiting: Vec<VecDeque<Planned>>,
    planned: Vec<u64>,
    effective: Vec<u64>,
    marks: Vec<(u64, FaultKind, String)>,
    holding: bool,
    /// Counts the broker's processes: an answer that was held back over an ending is never delivered.
    generation: u64,
    unacked: u64,
    appended: u64,
    last_unanswered: Option<Mono>,
    off: bool,
}

impl Director {
    pub(crate) fn new(env: &Env, phase: Phase, topic: &str, plan: &FaultPlan) -> Director {
        let of = |kind| plan.faults.iter().filter(move |fault| fault.kind == kind).copied();
        let state = State {
            waiting: FaultKind::ALL.map(|kind| of(kind).collect()).to_vec(),
            planned: FaultKind::ALL.map(|kind| plan.count(kind)).to_vec(),
            effective: vec![0; FaultKind::ALL.len()],
            ..State::default()
        };
        Director {
            env: env.clone(),
            phase,
            topic: topic.to_owned(),
            started: env.now(),
            state: Mutex::new(state),
            end_due: Notify::new(),
            crash_due: Notify::new(),
            in_flight_changed: Notify::new(),
            released: Notify::new(),
            tap: None,
        }
    }

    /// Sums up what is passed on from now on.
    pub(crate) fn with_tap(self) -> Director {
        Director { tap: Some(Mutex::default()), ..self }
    }

    /// A frame came from a client (`true`) or from the broker.
    pub(crate) fn frame(&self, from_client: bool, frame: &[u8]) {
        let Some(tap) = &self.tap else { return };
        let mut tap = tap.lock().unwrap_or_else(PoisonError::into_inner);
        let head = [self.now_us(), u64::from(from_client), fnv64(frame), tap.sum].map(u64::to_be_bytes);
        *tap = Tap { frames: tap.frames + 1, sum: fnv64(head.as_flattened()) };
    }

    pub(crate) fn tapped(&self) -> Tap {
        self.tap.as_ref().map(|tap| *tap.lock().unwrap_or_else(PoisonError::into_inner)).unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Microseconds since the start of the phase.
    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from((self.env.now() - self.started).as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Where connections are led; `None` while there is no broker.
    pub(crate) fn upstream(&self) -> Option<String> {
        self.state().upstream.clone()
    }

    /// Counts the broker's processes.
    pub(crate) fn generation(&self) -> u64 {
        self.state().generation
    }

    pub(crate) fn set_upstream(&self, addr: &str) {
        self.state().upstream = Some(addr.to_owned());
    }

    /// No more faults from now on.
    pub(crate) fn stop(&self) {
        self.state().off = true;
    }

    /// So many records were handed to producers.
    pub(crate) fn progress(&self, records: u64) {
        let mut state = self.state();
        state.progress = state.progress.max(records);
        let due = |kind| state.due(kind).is_some();
        let (end, crash) = (due(FaultKind::BrokerEnded), due(FaultKind::ConsumerCrashed));
        drop(state);
        if end {
            self.end_due.notify_one();
        }
        if crash {
            self.crash_due.notify_one();
        }
    }

    /// Takes the next fault of a kind, when its place in the work has been reached.
    pub(crate) fn take(self: &Arc<Self>, kind: FaultKind) -> Option<Taken> {
        let mut state = self.state();
        state.due(kind)?;
        let fault = state.waiting[kind as usize].pop_front()?;
        Some(Taken { director: Arc::clone(self), fault, effective: false })
    }

    /// How many faults have not taken effect yet.
    pub(crate) fn outstanding(&self) -> u64 {
        let state = self.state();
        state.planned.iter().zip(&state.effective).map(|(planned, made)| planned.saturating_sub(*made)).sum()
    }

    pub(crate) fn counts(&self) -> Vec<FaultCount> {
        let state = self.state();
        let of = |kind: FaultKind| FaultCount {
            kind,
            planned: state.planned[kind as usize],
            effective: state.effective[kind as usize],
        };
        // What is never planned is not told.
        FaultKind::ALL.into_iter().map(of).filter(|count| count.planned > 0).collect()
    }

    pub(crate) fn marks(&self) -> Vec<Mark> {
        self.state().marks.iter().map(|(at_us, kind, _)| Mark { at_us: *at_us, kind: *kind }).collect()
    }

    pub(crate) fn fault_marks(&self) -> Vec<FaultMark> {
        let state = self.state();
        state.marks.iter().map(|(at_us, _, what)| FaultMark { at_us: *at_us, what: what.clone() }).collect()
    }

    // What is in flight, and holding answers back until the broker is ended.

    /// A produce request that will be answered was passed on, in full.
    pub(crate) fn passed_on(&self) {
        self.state().unacked += 1;
    }

    /// Its answer was passed on too, or its connection is gone.
    pub(crate) fn settled(&self, requests: u64) {
        let mut state = self.state();
        state.unacked = state.unacked.saturating_sub(requests);
    }

    /// A produce request that is never answered was passed on, in full.
    pub(crate) fn passed_on_unanswered(&self) {
        let mut state = self.state();
        state.last_unanswered = Some(self.env.now());
        let holding = state.holding;
        drop(state);
        if holding {
            self.in_flight_changed.notify_one();
        }
    }

    /// From now on no answer to a produce request reaches its client.
    pub(crate) fn hold(&self) {
        let mut state = self.state();
        state.holding = true;
        state.appended = 0;
        state.last_unanswered = None;
    }

    /// Waits here with an answer while answers are held back. False when the broker was ended meanwhile: then the
    /// answer is not to be passed on.
    pub(crate) async fn may_pass(&self, appended: bool) -> bool {
        let generation = {
            let mut state = self.state();
            if !state.holding {
                return true;
            }
            state.appended += u64::from(appended);
            state.generation
        };
        self.in_flight_changed.notify_one();
        loop {
            let released = self.released.notified();
            {
                let state = self.state();
                if state.generation != generation {
                    return false;
                }
                if !state.holding {
                    return true;
                }
            }
            released.await;
        }
    }

    pub(crate) fn in_flight(&self) -> InFlight {
        let state = self.state();
        let recent = |at: Mono| self.env.now() - at <= UNANSWERED_IN_FLIGHT_MAX;
        InFlight {
            unacked: state.unacked,
            appended: state.appended,
            unanswered: u64::from(state.last_unanswered.is_some_and(recent)),
        }
    }

    /// The broker's process is gone: what was held back is lost.
    pub(crate) fn broker_ended(&self) {
        let mut state = self.state();
        state.upstream = None;
        state.generation += 1;
        state.holding = false;
        drop(state);
        self.released.notify_waiters();
    }

    /// The ending is put off: what was held back goes on.
    pub(crate) fn release(&self) {
        self.state().holding = false;
        self.released.notify_waiters();
    }
}

/// A fault that is being made. Without an effect it is to be made again.
pub(crate) struct Taken {
    director: Arc<Director>,
    fault: Planned,
    effective: bool,
}

impl Taken {
    /// The fault's seeded number.
    pub(crate) fn salt(&self) -> u64 {
        self.fault.salt
    }

    /// The fault took effect.
    pub(crate) fn took_effect(mut self, detail: &str) {
        self.effective = true;
        let (kind, at_us) = (self.fault.kind, self.director.now_us());
        let title = kind.title(self.director.phase);
        let what = if detail.is_empty() { title.to_owned() } else { format!("{title}: {detail}") };
        let mut state = self.director.state();
        state.effective[kind as usize] += 1;
        state.marks.push((at_us, kind, what));
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.effective {
            self.director.state().waiting[self.fault.kind as usize].push_front(self.fault);
        }
    }
}

impl State {
    fn due(&self, kind: FaultKind) -> Option<()> {
        let next = self.waiting[kind as usize].front()?;
        (!self.off && next.at <= self.progress).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poruka_guarantee::Name;

    fn director(records: u64) -> Arc<Director> {
        let plan = FaultPlan::new(1, Name::Durable, Phase::Kill, records);
        Arc::new(Director::new(&Env::real(), Phase::Kill, "t", &plan))
    }

    #[test]
    fn a_fault_waits_for_its_place_and_comes_again_until_it_takes_effect() {
        let director = director(1000);
        assert!(director.take(FaultKind::RequestCut).is_none());
        director.progress(1000);
        let fault = director.take(FaultKind::RequestCut).expect("due");
        let salt = fault.salt();
        drop(fault);
        let again = director.take(FaultKind::RequestCut).expect("due again");
        assert_eq!(again.salt(), salt);
        again.took_effect("");
        let count = director.counts()[FaultKind::RequestCut as usize];
        assert_eq!((count.planned, count.effective), (12, 1));
        director.stop();
        assert!(director.take(FaultKind::RequestCut).is_none());
    }

    #[tokio::test]
    async fn an_answer_that_was_held_back_over_an_ending_is_never_delivered() {
        let director = director(1000);
        assert!(director.may_pass(true).await, "nothing is held back");
        director.hold();
        let (passed, ()) = tokio::join!(director.may_pass(true), async {
            assert_eq!(director.in_flight().appended, 1);
            assert!(director.in_flight().is_enough());
            director.broker_ended();
        });
        assert!(!passed);
        director.hold();
        let (passed, ()) = tokio::join!(director.may_pass(false), async {
            assert!(!director.in_flight().is_enough());
            director.release();
        });
        assert!(passed);
    }
}
