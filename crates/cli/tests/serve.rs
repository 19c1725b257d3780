//! `poruka serve` as an operator sees it: one readiness line, clean ends, and one clear error for each way it cannot
//! start.

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use common::{Server, fails, file, ok, poruka, run};

#[test]
fn one_line_on_standard_output_says_that_it_is_ready() {
    let server = Server::start();
    let data = server.data();
    let wanted =
        format!("poruka: ready on {} (data {}, durability synced)\n", server.address, data.display());
    assert_eq!(server.ready_line, wanted);
    assert!(server.address.starts_with("127.0.0.1:"));
}

#[test]
fn the_durability_that_was_asked_for_is_in_force() {
    let server = Server::with(&["--durability", "cached"]);
    assert!(server.ready_line.contains("durability cached"), "{}", server.ready_line);
    ok(server.run(&["topic", "create", "plain"]));
    assert_eq!(server.json(&["topic", "describe", "plain"])["settings"]["poruka.durability"], "cached");
}

#[test]
fn sigterm_and_ctrl_c_end_it_cleanly() {
    for signal in ["TERM", "INT"] {
        assert_eq!(Server::start().end_with(signal), Some(0), "{signal}");
    }
}

#[test]
fn a_clean_end_and_a_kill_both_keep_what_was_acked() {
    let server = Server::start();
    ok(server.run_with(&["produce", "orders", "--guarantee", "durable"], b"one\ntwo\nthree\n"));
    let server = server.kill_and_restart();
    assert_eq!(ok(server.run(&["consume", "orders"])), "0:0\t-\tone\n0:1\t-\ttwo\n0:2\t-\tthree\n");
}

#[test]
fn a_cut_of_the_power_keeps_what_was_acked() {
    let server = Server::with(&["--simulated-disk", "7"]);
    ok(server.run_with(&["produce", "orders", "--guarantee", "durable"], b"one\ntwo\n"));
    // SIGKILL: what was not synced was in the process only.
    let server = server.kill_and_restart();
    assert_eq!(ok(server.run(&["consume", "orders"])), "0:0\t-\tone\n0:1\t-\ttwo\n");
}

fn serve(data: &str, listen: &str) -> Command {
    let mut command = poruka();
    command.args(["serve", "--data", data, "--listen", listen]);
    command
}

#[test]
fn a_port_in_use_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let said = fails(run(&mut serve(folder.path().join("d").to_str().unwrap(), &address), b""), 5);
    assert!(said.contains(&format!("error: cannot listen on {address}")), "{said}");
    assert!(said.contains("next: choose another address with --listen"), "{said}");
    assert!(!folder.path().join("d").exists(), "no folder is made for nothing");
    let mut command = serve(folder.path().join("d").to_str().unwrap(), "127.0.0.1:0");
    let said = fails(run(command.args(["--metrics", &address]), b""), 5);
    assert!(said.contains("next: choose another address with --metrics"), "{said}");
    assert!(!folder.path().join("d").exists(), "no folder is made for nothing");
}

#[test]
fn metrics_are_served_where_the_readiness_line_says() {
    let server = Server::with(&["--metrics", "127.0.0.1:0"]);
    ok(server.run_with(&["produce", "orders", "--guarantee", "durable"], b"one\ntwo\n"));
    let (_, rest) = server.ready_line.split_once("metrics http://").unwrap();
    let mut stream = TcpStream::connect(rest.split('/').next().unwrap()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.contains("\nporuka_produced_records_total{class=\"synced\"} 2\n"), "{page}");
    assert!(page.contains("\nprocess_resident_memory_bytes "), "{page}");
}

#[test]
fn a_folder_in_use_names_the_process_that_has_it() {
    let server = Server::start();
    let said = fails(run(&mut serve(server.data().to_str().unwrap(), "127.0.0.1:0"), b""), 5);
    assert!(said.contains(&format!("process {}", server.pid())), "{said}");
    let list = run(poruka().args(["topic", "list", "--data"]).arg(server.data()), b"");
    assert!(fails(list, 5).contains(&format!("process {}", server.pid())));
}

#[test]
fn a_folder_of_something_else_and_a_file_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let letter = file(folder.path(), "letter.txt", b"dear all");
    let said = fails(run(&mut serve(folder.path().to_str().unwrap(), "127.0.0.1:0"), b""), 5);
    assert!(said.contains("not a Poruka data folder"), "{said}");
    let said = fails(run(&mut serve(&letter, "127.0.0.1:0"), b""), 5);
    assert!(said.contains("error: cannot open the data folder"), "{said}");
    assert_eq!(std::fs::read(&letter).unwrap(), b"dear all");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_path_that_cannot_be_a_folder_is_not_called_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let taken = dir.path().join("taken");
    std::fs::write(&taken, "mine").unwrap();
    for data in [taken.clone(), taken.join("inside")] {
        let error = fails(run(&mut serve(data.to_str().unwrap(), "127.0.0.1:0"), b""), 5);
        assert!(error.contains("name a folder with --data"), "{error}");
        assert!(!error.contains("report this"), "{error}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_place_where_nobody_may_make_a_folder_is_told_as_such() {
    let error = fails(run(&mut serve("/proc/no-such/place", "127.0.0.1:0"), b""), 5);
    assert!(error.contains("because: it is not there, and no folder can be made in its place"), "{error}");
    assert!(!error.contains("restore"), "{error}");
    // Refused to everybody, root too; some containers say read-only.
    let error = fails(run(&mut serve("/sys/kernel/poruka", "127.0.0.1:0"), b""), 5);
    assert!(error.contains("--data") && !error.contains("report this"), "{error}");
}

#[test]
fn a_folder_of_a_later_release_is_left_to_that_release() {
    let server = Server::start();
    ok(server.run_with(&["produce", "orders", "--guarantee", "durable"], b"one\n"));
    let data = server.data();
    let _folder = server.end_and_keep();
    let meta = data.join("meta");
    let mut later = std::fs::read(&meta).unwrap();
    later[8..12].copy_from_slice(&9u32.to_be_bytes());
    let crc = crc32c(&later[..16]) ^ crc32c(&later[20..]).rotate_left(1);
    later[16..20].copy_from_slice(&crc.to_be_bytes());
    std::fs::write(&meta, &later).unwrap();
    let said = fails(run(&mut serve(data.to_str().unwrap(), "127.0.0.1:0"), b""), 5);
    assert!(said.contains("has format version 9"), "{said}");
    assert!(said.contains("next: use the release that wrote it, or a newer one"), "{said}");
    assert_eq!(std::fs::read(&meta).unwrap(), later, "nothing is changed");
}

/// CRC-32C, bit by bit: enough for one header.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 },
        )
    })
}

#[test]
fn a_wrong_address_is_a_wrong_argument() {
    let said = fails(run(poruka().args(["serve", "--advertise", "nowhere"]), b""), 2);
    assert!(said.contains("expected HOST:PORT"), "{said}");
    for listen in ["nonsense", ":9092", "127.0.0.1:99999", "::1:9092", "a b:1", "127.0.0.1:"] {
        for option in ["--listen", "--metrics"] {
            let said = fails(run(poruka().args(["serve", option, listen]), b""), 2);
            assert!(said.contains("expected HOST:PORT"), "{said}");
        }
    }
    let said = fails(run(poruka().args(["serve", "--offsets-retention-minutes", "0"]), b""), 2);
    assert!(said.contains("--offsets-retention-minutes"), "{said}");
    let said = fails(run(poruka().args(["serve", "--durability", "sinced"]), b""), 2);
    assert!(said.contains("synced"), "{said}");
}

#[test]
fn a_connection_that_speaks_http_or_tls_is_closed_and_the_others_go_on() {
    let server = Server::start();
    let strange: [&[u8]; 2] =
        [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]];
    for hello in strange {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(hello).unwrap();
        let mut answer = Vec::new();
        // Closed, at once or by reset; never left hanging.
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
    }
    ok(server.run(&["topic", "list"]));
}

#[test]
fn listening_beyond_this_machine_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = serve(folder.path().join("d").to_str().unwrap(), "0.0.0.0:0");
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line)
        .unwrap();
    common::send_signal(child.id(), "TERM");
    let said = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("WARN") && said.contains("no authentication"), "{said}");
}
