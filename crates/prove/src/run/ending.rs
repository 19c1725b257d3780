//! The one who ends the broker: holds answers back, makes sure that unacked appends are in flight, kills the process
//! and starts it again.

use std::sync::Arc;
use std::time::Duration;

use poruka_env::Env;
use tokio::sync::Mutex;

use super::target::{Target, TargetError};
use crate::faults::FaultKind;
use crate::history::BrokerEnd;
use crate::proxy::{Director, Taken};

/// How long an ending waits for something to be in flight.
const IN_FLIGHT_WAIT_MAX: Duration = Duration::from_millis(1_500);
/// How long an ending lets more come in flight, in milliseconds at most.
const GATHER_MS_MAX: u64 = 4;
/// Before an ending that met nothing is tried again.
const AGAIN_PAUSE: Duration = Duration::from_millis(50);

/// What the endings of a phase came to.
#[derive(Default)]
pub(crate) struct Endings {
    pub(crate) ends: Vec<BrokerEnd>,
    pub(crate) failed: Option<TargetError>,
}

pub(crate) struct Executioner {
    pub(crate) env: Env,
    pub(crate) director: Arc<Director>,
    pub(crate) target: Arc<Mutex<Target>>,
    pub(crate) endings: Arc<Mutex<Endings>>,
}

impl Executioner {
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

    async fn end(&self, fault: Taken) -> Result<(), TargetError> {
        let mut target = self.target.lock().await;
        self.director.hold();
        let met = self.env.timeout(IN_FLIGHT_WAIT_MAX, async {
            while !self.director.in_flight().is_enough() {
                self.director.in_flight_changed.notified().await;
            }
        });
        if met.await.is_err() {
            self.director.release();
            drop(fault);
            drop(target);
            self.env.sleep(AGAIN_PAUSE).await;
            return Ok(());
        }
        if self.director.in_flight().appended > 0 {
            self.env.sleep(Duration::from_millis(fault.salt() % GATHER_MS_MAX)).await;
        }
        let in_flight = self.director.in_flight();
        target.kill();
        self.director.broker_ended();
        let detail = match in_flight.appended {
            0 => "requests without answers were on their way".to_owned(),
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
