//! The stories of both READMEs are run, and must come out as they stand: the Markdown is the test.
//!
//! Above a block of commands, comments say what the story leaves out: `with: COMMAND` runs beside it, `then: COMMAND`
//! runs once the block's own command listens, which is then stopped; `file: NAME` keeps the block as a file. With
//! `again: WHY` a command that does not come out so yet is run again, a hundred times at most.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::kit::{Bounded, Lines, code, signal};
use crate::ports::Port;

const ENGLISH: &str = include_str!("../../../../README.md");
const CHINESE: &str = include_str!("../../../../README.zh-CN.md");

/// Ports that the README uses. A test must not take them from whoever else runs on this machine.
const PORTS: [&str; 11] =
    ["9000", "9001", "9443", "9998", "8000", "1025", "1110", "1143", "8025", "2025", "2143"];

/// A block of the README with the comments above it.
#[derive(Default)]
struct Block {
    kind: String,
    with: Vec<String>,
    then: Vec<String>,
    file: Option<String>,
    is_tried_again: bool,
    lines: Vec<String>,
}

fn blocks(readme: &str) -> Vec<Block> {
    let (mut blocks, mut next, mut is_within) = (Vec::new(), Block::default(), false);
    for line in readme.lines() {
        let comment = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->"));
        match (line.strip_prefix("```"), comment.and_then(|comment| comment.split_once(": "))) {
            (Some(_), _) if is_within => {
                is_within = false;
                blocks.push(std::mem::take(&mut next));
            }
            (Some(kind), _) => {
                is_within = true;
                kind.clone_into(&mut next.kind);
            }
            (None, Some(("with", command))) => next.with.push(command.to_owned()),
            (None, Some(("then", command))) => next.then.push(command.to_owned()),
            (None, Some(("again", _))) => next.is_tried_again = true,
            (None, Some(("file", name))) => next.file = Some(name.to_owned()),
            _ if is_within => next.lines.push(line.to_owned()),
            _ => {}
        }
    }
    blocks
}

/// Free ports in place of the README's, and back.
struct Ports(HashMap<&'static str, Port>);

impl Ports {
    fn draw() -> Self {
        Ports(PORTS.map(|known| (known, Port::draw())).into())
    }

    fn there(&self, text: &str) -> String {
        let all: Vec<_> = self.0.iter().map(|(known, port)| (*known, port.number)).collect();
        drawn_for_known(text, &all)
    }

    fn back(&self, text: &str) -> String {
        let all = self.0.iter();
        all.fold(text.to_owned(), |text, (known, drawn)| {
            text.replace(&drawn.number.to_string(), known)
        })
    }
}

/// Puts ports in place of others. All are taken out before any is put in: 20250 begins with 2025, which may be next.
fn drawn_for_known(text: &str, ports: &[(&str, u16)]) -> String {
    let mut text = text.to_owned();
    for (at, (known, _)) in ports.iter().enumerate() {
        for before in [":", " "] {
            text = text.replace(&format!("{before}{known}"), &format!("{before}\0{at}\0"));
        }
    }
    for (at, (_, drawn)) in ports.iter().enumerate() {
        text = text.replace(&format!("\0{at}\0"), &drawn.to_string());
    }
    text
}

#[test]
fn a_port_that_begins_as_another_is_put_in_whole() {
    for ports in [[("9000", 20_250), ("2025", 30_000)], [("2025", 30_000), ("9000", 20_250)]] {
        let text = drawn_for_known("talk :9000; smtp://127.0.0.1:2025; nc localhost 9000", &ports);
        assert_eq!(text, "talk :20250; smtp://127.0.0.1:30000; nc localhost 20250");
    }
}

/// A line without what differs from run to run: times and rates, ports that the kernel gave, and how columns are filled.
fn steady(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut out: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let unit = words.get(at + 1).map(|unit| unit.trim_end_matches([',', ';']));
        let is_number = word.replace(',', "").parse::<f64>().is_ok();
        let is_clock = word.len() == 8 && word.split(':').count() == 3;
        out.push(match word.rsplit_once(':') {
            _ if is_number && matches!(unit, Some("ms" | "s" | "us")) => "TIME".to_owned(),
            _ if is_number && unit.is_some_and(|unit| unit.ends_with("/s")) => "RATE".to_owned(),
            _ if matches!(word.trim_end_matches(','), "ms" | "s" | "us") => "UNIT".to_owned(),
            _ if word.trim_end_matches(',').ends_with("/s") => "UNIT/s".to_owned(),
            _ if is_clock => "CLOCK".to_owned(),
            Some((host, port)) if port.parse::<u16>().is_ok_and(|port| port >= 10_000) => {
                format!("{host}:PORT")
            }
            _ => (*word).to_owned(),
        });
    }
    out.join(" ")
}

/// Whether a steady line is a row of a histogram, of which each run has others.
fn is_row(line: &str) -> bool {
    line.starts_with("TIME UNIT ") && (4..=5).contains(&line.split(' ').count())
}

/// A shell that finds this hobnob, in the story's own folder.
fn shell(command: &str, folder: &Path) -> Command {
    let bin = Path::new(env!("CARGO_BIN_EXE_hobnob")).parent().expect("it lies somewhere");
    #[expect(
        clippy::disallowed_methods,
        reason = "a story's commands are found where a person's are"
    )]
    let path = std::env::var("PATH").expect("there is one");
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(folder).stdin(Stdio::null());
    shell.env("PATH", format!("{}:{path}", bin.display())).env("XDG_STATE_HOME", folder);
    shell
}

/// A server in the background: `exec`, so that its id is the shell's.
fn background(command: &str, folder: &Path) -> (Bounded, Lines) {
    let mut shell = shell(&format!("exec {command}"), folder);
    let mut child = shell.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a shell");
    let lines = Lines::of(child.stderr.take().expect("piped"));
    (Bounded::of(child), lines)
}

fn output(command: &str, folder: &Path) -> Vec<String> {
    let done = shell(&format!("{{ {command}\n}} 2>&1"), folder).output().expect("a shell");
    String::from_utf8_lossy(&done.stdout).lines().map(str::to_owned).collect()
}

/// What a server says, from its start to its end by Ctrl-C, while its clients come and go. Where it has a pipe behind it
/// that is what comes out of the pipe.
fn served(command: &str, then: &[String], folder: &Path) -> Vec<String> {
    let (server, pipe) = command.split_once(" | ").unwrap_or((command, ""));
    let mut shell = shell(&format!("exec {server}"), folder);
    let started = shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.expect("a shell");
    let out = Lines::of(child.stdout.take().expect("piped"));
    let err = Lines::of(child.stderr.take().expect("piped"));
    let child = Bounded::of(child);
    let said = if pipe.is_empty() { &err } else { &out };
    let mut lines = vec![said.next()];
    let is_there = |line: &String| {
        ["Ctrl-C stops it.", " started", r#""listening""#].iter().any(|mark| line.contains(mark))
    };
    while !lines.last().is_some_and(is_there) {
        lines.push(said.next());
    }
    for command in then {
        let said = output(command, folder);
        assert!(said.is_empty(), "{command}: {said:?}");
    }
    signal(child.id(), "INT");
    assert_eq!(code(child.wait()), 0, "{command}");
    lines.extend(said.rest());
    // How many sessions were still open when it was asked to end is chance.
    lines.retain(|line| !line.starts_with("closing "));
    if pipe.is_empty() {
        return lines;
    }
    std::fs::write(folder.join("said"), lines.join("\n") + "\n").expect("room");
    output(&format!("{pipe} < said"), folder)
}

/// A machine without IPv6 says so, and has an address less.
fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

#[test]
fn stories_come_out_as_they_stand() {
    stories_of(ENGLISH);
}

#[test]
fn stories_in_chinese_come_out_as_they_stand() {
    stories_of(CHINESE);
}

/// No story is told to one half of the readers alone.
#[test]
fn both_pages_have_the_same_transcripts() {
    let told = |readme| {
        let told = blocks(readme).into_iter().filter(|block| block.kind == "console");
        told.map(|block| block.lines).collect::<Vec<_>>()
    };
    assert_eq!(told(CHINESE), told(ENGLISH));
}

fn stories_of(readme: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut told, mut files) = (0, Vec::new());
    for block in blocks(readme) {
        let ports = Ports::draw();
        if let Some(name) = block.file {
            files.push((name, block.lines.join("\n")));
            continue;
        }
        if block.kind != "console" {
            continue;
        }
        for (name, text) in &files {
            std::fs::write(folder.path().join(name), ports.there(text)).expect("room");
        }
        let beside = block.with.iter().map(|command| {
            let (child, lines) = background(&ports.there(command), folder.path());
            lines.until("Ctrl-C stops it.");
            (child, lines)
        });
        let beside: Vec<_> = beside.collect();
        let then: Vec<String> = block.then.iter().map(|command| ports.there(command)).collect();
        let mut lines = block.lines.iter().peekable();
        while let Some(line) = lines.next() {
            let command = ports.there(line.strip_prefix("$ ").expect("a command comes first"));
            let mut expected = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                expected.push(steady(line));
            }
            expected.retain(|line| !is_row(line));
            expected.retain(|line| has_ipv6() || !line.contains("[::1]"));
            let run = || {
                let came = match then.as_slice() {
                    [] => output(&command, folder.path()),
                    then => served(&command, then, folder.path()),
                };
                let came = came.iter().map(|line| steady(&ports.back(line)));
                let came = came.filter(|line| !line.contains(" is left out") && !is_row(line));
                came.collect::<Vec<_>>()
            };
            let mut came = run();
            for _ in 0..100 {
                if came == expected || !block.is_tried_again {
                    break;
                }
                came = run();
            }
            if !then.is_empty() {
                // What happens on two sides at once has no order.
                came.sort();
                expected.sort();
            }
            assert_eq!(came, expected, "{line}");
            told += 1;
        }
        for (server, _) in beside {
            signal(server.id(), "TERM");
            server.wait();
        }
    }
    assert!(told >= 9, "the README tells {told} stories");
}
