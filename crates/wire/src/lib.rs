//! The Kafka wire protocol: bounded decoding, one short file per API, record batches. Pure, no I/O.
