//! The bytes of one file: a durable image, the unsynced sectors over it, and what a sync or a power cut makes
//! of the two.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::store::Store;

/// What the medium writes whole or not at all, in bytes.
pub(super) const SECTOR_BYTES: u64 = 512;
const SECTOR: usize = SECTOR_BYTES as usize;

struct Sector {
    bytes: Box<[u8; SECTOR]>,
    /// A failed sync gave up on it: it can be read, and no later sync writes it.
    lost: bool,
}

pub(super) struct Content {
    store: Store,
    /// Unsynced sectors by number. Bytes past `len` in the last one are zero.
    sectors: BTreeMap<u64, Sector>,
    /// The live length.
    len: u64,
    /// The live view sees the durable image only below this: the smallest length since the last sync.
    kept: u64,
}

impl Content {
    pub(super) fn new() -> Content {
        Content { store: Store::Memory(Vec::new()), sectors: BTreeMap::new(), len: 0, kept: 0 }
    }

    pub(super) fn load(path: &Path) -> io::Result<Content> {
        let store = Store::open(path)?;
        let len = store.len()?;
        Ok(Content { store, sectors: BTreeMap::new(), len, kept: len })
    }

    pub(super) fn materialise(&mut self, path: &Path, scratch: &Path) -> io::Result<()> {
        self.store.materialise(path, scratch)
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Reads the live view; returns how many bytes there were.
    pub(super) fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        if at >= self.len {
            return Ok(0);
        }
        let wanted = into.len().min(usize::try_from(self.len - at).unwrap_or(usize::MAX));
        let into = &mut into[..wanted];
        into.fill(0);
        if at < self.kept {
            let visible = wanted.min(usize::try_from(self.kept - at).unwrap_or(usize::MAX));
            self.store.read_at(&mut into[..visible], at)?;
        }
        let end = at + wanted as u64;
        for (&number, sector) in self.sectors.range(at / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES)) {
            let start = number * SECTOR_BYTES;
            let (from, to) = (start.max(at), (start + SECTOR_BYTES).min(end));
            let source = &sector.bytes[(from - start) as usize..(to - start) as usize];
            into[(from - at) as usize..(to - at) as usize].copy_from_slice(source);
        }
        Ok(wanted)
    }

    /// Writes into the live view. `early` says, per sector, whether it goes to the medium at once.
    pub(super) fn write_at(
        &mut self,
        bytes: &[u8],
        at: u64,
        mut early: impl FnMut() -> bool,
    ) -> io::Result<()> {
        let end = at + bytes.len() as u64;
        let mut done = 0;
        while done < bytes.len() {
            let position = at + done as u64;
            let number = position / SECTOR_BYTES;
            let inside = (position % SECTOR_BYTES) as usize;
            let take = (SECTOR - inside).min(bytes.len() - done);
            let mut sector = self.live_sector(number, take == SECTOR)?;
            sector[inside..inside + take].copy_from_slice(&bytes[done..done + take]);
            self.sectors.insert(number, Sector { bytes: sector, lost: false });
            done += take;
            self.len = self.len.max(position + take as u64);
            if early() {
                self.write_back(number)?;
            }
        }
        debug_assert!(bytes.is_empty() || self.len >= end);
        Ok(())
    }

    pub(super) fn set_len(&mut self, len: u64) -> io::Result<()> {
        if len < self.len {
            let number = len / SECTOR_BYTES;
            let inside = (len % SECTOR_BYTES) as usize;
            if inside > 0 {
                let mut sector = self.live_sector(number, false)?;
                sector[inside..].fill(0);
                self.sectors.insert(number, Sector { bytes: sector, lost: false });
            }
            self.sectors.split_off(&len.div_ceil(SECTOR_BYTES));
            self.kept = self.kept.min(len);
        }
        self.len = len;
        Ok(())
    }

    /// Everything live becomes durable, except what an earlier failed sync gave up.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.cut_durable()?;
        self.write_runs()?;
        if self.store.len()? != self.len {
            self.store.set_len(self.len)?;
        }
        self.kept = self.len;
        self.sectors.retain(|_, sector| sector.lost);
        Ok(())
    }

    /// A sync that fails: some sectors are written, the others never will be.
    pub(super) fn sync_and_fail(&mut self, mut survives: impl FnMut() -> bool) -> io::Result<()> {
        let numbers: Vec<u64> = self.sectors.keys().copied().collect();
        for number in numbers {
            if survives() {
                self.write_back(number)?;
            } else if let Some(sector) = self.sectors.get_mut(&number) {
                sector.lost = true;
            }
        }
        Ok(())
    }

    /// The power goes: afterwards the live view is the durable image.
    pub(super) fn crash(&mut self, rng: &mut fastrand::Rng) -> io::Result<()> {
        if rng.bool() {
            self.cut_durable()?;
        }
        // Most cuts find either nearly all or nearly nothing on the medium; some find a mix.
        let odds = match rng.u8(0..4) {
            0 => 0.0,
            1 => 1.0,
            _ => rng.f64(),
        };
        let numbers: Vec<u64> = self.sectors.keys().copied().collect();
        for number in numbers {
            if rng.f64() < odds {
                self.write_back(number)?;
            }
        }
        let durable = self.store.len()?;
        if durable < self.len && rng.bool() {
            let grown = if rng.bool() { self.len } else { rng.u64(durable..=self.len) };
            self.store.set_len(grown)?;
        }
        self.sectors.clear();
        self.len = self.store.len()?;
        self.kept = self.len;
        Ok(())
    }

    /// Applies an unsynced cut to the durable image.
    fn cut_durable(&mut self) -> io::Result<()> {
        if self.store.len()? > self.kept {
            self.store.set_len(self.kept)?;
        }
        Ok(())
    }

    /// One sector as the live view shows it.
    fn live_sector(&mut self, number: u64, overwritten: bool) -> io::Result<Box<[u8; SECTOR]>> {
        if let Some(sector) = self.sectors.remove(&number) {
            return Ok(sector.bytes);
        }
        let mut bytes = Box::new([0; SECTOR]);
        let start = number * SECTOR_BYTES;
        if !overwritten && start < self.kept {
            let visible = (self.kept - start).min(SECTOR_BYTES) as usize;
            self.store.read_at(&mut bytes[..visible], start)?;
        }
        Ok(bytes)
    }

    /// Writes one unsynced sector to the medium; it stays in the live view's list.
    fn write_back(&mut self, number: u64) -> io::Result<()> {
        let start = number * SECTOR_BYTES;
        match self.sectors.get(&number) {
            Some(sector) if !sector.lost && start < self.len => {
                let length = (self.len - start).min(SECTOR_BYTES) as usize;
                self.store.write_at(&sector.bytes[..length], start)
            }
            _ => Ok(()),
        }
    }

    /// Writes all unsynced sectors, neighbours in one call.
    fn write_runs(&mut self) -> io::Result<()> {
        let mut run: Vec<u8> = Vec::new();
        let mut run_at = 0;
        for (&number, sector) in self.sectors.iter().filter(|(_, sector)| !sector.lost) {
            let start = number * SECTOR_BYTES;
            if run_at + run.len() as u64 != start {
                self.store.write_at(&run, run_at)?;
                run.clear();
                run_at = start;
            }
            let length = self.len.saturating_sub(start).min(SECTOR_BYTES) as usize;
            run.extend_from_slice(&sector.bytes[..length]);
        }
        self.store.write_at(&run, run_at)
    }
}
