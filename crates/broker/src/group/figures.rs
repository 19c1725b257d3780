//! How many groups, members and offsets there are, for whoever watches the broker. Counted when it is asked for.

use std::collections::BTreeMap;

use super::state::{Group, State};

/// What there is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct GroupFigures {
    /// Groups by protocol ("classic", "consumer") and state.
    pub groups: BTreeMap<(&'static str, &'static str), usize>,
    /// Members by protocol.
    pub members: BTreeMap<&'static str, usize>,
    /// Committed offsets of all groups.
    pub offsets: usize,
    /// Offsets that retention removed since the start.
    pub offsets_expired: u64,
}

impl State {
    pub(crate) fn figures(&self) -> GroupFigures {
        let mut figures = GroupFigures {
            members: BTreeMap::from([("classic", 0), ("consumer", 0)]),
            offsets: self.offsets.total(),
            offsets_expired: self.offsets.expired,
            ..GroupFigures::default()
        };
        for group in self.groups.values() {
            let (protocol, state, members) = match group {
                Group::Classic(group) => ("classic", group.state_name(), group.member_count()),
                Group::Consumer(group) => ("consumer", group.state_name(), group.member_count()),
            };
            *figures.groups.entry((protocol, state)).or_default() += 1;
            *figures.members.entry(protocol).or_default() += members;
        }
        figures
    }
}
