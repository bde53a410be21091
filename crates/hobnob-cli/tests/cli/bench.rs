//! `hobnob bench`: what it tells, what it refuses, and what it makes of servers that are wrong, slow or gone.

use std::time::Duration;

use serde_json::Value;

use crate::kit::hardship::with_files;
use crate::kit::namespace::Namespace;
use crate::kit::schema::valid;
use crate::kit::{Done, code, finish, folder, hobnob, launch, run, run_with, serve, signal, skip};
use crate::ports::Port;
use crate::screen::{BINARY, Screen};

/// The lines of a run that are JSON, each as the schema has it.
fn events(done: &Done) -> Vec<Value> {
    done.out.lines().map(valid).collect()
}

#[test]
fn a_summary_says_what_came_back_and_how_fast() {
    let echo = serve(&["echo", "tcp://127.0.0.1:0"]);
    let Done { code, out, err } =
        run(&["bench", &echo.address, "-n", "500", "-c", "5", "--ascii", "-q"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let heading = format!("pingpong tcp://{}    5 connections, 64 B, closed loop, ", echo.address);
    assert!(out.starts_with(&heading), "{out}");
    for part in [
        "  messages    500 ",
        " /s\n",
        "  bytes ",
        "/s up, ",
        "  replies     each compared with its message, 0 wrong, 0 lost\n",
        "  connect     5             p50 ",
        "  round trip  min ",
        "   p99 ",
        "              p99.9 ",
        "      from         count        %\n",
        "   ===",
    ] {
        assert!(out.contains(part), "{part:?} in\n{out}");
    }
    assert!(out.lines().all(|line| line.len() <= 80) && out.is_ascii(), "{out}");
    let counted: u64 = out
        .lines()
        .skip_while(|line| !line.ends_with('%'))
        .skip(1)
        .filter_map(|line| {
            line.split("  ").filter(|word| !word.is_empty()).nth(1)?.trim().parse::<u64>().ok()
        })
        .sum();
    assert_eq!(counted, 500, "{out}");
}

#[test]
fn each_mode_is_told_as_json_and_as_tables() {
    let echo = serve(&["echo", "tcp://127.0.0.1:0", "udp://127.0.0.1:0"]);
    let udp = format!("udp://{}", echo.err.next().split_whitespace().nth(1).expect("an address"));
    let tcp = echo.address.clone();
    let source = serve(&["source", "tcp://127.0.0.1:0"]);
    for (at, words, mode) in [
        (&tcp, &["-n", "50"][..], "pingpong"),
        (&udp, &["-n", "50", "--rate", "1k/s", "--timeout", "20s"], "pingpong"),
        (&tcp, &["-n", "20", "--mode", "connect", "--timeout", "20s"], "connect"),
        (&tcp, &["-n", "20", "--mode", "stream", "--size", "10k"], "stream"),
        (
            &source.address,
            &["-n", "20", "--mode", "stream", "--way", "down", "--size", "1k"],
            "stream",
        ),
    ] {
        let done = run(&[&["bench", at, "-c", "2", "--json"], words].concat());
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{at} {words:?} {}", done.out);
        let lines = events(&done);
        assert_eq!((lines.len(), &lines[0]["mode"]), (1, &mode.into()), "{at} {words:?}");
        let count = words[1].parse::<u64>().expect("a number");
        assert_eq!(
            (&lines[0]["done"], &lines[0]["wrong"]),
            (&count.into(), &0.into()),
            "{at} {words:?}"
        );
    }
    let done = run(&["bench", &tcp, "-c", "2", "-n", "9", "--markdown"]);
    let lines: Vec<_> = done.out.lines().collect();
    assert!(done.code == 0 && lines.len() == 3, "{}", done.out);
    assert!(lines[2].starts_with(&format!("| `tcp://{tcp}` | pingpong | 2 | ")), "{}", lines[2]);
    assert!(lines.iter().all(|line| line.matches('|').count() == 13), "{}", done.out);
    let done = run(&["bench", &tcp, "-c", "2", "-n", "9", "--csv"]);
    let lines: Vec<Vec<_>> = done.out.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((done.code, lines.len(), lines[0].len()), (0, 2, lines[1].len()), "{}", done.out);
    assert_eq!((lines[0][6], lines[1][6]), ("done", "9"));
}

#[cfg(feature = "http")]
#[test]
fn an_address_that_speaks_http_is_asked() {
    let page = serve(&["http", "tcp://127.0.0.1:0"]);
    let at = format!("http://{}/", page.address);
    let done = run(&["bench", &at, "-n", "40", "-c", "4", "--json"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    let lines = events(&done);
    assert_eq!((&lines[0]["mode"], &lines[0]["done"]), (&"http".into(), &40.into()));
    assert!(lines[0]["connect_us"]["min"].is_number());
}

#[cfg(feature = "http")]
#[test]
fn a_request_has_the_method_the_fields_and_the_body_that_were_typed() {
    let page = serve(&["http", "tcp://127.0.0.1:0", "--json"]);
    let at = format!("http://{}/", page.address);
    let words =
        ["bench", &at, "-n", "3", "-c", "1", "-X", "PUT", "-H", "Host: here", "--data", "@-"];
    run_with(&words, b"from a pipe");
    let asked = valid(&page.out.until(r#""dir":"in""#));
    let asked = asked["text"].as_str().expect("it is text");
    assert!(
        asked.starts_with("PUT / HTTP/1.1\r\n") && asked.ends_with("\r\n\r\nfrom a pipe"),
        "{asked}"
    );
    assert!(
        asked.contains("Host: here\r\n") && asked.contains("Content-Length: 11\r\n"),
        "{asked}"
    );
}

#[test]
fn a_wrong_reply_is_shown_beside_what_was_expected() {
    let upper = serve(&["upper", "udp://127.0.0.1:0"]);
    let at = format!("udp://{}", upper.address);
    let words = ["bench", &at, "-n", "6", "-c", "2", "--data", "quiet", "--timeout", "20s"];
    let done = run(&words);
    assert_eq!(done.code, 1, "{}", done.out);
    let shown = "wrong  the first of 6\n  expected  quiet\n  came      QUIET\n";
    assert!(done.out.contains(shown), "{}", done.out);
    let expecting = [&words[..], &["--expect", "^QUIET$"]].concat();
    let done = run(&expecting);
    assert_eq!(done.code, 0, "{}", done.out);
    assert!(done.out.contains("each matched, 0 wrong"), "{}", done.out);
}

#[test]
fn what_cannot_be_is_refused_with_something_to_try() {
    for (words, slug, expected) in [
        (&["bench"][..], "usage", 2),
        (&["bench", ":9", "-n", "0"], "bad-option", 2),
        (&["bench", ":9", "-c", "0"], "bad-option", 2),
        (&["bench", ":9", "-c", "100001"], "bad-option", 2),
        (&["bench", ":9", "-d", "0s"], "bad-option", 2),
        (&["bench", ":9", "-d", "25h"], "bad-option", 2),
        (&["bench", ":9", "--rate", "0"], "bad-option", 2),
        (&["bench", ":9", "--rate", "11M/s"], "bad-option", 2),
        (&["bench", ":9", "--size", "0"], "bad-option", 2),
        (&["bench", ":9", "--pipeline", "0"], "bad-option", 2),
        (&["bench", ":9", "--mode", "fast"], "bad-option", 2),
        (&["bench", ":9", "--way", "up"], "usage", 2),
        (&["bench", ":9", "--mode", "stream", "--data", "x"], "usage", 2),
        (&["bench", ":9", "--mode", "connect", "--pipeline", "2"], "usage", 2),
        (&["bench", ":9", "--expect", "("], "bad-option", 2),
        (&["bench", ":9", "--expect", "x*"], "bad-option", 2),
        (&["bench", ":9", "--data", ""], "bad-option", 2),
        (&["bench", ":9", "--data", "@/nowhere"], "not-found", 9),
        (&["bench", ":9", "-X", "PUT"], "usage", 2),
        (&["bench", ":9", "-H", "A: b"], "usage", 2),
        (&["bench", "http://127.0.0.1:9/", "-H", "A"], "bad-option", 2),
        (&["bench", ":9", "--fail-if", "p98>1ms"], "bad-option", 2),
        (&["bench", ":9", ":8", "-n", "5"], "usage", 2),
        (&["bench", "udp://:9", "--mode", "stream"], "does-not-fit", 2),
        (&["bench", "udp://:9", "--size", "70000"], "message-too-long", 10),
        (&["bench", "-"], "does-not-fit", 2),
        (&["bench", "192.0.2.1:9"], "usage", 2),
        (&["bench", ":9", "--save", "/"], "file-exists", 9),
        (&["bench", ":9", "--against", "/nowhere"], "not-found", 9),
    ] {
        let Done { code, out, err } = run(words);
        assert_eq!(code, expected, "{words:?}: {err}");
        assert!(err.starts_with(&format!("error[{slug}]")), "{words:?}: {err}");
        assert!(err.contains("\n  try    "), "{words:?}: {err}");
        assert_eq!(out, "", "{words:?}");
    }
    let done = run(&["bench", "192.0.2.1:9"]);
    assert!(done.err.contains("--yes-remote"), "{}", done.err);
}

#[test]
fn nobody_there_is_an_error_and_a_lack_of_files_is_ours() {
    let port = Port::draw();
    let gone = format!("127.0.0.1:{}", port.number);
    let done = run(&["bench", &gone, "-n", "5", "-c", "2"]);
    assert_eq!((done.code, done.out.as_str()), (5, ""));
    assert!(done.err.starts_with("error[connection-refused]"), "{}", done.err);
    let echo = serve(&["echo", "tcp://127.0.0.1:0"]);
    let done = finish(with_files(80, &["bench", &echo.address, "-c", "100", "-n", "5"]), b"");
    assert_eq!(done.code, 3, "{}", done.err);
    for part in ["error[too-many-files]", "and not of the server", "--connections 16"] {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
}

/// Eight ports, each of which is taken for a minute by a conn that was.
#[test]
fn ports_that_ran_out_are_no_failure_of_the_server() {
    const FEW_PORTS: &str = "ip link set lo up; echo 0 > /proc/sys/net/ipv4/tcp_tw_reuse; \
        echo '40000 40007' > /proc/sys/net/ipv4/ip_local_port_range";
    let network = match Namespace::with(FEW_PORTS) {
        Ok(network) => network,
        Err(why) => return skip("bench::ports_that_ran_out_are_no_failure_of_the_server", &why),
    };
    let hobnob = |words: &[&str]| {
        let mut command = network.command(BINARY);
        command.args(words);
        command
    };
    let server = launch(hobnob(&["serve", "echo", "127.0.0.1:9000"]));
    server.err.until("127.0.0.1:9000");
    let words = ["bench", "127.0.0.1:9000", "-n", "40", "--timeout", "20s", "--mode", "connect"];
    let done = finish(hobnob(&[&words[..], &["-c", "2"]].concat()), b"");
    assert_eq!(done.code, 3, "{}{}", done.out, done.err);
    assert!(done.out.contains("  connects    8 "), "{}", done.out);
    for part in ["0 wrong, 0 lost, 20 not possible here\n", "not at the server: EADDRNOTAVAIL, "] {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
    let done = finish(hobnob(&[&words[..6], &["-c", "9"]].concat()), b"");
    assert_eq!((done.code, done.out.as_str()), (3, ""), "{}", done.err);
    assert!(done.err.contains("-> EADDRNOTAVAIL"), "{}", done.err);
}

#[test]
fn a_server_that_dies_leaves_what_was_measured_until_then() {
    let echo = serve(&["echo", "tcp://127.0.0.1:0", "-v"]);
    let bench = launch(hobnob(&["bench", &echo.address, "-c", "3", "-d", "60s"]));
    echo.err.until("»");
    signal(echo.child.id(), "KILL");
    assert_eq!(code(bench.child.wait()), 5);
    let out = bench.out.rest().join("\n");
    assert!(out.contains("the server was gone after"), "{out}");
    assert!(out.contains("round trip  min "), "{out}");
}

#[test]
fn a_signal_ends_it_with_what_was_measured_until_then() {
    for (name, expected) in [("INT", 0), ("TERM", 143)] {
        let echo = serve(&["echo", "tcp://127.0.0.1:0", "-v"]);
        let bench = launch(hobnob(&["bench", &echo.address, "-c", "2", "-d", "60s"]));
        echo.err.until("«");
        signal(bench.child.id(), name);
        assert_eq!(code(bench.child.wait()), expected);
        let out = bench.out.rest().join("\n");
        assert!(out.contains(", cut short") && out.contains("0 wrong, 0 lost"), "{name}: {out}");
    }
}

/// A server that is stopped for a second is seen in the tail of an open loop, however few of the messages it holds up.
#[test]
fn a_frozen_server_is_seen_in_the_tail() {
    let echo = serve(&["echo", "tcp://127.0.0.1:0", "-v"]);
    let words = [
        "bench",
        &echo.address,
        "-c",
        "4",
        "-d",
        "2s",
        "--rate",
        "200/s",
        "--timeout",
        "20s",
        "--json",
    ];
    let bench = launch(hobnob(&words));
    echo.err.until("«");
    signal(echo.child.id(), "STOP");
    // The time for which it is frozen is what is measured.
    std::thread::park_timeout(Duration::from_secs(1));
    signal(echo.child.id(), "CONT");
    assert_eq!(code(bench.child.wait()), 0);
    let told = valid(&bench.out.rest().join(""));
    let tail = told["latency_us"]["p99.9"].as_f64().expect("a time");
    assert!(tail >= 900_000.0, "{told}");
    assert_eq!(told["wrong"], 0);
}

#[test]
fn conditions_and_files_are_a_gate_of_a_build() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (saved, plot) = (path("a.jsonl"), path("a.svg"));
    let echo = serve(&["echo", "tcp://127.0.0.1:0"]);
    let words = ["bench", &echo.address, "-c", "2", "-d", "500ms", "-q"];
    let run = |more: &[&str]| run(&[&words[..], more].concat());
    let done = run(&["--fail-if", "p50>0ns,errors>0", "--fail-if", "rate>0"]);
    assert_eq!(done.code, 1);
    let failed: Vec<_> = done.err.lines().collect();
    assert_eq!(failed.len(), 2, "{}", done.err);
    assert!(
        failed[0].starts_with("failed: p50 was ") && failed[0].ends_with("the limit is 0.0 us")
    );
    assert_eq!(run(&["--fail-if", "p50>1h", "--fail-if", "wrong>0"]).code, 0);
    let done = run(&["--save", &saved, "--plot", &plot]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    let told = std::fs::read_to_string(&saved).expect("it was saved");
    assert_eq!(valid(told.trim_end())["type"], "bench");
    let svg = std::fs::read_to_string(&plot).expect("it was drawn");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    assert!(svg.contains("prefers-color-scheme: dark") && svg.contains("99.9 %"), "{svg}");
    let again = run(&["--save", &saved]);
    assert_eq!(again.code, 9, "{}", again.err);
    assert!(again.err.contains("--force"), "{}", again.err);
    assert_eq!(run(&["--save", &saved, "--force"]).code, 0);
    let done = run(&["--against", &saved]);
    assert_eq!(done.code, 0, "{}", done.err);
    // On a machine that does something else for half a second there may be nothing to compare, and it says so.
    let told = ["what was saved", "too little came back"];
    assert!(told.iter().any(|told| done.out.contains(told)), "{}", done.out);
    assert!(done.out.contains(&format!("({saved}, saved 2")), "{}", done.out);
    std::fs::write(&saved, "no lines of ours\n").expect("a file");
    assert_eq!(run(&["--against", &saved]).code, 2);
}

#[test]
fn several_take_turns_and_are_compared() {
    let echoes = [serve(&["echo", "tcp://127.0.0.1:0"]), serve(&["echo", "tcp://127.0.0.1:0"])];
    let [one, other] = [&echoes[0].address, &echoes[1].address];
    let words = ["bench", one, other, "-c", "2", "-d", "600ms", "--rounds", "3"];
    let done = run(&words);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(done.out.matches("pingpong tcp://").count(), 2, "{}", done.out);
    // Where the machine does something else for a whole turn, that turn is not compared.
    let told = [
        ": no difference (rate ",
        " faster than ",
        " slower than ",
        "too little came back to be compared",
    ];
    assert!(told.iter().any(|told| done.out.contains(told)), "{}", done.out);
    let done = run(&[&words[..], &["--json"]].concat());
    let lines = events(&done);
    assert!(lines.len() >= 2 && lines[..2].iter().all(|line| line["type"] == "bench"));
    for contest in &lines[2..] {
        assert_eq!((&contest["type"], &contest["figure"]), (&"contest".into(), &"rate".into()));
        assert_eq!((&contest["one"], &contest["other"]), (&lines[1]["name"], &lines[0]["name"]));
        assert!(contest["rounds"].as_u64().is_some_and(|rounds| (2..=3).contains(&rounds)));
    }
}

#[test]
fn a_panel_is_shown_meanwhile_and_gone_at_the_end() {
    const NAME: &str = "bench::a_panel_is_shown_meanwhile_and_gone_at_the_end";
    let echo = serve(&["echo", "tcp://127.0.0.1:0"]);
    for (columns, rows) in [(60, 20), (80, 24), (140, 40)] {
        let Some(screen) = Screen::of_size(NAME, columns, rows) else { return };
        screen.line(&format!("clear; {BINARY} bench {} -c 4 -d 60s", echo.address));
        let shown = screen.until(|text| text.contains("our cpu") && text.contains("p99 "));
        let lines: Vec<_> = shown.lines().filter(|line| !line.is_empty()).collect();
        assert!(lines.len() <= 10, "{shown}");
        assert!(shown.contains("errors 0   open files "), "{shown}");
        screen.keys(&["C-c"]);
        let last = screen.until(|text| !text.contains("our cpu") && text.trim_end().ends_with('$'));
        assert!(last.contains(" us ") || last.contains(" ms "), "{last}");
    }
}

/// Colours and bars are for terminals that want them.
#[test]
fn it_looks_as_the_reader_of_it_wishes() {
    const NAME: &str = "bench::it_looks_as_the_reader_of_it_wishes";
    let echo = serve(&["echo", "tcp://127.0.0.1:0"]);
    let Some(screen) = Screen::of_size(NAME, 80, 60) else { return };
    let bench = format!("{BINARY} bench {} -c 2 -n 50", echo.address);
    for (command, is_coloured, is_ascii) in [
        (bench.clone(), true, false),
        (format!("NO_COLOR=1 {bench}"), false, false),
        (format!("{bench} --ascii"), true, true),
        (format!("{bench} | cat"), false, false),
    ] {
        let shown = screen.run(&command);
        let shown = shown.split_once("pingpong").expect("it is told").1;
        assert_eq!((shown.contains('█'), shown.contains("==")), (!is_ascii, is_ascii), "{shown}");
        let painted = screen.tmux(&["capture-pane", "-p", "-e"]);
        assert_eq!(painted.contains("\x1b["), is_coloured, "{command}: {painted:?}");
    }
}
