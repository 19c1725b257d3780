//! One run: broker, proxy, producers and consumers in one thread on virtual time, from the first record to the verdict.

use std::sync::Arc;
use std::time::Duration;

use poruka_env::sim::Sim;
use poruka_env::{Env, FakeDisk, Task};
use poruka_guarantee::{Anomaly, Name};
use tokio::sync::Mutex;

use super::bench::SimBench;
use super::setup::Setup;
use super::victim::{SimVictim, config};
use super::{SimError, SimRun};
use crate::check::check;
use crate::history::{History, LogRead};
use crate::payload::Stamp;
use crate::proxy::{Director, Proxy};
use crate::report::judge::forbidden;
use crate::run::{
    Endings, Executioner, LATE_REPEATS, Library, PRODUCERS, Tasks, Victim, Work, Workbench, blind, consume,
    produce, read_committed, read_log, wait_for_handlers,
};

const TOPIC: &str = "sim";
const GROUP: &str = "sim";
/// Virtual time in which the work has to end.
const WORK_TIME_MAX: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Attempts to make the topic and to read the log.
const ATTEMPTS_MAX: u32 = 5;

/// Runs the world of a seed and a name to its end.
pub(crate) fn run(seed: u64, name: Name) -> Result<SimRun, SimError> {
    let setup = Setup::new(seed, name);
    let sim = Arc::new(Sim::new(setup.world));
    sim.set_latency(setup.latency.0, setup.latency.1);
    let env = sim.env();
    sim.block_on(async {
        let stage = Stage::set(&sim, &env, &setup, seed, name).await?;
        stage.play(&setup, name).await
    })
}

struct Stage {
    env: Env,
    director: Arc<Director>,
    /// Held for its door.
    _proxy: Proxy,
    victim: Arc<Mutex<SimVictim>>,
    work: Arc<Work>,
}

impl Stage {
    async fn set(sim: &Arc<Sim>, env: &Env, setup: &Setup, seed: u64, name: Name) -> Result<Stage, SimError> {
        let director = Arc::new(Director::new(env, setup.phase, TOPIC, &setup.plan).with_tap());
        let proxy = Proxy::start(env, Arc::clone(&director)).await.map_err(SimError::Proxy)?;
        let (host, port) = proxy.addr().rsplit_once(':').unwrap_or_default();
        let advertise = (host.to_owned(), port.parse().unwrap_or_default());
        let mut victim = SimVictim {
            env: env.clone(),
            sim: Arc::downgrade(sim),
            process: sim.process(FakeDisk::in_memory(setup.world)),
            phase: setup.phase,
            config: config(setup.log, advertise),
            away_max: setup.away_max,
            addr: "127.0.0.1:0".to_owned(),
            broker: None,
            cuts: 0,
            ends: 0,
        };
        victim.start().await?;
        director.set_upstream(victim.addr());
        let library = Library {
            env: env.clone(),
            addr: proxy.addr().to_owned(),
            name,
            topic: TOPIC.to_owned(),
            group: GROUP.to_owned(),
            partitions: setup.partitions,
            tuning: setup.tuning,
        };
        let bench = Arc::new(SimBench { sim: Arc::downgrade(sim), library });
        let stamp = Stamp { run: seed, name, phase: setup.phase };
        let workload = Arc::new(setup.workload.clone());
        bench.prepare().await.map_err(SimError::Prepare)?;
        let mut work = Work::new(env, &workload, stamp, bench, Arc::clone(&director));
        work.time = setup.time;
        let work = Arc::new(work);
        let victim = Arc::new(Mutex::new(victim));
        Ok(Stage { env: env.clone(), director, _proxy: proxy, victim, work })
    }

    async fn play(self, setup: &Setup, name: Name) -> Result<SimRun, SimError> {
        let endings = Arc::new(Mutex::new(Endings::default()));
        let consuming = Tasks(vec![self.env.spawn("sim-consumers", consume(Arc::clone(&self.work)))]);
        let finished = self.work_with_faults(&endings).await?;
        self.env.sleep(LATE_REPEATS).await;
        let mut live = self.read(setup).await?;
        wait_for_handlers(&self.work, &live, || ()).await;
        self.read_positions(setup, &mut live).await?;
        drop(consuming);
        let mut victim = self.victim.lock().await;
        victim.start_again().await?;
        drop(victim);
        let after = self.read(setup).await?;
        let ends = std::mem::take(&mut endings.lock().await.ends);
        let history = History {
            stamp: self.work.stamp,
            durability: name.guarantee().durability,
            acknowledges: self.work.acknowledges,
            sends: self.work.take_sends(),
            deliveries: self.work.deliveries.take(),
            ends,
            live,
            after,
            faults: self.director.fault_marks(),
        };
        let (findings, successes) = check(&setup.workload, &history);
        let blind = blind(&setup.workload, name, &history, &findings);
        // Where an anomaly is allowed nobody has to see it, and an empty log offers no place for it.
        let forbids = |anomaly: &Anomaly| forbidden(name, setup.phase, *anomaly);
        let blind =
            if successes.in_log == 0 { Vec::new() } else { blind.into_iter().filter(forbids).collect() };
        let tap = self.director.tapped();
        Ok(SimRun {
            name,
            seed: history.stamp.run,
            phase: setup.phase,
            finished,
            findings,
            successes,
            blind,
            faults: self.director.counts(),
            notes: self.work.take_notes(),
            settings: setup.lines(),
            virtual_us: self.director.now_us(),
            frames: tap.frames,
            frames_sum: tap.sum,
            history,
        })
    }

    /// Until all records have their outcome. False when the time was up.
    async fn work_with_faults(&self, endings: &Arc<Mutex<Endings>>) -> Result<bool, SimError> {
        let executioner = Executioner {
            env: self.env.clone(),
            director: Arc::clone(&self.director),
            target: Arc::clone(&self.victim),
            endings: Arc::clone(endings),
        };
        let producing: Vec<Task> = (0..PRODUCERS)
            .map(|producer| self.env.spawn("sim-producer", produce(Arc::clone(&self.work), producer)))
            .collect();
        let producing = Tasks(producing);
        let ending = Tasks(vec![self.env.spawn("sim-ending", executioner.run())]);
        let deadline = self.env.now() + WORK_TIME_MAX;
        let mut finished = false;
        while self.env.now() < deadline && !finished {
            if let Some(failed) = endings.lock().await.failed.take() {
                return Err(failed.into());
            }
            finished = producing.0.iter().all(Task::is_finished);
            self.env.sleep(LOOK_EVERY).await;
        }
        self.director.stop();
        // An ending that is under way is finished first: it holds the victim.
        drop(self.victim.lock().await);
        drop(ending);
        Ok(finished)
    }

    async fn read(&self, setup: &Setup) -> Result<LogRead, SimError> {
        let interpret = |key: Option<&[u8]>, value: Option<&[u8]>| self.work.interpret(key, value);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let addr = self.victim.lock().await.addr().to_owned();
            match read_log(&self.env, &addr, TOPIC, setup.partitions, &interpret).await {
                Ok(read) => return Ok(read),
                Err(error) if attempts >= ATTEMPTS_MAX => return Err(error.into()),
                Err(_) => self.env.sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn read_positions(&self, setup: &Setup, live: &mut LogRead) -> Result<(), SimError> {
        let addr = self.victim.lock().await.addr().to_owned();
        let committed = read_committed(&self.env, &addr, TOPIC, setup.partitions, GROUP).await?;
        for (partition, committed) in live.partitions.iter_mut().zip(committed) {
            partition.committed = committed;
        }
        Ok(())
    }
}
