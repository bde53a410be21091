//! The files of docs/rooms: three servers and five nodes, as the page says, on ports that are free here.

use std::fs;
use std::process::Command;

use super::{Member, Nats, wait};
use crate::peer::{Running, hobnob};
use crate::ports::Port;

const SERVERS: [(&str, &str); 3] = [
    ("a.conf", include_str!("../../../../../docs/rooms/a.conf")),
    ("b.conf", include_str!("../../../../../docs/rooms/b.conf")),
    ("c.conf", include_str!("../../../../../docs/rooms/c.conf")),
];

const NODES: &str = include_str!("../../../../../docs/rooms/hobnob.toml");

/// The ports of the files: of servers for clients, and for each other; and of the nodes.
const PORTS: [u16; 11] = [4222, 4223, 4224, 6222, 6223, 6224, 9000, 9010, 9020, 9030, 9040];

#[test]
fn three_servers_and_five_nodes_of_the_page_are_one_room() {
    let test = "rooms::example::three_servers_and_five_nodes_of_the_page_are_one_room";
    let Some(program) = Nats::program() else {
        return crate::peer::skip(test, "missing nats-server");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let drawn = PORTS.map(|_| Port::draw());
    let put = |name: &str, text: &str| {
        // A number that was put in is not to be taken for one that stood there.
        let ports = PORTS.iter().zip(&drawn);
        let marked = ports.clone().fold(text.to_owned(), |text, (port, _)| {
            text.replace(&format!(":{port}"), &format!(":<{port}>"))
        });
        let text = ports.fold(marked, |text, (port, drawn)| {
            text.replace(&format!(":<{port}>"), &format!(":{}", drawn.number))
        });
        fs::write(folder.path().join(name), text).expect("room");
    };
    put("hobnob.toml", NODES);
    let _servers = SERVERS.map(|(name, text)| {
        put(name, text);
        Running::start(Command::new(&program).args(["-c", name]).current_dir(folder.path()))
    });
    let url = format!("nats://127.0.0.1:{}", drawn[0].number);
    wait("three servers that keep streams", || {
        let seen = Running::start(hobnob().args(["doctor", "--cluster", &url])).finish();
        seen.status.success().then_some(())
    });
    // Whoever starts nodes starts them again where the streams have no leader yet.
    let _nodes = wait("five nodes", || {
        let mut nodes = Running::start(hobnob().args(["up", "--json"]).current_dir(folder.path()));
        let mut listening = 0;
        while listening < 5 {
            let line = nodes.line();
            if line.is_empty() {
                return None;
            }
            listening += usize::from(line.contains("\"listening\"") && line.contains("127.0.0.1"));
        }
        Some(nodes)
    });
    let enter = |(at, port): (usize, &Port)| {
        Member::called(&format!("M{at}"), &format!("127.0.0.1:{}", port.number))
    };
    let mut members: Vec<_> = drawn[6..].iter().enumerate().map(enter).collect();
    members[0].say("to all five");
    for member in &mut members[1..] {
        assert_eq!(member.until("to all five"), "M0: to all five");
    }
}
