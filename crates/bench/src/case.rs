//! What is measured, as data: one row a case.

use poruka_guarantee::Durability::{self, Cached, Memory, Synced};

/// The kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Batches as fast as they are acknowledged.
    Produce { partitions: i32, batch_bytes: usize },
    /// A log read from the page cache.
    Consume,
    /// Records at a fixed rate with a waiting consumer.
    Paced,
    /// From the start of the process to the first acknowledgement, on a folder with this much in it.
    Start { bytes: u64 },
    /// Memory while so many connections do nothing.
    Idle { connections: usize },
    /// Memory while so many consumers ask for more than they read.
    Slow { consumers: usize },
    /// The size of the program.
    Binary,
}

/// A case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) class: Durability,
    pub(crate) load: Load,
    pub(crate) record_bytes: usize,
    /// Bytes of records in one run, for loads that have no rate.
    pub(crate) bytes: u64,
    pub(crate) what: &'static str,
}

/// What producers send at most in one batch by default.
pub(crate) const BATCH_BYTES: usize = 1_000_000;
const MB: u64 = 1_000_000;
const WHOLE: Load = Load::Produce { partitions: 1, batch_bytes: BATCH_BYTES };

const fn case(
    name: &'static str,
    class: Durability,
    load: Load,
    record_bytes: usize,
    bytes: u64,
    what: &'static str,
) -> Case {
    Case { name, class, load, record_bytes, bytes, what }
}

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    case("produce-memory-100",    Memory, WHOLE, 100,  300 * MB, "1 MB batches, 5 in flight"),
    case("produce-cached-100",    Cached, WHOLE, 100,  300 * MB, "1 MB batches, 5 in flight"),
    case("produce-synced-100",    Synced, WHOLE, 100,  300 * MB, "1 MB batches, 5 in flight"),
    case("produce-memory-1k",     Memory, WHOLE, 1024, 500 * MB, "1 MB batches, 5 in flight"),
    case("produce-cached-1k",     Cached, WHOLE, 1024, 500 * MB, "1 MB batches, 5 in flight"),
    case("produce-synced-1k",     Synced, WHOLE, 1024, 500 * MB, "1 MB batches, 5 in flight"),
    case("partitions-synced-1k",  Synced, Load::Produce { partitions: 1000, batch_bytes: BATCH_BYTES }, 1024, 500 * MB,
        "the same batches over 1,000 partitions"),
    case("consume-100",           Cached, Load::Consume, 100,  300 * MB, "from the page cache, fetches as clients' defaults"),
    case("consume-1k",            Cached, Load::Consume, 1024, 500 * MB, "from the page cache, fetches as clients' defaults"),
    case("paced-memory",          Memory, Load::Paced, 100, 0, "a fixed rate, one record a request, a waiting consumer"),
    case("paced-cached",          Cached, Load::Paced, 100, 0, "a fixed rate, one record a request, a waiting consumer"),
    case("paced-synced",          Synced, Load::Paced, 100, 0, "a fixed rate, one record a request, a waiting consumer"),
    case("start-empty",           Synced, Load::Start { bytes: 0 }, 1024, 0, "start to first acknowledgement, empty folder"),
    case("start-1gb",             Synced, Load::Start { bytes: 1_000 * MB }, 1024, 0,
        "start to first acknowledgement, 1 GB of data, after SIGKILL"),
    case("idle",                  Synced, Load::Idle { connections: 0 }, 0, 0, "memory of a broker that has nothing to do"),
    case("idle-1000",             Synced, Load::Idle { connections: 1000 }, 0, 0, "memory with 1,000 idle connections"),
    case("slow-consumers",        Cached, Load::Slow { consumers: 100 }, 1024, 100 * MB,
        "memory with 100 consumers that ask for 50 MB each and read nothing"),
    case("binary",                Synced, Load::Binary, 0, 0, "size of the program, stripped"),
];

impl Case {
    /// Whether a broker that somebody else has started can be measured.
    pub(crate) fn fits_any_broker(&self) -> bool {
        !matches!(self.load, Load::Start { .. } | Load::Idle { .. } | Load::Binary)
    }

    /// The names of the classes, for a broker that has none: only one case of each kind is left then.
    pub(crate) fn fits_one_class(&self) -> bool {
        let several = matches!(self.load, Load::Produce { .. } | Load::Paced);
        !several || self.class == Synced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        for (index, case) in CASES.iter().enumerate() {
            assert!(CASES[..index].iter().all(|before| before.name != case.name), "{}", case.name);
        }
    }
}
