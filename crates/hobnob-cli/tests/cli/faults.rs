//! A relay under faults, as a person and a program see it.

use serde_json::Value;

use crate::kit::schema::valid;
use crate::kit::{Served, hobnob, run, run_with, serve, serve_with, signal, steady};

/// A relay to an echo, and the echo.
fn relay(words: &[&str]) -> (Served, Served) {
    let echo = serve(&["echo", "127.0.0.1:0"]);
    let all = [&["relay", "127.0.0.1:0", echo.address.as_str()], words].concat();
    (serve_with(hobnob(&all)), echo)
}

#[test]
fn what_is_on_and_what_it_did_is_shown() {
    let (relay, _echo) = relay(&[
        "--name",
        "slow",
        "--fault",
        "down:latency=20ms",
        "--fault",
        "up:rate=1m",
        "--seed",
        "42",
    ]);
    assert!(relay.err.next().starts_with("  \u{bb}  127.0.0.1:"));
    assert_eq!(relay.err.next(), "  faults  down:latency=20ms   up:rate=1m   seed 42");
    let done = run(&["talk", &relay.address, "hello"]);
    assert_eq!((done.out.as_str(), done.code), ("hello\n", 0));
    relay.err.until("\u{bb}  hello");
    let answer = relay.err.until("\u{ab}  hello");
    assert!(answer.contains("held 2") && answer.trim_end().ends_with("ms      6 B"), "{answer}");
    assert!(answer.chars().count() <= 80);
    relay.err.until("out after");
    let (code, rest) = relay.stop("INT");
    assert_eq!(code, 0);
    assert_eq!(rest.last().map(String::as_str), Some("faults hit: latency 1, rate 1"));
}

#[test]
fn a_seed_that_nobody_chose_is_told() {
    let (relay, _echo) = relay(&["--like", "satellite"]);
    relay.err.next();
    let mut lines = vec![relay.err.next()];
    while !lines.last().is_some_and(|line| line.contains("seed ")) {
        lines.push(relay.err.next());
    }
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:?}");
    let told = lines.concat();
    let (faults, seed) = told.split_once("seed ").expect("a seed");
    assert!(faults.contains("latency=300ms,jitter=20ms") && !faults.contains("loss"), "{told}");
    assert!(seed.parse::<u64>().is_ok(), "{told}");
}

#[test]
fn programs_are_told_by_the_schema() {
    let (relay, _echo) =
        relay(&["--json", "--seed", "7", "--fault", "latency=5ms", "--fault", "reset,on=/BYE/"]);
    let listening = valid(&relay.banner);
    assert_eq!(listening["faults"], serde_json::json!(["latency=5ms", "reset,on=/BYE/"]));
    assert_eq!(listening["seed"], 7);
    let done = run_with(&["talk", &relay.address], b"BYE");
    assert_eq!(done.code, 5, "{}", done.err);
    let mut events = vec![valid(&relay.out.next())];
    while events.last().is_some_and(|event| event["type"] != "close") {
        events.push(valid(&relay.out.next()));
    }
    let faults: Vec<&Value> = events.iter().filter(|event| event["type"] == "fault").collect();
    assert_eq!((&faults[0]["kind"], &faults[0]["dir"]), (&"latency".into(), &"up".into()));
    assert!(faults[0]["held_ms"].as_f64().is_some_and(|held| held >= 5.0), "{}", faults[0]);
    assert_eq!((&faults[1]["kind"], &faults[1]["did"]), (&"reset".into(), &"reset".into()));
    assert_eq!(events.last().map(|event| event["reason"].clone()), Some("fault".into()));
    signal(relay.child.id(), "TERM");
    let rest = relay.out.rest();
    let summary = valid(rest.last().expect("a summary"));
    assert_eq!(summary["hits"], serde_json::json!({"latency": 1, "reset": 1}));
}

#[test]
fn what_decides_is_noted_in_a_new_file() {
    let folder = crate::kit::folder();
    let path = folder.path().join("decisions.jsonl");
    let path = path.to_str().expect("a plain name");
    let (relay, echo) = relay(&["--fault", "down:close-after=2", "--decisions", path]);
    let done = run(&["talk", &relay.address, "hello"]);
    assert_eq!(done.out, "he");
    relay.err.until("out after");
    assert!(relay.err.next().contains("close-after"), "the line is folded");
    let noted = std::fs::read_to_string(path).expect("it is there");
    let expected =
        "{\"session\":1,\"dir\":\"down\",\"fault\":\"close-after\",\"at\":2,\"do\":\"close\"}\n";
    assert_eq!(noted, expected);
    let again = run(&["relay", "127.0.0.1:0", &echo.address, "--decisions", path]);
    assert_eq!(again.code, 9, "{}", steady(&again.err));
    assert!(again.err.contains("file-exists"), "{}", again.err);
}

#[test]
fn a_file_of_servers_has_faults_too() {
    let folder = crate::kit::folder();
    let path = folder.path().join("bent.toml");
    let echo = serve(&["echo", "127.0.0.1:0"]);
    let write = |fault: &str| {
        let text = format!(
            "[relay.bent]\nlisten = \"127.0.0.1:0\"\nto = \"{}\"\nseed = 5\n{fault}\n",
            echo.address
        );
        std::fs::write(&path, text).expect("there is room");
    };
    let path_text = path.to_str().expect("a plain name");
    write(
        "faults = [\"latency=1ms\", { way = \"up\", rate = \"1m\", when = \"10%\" },\n\
         { stall = true, after = \"1h\" }]",
    );
    let mut command = hobnob(&["up", path_text, "--json"]);
    command.current_dir(folder.path());
    let up = serve_with(command);
    assert_eq!(
        valid(&up.banner)["faults"],
        serde_json::json!(["latency=1ms", "up:rate=1m,when=10%", "stall,after=1h"])
    );
    assert_eq!(valid(&up.banner)["seed"], 5);
    for (text, said, shown) in [
        ("faults = [\"latency=1ms\", \"when=10%\"]", "a fault stands with it", "when=10%"),
        ("faults = { when = \"10%\", for = \"1s\" }", "a fault stands with it", "when"),
        ("faults = [\"latency=1ms\", \"up:rte=1m\"]", "did you mean rate?", "rte=1m"),
        ("faults = { way = \"up\", rte = \"1m\" }", "did you mean rate?", "rte = \"1m\""),
        ("faults = { latency = 7 }", "a text in quotes, or true", "latency = 7"),
        ("faults = \"latency=200\"", "a time has a unit", "latency=200"),
        ("fault = \"latency=1ms\"", "did you mean faults?", "fault = "),
    ] {
        write(text);
        let wrong = run(&["up", path_text]);
        assert_eq!(wrong.code, 2, "{text}: {}", wrong.err);
        assert!(wrong.err.contains(said) && wrong.err.contains(shown), "{text}: {}", wrong.err);
    }
}
