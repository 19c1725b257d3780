//! A few Kafka requests written by hand, byte by byte: readiness and topics for the tests of other people's clients.
//! Shares nothing with `crates/wire`. Versions are old and without tagged fields: Metadata 4, CreateTopics 2.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::failure::{Context, Result, ensure};

const TIMEOUT: Duration = Duration::from_secs(15);
const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// How many brokers the node at `address` knows, if it answers.
pub(crate) fn broker_count(address: &str) -> Result<i32> {
    let mut body = Vec::new();
    body.extend(0i32.to_be_bytes()); // no topics
    body.push(0); // create none
    let answer = call(address, 3, 4, &body)?;
    let mut fields = Fields(&answer);
    fields.i32()?; // throttle
    fields.i32()
}

/// Makes a topic. A topic that exists already is an error.
pub(crate) fn create_topic(address: &str, name: &str, partitions: i32) -> Result<()> {
    create_topic_with(address, name, partitions, None)
}

/// The same, with one setting.
pub(crate) fn create_topic_with(
    address: &str,
    name: &str,
    partitions: i32,
    setting: Option<(&str, &str)>,
) -> Result<()> {
    let mut body = Vec::new();
    body.extend(1i32.to_be_bytes());
    string(&mut body, name);
    body.extend(partitions.to_be_bytes());
    body.extend(1i16.to_be_bytes()); // replication factor
    body.extend(0i32.to_be_bytes()); // assignments
    body.extend(i32::from(setting.is_some()).to_be_bytes()); // configs
    if let Some((name, value)) = setting {
        string(&mut body, name);
        string(&mut body, value);
    }
    body.extend(10_000i32.to_be_bytes()); // timeout
    body.push(0); // not only validate
    let answer = call(address, 19, 2, &body)?;
    let mut fields = Fields(&answer);
    fields.i32()?; // throttle
    ensure!(fields.i32()? == 1, "CreateTopics answered for another number of topics");
    fields.string()?;
    let error = fields.i16()?;
    ensure!(error == 0, "CreateTopics {name}: error {error} {}", fields.string()?);
    Ok(())
}

fn call(address: &str, key: i16, version: i16, body: &[u8]) -> Result<Vec<u8>> {
    let target = address.parse().context(format!("address {address}"))?;
    let mut stream = TcpStream::connect_timeout(&target, TIMEOUT).context("connect")?;
    stream.set_read_timeout(Some(TIMEOUT)).context("set timeout")?;
    let mut frame = Vec::new();
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(7i32.to_be_bytes()); // correlation id
    string(&mut frame, "xtask");
    frame.extend(body);
    let size = i32::try_from(frame.len()).context("frame size")?;
    stream.write_all(&[&size.to_be_bytes(), &frame[..]].concat()).context("send")?;
    let mut size = [0; 4];
    stream.read_exact(&mut size).context("receive")?;
    let size = usize::try_from(i32::from_be_bytes(size)).context("response size")?;
    ensure!((4..=RESPONSE_BYTES_MAX).contains(&size), "response of {size} bytes");
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer).context("receive")?;
    ensure!(answer[..4] == 7i32.to_be_bytes(), "response to another request");
    Ok(answer.split_off(4))
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as i16).to_be_bytes());
    out.extend(text.as_bytes());
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk().ok_or("it ends early").context("response")?;
        self.0 = rest;
        Ok(*head)
    }

    fn i16(&mut self) -> Result<i16> {
        self.take().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32> {
        self.take().map(i32::from_be_bytes)
    }

    fn string(&mut self) -> Result<String> {
        let length = usize::try_from(self.i16()?).unwrap_or(0);
        let (head, rest) = self.0.split_at_checked(length).ok_or("it ends early").context("response")?;
        self.0 = rest;
        Ok(String::from_utf8_lossy(head).into_owned())
    }
}
