//! `hobnob demo`: what it serves is there, on other ports where its own are taken, and ends when it is asked to.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;

use crate::kit::hardship::{ends_without_its_events, with_files};
use crate::kit::{Launched, code, finish, folder, hobnob, launch, skip};
use crate::screen::{BINARY, Screen};

/// Parts of the playground.
const PARTS: usize = 7;

/// The parts, with the line to try for each.
fn demo() -> (Launched, BTreeMap<String, String>) {
    demo_of(hobnob(&["demo"]))
}

fn demo_of(command: Command) -> (Launched, BTreeMap<String, String>) {
    let playing = launch(command);
    let first = playing.err.next();
    assert_eq!(first, "a playground on this machine only; Ctrl-C ends it");
    let mut lines = BTreeMap::new();
    for _ in 0..PARTS {
        let line = playing.err.next();
        assert!(line.chars().count() <= 80, "{line}");
        let (name, line) = line.trim_start().split_once(' ').expect("a name and a line");
        lines.insert(name.to_owned(), line.trim_start().to_owned());
    }
    (playing, lines)
}

/// This port, from the moment when nobody else has it: demos of other tests come and go.
fn taken(port: u16) -> TcpListener {
    for _ in 0..400 {
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => return listener,
            // Nobody tells when a port becomes free.
            Err(_) => std::thread::park_timeout(std::time::Duration::from_millis(50)),
        }
    }
    panic!("port {port} stays taken");
}

fn port(line: &str) -> u16 {
    let digits = |word: &str| word.rsplit(':').next().and_then(|port| port.parse().ok());
    line.split(' ').find_map(digits).expect("a port")
}

/// Runs a line as a shell would, and says so much to it.
fn try_line(line: &str, said: &[u8]) -> crate::kit::Done {
    let own = Path::new(env!("CARGO_BIN_EXE_hobnob")).parent().expect("a folder");
    let mut command = Command::new("sh");
    command.args(["-c", line]).env_clear().env("PATH", format!("{}:/usr/bin:/bin", own.display()));
    finish(command, said)
}

#[test]
fn each_line_to_try_works() {
    let (playing, lines) = demo();
    let done = try_line(&lines["greet"], b"Michael\nexit\n");
    assert_eq!((done.code, done.out.as_str()), (0, "Welcome!Hello, Michael!\n"), "{}", done.err);
    let line = playing.err.until("Michael");
    assert!(line.contains("  greet    #1  "), "each line has the name: {line}");
    let done = try_line(&lines["echo"], b"");
    assert_eq!((done.code, done.out.as_str()), (0, "hello\n"), "{}", done.err);
    let done = try_line(&lines["convert"], b"");
    assert_eq!((done.code, done.out.trim_end()), (0, "68.0 F"), "{}", done.err);
    let (command, note) = lines["chat"].split_once("   ").expect("a note beside it");
    assert_eq!(note.trim(), "once more in another terminal");
    let done = try_line(command, b"Li\n");
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(!done.out.is_empty());
    // The line is hobnob get; that the page is there is shown without it.
    let port = port(&lines["page"]);
    assert_eq!(lines["page"], format!("hobnob get http://127.0.0.1:{port}"));
    let mut peer = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    peer.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("it is open");
    let mut page = String::new();
    peer.read_to_string(&mut page).expect("a page");
    assert!(page.starts_with("HTTP/1.") && page.contains(" 200 "), "{page}");
    let (code, _) = playing.stop("INT");
    assert_eq!(code, 0);
}

#[test]
fn a_port_that_is_taken_is_replaced_by_the_next_free_one_and_said() {
    let _taken = [9_000, 9_002, 8_000].map(taken);
    let (playing, lines) = demo();
    for (name, usual) in [("greet", 9_000), ("chat", 9_002), ("page", 8_000)] {
        let port = port(&lines[name]);
        assert_ne!(port, usual);
        let line = playing.err.until(&format!("port {usual} is in use"));
        assert_eq!(line, format!("port {usual} is in use, so {name} is on {port}"));
        drop(TcpStream::connect(("127.0.0.1", port)).expect("it listens"));
    }
    assert_eq!(playing.stop("TERM").0, 0);
}

#[test]
fn a_relay_follows_the_part_that_it_leads_to_where_that_had_to_move() {
    let _taken = (taken(9_001), UdpSocket::bind(("127.0.0.1", 9_998)));
    let (playing, lines) = demo();
    assert_ne!(port(&lines["echo"]), 9_001);
    let mut peer = TcpStream::connect(("127.0.0.1", port(&lines["bend"]))).expect("it listens");
    peer.write_all(b"hi").expect("it is open");
    let mut answer = [0; 2];
    peer.read_exact(&mut answer).expect("its own echo answers, and not who has that port");
    assert_eq!(&answer, b"hi");
    drop(peer);
    assert_eq!(playing.stop("TERM").0, 0);
}

#[test]
fn its_relays_are_bent_by_the_line_beside_them() {
    let folder = folder();
    let mut command = hobnob(&["demo"]);
    command.env("XDG_RUNTIME_DIR", folder.path());
    let (playing, lines) = demo_of(command);
    for name in ["bend", "lossy"] {
        let (talk, bend) = lines[name].split_once("   ").expect("a note beside it");
        let bend = format!("XDG_RUNTIME_DIR={} {}", folder.path().display(), bend.trim());
        assert_eq!(try_line(talk, b"").code, 0, "{talk}");
        let done = try_line(&bend, b"");
        assert_eq!(done.code, 0, "{bend}: {}", done.err);
        assert!(done.out.contains(if name == "bend" { "latency" } else { "loss" }), "{}", done.out);
    }
    let done = try_line(lines["bend"].split("   ").next().expect("a command"), b"");
    assert_eq!((done.code, done.out.as_str()), (0, "hi\n"), "{}", done.err);
    playing.err.until("  held ");
    assert_eq!(playing.stop("TERM").0, 0);
}

/// A terminal of so many columns and rows in which the demo plays, with what it kept of the terminal before.
fn playing(name: &str, columns: u16, rows: u16) -> Option<(Screen, tempfile::TempDir)> {
    let screen = Screen::of_size(name, columns, rows)?;
    let folder = folder();
    screen.run(&format!("stty -a > {}/before", folder.path().display()));
    screen.line(&format!("clear; HOME={} {BINARY} demo; echo left $?", folder.path().display()));
    screen.until(|text| text.contains("1 of 5"));
    Some((screen, folder))
}

/// The terminal is as it was before.
fn is_clean(screen: &Screen, folder: &Path) {
    screen.run(&format!("stty -a > {}/after", folder.display()));
    let read = |name| std::fs::read_to_string(folder.join(name)).expect("the terminal's settings");
    assert_eq!(read("after"), read("before"));
}

#[test]
fn in_a_terminal_it_plays_until_a_key_is_pressed() {
    for (columns, rows) in [(80, 24), (60, 20)] {
        let name = "demo::in_a_terminal_it_plays_until_a_key_is_pressed";
        let Some((screen, folder)) = playing(name, columns, rows) else { return };
        let text = screen.until(|text| text.contains("Welcome!"));
        assert!(text.contains("any key skips that"), "{text}");
        assert!(text.contains("\n  hobnob talk :"), "a line to type: {text}");
        let heads = text.lines().filter(|line| line.contains(" greet  ") && line.contains("  in"));
        assert_eq!(heads.count(), 1, "the transcript of the server itself: {text}");
        screen.keys(&["x"]);
        let text = screen.until(|text| text.contains("http://127.0.0.1:"));
        assert!(text.contains("your turn"), "{text}");
        assert!(!text.lines().any(|line| line == "x"), "the key is nobody's: {text}");
        screen.keys(&["C-c"]);
        screen.until(|text| text.contains("left 0"));
        is_clean(&screen, folder.path());
    }
}

#[test]
fn ctrl_c_and_a_signal_at_any_moment_of_the_play_leave_a_clean_terminal() {
    let name = "demo::ctrl_c_and_a_signal_at_any_moment_of_the_play_leave_a_clean_terminal";
    let moments = ["1 of 5", "Welcome!", "Michael"];
    for moment in moments {
        let Some((screen, folder)) = playing(name, 80, 24) else { return };
        screen.until(|text| text.contains(moment));
        screen.keys(&["C-c"]);
        screen.until(|text| text.contains("left 0"));
        is_clean(&screen, folder.path());
    }
    let Some((screen, folder)) = playing(name, 80, 24) else { return };
    screen.keys(&["C-z"]);
    screen.until(|text| text.contains("your turn"));
    screen.keys(&["C-z"]);
    screen.until(|text| text.contains("Stopped"));
    is_clean(&screen, folder.path());
    screen.line("kill %1; fg; echo over");
    screen.until(|text| text.contains("over"));
}

#[test]
fn the_picture_shows_each_step() {
    let picture = include_str!("../../../../docs/picture.svg");
    let script = include_str!("../../src/command/demo/script.rs");
    let steps =
        script.lines().filter_map(|line| line.split_once("play.step(")?.1.split_once(", \""));
    let titles: Vec<_> =
        steps.filter_map(|(number, rest)| Some((number, rest.split_once('"')?.0))).collect();
    assert_eq!(titles.len(), 5, "{titles:?}");
    for (number, title) in titles {
        assert!(
            picture.contains(&format!("{number} of 5  {title}")),
            "cargo xtask picture: {title}"
        );
    }
}

#[test]
fn a_dumb_terminal_and_a_quiet_demo_do_not_play() {
    let name = "demo::a_dumb_terminal_and_a_quiet_demo_do_not_play";
    for line in [format!("TERM=dumb {BINARY} demo"), format!("{BINARY} demo < /dev/null")] {
        let Some(screen) = Screen::of_size(name, 80, 24) else { return };
        screen.line(&format!("clear; {line}; echo left $?"));
        let text = screen.until(|text| text.contains("http://127.0.0.1:"));
        assert!(!text.contains("of 5") && !text.contains("any key"), "{text}");
        screen.keys(&["C-c"]);
        screen.until(|text| text.contains("left 0"));
    }
}

#[test]
fn it_ends_when_it_is_asked_to_and_its_ports_are_free() {
    for name in ["INT", "TERM", "HUP"] {
        let (playing, lines) = demo();
        let ports: Vec<_> = ["greet", "echo", "chat", "page"].map(|name| port(&lines[name])).into();
        let mut peer = TcpStream::connect(("127.0.0.1", ports[0])).expect("it listens");
        playing.err.until("  in");
        // It leaves when it is left.
        std::thread::spawn(move || peer.read_to_end(&mut Vec::new()));
        let (code, said) = playing.stop(name);
        assert_eq!(code, 0, "{name}");
        assert!(said.iter().any(|line| line.starts_with("greet: 1 session")), "{said:?}");
        for port in ports {
            // Another demo may have it by now, but nobody of this one.
            let bound = TcpListener::bind(("127.0.0.1", port));
            let is_taken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AddrInUse;
            assert!(bound.as_ref().err().is_none_or(is_taken), "{bound:?}");
        }
    }
}

#[test]
fn a_terminal_that_is_closed_ends_it() {
    let Some(screen) = Screen::open("demo::a_terminal_that_is_closed_ends_it") else { return };
    let folder = folder();
    let log = folder.path().join("log");
    // Its words go to a file, which is still there when the terminal is not.
    screen.line(&format!("{BINARY} demo 2> {}", log.display()));
    says(&log, "http://127.0.0.1:");
    screen.tmux(&["kill-server"]);
    says(&log, "\npage: 0 sessions");
}

/// Waits until a file has these words.
fn says(log: &Path, words: &str) {
    for _ in 0..400 {
        if std::fs::read_to_string(log).is_ok_and(|text| text.contains(words)) {
            return;
        }
        // Nobody tells when a file changes, so it is looked at again.
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    panic!("{words:?} is not in {:?}", std::fs::read_to_string(log));
}

#[test]
fn a_machine_without_ipv6_has_it_too() {
    let is_possible = Command::new("unshare").args(["-rn", "ip", "link"]).output();
    if !is_possible.is_ok_and(|output| output.status.success()) {
        return skip("demo::a_machine_without_ipv6_has_it_too", "needs unshare and ip");
    }
    let script = r#"
        echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 && ip link set lo up || exit 99
        "$1" demo 2> "$2" &
        until grep -q "http://" "$2"; do sleep 0.02; done
        "$1" talk :9000 Michael exit && "$1" talk udp://:9998 20C && "$1" talk :9001 hello
        kill -TERM $! && wait $! && cat "$2"
    "#;
    let folder = folder();
    let log = folder.path().join("log").to_string_lossy().into_owned();
    let mut command = Command::new("unshare");
    command.args(["-rn", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_hobnob"), &log]);
    let done = finish(command, b"");
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    assert!(done.out.starts_with("Welcome!Hello, Michael!\n68.0 Fhello\n"), "{}", done.out);
    let left_out: Vec<_> = done.out.lines().filter(|line| line.contains("left out")).collect();
    assert!(left_out.len() == 1 && left_out[0].contains("::1"), "{left_out:?}");
}

#[test]
fn in_a_pipe_it_has_neither_colour_nor_a_terminal() {
    let done = crate::kit::run(&["demo", "--for", "10ms"]);
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{}", done.err);
    assert!(!done.err.contains('\x1b'), "{}", done.err);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{BINARY} demo --json --for 300ms | head -1; echo over")]);
    let done = finish(command, b"");
    assert!(done.out.starts_with(r#"{"v":1,"type":"listening""#), "{}", done.out);
    assert!(done.out.ends_with("over\n"), "{}", done.out);
}

#[test]
fn events_have_the_name_of_what_they_belong_to() {
    let playing = launch(hobnob(&["demo", "--json"]));
    let mut address = String::new();
    for _ in 0..9 {
        let line: serde_json::Value = serde_json::from_str(&playing.out.next()).expect("JSON");
        if line["name"] == "echo" && address.is_empty() {
            line["addr"].as_str().expect("an address").clone_into(&mut address);
        }
    }
    let mut peer = TcpStream::connect(address).expect("it listens");
    peer.write_all(b"hi").expect("it is open");
    for kind in ["open", "data", "data", "close"] {
        if kind == "close" {
            peer.shutdown(std::net::Shutdown::Write).expect("it is open");
        }
        let line = playing.out.until(&format!(r#""type":"{kind}""#));
        crate::kit::schema::valid(&line);
        assert!(line.contains(r#""name":"echo""#), "{line}");
    }
    crate::kit::signal(playing.child.id(), "TERM");
    let last = playing.out.rest();
    assert_eq!(last.iter().filter(|line| line.contains(r#""verb":"demo""#)).count(), PARTS);
    assert_eq!(code(playing.child.wait()), 0);
}

#[test]
fn without_descriptors_it_says_so_and_nothing_runs() {
    // Also where a port is taken and the next is tried: the lack is told, and not the port.
    for _taken in [None, Some(taken(9_000))] {
        for most in 4..=20 {
            let done = finish(with_files(most, &["demo", "--for", "10s"]), b"");
            assert_eq!(done.code, 3, "{most}: {}", done.err);
            assert!(done.err.contains("error[too-many-files]: "), "{most}: {}", done.err);
        }
    }
}

#[test]
fn a_full_disk_under_its_events_ends_it() {
    ends_without_its_events(hobnob(&["demo", "--json"]));
}
