//! The one who ends the broker: holds answers back, makes sure that unacked appends are in flight, kills the process
//! and starts it again.

use std::sync::Arc;
use std::time::Duration;

use poruka_env::Env;
use tokio::sync::Mutex;

use super::target::TargetError;
use super::workbench::Boxed;
use crate::faults::FaultKind;
use crate::history::BrokerEnd;
use crate::proxy::{Director, InFlight, Taken};

/// How long an ending waits for something to be in flight.
const IN_FLIGHT_WAIT_MAX: Duration = Duration::from_millis(1_500);
/// How long an ending lets more come in flight, in milliseconds at most.
const GATHER_MS_MAX: u64 = 4;
/// Before an ending that met nothing is tried again.
const AGAIN_PAUSE: Duration = Duration::from_millis(50);

/// What an ending is to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Approach {
    /// Hold answers to appends back first.
    Hold,
    /// Nothing, if anything is on its way.
    Now,
    /// Nothing: the broker is as good as gone.
    Over,
}

/// A broker that can be ended by force.
pub(crate) trait Victim: Send + 'static {
    /// "host:port", the same over all starts.
    fn addr(&self) -> &str;

    /// Waits for a moment of the victim's own choice.
    fn approach(&mut self, _salt: u64) -> Boxed<'_, Approach> {
        Box::pin(std::future::ready(Approach::Hold))
    }

    /// Ends it at once; by the fault's number where there is a choice how.
    fn end(&mut self, salt: u64);

    /// Starts it on the data that it had before.
    fn start_again(&mut self) -> Boxed<'_, Result<(), TargetError>>;
}

/// What the endings of a phase came to.
#[derive(Default)]
pub(crate) struct Endings {
    pub(crate) ends: Vec<BrokerEnd>,
    pub(crate) failed: Option<TargetError>,
}

pub(crate) struct Executioner<V> {
    pub(crate) env: Env,
    pub(crate) director: Arc<Director>,
    pub(crate) target: Arc<Mutex<V>>,
    pub(crate) endings: Arc<Mutex<Endings>>,
}

impl<V: Victim> Executioner<V> {
    /// Ends the broker as planned, until it is dropped or the broker does not come back.
    pub(crate) async fn run(self) {
        loop {
            self.director.end_due.notified().await;
            while let Some(fault) = self.director.take(FaultKind::BrokerEnded) {
                // Locked first: whoever stops this between kill and start would leave no broker.
                if let Err(error) = self.end(fault).await {
                    self.endings.lock().await.failed = Some(error);
                    return;
                }
            }
        }
    }

    /// Holds answers back until appends are among them. False when nothing came.
    async fn gather(&self, salt: u64) -> bool {
        self.director.hold();
        let met = self.env.timeout(IN_FLIGHT_WAIT_MAX, async {
            while !self.director.in_flight().is_enough() {
                self.director.in_flight_changed.notified().await;
            }
        });
        if met.await.is_err() {
            self.director.release();
            return false;
        }
        if self.director.in_flight().appended > 0 {
            self.env.sleep(Duration::from_millis(salt % GATHER_MS_MAX)).await;
        }
        true
    }

    async fn end(&self, fault: Taken) -> Result<(), TargetError> {
        let mut target = self.target.lock().await;
        let ready = match target.approach(fault.salt()).await {
            Approach::Hold => self.gather(fault.salt()).await,
            Approach::Now => self.director.in_flight() != InFlight::default(),
            Approach::Over => true,
        };
        if !ready {
            drop((fault, target));
            self.env.sleep(AGAIN_PAUSE).await;
            return Ok(());
        }
        let in_flight = self.director.in_flight();
        target.end(fault.salt());
        self.director.broker_ended();
        let detail = match in_flight.appended {
            0 => format!("{} requests on their way", in_flight.unacked.max(in_flight.unanswered)),
            appended => format!("{} requests unanswered, {appended} of them appended", in_flight.unacked),
        };
        fault.took_effect(&detail);
        target.start_again().await?;
        self.director.set_upstream(target.addr());
        // Whatever was handed out before this moment the ending may explain.
        let at_us = self.director.now_us();
        self.endings.lock().await.ends.push(BrokerEnd { at_us });
        Ok(())
    }
}
