//! What `hobnob explain` prints for nc, socat and Python is run as it stands, against hobnob.

use std::process::Command;

use serde_json::Value;

use crate::peer::{Running, has, hobnob, serve, succeeds};
use crate::ports::Port;

/// Tries until a listener has to be there.
const TRIES: usize = 500;

/// Endpoints of every kind that has twins. `PORT` and `FOLDER` become the test's own.
const ENDPOINTS: &[&str] = &[
    "127.0.0.1:PORT",
    "[::1]:PORT",
    "udp://127.0.0.1:PORT",
    "udp://[::1]:PORT",
    "unix:FOLDER/plain",
    "unix:FOLDER/a b,c:d",
    "unixgram:FOLDER/gram",
    "unixgram:FOLDER/a gram",
    "unixseq:FOLDER/seq",
    "unix:FOLDER/mode,mode=660",
    "unix:@explained-PORT",
    "unixgram:@explained-gram-PORT",
    "unixseq:@explained-seq-PORT",
];

/// The name of a tool, and the line that it is told by.
type Line = (String, String);

fn lines(endpoint: &str, side: &str) -> Vec<Line> {
    let told = succeeds(hobnob().args(["explain", endpoint, "--json"]));
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let twins = told["twins"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().expect("a line").to_owned();
    twins.iter().map(|twin| (text(&twin["tool"]), text(&twin[side]))).collect()
}

fn has_all(test: &str) -> bool {
    ["nc", "socat", "python3"].iter().all(|program| has(test, program))
}

/// The tool with its line, for Python with what a person would type next.
fn started(tool: &str, line: &str, next: &str) -> Running {
    let mut command;
    if tool == "python" {
        command = Command::new("python3");
        command.args(["-u", "-c", &format!("import socket; {line}{next}")]);
    } else {
        command = Command::new("bash");
        command.args(["-c", &format!("exec {line}")]);
    }
    Running::start(&mut command)
}

/// Gives each endpoint and each of its lines to `check`. Every line has a place of its own, since nc and Python leave the
/// file of a Unix socket behind.
fn each(side: &str, check: impl Fn(&str, Line)) {
    for (pattern, tool) in ENDPOINTS.iter().flat_map(|one| (0..3).map(move |tool| (one, tool))) {
        let (port, folder) = (Port::draw(), tempfile::tempdir().expect("a folder"));
        let folder = folder.path().to_str().expect("a plain path");
        let endpoint = pattern.replace("PORT", &port.number.to_string());
        let endpoint = endpoint.replace("FOLDER", folder).replace(",c", "%2Cc");
        if let Some(line) = lines(&endpoint, side).into_iter().nth(tool) {
            check(&endpoint, line);
        }
    }
}

#[test]
fn every_line_that_dials_reaches_us() {
    if !has_all("explained::every_line_that_dials_reaches_us") {
        return;
    }
    each("dials", |endpoint, (tool, line)| {
        let (_server, _) = serve("echo", endpoint, &[]);
        let is_sent = line.contains("sendto");
        let next = if is_sent { "" } else { "; s.sendall(b'...')" };
        let mut client = started(&tool, &line, &format!("{next}; print(s.recv(9).decode())"));
        if tool != "python" {
            client.type_in("...\n");
        }
        assert_eq!(client.line(), "...", "{endpoint}: {line}");
    });
}

#[test]
fn every_line_that_listens_hears_us() {
    if !has_all("explained::every_line_that_listens_hears_us") {
        return;
    }
    each("listens", |endpoint, (tool, line)| {
        let next = if line.contains("listen()") { "; print(s.accept()[0].recv(9))" } else { "" };
        let mut server = started(&tool, &line, next);
        let says = || {
            let mut talk = hobnob();
            talk.args(["talk", endpoint, "hello", "--eol", "lf", "--wait", "100ms"]);
            let code = Running::start(&mut talk).finish().status.code();
            code == Some(0) || code == Some(6) // it was there, and had no answer
        };
        assert!((0..TRIES).any(|_| says()), "{endpoint}: nobody listens with {line}");
        assert!(server.line().contains("hello"), "{endpoint}: {line}");
    });
}
