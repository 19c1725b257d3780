//! What the figures were measured on: facts of the machine, as Linux tells them. A fact that cannot be read is left empty.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Processors that this process may use.
    pub cpus: usize,
    /// What the first processor is called.
    pub cpu_model: String,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The file system of the data.
    pub file_system: String,
    /// Load average over one minute, at the start and at the end of the run: what else was going on.
    pub load: [f64; 2],
}

impl Machine {
    /// What can be read now.
    pub(crate) fn read(folder: &Path) -> Machine {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?.to_owned();
            line.split_once(':').map(|(_, value)| value.trim().to_owned())
        };
        let memory = field(&text("/proc/meminfo"), "MemTotal").unwrap_or_default();
        let kib: u64 = memory.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
        Machine {
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            cpu_model: field(&text("/proc/cpuinfo"), "model name").unwrap_or_default(),
            memory_bytes: kib * 1024,
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(folder).unwrap_or_default(),
            load: [load(), 0.0],
        }
    }
}

/// Load average over the last minute.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// The kind of file system that a folder is on.
pub(crate) fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    kind_of(&std::fs::read_to_string("/proc/self/mountinfo").ok()?, &folder)
}

/// The mount with the longest path above the folder; of two at one path, the later hides the earlier.
fn kind_of(mounts: &str, folder: &Path) -> Option<String> {
    let mount = |line: &str| {
        let (places, kinds) = line.split_once(" - ")?;
        let place = PathBuf::from(places.split_whitespace().nth(4)?.replace("\\040", " "));
        let kind = kinds.split_whitespace().next()?.to_owned();
        folder.starts_with(&place).then(|| (place.as_os_str().len(), kind))
    };
    mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_belongs_to_the_nearest_mount_above_it() {
        let mounts = "\
1 0 8:1 / / rw - ext4 /dev/a rw
2 1 0:5 / /tmp rw shared:1 - tmpfs tmpfs rw
3 1 0:6 / /tmp/my\\040disk rw - xfs /dev/b rw
";
        let kind = |path: &str| kind_of(mounts, Path::new(path)).unwrap();
        assert_eq!(
            (kind("/tmp/x"), kind("/home"), kind("/tmp/my disk/x")),
            ("tmpfs".into(), "ext4".into(), "xfs".into())
        );
    }

    #[test]
    fn this_machine_has_processors_and_a_file_system() {
        let machine = Machine::read(&std::env::temp_dir());
        assert!(
            machine.cpus > 0 && machine.memory_bytes > 0 && !machine.file_system.is_empty(),
            "{machine:?}"
        );
    }
}
