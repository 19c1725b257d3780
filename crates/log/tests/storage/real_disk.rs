//! The engine on the real host: threads, a real folder, a real sync.

use crate::common::{Stamp, batch, body, read_all, small, spec};
use poruka_env::Env;
use poruka_log::{
    Class, LogConfig, LogEngine, LogSpec, OpenError, Origin, Piece, ReadError, SegmentConfig, StateLog,
};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

#[test]
fn every_class_takes_and_gives_records_and_what_was_promised_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("data");
    runtime().block_on(async {
        let mut sent = Vec::new();
        {
            let (engine, report) = LogEngine::open(Env::real(), &root, LogConfig::default()).expect("open");
            assert!(report.is_new);
            for (number, class) in [Class::Memory, Class::Cached, Class::Synced].into_iter().enumerate() {
                let log = engine.create(spec("t", number as u8 + 1, class));
                let log = match (log, number) {
                    (Ok(log), 0) => log,
                    (Err(_), _) => {
                        engine.create(spec(["a", "b", "c"][number], number as u8 + 1, class)).expect("create")
                    }
                    (Ok(_), _) => panic!("the name is taken"),
                };
                let mut last = None;
                for n in 0..100_u8 {
                    let batch = batch(&[n; 700], 2, i64::from(n), None);
                    sent.push((class, body(&batch)));
                    last = Some(log.append(batch, Origin::Client).expect("append").durable);
                }
                log.wait_durable(last.expect("appended")).await.expect("durable");
                assert_eq!(log.high_watermark(), 200);
                let all = read_all(&log, 2000);
                assert_eq!(all.len() as i64 * 2, 200 - log.log_start());
            }
            engine.close().await;
        }
        let (engine, report) = LogEngine::open(Env::real(), &root, LogConfig::default()).expect("open again");
        assert_eq!((report.partitions, report.torn_bytes, report.gaps.len()), (2, 0, 0));
        for log in engine.all() {
            let expected: Vec<_> = sent
                .iter()
                .filter(|(class, _)| *class == log.class())
                .map(|(_, body)| body.clone())
                .collect();
            let found: Vec<_> = read_all(&log, 5000).into_iter().map(|seen| seen.body).collect();
            assert_eq!(found, expected);
            assert_eq!(log.offset_for_timestamp(50).expect("search").map(|(_, ts)| ts), Some(50));
        }
        engine.close().await;
    });
}

#[test]
fn a_second_process_is_refused_and_told_who_has_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    runtime().block_on(async {
        let (_engine, _) = LogEngine::open(Env::real(), folder.path(), LogConfig::default()).expect("open");
        let second = LogEngine::open(Env::real(), folder.path(), LogConfig::default());
        assert!(matches!(second, Err(OpenError::InUse { pid, .. }) if pid == std::process::id()));
    });
}

#[test]
fn an_engine_that_is_dropped_under_appends_gives_its_folder_up_only_when_nothing_writes_any_more() {
    let folder = tempfile::tempdir().expect("a folder");
    runtime().block_on(async {
        let (mut engine, _) = LogEngine::open(Env::real(), folder.path(), small()).expect("open");
        for life in 0..30_i32 {
            let mut writers = Vec::new();
            for (number, (name, class)) in
                [("s", Class::Synced), ("c", Class::Cached)].into_iter().enumerate()
            {
                let log = engine.create(spec(name, number as u8 + 1, class)).expect("create");
                let (tell, told) = std::sync::mpsc::channel();
                let write = move || {
                    for n in 0.. {
                        let raw = batch(format!("{life} {n}").as_bytes(), 1, 0, None);
                        match log.append(raw.clone(), Origin::Client) {
                            Ok(appended) => tell.send((appended.base_offset, body(&raw))).expect("heard"),
                            Err(_) => return,
                        }
                    }
                };
                drop(Env::real().spawn_thread("writer", write).expect("a thread"));
                writers.push(told);
            }
            while engine.all().iter().any(|log| log.log_end() < i64::from(life) * 50 + 50) {
                tokio::task::yield_now().await;
            }
            drop(engine);
            engine = loop {
                match LogEngine::open(Env::real(), folder.path(), small()) {
                    Err(OpenError::InUse { .. }) => tokio::task::yield_now().await,
                    other => break other.expect("open again").0,
                }
            };
            for (writer, topic) in writers.into_iter().zip(["s", "c"]) {
                // Ends with the writer.
                let accepted: Vec<_> = writer.iter().collect();
                let log = engine.all().into_iter().find(|log| log.topic() == topic).expect("there");
                let found: std::collections::BTreeMap<_, _> =
                    read_all(&log, 20_000).into_iter().map(|seen| (seen.base, seen.body)).collect();
                for (offset, body) in accepted {
                    let kept = found.get(&offset);
                    assert_eq!(kept, Some(&body), "{topic}: what was appended at {offset} in life {life}");
                }
                let _ = log.delete_records_before(-1).await;
            }
        }
        engine.close().await;
    });
}

#[test]
fn a_state_log_folds_and_is_rewritten_when_most_of_it_is_garbage() {
    let folder = tempfile::tempdir().expect("a folder");
    runtime().block_on(async {
        let value = |n: u32| bytes::Bytes::from(format!("{n:05}").repeat(1000));
        {
            let (engine, _) =
                LogEngine::open(Env::real(), folder.path(), LogConfig::default()).expect("open");
            let (state, living) = StateLog::open(&engine, "topics").expect("state");
            assert!(living.is_empty());
            for n in 0..1500_u32 {
                let key = bytes::Bytes::from(format!("key {}", n % 10));
                let ticket = state.append(vec![(key, Some(value(n)))]).expect("append");
                state.wait(ticket).await.expect("durable");
            }
            let ticket = state.append(vec![("key 3".into(), None)]).expect("append");
            state.wait(ticket).await.expect("durable");
            assert!(state.partition().log_start() > 0, "it was rewritten");
        }
        for _ in 0..2 {
            // Not closed above: as after a killed process. The lock is free once the workers have ended.
            let (engine, _) = loop {
                match LogEngine::open(Env::real(), folder.path(), LogConfig::default()) {
                    Err(OpenError::InUse { .. }) => tokio::task::yield_now().await,
                    other => break other.expect("open again"),
                }
            };
            let (_state, living) = StateLog::open(&engine, "topics").expect("state");
            let mut expected: Vec<_> = (1490..1500_u32)
                .filter(|n| n % 10 != 3)
                .map(|n| (bytes::Bytes::from(format!("key {}", n % 10)), value(n)))
                .collect();
            expected.sort();
            assert_eq!(living, expected);
            engine.close().await;
        }
    });
}

#[test]
fn many_threads_at_once_keep_each_producers_order_over_rolls_checkpoints_and_laps() {
    let folder = tempfile::tempdir().expect("a folder");
    runtime().block_on(async {
        let (engine, _) = LogEngine::open(Env::real(), folder.path(), small()).expect("open");
        let mut writers = Vec::new();
        for partition in 0..4_u8 {
            let class = if partition == 3 { Class::Cached } else { Class::Synced };
            let log = engine.create(spec(["a", "b", "c", "d"][usize::from(partition)], partition + 1, class));
            let log = log.expect("create");
            for writer in 0..3_u8 {
                let log = std::sync::Arc::clone(&log);
                writers.push(Env::real().spawn("writer", async move {
                    for sequence in 0..150 {
                        let stamp = Stamp { id: i64::from(writer), epoch: 0, sequence };
                        let size = if sequence % 17 == 0 { 5000 } else { 300 };
                        log.room().await;
                        let raw = batch(&vec![writer; size], 1, 0, Some(stamp));
                        let appended = log.append(raw, Origin::Client).expect("append");
                        if sequence % 5 == 0 {
                            log.wait_durable(appended.durable).await.expect("durable");
                            assert!(log.high_watermark() > appended.last_offset);
                        }
                    }
                }));
            }
        }
        for writer in writers {
            assert_eq!(writer.join().await, poruka_env::Ended::Finished);
        }
        engine.close().await;
        let (engine, report) = LogEngine::open(Env::real(), folder.path(), small()).expect("open again");
        assert_eq!((report.partitions, report.journal_entries), (4, 0));
        for log in engine.all() {
            let found = read_all(&log, 10_000);
            assert_eq!(found.len(), 450);
            for writer in 0..3_i64 {
                let sequences = found.iter().filter_map(|seen| {
                    // Producer id and base sequence, at 43 and 53 of a batch whose first 16 bytes are cut off.
                    let id = i64::from_be_bytes(seen.body[27..35].try_into().expect("8 bytes"));
                    (id == writer).then(|| i32::from_be_bytes(seen.body[37..41].try_into().expect("4 bytes")))
                });
                assert!(sequences.eq(0..150), "{log:?}: each producer's order");
            }
        }
        engine.close().await;
    });
}

#[test]
fn a_large_batch_stays_in_its_file_once_it_is_checked_and_damage_is_told_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("data");
    let is_sliced = |pieces: &[Piece]| matches!(pieces, [Piece::File(_)]);
    let sent: Vec<_> = (0..3_u8).map(|n| batch(&[n; 40_000], 2, 0, None)).collect();
    runtime().block_on(async {
        let (engine, _) = LogEngine::open(Env::real(), &root, LogConfig::default()).expect("open");
        let large = LogSpec { config: SegmentConfig::default(), ..spec("t", 1, Class::Cached) };
        let log = engine.create(large).expect("create");
        for batch in &sent {
            log.append(batch.clone(), Origin::Client).expect("append");
        }
        log.wait_durable(log.ticket_of_end()).await.expect("visible");
        let found = log.find(0, 1 << 20, true).expect("found").records;
        assert!(is_sliced(&found), "what this process wrote needs no checking");
        engine.close().await;
        drop((log, engine));
        for flips in [false, true] {
            let (engine, _) = LogEngine::open(Env::real(), &root, LogConfig::default()).expect("open again");
            let log = engine.all().remove(0);
            if flips {
                let path = root.join("topics/t-0/00000000000000000000.log");
                let mut bytes = std::fs::read(&path).expect("the segment");
                bytes[sent[0].len() + 1000] ^= 1;
                std::fs::write(&path, bytes).expect("written");
                assert!(log.find(0, sent[0].len(), true).is_ok(), "the first batch is whole");
                let told = log.find(2, 1 << 20, true);
                let at_second = sent[0].len() as u64;
                assert!(matches!(told, Err(ReadError::Damaged { at, .. }) if at == at_second), "{told:?}");
            } else {
                let first = log.find(0, 1 << 20, true).expect("found").records;
                assert!(!is_sliced(&first), "it was not checked since the start");
                let second = log.find(0, 1 << 20, true).expect("found").records;
                assert!(is_sliced(&second));
                let all: Vec<_> = read_all(&log, 1 << 20).into_iter().map(|seen| seen.body).collect();
                assert_eq!(all, sent.iter().map(body).collect::<Vec<_>>());
            }
            engine.close().await;
        }
    });
}
