//! The phrase book, `hobnob help coming-from`: its two columns are run against each other, and do the same.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use hobnob::capture::{CaptureWriter, CapturedFrame, LinkType};

use crate::namespace::Namespace;
use crate::peer::{PATIENCE, Running, has, hobnob, skip, succeeds};
use crate::ports::Port;

/// What a line of the page does, and so how both of its columns are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Talks to an echo of ours at this address.
    TalksTo(&'static str),
    /// Listens for one peer, which the dialling line of the same section's first column, or our own, then is.
    HearsOf { theirs: &'static str, ours: &'static str },
    /// Gives back what it is sent, here.
    EchoesAt(&'static str),
    /// Joins what comes to the first with an echo of ours at the second.
    Joins(&'static str, &'static str),
    /// Shows what it is sent.
    Shows,
    /// Says whether somebody listens.
    Probes,
    /// Says once what an echo gives back, and ends.
    SaysOnce,
    /// Asks a web server of ours at this address; both columns have the same output.
    Asks(&'static str),
    /// Asks once over UDP what 20 degrees are.
    Converts,
    /// Turns the knobs of the relay of the first such line. The other program needs a daemon.
    Steers,
    /// Captures two packets of a connect that is refused, in a network of their own.
    Captures,
    /// Shows the packet of a file.
    Reads,
    /// Tells of two round trips.
    Pings,
    /// Fetches the one letter of a server of ours; both columns have the same output.
    Fetches,
}

use Does::{
    Asks, Captures, Converts, EchoesAt, Fetches, HearsOf, Joins, Pings, Probes, Reads, SaysOnce,
    Shows, Steers, TalksTo,
};

/// The first column of each line, and what the line does.
const LINES: &[(&str, Does)] = &[
    ("nc localhost 9000", TalksTo(":9000")),
    ("nc -l 9000", HearsOf { theirs: "nc localhost 9000", ours: ":9000" }),
    ("nc -u localhost 9998", TalksTo("udp://:9998")),
    ("nc -lu 9998", HearsOf { theirs: "nc -u localhost 9998", ours: "udp://:9998" }),
    ("nc -U /tmp/x.sock", TalksTo("/tmp/x.sock")),
    ("nc -lU /tmp/x.sock", HearsOf { theirs: "nc -U /tmp/x.sock", ours: "/tmp/x.sock" }),
    ("echo hi | nc -N localhost 9000", SaysOnce),
    ("nc -w 3 localhost 9000", TalksTo(":9000")),
    ("nc -z localhost 9000", Probes),
    ("nc -lk 9000", Shows),
    ("ncat -C localhost 9000", TalksTo(":9000")),
    ("ncat -lk 9000 -e /bin/cat", EchoesAt(":9000")),
    ("ncat --ssl localhost 9443", TalksTo("tls://:9443")),
    ("socat - TCP:localhost:9000", TalksTo(":9000")),
    ("socat - TCP-LISTEN:9000", HearsOf { theirs: "socat - TCP:localhost:9000", ours: ":9000" }),
    ("socat - UDP:localhost:9998", TalksTo("udp://:9998")),
    ("socat - UNIX:/tmp/x", TalksTo("/tmp/x")),
    ("socat - UNIX:/tmp/x,type=5", TalksTo("unixseq:/tmp/x")),
    ("socat TCP-LISTEN:9000,fork PIPE", EchoesAt(":9000")),
    ("socat TCP-LISTEN:9001,fork TCP:localhost:9000", Joins(":9001", ":9000")),
    ("socat TCP-LISTEN:9001,fork UNIX:/tmp/x", Joins(":9001", "/tmp/x")),
    ("socat UNIX-LISTEN:/tmp/x,fork TCP:localhost:9000", Joins("/tmp/x", ":9000")),
    ("socat -x TCP-LISTEN:9001,fork TCP:localhost:9000", Joins(":9001", ":9000")),
    ("telnet localhost 9000", TalksTo(":9000")),
    ("openssl s_client -quiet -connect :9443", TalksTo("tls://:9443")),
    ("curl http://localhost:8000/", Asks(":8000")),
    ("curl localhost:8000/x", Asks(":8000")),
    ("curl -I localhost:8000", Asks(":8000")),
    ("curl -L localhost:8000", Asks(":8000")),
    ("curl -d a=1 localhost:8000", Asks(":8000")),
    ("curl -H 'A: b' localhost:8000", Asks(":8000")),
    ("curl -o page.html localhost:8000", Asks(":8000")),
    ("curl -k https://localhost:8443/", Asks("tls://:8443")),
    ("curl --unix-socket /tmp/x http://h/", Asks("/tmp/x")),
    ("create -l :9001 -u :9000 it", Steers),
    ("list", Steers),
    ("toxic add -t latency -a latency=99 it", Steers),
    ("inspect it", Steers),
    ("toggle it", Steers),
    ("toxic remove -n latency_downstream it", Steers),
    ("tcpdump -i lo -c 2 port 9000", Captures),
    ("tcpdump -i lo -c 2 -w x.pcap tcp", Captures),
    ("tcpdump -r x.pcap port 9000", Reads),
    ("tcpdump -XX -r x.pcap", Reads),
    ("tshark -qz follow,tcp,ascii,0 -r x.pcap", Reads),
    ("ping -c 2 127.0.0.1", Pings),
    ("curl pop3://li:x@localhost:1110/1", Fetches),
    (r#"create_connection(("localhost", 9000))"#, TalksTo(":9000")),
    (
        r#"create_server(("localhost", 9000)).accept()"#,
        HearsOf { theirs: r#"create_connection(("localhost", 9000))"#, ours: ":9000" },
    ),
    (r#"s.sendto(b"20C", ("localhost", 9998))"#, Converts),
    (r#"urlopen("http://localhost:8000").read()"#, Asks(":8000")),
];

/// What a line of Python stands in: names of its modules before it, a conversation behind it.
const PYTHON: &str = "
import socket, sys, threading
from socket import create_connection, create_server
from urllib.request import urlopen
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
it = LINE
if isinstance(it, bytes): sys.stdout.buffer.write(it); sys.exit()
it = s if isinstance(it, int) else it[0] if isinstance(it, tuple) else it
if it is not s:
    threading.Thread(target=lambda: [it.sendall(x.encode()) for x in sys.stdin], daemon=True).start()
while x := it.recv(1024):
    print(x.decode(), end='', flush=True)
    if it is s: break
";

/// The lines of the page: both columns.
fn page() -> Vec<(String, String)> {
    let text = succeeds(hobnob().args(["help", "coming-from", "all"]));
    let rows = text.lines().filter(|line| line.starts_with("  "));
    rows.map(|line| {
        // The second column begins with ours, and what is before it is said by both.
        let at = line.find(" hobnob ").expect("ours stands in the second column");
        let (mut theirs, mut ours) = (line[..at].trim().to_owned(), line[at..].trim().to_owned());
        if let Some(said) = theirs.strip_suffix("echo hi |").map(str::trim_end) {
            ours = format!("echo hi | {ours}");
            theirs = said.to_owned();
        }
        (theirs, ours)
    })
    .collect()
}

/// A place of its own for each run: ports, and a folder in place of `/tmp`.
struct Place {
    ports: Vec<(&'static str, Port)>,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let ports = ["9000", "9001", "9998", "9443", "8000", "8443", "1025", "1110"];
        let ports = ports.into_iter().map(|port| (port, Port::draw())).collect();
        Place { ports, folder: tempfile::tempdir().expect("a folder") }
    }

    /// The text with this place's ports and folder.
    fn here(&self, text: &str) -> String {
        let folder = self.folder.path().display().to_string();
        let (mut out, mut digits) = (String::new(), String::new());
        for letter in text.chars().chain([' ']) {
            if letter.is_ascii_digit() {
                digits.push(letter);
                continue;
            }
            let ours = self.ports.iter().find(|(port, _)| *port == digits);
            let here = ours.map_or(digits.clone(), |(_, port)| port.number.to_string());
            out.push_str(&here);
            digits.clear();
            out.push(letter);
        }
        out.trim_end().replace("/tmp/", &format!("{folder}/"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A line of the page as a shell or Python runs it, in the folder. `2>&1`: what is shown is read in one place.
    fn command(&self, line: &str) -> Command {
        let line = self.here(line);
        let mut command;
        if line.contains("((") || line.contains("b\"") || line.contains("urlopen") {
            command = Command::new("python3");
            command.args(["-u", "-c", &PYTHON.replace("LINE", &line)]);
        } else {
            let exec = if line.contains('|') { "" } else { "exec " };
            command = Command::new("bash");
            command.args(["-c", &format!("{exec}{line}")]);
        }
        let bin = Path::new(env!("CARGO_BIN_EXE_hobnob")).parent().expect("it lies somewhere");
        let path = std::env::var("PATH").expect("there is one");
        command.env("PATH", format!("{}:{path}", bin.display())).current_dir(self.folder.path());
        command.env("XDG_RUNTIME_DIR", self.folder.path());
        command.env("XDG_STATE_HOME", self.folder.path());
        command
    }

    fn start(&self, line: &str) -> Running {
        let shown = if line.starts_with("hobnob serve discard") { " 2>&1" } else { "" };
        Running::start(&mut self.command(&format!("{line}{shown}")))
    }

    /// The same in a network of its own; what it says on stderr is read, too.
    fn start_in(&self, network: &Namespace, line: &str) -> Running {
        let command = self.command(&format!("{line} 2>&1"));
        let mut inside = network.command("env");
        for (name, value) in command.get_envs() {
            inside.arg(format!("{}={}", name.display(), value.unwrap_or_default().display()));
        }
        inside.arg(command.get_program()).args(command.get_args());
        Running::start(inside.current_dir(self.folder.path()))
    }

    fn run(&self, line: &str) -> Output {
        Running::start(&mut self.command(line)).finish()
    }

    /// A server of ours at an address of the page.
    fn serve(&self, words: &str) -> Running {
        let mut server = self.start(&format!("hobnob serve {words} --json"));
        server.hears("\"listening\"");
        server
    }

    /// Waits until somebody is at this address, by the kernel's tables: to dial it would take the one place there is.
    fn await_listener(&self, endpoint: &str) {
        let at = self.here(endpoint);
        let until = Instant::now() + PATIENCE;
        while !is_taken(&at) {
            assert!(Instant::now() < until, "nobody listens at {endpoint}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What an echo at this address says to `hello`.
    fn answer(&self, endpoint: &str) -> String {
        let at = self.here(endpoint);
        if let Some(port) = at.strip_prefix(':') {
            let peer = TcpStream::connect(("localhost", port.parse().expect("a port")));
            let peer = peer.expect("it listens");
            peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            return answer(peer.try_clone().expect("a handle"), peer);
        }
        let peer = UnixStream::connect(at).expect("it listens");
        peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        answer(peer.try_clone().expect("a handle"), peer)
    }
}

fn answer(mut to: impl std::io::Write, from: impl std::io::Read) -> String {
    let mut said = String::new();
    // Where it fails, what came until then says enough.
    let _ = to.write_all(b"hello\n");
    let _ = BufReader::new(from).read_line(&mut said);
    said
}

/// Whether an address is bound, and listened at where that is something else.
fn is_taken(at: &str) -> bool {
    if at.starts_with('/') {
        // The flag of a socket that listens, not only bound (__SO_ACCEPTCON).
        let table = std::fs::read_to_string("/proc/net/unix").expect("procfs");
        return table.lines().any(|line| line.ends_with(at) && line.contains(" 00010000 "));
    }
    let (_, port) = at.rsplit_once(':').expect("a port");
    let end = format!(":{:04X}", port.parse::<u16>().expect("a port"));
    let (tables, state) =
        if at.starts_with("udp") { (["udp", "udp6"], "07") } else { (["tcp", "tcp6"], "0A") };
    tables.iter().any(|table| {
        let table = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        table.lines().any(|line| {
            let words: Vec<_> = line.split_ascii_whitespace().collect();
            words.len() > 3 && words[1].ends_with(&end) && words[3] == state
        })
    })
}

/// The program of a line of the first column.
fn program(theirs: &str) -> &str {
    let words = theirs.strip_prefix("echo hi | ").unwrap_or(theirs);
    match words.split(' ').next().unwrap_or_default() {
        word if word.contains('(') => "python3",
        word => word,
    }
}

/// Runs the lines of the page that do such a thing and whose other program is here, each column by itself.
fn each(test: &str, is_meant: impl Fn(Does) -> bool, run: impl Fn(&Place, Does, &str)) {
    let page = page();
    let mut ran = 0;
    for (theirs, does) in LINES.iter().filter(|(_, does)| is_meant(*does)) {
        if cfg!(not(feature = "tls")) && format!("{does:?}").contains("tls:") {
            continue;
        }
        let ours = page.iter().find(|(line, _)| line == theirs).map(|(_, ours)| ours.clone());
        let ours = ours.unwrap_or_else(|| panic!("the page has no line {theirs:?}"));
        run(&Place::new(), *does, &ours);
        if has(test, program(theirs)) {
            run(&Place::new(), *does, theirs);
        }
        ran += 1;
    }
    assert!(ran > 0, "no such line");
}

#[test]
fn every_line_of_the_page_is_run() {
    let page = page();
    for (theirs, ours) in &page {
        assert!(LINES.iter().any(|(line, _)| line == theirs), "{theirs:?}, {ours:?}");
    }
    assert_eq!(page.len(), LINES.len());
}

#[test]
fn lines_that_dial_talk_to_an_echo() {
    let is_meant = |does| matches!(does, TalksTo(_));
    each("phrases::lines_that_dial_talk_to_an_echo", is_meant, |place, does, line| {
        let TalksTo(endpoint) = does else { return };
        let _echo = place.serve(&format!("echo {endpoint}"));
        let mut client = place.start(line);
        client.type_in("hello\n");
        let heard = client.hears("hello");
        assert!(heard.contains("hello"), "{line}: {heard:?}");
    });
}

#[cfg(feature = "mail")]
#[test]
fn lines_that_fetch_print_the_letter_as_it_is() {
    let test = "phrases::lines_that_fetch_print_the_letter_as_it_is";
    each(
        test,
        |does| matches!(does, Fetches),
        |place, _, line| {
            let _server = place.serve("mail smtp=:1025 pop3=:1110 --no-trace");
            place.await_listener(":1110");
            let send = "hobnob mail send smtp://:1025 -q --from a@test --to b@test -H Date: -H Message-ID: --text hello";
            assert!(place.run(send).status.success());
            let said = place.run(line);
            let text = String::from_utf8_lossy(&said.stdout).into_owned();
            assert!(
                said.status.success() && text.starts_with("From: a@test\r\nTo: b@test\r\n"),
                "{line}: {text}"
            );
            assert!(text.ends_with("\r\n\r\nhello\r\n"), "{line}: {text}");
        },
    );
}

/// Theirs is dialled by ours, and ours by theirs.
#[test]
fn lines_that_listen_converse_with_the_other_column() {
    let test = "phrases::lines_that_listen_converse_with_the_other_column";
    each(
        test,
        |does| matches!(does, HearsOf { .. }),
        |place, does, line| {
            let HearsOf { theirs, ours } = does else { return };
            let is_ours = line.starts_with("hobnob ");
            if is_ours && !has(test, program(theirs)) {
                return;
            }
            let mut server = place.start(line);
            place.await_listener(ours);
            let dials = if is_ours { theirs.to_owned() } else { format!("hobnob talk {ours}") };
            let mut client = place.start(&dials);
            client.type_in("ping\n");
            let heard = server.hears("ping");
            assert!(heard.contains("ping"), "{line} hears {dials}: {heard:?}");
            server.type_in("pong\n");
            let heard = client.hears("pong");
            assert!(heard.contains("pong"), "{dials} hears {line}: {heard:?}");
        },
    );
}

#[test]
fn lines_that_serve_give_back_what_they_are_sent() {
    let test = "phrases::lines_that_serve_give_back_what_they_are_sent";
    each(
        test,
        |does| matches!(does, EchoesAt(_) | Joins(..)),
        |place, does, line| {
            let (at, _behind) = match does {
                Joins(at, target) => (at, Some(place.serve(&format!("echo {target}")))),
                EchoesAt(at) => (at, None),
                _ => return,
            };
            let _server = place.start(line);
            place.await_listener(at);
            for _ in 0..2 {
                assert_eq!(place.answer(at), "hello\n", "{line}");
            }
        },
    );
}

#[test]
fn a_line_that_shows_shows_every_peer() {
    each(
        "phrases::a_line_that_shows_shows_every_peer",
        |does| does == Shows,
        |place, _, line| {
            let mut server = place.start(line);
            place.await_listener(":9000");
            for said in ["from one", "from another"] {
                let port: u16 = place.here("9000").parse().expect("a port");
                let mut peer = TcpStream::connect(("localhost", port)).expect("it listens");
                peer.write_all(format!("{said}\n").as_bytes()).expect("it reads");
                drop(peer);
                let heard = server.hears(said);
                assert!(heard.contains(said), "{line}: {heard:?}");
            }
        },
    );
}

#[test]
fn lines_that_end_by_themselves_say_what_they_got() {
    let test = "phrases::lines_that_end_by_themselves_say_what_they_got";
    each(
        test,
        |does| matches!(does, Probes | SaysOnce | Converts),
        |place, does, line| {
            // Over UDP without a connection nobody hears that nobody is there.
            if does != Converts {
                assert!(!place.run(line).status.success(), "{line}: nobody is there");
            }
            let served = if does == Converts { "temp udp://:9998" } else { "echo :9000" };
            let _server = place.serve(served);
            let done = place.run(line);
            let said = String::from_utf8_lossy(&done.stdout).into_owned();
            assert!(done.status.success(), "{line}: {said}");
            match does {
                SaysOnce => assert_eq!(said, "hi\n", "{line}"),
                Converts => assert!(said.starts_with("68.0"), "{line}: {said:?}"),
                _ => assert_eq!(said, "", "{line}"),
            }
        },
    );
}

/// Both columns ask the same server, and have the same output, and the same file where one is written.
#[test]
fn lines_that_ask_have_the_same_answer() {
    let test = "phrases::lines_that_ask_have_the_same_answer";
    for (theirs, does) in LINES {
        let Asks(endpoint) = *does else { continue };
        if cfg!(not(feature = "tls")) && endpoint.starts_with("tls") || !has(test, program(theirs))
        {
            continue;
        }
        let page = page();
        let (_, ours) = page.iter().find(|(line, _)| line == theirs).expect("it is on the page");
        let place = Place::new();
        let _server = place.serve(&format!("http {endpoint} --body 'Hi, there!'"));
        let asked = |line: &str| {
            let done = place.run(line);
            assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
            let file = std::fs::read(place.path("page.html")).unwrap_or_default();
            let _ = std::fs::remove_file(place.path("page.html"));
            let said = [done.stdout, file].concat();
            // The date of a head may be another by now, and ours says that nothing more is asked.
            let said = String::from_utf8_lossy(&said).into_owned();
            let differs =
                |line: &&str| line.starts_with("date:") || line.starts_with("connection:");
            said.lines().filter(|line| !differs(line)).collect::<Vec<_>>().join("\n")
        };
        let (said, heard) = (asked(theirs), asked(ours));
        assert!(!heard.is_empty(), "{ours}");
        assert_eq!(heard, said, "{ours} and {theirs}");
    }
}

/// toxiproxy is a daemon that nobody has by chance: our own column alone is run, in its order.
#[test]
fn lines_that_steer_a_relay_are_understood_in_their_order() {
    let place = Place::new();
    let page = page();
    let ours = LINES.iter().filter(|(_, does)| *does == Steers).map(|(theirs, _)| {
        page.iter().find(|(line, _)| line == theirs).expect("it is on the page").1.clone()
    });
    let ours: Vec<_> = ours.collect();
    let _echo = place.serve("echo :9000");
    let mut relay = place.start(&format!("{} --json", ours[0]));
    relay.hears("\"listening\"");
    assert_eq!(place.answer(":9001"), "hello\n");
    for line in &ours[1..] {
        let done = place.run(line);
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    }
    place.await_listener(":9001");
    assert_eq!(place.answer(":9001"), "hello\n", "the knobs are where they were");
}

#[test]
fn lines_that_capture_see_a_connect_that_is_refused() {
    let test = "phrases::lines_that_capture_see_a_connect_that_is_refused";
    let network = match Namespace::with("ip link set lo up") {
        Ok(network) => network,
        Err(why) => return skip(test, &why),
    };
    each(
        test,
        |does| does == Captures,
        |place, _, line| {
            // tcpdump writes its file as a user of its own.
            let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            std::fs::set_permissions(place.folder.path(), all).expect("it is ours");
            let mut capturing = place.start_in(&network, line);
            capturing.hears(" on lo");
            let dial = place.here("exec 3<> /dev/tcp/127.0.0.1/9000");
            let refused = network.command("bash").args(["-c", &dial]).output().expect("bash");
            assert!(!refused.status.success(), "nobody listens");
            let shown = capturing.finish();
            assert!(shown.status.success(), "{line}: {shown:?}");
            let mut shown = String::from_utf8(shown.stdout).expect("UTF-8");
            if line.contains(" -w ") {
                shown = succeeds(hobnob().args(["sniff", "-r"]).arg(place.path("x.pcap")));
            }
            let has = |flags: &str| shown.contains(&format!("Flags [{flags}]"));
            assert!(has("S") && has("R."), "{line}: {shown}");
        },
    );
}

/// A file of one packet, from port 1 to this one of 127.0.0.1.
fn capture_file(port: u16) -> Vec<u8> {
    let mut packet =
        vec![0x45, 0, 0, 43, 0, 7, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0, 1];
    packet.extend(port.to_be_bytes());
    packet.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x18, 2, 0, 0, 0, 0, 0]);
    packet.extend(b"hi!");
    let (link, length) = (LinkType::Raw, packet.len());
    let frame = CapturedFrame { at: Duration::ZERO, link, interface: "", bytes: &packet, length };
    let mut file = Vec::new();
    let mut writer = CaptureWriter::new(&mut file, "a test").expect("a vector");
    writer.frame(&frame).expect("a vector");
    file
}

#[test]
fn lines_that_read_a_file_show_its_packet() {
    let test = "phrases::lines_that_read_a_file_show_its_packet";
    each(
        test,
        |does| does == Reads,
        |place, _, line| {
            let port = place.here("9000");
            let file = capture_file(port.parse().expect("a port"));
            std::fs::write(place.path("x.pcap"), file).expect("a folder");
            let said = succeeds(&mut place.command(line));
            assert!(said.contains(&port), "{line}: {said}");
        },
    );
}

#[test]
fn lines_that_ping_have_their_answers() {
    let test = "phrases::lines_that_ping_have_their_answers";
    each(
        test,
        |does| does == Pings,
        |place, _, line| {
            let said = succeeds(&mut place.command(line));
            let is_whole = [" 0 lost", " 0% packet loss"].iter().any(|none| said.contains(none));
            assert!(is_whole && said.contains("127.0.0.1"), "{line}: {said}");
        },
    );
}
