//! The floor's process: listens, says where, serves one generator, and ends with it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use poruka_env::Env;
use poruka_guarantee::Durability;
use poruka_wire::records::{Limits, validate};

use super::synced::Syncer;
use super::{FloorChild, FloorKind};
use crate::conn::Conn;
use crate::error::{BenchError, During, Result};

/// Bytes of the ring that stands for Memory: what the broker keeps of a Memory partition.
const RING_BYTES: usize = 16 << 20;
/// A relay's file is written over and over within its first bytes: as a journal is, and small batches are all it gets.
const RELAY_FILE_BYTES: u64 = 64 << 20;

/// Where batches go.
enum Store {
    Ring { ring: Vec<u8>, at: usize },
    File { file: Arc<File>, at: u64, wrap: u64 },
}

impl Store {
    fn open(child: &FloorChild, class: Durability) -> Result<Store> {
        if class == Durability::Memory {
            // Written once, so that its pages are there.
            return Ok(Store::Ring { ring: vec![1; RING_BYTES], at: 0 });
        }
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&child.file);
        let file = Arc::new(file.map_err(|source| BenchError::Folder { path: child.file.clone(), source })?);
        let wrap = match child.kind {
            FloorKind::Relay(_) => {
                let piece = vec![0; 1 << 20];
                let write = |at| file.write_all_at(&piece, at);
                (0..RELAY_FILE_BYTES).step_by(piece.len()).try_for_each(write).during("write the file")?;
                file.sync_all().during("sync the file")?;
                RELAY_FILE_BYTES
            }
            _ => u64::MAX,
        };
        Ok(Store::File { file, at: 0, wrap })
    }

    fn put(&mut self, batch: &[u8]) -> Result<()> {
        match self {
            Store::Ring { ring, at } => {
                if *at + batch.len() > ring.len() {
                    *at = 0;
                }
                let place = ring.get_mut(*at..*at + batch.len());
                let place =
                    place.ok_or_else(|| BenchError::Wrong("a batch is larger than the ring".into()))?;
                place.copy_from_slice(batch);
                *at += batch.len();
            }
            Store::File { file, at, wrap } => {
                if *at + batch.len() as u64 > *wrap {
                    *at = 0;
                }
                file.write_all_at(batch, *at).during("write the file")?;
                *at += batch.len() as u64;
            }
        }
        Ok(())
    }
}

/// Serves one generator; `say` is told the address first.
///
/// # Errors
/// A folder, file or socket that cannot be used, or a batch that is not sound.
pub fn run_child(env: &Env, child: &FloorChild, say: impl FnOnce(&str)) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").during("listen")?;
    // What takes time comes before the address is told.
    let store = match child.kind {
        FloorKind::Sink(class) | FloorKind::Relay(class) => Some((class, Store::open(child, class)?)),
        FloorKind::Source => None,
    };
    let addr = listener.local_addr().during("listen")?;
    say(&addr.to_string());
    let producer = accept(&listener)?;
    let Some((class, store)) = store else { return source(child, producer) };
    let consumer = match child.kind {
        FloorKind::Relay(_) => Some(accept(&listener)?),
        _ => None,
    };
    match (class, &store) {
        (Durability::Synced, Store::File { file, .. }) => {
            let syncer = Syncer::start(env, Arc::clone(file), sending(&producer)?, consumer)?;
            sink(producer, store, |number, base, batch| syncer.push(number, base, batch))?;
            syncer.finish()
        }
        _ => {
            let mut answers = sending(&producer)?;
            let mut consumer = consumer;
            sink(producer, store, |number, base, batch| {
                answers.write_all(&answer(number, base)).during("answer")?;
                match &mut consumer {
                    Some(consumer) => consumer.write_all(&relayed(batch)).during("pass a batch on"),
                    None => Ok(()),
                }
            })
        }
    }
}

fn accept(listener: &TcpListener) -> Result<TcpStream> {
    let (stream, _) = listener.accept().during("accept")?;
    stream.set_nodelay(true).during("accept")?;
    Ok(stream)
}

fn sending(stream: &TcpStream) -> Result<TcpStream> {
    stream.try_clone().during("share a socket")
}

/// Takes batches until the generator goes; `done` is called once a batch is stored.
fn sink(
    producer: TcpStream,
    mut store: Store,
    mut done: impl FnMut(i32, i64, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut conn = Conn::over(producer).during("share a socket")?;
    let limits = Limits::default();
    let mut offset = 0;
    while let Some(frame) = conn.frame_or_end()? {
        let (number, batch) = frame.split_first_chunk::<4>().ok_or_else(short)?;
        let info = validate(batch, &limits)?;
        store.put(batch)?;
        done(i32::from_be_bytes(*number), offset, batch)?;
        offset += i64::from(info.header.record_count);
    }
    Ok(())
}

fn short() -> BenchError {
    BenchError::Wrong("a frame is cut short".to_owned())
}

pub(super) fn answer(number: i32, base_offset: i64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&12_u32.to_be_bytes());
    bytes[4..8].copy_from_slice(&number.to_be_bytes());
    bytes[8..].copy_from_slice(&base_offset.to_be_bytes());
    bytes
}

pub(super) fn relayed(batch: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(8 + batch.len());
    frame.extend_from_slice(&(4 + batch.len() as u32).to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(batch);
    frame
}

/// Gives pieces of the file until the generator goes.
fn source(child: &FloorChild, generator: TcpStream) -> Result<()> {
    let file = File::open(&child.file);
    let file = file.map_err(|source| BenchError::Folder { path: child.file.clone(), source })?;
    let mut answers = sending(&generator)?;
    let mut conn = Conn::over(generator).during("share a socket")?;
    let mut piece = Vec::new();
    while let Some(frame) = conn.frame_or_end()? {
        let fields: &[u8; 16] = frame.first_chunk().ok_or_else(short)?;
        let (number, rest) = fields.split_first_chunk::<4>().ok_or_else(short)?;
        let (position, bytes) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        let bytes = u32::from_be_bytes(*bytes.first_chunk().ok_or_else(short)?);
        let whole = 8 + bytes as usize;
        if piece.len() < whole {
            piece.resize(whole, 0);
        }
        piece[..4].copy_from_slice(&(4 + bytes).to_be_bytes());
        piece[4..8].copy_from_slice(number);
        let position = u64::from_be_bytes(*position);
        file.read_exact_at(&mut piece[8..whole], position).during("read the file")?;
        answers.write_all(&piece[..whole]).during("send a piece")?;
    }
    Ok(())
}
