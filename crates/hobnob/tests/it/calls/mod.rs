//! Every call ends as it does in Python: scenarios.txt is run by Python's `socket` and by `hobnob::socket`, and each line is
//! compared. Where the two differ on purpose, the line stands in [`DIFFERENCES`] with the reason.

mod names;
mod ours;
mod pages;
mod words;

use std::path::Path;
use std::process::Command;

use crate::stage::{births, skip};
use ours::Scenario;
use words::told;

const SCENARIOS: &str = include_str!("scenarios.txt");

/// A command of a scenario, what Python makes of it, what we do, and why.
struct Difference {
    scenario: &'static str,
    line: &'static str,
    python: &'static str,
    ours: &'static str,
    /// Why.
    #[allow(dead_code, reason = "it is for whoever reads the table")]
    reason: &'static str,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        scenario: "names that are taken or cannot be",
        line: "bind m loop6",
        python: "EAI_ADDRFAMILY",
        ours: "EAFNOSUPPORT",
        reason: "Python asks the resolver for an address of the socket's family first; ours is an address, and the kernel refuses it",
    },
    Difference {
        scenario: "zero length",
        line: "recv b 0 dontwait",
        python: "''",
        ours: "EAGAIN",
        reason: "Python makes no call for no bytes; we make it, and the kernel has nothing",
    },
    Difference {
        scenario: "zero length",
        line: "recv d 8 dontwait",
        python: "''",
        ours: "EAGAIN",
        reason: "our receive of no bytes before it took the empty datagram, as the kernel does; Python made no call",
    },
    Difference {
        scenario: "zero length",
        line: "recv d 8 dontwait",
        python: "'x'",
        ours: "EAGAIN",
        reason: "our receive of no bytes before it took the datagram, as the kernel does; Python made no call",
    },
    Difference {
        scenario: "descriptors",
        line: "inheritable c",
        python: "True",
        ours: "False",
        reason: "Python's recv_fds leaves descriptors inheritable; all of ours are close-on-exec from the first instant",
    },
    Difference {
        scenario: "a file and a timeout",
        line: "reader b default read:1",
        python: "nothing",
        ours: "EAGAIN",
        reason: "Python answers none where a read would wait; for Rust's Read that is an error, as nothing is the end",
    },
    Difference {
        scenario: "a file to write",
        line: "writer a 1 write:a got:b write:b got:b flush got:b write:cde got:b flush got:b",
        python: "written | EAGAIN | written | 'a' | flushed | 'b' | written | 'cde' | flushed | EAGAIN",
        ours: "written | 'a' | written | 'b' | flushed | EAGAIN | written | 'cde' | flushed | EAGAIN",
        reason: "what is as large as its whole buffer Rust's BufWriter sends at once, and Python's keeps",
    },
    Difference {
        scenario: "copies of a descriptor",
        line: "gettimeout g",
        python: "none",
        ours: "0s",
        reason: "Python takes a non-blocking descriptor over as blocking, whose calls then fail with EAGAIN; we look",
    },
    Difference {
        scenario: "addresses as text",
        line: "pton unix x",
        python: "EAFNOSUPPORT",
        ours: "refused",
        reason: "no call is made: a Unix socket has no such address",
    },
    Difference {
        scenario: "addresses as text",
        line: "ntop v6 00000000000000000000000001020304",
        python: "::1.2.3.4",
        ours: "::102:304",
        reason: "Rust does not write addresses as IPv4's that are not mapped (RFC 4291 2.5.5.1 has retired them)",
    },
    Difference {
        scenario: "names",
        line: "ifindex no-such-interface",
        python: "refused",
        ours: "ENODEV",
        reason: "Python keeps the errno to itself",
    },
];

/// The commands of the scenarios, each with its scenario and the number of its line.
fn commands() -> impl Iterator<Item = (usize, &'static str, &'static str)> {
    let mut scenario = "";
    (1..).zip(SCENARIOS.lines()).filter_map(move |(number, line)| {
        if let Some(title) = line.strip_prefix("== ") {
            scenario = title;
            return None;
        }
        let is_command = !line.trim().is_empty() && !line.starts_with('#');
        is_command.then_some((number, scenario, line.trim()))
    })
}

fn by_us(folder: &Path) -> Vec<String> {
    let unique = format!("-ours-{}", std::process::id());
    let mut scenario = Scenario::new(folder, &unique);
    let mut of = "";
    commands()
        .map(|(_, title, line)| {
            if title != of {
                (scenario, of) = (Scenario::new(folder, &unique), title);
            }
            told(scenario.run(&line.split_whitespace().collect::<Vec<_>>()))
        })
        .collect()
}

/// None where there is no Python.
fn by_python(folder: &Path) -> Option<Vec<String>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/calls");
    let mut python = Command::new("python3");
    python
        .args(["-u", "-W", "ignore"])
        .args([here.join("scenarios.py"), here.join("scenarios.txt")]);
    let unique = format!("-python-{}", std::process::id());
    let output = births::output(python.arg(folder).arg(unique)).ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = said.lines();
    let each = commands().map(|(number, _, line)| {
        let heard = lines.next().unwrap_or_else(|| panic!("Python ended before line {number}"));
        let outcome = heard.strip_prefix(&format!("{number} {line} -> "));
        outcome.unwrap_or_else(|| panic!("line {number} is {line:?}, not {heard:?}")).to_owned()
    });
    Some(each.collect())
}

#[test]
fn every_call_ends_as_it_does_in_python() {
    let folders = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let Some(pythons) = by_python(folders.0.path()) else {
        return skip("calls::every_call_ends_as_it_does_in_python", "there is no python3");
    };
    let ours = by_us(folders.1.path());
    let (mut wrong, mut used) = (Vec::new(), vec![false; DIFFERENCES.len()]);
    for (((number, scenario, line), python), our) in commands().zip(&pythons).zip(&ours) {
        let known = DIFFERENCES.iter().position(|known| {
            (known.scenario, known.line) == (scenario, line)
                && (known.python, known.ours) == (python, our)
        });
        match known {
            Some(at) => used[at] = true,
            None if python == our => {}
            None => wrong
                .push(format!("{number} ({scenario}) {line}\n  Python {python}\n  ours   {our}")),
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    let idle: Vec<_> = DIFFERENCES
        .iter()
        .zip(used)
        .filter(|(_, used)| !used)
        .map(|(known, _)| known.line)
        .collect();
    assert!(idle.is_empty(), "no difference any more: {idle:?}");
}

#[test]
fn the_scenarios_make_many_calls() {
    assert!(commands().count() >= 150, "{} commands", commands().count());
}
