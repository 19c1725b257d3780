//! Settings: described with their sources, changed one at a time, in force at once.

use poruka_wire::ErrorCode;
use poruka_wire::api::*;

use crate::harness::*;

async fn described(client: &mut impl Client, kind: i8, name: &str) -> Vec<DescribeConfigsResourceResult> {
    let resource =
        DescribeConfigsResource { resource_type: kind, resource_name: name.into(), configuration_keys: None };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: true,
        include_documentation: true,
    };
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
            (TOPIC, ("retention.ms", OP_SET, None), ErrorCode::InvalidRequest),
            (TOPIC, ("retention.ms", 9, Some("5")), ErrorCode::InvalidRequest),
            (TOPIC, ("cleanup.policy", OP_APPEND, Some("shred")), ErrorCode::InvalidConfig),
            (TOPIC, ("remote.storage.enable", OP_SET, Some("true")), ErrorCode::InvalidConfig),
            ((RESOURCE_TOPIC, ""), ("retention.ms", OP_SET, Some("5")), ErrorCode::InvalidRequest),
            ((RESOURCE_TOPIC, "a/b"), ("retention.ms", OP_SET, Some("5")), ErrorCode::InvalidTopicException),
            (NODE, ("num.partitions", OP_SET, Some("5")), ErrorCode::InvalidRequest),
            (NODE, ("num.partitions", OP_DELETE, None), ErrorCode::None),
            (NODE, ("log.retention.hours", OP_SET, Some("5")), ErrorCode::InvalidRequest),
            (NODE, ("offsets.retention.minutes", OP_SET, Some("5")), ErrorCode::InvalidRequest),
            (NODE, ("no.such.setting", OP_SET, Some("5")), ErrorCode::InvalidRequest),
            (NODE, ("log.retention.ms", OP_SET, Some("0")), ErrorCode::InvalidRequest),
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

fn resource(kind: i8, name: &str, configs: &[(&str, i8, &str)]) -> IncrementalAlterConfigsResource {
    let configs = configs.iter().map(|(key, operation, value)| IncrementalAlterableConfig {
        name: (*key).into(),
        config_operation: *operation,
        value: Some((*value).into()),
    });
    IncrementalAlterConfigsResource {
        resource_type: kind,
        resource_name: name.into(),
        configs: configs.collect(),
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused_whoever_gave_them() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[("min.compaction.lag.ms", "1000")]).await;
        let conflict = [("max.compaction.lag.ms", OP_SET, "999")];
        let request = IncrementalAlterConfigsRequest {
            resources: vec![
                resource(RESOURCE_TOPIC, "t", &conflict),
                resource(RESOURCE_TOPIC, "t", &[("max.compaction.lag.ms", OP_SET, "1000")]),
                resource(RESOURCE_BROKER, "1", &[("log.cleaner.min.compaction.lag.ms", OP_SET, "50")]),
            ],
            validate_only: false,
        };
        let told = client.call(1, &request).await.responses;
        let codes: Vec<ErrorCode> = told.iter().map(|one| one.error_code).collect();
        assert_eq!(codes, [ErrorCode::InvalidConfig, ErrorCode::InvalidRequest, ErrorCode::None]);
        let why = "conflict topic config setting min.compaction.lag.ms (1000) > max.compaction.lag.ms (999)";
        assert_eq!(told[0].error_message.as_deref(), Some(why));
        assert_eq!(told[1].error_message.as_deref(), Some("Each resource must appear at most once."));
        let refused = client.call(7, &create_request("u", 1, &[("max.compaction.lag.ms", "49")])).await;
        assert_eq!(refused.topics[0].error_code, ErrorCode::InvalidConfig, "the node's value counts too");
        client.create("u", 1, &[("max.compaction.lag.ms", "50")]).await;
    });
}

#[test]
fn a_check_says_what_a_change_would_and_changes_nothing() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[("retention.ms", "5")]).await;
        let before = described(&mut client, TOPIC.0, "t").await;
        for (value, code) in [("7", ErrorCode::None), ("-7", ErrorCode::InvalidConfig)] {
            let changes = [("retention.ms", OP_SET, value)];
            let request = IncrementalAlterConfigsRequest {
                resources: vec![resource(RESOURCE_TOPIC, "t", &changes)],
                validate_only: true,
            };
            assert_eq!(client.call(1, &request).await.responses[0].error_code, code);
            let mut create = create_request("new", 1, &[("retention.ms", value)]);
            create.validate_only = true;
            assert_eq!(client.call(7, &create).await.topics[0].error_code, code);
            let config = AlterableConfig { name: "retention.ms".into(), value: Some(value.into()) };
            let replaced = AlterConfigsResource {
                resource_type: RESOURCE_TOPIC,
                resource_name: "t".into(),
                configs: vec![config],
            };
            let replace = AlterConfigsRequest { resources: vec![replaced], validate_only: true };
            assert_eq!(client.call(2, &replace).await.responses[0].error_code, code);
        }
        assert_eq!(described(&mut client, TOPIC.0, "t").await, before);
        let unknown = client.call(9, &MetadataRequest::default()).await.topics;
        assert!(unknown.iter().all(|topic| topic.name.as_deref() != Some("new")), "{unknown:?}");
    });
}

#[test]
fn replacing_all_settings_resets_those_that_are_not_named() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[("retention.ms", "5"), ("segment.ms", "6")]).await;
        let config = AlterableConfig { name: "segment.ms".into(), value: Some("7".into()) };
        let replaced = AlterConfigsResource {
            resource_type: RESOURCE_TOPIC,
            resource_name: "t".into(),
            configs: vec![config],
        };
        let replace = AlterConfigsRequest { resources: vec![replaced], validate_only: false };
        assert_eq!(client.call(2, &replace).await.responses[0].error_code, ErrorCode::None);
        let now = described(&mut client, TOPIC.0, "t").await;
        assert_eq!(value_of(&now, "segment.ms"), ("7", SOURCE_TOPIC));
        assert_eq!(value_of(&now, "retention.ms"), ("604800000", SOURCE_DEFAULT));
    });
}

#[test]
fn a_policy_of_two_is_grown_and_shrunk_item_by_item() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        for (operation, item, left) in [
            (OP_APPEND, "compact", "delete,compact"),
            (OP_SUBTRACT, "delete", "compact"),
            (OP_SUBTRACT, "compact", ""),
            (OP_APPEND, "delete", "delete"),
        ] {
            let change = ("cleanup.policy", operation, Some(item));
            assert_eq!(alter(&mut client, TOPIC, change).await, ErrorCode::None);
            let now = described(&mut client, TOPIC.0, "t").await;
            assert_eq!(value_of(&now, "cleanup.policy"), (left, SOURCE_TOPIC));
        }
    });
}

#[test]
fn the_node_describes_what_is_fixed_and_what_may_change() {
    run(async {
        let node = Node::start_with(|config| config.offsets_retention_minutes = 60).await;
        let mut client = node.connect().await;
        let all = described(&mut client, RESOURCE_BROKER, "1").await;
        let of = |name: &str| all.iter().find(|config| config.name == *name).expect("described");
        let retention = of("offsets.retention.minutes");
        assert_eq!((retention.value.as_deref(), retention.read_only), (Some("60"), true));
        let sources: Vec<(&str, i8)> = retention
            .synonyms
            .iter()
            .map(|synonym| (synonym.value.as_deref().expect("a value"), synonym.source))
            .collect();
        assert_eq!(sources, [("60", SOURCE_STATIC_BROKER), ("10080", SOURCE_DEFAULT)]);
        assert_eq!(value_of(&all, "offsets.retention.check.interval.ms"), ("600000", SOURCE_DEFAULT));
        assert!(!of("log.retention.ms").read_only);
        assert!(all.iter().all(|config| config.documentation.is_some() && !config.is_sensitive));
        let topic = described(&mut client, RESOURCE_BROKER, "").await;
        assert!(topic.is_empty(), "nothing is changed for every node");
    });
}
