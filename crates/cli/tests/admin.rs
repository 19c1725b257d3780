//! `poruka topic`, `poruka group`, `poruka explain`: what they show, what they refuse, and what they suggest.

mod common;

use std::process::Stdio;

use common::{Server, fails, ok, poruka, run};

#[test]
fn a_topic_is_made_shown_and_deleted() {
    let server = Server::start();
    let said = ok(server.run(&["topic", "create", "orders", "--guarantee", "durable", "--partitions", "3"]));
    assert_eq!(said, "created orders: 3 partitions, at-least-once + unordered + synced\n");
    let shown = server.json(&["topic", "describe", "orders"]);
    assert_eq!(shown["partitions"].as_array().unwrap().len(), 3);
    assert_eq!(shown["settings"]["poruka.durability"], "synced");
    let listed = server.json(&["topic", "list"]);
    assert_eq!((&listed[0]["topic"], &listed[0]["durability"]), (&"orders".into(), &"synced".into()));
    assert_eq!(ok(server.run(&["topic", "delete", "orders"])), "deleted orders\n");
    assert_eq!(server.json(&["topic", "list"]), serde_json::json!([]));
}

#[test]
fn what_cannot_be_is_refused_with_its_own_code() {
    let server = Server::start();
    ok(server.run(&["topic", "create", "orders", "--guarantee", "ordered"]));
    for again in
        [&["topic", "create", "orders"][..], &["topic", "create", "orders", "--guarantee", "ordered"]]
    {
        let said = fails(server.run(again), 4);
        assert!(said.contains("already exists") || said.contains("exists already"), "{said}");
    }
    let said = fails(server.run(&["topic", "describe", "oders"]), 4);
    assert!(said.contains("there is no topic \"oders\"") && said.contains("poruka topic list"), "{said}");
    fails(server.run(&["topic", "delete", "oders"]), 4);
    fails(server.run(&["topic", "create", "no/slash"]), 4);
    fails(server.run(&["topic", "create", "x", "--config", "no.such.config=1"]), 4);
}

#[test]
fn an_unknown_name_or_dial_is_told_the_right_one() {
    let server = Server::start();
    let said = fails(server.run(&["topic", "create", "x", "--guarantee", "durabel"]), 2);
    assert!(said.contains("did you mean durable?"), "{said}");
    let said =
        fails(server.run(&["topic", "create", "x", "--guarantee", "durable", "--durability", "syncd"]), 2);
    assert!(said.contains("synced"), "{said}");
    let said = fails(run(poruka().args(["explain", "at-least-onse"]), b""), 2);
    assert!(said.contains("next: poruka explain at-least-once"), "{said}");
}

#[test]
fn an_impossible_combination_and_a_name_not_built_are_refused() {
    let server = Server::start();
    let arguments = ["topic", "create", "x", "--guarantee", "best-effort", "--order", "per-key"];
    let said = fails(server.run(&arguments), 2);
    assert!(said.contains("cannot be combined"), "{said}");
    for name in ["exactly-once", "causal"] {
        let said = fails(server.run(&["topic", "create", "x", "--guarantee", name]), 2);
        assert!(said.contains("not built yet"), "{said}");
    }
    assert_eq!(server.json(&["topic", "list"]), serde_json::json!([]));
}

#[test]
fn a_dial_can_be_turned_further() {
    let server = Server::start();
    ok(server.run(&["topic", "create", "audit", "--guarantee", "ordered", "--durability", "synced"]));
    let settings = &server.json(&["topic", "describe", "audit"])["settings"];
    assert_eq!(
        (&settings["poruka.order"], &settings["poruka.durability"]),
        (&"per-key".into(), &"synced".into())
    );
}

#[test]
fn a_group_is_listed_described_and_reset() {
    let server = Server::start();
    ok(server.run_with(&["produce", "orders"], b"0\n1\n2\n3\n"));
    ok(server.run(&["consume", "orders", "--group", "billing"]));
    assert_eq!(server.json(&["group", "list"])[0]["group"], "billing");
    let position = |server: &Server| server.json(&["group", "describe", "billing"])["positions"][0].clone();
    assert_eq!((&position(&server)["committed"], &position(&server)["lag"]), (&4.into(), &0.into()));
    let reset = ["group", "reset", "billing", "--topic", "orders", "--to", "1"];
    ok(server.run(&[&reset[..], &["--dry-run"]].concat()));
    assert_eq!(position(&server)["committed"], 4);
    ok(server.run(&reset));
    assert_eq!(
        ok(server.run(&["consume", "orders", "--group", "billing"])),
        "0:1\t-\t1\n0:2\t-\t2\n0:3\t-\t3\n"
    );
    let said = fails(server.run(&["group", "describe", "biling"]), 4);
    assert!(said.contains("there is no group \"biling\""), "{said}");
}

#[test]
fn a_group_with_members_is_not_reset() {
    let server = Server::start();
    ok(server.run_with(&["produce", "orders"], b"0\n"));
    let mut member = server.command(&["consume", "orders", "--group", "billing", "--follow"]);
    let mut member = member.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(member.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let said = fails(server.run(&["group", "reset", "billing", "--topic", "orders", "--to", "beginning"]), 4);
    assert!(said.contains("stop its members first"), "{said}");
    member.kill().unwrap();
    member.wait().unwrap();
}

#[test]
fn explain_prints_the_contract() {
    let said = ok(run(poruka().args(["explain", "durable"]), b""));
    assert!(said.contains("A8 forgotten after power loss"), "{said}");
    assert!(said.contains("disk loss, node loss (on one node)"), "{said}");
    let json: serde_json::Value =
        serde_json::from_str(&ok(run(poruka().args(["explain", "--output", "json"]), b""))).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 7);
}

#[test]
fn every_command_teaches_with_examples_and_the_exit_codes_are_in_the_help() {
    let help = ok(run(poruka().arg("--help"), b""));
    assert!(
        help.contains("Exit codes:") && help.contains("some records may or may not have been written"),
        "{help}"
    );
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names =
        commands.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let mut count = 0;
    for name in names {
        let text = ok(run(poruka().args([name, "--help"]), b""));
        assert!(text.contains("Examples:") && text.contains(&format!("poruka {name}")), "{name}: {text}");
        count += 1;
    }
    assert!(count >= 6, "{count} commands");
}
