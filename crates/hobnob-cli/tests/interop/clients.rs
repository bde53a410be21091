//! nc, ncat, socat and telnet against our services.

use std::process::Command;

use crate::peer::{Running, has, serve, succeeds};

fn with_input(command: &mut Command, input: &str) -> String {
    let mut running = Running::start(command);
    running.type_in(input);
    let output = running.finish();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn nc_is_greeted_line_by_line() {
    if !has("clients::nc_is_greeted_line_by_line", "nc") {
        return;
    }
    let (_server, address) = serve("hello", "127.0.0.1:0", &[]);
    let said = with_input(Command::new("nc").args(["-N"]).args(&address), "Michael\n李雷\nexit\n");
    assert_eq!(said, "Welcome!Hello, Michael!\nHello, 李雷!\n");
}

#[test]
fn nc_speaks_to_a_unix_socket() {
    if !has("clients::nc_speaks_to_a_unix_socket", "nc") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.sock");
    let (_server, address) = serve("upper", path.to_str().expect("a plain path"), &[]);
    assert_eq!(with_input(Command::new("nc").args(["-NU"]).args(&address), "hello\n"), "HELLO\n");
}

#[test]
fn ncat_with_crlf_gets_crlf_back() {
    if !has("clients::ncat_with_crlf_gets_crlf_back", "ncat") {
        return;
    }
    let (_server, address) = serve("ok", "127.0.0.1:0", &[]);
    let said = with_input(Command::new("ncat").args(["-C"]).args(&address), "one\ntwo\n");
    assert_eq!(
        said,
        "Welcome to the server. Type something and hit enter\nOK...one\r\nOK...two\r\n"
    );
}

#[test]
fn socat_gets_its_bytes_back_over_every_medium() {
    if !has("clients::socat_gets_its_bytes_back_over_every_medium", "socat") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (record, datagram) = (folder.path().join("seq"), folder.path().join("gram"));
    let (record, datagram) = (record.display().to_string(), datagram.display().to_string());
    let (_tcp, address) = serve("echo", "127.0.0.1:0", &[]);
    let said = with_input(
        Command::new("socat").args(["-", &format!("TCP:{}:{}", address[0], address[1])]),
        "tcp",
    );
    assert_eq!(said, "tcp");
    let (_seq, _) = serve("echo", &format!("unixseq:{record}"), &[]);
    let said = with_input(
        Command::new("socat").args(["-", &format!("UNIX-CONNECT:{record},type=5")]),
        "seq",
    );
    assert_eq!(said, "seq");
    let (_gram, _) = serve("echo", &format!("unixgram:{datagram}"), &[]);
    let own = folder.path().join("own").display().to_string();
    let client = format!("UNIX-SENDTO:{datagram},bind={own}");
    assert_eq!(with_input(Command::new("socat").args(["-t1", "-", &client]), "gram"), "gram");
    let (_udp, address) = serve("echo", "udp://127.0.0.1:0", &[]);
    let client = format!("UDP:{}:{}", address[0], address[1]);
    assert_eq!(with_input(Command::new("socat").args(["-t1", "-", &client]), "udp"), "udp");
}

#[test]
fn socat_is_a_peer_to_talk_to() {
    if !has("clients::socat_is_a_peer_to_talk_to", "socat") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("seq").display().to_string();
    let listen = format!("UNIX-LISTEN:{path},type=5");
    let _server = Running::start(Command::new("socat").args([&listen, "PIPE"]));
    let said = succeeds(crate::peer::hobnob().args([
        "talk",
        "--retry",
        &format!("unixseq:{path}"),
        "one",
    ]));
    assert_eq!(said, "one");
}

#[test]
fn telnet_is_answered_with_its_own_newlines() {
    if !has("clients::telnet_is_answered_with_its_own_newlines", "telnet") {
        return;
    }
    let (_server, address) = serve("hello", "127.0.0.1:0", &[]);
    let mut telnet = Running::start(Command::new("telnet").args(&address));
    // telnet leaves when its input ends: first the answers, then the end.
    let mut said = String::new();
    telnet.type_in("Michael\n");
    while !said.contains("Hello, Michael!") {
        said.push_str(&telnet.line());
    }
    assert!(said.contains("Welcome!Hello, Michael!"), "{said:?}");
    telnet.type_in("exit\n");
    telnet.finish();
}
