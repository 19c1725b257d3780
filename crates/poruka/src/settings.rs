//! From a guarantee to settings: what producer, consumer and topic must be set to, each with its reason.
//!
//! A pure function over data. It knows nothing of a cluster: whether the one underneath can keep the topic's
//! settings is found out when the topic is opened ([`crate::Bus::topic`]), and a topic that cannot is refused.
//! Nothing is ever weakened to fit.

use poruka_guarantee::{BadCombination, Delivery, Durability, Guarantee, Name, Order};

/// What the producer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Nothing (`acks=0`): how a send ended is never known.
    None,
    /// All in-sync replicas (`acks=all`).
    All,
}

/// How often one record may be handed to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempts {
    /// Once, ever.
    One,
    /// Again and again, with back-off and jitter, until it is acked or its deadline has passed.
    UntilDeadline,
}

/// What a send does when the producer's memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The record is dropped and counted; the caller never waits.
    Drop,
    /// The caller waits for room: back-pressure.
    Wait,
}

/// When a group's position is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Before the handler sees the records, and answered: a crash loses them, and none is handled twice.
    BeforeHandling,
    /// After the handler has returned: a crash delivers them again.
    AfterHandling,
}

/// Where to go on when the log no longer reaches up to the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeyondEnd {
    /// At the log's start: records may come again, none is skipped.
    FromStart,
    /// At the log's end: what is there may have been handled before.
    FromEnd,
}

/// How a producer is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerSettings {
    /// What it waits for.
    pub acks: Acks,
    /// How often it tries.
    pub attempts: Attempts,
    /// Whether batches carry producer id, epoch and sequence, so that the broker drops a repeat.
    pub stamped: bool,
    /// Whether records carry the sequence header ([`crate::SEQUENCE_HEADER`]).
    pub sequence_header: bool,
    /// What a send does when memory is full.
    pub when_full: WhenFull,
}

/// How a consumer is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// When it commits.
    pub commit: Commit,
    /// Whether it watches the sequence header for gaps and repeats.
    pub watch_sequences: bool,
    /// Where it goes on when the log ends below its position.
    pub beyond_end: BeyondEnd,
}

/// What a topic must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// The least durability that an acked record must have.
    pub durability: Durability,
    /// At least two in-sync replicas must hold an acked record.
    pub replicated: bool,
    /// The configs that a topic on a Poruka broker is made with.
    pub poruka_configs: Vec<(&'static str, String)>,
    /// The configs that a topic on a stock Kafka broker is made with, and must have.
    pub kafka_configs: Vec<(&'static str, String)>,
}

/// Why a setting has its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The setting, by its usual name.
    pub setting: &'static str,
    /// Its value.
    pub value: String,
    /// Why.
    pub because: &'static str,
}

/// The settings that a guarantee takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The guarantee they are for.
    pub guarantee: Guarantee,
    /// The producer's.
    pub producer: ProducerSettings,
    /// The consumer's.
    pub consumer: ConsumerSettings,
    /// The topic's.
    pub topic: TopicSettings,
    /// Why each is as it is, in the order of a record's way.
    pub reasons: Vec<Reason>,
}

/// A guarantee that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The dial positions contradict each other.
    #[error("{0}")]
    BadCombination(BadCombination),
    /// This version does not keep it yet, and nothing weaker is given in its place.
    #[error("{what} is not built yet: choose one of {built} for now")]
    NotBuilt {
        /// The name or dial position.
        what: &'static str,
        /// The names that are built.
        built: String,
    },
}

/// The settings that `guarantee` takes.
///
/// # Errors
/// [`Refusal::BadCombination`] for positions that contradict each other; [`Refusal::NotBuilt`] for exactly-once
/// and causal.
pub fn settings_for(guarantee: Guarantee) -> Result<Settings, Refusal> {
    guarantee.check().map_err(Refusal::BadCombination)?;
    if guarantee.delivery == Delivery::ExactlyOnce {
        return Err(not_built(Name::ExactlyOnce));
    }
    if guarantee.order == Order::Causal {
        return Err(not_built(Name::Causal));
    }
    let mut reasons = Vec::new();
    let producer = producer(guarantee, &mut reasons);
    let topic = topic(guarantee, &mut reasons);
    let consumer = consumer(guarantee, &mut reasons);
    Ok(Settings { guarantee, producer, consumer, topic, reasons })
}

fn not_built(name: Name) -> Refusal {
    let built: Vec<&str> = Name::ALL.into_iter().filter(|name| name.built()).map(Name::as_str).collect();
    Refusal::NotBuilt { what: name.as_str(), built: built.join(", ") }
}

fn tell(reasons: &mut Vec<Reason>, setting: &'static str, value: impl ToString, because: &'static str) {
    reasons.push(Reason { setting, value: value.to_string(), because });
}

fn producer(guarantee: Guarantee, reasons: &mut Vec<Reason>) -> ProducerSettings {
    let one_attempt = guarantee.delivery <= Delivery::AtMostOnce;
    let ordered = guarantee.order >= Order::PerKey;
    let stamped = ordered || matches!(guarantee.delivery, Delivery::AtMostOnce | Delivery::ExactlyOnce);
    let drops = guarantee.delivery == Delivery::BestEffort;
    if one_attempt {
        tell(reasons, "acks", 0, "a send is handed over once and no outcome is claimed");
        tell(reasons, "retries", 0, "a second attempt could write the record twice");
    } else {
        tell(reasons, "acks", "all", "only an ack proves that the record is kept");
        tell(reasons, "retries", "until the deadline", "a record whose ack is missing may be lost");
    }
    let why_stamped = match (stamped, one_attempt) {
        (true, true) => "a request that the network repeats must be dropped",
        (true, false) => "a retried batch must not overtake or repeat an earlier one",
        (false, true) => "a repeat by the network is allowed",
        (false, false) => "a repeat by a retry is allowed, and the order is free",
    };
    tell(reasons, "enable.idempotence", stamped, why_stamped);
    if ordered {
        tell(reasons, "partitioner", "murmur2 by key", "a key has one partition, whichever client sends");
        tell(reasons, "sequence header", "on", "the consumer can tell a gap from silence");
    }
    if drops {
        tell(reasons, "when memory is full", "drop and count", "the caller never waits");
    } else {
        tell(reasons, "when memory is full", "wait", "nothing is dropped silently");
    }
    ProducerSettings {
        acks: if one_attempt { Acks::None } else { Acks::All },
        attempts: if one_attempt { Attempts::One } else { Attempts::UntilDeadline },
        stamped,
        sequence_header: ordered,
        when_full: if drops { WhenFull::Drop } else { WhenFull::Wait },
    }
}

fn topic(guarantee: Guarantee, reasons: &mut Vec<Reason>) -> TopicSettings {
    let durability = guarantee.durability;
    let because = match durability {
        Durability::Memory => "nothing needs to outlive the broker",
        Durability::Cached => "an acked record outlives a killed broker",
        Durability::Synced => "an acked record outlives a power loss",
    };
    tell(reasons, "poruka.durability", durability, because);
    let mut kafka_configs = Vec::new();
    if durability == Durability::Synced {
        tell(reasons, "flush.messages", 1, "on Apache Kafka: each append is synced before its ack");
        kafka_configs.push(("flush.messages", "1".to_owned()));
    }
    if guarantee.replicated {
        tell(reasons, "min.insync.replicas", 2, "on Apache Kafka: an acked record is on two nodes");
        kafka_configs.push(("min.insync.replicas", "2".to_owned()));
    }
    TopicSettings {
        durability,
        replicated: guarantee.replicated,
        poruka_configs: vec![
            ("poruka.durability", durability.to_string()),
            ("poruka.delivery", guarantee.delivery.to_string()),
            ("poruka.order", guarantee.order.to_string()),
        ],
        kafka_configs,
    }
}

fn consumer(guarantee: Guarantee, reasons: &mut Vec<Reason>) -> ConsumerSettings {
    let never_twice = guarantee.delivery == Delivery::AtMostOnce;
    let watch_sequences = guarantee.order >= Order::PerKey;
    if never_twice {
        tell(reasons, "commit", "before handling", "a crash must not hand a record out again");
        tell(reasons, "position beyond the log", "go to the end", "what is there may have been handled");
    } else {
        tell(reasons, "commit", "after handling", "a crash must hand the record out again");
        tell(reasons, "position beyond the log", "go to the start", "what is there may be new");
    }
    if watch_sequences {
        tell(reasons, "gap detection", "on", "a missing or repeated record is told with its reason");
    }
    ConsumerSettings {
        commit: if never_twice { Commit::BeforeHandling } else { Commit::AfterHandling },
        watch_sequences,
        beyond_end: if never_twice { BeyondEnd::FromEnd } else { BeyondEnd::FromStart },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: Name) -> Settings {
        settings_for(name.guarantee()).unwrap()
    }

    #[test]
    fn only_what_may_be_lost_is_sent_without_acks() {
        for name in Name::ALL.into_iter().filter(|name| name.built()) {
            let settings = of(name);
            let may_be_lost = name.guarantee().delivery <= Delivery::AtMostOnce;
            assert_eq!(settings.producer.acks == Acks::None, may_be_lost, "{name}");
            assert_eq!(settings.producer.attempts == Attempts::One, may_be_lost, "{name}");
            assert!(settings.reasons.iter().all(|reason| !reason.because.is_empty()));
        }
    }

    #[test]
    fn what_must_not_repeat_or_be_reordered_is_stamped() {
        let stamped = |name| of(name).producer.stamped;
        assert!(stamped(Name::AtMostOnce) && stamped(Name::Ordered));
        assert!(!stamped(Name::BestEffort) && !stamped(Name::AtLeastOnce) && !stamped(Name::Durable));
        assert!(of(Name::Ordered).producer.sequence_header && of(Name::Ordered).consumer.watch_sequences);
    }

    #[test]
    fn at_most_once_commits_first_and_nobody_else_does() {
        for name in Name::ALL.into_iter().filter(|name| name.built()) {
            assert_eq!(of(name).consumer.commit == Commit::BeforeHandling, name == Name::AtMostOnce);
        }
    }

    #[test]
    fn synced_asks_stock_kafka_for_a_flush_per_append() {
        assert_eq!(of(Name::Durable).topic.kafka_configs, [("flush.messages", "1".to_owned())]);
        assert!(of(Name::AtLeastOnce).topic.kafka_configs.is_empty());
    }

    #[test]
    fn names_that_are_not_built_are_refused_and_say_what_is() {
        for name in [Name::ExactlyOnce, Name::Causal] {
            let refusal = settings_for(name.guarantee()).unwrap_err().to_string();
            assert!(refusal.starts_with(&format!("{name} is not built yet")), "{refusal}");
            assert!(refusal.contains("durable"), "{refusal}");
        }
    }

    #[test]
    fn positions_that_contradict_each_other_are_refused() {
        let guarantee = Guarantee { order: Order::PerKey, ..Name::BestEffort.guarantee() };
        assert!(matches!(settings_for(guarantee), Err(Refusal::BadCombination(_))));
    }
}
