//! A disk that is full or fails: errors are told, reads go on, nothing acknowledged is lost.

use poruka_env::DiskOp;
use poruka_wire::ErrorCode;

use crate::groups::{commit, commit_request, committed};
use crate::harness::*;

#[test]
fn a_failed_sync_ends_acknowledgements_and_keeps_what_was_acknowledged() {
    run(async {
        let node = Mortal::start(21).await;
        let mut client = node.connect();
        client.create("t", 1, &[]).await;
        client.produce("t", -1, batch(&["kept"])).await;
        node.disk.fail(DiskOp::Sync, 0, 1000);
        assert_eq!(client.produce("t", -1, batch(&["lost?"])).await.error_code, ErrorCode::KafkaStorageError);
        assert_eq!(client.produce("t", -1, batch(&["no"])).await.error_code, ErrorCode::KafkaStorageError);
        assert_eq!(client.values("t", 0).await, numbered(0, &["kept"]), "what is not durable is not shown");
        let made = client.call(7, &create_request("u", 1, &[])).await.topics.remove(0);
        assert_eq!(made.error_code, ErrorCode::KafkaStorageError);
        let node = node.cut_power_and_restart(22).await;
        let mut client = node.connect();
        assert_eq!(client.values("t", 0).await[0], (0, "kept".to_owned()));
        assert_eq!(client.produce("t", -1, batch(&["again"])).await.error_code, ErrorCode::None);
    });
}

#[test]
fn a_full_disk_refuses_appends_and_takes_them_again_when_there_is_room() {
    run(async {
        let node = Mortal::start(23).await;
        let mut client = node.connect();
        client.create("t", 1, &[]).await;
        client.produce("t", -1, batch(&["kept"])).await;
        assert_eq!(commit(&mut client, "t", 1).await, ErrorCode::None);
        node.disk.set_capacity(Some(node.disk.used()));
        let refused = client.produce("t", -1, batch(&["no room"])).await;
        assert_eq!(refused.error_code, ErrorCode::KafkaStorageError);
        assert_eq!(client.values("t", 0).await, numbered(0, &["kept"]), "reads go on");
        node.disk.set_capacity(None);
        assert_eq!(client.produce("t", -1, batch(&["room"])).await.error_code, ErrorCode::None);
        assert_eq!(client.values("t", 0).await, numbered(0, &["kept", "room"]));
        let node = node.kill_and_restart().await;
        let mut client = node.connect();
        assert_eq!(client.values("t", 0).await, numbered(0, &["kept", "room"]));
        assert_eq!(committed(&mut client, "t").await, 1);
    });
}

/// It ended in a panic: the channel of an answer that never comes was asked twice.
#[test]
fn a_commit_that_the_group_log_does_not_take_ends_its_connection_and_nothing_else() {
    run(async {
        let node = Mortal::start(25).await;
        let mut client = node.connect();
        client.create("t", 1, &[]).await;
        assert_eq!(commit(&mut client, "t", 1).await, ErrorCode::None);
        node.disk.fail(DiskOp::Sync, 0, 1000);
        client.produce("t", -1, batch(&["poisons the journal"])).await;
        for _ in 0..3 {
            let answer = node.connect().try_call(8, &commit_request("t", 2)).await;
            assert_eq!(answer, None, "the connection is closed");
        }
        let node = node.cut_power_and_restart(26).await;
        let mut client = node.connect();
        assert_eq!(committed(&mut client, "t").await, 1, "what was refused is not there");
        assert_eq!(commit(&mut client, "t", 2).await, ErrorCode::None);
    });
}
