//! One name under one kind of ending: work with faults, wait, read, end once more, read again, check.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use poruka_env::{Env, Mono, Task};
use poruka_guarantee::{Anomaly, Name, controls_of};
use tokio::sync::Mutex;

use super::ending::{Endings, Executioner, Victim};
use super::kept::Kept;
use super::library::{Library, Tuning};
use super::reader::{self, read_log};
use super::target::{Target, TargetSpec};
use super::work::{self, PRODUCERS, Work};
use super::{Progress, ProveError, Step};
use crate::check::check;
use crate::check::plant::plant;
use crate::faults::FaultPlan;
use crate::history::{History, LogRead};
use crate::input::Workload;
use crate::payload::{Phase, Stamp, fnv64};
use crate::proxy::{Director, Proxy};
use crate::report::judge::PhaseRun;
use crate::report::{PhaseReport, measure};

/// Partitions of the topic under test.
pub(crate) const PARTITIONS: i32 = 4;
/// How long making the topic may take.
const PREPARE_TIME_MAX: Duration = Duration::from_secs(30);
/// The work may take this long, and so much longer per record.
const WORK_TIME_MAX: Duration = Duration::from_secs(90);
const WORK_TIME_MAX_PER_RECORD: Duration = Duration::from_micros(500);
/// A record that is in the log and not handled after this long without any progress is stalled.
const STALL_TIME: Duration = Duration::from_secs(10);
/// Where a stall is allowed nobody waits longer than this.
const STALL_TIME_WHERE_ALLOWED: Duration = Duration::from_secs(3);
/// Between two looks at the progress.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A late repeat of a request has come by then.
pub(crate) const LATE_REPEATS: Duration = Duration::from_millis(450);
/// Attempts to read the log.
const READS_MAX: u32 = 5;
const GROUP: &str = "prove";

/// What does not change from phase to phase.
pub(crate) struct Setting<'a> {
    pub(crate) env: &'a Env,
    pub(crate) exe: &'a Path,
    pub(crate) kept: &'a Kept,
    pub(crate) workload: &'a Arc<Workload>,
    pub(crate) seed: u64,
    pub(crate) run: u64,
    pub(crate) progress: &'a dyn Progress,
    /// Records handed over in the phases before, and in all.
    pub(crate) done_before: u64,
    pub(crate) of: u64,
}

/// Ends tasks when the phase is over or given up.
pub(crate) struct Tasks(pub(crate) Vec<Task>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(Task::abort);
    }
}

struct Stage {
    name: Name,
    phase: Phase,
    topic: String,
    director: Arc<Director>,
    /// Held for its door.
    _proxy: Proxy,
    target: Arc<Mutex<Target>>,
    work: Arc<Work>,
}

/// Runs and checks one phase.
///
/// # Errors
/// Only when there is nothing to judge: the broker does not start or cannot be read.
pub(crate) async fn run(setting: &Setting<'_>, name: Name, phase: Phase) -> Result<PhaseRun, ProveError> {
    let started = setting.env.now();
    let stage = Stage::set(setting, name, phase).await?;
    let endings = Arc::new(Mutex::new(Endings::default()));
    let consuming = Tasks(vec![setting.env.spawn("prove-consumers", work::consume(Arc::clone(&stage.work)))]);
    let finished = work_with_faults(setting, &stage, &endings).await?;
    setting.env.sleep(LATE_REPEATS).await;
    let mut live = stage.read(setting.env).await?;
    wait_for_handlers(&stage.work, &live, || tell(setting, &stage)).await;
    let duration_us = stage.director.now_us();
    stage.read_positions(setting.env, &mut live).await?;
    drop(consuming);
    stage.target.lock().await.start_again().await?;
    let after = stage.read(setting.env).await?;
    setting.kept.note(name, phase, &stage.topic, &after);
    let mut endings = endings.lock().await;
    let history = History {
        stamp: stage.work.stamp,
        durability: name.guarantee().durability,
        acknowledges: stage.work.acknowledges,
        sends: stage.work.take_sends(),
        deliveries: stage.work.deliveries.take(),
        ends: std::mem::take(&mut endings.ends),
        live,
        after,
        faults: stage.director.fault_marks(),
    };
    let run = PhaseRun { finished, ..judged(setting.workload, &stage, history, duration_us) };
    let took = setting.env.now() - started;
    tracing::info!(%name, phase = phase.as_str(), ms = took.as_millis() as u64, "phase done");
    Ok(run)
}

impl Stage {
    async fn set(setting: &Setting<'_>, name: Name, phase: Phase) -> Result<Stage, ProveError> {
        let env = setting.env;
        let topic = format!("prove-{name}");
        let records = setting.workload.records.len() as u64;
        let plan = FaultPlan::new(setting.seed, name, phase, records);
        let director = Arc::new(Director::new(env, phase, &topic, &plan));
        let proxy = Proxy::start(env, Arc::clone(&director)).await.map_err(ProveError::Proxy)?;
        let folder = setting.kept.folder().join(format!("{name}-{}", phase.as_str()));
        std::fs::create_dir_all(&folder).map_err(ProveError::Folder)?;
        let disk_seed = fnv64(format!("{}/{name}/disk", setting.seed).as_bytes());
        let spec = TargetSpec {
            exe: PathBuf::from(setting.exe),
            folder,
            advertise: proxy.addr().to_owned(),
            simulated_disk: (phase == Phase::Power).then_some(disk_seed),
        };
        let target = Target::open(env, spec).await?;
        director.set_upstream(target.addr());
        let library = Library {
            env: env.clone(),
            addr: proxy.addr().to_owned(),
            name,
            topic: topic.clone(),
            group: GROUP.to_owned(),
            partitions: PARTITIONS,
            tuning: Tuning::default(),
        };
        let stamp = Stamp { run: setting.run, name, phase };
        let work = Work::new(env, setting.workload, stamp, Arc::new(library), Arc::clone(&director));
        let target = Arc::new(Mutex::new(target));
        let stage = Stage { name, phase, topic, director, _proxy: proxy, target, work: Arc::new(work) };
        let prepared = env.timeout(PREPARE_TIME_MAX, stage.work.bench.prepare()).await;
        prepared
            .map_err(|_| ProveError::Prepare { name, words: "no answer in time".to_owned() })?
            .map_err(|words| ProveError::Prepare { name, words })?;
        Ok(stage)
    }

    async fn read(&self, env: &Env) -> Result<LogRead, ProveError> {
        let interpret = |key: Option<&[u8]>, value: Option<&[u8]>| self.work.interpret(key, value);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let addr = self.target.lock().await.addr().to_owned();
            match read_log(env, &addr, &self.topic, PARTITIONS, &interpret).await {
                Ok(read) => return Ok(read),
                Err(error) if attempts >= READS_MAX => return Err(error.into()),
                Err(error) => tracing::warn!(%error, "the log is read again"),
            }
            env.sleep(LOOK_EVERY).await;
        }
    }

    /// The group's positions, once nothing moves any more.
    async fn read_positions(&self, env: &Env, live: &mut LogRead) -> Result<(), ProveError> {
        let addr = self.target.lock().await.addr().to_owned();
        let committed = reader::read_committed(env, &addr, &self.topic, PARTITIONS, GROUP).await?;
        for (partition, committed) in live.partitions.iter_mut().zip(committed) {
            partition.committed = committed;
        }
        Ok(())
    }
}

/// Producers and endings at once, until all records have their outcome. False when the time was up.
async fn work_with_faults(
    setting: &Setting<'_>,
    stage: &Stage,
    endings: &Arc<Mutex<Endings>>,
) -> Result<bool, ProveError> {
    let env = setting.env;
    let executioner = Executioner {
        env: env.clone(),
        director: Arc::clone(&stage.director),
        target: Arc::clone(&stage.target),
        endings: Arc::clone(endings),
    };
    let producing: Vec<Task> = (0..PRODUCERS)
        .map(|producer| env.spawn("prove-producer", work::produce(Arc::clone(&stage.work), producer)))
        .collect();
    let ending = Tasks(vec![env.spawn("prove-ending", executioner.run())]);
    let producing = Tasks(producing);
    let records = u32::try_from(setting.workload.records.len()).unwrap_or(u32::MAX);
    let deadline = env.now() + WORK_TIME_MAX + WORK_TIME_MAX_PER_RECORD * records;
    let mut finished = false;
    while env.now() < deadline {
        if let Some(failed) = endings.lock().await.failed.take() {
            return Err(failed.into());
        }
        tell(setting, stage);
        finished = producing.0.iter().all(Task::is_finished);
        if finished {
            break;
        }
        env.sleep(LOOK_EVERY).await;
    }
    stage.director.stop();
    // An ending that is under way is finished first: it holds the target.
    drop(stage.target.lock().await);
    drop(ending);
    Ok(finished)
}

fn tell(setting: &Setting<'_>, stage: &Stage) {
    let handed_over = stage.work.handed_over();
    setting.progress.step(Step {
        done: setting.done_before + handed_over,
        of: setting.of,
        name: stage.name,
        phase: stage.phase,
        handled: stage.work.deliveries.distinct(),
    });
}

/// Waits until everything in the log was handled, or nothing has moved for long.
pub(crate) async fn wait_for_handlers(work: &Work, live: &LogRead, look: impl Fn()) {
    let env = &work.env;
    let entries = live.partitions.iter().flat_map(|partition| &partition.entries);
    let in_log: Vec<u32> = entries.filter_map(|entry| Some(entry.truth?.index)).collect();
    let patience = if work.acknowledges { STALL_TIME } else { STALL_TIME_WHERE_ALLOWED };
    let mut last = (usize::MAX, Mono::ZERO);
    loop {
        let missing = work.deliveries.missing(&in_log);
        if missing != last.0 {
            last = (missing, env.now());
        }
        if missing == 0 || env.now() - last.1 > patience {
            return;
        }
        look();
        env.sleep(LOOK_EVERY).await;
    }
}

fn judged(workload: &Workload, stage: &Stage, history: History, duration_us: u64) -> PhaseRun {
    let (findings, successes) = check(workload, &history);
    let (timeline, ack_latency, handled_latency) = measure(&history, duration_us, stage.director.marks());
    let blind = blind(workload, stage.name, &history, &findings);
    PhaseRun {
        name: stage.name,
        findings,
        blind,
        acknowledges: history.acknowledges,
        finished: true,
        report: PhaseReport {
            phase: stage.phase,
            duration_us,
            successes,
            faults: stage.director.counts(),
            timeline,
            ack_latency,
            handled_latency,
            notes: stage.work.take_notes(),
        },
    }
}

/// What no weaker name can show is planted in a copy of the history: the checker has to find one more than before.
pub(crate) fn blind(
    workload: &Workload,
    name: Name,
    history: &History,
    findings: &[crate::check::Finding],
) -> Vec<Anomaly> {
    let has_control = |anomaly| controls_of(name).any(|control| control.anomaly == anomaly);
    let mut blind = Vec::new();
    for anomaly in [Anomaly::Phantom, Anomaly::Stalled] {
        if has_control(anomaly) {
            continue;
        }
        let seen = |findings: &[crate::check::Finding]| {
            findings.iter().find(|finding| finding.anomaly == anomaly).map_or(0, |finding| finding.seen)
        };
        let mut copy = history.clone();
        let planted = plant(anomaly, &mut copy, 0);
        if !planted || seen(&check(workload, &copy).0) <= seen(findings) {
            blind.push(anomaly);
        }
    }
    blind
}
