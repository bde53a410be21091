//! Values that nobody can mean, given to each flag and setting that takes a number or a time.

use hobnob::service::ServiceRow;

use crate::kit::{Done, finish, folder, hobnob, needs, run};

const TIMES: [&str; 9] =
    ["", "1", "-1s", "nan", "nans", "1e30", "1e30s", "9999999999999999999s", "876001h"];
const NUMBERS: [&str; 8] = [
    "",
    "-1",
    "nan",
    "1e30",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999",
];

/// The flags of a verb with the placeholder of their values, as its help page has them.
fn flags(verb: &str) -> Vec<(String, String)> {
    let page = run(&["help", verb]).out + &run(&[verb, "--help"]).out;
    let flag = |line: &str| {
        let mut words = line.split_whitespace();
        let flag = words.find(|word| word.starts_with("--"))?;
        let value = words.next().unwrap_or_default();
        line.starts_with("  ").then(|| (flag.to_owned(), value.to_owned()))
    };
    let mut flags: Vec<_> = page.lines().filter_map(flag).collect();
    flags.sort();
    flags.dedup();
    flags
}

fn values(placeholder: &str) -> &'static [&'static str] {
    match placeholder {
        "DUR" => &TIMES,
        "N" | "BYTES" => &NUMBERS,
        _ => &[],
    }
}

/// It did what was asked, or said which option is wrong.
fn fine(what: &str, done: &Done) {
    let said = format!("{what}: {} {}{}", done.code, done.out, done.err);
    assert!(!said.contains("panicked") && !said.contains("error[bug]"), "{said}");
    let is_refused = done.code == 2 && done.err.contains("error[bad-option]");
    assert!(is_refused || done.code == 0 && !done.err.contains("error["), "{said}");
}

/// A server that answers, for verbs that dial; and one that speaks the web's tongue.
fn base(verb: &str, echo: &str) -> Option<Vec<String>> {
    let words: &[&str] = match verb {
        "serve" => &["serve", "echo", "tcp://127.0.0.1:0", "--for", "1ms"],
        "relay" => &["relay", "tcp://127.0.0.1:0", echo, "--for", "1ms"],
        "talk" => &["talk", echo, "x", "--wait", "20s"],
        _ => return None,
    };
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}

/// The first service that takes a flag of serve; none: all take it.
fn service_with(flag: &str) -> Option<&'static ServiceRow> {
    let name = flag.strip_prefix("--")?;
    let has_it = |row: &&&ServiceRow| row.spec.options.iter().any(|option| option.name == name);
    hobnob::engine::services().iter().find(has_it).copied()
}

#[test]
fn no_value_of_a_flag_is_a_bug() {
    let echo = needs("relay").pop().expect("where an echo answers");
    let mut tried = 0;
    for verb in ["serve", "relay", "talk"] {
        for (flag, placeholder) in flags(verb) {
            for value in values(&placeholder) {
                let mut words = base(verb, &echo).expect("a verb that opens");
                if let Some(row) = service_with(&flag).filter(|_| verb == "serve") {
                    row.spec.name.clone_into(&mut words[1]);
                    if let Some(door) = row.doors.first().filter(|_| row.doors.len() > 1) {
                        words[2] = format!("{}={}", door.name, words[2]);
                    }
                }
                words.push(format!("{flag}={value}"));
                if flag == "--recv" {
                    words.push("--framing=chunks".to_owned());
                }
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                fine(&words.join(" "), &run(&words));
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "only {tried} were tried");
}

#[test]
fn no_time_that_a_verb_takes_may_be_longer_than_the_clock_holds() {
    let folder = folder();
    let file = "[serve.a]\nservice = \"echo\"\non = \"tcp://127.0.0.1:0\"\n";
    std::fs::write(folder.path().join("hobnob.toml"), file).expect("a file");
    for verb in ["serve", "relay", "talk", "get", "up", "demo"] {
        let times = flags(verb).into_iter().filter(|(_, placeholder)| placeholder == "DUR");
        let mut tried = 0;
        for (flag, _) in times {
            for value in TIMES {
                let mut words = vec![verb];
                words.extend(match verb {
                    "serve" => &["hello", "memory:x"][..],
                    "relay" => &["memory:x", "memory:y"],
                    "talk" => &["memory:x", "x"],
                    "get" => &["http+unix:/nobody/there"],
                    _ => &[],
                });
                let given = format!("{flag}={value}");
                words.push(&given);
                let mut command = hobnob(&words);
                command.current_dir(folder.path());
                let done = finish(command, b"");
                let said = format!("{}: {}", words.join(" "), done.err);
                assert!(done.err.contains("error[bad-option]"), "{said}");
                assert_eq!(done.code, 2, "{said}");
                // Words are folded where the terminal's line ends.
                let unfolded = done.err.split_whitespace().collect::<Vec<_>>().join(" ");
                let is_long = value.starts_with("9999") || value == "876001h";
                assert!(!is_long || unfolded.contains("a time is at most 36500d"), "{said}");
                tried += 1;
            }
        }
        assert!(tried > 0, "{verb} takes no time");
    }
}

#[test]
fn no_setting_of_a_file_or_the_environment_is_a_bug() {
    let up = |text: &str| {
        let folder = folder();
        std::fs::write(folder.path().join("hobnob.toml"), text).expect("a file");
        let mut command = hobnob(&["up", "--for", "1ms"]);
        command.current_dir(folder.path());
        finish(command, b"")
    };
    for (names, values) in [(&["idle", "for"][..], &TIMES[..]), (&["max-conns", "max"], &NUMBERS)] {
        for name in names {
            for value in values {
                let text = format!(
                    "[serve.a]\nservice = \"echo\"\non = \"tcp://127.0.0.1:0\"\n{name} = \"{value}\"\n"
                );
                let done = up(&text);
                let said = format!("{text}{}", done.err);
                assert!(!said.contains("panicked") && !said.contains("error[bug]"), "{said}");
                assert!(done.code == 0 || done.err.contains("error["), "{said}");
            }
        }
    }
    for value in TIMES.iter().filter(|value| !value.is_empty()) {
        let done = up(&format!("[defaults]\ntimeout = \"{value}\"\n"));
        assert!(done.err.contains("error[bad-option]"), "timeout = {value}: {}", done.err);
        let mut command = hobnob(&["talk", "memory:x", "x"]);
        command.env("HOBNOB_TIMEOUT", value);
        let done = finish(command, b"");
        assert!(done.err.contains("error[bad-option]"), "HOBNOB_TIMEOUT={value}: {}", done.err);
    }
}
