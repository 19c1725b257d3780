//! Bodies that nobody should send: every API and version gets noise, and real requests with bits flipped. Whatever
//! they do, the broker goes on serving others.

use std::time::Duration;

use bytes::Bytes;
use poruka_env::Env;
use poruka_wire::ErrorCode;
use poruka_wire::api::*;
use poruka_wire::frame::encode_request;

use crate::harness::*;

/// Bodies of noise for each API and version.
const NOISES: u64 = 12;
/// Damaged copies of each real request.
const DAMAGED: u64 = 150;

/// A small generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Sends a frame on a connection of its own. Whether and what it answers does not matter, only that nothing breaks.
async fn throw(node: &Node, env: &Env, frame: Bytes) {
    let connection = node.broker.connect_local();
    let _ = env.timeout(Duration::from_millis(20), connection.call(frame)).await;
}

#[test]
fn noise_in_place_of_any_body_hurts_nobody_else() {
    run(async {
        let node = Node::start().await;
        let mut good = Local::new(&node.broker);
        good.create("t", 1, &[]).await;
        let request =
            ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1".into() };
        let apis = good.call(4, &request).await.api_keys;
        let mut dice = Dice(1);
        for api in apis {
            for version in api.min_version..=api.max_version {
                for _ in 0..NOISES {
                    let mut frame = Vec::new();
                    frame.extend(api.api_key.to_be_bytes());
                    frame.extend(version.to_be_bytes());
                    frame.extend(9i32.to_be_bytes());
                    frame.extend((-1i16).to_be_bytes());
                    let length = dice.roll(80);
                    // Small numbers make it further into a decoder than large ones.
                    frame.extend(
                        (0..length).map(|_| [0, 0, 1, 2, 0xff, dice.roll(256) as u8][dice.roll(6) as usize]),
                    );
                    throw(&node, &node.env, frame.into()).await;
                }
            }
        }
        assert_eq!(good.produce("t", -1, batch(&["alive"])).await.error_code, ErrorCode::None);
    });
}

#[test]
fn real_requests_with_flipped_bits_hurt_nobody_else() {
    run(async {
        let node = Node::start().await;
        let mut good = Local::new(&node.broker);
        good.create("t", 1, &[]).await;
        let join = JoinGroupRequest {
            group_id: "g".into(),
            session_timeout_ms: 10_000,
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata: "m".into() }],
            ..Default::default()
        };
        let beat = ConsumerGroupHeartbeatRequest {
            group_id: "h".into(),
            member_id: "m".into(),
            rebalance_timeout_ms: 1000,
            subscribed_topic_names: Some(vec!["t".into()]),
            topic_partitions: Some(Vec::new()),
            ..Default::default()
        };
        let frames = [
            encode_request(1, None, &produce_request("t", -1, batch_of((3, 0, 0), &["a", "b"])), 9),
            encode_request(1, None, &produce_request("t", 0, batch(&["a", "b"])), 3),
            encode_request(1, None, &fetch_request("t", 0, 0, 0), 12),
            encode_request(1, None, &create_request("u", 1, &[("retention.ms", "5")]), 7),
            encode_request(1, None, &join, 5),
            encode_request(1, None, &beat, 1),
        ];
        let mut dice = Dice(2);
        for frame in frames {
            let frame = frame.expect("encoded").slice(4..);
            for _ in 0..DAMAGED {
                let mut damaged = frame.to_vec();
                for _ in 0..=dice.roll(3) {
                    let at = 8 + dice.roll(damaged.len() as u64 - 8) as usize;
                    damaged[at] ^= 1 << dice.roll(8);
                }
                damaged.truncate(damaged.len() - dice.roll(4) as usize);
                throw(&node, &node.env, damaged.into()).await;
            }
        }
        // Whatever was appended can be read: no batch got in that readers stumble over.
        good.values("t", 0).await;
        assert_eq!(good.produce("t", -1, batch(&["alive"])).await.error_code, ErrorCode::None);
    });
}
