//! Changes of topics and settings: made one at a time, durable before anyone sees them.
//!
//! A topic's logs are made before its record is written, and removed after its record is: a crash in between leaves
//! logs without a topic, which the next start removes, never a topic without its logs.
//!
//! The callers run these functions in tasks of their own, so that a connection that goes away cannot stop a change
//! halfway.

use std::collections::BTreeMap;
use std::sync::Arc;

use poruka_guarantee::Durability;
use poruka_log::{LogEngine, LogSpec, PartitionLog};
use poruka_wire::{ErrorCode, Str, Uuid};

use crate::catalog::{Topic, class, segments};
use crate::server::Server;
use crate::settings::{self, TopicSettings};
use crate::state::{Fact, TopicRecord};
use crate::topic_name;

/// The most partitions of one topic.
pub(crate) const PARTITIONS_PER_TOPIC_MAX: i32 = 10_000;
/// The most partitions of all topics together: each has files of its own.
pub(crate) const PARTITIONS_MAX: usize = 50_000;

/// A change that was refused: Kafka's code for it, and why in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into() }
    }

    /// The data folder failed: the change may or may not be there after a restart.
    pub(crate) fn storage(error: impl std::fmt::Display) -> Refusal {
        Refusal::new(ErrorCode::KafkaStorageError, error.to_string())
    }
}

impl From<settings::BadSetting> for Refusal {
    fn from(bad: settings::BadSetting) -> Refusal {
        Refusal::new(ErrorCode::InvalidConfig, bad.to_string())
    }
}

/// A topic that is asked for.
pub(crate) struct NewTopic {
    pub(crate) name: Str,
    /// How many partitions; `None` for the node's default.
    pub(crate) partitions: Option<i32>,
    pub(crate) own: BTreeMap<String, String>,
}

/// A topic that would be made: checked, with everything worked out.
pub(crate) struct CheckedTopic {
    name: Str,
    pub(crate) partitions: i32,
    class: Durability,
    own: BTreeMap<String, String>,
    pub(crate) settings: TopicSettings,
}

impl Server {
    /// Checks a topic that is asked for against the rules and the topics there are.
    pub(crate) fn check_new_topic(&self, new: NewTopic) -> Result<CheckedTopic, Refusal> {
        topic_name::check(&new.name).map_err(|bad| {
            Refusal::new(ErrorCode::InvalidTopicException, format!("Topic name is invalid: {bad}"))
        })?;
        if topic_name::is_internal(&new.name) {
            let message = format!("Creation of internal topic {} is prohibited.", new.name);
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
        let partitions = new.partitions.unwrap_or(self.config.num_partitions);
        let catalog = self.catalog();
        if catalog.get(&new.name).is_some() {
            let message = format!("Topic '{}' already exists.", new.name);
            return Err(Refusal::new(ErrorCode::TopicAlreadyExists, message));
        }
        if let Some(other) = catalog.topics().find(|t| topic_name::collide(&t.name, &new.name)) {
            let message = format!("Topic '{}' collides with existing topic: {}", new.name, other.name);
            return Err(Refusal::new(ErrorCode::InvalidTopicException, message));
        }
        let hosted: usize = catalog.topics().map(|topic| topic.partitions.len()).sum();
        check_partitions(partitions, 0, hosted)?;
        settings::check_all(&new.own, &catalog.overrides, self.config.default_durability)?;
        Ok(CheckedTopic {
            class: settings::class_of(&new.own, self.config.default_durability),
            settings: TopicSettings::of(&new.own, &catalog.overrides),
            name: new.name,
            partitions,
            own: new.own,
        })
    }

    /// Makes a topic.
    pub(crate) async fn create_topic(&self, new: NewTopic) -> Result<Arc<Topic>, Refusal> {
        let _one_at_a_time = self.changes.lock().await;
        let checked = self.check_new_topic(new)?;
        let id = self.new_topic_id();
        let record = TopicRecord {
            id,
            partitions: checked.partitions,
            class: checked.class,
            own: checked.own.clone(),
        };
        let made = make_logs(&self.engine, &checked.name, &record, &checked.settings, 0);
        let topic = match made {
            Ok(partitions) => Arc::new(Topic {
                name: checked.name,
                id,
                class: checked.class,
                own: checked.own,
                settings: checked.settings,
                partitions,
            }),
            Err(refusal) => {
                self.drop_logs(id).await;
                return Err(refusal);
            }
        };
        if let Err(refusal) = self.record(&[Fact::Topic(topic.name.to_string(), Some(record))]).await {
            self.drop_logs(id).await;
            return Err(refusal);
        }
        self.change_catalog(|catalog| catalog.put(Arc::clone(&topic)));
        tracing::info!(topic = %topic.name, id = %id, partitions = topic.count(), durability = %topic.class, "topic made");
        Ok(topic)
    }

    /// Deletes a topic and everything in it.
    pub(crate) async fn delete_topic(&self, name: &str) -> Result<Uuid, Refusal> {
        let _one_at_a_time = self.changes.lock().await;
        let topic = self.catalog().get(name).cloned().ok_or_else(unknown_topic)?;
        self.record(&[Fact::Topic(name.to_owned(), None)]).await?;
        self.change_catalog(|catalog| catalog.remove(name));
        self.drop_logs(topic.id).await;
        tracing::info!(topic = name, id = %topic.id, "topic deleted");
        Ok(topic.id)
    }

    /// Gives a topic more partitions, or only checks that it could.
    pub(crate) async fn add_partitions(
        &self,
        name: &str,
        count: i32,
        only_check: bool,
    ) -> Result<(), Refusal> {
        let _one_at_a_time = self.changes.lock().await;
        let (old, hosted) = {
            let catalog = self.catalog();
            let old = catalog.get(name).cloned().ok_or_else(unknown_topic)?;
            (old, catalog.topics().map(|topic| topic.partitions.len()).sum::<usize>())
        };
        if count == old.count() {
            let message = format!("Topic already has {count} partition(s).");
            return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
        }
        if count < old.count() {
            let now = old.count();
            let message = format!(
                "The topic {name} currently has {now} partition(s); {count} would not be an increase."
            );
            return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
        }
        check_partitions(count, old.count(), hosted)?;
        if only_check {
            return Ok(());
        }
        let record = TopicRecord { partitions: count, ..old.record() };
        let mut partitions = old.partitions.clone();
        partitions.extend(make_logs(&self.engine, name, &record, &old.settings, old.count())?);
        self.record(&[Fact::Topic(name.to_owned(), Some(record))]).await?;
        let topic = Topic {
            name: old.name.clone(),
            id: old.id,
            class: old.class,
            own: old.own.clone(),
            settings: old.settings.clone(),
            partitions,
        };
        self.change_catalog(|catalog| catalog.put(Arc::new(topic)));
        tracing::info!(topic = name, partitions = count, "partitions added");
        Ok(())
    }

    /// Gives a topic other settings. `change` works on what is there now; with `only_check` nothing is kept.
    pub(crate) async fn change_topic_settings(
        &self,
        name: &str,
        only_check: bool,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let _one_at_a_time = self.changes.lock().await;
        let old = self.catalog().get(name).cloned().ok_or_else(|| {
            let message = format!("The topic '{name}' does not exist.");
            Refusal::new(ErrorCode::UnknownTopicOrPartition, message)
        })?;
        let mut own = old.own.clone();
        change(&mut own)?;
        settings::check_all(&own, &self.catalog().overrides, old.class)?;
        if settings::class_of(&own, old.class) != old.class {
            let message = format!(
                "{} is fixed when a topic is made (here: {}): make another topic and copy the records",
                settings::DURABILITY,
                old.class
            );
            return Err(Refusal::new(ErrorCode::InvalidConfig, message));
        }
        if only_check || own == old.own {
            return Ok(());
        }
        let record = TopicRecord { own: own.clone(), ..old.record() };
        self.record(&[Fact::Topic(name.to_owned(), Some(record))]).await?;
        let settings = TopicSettings::of(&own, &self.catalog().overrides);
        let topic = Arc::new(old.with_settings(own, settings));
        self.change_catalog(|catalog| catalog.put(topic));
        tracing::info!(topic = name, "topic settings changed");
        Ok(())
    }

    /// Changes a setting of this node or of every node; `None` resets it.
    pub(crate) async fn change_node_settings(
        &self,
        every_node: bool,
        changes: BTreeMap<String, Option<String>>,
    ) -> Result<(), Refusal> {
        let _one_at_a_time = self.changes.lock().await;
        let facts: Vec<_> = changes
            .iter()
            .map(|(name, value)| Fact::Setting { every_node, name: name.clone(), value: value.clone() })
            .collect();
        self.record(&facts).await?;
        self.change_catalog(|catalog| {
            let overrides = &mut catalog.overrides;
            let layer = if every_node { &mut overrides.every_node } else { &mut overrides.this_node };
            for (name, value) in changes {
                match value {
                    Some(value) => layer.insert(name, value),
                    None => layer.remove(&name),
                };
            }
            catalog.refresh();
        });
        tracing::info!(every_node, "node settings changed");
        Ok(())
    }

    async fn drop_logs(&self, id: Uuid) {
        if let Err(error) = self.engine.delete(id).await {
            // The topic is gone for everyone; the next start tries again to remove what is left of it.
            tracing::warn!(%id, %error, "removing a topic's files failed");
        }
    }

    fn new_topic_id(&self) -> Uuid {
        new_id(&self.env)
    }
}

/// Makes the logs of a topic's partitions from number `from` on, or finds those that are there.
pub(crate) fn make_logs(
    engine: &LogEngine,
    name: &str,
    record: &TopicRecord,
    settings: &TopicSettings,
    from: i32,
) -> Result<Vec<Arc<PartitionLog>>, Refusal> {
    (from..record.partitions)
        .map(|partition| {
            let spec = LogSpec {
                topic: name.to_owned(),
                topic_id: record.id,
                partition,
                durability: class(record.class),
                config: segments(settings),
            };
            engine.create(spec).map_err(Refusal::storage)
        })
        .collect()
}

/// A fresh random id, in the form of a version 4 UUID; never one of those that Kafka reserves (it starts with 12
/// zero bytes, which the version bits exclude).
pub(crate) fn new_id(env: &poruka_env::Env) -> Uuid {
    let mut bytes = [0; 16];
    env.fill_random(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Uuid(bytes)
}

fn check_partitions(wanted: i32, now: i32, hosted: usize) -> Result<(), Refusal> {
    if wanted <= 0 {
        let message = "Number of partitions was set to an invalid non-positive value.";
        return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
    }
    let added = usize::try_from(wanted - now).unwrap_or(0);
    if wanted > PARTITIONS_PER_TOPIC_MAX || hosted + added > PARTITIONS_MAX {
        let message = format!(
            "{wanted} partitions are more than this node takes: {PARTITIONS_PER_TOPIC_MAX} of one topic, \
             {PARTITIONS_MAX} of all ({hosted} are there)"
        );
        return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
    }
    Ok(())
}

fn unknown_topic() -> Refusal {
    Refusal::new(ErrorCode::UnknownTopicOrPartition, "This server does not host this topic-partition.")
}
