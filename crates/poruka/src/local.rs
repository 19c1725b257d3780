//! The way to a broker in the same process: frames handed over by a function call.
//!
//! There is one broker, so every address leads to it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use poruka_broker::{Broker, LocalConnection};
use poruka_client::net::{Dial, Dialer, FrameReply, Transport, TransportError};
use tokio::sync::Notify;

/// Bytes of the size prefix that frames have on a socket.
const SIZE_BYTES: usize = 4;

/// Makes connections to a broker in this process.
pub(crate) struct LocalDialer {
    broker: Broker,
}

impl LocalDialer {
    pub(crate) fn new(broker: Broker) -> LocalDialer {
        LocalDialer { broker }
    }
}

impl Dialer for LocalDialer {
    fn dial(&self, _address: &str) -> Dial {
        let shared = Arc::new(Shared { closed: AtomicBool::new(false), changed: Notify::new() });
        let transport = LocalTransport { connection: self.broker.connect_local(), shared };
        Box::pin(std::future::ready(Ok(Arc::new(transport) as Arc<dyn Transport>)))
    }
}

struct Shared {
    closed: AtomicBool,
    changed: Notify,
}

impl Shared {
    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    async fn closed(&self) {
        loop {
            let changed = self.changed.notified();
            if self.closed.load(Ordering::Acquire) {
                return;
            }
            changed.await;
        }
    }
}

struct LocalTransport {
    connection: LocalConnection,
    shared: Arc<Shared>,
}

impl Transport for LocalTransport {
    fn call(&self, frame: Bytes, _expects_response: bool) -> FrameReply {
        if self.is_closed() || frame.len() < SIZE_BYTES {
            return Box::pin(std::future::ready(Err(TransportError::NotSent(
                "the connection is closed".to_owned(),
            ))));
        }
        let (connection, shared) = (self.connection.clone(), Arc::clone(&self.shared));
        let mut reply: FrameReply = Box::pin(async move {
            tokio::select! {
                biased;
                answered = connection.call(frame.slice(SIZE_BYTES..)) => answered.map_err(|closed| {
                    shared.close();
                    TransportError::Lost(closed.to_string())
                }),
                () = shared.closed() => Err(TransportError::Lost("the connection was closed".to_owned())),
            }
        });
        // The request takes its place in the order now, not when somebody awaits the answer.
        match reply.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Box::pin(std::future::ready(answer)),
            Poll::Pending => reply,
        }
    }

    fn close(&self) {
        self.shared.close();
    }

    fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    fn closed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.shared.closed())
    }
}
