//! A topic that is known to keep its guarantee.

use std::collections::BTreeMap;
use std::sync::Arc;

use poruka_client::Client;
use poruka_client::produce;
use poruka_guarantee::{Durability, Guarantee, Name};

use crate::consumer::{ConsumeError, Consumer, ConsumerOptions};
use crate::producer::{Producer, ProducerOptions};
use crate::settings::Settings;

/// What a topic is to be: its guarantee, and how it is made when it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// The guarantee, as a point on the dials.
    pub guarantee: Guarantee,
    /// Partitions of a topic that has to be made; `None` takes the broker's default. An existing topic stays as it is.
    pub partitions: Option<i32>,
    /// Replicas of a topic that has to be made; `None` takes the broker's default.
    pub replicas: Option<i16>,
    /// Other configs of a topic that has to be made, by Kafka's names.
    pub configs: BTreeMap<String, String>,
}

impl TopicSpec {
    /// A topic with this guarantee, a [`Name`] or a [`Guarantee`] of other dial positions, and the broker's defaults.
    pub fn new(guarantee: impl Into<TopicSpec>) -> TopicSpec {
        guarantee.into()
    }

    /// With this many partitions, when it has to be made.
    #[must_use]
    pub fn partitions(mut self, count: i32) -> TopicSpec {
        self.partitions = Some(count);
        self
    }

    /// With this many replicas, when it has to be made.
    #[must_use]
    pub fn replicas(mut self, count: i16) -> TopicSpec {
        self.replicas = Some(count);
        self
    }

    /// With this config, when it has to be made.
    #[must_use]
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> TopicSpec {
        self.configs.insert(name.into(), value.into());
        self
    }
}

impl From<Name> for TopicSpec {
    fn from(name: Name) -> TopicSpec {
        TopicSpec::from(name.guarantee())
    }
}

impl From<Guarantee> for TopicSpec {
    fn from(guarantee: Guarantee) -> TopicSpec {
        TopicSpec { guarantee, partitions: None, replicas: None, configs: BTreeMap::new() }
    }
}

/// A topic whose settings were found to keep its guarantee. Cheap to clone.
#[derive(Clone)]
pub struct Topic {
    inner: Arc<Inner>,
}

struct Inner {
    name: Arc<str>,
    settings: Settings,
    facts: TopicFacts,
    bus: Arc<crate::bus::Inner>,
}

/// What is known of a topic as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicFacts {
    /// What its acked records survive.
    pub(crate) durability: Durability,
    /// Newer records replace older ones of the same key.
    pub(crate) compacted: bool,
}

impl Topic {
    pub(crate) fn new(
        name: &str,
        settings: Settings,
        facts: TopicFacts,
        bus: Arc<crate::bus::Inner>,
    ) -> Topic {
        Topic { inner: Arc::new(Inner { name: Arc::from(name), settings, facts, bus }) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.inner.name)
    }

    /// The guarantee that it was opened with.
    pub fn guarantee(&self) -> Guarantee {
        self.inner.settings.guarantee
    }

    /// The settings that follow from it, each with its reason.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// What an acked record survives. At least what the guarantee asks for.
    pub fn durability(&self) -> Durability {
        self.inner.facts.durability
    }

    pub(crate) fn facts(&self) -> TopicFacts {
        self.inner.facts
    }

    pub(crate) fn client(&self) -> &Client {
        self.inner.bus.client()
    }

    /// A producer, set as the guarantee asks.
    ///
    /// # Errors
    /// When the topic is gone or the broker does not answer.
    pub async fn producer(&self) -> Result<Producer, produce::SendError> {
        self.producer_with(ProducerOptions::default()).await
    }

    /// A producer with other sizes and times.
    ///
    /// # Errors
    /// As [`Topic::producer`].
    pub async fn producer_with(&self, options: ProducerOptions) -> Result<Producer, produce::SendError> {
        Producer::start(self.clone(), options).await
    }

    /// A member of the consumer group `group`, set as the guarantee asks. A new group starts at the oldest record.
    ///
    /// # Errors
    /// When the topic is gone or the broker does not answer.
    pub async fn consumer(&self, group: &str) -> Result<Consumer, ConsumeError> {
        self.consumer_with(ConsumerOptions::group(group)).await
    }

    /// A consumer with other options.
    ///
    /// # Errors
    /// As [`Topic::consumer`].
    pub async fn consumer_with(&self, options: ConsumerOptions) -> Result<Consumer, ConsumeError> {
        Consumer::start(self.clone(), options).await
    }
}

impl std::fmt::Debug for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topic")
            .field("name", &self.name())
            .field("guarantee", &self.guarantee())
            .finish_non_exhaustive()
    }
}
