//! The real host keeps the promises of the seam: tasks end and are joined, time limits cut, sockets carry
//! bytes, a folder's lock names its holder.

use std::io::IoSlice;
use std::time::Duration;

use poruka_env::{Ended, Env, LockError, OpenMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .expect("a runtime")
        .block_on(test);
}

#[test]
fn an_aborted_task_ends_and_says_so() {
    run(async {
        let env = Env::real();
        let forever = env.spawn("forever", std::future::pending());
        forever.abort();
        assert_eq!(forever.join().await, Ended::Aborted);
        let soon = env.spawn("soon", async {});
        assert_eq!(soon.join().await, Ended::Finished);
        assert!(soon.is_finished());
    });
}

#[test]
fn a_panic_in_a_task_stays_in_the_task() {
    run(async {
        let env = Env::real();
        let bad = env.spawn("bad", async { panic!("on purpose") });
        assert_eq!(bad.join().await, Ended::Panicked);
    });
}

#[test]
fn a_time_limit_cuts_what_waits_and_spares_what_is_ready() {
    run(async {
        let env = Env::real();
        assert!(env.timeout(Duration::from_millis(1), std::future::pending::<()>()).await.is_err());
        assert_eq!(env.timeout(Duration::ZERO, async { 7 }).await, Ok(7));
        let before = env.now();
        env.sleep(Duration::from_millis(3)).await;
        assert!(env.now() - before >= Duration::from_millis(3));
    });
}

#[test]
fn a_socket_carries_bytes_both_ways() {
    run(async {
        let env = Env::real();
        let listener = env.listen("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let echo = env.spawn("echo", async move {
            let (mut stream, peer) = listener.accept().await.unwrap();
            assert!(peer.starts_with("127.0.0.1:"));
            let mut four = [0; 4];
            stream.read_exact(&mut four).await.unwrap();
            stream.write_all(&four).await.unwrap();
        });
        let mut stream = env.connect(&addr).await.unwrap();
        assert!(stream.is_write_vectored());
        stream.write_all(b"ping").await.unwrap();
        let mut back = [0; 4];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"ping");
        assert_eq!(echo.join().await, Ended::Finished);
    });
}

#[test]
fn a_task_can_be_started_from_a_plain_thread() {
    run(async {
        let env = Env::real();
        let (send, receive) = tokio::sync::oneshot::channel();
        let inner = env.clone();
        let thread = env
            .spawn_thread("plain", move || {
                inner.spawn("from a thread", async move { send.send(5).unwrap() });
            })
            .unwrap();
        assert_eq!(receive.await, Ok(5));
        assert!(thread.join());
    });
}

#[test]
fn a_file_keeps_vectored_writes_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let env = Env::real();
    let file = env.disk().open(&folder.path().join("a"), OpenMode::CreateNew).unwrap();
    let piece = [7u8; 3];
    let many: Vec<IoSlice<'_>> = (0..3000).map(|_| IoSlice::new(&piece)).collect();
    file.write_vectored_at(&many, 5).unwrap();
    assert_eq!(file.len().unwrap(), 9005);
    let mut all = vec![1; 9005];
    file.read_exact_at(&mut all, 0).unwrap();
    assert_eq!(&all[..5], &[0; 5]);
    assert!(all[5..].iter().all(|&byte| byte == 7));
    assert_eq!(file.read_at(&mut all, 9005).unwrap(), 0);
    assert_eq!(env.disk().list(folder.path()).unwrap(), ["a"]);
}

#[test]
fn a_second_lock_is_refused_and_names_the_holder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let env = Env::real();
    let held = env.disk().lock(&path).unwrap();
    match env.disk().lock(&path) {
        Err(LockError::HeldBy(pid)) => assert_eq!(pid, std::process::id()),
        other => panic!("taken twice: {other:?}"),
    }
    drop(held);
    env.disk().lock(&path).unwrap();
}
