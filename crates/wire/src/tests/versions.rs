//! What a version cannot carry is refused or dropped as the protocol says, and the table of versions is Apache Kafka's.

use crate::{
    ApiKey, Bytes, EncodeErrorKind, Message, Reader, Request, Str, Writer,
    api::{
        ApiVersionsRequest, ApiVersionsResponse, FetchRequest, FetchTopic, InitProducerIdRequest,
        JoinGroupRequest, MetadataRequest, MetadataResponse, MetadataResponseBroker, ProduceRequest,
        api_info, api_table,
    },
    consumer_protocol::{self, ConsumerAssignment, ConsumerSubscription, ConsumerTopicPartitions},
    frame::{self, SIZE_BYTES},
    sample::{self, Choices, Sample, Visitor},
};

fn encode<M: Message>(message: &M, version: i16) -> Result<Bytes, crate::EncodeError> {
    let mut writer = Writer::new();
    message.encode(&mut writer, version).map(|()| writer.into_bytes())
}

#[test]
fn a_value_that_the_version_would_lose_is_an_error_with_its_place() {
    let request = MetadataRequest { allow_auto_topic_creation: false, ..Default::default() };
    let error = encode(&request, 3).unwrap_err();
    assert_eq!(error.kind(), &EncodeErrorKind::NotInVersion(3));
    assert_eq!(
        error.to_string(),
        "encode: MetadataRequest.allow_auto_topic_creation has a value, and the field does not exist in version 3"
    );
    assert!(encode(&request, 4).is_ok());

    let request = JoinGroupRequest { group_instance_id: Some("static".into()), ..Default::default() };
    assert!(encode(&request, 4).is_err(), "a static member must not silently become a dynamic one");
    let request = InitProducerIdRequest { enable_2pc: true, ..Default::default() };
    assert!(encode(&request, 5).is_err());
}

#[test]
fn an_ignorable_value_is_dropped() {
    let broker = MetadataResponseBroker { rack: Some("r1".into()), ..Default::default() };
    let response = MetadataResponse { brokers: vec![broker], throttle_time_ms: 9, ..Default::default() };
    let bytes = encode(&response, 0).unwrap();
    let read = MetadataResponse::decode(&mut Reader::new(bytes), 0).unwrap();
    assert_eq!((read.throttle_time_ms, &read.brokers[0].rack), (0, &None));
}

#[test]
fn null_is_refused_where_the_version_has_none() {
    let request = MetadataRequest { topics: None, ..Default::default() };
    assert_eq!(encode(&request, 0).unwrap_err().kind(), &EncodeErrorKind::NullNotAllowed(0));
    assert!(encode(&request, 1).is_ok());
    assert!(MetadataRequest::decode(&mut Reader::new(Bytes::from_static(&[0xff; 4])), 0).is_err());
}

#[test]
fn a_string_longer_than_the_protocol_allows_is_not_written() {
    let long: Str = "x".repeat(40_000).into();
    for version in [4, 12] {
        let topics = vec![FetchTopic { topic: long.clone(), ..Default::default() }];
        let error = encode(&FetchRequest { topics, ..Default::default() }, version).unwrap_err();
        assert_eq!(error.path(), "FetchRequest.topics[0].topic");
        assert!(matches!(error.kind(), EncodeErrorKind::TooLong { length: 40_000, .. }));
    }
}

#[test]
fn a_version_that_is_not_spoken_is_not_written() {
    for version in [-1, 2, 14] {
        assert!(encode(&ProduceRequest::default(), version).is_err(), "v{version}");
    }
}

#[test]
fn the_table_is_what_apache_kafka_speaks() {
    // As Apache Kafka 4.3.1 answers ApiVersions, but for Produce, where it claims 0 as well, and InitProducerId, where 6
    // exists and is not advertised.
    let kafka: [(i16, i16, i16); 38] = [
        (0, 3, 13),
        (1, 4, 18),
        (2, 1, 11),
        (3, 0, 13),
        (8, 2, 10),
        (9, 1, 10),
        (10, 0, 6),
        (11, 0, 9),
        (12, 0, 4),
        (13, 0, 5),
        (14, 0, 5),
        (15, 0, 6),
        (16, 0, 5),
        (18, 0, 4),
        (19, 2, 7),
        (20, 1, 6),
        (21, 0, 2),
        (22, 0, 6),
        (23, 2, 4),
        (24, 0, 5),
        (25, 0, 4),
        (26, 0, 5),
        (27, 1, 2),
        (28, 0, 5),
        (32, 1, 4),
        (33, 0, 2),
        (37, 0, 3),
        (42, 0, 2),
        (44, 0, 1),
        (47, 0, 0),
        (60, 0, 2),
        (61, 0, 0),
        (65, 0, 0),
        (66, 0, 2),
        (68, 0, 1),
        (69, 0, 1),
        (74, 0, 1),
        (75, 0, 0),
    ];
    let table: Vec<_> = api_table().iter().map(|info| (info.key.code(), info.min, info.max)).collect();
    assert_eq!(table, kafka);
    for info in api_table() {
        assert_eq!(*info, api_info(info.key));
        assert_eq!(ApiKey::from_code(info.key.code()), Some(info.key));
    }
}

#[test]
fn a_request_frame_carries_its_header_in_every_version() {
    struct Frames;
    impl Visitor for Frames {
        fn visit<R: Request<Response: Sample> + Sample>(&mut self) {
            for version in R::VERSIONS {
                let request: R = sample::message(&mut Choices::seeded(1), version);
                let framed = frame::encode_request(11, Some("me"), &request, version).unwrap();
                let mut reader = Reader::new(framed.slice(SIZE_BYTES..));
                let header = frame::decode_request_header(&mut reader).unwrap();
                assert!(header.is_spoken());
                assert_eq!((header.key(), header.api_version), (Some(R::KEY), version));
                assert_eq!((header.correlation_id, header.client_id.as_deref()), (11, Some("me")));
                assert_eq!(frame::decode_request::<R>(&mut reader, version), Ok(request));
            }
        }
    }
    sample::visit_all(&mut Frames);
}

#[test]
fn an_unknown_version_of_api_versions_still_has_a_readable_header() {
    let framed = frame::encode_request(5, None, &ApiVersionsRequest::default(), 4).unwrap();
    let mut bytes = framed.slice(SIZE_BYTES..).to_vec();
    bytes[3] = 127;
    let header = frame::decode_request_header(&mut Reader::new(bytes.into())).unwrap();
    assert_eq!((header.api_version, header.correlation_id, header.is_spoken()), (127, 5, false));
}

#[test]
fn the_response_to_api_versions_has_no_tags_in_its_header() {
    let framed = frame::encode_response::<ApiVersionsRequest>(5, &ApiVersionsResponse::default(), 3).unwrap();
    // Size, correlation id, then at once the error code and the empty list.
    assert_eq!(framed[4..11], [0, 0, 0, 5, 0, 0, 1]);
}

#[test]
fn a_body_with_bytes_left_over_is_refused() {
    let framed = frame::encode_request(5, None, &MetadataRequest::default(), 9).unwrap();
    let bytes = [&framed[SIZE_BYTES..], &[0]].concat();
    let mut reader = Reader::new(bytes.into());
    let header = frame::decode_request_header(&mut reader).unwrap();
    let error = frame::decode_request::<MetadataRequest>(&mut reader, header.api_version).unwrap_err();
    assert_eq!(error.kind(), &crate::DecodeErrorKind::TrailingBytes(1));
}

#[test]
fn large_records_are_not_copied_into_their_response() {
    let records = Bytes::from(vec![7; 1 << 20]);
    let mut response = crate::api::FetchResponse::default();
    let partition = crate::api::FetchPartitionData { records: Some(records.clone()), ..Default::default() };
    response.responses.push(crate::api::FetchableTopicResponse {
        partitions: vec![partition.clone(), partition],
        ..Default::default()
    });
    let chunks = frame::encode_response_chunks::<FetchRequest>(1, &response, 13).unwrap();
    let shared = chunks.iter().filter(|chunk| chunk.as_ptr() == records.as_ptr()).count();
    assert_eq!(shared, 2);
    let whole: Bytes = chunks.concat().into();
    assert_eq!(whole, frame::encode_response::<FetchRequest>(1, &response, 13).unwrap());
    assert_eq!(frame::decode_response::<FetchRequest>(whole.slice(SIZE_BYTES..), 13), Ok((1, response)));
}

#[test]
fn subscriptions_of_newer_members_are_read_as_far_as_they_are_known() {
    let owned = ConsumerTopicPartitions { topic: "t".into(), partitions: vec![0, 2] };
    let subscription = ConsumerSubscription {
        topics: vec!["t".into()],
        owned_partitions: vec![owned.clone()],
        generation_id: 4,
        rack_id: Some("r".into()),
        ..Default::default()
    };
    let bytes = consumer_protocol::encode(&subscription, 3).unwrap();
    assert_eq!(consumer_protocol::decode(bytes.clone()), Ok((3, subscription.clone())));

    let newer = [&[0, 9], &bytes[2..], b"more"].concat();
    assert_eq!(consumer_protocol::decode(newer.into()), Ok((9, subscription)));

    let assignment = ConsumerAssignment { assigned_partitions: vec![owned], ..Default::default() };
    let bytes = consumer_protocol::encode(&assignment, 0).unwrap();
    assert_eq!(consumer_protocol::decode(bytes), Ok((0, assignment)));
}
