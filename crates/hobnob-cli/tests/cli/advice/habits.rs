//! Habits of nc and others: what is typed without thinking proposes exactly our own line, and that line works.

use super::following::{Place, follow_all};
use super::proposed;

/// What is typed, and what is proposed first.
const HABITS: &[(&str, &str)] = &[
    ("talk localhost 9000", "talk localhost:9000"),
    ("talk 127.0.0.1 9000 hello", "talk 127.0.0.1:9000 hello"),
    ("talk ::1 9000", "talk [::1]:9000"),
    ("talk udp://localhost 53", "talk udp://localhost:53"),
    ("talk host https", "talk host:https"),
    ("talk localhost 9000 --eol crlf", "talk localhost:9000 --eol crlf"),
    ("talk localhost 9000 -- -x", "talk localhost:9000 -- -x"),
    ("explain localhost 80", "explain localhost:80"),
    ("get localhost 8000", "get localhost:8000"),
    ("talk -l 9000", "talk --listen :9000"),
    ("talk -lp 9000", "talk --listen :9000"),
    ("talk -l -p 9000", "talk --listen :9000"),
    ("talk -l 127.0.0.1 9000", "talk --listen 127.0.0.1:9000"),
    ("talk -lu 9000", "talk --listen udp://:9000"),
    ("talk -lvnp 9000", "talk --listen :9000 -v"),
    ("talk -lk 9000", "talk --listen :9000"),
    ("talk -u host 53", "talk udp://host:53"),
    ("talk -u :53", "talk udp://:53"),
    ("talk -p 9000 localhost", "talk localhost:9000"),
    ("talk --port 9000", "talk :9000"),
    ("talk -p9000", "talk :9000"),
    ("talk -C localhost 25", "talk localhost:25 --eol crlf"),
    ("talk -w 3 localhost 9000", "talk localhost:9000 --timeout 3s --idle 3s"),
    ("talk -N localhost 9000", "talk localhost:9000"),
    ("talk -U /tmp/x.sock", "talk /tmp/x.sock"),
    ("talk -lU ./x.sock", "talk --listen ./x.sock"),
    ("talk --ssl localhost 443", "talk tls://localhost:443"),
    ("-l 9000", "talk --listen :9000"),
    ("-lu 9000", "talk --listen udp://:9000"),
    ("-u host 53", "talk udp://host:53"),
    ("localhost 9000", "talk localhost:9000"),
    ("localhost:9000", "talk localhost:9000"),
    (":9000", "talk :9000"),
    ("http://localhost:8000/", "get http://localhost:8000/"),
    ("nc localhost 9000", "talk localhost:9000"),
    ("nc -l 9000", "talk --listen :9000"),
    ("listen :9000", "talk --listen :9000"),
    ("listen 9000", "talk --listen :9000"),
    ("listen -u 9000", "talk --listen udp://:9000"),
    ("connect localhost:9000", "talk localhost:9000"),
    ("connect localhost 9000", "talk localhost:9000"),
    ("client :9000", "talk :9000"),
    ("telnet localhost 23", "talk localhost:23"),
    ("server", "serve"),
    ("server :9000", "serve echo :9000"),
    ("server hello :9000", "serve hello :9000"),
    ("server hello -p 9000", "serve hello :9000"),
    ("echo :9000", "serve echo :9000"),
    ("serve :9000", "serve echo :9000"),
    ("serve -l 9000", "serve echo :9000"),
    ("serve -u 9000", "serve echo udp://:9000"),
    ("serve hello -p 9000", "serve hello :9000"),
    ("serve hello --port 9000 --greeting hi", "serve hello :9000 --greeting hi"),
    ("serve hello --host 127.0.0.1 --port=9000", "serve hello 127.0.0.1:9000"),
    ("curl http://localhost:8000/", "get http://localhost:8000/"),
    ("traceroute localhost", "ping --trace localhost"),
    ("proxy :9001 :9000", "relay :9001 :9000"),
    ("proxy -l :9001 -u :9000", "relay :9001 :9000"),
    ("proxy -u localhost:9000 -l 9001", "relay :9001 localhost:9000"),
    ("relay -l9001 -u 9000", "relay :9001 :9000"),
    ("socat TCP-LISTEN:9001,fork TCP:localhost:9000", "help coming-from"),
];

#[test]
fn what_is_typed_without_thinking_proposes_our_line_and_the_line_works() {
    let place = Place::new();
    let mut wrong = Vec::new();
    for (typed, expected) in HABITS {
        let words: Vec<_> = typed.split(' ').collect();
        let (_, tries) = proposed(&place, &words, b"");
        // --json was added to what was typed, and so is in what is proposed.
        let first = tries[0].replace(" --json", "").replace('\'', "");
        if first != format!("hobnob {expected}") {
            wrong.push(format!("{typed}: {tries:?}"));
        }
        follow_all(&place, &words, &tries);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Without a word behind it, so that no flag is put there either.
#[test]
fn a_verb_of_another_program_alone_proposes_ours() {
    for (typed, expected) in [
        ("listen", "hobnob talk --listen :9000"),
        ("server", "hobnob serve"),
        ("client", "hobnob talk -h"),
    ] {
        let told = crate::kit::run(&[typed]);
        let proposal = told.err.lines().find_map(|line| line.strip_prefix("  try    "));
        assert!(proposal.is_some_and(|line| line.starts_with(expected)), "{typed}: {}", told.err);
    }
}

#[test]
fn what_is_no_habit_is_left_as_it_is() {
    let place = Place::new();
    for (typed, slug) in [
        ("talk localhost", "missing-port"),
        ("talk localhost hello", "missing-port"),
        ("talk -z localhost 9000", "unknown-option"),
        ("talk -p 9000 localhost:80", "unknown-option"),
        ("srve 9000", "usage"),
        ("serve ehco", "unknown-service"),
        ("nonsense", "usage"),
    ] {
        let words: Vec<_> = typed.split(' ').collect();
        let (told, tries) = proposed(&place, &words, b"");
        assert_eq!(told, slug, "{typed}");
        follow_all(&place, &words, &tries);
    }
}
