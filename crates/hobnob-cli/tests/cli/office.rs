//! `hobnob serve mail` on a hard day, at each of its doors.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::kit::hardship::{connect, is_light, reset};
use crate::kit::{Bounded, Lines, code, folder, hobnob, is_root, run, signal, skip};

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

/// Lets a process open no file more, or as many as it could at first.
fn limit_files(id: u32, most: &str) {
    let done = Command::new("prlimit").args(["--pid", &id.to_string(), most]).status();
    assert!(done.expect("it is here").success());
}

#[test]
fn without_descriptors_a_letter_is_refused_for_now_and_the_next_one_is_kept() {
    const TEST: &str =
        "office::without_descriptors_a_letter_is_refused_for_now_and_the_next_one_is_kept";
    if Command::new("prlimit").arg("--version").output().is_err() {
        return skip(TEST, "prlimit is not here");
    }
    let folder = folder();
    let mail = folder.path().join("mail");
    let office = serve_mail(&["--dir", mail.to_str().expect("UTF-8")]);
    let (mut sender, mut reader) = (office.peer(0), office.peer(2));
    assert!(sender.sends("first").starts_with("250"));
    reader.say("a LOGIN x x\r\nb SELECT INBOX\r\n");
    reader.until("b OK");
    let mut fetcher = office.peer(1);
    fetcher.say("USER x\r\nPASS x\r\n");
    fetcher.until("+OK ");
    fetcher.until("+OK ");
    // Every number below the limit is taken: whatever is opened now fails.
    limit_files(office.child.id(), "--nofile=3:");
    let large = "x".repeat(200_000);
    for letter in ["second", &large] {
        let said = sender.sends(letter);
        assert!(said.starts_with("452 4.3.0 "), "{said}");
        office.events.until(r#""did":"refused""#);
    }
    // That a letter cannot be read now is never said to be that it is gone, or that it has not what is looked for.
    for (asked, answer) in [
        ("APPEND INBOX {5+}\r\nhello", "NO [SERVERBUG] "),
        ("FETCH 1 BODY[]", "NO [UNAVAILABLE] "),
        ("FETCH 1 ENVELOPE", "NO [UNAVAILABLE] "),
        ("SEARCH BODY first", "NO [UNAVAILABLE] "),
        ("SEARCH NOT SUBJECT x", "NO [UNAVAILABLE] "),
        ("COPY 1 INBOX", "NO [SERVERBUG] "),
        ("FETCH 1 FLAGS", "OK "),
        ("NOOP", "OK "),
    ] {
        reader.say(&format!("c {asked}\r\n"));
        let said = reader.until("c ");
        assert!(said.starts_with(&format!("c {answer}")), "{asked}: {said}");
    }
    fetcher.say("RETR 1\r\nNOOP\r\n");
    assert!(fetcher.line().starts_with("-ERR [SYS/TEMP] "));
    assert!(fetcher.line().starts_with("+OK"));
    // Who comes waits in the queue of the kernel.
    let mut next = Peer(BufReader::new(connect(&office.addresses[0])));
    office.events.until("open-files");
    assert_eq!((files(&mail, "new") + files(&mail, "cur"), files(&mail, "tmp")), (1, 0));
    limit_files(office.child.id(), "--nofile=100:");
    assert!(next.line().starts_with("220 "));
    for peer in [&mut sender, &mut next] {
        assert!(peer.sends("third").starts_with("250"));
    }
    assert_eq!((files(&mail, "new") + files(&mail, "cur"), files(&mail, "tmp")), (3, 0));
    reader.say("f FETCH 1 BODY[]\r\n");
    reader.until("f OK");
}

#[test]
fn a_folder_that_is_no_maildir_is_locked_or_not_ours_is_refused_and_left_as_it_was() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (thesis, file, open, taken) = (path("thesis"), path("file"), path("open"), path("taken"));
    std::fs::create_dir(&thesis).expect("a folder");
    std::fs::write(Path::new(&thesis).join("thesis.tex"), "x").expect("a file");
    std::fs::write(&file, "x").expect("a file");
    std::fs::create_dir(&open).expect("a folder");
    std::fs::set_permissions(&open, Permissions::from_mode(0o777)).expect("ours");
    let office = serve_mail(&["--dir", &taken]);
    for (dir, code, words) in [
        (&thesis, 9, "error[file-exists]: "),
        (&file, 9, "is no Maildir"),
        (&open, 8, "error[permission-denied]: "),
        (&taken, 9, "another process keeps its letters in"),
    ] {
        let words_of_it = self::words(&["--dir", dir]);
        let done = run(&words_of_it.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(done.code, code, "{dir}: {}", done.err);
        assert!(!done.out.contains("listening"), "{dir}: {}", done.out);
        assert!(done.err.contains(words), "{dir}: {}", done.err);
    }
    assert_eq!(std::fs::read_dir(&thesis).expect("it is there").count(), 1);
    assert_eq!(std::fs::read_dir(&open).expect("it is there").count(), 0);
    assert!(office.peer(0).sends("still here").starts_with("250"));
    drop(office);
    // One's own link to a folder is that folder.
    let link = path("link");
    std::os::unix::fs::symlink(&taken, &link).expect("a link");
    let office = serve_mail(&["--dir", &link]);
    assert!(office.peer(0).sends("by a link").starts_with("250"));
    assert_eq!(files(Path::new(&taken), "new"), 2);
}

#[test]
fn nothing_leaves_this_machine_unless_one_next_server_is_named() {
    let folder = folder();
    let mail = folder.path().join("mail");
    let office = serve_mail(&["--dir", mail.to_str().expect("UTF-8")]);
    let sockets = || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", office.child.id())).expect("it runs");
        let target = |entry: std::fs::DirEntry| std::fs::read_link(entry.path()).ok();
        open.flatten().filter_map(target).filter(|to| to.starts_with("socket:")).count()
    };
    let mut sender = office.peer(0);
    let before = sockets();
    for to in ["li@elsewhere.test", "li@[127.0.0.1]", "@a.test:li@b.test", "li%b.test@a.test"] {
        sender.say(&format!("EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<{to}>\r\nDATA\r\n"));
        sender.until("354 ");
        sender.say("x\r\n.\r\n");
        assert!(sender.line().starts_with("250 2.0.0 kept as "), "{to}");
        let told = office.events.until(r#""did":"kept""#);
        assert!(!told.contains("forward"), "{told}");
    }
    assert_eq!(sockets(), before, "nobody is dialled");
    assert_eq!((files(&mail, "new"), files(&mail, "hobnob.errands")), (4, 0));
}

/// A request at the inbox, over a conn that stays.
fn asks(office: &Office, request: &str) -> TcpStream {
    let mut peer = connect(&office.addresses[3]);
    let host = &office.addresses[3];
    peer.write_all(format!("GET {request} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())
        .expect("it is open");
    peer
}

fn answers(peer: &mut TcpStream) -> String {
    let mut head = [0; 15];
    peer.read_exact(&mut head).expect("an answer");
    String::from_utf8_lossy(&head).into_owned()
}

#[cfg(feature = "http")]
#[test]
fn the_inbox_has_hard_days_too() {
    let mut office = serve_mail(&["http=127.0.0.1:0"]);
    let banner: serde_json::Value =
        serde_json::from_str(&office.events.until("listening")).expect("JSON");
    office.addresses.push(banner["addr"].as_str().expect("an address").to_owned());
    let letter = format!("Subject: large\r\n\r\n{}", "0123456789abcd\r\n".repeat(600_000));
    assert!(office.peer(0).sends(&letter).starts_with("250"));
    // One resets in the middle of its answer, and some ask for half a GB and read nothing.
    let mut gone = asks(&office, "/api/v1/message/1/raw");
    assert_eq!(answers(&mut gone), "HTTP/1.1 200 OK");
    reset(gone);
    let more = "GET /api/v1/message/1/raw HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(5);
    let mut deaf: Vec<_> = (0..6)
        .map(|_| {
            let mut peer = asks(&office, "/api/v1/message/1/raw");
            peer.write_all(more.as_bytes()).expect("it is open");
            assert_eq!(answers(&mut peer), "HTTP/1.1 200 OK");
            peer
        })
        .collect();
    // They have the memory for answers: who wants more of it is told, and all else goes on.
    let mut late = asks(&office, "/api/v1/message/1/raw");
    assert_eq!(answers(&mut late), "HTTP/1.1 503 Se");
    office.events.until(r#""limit":"mail-memory""#);
    assert!(office.peer(0).sends("small").starts_with("250"));
    let mut small = asks(&office, "/api/v1/message/2/headers");
    assert_eq!(answers(&mut small), "HTTP/1.1 200 OK");
    assert_eq!(answers(&mut asks(&office, "/api/v1/message/2/raw")), "HTTP/1.1 200 OK");
    assert_eq!(answers(&mut asks(&office, "/api/v1/messages")), "HTTP/1.1 200 OK");
    reset(deaf.pop().expect("six"));
    assert_eq!(answers(&mut asks(&office, "/api/v1/message/1/raw")), "HTTP/1.1 200 OK");
    is_light(office.child.id());
    // Without descriptors who comes waits, and who is there is answered.
    let mut idle = asks(&office, "/api/v1/messages");
    assert_eq!(answers(&mut idle), "HTTP/1.1 200 OK");
    if Command::new("prlimit").arg("--version").output().is_ok() {
        limit_files(office.child.id(), "--nofile=3:");
        let mut later = asks(&office, "/api/v1/messages");
        office.events.until("open-files");
        limit_files(office.child.id(), "--nofile=200:");
        assert_eq!(answers(&mut later), "HTTP/1.1 200 OK");
    } else {
        skip("office::the_inbox_has_hard_days_too", "its part without descriptors needs prlimit");
    }
    signal(office.child.id(), "TERM");
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).expect("it is closed in order");
    for peer in deaf {
        reset(peer);
    }
    assert_eq!(code(office.child.wait()), 0);
}
