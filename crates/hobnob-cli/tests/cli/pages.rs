//! Help: every page is there, fits a terminal of 80 columns, and says only what is built.

use crate::kit::{run, steady};

const VERBS: [&str; 13] = [
    "serve",
    "relay",
    "fault",
    "up",
    "demo",
    "talk",
    "get",
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
        assert_eq!(run(&["help", verb]).out, full.out);
    }
}

#[test]
fn every_topic_has_a_page_of_eighty_columns() {
    let topics = VERBS.into_iter().chain([
        "addresses",
        "faults",
        "eof",
        "keys",
        "json",
        "exit-codes",
        "environment",
        "control",
    ]);
    let services = hobnob::engine::services().iter().map(|row| row.spec.name);
    let transports = hobnob::engine::transports().iter().map(|row| row.spec.name);
    let layers = hobnob::engine::layers().iter().map(|row| row.spec.name);
    let faults = hobnob::fault::TABLE.iter().map(|row| row.spec.name);
    let slugs = hobnob::error::Kind::ALL.iter().map(|kind| kind.slug());
    for topic in topics.chain(services).chain(transports).chain(layers).chain(faults).chain(slugs) {
        let done = run(&["help", topic]);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{topic}");
        for line in done.out.lines() {
            assert!(line.chars().count() <= 80, "{topic}: {line}");
        }
    }
}

#[test]
fn a_flag_of_a_service_is_on_its_page() {
    for row in hobnob::engine::services() {
        let page = run(&["help", row.spec.name]).out;
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
        insta::assert_snapshot!(name, steady(&done.out));
    }
    let json = run(&["explain", "10.0.0.7:80", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(value["addresses"][0]["number"], 167_772_167);
    assert_eq!(value["transport"]["built_in"], true);
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
