//! What a topic must be to be opened.

use poruka::{Action, Bus, Durability, Guarantee, Name, Order, Reached, Record, TopicError, TopicSpec};

use super::{fresh, topic};

pub(crate) async fn names_that_are_not_built_and_dials_that_contradict_are_refused(bus: Bus) {
    for name in [Name::ExactlyOnce, Name::Causal] {
        let refused = bus.topic(&fresh("conformance"), name).await.unwrap_err();
        assert!(refused.to_string().contains("is not built yet"), "{refused}");
        assert_eq!(refused.action(), Action::Fix);
    }
    let contradiction = Guarantee { order: Order::PerKey, ..Name::BestEffort.guarantee() };
    let refused = bus.topic(&fresh("conformance"), contradiction).await.unwrap_err();
    assert!(matches!(refused, TopicError::Refused(_)), "{refused}");
}

pub(crate) async fn a_topic_that_is_too_weak_is_refused_with_the_remedy(bus: Bus) {
    let weak = topic(&bus, Name::AtLeastOnce).await;
    match bus.topic(weak.name(), Name::Durable).await {
        Err(TopicError::TooWeak(weak)) => {
            assert!(!weak.remedy.is_empty() && weak.to_string().contains(&weak.topic), "{weak}");
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_topic_that_is_stronger_is_taken(bus: Bus) {
    let durable = topic(&bus, Name::Durable).await;
    for name in super::BUILT {
        let taken = bus.topic(durable.name(), name).await.unwrap();
        assert_eq!(taken.durability(), Durability::Synced);
    }
}

pub(crate) async fn durable_is_synced(bus: Bus) {
    let topic = topic(&bus, Name::Durable).await;
    let receipt = topic.producer().await.unwrap().send(Record::new("x")).await.unwrap();
    assert_eq!(receipt.reached, Reached::Acked(Durability::Synced));
}

pub(crate) async fn dials_turned_further_than_a_name_are_kept(bus: Bus) {
    let guarantee = Guarantee { durability: Durability::Synced, ..Name::Ordered.guarantee() };
    let topic = bus.topic(&fresh("conformance"), TopicSpec::from(guarantee).partitions(2)).await.unwrap();
    assert_eq!((topic.durability(), topic.guarantee()), (Durability::Synced, guarantee));
    assert!(topic.settings().producer.sequence_header);
    let replicated = Guarantee { replicated: true, ..Name::AtLeastOnce.guarantee() };
    assert!(bus.topic(topic.name(), replicated).await.is_err(), "there is one node");
}

pub(crate) async fn many_openers_at_once_get_one_topic(bus: Bus) {
    let name = fresh("conformance");
    let spec = TopicSpec::from(Name::AtLeastOnce).partitions(2);
    let open = || bus.topic(&name, spec.clone());
    let (a, b, c, d) = tokio::join!(open(), open(), open(), open());
    for opened in [a, b, c, d] {
        opened.unwrap();
    }
}
