//! Requests with as many elements as fit: each is answered, in a time that grows with their number and not its square.

use poruka_wire::ErrorCode;
use poruka_wire::api::*;
use poruka_wire::{Message, Str};

use crate::harness::*;

/// Each compared with each, this many take longer than a test waits.
const ELEMENTS: usize = 100_000;

/// Names that no topic can have, all different and of one length.
fn names() -> impl Iterator<Item = Str> {
    (0..ELEMENTS).map(|number| Str::from(format!("no topic! {number:06} whatever")))
}

#[test]
fn a_hundred_thousand_names_in_one_request_are_answered() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        let topics =
            names().map(|name| CreatableTopic { name, num_partitions: 1, ..Default::default() }).collect();
        let answer = client.call(7, &CreateTopicsRequest { topics, ..Default::default() }).await;
        assert_eq!(answer.topics.len(), ELEMENTS);
        assert!(answer.topics.iter().all(|topic| topic.error_code != ErrorCode::None));

        let topics =
            names().map(|name| CreatePartitionsTopic { name, count: 2, ..Default::default() }).collect();
        let answer = client.call(3, &CreatePartitionsRequest { topics, ..Default::default() }).await;
        assert_eq!(answer.results.len(), ELEMENTS);

        let resources = names()
            .map(|resource_name| IncrementalAlterConfigsResource {
                resource_type: RESOURCE_TOPIC,
                resource_name,
                ..Default::default()
            })
            .collect();
        let newest = *IncrementalAlterConfigsRequest::VERSIONS.end();
        let request = IncrementalAlterConfigsRequest { resources, ..Default::default() };
        assert_eq!(client.call(newest, &request).await.responses.len(), ELEMENTS);
    });
}
