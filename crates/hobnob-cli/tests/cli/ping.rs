//! `hobnob ping`: what it says, how it ends, and what stands in its way.

use std::io::Read as _;
use std::net::UdpSocket;
use std::process::Stdio;
use std::time::Duration;

use crate::kit::hardship::a_lack_of_files_is_told;
use crate::kit::schema::valid;
use crate::kit::{
    BOUND, Bounded, Done, Lines, as_nobody, code, hobnob, launch, run, serve, signal, skip,
};
use crate::ports::Port;
use crate::screen::{BINARY, Screen};

/// The lines of a run with `--json`, times and ports left out. A field that is added changes it; none may go.
const GOLDEN: &str = include_str!("golden/ping.v1.jsonl");

#[test]
fn rounds_have_a_line_each_and_a_summary() {
    let echo = serve(&["echo", "udp://127.0.0.1:0"]);
    let at = format!("udp://{}", echo.address);
    let Done { code, out, err } = run(&["ping", &at, "-c", "3", "-i", "1ms", "--ascii"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], format!("{at}: 56 bytes there and back"));
    for (at, line) in lines[1..4].iter().enumerate() {
        assert!(line.starts_with(&format!("{:>3}   ", at + 1)) && line.contains(" ms"), "{line}");
    }
    assert!(lines[1].ends_with(" ms  =============="), "{}", lines[1]);
    assert_eq!(lines[4], "3 sent, 3 back, 0 lost, 0 doubled, 0 overtaken");
    for word in ["min ", "   median ", "   p99 ", "   max ", "   jitter "] {
        assert!(lines[5].contains(word), "{}", lines[5]);
    }
    assert!(lines.len() == 6 && out.lines().all(|line| line.len() <= 80), "{out}");
    let quiet = run(&["ping", &at, "-c", "3", "-i", "0s", "-q"]).out;
    assert_eq!((quiet.lines().count(), quiet.contains("3 back")), (3, true), "{quiet}");
}

/// Whatever differs from run to run becomes one word.
fn steady(line: &str, address: &str) -> String {
    let mut text = line.replace(address, "ADDRESS");
    for key in ["t", "lasted", "rtt_us", "min", "median", "p99", "max", "jitter", "at"] {
        let head = format!(r#""{key}":"#);
        let Some(at) = text.find(&head).map(|at| at + head.len()) else { continue };
        let end = text[at..].find([',', '}']).expect("the value ends") + at;
        if !text[at..end].starts_with('{') {
            text.replace_range(at..end, "N");
        }
    }
    text
}

#[test]
fn events_are_as_the_golden_file_has_them() {
    let echo = serve(&["echo", "udp://127.0.0.1:0"]);
    let relay = serve_relay(&echo.address, "down:loss=100%");
    let port = Port::draw();
    let gone = format!("127.0.0.1:{}", port.number);
    let mut told = String::new();
    for (address, words) in [
        (&echo.address, &["-c", "2", "-i", "0s"][..]),
        (&relay.address, &["-c", "1", "--timeout", "50ms"]),
        (&gone, &["-c", "1"]),
    ] {
        let at = format!("udp://{address}");
        let all = [&["ping", &at, "--json"], words].concat();
        for line in run(&all).out.lines() {
            valid(line);
            told += &steady(line, address);
            told.push('\n');
        }
    }
    assert_eq!(told, GOLDEN, "{told}");
}

fn serve_relay(to: &str, fault: &str) -> crate::kit::Served {
    let to = format!("udp://{to}");
    let mut command = hobnob(&["relay", "udp://127.0.0.1:0", &to, "--fault", fault]);
    command.args(["--seed", "11"]);
    crate::kit::serve_with(command)
}

/// A peer that never answers.
fn silent() -> (UdpSocket, String) {
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let at = format!("udp://{}", peer.local_addr().expect("bound"));
    (peer, at)
}

#[test]
fn a_signal_ends_it_with_its_summary() {
    let echo = serve(&["echo", "udp://127.0.0.1:0"]);
    let answered = format!("udp://{}", echo.address);
    let (_silent, unanswered) = silent();
    for (at, timeout, name, expected, said) in [
        (&answered, "30s", "INT", 0, " 0 lost"),
        (&answered, "30s", "TERM", 143, " 0 lost"),
        (&unanswered, "20ms", "INT", 1, " 0 back"),
        (&unanswered, "20ms", "TERM", 143, " 0 back"),
    ] {
        let words = ["ping", at, "-i", "10ms", "--timeout", timeout];
        let run = launch(hobnob(&words));
        run.out.until("  2   ");
        signal(run.child.id(), name);
        assert_eq!(code(run.child.wait()), expected, "{at} {name}");
        let last = run.out.rest();
        assert!(last.iter().any(|line| line.contains(said)), "{at} {name}: {last:?}");
        assert_eq!(run.err.rest(), Vec::<String>::new(), "{at} {name}");
    }
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let echo = serve(&["echo", "udp://127.0.0.1:0"]);
    let at = format!("udp://{}", echo.address);
    for words in [&["ping", &at, "-i", "1ms"][..], &["ping", &at, "-i", "1ms", "--json"]] {
        let mut command = hobnob(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary is there");
        drop(child.stdout.take());
        let err = Lines::of(child.stderr.take().expect("it is piped"));
        assert_eq!(code(Bounded::of(child).wait()), 141);
        assert_eq!(err.rest(), Vec::<String>::new());
    }
}

#[test]
fn a_slow_reader_delays_rounds_and_falsifies_none() {
    let echo = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let at = format!("udp://{}", echo.local_addr().expect("bound"));
    let mut command = hobnob(&["ping", &at, "-i", "0s", "--json"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    let mut out = child.stdout.take().expect("it is piped");
    // Answers until no probe comes any more: the pipe and what waits behind it are full.
    echo.set_read_timeout(Some(BOUND)).expect("a time");
    let (mut room, mut answered) = ([0; 100], 0_u64);
    while let Ok((length, from)) = echo.recv_from(&mut room) {
        echo.send_to(&room[..length], from).expect("sent");
        answered += 1;
        echo.set_read_timeout(Some(Duration::from_millis(300))).expect("a time");
    }
    assert!(answered < 20_000, "it went on without its reader");
    let child = Bounded::of(child);
    let reader = std::thread::spawn(move || {
        let mut told = String::new();
        out.read_to_string(&mut told).map(|_| told).expect("text")
    });
    signal(child.id(), "INT");
    assert_eq!(code(child.wait()), 0);
    let told = reader.join().expect("it reads");
    let lines: Vec<serde_json::Value> = told.lines().map(valid).collect();
    let (summary, rounds) = lines.split_last().expect("a summary");
    // The last one may have begun once there was room again.
    assert!(rounds.len() as u64 >= answered);
    assert!(rounds.iter().zip(1_u64..).all(|(line, round)| line["round"] == round));
    assert_eq!((&summary["lost"], &summary["back"]), (&0.into(), &rounds.len().into()));
}

#[test]
fn a_lack_of_files_is_an_error_and_no_loss() {
    let echo = serve(&["echo", "udp://127.0.0.1:0"]);
    let at = format!("udp://{}", echo.address);
    a_lack_of_files_is_told(&["ping", &at, "-c", "1"], 0);
}

#[test]
fn what_cannot_be_is_refused_with_something_to_try() {
    for (words, slug, expected) in [
        (&["ping"][..], "usage", 2),
        (&["ping", "", "-c", "1"], "bad-address", 2),
        (&["ping", "127.0.0.1", "-c", "0"], "bad-option", 2),
        (&["ping", "127.0.0.1", "-i", "1"], "bad-option", 2),
        (&["ping", "127.0.0.1", "--size", "3"], "bad-option", 2),
        (&["ping", ":9", "--size", "100"], "does-not-fit", 2),
        (&["ping", "127.0.0.1", "--ttl", "256"], "bad-option", 2),
        (&["ping", "unix:/tmp/x", "--ttl", "3"], "unknown-option", 2),
        (&["ping", "127.0.0.1", "--over", "smoke"], "bad-option", 2),
        (&["ping", "udp://:9", "--over", "tcp"], "usage", 2),
        (&["ping", ":9", "--over", "udp", "-4", "-6"], "usage", 2),
        (&["ping", ":9", "--trace"], "does-not-fit", 2),
        (&["ping", "127.0.0.1", "--trace", "-c", "3"], "usage", 2),
        (&["ping", "127.0.0.1", "10.0.0.1"], "usage", 2),
        (&["ping", "-"], "does-not-fit", 2),
        (&["ping", "icmp://127.0.0.1:7"], "bad-address", 2),
        (&["ping", "udp://:9", "--size", "70000", "-c", "1"], "message-too-long", 10),
    ] {
        let Done { code, out, err } = run(words);
        assert_eq!(code, expected, "{words:?}: {err}");
        assert!(err.starts_with(&format!("error[{slug}]")), "{words:?}: {err}");
        assert!(err.contains("\n  try    "), "{words:?}: {err}");
        assert!(!out.contains(" sent,"), "{words:?}: {out}");
    }
}

#[test]
fn nobody_there_is_a_no_and_each_round_says_why() {
    let port = Port::draw();
    let gone = format!("127.0.0.1:{}", port.number);
    for (at, said) in [
        (gone.clone(), "nothing is listening on"),
        (format!("udp://{gone}"), "127.0.0.1 says: nothing listens on that port"),
        ("/tmp/no-such.sock".to_owned(), "there is no socket at"),
    ] {
        let Done { code, out, err } = run(&["ping", &at, "-c", "2", "-i", "1ms"]);
        assert_eq!((code, err.as_str()), (1, ""), "{at}");
        assert_eq!(out.lines().filter(|line| line.contains(said)).count(), 2, "{at}: {out}");
        assert!(out.contains("0 back, 2 lost (100 %)"), "{at}: {out}");
        assert!(out.contains("2 refused or unreachable"), "{at}: {out}");
    }
}

#[test]
fn without_a_right_both_ways_out_are_said() {
    const NAME: &str = "ping::without_a_right_both_ways_out_are_said";
    let group = std::fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap_or_default();
    let bounds: Vec<u64> = group.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    if matches!(bounds[..], [least, most] if (least..=most).contains(&65_534)) {
        return skip(NAME, "everybody may send echo requests here");
    }
    for at in ["127.0.0.1", "::1"] {
        let Some(done) = as_nobody(&["ping", at, "-c", "1"], None) else {
            return skip(NAME, "there are no rights to give up");
        };
        assert_eq!((done.code, done.out.as_str()), (8, ""), "{}", done.err);
        assert!(done.err.starts_with("error[raw-socket-denied]"), "{}", done.err);
        for said in [
            "SOCK_RAW, ",
            "EPERM",
            "SOCK_DGRAM, ",
            "EACCES",
            "sudo sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"",
            "sudo setcap cap_net_raw+ep $(which hobnob)",
        ] {
            assert!(done.err.contains(said), "{said}: {}", done.err);
        }
    }
}

#[test]
fn a_terminal_counts_below_the_rounds() {
    let Some(screen) = Screen::open("ping::a_terminal_counts_below_the_rounds") else { return };
    let (_silent, at) = silent();
    screen.line(&format!("clear; {BINARY} ping {at} -i 20ms --timeout 40ms"));
    // Between a round and the line below it the screen may be looked at, too.
    let status = |text: &str| text.lines().rfind(|line| !line.is_empty()).map(str::to_owned);
    screen.until(|text| {
        text.contains("  3   lost")
            && status(text).is_some_and(|line| line.ends_with(" sent, 0 back"))
    });
    screen.keys(&["C-c"]);
    let text = screen.until(|text| text.contains(" overtaken") && text.trim_end().ends_with('$'));
    assert_eq!(text.matches(" sent, ").count(), 1, "{text}");
}
