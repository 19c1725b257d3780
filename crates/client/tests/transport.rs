//! The transport over a stream: what counts as not sent and what as lost, order, bounds, and peers that are no brokers.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use poruka_client::net::{TcpTransport, Transport, TransportError};
use poruka_env::sim::Sim;
use poruka_env::{Env, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A request frame with its size, and room for a body.
fn request(correlation_id: i32, body: usize) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i32(i32::try_from(8 + body).expect("small"));
    frame.put_i16(18);
    frame.put_i16(0);
    frame.put_i32(correlation_id);
    frame.put_bytes(0, body);
    frame.freeze()
}

async fn pair(env: &Env) -> (TcpTransport, Box<dyn Stream>) {
    let listener = env.listen("127.0.0.1:0").await.expect("listen");
    let address = listener.local_addr().expect("address");
    let client = env.connect(&address).await.expect("connect");
    let (server, _) = listener.accept().await.expect("accept");
    (TcpTransport::start(env, client), server)
}

async fn read_request(server: &mut Box<dyn Stream>) -> i32 {
    let size = server.read_i32().await.expect("a size");
    let mut body = vec![0; usize::try_from(size).expect("a size")];
    server.read_exact(&mut body).await.expect("a body");
    i32::from_be_bytes([body[4], body[5], body[6], body[7]])
}

async fn respond(server: &mut Box<dyn Stream>, correlation_id: i32, body: &[u8]) {
    server.write_i32(i32::try_from(4 + body.len()).expect("small")).await.expect("write");
    server.write_i32(correlation_id).await.expect("write");
    server.write_all(body).await.expect("write");
    server.flush().await.expect("flush");
}

#[test]
fn requests_are_pipelined_and_answered_in_order() {
    let sim = Sim::new(1);
    let env = sim.env();
    sim.block_on(async {
        let (transport, mut server) = pair(&env).await;
        let replies: Vec<_> = (0..50).map(|id| transport.call(request(id, 100), true)).collect();
        for id in 0..50 {
            assert_eq!(read_request(&mut server).await, id, "the order of calls is the order on the wire");
        }
        for id in 0..50 {
            respond(&mut server, id, &[id as u8]).await;
        }
        for (id, reply) in replies.into_iter().enumerate() {
            let frame = reply.await.expect("answered").expect("a frame");
            assert_eq!(frame[4], id as u8);
        }
    });
}

#[test]
fn a_request_that_was_written_is_lost_with_its_connection_and_the_next_one_is_not_sent() {
    let sim = Sim::new(2);
    let env = sim.env();
    sim.block_on(async {
        let (transport, mut server) = pair(&env).await;
        let reply = transport.call(request(7, 10), true);
        read_request(&mut server).await;
        drop(server);
        assert!(matches!(reply.await, Err(TransportError::Lost(_))));
        assert!(transport.is_closed());
        let late = transport.call(request(8, 10), true).await;
        assert!(matches!(late, Err(TransportError::NotSent(_))), "{late:?}");
    });
}

#[test]
fn what_still_waits_to_be_written_when_the_connection_closes_is_not_sent() {
    let sim = Sim::new(3);
    let env = sim.env();
    sim.block_on(async {
        let (transport, _server) = pair(&env).await;
        // Nobody reads: the first one fills what the network takes, the others wait behind it.
        let first = transport.call(request(1, 64 << 20), true);
        env.sleep(Duration::from_secs(1)).await;
        let waiting = transport.call(request(2, 10), true);
        transport.close();
        assert!(matches!(first.await, Err(TransportError::Lost(_))), "some of it was written");
        assert!(matches!(waiting.await, Err(TransportError::NotSent(_))));
    });
}

#[test]
fn a_request_without_an_answer_is_ready_once_it_is_written() {
    let sim = Sim::new(4);
    let env = sim.env();
    sim.block_on(async {
        let (transport, mut server) = pair(&env).await;
        assert_eq!(transport.call(request(1, 10), false).await, Ok(None));
        let answered = transport.call(request(2, 10), true);
        assert_eq!(read_request(&mut server).await, 1);
        assert_eq!(read_request(&mut server).await, 2);
        respond(&mut server, 2, b"x").await;
        assert!(answered.await.expect("answered").is_some());
    });
}

#[test]
fn an_answer_to_something_else_closes_the_connection() {
    let sim = Sim::new(5);
    let env = sim.env();
    sim.block_on(async {
        let (transport, mut server) = pair(&env).await;
        let first = transport.call(request(1, 10), true);
        let second = transport.call(request(2, 10), true);
        respond(&mut server, 2, b"x").await;
        assert!(matches!(first.await, Err(TransportError::Lost(_))));
        assert!(matches!(second.await, Err(TransportError::Lost(_))));
        transport.closed().await;
    });
}

#[test]
fn a_peer_that_speaks_http_is_named_as_no_kafka_broker_and_costs_no_memory() {
    let sim = Sim::new(6);
    let env = sim.env();
    sim.block_on(async {
        let (transport, mut server) = pair(&env).await;
        let reply = transport.call(request(1, 10), true);
        server.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("write");
        let Err(TransportError::Lost(why)) = reply.await else { panic!("not lost") };
        assert!(why.contains("does not speak the Kafka protocol"), "{why}");
    });
}

#[test]
fn a_dropped_reply_leaves_its_place_and_the_next_answer_finds_its_request() {
    let sim = Sim::new(7);
    let env = sim.env();
    sim.block_on(async {
        let (transport, mut server) = pair(&env).await;
        drop(transport.call(request(1, 10), true));
        let second = transport.call(request(2, 10), true);
        respond(&mut server, 1, b"a").await;
        respond(&mut server, 2, b"b").await;
        assert_eq!(&second.await.expect("answered").expect("a frame")[4..], b"b");
    });
}

#[test]
fn too_many_waiting_requests_are_not_sent() {
    let sim = Sim::new(8);
    let env = sim.env();
    sim.block_on(async {
        let (transport, _server) = pair(&env).await;
        let replies: Vec<_> = (0..1000).map(|id| transport.call(request(id, 0), true)).collect();
        let last = replies.into_iter().last().expect("one").await;
        assert!(matches!(last, Err(TransportError::NotSent(_))), "{last:?}");
    });
}
