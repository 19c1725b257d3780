//! `kafka://host:port`, the address of a broker.

use std::fmt;
use std::str::FromStr;

/// Kafka's usual port.
const PORT_DEFAULT: u16 = 9092;
/// Bootstrap addresses in one text.
const ADDRESSES_MAX: usize = 64;

/// Where to find a cluster: one or more "host:port", of which any may answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Each in the form "host:port".
    pub bootstrap: Vec<String>,
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no address: {why}; write kafka://host:port, several joined by commas")]
pub struct BadAddress {
    given: String,
    why: &'static str,
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(given: &str) -> Result<Address, BadAddress> {
        let bad = |why| BadAddress { given: given.chars().take(200).collect(), why };
        let rest = match given.split_once("://") {
            Some(("kafka", rest)) => rest,
            Some(_) => return Err(bad("the scheme is not kafka")),
            None => given,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut bootstrap = Vec::new();
        for one in rest.split(',').map(str::trim) {
            bootstrap.push(host_and_port(one).map_err(bad)?);
        }
        if bootstrap.len() > ADDRESSES_MAX {
            return Err(bad("more than 64 hosts"));
        }
        Ok(Address { bootstrap })
    }
}

fn host_and_port(one: &str) -> Result<String, &'static str> {
    if one.contains(['/', '?', '#', '@', ' ']) {
        return Err("only host and port are understood");
    }
    // An IPv6 address stands in brackets, so that its colons are not taken for a port's.
    let (host, port) = match one.rfind(']') {
        Some(end) if one.starts_with('[') => (&one[..=end], one[end + 1..].strip_prefix(':')),
        Some(_) => return Err("a bracket is in the wrong place"),
        None => one.split_once(':').map_or((one, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() || host == "[]" {
        return Err("the host is missing");
    }
    let port = match port {
        None if one.len() > host.len() => return Err("what follows the bracket is no port"),
        None => PORT_DEFAULT,
        Some(text) => match text.parse::<u16>() {
            Ok(port @ 1..) => port,
            _ => return Err("the port is not a number from 1 to 65535"),
        },
    };
    Ok(format!("{host}:{port}"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka://{}", self.bootstrap.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_or_without_scheme_and_port() {
        let read = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        assert_eq!(read("kafka://a:1"), Ok("kafka://a:1".to_owned()));
        assert_eq!(read("a"), Ok("kafka://a:9092".to_owned()));
        assert_eq!(read("kafka://a:1,b,[::1]:7/"), Ok("kafka://a:1,b:9092,[::1]:7".to_owned()));
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_form_that_is() {
        for text in
            ["", "kafka://", "http://a:1", "a:0", "a:70000", "a:b", "a:1,", "u@a", "[::1]x", "a]", "a/b"]
        {
            let refused = text.parse::<Address>().unwrap_err().to_string();
            assert!(refused.contains("kafka://host:port"), "{text}: {refused}");
        }
    }
}
