//! Programs that the checks need and a fresh machine may lack: looked for first, installed only when missing.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::failure::{Context, Failure, Result};
use crate::{paths, process};

const INSTALL: Duration = Duration::from_secs(1800);
const CARGO_DENY_VERSION: &str = "0.20.2";

/// Makes sure that `program` can be run; installs Debian's `packages` when it cannot.
pub(crate) fn need(program: &str, packages: &[&str]) -> Result<()> {
    if on_path(program) {
        return Ok(());
    }
    install(packages)?;
    if on_path(program) {
        return Ok(());
    }
    Err(Failure::new(format!("{program} is missing after installing {}", packages.join(" "))))
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn install(packages: &[&str]) -> Result<()> {
    println!("xtask: installing {}", packages.join(" "));
    if !on_path("apt-get") {
        return Err(Failure::new(format!("install {} by hand: apt-get is not here", packages.join(" "))));
    }
    process::stream(apt().arg("update"), INSTALL)?;
    process::stream(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages), INSTALL)
}

fn apt() -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let mut command = Command::new(if root { "apt-get" } else { "sudo" });
    if !root {
        command.arg("apt-get");
    }
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
    command
}

/// A Python of our own with the packages of xtask/clients/requirements.txt, under target.
pub(crate) fn python() -> Result<PathBuf> {
    let folder = paths::target().join("clients/venv");
    let python = folder.join("bin/python");
    let requirements = paths::xtask("clients/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).context("read requirements.txt")?;
    let stamp = folder.join("requirements.installed");
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(python);
    }
    need("python3", &["python3", "python3-venv"])?;
    if make_venv(&folder).is_err() {
        // Debian's python3 is there without the part that makes environments.
        install(&["python3-venv"])?;
        make_venv(&folder)?;
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    process::stream(pip.arg(&requirements), INSTALL)?;
    std::fs::write(&stamp, wanted).context("write stamp")?;
    Ok(python)
}

fn make_venv(folder: &std::path::Path) -> Result<()> {
    process::stream(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder), INSTALL)
}

/// cargo-deny, built once into target/tools.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    let folder = paths::target().join("tools");
    let program = folder.join("bin/cargo-deny");
    let have = Command::new(&program).arg("--version").output();
    if have.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(CARGO_DENY_VERSION)) {
        return Ok(program);
    }
    let mut command = cargo();
    command.args(["install", "--locked", "--quiet", "cargo-deny", "--version", CARGO_DENY_VERSION, "--root"]);
    process::stream(command.arg(&folder), INSTALL)?;
    Ok(program)
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::root());
    command
}
