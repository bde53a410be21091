//! The tutorials' servers in Python, driven by `hobnob talk`; and a chat of two people.

use crate::peer::{Running, has, hobnob, python, python_server, succeeds};

#[test]
fn talk_drives_the_greeting_server() {
    if !has("servers::talk_drives_the_greeting_server", "python3") {
        return;
    }
    let (server, host, port) = python_server("greeting_server.py", &["--once", "1"]);
    let address = format!("{host}:{port}");
    let mut talk = hobnob();
    let said = succeeds(
        talk.args(["talk", "--eol", "none", &address, "Michael", "Tracy", "Sarah", "exit"]),
    );
    assert_eq!(said, "Welcome!Hello, Michael!Hello, Tracy!Hello, Sarah!");
    assert!(server.finish().status.success());
}

#[test]
fn talk_drives_the_echo_server() {
    if !has("servers::talk_drives_the_echo_server", "python3") {
        return;
    }
    let (server, host, port) = python_server("echo_server.py", &["--once", "1"]);
    let said =
        succeeds(hobnob().args(["talk", "--eol", "none", &format!("{host}:{port}"), "你好,世界"]));
    assert_eq!(said, "你好,世界");
    assert!(server.finish().status.success());
}

#[test]
fn talk_drives_the_ok_server() {
    if !has("servers::talk_drives_the_ok_server", "python3") {
        return;
    }
    let (_server, host, port) = python_server("ok_server.py", &["--once", "1"]);
    let said = succeeds(hobnob().args(["talk", &format!("{host}:{port}"), "one", "two"]));
    assert_eq!(said, "Welcome to the server. Type something and hit enter\nOK...one\nOK...two\n");
}

#[test]
fn talk_drives_the_udp_servers() {
    if !has("servers::talk_drives_the_udp_servers", "python3") {
        return;
    }
    let (_greets, host, port) = python_server("udp_greeting_server.py", &["--once", "2"]);
    let said =
        succeeds(hobnob().args(["talk", &format!("udp://{host}:{port}"), "Michael", "Tracy"]));
    assert_eq!(said, "Hello, Michael!\nHello, Tracy!");
    let (_converts, host, port) = python_server("udp_temp_server.py", &["--once", "1"]);
    assert_eq!(succeeds(hobnob().args(["talk", &format!("udp://{host}:{port}"), "20"])), "68.0");
}

/// One end `hobnob talk --listen`, the other Python with a reader and a writer thread.
#[test]
fn two_people_chat() {
    if !has("servers::two_people_chat", "python3") {
        return;
    }
    let mut here = Running::start(hobnob().args(["talk", "--listen", "127.0.0.1:0", "--json"]));
    let line = here.line();
    let address = line.split_once("\"addr\":\"").and_then(|(_, rest)| rest.split_once('"'));
    let (host, port) =
        address.and_then(|(address, _)| address.rsplit_once(':')).expect("where it listens");
    let mut there = Running::start(python("chat_peer.py").args([host, port]));
    there.type_in("are you there?\n");
    let heard = until(&mut here, "\"type\":\"data\"");
    assert!(heard.contains("are you there?"), "{heard}");
    here.type_in("你好\n");
    assert_eq!(until(&mut there, "你好"), "你好");
    there.type_in("second\n");
    assert!(until(&mut here, "second").contains("\"dir\":\"in\""));
    there.end_input();
    here.end_input();
    assert!(there.finish().status.success());
    assert!(here.finish().status.success());
}

fn until(running: &mut Running, wanted: &str) -> String {
    loop {
        let line = running.line();
        assert!(!line.is_empty(), "it ended before it said {wanted:?}");
        if line.contains(wanted) {
            return line;
        }
    }
}
