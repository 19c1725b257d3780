//! The engine on the real host: threads, a real folder, a real sync.

use crate::common::{batch, body, read_all, spec};
use poruka_env::Env;
use poruka_log::{Class, LogConfig, LogEngine, OpenError, Origin, StateLog};

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
