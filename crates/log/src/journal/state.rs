//! The journal as a pure state machine: what is pushed, what is in flight, what is durable. No I/O, no clock, no locks.
//!
//! `push` puts an entry into the open group; `take_group` closes the oldest group and says where it belongs;
//! `group_done` says that its sync returned, or failed. One group is in flight at a time, so that the order in which
//! entries become durable is the order in which they were pushed. A failed sync poisons the machine for good.
//!
//! `T` is what the caller wants to hear of when a group is durable; `S` is a segment that must be synced with it.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::entry::Entry;
use super::group::{self, GROUP_BYTES_MAX, GROUP_HEADER_BYTES, GroupHeader};

/// Sizes of the ring of journal files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Size of one file.
    pub(crate) file_bytes: usize,
    /// Number of files; lap `l` lies in file `l % files`.
    pub(crate) files: u64,
    /// The folder's mark, in every group.
    pub(crate) mark: u64,
}

impl Shape {
    /// A group is closed at this size.
    pub(crate) fn group_bytes_max(self) -> usize {
        GROUP_BYTES_MAX.min(self.file_bytes / 4)
    }

    /// Longest payload of an entry that surely fits into a file.
    pub(crate) fn payload_bytes_max(self) -> usize {
        super::entry::ENTRY_PAYLOAD_BYTES_MAX.min(self.file_bytes / 4)
    }
}

/// Where the journal is: everything before is in the checkpoint or in groups already written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) lap: u64,
    /// Byte in the lap's file at which the next group starts.
    pub(crate) at: u64,
    /// Number of the next group.
    pub(crate) group: u64,
    /// Index of the next entry.
    pub(crate) index: u64,
    /// Checksum of the entry before it.
    pub(crate) previous_crc: u32,
}

impl Position {
    /// The first position of a new folder.
    pub(crate) const START: Position = Position { lap: 1, at: 0, group: 1, index: 1, previous_crc: 0 };
}

/// Why an entry was not taken. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A sync failed before: nothing is acknowledged until a restart.
    Poisoned,
    /// The disk is full; the group in flight is tried again until there is room.
    Full,
    /// The engine is closing.
    Closed,
}

/// A slot in the open group that a caller may update instead of adding another.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hint {
    serial: u64,
    slot: usize,
}

/// A group on its way to the disk.
#[derive(Debug)]
pub(crate) struct Group<S> {
    /// Lap, hence file.
    pub(crate) lap: u64,
    /// First byte in the file.
    pub(crate) at: u64,
    /// The bytes to write, header and padding included.
    pub(crate) bytes: BytesMut,
    /// How many entries there are in them.
    pub(crate) entries: u32,
    /// Segments that must be synced before the group counts.
    pub(crate) segments: Vec<S>,
}

/// A header without entries, to be written where the next group will go.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) lap: u64,
    pub(crate) at: u64,
    pub(crate) bytes: [u8; group::PROOF_BYTES],
}

/// What a durable group brought about.
#[derive(Debug)]
pub(crate) struct Done<T> {
    /// In push order.
    pub(crate) touched: Vec<T>,
    /// Every entry up to this index is durable.
    pub(crate) index: u64,
}

#[derive(Debug)]
struct Open<T, S> {
    serial: u64,
    buffer: BytesMut,
    entries: u32,
    touched: Vec<T>,
    segments: Vec<(u64, S)>,
}

impl<T, S> Open<T, S> {
    fn new(serial: u64, mut buffer: BytesMut) -> Self {
        buffer.clear();
        buffer.resize(GROUP_HEADER_BYTES, 0);
        Self { serial, buffer, entries: 0, touched: Vec::new(), segments: Vec::new() }
    }
}

#[derive(Debug)]
struct InFlight<T> {
    next: Position,
    touched: Vec<T>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct JournalState<T, S> {
    shape: Shape,
    /// Where the next group goes.
    position: Position,
    /// Index that the next pushed entry gets.
    next_index: u64,
    /// The lap that recovery would start at; its file and later ones may not be overwritten.
    checkpoint_lap: u64,
    open: Open<T, S>,
    closed: VecDeque<Open<T, S>>,
    in_flight: Option<InFlight<T>>,
    /// Bytes pushed and not yet durable.
    backlog_bytes: usize,
    in_flight_bytes: usize,
    full: bool,
    poisoned: bool,
    closed_for_good: bool,
    /// No group says yet that the newest one's sync has returned.
    unproven: bool,
    spare: Option<BytesMut>,
}

impl<T, S: Clone> JournalState<T, S> {
    pub(crate) fn new(shape: Shape, position: Position) -> Self {
        Self {
            shape,
            position,
            next_index: position.index,
            checkpoint_lap: position.lap,
            open: Open::new(1, BytesMut::new()),
            closed: VecDeque::new(),
            in_flight: None,
            backlog_bytes: 0,
            in_flight_bytes: 0,
            full: false,
            poisoned: false,
            closed_for_good: false,
            unproven: false,
            spare: None,
        }
    }

    /// Refuses what `push` would refuse.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        match self {
            Self { poisoned: true, .. } => Err(Refused::Poisoned),
            Self { closed_for_good: true, .. } => Err(Refused::Closed),
            Self { full: true, .. } => Err(Refused::Full),
            _ => Ok(()),
        }
    }

    /// Takes an entry into the open group and returns its index.
    pub(crate) fn push(&mut self, entry: &Entry<'_>) -> Result<u64, Refused> {
        self.check()?;
        let size = entry.size();
        if self.open.entries > 0 && self.open.buffer.len() + size > self.shape.group_bytes_max() {
            self.close_open();
        }
        entry.encode(&mut self.open.buffer);
        self.open.entries += 1;
        self.backlog_bytes += size;
        self.next_index += 1;
        Ok(self.next_index - 1)
    }

    /// Remembers what to tell when the entry just pushed is durable; replaces what `hint` points at, if it is
    /// still in the same group.
    pub(crate) fn touch(&mut self, hint: &mut Hint, what: T) {
        if hint.serial == self.open.serial {
            self.open.touched[hint.slot] = what;
        } else {
            *hint = Hint { serial: self.open.serial, slot: self.open.touched.len() };
            self.open.touched.push(what);
        }
    }

    /// Remembers what to tell, without replacing anything.
    pub(crate) fn tell(&mut self, what: T) {
        self.touch(&mut Hint::default(), what);
    }

    /// Asks for `segment` to be synced with the open group; refused (false) when that would make more than
    /// `segments_max` of them.
    pub(crate) fn sync_with_group(&mut self, file: u64, segment: &S, segments_max: usize) -> bool {
        if self.open.segments.iter().any(|(known, _)| *known == file) {
            return true;
        }
        let room = self.open.segments.len() < segments_max;
        if room {
            self.open.segments.push((file, segment.clone()));
        }
        room
    }

    fn close_open(&mut self) {
        let buffer = self.spare.take().unwrap_or_default();
        let next = Open::new(self.open.serial + 1, buffer);
        self.closed.push_back(std::mem::replace(&mut self.open, next));
    }

    /// Closes and hands out the next group. `None`: nothing to do, one is in flight, or the ring has no room until a
    /// checkpoint is made (see [`JournalState::is_starved`]).
    pub(crate) fn take_group(&mut self) -> Option<Group<S>> {
        if self.poisoned || self.in_flight.is_some() {
            return None;
        }
        let entries_bytes = self.closed.front().unwrap_or(&self.open).buffer.len() - GROUP_HEADER_BYTES;
        if entries_bytes == 0 {
            return None;
        }
        let (lap, at) = self.place(group::span(entries_bytes))?;
        if self.closed.is_empty() {
            self.close_open();
        }
        let Open { mut buffer, entries, touched, segments, .. } = self.closed.pop_front()?;
        let header = GroupHeader {
            mark: self.shape.mark,
            bytes: 0,
            entries,
            lap,
            group: self.position.group,
            proven: self.position.group - 1,
            first_index: self.position.index,
            previous_crc: self.position.previous_crc,
        };
        let previous_crc = group::seal(&mut buffer, header);
        self.in_flight_bytes = entries_bytes;
        self.in_flight = Some(InFlight {
            next: Position {
                lap,
                at: at + buffer.len() as u64,
                group: header.group + 1,
                index: header.first_index + u64::from(entries),
                previous_crc,
            },
            touched,
        });
        let segments = segments.into_iter().map(|(_, segment)| segment).collect();
        Some(Group { lap, at, bytes: buffer, entries, segments })
    }

    fn place(&self, span: usize) -> Option<(u64, u64)> {
        let Position { lap, at, .. } = self.position;
        if at + span as u64 <= self.shape.file_bytes as u64 {
            return Some((lap, at));
        }
        // A group larger than a file still gets one to itself: the file grows for it.
        (lap + 1 < self.checkpoint_lap + self.shape.files).then_some((lap + 1, 0))
    }

    /// True when there is something to write and no room for it until a checkpoint is made.
    pub(crate) fn is_starved(&self) -> bool {
        let bytes = self.closed.front().unwrap_or(&self.open).buffer.len() - GROUP_HEADER_BYTES;
        !self.poisoned && self.in_flight.is_none() && bytes > 0 && self.place(group::span(bytes)).is_none()
    }

    /// The group in flight is on the disk. Its buffer comes back for reuse.
    pub(crate) fn group_done(&mut self, buffer: BytesMut) -> Done<T> {
        let Some(InFlight { next, touched }) = self.in_flight.take() else {
            return Done { touched: Vec::new(), index: self.durable_index() };
        };
        self.position = next;
        self.unproven = true;
        self.backlog_bytes -= std::mem::take(&mut self.in_flight_bytes);
        self.full = false;
        self.spare = Some(buffer);
        Done { touched, index: next.index - 1 }
    }

    /// The group in flight could not be written or synced: nothing more will ever be durable.
    /// Returns everything that waited.
    pub(crate) fn group_failed(&mut self) -> Vec<T> {
        self.poisoned = true;
        let mut lost: Vec<T> = self.in_flight.take().map(|group| group.touched).unwrap_or_default();
        for group in self.closed.drain(..) {
            lost.extend(group.touched);
        }
        lost.append(&mut self.open.touched);
        lost
    }

    /// True while nothing on the disk says that the newest group was synced.
    pub(crate) fn is_unproven(&self) -> bool {
        self.unproven && !self.poisoned
    }

    /// What says so, for the place where the next group will go. `None` when the file has no room there.
    pub(crate) fn take_proof(&mut self) -> Option<Proof> {
        let Position { lap, at, group, index, previous_crc } = self.position;
        let fits = at + group::PROOF_BYTES as u64 <= self.shape.file_bytes as u64;
        if !std::mem::take(&mut self.unproven) || self.in_flight.is_some() || self.poisoned || !fits {
            return None;
        }
        let bytes = group::proof(self.shape.mark, lap, group, index, previous_crc);
        Some(Proof { lap, at, bytes })
    }

    /// The disk has no room for the group in flight: refuse new entries until it has been written.
    pub(crate) fn set_full(&mut self) {
        self.full = true;
    }

    /// Nothing more is taken; what was pushed still becomes durable.
    pub(crate) fn close(&mut self) {
        self.closed_for_good = true;
    }

    /// Recovery would now start in that lap: older files may be overwritten.
    pub(crate) fn checkpointed(&mut self, lap: u64) {
        self.checkpoint_lap = self.checkpoint_lap.max(lap);
    }

    /// Where the next group goes: every entry before it is durable.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Index of the last entry pushed.
    pub(crate) fn last_index(&self) -> u64 {
        self.next_index - 1
    }

    /// Index of the last durable entry.
    pub(crate) fn durable_index(&self) -> u64 {
        self.position.index - 1
    }

    /// Laps begun since the checkpoint.
    pub(crate) fn laps_since_checkpoint(&self) -> u64 {
        self.position.lap - self.checkpoint_lap
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    pub(crate) fn backlog_bytes(&self) -> usize {
        self.backlog_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { file_bytes: 16 * 1024, files: 3, mark: 7 };

    fn state() -> JournalState<u32, u32> {
        JournalState::new(SHAPE, Position::START)
    }

    fn entry(bytes: &[u8]) -> Entry<'_> {
        Entry::Append {
            partition: 1,
            place: super::super::entry::Place { segment: 0, position: 0 },
            batch: bytes,
        }
    }

    #[test]
    fn nothing_is_told_before_its_group_is_done_and_then_in_order() {
        let mut state = state();
        for number in 0..3 {
            assert_eq!(state.push(&entry(b"x")), Ok(number + 1));
            state.tell(number as u32);
        }
        let group = state.take_group().expect("a group");
        state.push(&entry(b"y")).expect("pushed while one is in flight");
        state.tell(9);
        assert!(state.take_group().is_none(), "one group in flight at a time");
        let done = state.group_done(group.bytes);
        assert_eq!((done.touched, done.index), (vec![0, 1, 2], 3));
        assert_eq!(state.durable_index(), 3);
    }

    #[test]
    fn a_hint_replaces_only_inside_the_same_group() {
        let (mut state, mut hint) = (state(), Hint::default());
        for end in [10, 20] {
            state.push(&entry(b"x")).expect("pushed");
            state.touch(&mut hint, end);
        }
        let group = state.take_group().expect("a group");
        state.push(&entry(b"x")).expect("pushed");
        state.touch(&mut hint, 30);
        assert_eq!(state.group_done(group.bytes).touched, [20]);
        let group = state.take_group().expect("a group");
        assert_eq!(state.group_done(group.bytes).touched, [30]);
    }

    #[test]
    fn a_failure_loses_everything_that_waited_and_refuses_the_rest() {
        let mut state = state();
        state.push(&entry(b"x")).expect("pushed");
        state.tell(1);
        let _group = state.take_group().expect("a group");
        state.push(&entry(b"x")).expect("pushed");
        state.tell(2);
        assert_eq!(state.group_failed(), [1, 2]);
        assert_eq!(state.push(&entry(b"x")), Err(Refused::Poisoned));
        assert!(state.take_group().is_none());
    }

    #[test]
    fn a_file_that_recovery_needs_is_never_overwritten() {
        let mut state = state();
        let payload = [0; 3000];
        let mut laps = Vec::new();
        for _ in 0..100 {
            state.push(&entry(&payload)).expect("pushed");
            if let Some(group) = state.take_group() {
                assert_eq!(group.at % 4096, 0);
                laps.push(group.lap);
                state.group_done(group.bytes);
            }
        }
        assert_eq!(laps.last(), Some(&3), "laps 1 to 3 fill the ring of 3 files");
        assert!(state.is_starved());
        state.checkpointed(2);
        assert!(!state.is_starved());
        assert_eq!(state.take_group().map(|group| (group.lap, group.at)), Some((4, 0)));
    }

    #[test]
    fn a_long_backlog_is_cut_into_bounded_groups() {
        let mut state = state();
        for _ in 0..20 {
            state.push(&entry(&[0; 1000])).expect("pushed");
        }
        let mut groups = 0;
        while let Some(group) = state.take_group() {
            assert!(group.bytes.len() <= SHAPE.group_bytes_max() + 4096);
            groups += 1;
            state.group_done(group.bytes);
        }
        assert!(groups >= 5);
        assert_eq!((state.backlog_bytes(), state.durable_index()), (0, 20));
    }
}
