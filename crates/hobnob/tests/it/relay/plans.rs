//! What does not fit is refused before anything is open, with a command that works as it is pasted.

use hobnob::endpoint::Form;
use hobnob::error::Kind;

use super::planned;
use crate::places;

#[test]
fn shapes_that_do_not_fit_are_refused_with_what_would() {
    for (here, at) in places::all() {
        for (there, to) in places::all().into_iter().filter(|(row, _)| row.shape != here.shape) {
            let (at, to) = (at(here.spec.name), to(there.spec.name));
            let error = planned(&at, &to).and_then(|mut server| server.start()).err();
            let error = error.unwrap_or_else(|| panic!("{at} to {to} is served"));
            assert_eq!(error.kind(), Kind::DoesNotFit, "{at} to {to}");
            assert!(!error.reasons().is_empty(), "{at} to {to}: it does not say why");
            assert!(!error.hints().is_empty(), "{at} to {to}: nothing to try");
        }
    }
}

/// Nobody arrives at a datagram socket, so that nobody can be waited for there.
#[test]
fn only_where_somebody_arrives_can_somebody_be_waited_for() {
    for (row, at) in places::all() {
        let to = format!("{},listen", at(row.spec.name));
        let layer = if row.shape == hobnob::spec::Shape::Bytes { "lines+" } else { "" };
        let started = planned("lines+memory:waits-here", &format!("{layer}{to}"))
            .and_then(|mut server| server.start());
        match (row.has_opening, started) {
            (true, Ok(_)) => {}
            (false, Err(error)) => assert_eq!(error.kind(), Kind::DoesNotFit, "{to}"),
            (true, Err(error)) => panic!("{to}: {error:?}"),
            (false, Ok(_)) => panic!("{to} is waited at"),
        }
        assert!(row.form != Form::Nothing);
    }
}

#[test]
fn a_relay_without_a_target_is_not_a_plan() {
    let mut server = hobnob::engine::Server::new("relay").expect("of the table");
    server.on(&hobnob::engine::parse("memory:no-target").expect("an endpoint")).expect("it fits");
    assert_eq!(server.start().err().expect("no target").kind(), Kind::Usage);
}
