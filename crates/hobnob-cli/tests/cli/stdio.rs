//! Every service over standard input and output: the transport that takes a process to be tried.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use hobnob::engine::services;
use hobnob::spec::Shape;

use crate::kit::{Bounded, code, hobnob, run_with, signal};

/// Every service of the table that serves bytes and is built in.
fn each(check: impl Fn(&'static str)) {
    let rows =
        services().iter().filter(|row| row.make.is_some() && row.shapes.contains(&Shape::Bytes));
    let names: Vec<_> = rows.map(|row| row.spec.name).collect();
    assert!(!names.is_empty());
    names.into_iter().for_each(check);
}

fn start(words: &[&str]) -> (Bounded, ChildStdin, ChildStdout) {
    let mut command = hobnob(&[&["serve"], words, &["-q"]].concat());
    let mut child: Child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary is there");
    let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    (Bounded::of(child), input, output)
}

/// Whether it would pour for ever, so that its end is its reader's.
fn is_pouring(service: &str) -> bool {
    services().iter().any(|row| row.spec.name == service && row.is_loud)
}

#[test]
fn input_that_ends_at_once_and_input_that_says_something_end_every_service() {
    each(|service| {
        for said in [&b""[..], b"Ada\n", &(0..=255).collect::<Vec<u8>>()] {
            let (child, mut input, mut output) = start(&[service, "-"]);
            // It may have ended before it was told all.
            let _ = input.write_all(said);
            drop(input);
            if is_pouring(service) {
                output.read_exact(&mut [0; 64]).expect("it pours");
                drop(output);
            } else {
                output.read_to_end(&mut Vec::new()).expect("it ends");
            }
            assert_eq!(code(child.wait()), 0, "{service} after {said:?}");
        }
    });
}

#[test]
fn bytes_pass_whole_in_bulk_and_one_by_one() {
    let line = |at: usize| format!("{at:015}\n");
    let bulk: String = (0..(64 << 20) / 16).map(line).collect();
    let done = run_with(&["serve", "echo", "-", "-q"], bulk.as_bytes());
    assert_eq!((done.code, done.out.len()), (0, bulk.len()));
    assert!(done.out == bulk, "64 MiB came back, but not as they went");
    let (child, mut input, mut output) = start(&["echo", "-"]);
    for byte in 0..=255 {
        input.write_all(&[byte]).and_then(|()| input.flush()).expect("it listens");
        let mut back = [0];
        output.read_exact(&mut back).expect("it answers");
        assert_eq!(back, [byte]);
    }
    drop(input);
    assert_eq!(code(child.wait()), 0);
}

#[test]
fn silence_ends_every_service_whose_input_stays_open() {
    each(|service| {
        if is_pouring(service) {
            return; // it is never silent
        }
        let (child, _input, mut output) = start(&[service, "-", "--idle", "100ms"]);
        output.read_to_end(&mut Vec::new()).expect("silence ends it");
        assert_eq!(code(child.wait()), 0, "{service}");
    });
}

#[test]
fn sigterm_ends_it_while_its_input_stays_open() {
    for (service, first) in [("source", 64), ("hello", 8)] {
        let (child, _input, mut output) = start(&[service, "-"]);
        output.read_exact(&mut vec![0; first]).expect("it speaks first");
        signal(child.id(), "TERM");
        // What was under way is still to be taken.
        output.read_to_end(&mut Vec::new()).expect("it ends");
        assert_eq!(code(child.wait()), 0, "{service}");
    }
}
