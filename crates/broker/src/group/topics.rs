//! What the coordinator knows of topics: names, ids and partition counts, as one snapshot.
//!
//! The driver hands over a whole new view at every change. A topic that is made again has another id, so everything
//! keyed by id (offsets, assignments) belongs to one life of the topic.

use std::collections::BTreeMap;

use poruka_wire::Uuid;

/// One topic of a [`TopicView`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Id of this life of the topic.
    pub id: Uuid,
    /// Number of partitions, numbered from 0.
    pub partitions: i32,
}

/// All topics of the broker at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicView {
    by_name: BTreeMap<String, TopicInfo>,
    names: BTreeMap<Uuid, String>,
}

impl TopicView {
    /// A view of no topics.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a topic, or replaces the one of that name.
    pub fn insert(&mut self, name: impl Into<String>, id: Uuid, partitions: i32) {
        let name = name.into();
        self.remove(&name);
        self.names.insert(id, name.clone());
        self.by_name.insert(name, TopicInfo { id, partitions });
    }

    /// Removes a topic.
    pub fn remove(&mut self, name: &str) {
        if let Some(old) = self.by_name.remove(name) {
            self.names.remove(&old.id);
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&TopicInfo> {
        self.by_name.get(name)
    }

    pub(crate) fn name(&self, id: Uuid) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<&TopicInfo> {
        self.get(self.name(id)?)
    }

    pub(crate) fn has_partition(&self, id: Uuid, partition: i32) -> bool {
        self.by_id(id).is_some_and(|topic| (0..topic.partitions).contains(&partition))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}

impl<N: Into<String>> FromIterator<(N, Uuid, i32)> for TopicView {
    fn from_iter<I: IntoIterator<Item = (N, Uuid, i32)>>(topics: I) -> Self {
        let mut view = Self::new();
        for (name, id, partitions) in topics {
            view.insert(name, id, partitions);
        }
        view
    }
}
