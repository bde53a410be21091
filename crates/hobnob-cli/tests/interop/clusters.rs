//! What is said of the servers of a cluster, and one room at three nodes to play with.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use crate::peer::{Running, hobnob};
use crate::rooms::{Member, Nats, node, wait};

/// What a command that ends says: its exit code, and what is on stdout and on stderr.
fn said(words: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Running::start(hobnob().args(words)).finish();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

#[test]
fn the_doctor_comes_to_servers_as_a_room_does() {
    let test = "clusters::the_doctor_comes_to_servers_as_a_room_does";
    let lock = ["--user", "me", "--pass", "secret"];
    let Some(nats) = Nats::keeping(test, &lock) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("auth");
    fs::write(&file, "me:secret\n").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
    let file = file.to_str().expect("UTF-8");
    let (code, _, err) = said(&["doctor", "--cluster", &nats.url()]);
    assert!(code == Some(5) && err.starts_with("error[cluster-refused]"), "{err}");
    let (code, out, err) = said(&["doctor", "--cluster", &nats.url(), "--cluster-auth", file]);
    assert!(code == Some(0) && out.contains("JetStream"), "{err}");
}

#[test]
fn servers_without_tls_need_no_list_of_whom_to_trust() {
    let test = "clusters::servers_without_tls_need_no_list_of_whom_to_trust";
    let Some(nats) = Nats::keeping(test, &[]) else { return };
    // A container has seldom more than the program.
    let said = |url: &str| {
        let mut command = hobnob();
        command.env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent");
        Running::start(command.args(["doctor", "--cluster", url])).finish()
    };
    let plain = said(&nats.url());
    assert_eq!(plain.status.code(), Some(0), "{}", String::from_utf8_lossy(&plain.stderr));
    let tls = said(&nats.url().replace("nats://", "tls://"));
    let error = String::from_utf8_lossy(&tls.stderr);
    assert!(error.starts_with("error[cluster-tls]"), "{error}");
    assert!(error.contains("ca-certificates"), "{error}");
}

/// What of a server is not as it should be: names of checks.
fn lacking(url: &str) -> (Option<i32>, Vec<String>) {
    let (code, out, err) = said(&["doctor", "--json", "--cluster", url]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
    assert_eq!(told["fine"], code == Some(0), "{out}");
    let checks = told["checks"].as_array().expect("a list");
    let poor = checks.iter().filter(|check| check["fine"] == false);
    let name = |check: &serde_json::Value| {
        assert!(check["try"].is_string(), "each with what would change it: {check}");
        check["name"].as_str().expect("a name").to_owned()
    };
    (code, poor.map(name).collect())
}

#[test]
fn the_doctor_says_what_servers_can_and_leaves_nothing_there() {
    let test = "clusters::the_doctor_says_what_servers_can_and_leaves_nothing_there";
    let Some(nats) = Nats::keeping(test, &[]) else { return };
    let one_copy = vec!["copies".to_owned()];
    assert_eq!(lacking(&nats.url()), (Some(0), one_copy));
    let streams = nats.store().join("jetstream/$G/streams");
    // The server removes the files once it has answered.
    wait("the end of the trial's room", || {
        let left = fs::read_dir(&streams).map_or(0, Iterator::count);
        (left == 0).then_some(())
    });
    let (code, out, err) = said(&["doctor", "--cluster", &nats.url()]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for words in ["nats-server", "JetStream", "hear", "agrees with ours"] {
        assert!(out.contains(words), "{words}: {out}");
    }
}

#[test]
fn what_servers_cannot_is_a_line_of_the_doctor_with_what_would_change_it() {
    let test = "clusters::what_servers_cannot_is_a_line_of_the_doctor_with_what_would_change_it";
    let Some(plain) = Nats::start(test, &[]) else { return };
    assert_eq!(lacking(&plain.url()), (Some(1), vec!["JetStream".to_owned()]));
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("nats.conf");
    let limited = |deny: &str| {
        let users = "users: [{ user: me, password: secret, permissions: ";
        let text = format!(
            "max_payload: 16KB\njetstream {{ store_dir: \"{}\" }}\nauthorization {{ {users}{{ {deny} }} }}] }}\n",
            folder.path().join("store").display()
        );
        fs::write(&config, text).expect("room");
        Nats::start(test, &["-c", config.to_str().expect("UTF-8")])
    };
    for (deny, names) in [
        (
            "publish: { deny: \"$JS.API.DIRECT.>\" }, subscribe: { allow: \">\" }",
            &["max_payload", "copies", "read"][..],
        ),
        (
            "publish: { allow: \">\" }, subscribe: { deny: \"hobnob.1.chat.*.beat\" }",
            &["max_payload", "copies", "beats"],
        ),
        ("publish: { deny: \"$JS.API.>\" }", &["max_payload", "JetStream"]),
    ] {
        let Some(nats) = limited(deny) else { return };
        let url = nats.url().replace("nats://", "nats://me:secret@");
        assert_eq!(lacking(&url), (Some(1), names.iter().map(ToString::to_string).collect()));
    }
    // Nobody listens at the one; the other is too long for a name, so no resolver is asked for it.
    for url in ["nats://127.0.0.1:1".to_owned(), format!("nats://{}.test:1", "x".repeat(64))] {
        let (code, _, err) = said(&["doctor", "--cluster", &url]);
        assert!(code == Some(5) && err.starts_with("error[cluster-unreachable]"), "{err}");
    }
}

#[test]
fn the_demo_of_rooms_is_one_room_at_three_nodes_and_says_how_servers_are_had() {
    let test =
        "clusters::the_demo_of_rooms_is_one_room_at_three_nodes_and_says_how_servers_are_had";
    let (code, _, err) = said(&["demo", "--cluster=nats://127.0.0.1:1"]);
    assert!(code == Some(5) && err.starts_with("error[cluster-unreachable]"), "{err}");
    let hows = err.lines().filter(|line| line.contains("nats-server -js -a 127.0.0.1 -sd"));
    assert_eq!(hows.count(), 2, "Debian's, and the current one: {err}");
    let Some(nats) = Nats::keeping(test, &[]) else { return };
    let at = format!("--cluster={}", nats.url());
    let mut demo = Running::start(hobnob().args(["demo", &at, "--json"]));
    let mut members: Vec<_> = ["Ada", "Bob", "Eve"]
        .map(|name| {
            let address = loop {
                let line = demo.line();
                assert!(!line.is_empty(), "it ended");
                let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                if event["type"] == "listening" {
                    break event["addr"].as_str().expect("an address").to_owned();
                }
            };
            Member::called(name, &address)
        })
        .into();
    members[0].say("to all three");
    for member in &mut members[1..] {
        assert_eq!(member.until("to all three"), "Ada: to all three");
    }
}

#[test]
fn members_share_a_room_of_many_nodes_whatever_they_came_by() {
    let test = "clusters::members_share_a_room_of_many_nodes_whatever_they_came_by";
    let Some(nats) = Nats::keeping(test, &[]) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("chat.sock");
    let more = [socket.to_str().expect("UTF-8"), "udp://127.0.0.1:0", "tls://127.0.0.1:0"];
    let (mut kite, at_kite) = node(&nats, "kite", &more);
    let mut addresses = vec![format!("tcp://{at_kite}")];
    for way in ["unix:", "udp://", "tls://"] {
        let line = kite.line();
        let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let address = event["addr"].as_str().unwrap_or_else(|| panic!("no address: {line}"));
        let rest = if way == "tls://" { ",insecure" } else { "" };
        addresses.push(format!("{way}{}{rest}", address.trim_start_matches("unix:")));
    }
    let (_lark, at_lark) = node(&nats, "lark", &[]);
    let mut ada = Member::called("Ada", &at_lark);
    let names = ["tcp", "unix", "udp", "tls"];
    let mut members: Vec<_> = names
        .iter()
        .zip(&addresses)
        .map(|(name, address)| {
            let mut member = Running::start(hobnob().args(["talk", address]));
            // What comes by datagrams has no line ends.
            if *name == "udp" {
                member.type_in("hi\n");
                let told = member.hears("to join");
                let cookie: String = told.chars().filter(char::is_ascii_digit).collect();
                member.type_in(&format!("{cookie}\n"));
            }
            member.hears("your name?");
            member.type_in(&format!("{name}\n"));
            member.hears(&format!("* welcome, {name}: "));
            ada.until(&format!("* {name} joined"));
            member
        })
        .collect();
    ada.say("to all");
    for member in &mut members {
        member.hears("Ada: to all");
    }
    for (name, member) in names.iter().zip(&mut members) {
        member.type_in(&format!("by {name}\n"));
        assert_eq!(ada.until("by "), format!("{name}: by {name}"));
    }
    for (own, member) in names.iter().zip(&mut members) {
        let others: Vec<_> = names.iter().filter(|name| *name != own).collect();
        let heard = member.hears(&format!("by {}", others[2]));
        let said: Vec<_> = heard.split("by ").skip(1).collect();
        assert_eq!(said.len(), 3, "{own}: {heard}");
        assert!(said.iter().zip(&others).all(|(said, name)| said.starts_with(**name)), "{heard}");
    }
}
