//! The table as a whole, and what the services' own tests share.

use super::*;
use crate::spec::OptionSpec;

/// A responder from its row, with these options given.
pub(super) fn make(row: &'static ServiceRow, given: &[(&str, &str)]) -> Box<dyn Responder> {
    let mut options = Options::of(row.spec.options);
    for (name, value) in given {
        options.set(row.spec.options, name, Some(value)).expect("a known option");
    }
    match row.make.expect("it is built in")(&options) {
        Ok(Made::Responder(responder)) => responder,
        Ok(Made::Service(_)) => panic!("{} is a service", row.spec.name),
        Err(error) => panic!("{error:?}"),
    }
}

/// What it says to whoever arrives.
pub(super) fn greeting(responder: &dyn Responder) -> Reply {
    let mut out = Reply::default();
    let peer = Address::name("peer");
    responder.greet(&scene(&peer, Shape::Bytes), &mut out);
    out
}

/// What it says to one message, over a stream or in a plain datagram.
pub(super) fn answer(responder: &dyn Responder, shape: Shape, message: &[u8]) -> Reply {
    let mut out = Reply::default();
    let peer = Address::name("peer");
    responder.answer(&Ask { message, scene: scene(&peer, shape) }, &mut out);
    out
}

fn scene(peer: &Address, shape: Shape) -> Whence<'_> {
    let has_opening = shape == Shape::Bytes;
    Whence { peer, local: peer, shape, has_opening, clock: Clock::start() }
}

fn is_kebab(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[test]
fn names_are_unique_and_kebab_case() {
    let mut names: Vec<_> = TABLE.iter().map(|row| row.spec.name).collect();
    assert!(names.iter().all(|name| is_kebab(name)));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), TABLE.len());
}

#[test]
fn what_says_that_it_mirrors_answers_each_message_with_itself() {
    let mut mirrors = 0;
    for row in TABLE {
        let options = Options::of(row.spec.options);
        let Some(Ok(Made::Responder(responder))) = row.make.map(|make| make(&options)) else {
            continue;
        };
        mirrors += usize::from(responder.is_mirror());
        let is_same = |message: &&[u8]| {
            let reply = answer(&*responder, Shape::Bytes, message);
            let is_plain = reply.held().is_none() && reply.goodbye().is_none();
            reply.is_said()
                && is_plain
                && reply.bytes() == *message
                && greeting(&*responder).bytes().is_empty()
        };
        let long = vec![7; 100_000];
        let messages: [&[u8]; 5] = [b"x", b"a line\n", b"\xFF\r\n\0", b"exit", &long];
        assert_eq!(messages.iter().all(is_same), responder.is_mirror(), "{}", row.spec.name);
    }
    assert!(mirrors > 0, "echo is one");
}

#[test]
fn every_row_says_what_it_serves() {
    for row in TABLE {
        let name = row.spec.name;
        assert!(!row.spec.summary.is_empty() && row.spec.summary.len() <= 48, "{name}");
        assert!(row.doors.iter().all(|door| !door.shapes.is_empty() && door.port != 0), "{name}");
        assert_eq!(row.spec.is_built_in, row.make.is_some(), "{name}");
        assert_eq!(row.spec.is_built_in, !row.spec.examples.is_empty(), "{name}");
        let start = format!("hobnob serve {name}");
        assert!(row.spec.examples.iter().all(|example| example.starts_with(&start)), "{name}");
    }
}

#[test]
fn every_option_is_documented_and_its_default_can_be_read() {
    for row in TABLE {
        for option @ OptionSpec { name, kind, default, help } in row.spec.options {
            assert!(is_kebab(name) && !help.is_empty(), "{option:?}");
            assert!(default.is_empty() || kind.parse(name, default).is_ok(), "{option:?}");
        }
    }
}

#[test]
fn every_built_in_service_can_be_made_of_its_defaults() {
    for row in TABLE {
        if let Some(make) = row.make {
            assert!(make(&Options::of(row.spec.options)).is_ok(), "{}", row.spec.name);
        }
    }
}
