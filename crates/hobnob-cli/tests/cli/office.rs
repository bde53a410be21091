//! `hobnob serve mail` on a hard day, at each of its doors.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::kit::hardship::{connect, is_light, reset};
use crate::kit::{Bounded, Lines, code, folder, hobnob, is_root, signal, skip};

/// The doors, and how each greets.
const DOORS: [(&str, &str); 3] = [("smtp", "220 "), ("pop3", "+OK "), ("imap", "* OK ")];

/// A server of mail, and what it tells.
struct Office {
    child: Bounded,
    events: Lines,
    addresses: Vec<String>,
}

impl Office {
    fn open(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("the binary is there");
        let events = Lines::of(child.stdout.take().expect("it is piped"));
        let child = Bounded::of(child);
        let address = |line: String| {
            let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            line["addr"].as_str().expect("an address").to_owned()
        };
        let addresses = DOORS.map(|_| address(events.until("listening"))).to_vec();
        Office { child, events, addresses }
    }

    fn peer(&self, door: usize) -> Peer {
        let mut peer = Peer(BufReader::new(connect(&self.addresses[door])));
        let greeting = peer.line();
        assert!(greeting.starts_with(DOORS[door].1), "{greeting}");
        peer
    }
}

struct Peer(BufReader<TcpStream>);

impl Peer {
    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).expect("it is open");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("text");
        line
    }

    /// The first line to come that begins so.
    fn until(&mut self, beginning: &str) -> String {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the end, and no {beginning}");
            if line.starts_with(beginning) {
                return line;
            }
        }
    }

    /// Sends a letter, and what is answered to it.
    fn sends(&mut self, letter: &str) -> String {
        self.say("EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
        self.until("354 ");
        self.say(&format!("{letter}\r\n.\r\n"));
        self.line()
    }
}

fn words(more: &[&str]) -> Vec<String> {
    let doors = DOORS.map(|(door, _)| format!("{door}=127.0.0.1:0"));
    let first = ["serve", "mail", "--json", "--starttls", "off"].map(str::to_owned);
    first.into_iter().chain(doors).chain(more.iter().map(|word| (*word).to_owned())).collect()
}

fn serve_mail(more: &[&str]) -> Office {
    let words = words(more);
    Office::open(hobnob(&words.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn files(folder: &Path, part: &str) -> usize {
    std::fs::read_dir(folder.join(part)).expect("a folder").count()
}

#[test]
fn a_reset_at_any_door_ends_one_session_and_loses_the_letter_that_was_coming() {
    let folder = folder();
    let office = serve_mail(&["--dir", folder.path().join("mail").to_str().expect("UTF-8")]);
    for (door, said) in [
        (0, "EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhalf a letter"),
        (1, "USER x\r\nPASS x\r\nDELE 1\r\n"),
        (2, "a LOGIN x x\r\nb APPEND INBOX {100+}\r\nhalf a letter"),
    ] {
        let mut peer = office.peer(door);
        peer.say(said);
        peer.line();
        reset(peer.0.into_inner());
        office.events.until(r#""type":"close""#);
        office.peer(door);
        office.events.until(r#""type":"close""#);
    }
    let mut peer = office.peer(0);
    assert!(peer.sends("whole").starts_with("250 2.0.0 kept as "));
    let mail = folder.path().join("mail");
    assert_eq!((files(&mail, "new"), files(&mail, "tmp")), (1, 0));
}

#[test]
fn sigterm_and_sigint_tell_who_waits_at_any_door_and_end_it_in_order() {
    for name in ["TERM", "INT"] {
        let office = serve_mail(&[]);
        let mut peers: Vec<_> = (0..DOORS.len()).map(|door| office.peer(door)).collect();
        let mut idle = office.peer(2);
        idle.say("a LOGIN x x\r\nb SELECT INBOX\r\nc IDLE\r\n");
        idle.until("+ ");
        let mut busy = office.peer(0);
        busy.say("EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhalf");
        busy.until("354 ");
        signal(office.child.id(), name);
        for (peer, word) in peers.iter_mut().zip(["421 4.3.2 ", "-ERR [SYS/TEMP] ", "* BYE "]) {
            assert!(peer.line().starts_with(word), "{name} {word}");
        }
        idle.until("* BYE ");
        busy.say(" a letter\r\n.\r\n");
        assert!(busy.line().starts_with("250 2.0.0 kept as "), "{name}: it is finished first");
        busy.until("421 ");
        drop((peers, idle, busy));
        assert_eq!(code(office.child.wait()), 0, "{name}");
        let last = office.events.rest().pop().unwrap_or_default();
        assert!(last.contains(r#""type":"summary""#), "{name}: {last}");
    }
}

#[test]
fn a_client_that_does_not_read_costs_little_and_nobody_else_anything() {
    let office = serve_mail(&[]);
    let letter = format!("Subject: large\r\n\r\n{}", "0123456789abcd\r\n".repeat(600_000));
    assert!(office.peer(0).sends(&letter).starts_with("250"));
    // Half a GB of answers that nobody reads.
    let deaf: Vec<_> = [
        (0, "HELP\r\n".repeat(100_000)),
        (1, format!("USER x\r\nPASS x\r\n{}", "RETR 1\r\n".repeat(50))),
        (2, format!("a LOGIN x x\r\nb SELECT INBOX\r\n{}", "c FETCH 1 BODY[]\r\n".repeat(50))),
    ]
    .into_iter()
    .map(|(door, asked)| {
        let mut peer = office.peer(door);
        let mut other = peer.0.get_ref().try_clone().expect("a descriptor");
        // It asks until it is not heard any more: for as long as somebody holds its conn.
        std::thread::spawn(move || other.write_all(asked.as_bytes()));
        peer.line();
        peer
    })
    .collect();
    for door in 0..DOORS.len() {
        office.peer(door).say("QUIT\r\n");
    }
    let mut other = office.peer(2);
    other.say("a LOGIN x x\r\nb SELECT INBOX\r\nc FETCH 1 BODY.PEEK[]\r\n");
    other.until("c OK");
    is_light(office.child.id());
    for peer in deaf {
        reset(peer.0.into_inner());
    }
    signal(office.child.id(), "TERM");
    assert_eq!(code(office.child.wait()), 0);
}

#[test]
fn a_disk_without_room_costs_each_letter_and_nothing_else() {
    const TEST: &str = "office::a_disk_without_room_costs_each_letter_and_nothing_else";
    let folder = folder();
    let mail = folder.path().join("mail");
    std::fs::create_dir(&mail).expect("a folder");
    // Less than what is to stay free: to the server it is full from the first letter on.
    let setup = format!(
        "mount -t tmpfs -o size=8m,mode=700 none {} || exit 77; exec \"$@\"",
        mail.display()
    );
    let unshare = |program: &[&str]| {
        let mut command = Command::new("unshare");
        if !is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "--", "sh", "-ec", &setup, "sh"]).args(program);
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
        command
    };
    if !unshare(&["true"]).output().is_ok_and(|done| done.status.success()) {
        return skip(TEST, "needs unshare, and a user who may have mounts of their own");
    }
    let words = words(&["--dir", mail.to_str().expect("UTF-8")]);
    let mut program = vec![env!("CARGO_BIN_EXE_hobnob")];
    program.extend(words.iter().map(String::as_str));
    let office = Office::open(unshare(&program));
    let mut sender = office.peer(0);
    for size in [10, 200_000] {
        let said = sender.sends(&"x".repeat(size));
        assert!(said.starts_with("452 4.3.1 ") && said.contains("disk-floor"), "{said}");
        office.events.until(r#""did":"refused""#);
    }
    let mut reader = office.peer(2);
    reader.say("a LOGIN x x\r\nb APPEND INBOX {5+}\r\nhello\r\n");
    let said = reader.until("b ");
    assert!(said.starts_with("b NO ") && said.contains("disk-floor"), "{said}");
    let mut fetcher = office.peer(1);
    fetcher.say("USER x\r\nPASS x\r\nSTAT\r\nQUIT\r\n");
    fetcher.until("+OK 0 0");
    let held = format!("/proc/{}/root{}", office.child.id(), mail.display());
    let (tmp, new) = (files(Path::new(&held), "tmp"), files(Path::new(&held), "new"));
    assert_eq!((tmp, new), (0, 0), "nothing is half kept");
    signal(office.child.id(), "TERM");
    assert_eq!(code(office.child.wait()), 0);
}

#[test]
fn without_descriptors_a_letter_is_refused_for_now_and_the_next_one_is_kept() {
    const TEST: &str =
        "office::without_descriptors_a_letter_is_refused_for_now_and_the_next_one_is_kept";
    let folder = folder();
    let mail = folder.path().join("mail");
    let words = words(&["--dir", mail.to_str().expect("UTF-8"), "--max-conns", "1000"]);
    let mut command = Command::new("prlimit");
    command.args(["--nofile=100:100", env!("CARGO_BIN_EXE_hobnob")]).args(&words);
    command.env_clear().env("PATH", "/usr/bin:/bin");
    if Command::new("prlimit").arg("--version").output().is_err() {
        return skip(TEST, "prlimit is not here");
    }
    let office = Office::open(command);
    let mut sender = office.peer(0);
    assert!(sender.sends("first").starts_with("250"));
    let idle: Vec<_> = (0..120)
        .map(|_| TcpStream::connect(&office.addresses[1]).expect("the queue takes it"))
        .collect();
    office.events.until("open-files");
    let said = sender.sends("second");
    assert!(said.starts_with("452 4.3.0 ") || said.starts_with("250 "), "{said}");
    let kept = if said.starts_with("250") { 2 } else { 1 };
    drop(idle);
    // Once those are gone there is room again.
    let mut next = office.peer(0);
    assert!(next.sends("third").starts_with("250"));
    assert_eq!((files(&mail, "new"), files(&mail, "tmp")), (kept + 1, 0));
    let mut rest = String::new();
    next.say("QUIT\r\n");
    next.0.read_to_string(&mut rest).expect("text");
    assert!(rest.starts_with("221 "), "{rest}");
}
