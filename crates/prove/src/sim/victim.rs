//! The broker in the simulated world: one process on a fake disk, killed or cut from its power, and started again.

use std::path::Path;
use std::sync::Weak;
use std::time::Duration;

use poruka_broker::{Broker, BrokerConfig};
use poruka_env::Env;
use poruka_env::sim::{Process, Sim};
use poruka_guarantee::Durability;

use crate::payload::Phase;
use crate::run::{Approach, Boxed, GROUP_HEARTBEAT, GROUP_SESSION, TargetError, Victim};

const DATA: &str = "/data";
/// In the phase of power cuts one ending in this many is a kill all the same.
const KILL_ONE_IN: u64 = 4;
/// The power goes at most so many writes, syncs and the like after an ending was begun.
const CHANGES_MAX: u64 = 20;
const OFF_WAIT_MAX: Duration = Duration::from_millis(200);
const OFF_LOOK_EVERY: Duration = Duration::from_micros(50);
/// Another ending comes at most so long after it became due.
const MOMENT_US_MAX: u64 = 30_000;

/// A broker that can be ended. Its disk stays.
pub(crate) struct SimVictim {
    pub(crate) env: Env,
    pub(crate) sim: Weak<Sim>,
    pub(crate) process: Process,
    pub(crate) phase: Phase,
    pub(crate) config: BrokerConfig,
    pub(crate) away_max: Duration,
    pub(crate) addr: String,
    pub(crate) broker: Option<Broker>,
    /// Endings that were power cuts, and all.
    pub(crate) cuts: u64,
    pub(crate) ends: u64,
}

/// The broker's own settings: the clients' sessions are short, as in every run.
pub(crate) fn config(log: poruka_log::LogConfig, advertise: (String, u16)) -> BrokerConfig {
    let ms = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    BrokerConfig {
        advertise: Some(advertise),
        default_durability: Durability::Synced,
        consumer_session_timeout_ms: ms(GROUP_SESSION),
        consumer_heartbeat_interval_ms: ms(GROUP_HEARTBEAT),
        log,
        ..BrokerConfig::new(Path::new(DATA))
    }
}

impl SimVictim {
    /// Opens the folder and listens where it listened before.
    pub(crate) async fn start(&mut self) -> Result<(), TargetError> {
        let failed = |what: &dyn std::fmt::Display| TargetError::Simulated(what.to_string());
        let broker =
            Broker::open(self.process.env(), self.config.clone()).await.map_err(|error| failed(&error))?;
        let addr = broker.listen(&self.addr).await.map_err(|error| failed(&error))?;
        self.addr = addr.to_string();
        self.broker = Some(broker);
        Ok(())
    }
}

impl Victim for SimVictim {
    fn addr(&self) -> &str {
        &self.addr
    }

    /// One ending in three waits for answers to be held back; the others come in the middle of anything.
    fn approach(&mut self, salt: u64) -> Boxed<'_, Approach> {
        Box::pin(async move {
            let mut random = fastrand::Rng::with_seed(salt);
            match random.u8(0..3) {
                0 => return Approach::Hold,
                1 if self.phase == Phase::Power => {
                    let disk = self.process.disk();
                    disk.cut_power_after(random.u64(0..CHANGES_MAX));
                    let until = self.env.now() + OFF_WAIT_MAX;
                    while !disk.is_off() && self.env.now() < until {
                        self.env.sleep(OFF_LOOK_EVERY).await;
                    }
                    // A cut that has not come is called off.
                    disk.heal();
                }
                _ => self.env.sleep(Duration::from_micros(random.u64(0..MOMENT_US_MAX))).await,
            }
            if self.process.disk().is_off() { Approach::Over } else { Approach::Now }
        })
    }

    fn end(&mut self, salt: u64) {
        self.ends += 1;
        let killed = self.phase == Phase::Kill || salt.is_multiple_of(KILL_ONE_IN);
        if killed && !self.process.disk().is_off() {
            self.process.kill();
        } else {
            // What was on its way is gone with the machine.
            if let Some(sim) = self.sim.upgrade() {
                sim.cut(&self.addr);
            }
            // An error is one of the fake disk's folder; it has none.
            drop(self.process.cut_power(salt));
            self.cuts += 1;
        }
        // Its tasks are gone: nothing of it runs again.
        self.broker = None;
    }

    fn start_again(&mut self) -> Boxed<'_, Result<(), TargetError>> {
        Box::pin(async {
            if self.broker.is_some() {
                self.end(self.env.random_u64());
            }
            let away_us = u64::try_from(self.away_max.as_micros()).unwrap_or(u64::MAX);
            self.env.sleep(Duration::from_micros(self.env.random_below(away_us))).await;
            self.start().await
        })
    }
}
