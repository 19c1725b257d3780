//! Settings: described with their sources, changed one at a time, in force at once.

use poruka_wire::ErrorCode;
use poruka_wire::api::*;

use crate::harness::*;

async fn described(client: &mut impl Client, kind: i8, name: &str) -> Vec<DescribeConfigsResourceResult> {
    let resource =
        DescribeConfigsResource { resource_type: kind, resource_name: name.into(), configuration_keys: None };
    let request =
        DescribeConfigsRequest { resources: vec![resource], include_synonyms: true, ..Default::default() };
    let result = client.call(4, &request).await.results.remove(0);
    assert_eq!(result.error_code, ErrorCode::None, "{:?}", result.error_message);
    result.configs
}

fn value_of<'a>(configs: &'a [DescribeConfigsResourceResult], name: &str) -> (&'a str, i8) {
    let config = configs.iter().find(|config| config.name == *name).expect("described");
    (config.value.as_deref().expect("a value"), config.config_source)
}

async fn alter(
    client: &mut impl Client,
    (kind, name): (i8, &str),
    (key, operation, value): (&str, i8, Option<&str>),
) -> ErrorCode {
    let config = IncrementalAlterableConfig {
        name: key.into(),
        config_operation: operation,
        value: value.map(Into::into),
    };
    let resource = IncrementalAlterConfigsResource {
        resource_type: kind,
        resource_name: name.into(),
        configs: vec![config],
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    client.call(1, &request).await.responses.remove(0).error_code
}

const TOPIC: (i8, &str) = (RESOURCE_TOPIC, "t");
const NODE: (i8, &str) = (RESOURCE_BROKER, "1");

#[test]
fn a_setting_is_looked_up_in_the_topic_then_the_node_then_the_defaults() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        let max = "max.message.bytes";
        assert_eq!(value_of(&described(&mut client, TOPIC.0, "t").await, max), ("1048588", SOURCE_DEFAULT));
        assert_eq!(
            alter(&mut client, NODE, ("message.max.bytes", OP_SET, Some("500"))).await,
            ErrorCode::None
        );
        assert_eq!(
            value_of(&described(&mut client, TOPIC.0, "t").await, max),
            ("500", SOURCE_DYNAMIC_BROKER)
        );
        let large = batch(&[&"x".repeat(600)]);
        assert_eq!(client.produce("t", -1, large.clone()).await.error_code, ErrorCode::MessageTooLarge);
        assert_eq!(alter(&mut client, TOPIC, (max, OP_SET, Some("5000"))).await, ErrorCode::None);
        let configs = described(&mut client, TOPIC.0, "t").await;
        assert_eq!(value_of(&configs, max), ("5000", SOURCE_TOPIC));
        let config = configs.iter().find(|config| config.name == *max).expect("described");
        let sources: Vec<i8> = config.synonyms.iter().map(|synonym| synonym.source).collect();
        assert_eq!(sources, [SOURCE_TOPIC, SOURCE_DYNAMIC_BROKER, SOURCE_DEFAULT]);
        assert_eq!(client.produce("t", -1, large).await.error_code, ErrorCode::None);
        assert_eq!(alter(&mut client, TOPIC, (max, OP_DELETE, None)).await, ErrorCode::None);
        assert_eq!(
            value_of(&described(&mut client, TOPIC.0, "t").await, max),
            ("500", SOURCE_DYNAMIC_BROKER)
        );
    });
}

#[test]
fn bad_changes_get_kafkas_codes_and_change_nothing() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        let before = described(&mut client, TOPIC.0, "t").await;
        for (resource, change, code) in [
            (TOPIC, ("nope", OP_SET, Some("1")), ErrorCode::InvalidConfig),
            (TOPIC, ("nope", OP_DELETE, None), ErrorCode::None),
            (TOPIC, ("retention.ms", OP_SET, Some("x")), ErrorCode::InvalidConfig),
            (TOPIC, ("retention.ms", OP_APPEND, Some("5")), ErrorCode::InvalidConfig),
            (TOPIC, ("poruka.durability", OP_SET, Some("memory")), ErrorCode::InvalidConfig),
            (
                (RESOURCE_TOPIC, "absent"),
                ("retention.ms", OP_SET, Some("5")),
                ErrorCode::UnknownTopicOrPartition,
            ),
            (NODE, ("num.partitions", OP_SET, Some("5")), ErrorCode::InvalidRequest),
            (NODE, ("message.max.bytes", OP_SET, Some("x")), ErrorCode::InvalidRequest),
            ((RESOURCE_BROKER, "2"), ("message.max.bytes", OP_SET, Some("5")), ErrorCode::InvalidRequest),
            (
                (RESOURCE_GROUP, "g"),
                ("consumer.session.timeout.ms", OP_SET, Some("5")),
                ErrorCode::InvalidRequest,
            ),
        ] {
            assert_eq!(alter(&mut client, resource, change).await, code, "{resource:?} {change:?}");
        }
        assert_eq!(described(&mut client, TOPIC.0, "t").await, before);
    });
}

#[test]
fn the_dials_are_topic_settings() {
    run(async {
        let node =
            Node::start_with(|config| config.default_durability = poruka_guarantee::Durability::Cached).await;
        let mut client = node.connect().await;
        client.create("plain", 1, &[]).await;
        client.create("named", 1, &[("poruka.durability", "synced"), ("poruka.order", "per-key")]).await;
        let plain = described(&mut client, RESOURCE_TOPIC, "plain").await;
        assert_eq!(value_of(&plain, "poruka.durability"), ("cached", SOURCE_DEFAULT));
        let named = described(&mut client, RESOURCE_TOPIC, "named").await;
        assert_eq!(value_of(&named, "poruka.durability"), ("synced", SOURCE_TOPIC));
        assert_eq!(value_of(&named, "poruka.order"), ("per-key", SOURCE_TOPIC));
        let node = described(&mut client, RESOURCE_BROKER, "1").await;
        assert_eq!(value_of(&node, "poruka.default.durability"), ("cached", SOURCE_STATIC_BROKER));
    });
}
