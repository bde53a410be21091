//! Help: every page is there, fits a terminal of 80 columns, and says only what is built.

use std::collections::BTreeMap;

use hobnob::socket::{Family, Socket, Type};

use crate::kit::{run, skip, steady};
use crate::screen::{BINARY, Screen};

const VERBS: [&str; 17] = [
    "serve",
    "relay",
    "fault",
    "up",
    "demo",
    "talk",
    "get",
    "mail",
    "bench",
    "ping",
    "sniff",
    "explain",
    "doctor",
    "cert",
    "help",
    "completions",
    "man",
];

#[test]
fn alone_it_shows_one_screen_and_is_content() {
    let done = run(&[]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert!(done.out.lines().count() <= 21);
    insta::assert_snapshot!("hobnob", done.out);
}

#[test]
fn serve_alone_is_the_catalogue() {
    let done = run(&["serve"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    for row in hobnob::engine::services().iter().filter(|row| row.make.is_some()) {
        assert!(done.out.contains(row.spec.name), "{}", row.spec.name);
    }
}

#[test]
fn the_short_help_of_each_verb() {
    for verb in VERBS {
        let done = run(&[verb, "-h"]);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{verb}");
        assert!(done.out.lines().count() <= 24, "{verb} is one screen");
        insta::assert_snapshot!(format!("{verb}-h"), done.out);
        let full = run(&[verb, "--help"]);
        assert_eq!(full.code, 0);
        assert!(full.out.len() >= done.out.len());
        assert_eq!(run(&["help", verb, "all"]).out, full.out);
    }
}

/// The topics that are neither verbs nor of a table.
const TOPICS: [&str; 15] = [
    "addresses",
    "sockets",
    "ports",
    "handshake",
    "models",
    "coming-from",
    "faults",
    "replies",
    "eof",
    "keys",
    "calls",
    "json",
    "exit-codes",
    "environment",
    "control",
];

#[test]
fn no_page_is_longer_than_two_screens_and_what_is_left_out_is_named() {
    let mut cut = 0;
    for topic in VERBS.into_iter().chain(TOPICS) {
        let (shown, all) = (run(&["help", topic]).out, run(&["help", topic, "all"]).out);
        assert!(shown.lines().count() <= 48, "{topic} has {} lines", shown.lines().count());
        if shown == all {
            continue;
        }
        cut += 1;
        let (begin, rest) = shown.split_once("\nall of it: ").expect(topic);
        assert!(all.starts_with(begin.trim_end()), "{topic}");
        assert!(rest.starts_with(&format!("hobnob help {topic} all\n")), "{topic}: {rest}");
        let named = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, named) = named.split_once("also has: ").expect(topic);
        for title in named.split("; ") {
            assert!(all.contains(&format!("\n{title}\n")), "{topic} has no {title}");
        }
    }
    assert!(cut >= 4, "only {cut} are longer: faults, relay, serve and talk are");
}

#[test]
fn every_fault_is_on_the_first_screens_of_their_page() {
    let shown = run(&["help", "faults"]).out;
    for row in hobnob::fault::TABLE {
        assert!(shown.contains(&format!("\n  {}", row.spec.name)), "{}", row.spec.name);
    }
    assert!(shown.contains("after=") && shown.contains("on=/REGEX/"), "{shown}");
}

#[test]
fn every_reply_on_purpose_is_on_the_first_screens_of_their_page() {
    let shown = run(&["help", "replies"]).out;
    for row in hobnob::fault::REPLIES {
        assert!(shown.contains(&format!("\n  {}", row.spec.name)), "{}", row.spec.name);
    }
    assert!(shown.contains("after=") && shown.contains("on=/REGEX/"), "{shown}");
}

#[test]
fn what_is_not_built_in_is_not_listed_as_if_it_were() {
    let missing = hobnob::engine::transports().iter().map(|row| row.spec);
    let missing = missing.chain(hobnob::engine::layers().iter().map(|row| &row.spec));
    let missing = missing.chain(hobnob::engine::services().iter().map(|row| row.spec));
    let missing: Vec<_> = missing.filter(|spec| !spec.is_built_in).map(|spec| spec.name).collect();
    assert!(!missing.is_empty(), "there would be nothing to see");
    let mut lists = vec![
        run(&["serve"]).out,
        run(&["help", "help"]).out,
        run(&["help", "addresses"]).out,
        run(&["talk", "xyz://:9"]).err,
        run(&["serve", "xyz"]).err,
    ];
    // Of a script, the words that a topic may be.
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]).out;
        lists.extend(script.lines().filter(|line| line.contains("exit-codes")).map(str::to_owned));
    }
    for name in missing {
        for list in &lists {
            let mut words = list.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            // A page may say that something is no file.
            let is_listed = name != "file" && words.any(|word| word == name);
            assert!(!is_listed, "{name} is listed: {list}");
        }
        let page = run(&["help", name]);
        assert!(page.out.contains("not part of this build"), "{name}: {}{}", page.out, page.err);
    }
}

#[test]
fn every_topic_has_a_page_of_eighty_columns() {
    let topics = VERBS.into_iter().chain(TOPICS);
    let services = hobnob::engine::services().iter().map(|row| row.spec.name);
    let transports = hobnob::engine::transports().iter().map(|row| row.spec.name);
    let layers = hobnob::engine::layers().iter().map(|row| row.spec.name);
    let faults = hobnob::fault::TABLE.iter().map(|row| row.spec.name);
    let slugs = hobnob::error::Kind::ALL.iter().map(|kind| kind.slug());
    for topic in topics.chain(services).chain(transports).chain(layers).chain(faults).chain(slugs) {
        let done = run(&["help", topic, "all"]);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{topic}");
        for line in done.out.lines() {
            assert!(line.chars().count() <= 80, "{topic}: {line}");
        }
    }
}

#[test]
fn a_flag_of_a_service_is_on_its_page() {
    for row in hobnob::engine::services() {
        let page = run(&["help", row.spec.name, "all"]).out;
        for option in row.spec.options {
            assert!(
                page.contains(&format!("--{}", option.name)),
                "{} {}",
                row.spec.name,
                option.name
            );
        }
    }
}

#[test]
fn a_terminal_of_forty_columns_has_whole_lines() {
    let Some(screen) = Screen::of_size("a_terminal_of_forty_columns_has_whole_lines", 40, 60)
    else {
        return;
    };
    for (command, whole) in [
        ("-h", "    type to any socket; pipe in, pipe"),
        ("help serve", "Without an address it is the service's"),
        ("talk xyz://:9", "     there is no transport or layer"),
        ("talk 127.0.0.1 9", "  try    hobnob talk 127.0.0.1:9"),
        ("serve hello 127.0.0.1:0 --for 10ms", "    hobnob talk 127.0.0.1:"),
        ("explain unix:@chat", "    unix: bytes to a path of this"),
        ("explain unix:@chat --listen", "      nc -lU @chat"),
        ("explain unix:@chat -v", "    rcvbuf        -           default"),
        ("doctor", "     1,000, 2,000 at once; this machine"),
        ("doctor", "     256.0 MiB"),
        ("doctor --config", "    hobnob.toml"),
    ] {
        let text = screen.run(&format!("H={BINARY}; PAGER=cat $H {command}"));
        assert!(text.lines().any(|line| line.contains(whole)), "{command}: {text}");
    }
}

/// The first lines of a conversation, and of what is said in it: every word is whole.
#[test]
fn a_conversation_is_read_in_forty_and_in_sixty_columns() {
    const ALL: &str = "Ctrl-D ends our side, Ctrl-C leaves, Ctrl-] opens commands";
    let served = crate::kit::serve(&["hello", "127.0.0.1:0"]);
    for (columns, opens) in [(40, "Ctrl-] opens commands"), (60, ALL)] {
        let name = "a_conversation_is_read_in_forty_and_in_sixty_columns";
        let Some(screen) = Screen::of_size(name, columns, 30) else { return };
        screen.line(&format!("clear; {BINARY} talk {}", served.address));
        let text = screen.until(|text| text.contains("Welcome!"));
        assert!(text.lines().any(|line| line == opens), "{columns}: {text}");
        screen.order("help");
        let text = screen.until(|text| text.contains("quit"));
        for words in ["eol lf|crlf|none", "half-close", "save FILE"] {
            assert!(text.lines().any(|line| line.contains(words)), "{columns}: {text}");
        }
        // In a pipe that says what happens, too.
        screen.keys(&["C-c"]);
        // What is typed before it has left is its own.
        screen.until(|text| text.trim_end().ends_with('$'));
        let talk = format!("{BINARY} talk {} -v < /dev/null > /dev/null", served.address);
        let text = screen.run(&talk);
        assert!(text.lines().any(|line| line.contains("from port")), "{columns}: {text}");
    }
}

#[test]
fn the_version() {
    assert_eq!(run(&["--version"]).out, format!("hobnob {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn explain_shows_what_an_address_means() {
    for (name, words) in [
        ("explain-tcp", vec!["explain", ":9000"]),
        ("explain-udp", vec!["explain", "udp://10.0.0.7:53,ttl=3"]),
        ("explain-unix", vec!["explain", "unix:@chat", "--listen"]),
        ("explain-door", vec!["explain", "/tmp/x.sock,allow=10.0.0.0/8,retry"]),
        ("explain-program", vec!["explain", "exec:'a b'"]),
        ("explain-layer", vec!["explain", "lines+tcp://:9000"]),
    ] {
        let done = run(&words);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{name}");
        // Not every machine knows services.
        let lines = done.out.lines().filter(|line| !line.starts_with("  services "));
        insta::assert_snapshot!(name, steady(&lines.collect::<Vec<_>>().join("\n")));
    }
    let all = run(&["explain", ":9000", "-v"]);
    assert_eq!(all.code, 0, "{}", all.err);
    assert!(all.out.lines().any(|line| line.ends_with("default")), "{}", all.out);
    let json = run(&["explain", "10.0.0.7:80", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(value["addresses"][0]["number"], 167_772_167);
    assert_eq!(value["transport"]["built_in"], true);
}

/// What `explain ADDR --options` says of the kernel, by the options' names.
fn kernels_options(address: &str) -> BTreeMap<String, serde_json::Value> {
    let done = run(&["explain", address, "--options", "--json"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{address}");
    let told: serde_json::Value = serde_json::from_str(&done.out).expect("JSON");
    let each = told["kernel"].as_array().expect("a list").iter();
    each.map(|one| (one["name"].as_str().expect("a name").to_owned(), one.clone())).collect()
}

#[test]
fn every_option_of_a_socket_that_an_address_can_name_is_read_back_from_the_kernel() {
    let table = hobnob::socket::option::TABLE;
    for (transport, address) in [
        ("tcp", "tcp://:9000"),
        ("udp", "udp://:9000"),
        ("unix", "unix:@x"),
        ("unixgram", "unixgram:@x"),
        ("unixseq", "unixseq:@x"),
        ("icmp", "icmp://127.0.0.1"),
        ("icmp", "icmp://::1"),
        ("raw", "raw://127.0.0.1"),
        ("raw", "raw://[::1]"),
    ] {
        // Raw sockets take a right.
        if transport == "raw" && Socket::new(Family::V4, Type::Raw, 255).is_err() {
            skip(
                "pages::every_option_of_a_socket_that_an_address_can_name_is_read_back_from_the_kernel",
                "there are no raw sockets for this user",
            );
            continue;
        }
        let told = kernels_options(address);
        let row = hobnob::transport::TABLE.iter().find(|row| row.spec.name == transport);
        let options = row.expect("a transport").spec.options.iter().map(|spec| spec.name);
        let is_the_kernels = |name: &&str| table.iter().any(|row| row.spec.name == *name);
        let named: Vec<_> = options.filter(is_the_kernels).collect();
        assert!(!named.is_empty(), "{transport}");
        for name in named {
            let option = told.get(name).unwrap_or_else(|| panic!("{transport} {name}"));
            assert!(option["kernel"].is_string(), "{transport} {name}: {option}");
        }
    }
}

#[test]
fn what_an_address_sets_stands_beside_what_the_kernel_gives() {
    let told = kernels_options("127.0.0.1:9000,ttl=7,no-nodelay");
    let ttl = std::fs::read_to_string("/proc/sys/net/ipv4/ip_default_ttl").expect("Linux has it");
    assert_eq!((&told["ttl"]["kernel"], &told["ttl"]["here"]), (&ttl.trim().into(), &"7".into()));
    assert_eq!(told["ttl"]["level"], "IPPROTO_IP");
    assert_eq!(told["nodelay"]["here"], "no");
    assert!(!told.contains_key("v6only"), "which an IPv4 socket does not have");
    let words = run(&["explain", "tcp://:9000", "--options"]).out;
    let line = |wanted: &str| words.lines().find(|line| line.contains(wanted)).map(str::trim_end);
    let reuse = line("SO_REUSEADDR").expect("a line");
    let cells: Vec<_> = reuse.split_whitespace().collect();
    assert_eq!(cells[..6], ["reuseaddr", "no", "yes", "int,", "0", "or"], "{reuse}");
    assert!(reuse.ends_with("AF_INET AF_INET6"), "{reuse}");
    assert!(line("IPV6_UNICAST_HOPS").is_some_and(|line| line.ends_with(" AF_INET6")), "{words}");
}

#[test]
fn what_opens_no_socket_has_no_options_of_one() {
    let done = run(&["explain", "exec:true", "--options"]);
    assert_eq!(done.code, 2, "{}", done.err);
    assert!(done.err.contains("exec opens no socket"), "{}", done.err);
}

#[test]
fn colour_is_asked_for_or_not_there() {
    assert!(!run(&["serve"]).out.contains('\x1b'), "a pipe has none");
    assert!(run(&["serve", "--color", "always"]).out.contains('\x1b'));
    let with = |name: &str, value: &str| {
        let mut command = crate::kit::hobnob(&["serve"]);
        command.env(name, value);
        crate::kit::finish(command, b"").out.contains('\x1b')
    };
    assert!(with("FORCE_COLOR", "1"));
    assert!(with("CLICOLOR_FORCE", "1"));
    assert!(!with("FORCE_COLOR", "0"));
    assert!(!with("NO_COLOR", "1"));
    assert!(!with("FORCE_COLOR", ""), "an empty variable counts as unset");
}
