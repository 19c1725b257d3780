//! What all connections share: the logs, the topics, the coordinators, and whether the broker is still open.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use poruka_env::Env;
use poruka_guarantee::Durability;
use poruka_log::{LogEngine, PartitionFigures, StateLog};
use poruka_wire::{Str, Uuid};
use tokio::sync::{Mutex, watch};

use crate::broker::OpenError;
use crate::catalog::{Catalog, Topic};
use crate::config::BrokerConfig;
use crate::connection::Boxed;
use crate::group::{GroupConfig, TopicView};
use crate::group_driver::GroupDriver;
use crate::metrics::Metrics;
use crate::producer_ids::ProducerIds;
use crate::settings::TopicSettings;
use crate::state::{Fact, TopicRecord};
use crate::topic_name::is_state_log;
use crate::topics::{Refusal, new_id};

/// The log of topics, settings, producer ids and the cluster's id.
const METADATA: &str = "metadata";
/// The log of the group coordinator.
const GROUPS: &str = "groups";

/// How far the broker is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    /// What is in flight is finished, nothing new is taken.
    Draining,
    /// The logs are closed.
    Closed,
}

pub(crate) struct Server {
    pub(crate) env: Env,
    pub(crate) config: BrokerConfig,
    pub(crate) engine: Arc<LogEngine>,
    pub(crate) groups: Arc<GroupDriver>,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) metrics: Metrics,
    /// Changes of topics and settings are made one at a time.
    pub(crate) changes: Mutex<()>,
    cluster_id: Uuid,
    metadata: Arc<StateLog>,
    catalog: RwLock<Catalog>,
    phase: watch::Sender<Phase>,
}

/// What the metadata log says, folded.
#[derive(Default)]
struct Remembered {
    cluster_id: Option<Uuid>,
    producer_ids_below: i64,
    topics: Vec<(String, TopicRecord)>,
    catalog: Catalog,
}

impl Server {
    /// Opens the data folder and brings back everything that was remembered.
    pub(crate) async fn open(env: Env, config: BrokerConfig) -> Result<Arc<Server>, OpenError> {
        let (engine, report) = LogEngine::open(env.clone(), Path::new(&config.data_dir), config.log)?;
        tracing::info!(dir = %config.data_dir.display(), ?report, "data folder opened");
        let (metadata, records) = StateLog::open(&engine, METADATA)?;
        let mut remembered = Remembered::default();
        for (key, value) in records {
            remembered.take(Fact::decode(key, Some(value))?);
        }
        let (group_log, group_records) = StateLog::open(&engine, GROUPS)?;
        let metadata = Arc::new(metadata);
        let cluster_id = remembered.cluster_id.unwrap_or_else(|| new_id(&env));
        let mut new_facts = Vec::new();
        if remembered.cluster_id.is_none() {
            new_facts.push(Fact::Cluster(cluster_id));
        }
        renew_memory_topics(&env, &mut remembered.topics, &mut new_facts);
        for (name, record) in remembered.topics {
            let topic = open_topic(&engine, name, record, &remembered.catalog)?;
            remembered.catalog.put(topic);
        }
        remove_orphans(&engine, &remembered.catalog).await;
        record(&metadata, &new_facts).await?;
        let group_config = GroupConfig {
            initial_rebalance_delay_ms: u64::from(config.initial_rebalance_delay_ms),
            consumer_session_timeout_ms: u64::from(config.consumer_session_timeout_ms),
            consumer_heartbeat_interval_ms: i32::try_from(config.consumer_heartbeat_interval_ms)
                .unwrap_or(i32::MAX),
            offsets_retention_ms: i64::from(config.offsets_retention_minutes) * 60_000,
            offsets_retention_check_interval_ms: u64::from(config.offsets_retention_check_interval_ms),
            ..GroupConfig::default()
        };
        let topics = view(&remembered.catalog);
        let groups = GroupDriver::open(env.clone(), group_log, group_records, group_config, topics)?;
        Ok(Arc::new(Server {
            producer_ids: ProducerIds::new(Arc::clone(&metadata), remembered.producer_ids_below),
            env,
            config,
            engine,
            groups,
            metrics: Metrics::default(),
            changes: Mutex::new(()),
            cluster_id,
            metadata,
            catalog: RwLock::new(remembered.catalog),
            phase: watch::Sender::new(Phase::Open),
        }))
    }

    /// The topics and settings as they are now. The lock is held for as long as the result lives: never over a wait.
    pub(crate) fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a change that is durable to everyone.
    pub(crate) fn change_catalog(&self, change: impl FnOnce(&mut Catalog)) {
        let topics = {
            let mut catalog = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
            change(&mut catalog);
            view(&catalog)
        };
        self.groups.topics_changed(topics);
    }

    /// Makes facts durable.
    pub(crate) async fn record(&self, facts: &[Fact]) -> Result<(), Refusal> {
        record(&self.metadata, facts).await
    }

    /// The broker's own logs with their sizes.
    pub(crate) fn state_logs(&self) -> [(&'static str, PartitionFigures); 2] {
        [(METADATA, self.metadata.partition().figures()), (GROUPS, self.groups.log_figures())]
    }

    pub(crate) fn cluster_id(&self) -> Uuid {
        self.cluster_id
    }

    pub(crate) fn cluster_id_text(&self) -> Str {
        Str::from(self.cluster_id.to_string())
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.phase.borrow() >= Phase::Draining
    }

    /// Resolves once the broker takes nothing new.
    pub(crate) fn draining(&self) -> Boxed<()> {
        self.reached(Phase::Draining)
    }

    /// Resolves once the logs are closed: nothing can be finished any more.
    pub(crate) fn closed(&self) -> Boxed<()> {
        self.reached(Phase::Closed)
    }

    fn reached(&self, wanted: Phase) -> Boxed<()> {
        let mut phase = self.phase.subscribe();
        Box::pin(async move {
            // The sender lives as long as the server; should it be gone, so is the broker.
            let _ = phase.wait_for(|phase| *phase >= wanted).await;
        })
    }

    /// Takes nothing new from now on. False when that was so already.
    pub(crate) fn drain(&self) -> bool {
        self.phase.send_if_modified(|phase| {
            let first = *phase == Phase::Open;
            *phase = (*phase).max(Phase::Draining);
            first
        })
    }

    /// Closes the logs cleanly.
    pub(crate) async fn close_logs(&self) {
        self.phase.send_replace(Phase::Closed);
        self.groups.stop();
        let _no_change_is_halfway = self.changes.lock().await;
        self.engine.close().await;
    }
}

impl Remembered {
    fn take(&mut self, fact: Fact) {
        match fact {
            Fact::Cluster(id) => self.cluster_id = Some(id),
            Fact::Topic(name, Some(record)) => self.topics.push((name, record)),
            Fact::ProducerIds(below) => self.producer_ids_below = below,
            Fact::Setting { every_node, name, value: Some(value) } => {
                let overrides = &mut self.catalog.overrides;
                let layer = if every_node { &mut overrides.every_node } else { &mut overrides.this_node };
                layer.insert(name, value);
            }
            // The log keeps no deleted keys.
            Fact::Topic(_, None) | Fact::Setting { value: None, .. } => {}
        }
    }
}

async fn record(log: &StateLog, facts: &[Fact]) -> Result<(), Refusal> {
    if facts.is_empty() {
        return Ok(());
    }
    let ticket = log.append(facts.iter().map(Fact::encode).collect()).map_err(Refusal::storage)?;
    log.wait(ticket).await.map_err(Refusal::storage)
}

/// A Memory topic forgets its records with the process, so its offsets must not be taken for those of before: it
/// begins a new life under a new id, and positions committed under the old one are dropped.
fn renew_memory_topics(env: &Env, topics: &mut [(String, TopicRecord)], new_facts: &mut Vec<Fact>) {
    for (name, record) in topics.iter_mut().filter(|(_, record)| record.class == Durability::Memory) {
        record.id = new_id(env);
        new_facts.push(Fact::Topic(name.clone(), Some(record.clone())));
    }
}

fn open_topic(
    engine: &LogEngine,
    name: String,
    record: TopicRecord,
    catalog: &Catalog,
) -> Result<Arc<Topic>, OpenError> {
    let settings = TopicSettings::of(&record.own, &catalog.overrides);
    let partitions = crate::topics::make_logs(engine, &name, &record, &settings, 0)?;
    Ok(Arc::new(Topic {
        name: Str::from(name),
        id: record.id,
        class: record.class,
        own: record.own,
        settings,
        partitions,
    }))
}

/// Removes logs whose topic is not recorded: a crash came between the making of one and its record, or between the
/// end of the record and that of the logs.
async fn remove_orphans(engine: &LogEngine, catalog: &Catalog) {
    let mut orphans: Vec<Uuid> = engine
        .all()
        .iter()
        .filter(|log| !is_state_log(log.topic()) && catalog.by_id(log.key().topic_id).is_none())
        .map(|log| log.key().topic_id)
        .collect();
    orphans.sort_unstable();
    orphans.dedup();
    for id in orphans {
        match engine.delete(id).await {
            Ok(()) => {
                tracing::info!(%id, "removed what was left of a topic that was never made or is deleted")
            }
            Err(error) => tracing::warn!(%id, %error, "removing what is left of a topic failed"),
        }
    }
}

/// The topics as the group coordinator sees them.
fn view(catalog: &Catalog) -> TopicView {
    catalog.topics().map(|topic| (topic.name.as_str(), topic.id, topic.count())).collect()
}
