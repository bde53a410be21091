//! A room with members that others wrote: nc, socat, Python over TCP and UDP, and `hobnob talk`.

use std::process::Command;

use crate::peer::{Running, has, hobnob, python, serve};

/// A UDP member, as a first socket program would write it; what it types is sent a datagram a line.
const DATAGRAMS: &str = r"
import socket, sys, threading
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], int(sys.argv[2])))
def hear():
    while True:
        print(s.recv(65535).decode(), flush=True)
threading.Thread(target=hear, daemon=True).start()
for line in sys.stdin:
    s.send(line.rstrip('\n').encode())
";

/// The lines up to the first that holds `wanted`.
fn until(running: &mut Running, wanted: &str) -> String {
    loop {
        let line = running.line();
        assert!(!line.is_empty(), "it ended before it said {wanted:?}");
        if line.contains(wanted) {
            return line;
        }
    }
}

/// Says its name and waits for its welcome.
fn joins(member: &mut Running, name: &str) {
    until(member, "your name?");
    member.type_in(&format!("{name}\n"));
    until(member, &format!("* welcome, {name}:"));
}

#[test]
fn members_of_every_make_share_a_room() {
    let test = "chat::members_of_every_make_share_a_room";
    if !["nc", "socat", "python3"].iter().all(|program| has(test, program)) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.sock").display().to_string();
    let (mut server, tcp) = serve("chat", "127.0.0.1:0", &["udp://127.0.0.1:0", &path]);
    let line = until(&mut server, "udp");
    let udp = line.split_once("\"addr\":\"").and_then(|(_, rest)| rest.split_once('"'));
    let (host, port) = udp.and_then(|(udp, _)| udp.rsplit_once(':')).expect("where it listens");

    let mut members = vec![
        ("nc", Running::start(Command::new("nc").args(&tcp))),
        ("python", Running::start(python("chat_peer.py").args(&tcp))),
        ("socat", Running::start(Command::new("socat").args(["-", &format!("UNIX:{path}")]))),
        ("talk", Running::start(hobnob().args(["talk", &tcp.join(":")]))),
        ("udp", Running::start(Command::new("python3").args(["-c", DATAGRAMS, host, port]))),
    ];
    for (name, member) in &mut members {
        if *name == "udp" {
            member.type_in("hi\n");
            let told = until(member, "send back");
            let cookie: String = told.chars().filter(char::is_ascii_digit).collect();
            member.type_in(&format!("{cookie}\n"));
        }
        joins(member, name);
    }
    for speaker in 0..members.len() {
        let said = format!("{}: 大家好 from {speaker}", members[speaker].0);
        members[speaker].1.type_in(&format!("大家好 from {speaker}\n"));
        for (hearer, (name, member)) in members.iter_mut().enumerate() {
            if hearer != speaker {
                assert_eq!(until(member, &format!("from {speaker}")), said, "{name} hears");
            }
        }
    }
    let (_, mut nc) = members.remove(0);
    nc.type_in("/quit\n");
    assert_eq!(until(&mut nc, "goodbye"), "* goodbye");
    for (name, member) in &mut members {
        assert_eq!(until(member, "left"), "* nc left", "{name} hears");
    }
}
