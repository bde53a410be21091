//! What is refused before anything is open, and how that is said.

use hobnob::engine::{Server, parse, resolve};
use hobnob::error::{Advice, Error, Kind};

use crate::stage::{Stage, ask};

fn refused(endpoint: &str) -> Error {
    resolve(&parse(endpoint).expect(endpoint)).err().expect(endpoint)
}

#[test]
fn what_is_expected_stands_under_the_caret_and_what_is_wrong_above_it() {
    for (endpoint, kind, wrong, expected) in [
        (
            "lines+tcp://:9,max=x",
            Kind::BadOption,
            "max does not take \"x\"",
            "a size is a number of bytes, as in 512, 64k, 1m",
        ),
        // A colon in what a person typed is no border.
        (
            "lines+tcp://:9,max=a: b",
            Kind::BadOption,
            "max does not take \"a: b\"",
            "a size is a number of bytes, as in 512, 64k, 1m",
        ),
        ("lines+tcp://:9,max", Kind::BadOption, "max needs a value", "max=BYTES"),
        (
            "tcp://:9,allow=a: b",
            Kind::BadOption,
            "allow does not take \"a: b\"",
            "it takes an address or a network",
        ),
        ("tcp://:9,tcp.x=1", Kind::UnknownOption, "there is no option \"x\" here", ""),
    ] {
        let error = refused(endpoint);
        let label = error.span().map(|span| span.label.as_str());
        assert_eq!((error.kind(), error.message(), label), (kind, wrong, Some(expected)));
    }
}

#[tokio::test]
async fn lines_work_up_to_what_max_says_or_are_refused_when_planned() {
    for refused in ["0", "65537", "1m", "1000g"] {
        let mut server = Server::new("echo").expect("it is built in");
        let at = parse(&format!("lines+tcp://127.0.0.1:0,max={refused}")).expect("an endpoint");
        let error = server.on(&at).and_then(|server| server.start().map(drop)).expect_err(refused);
        assert_eq!(error.kind(), Kind::BadOption, "{error:?}");
        assert!(error.message().contains("max"), "{error:?}");
    }
    for max in [1, 9, 64 * 1_024] {
        let at = format!("lines+tcp://127.0.0.1:0,max={max}");
        let stage = Stage::serve("echo", &at);
        let mut client = stage.connect().await;
        let line = [vec![b'x'; max], b"\n".to_vec()].concat();
        ask(&mut client, &line, &line).await;
    }
}

/// Serves, in lines over a place where nothing stays behind.
fn in_lines(service: &str, option: Option<(&str, &str)>, at: &str) -> Result<(), Error> {
    let mut server = Server::new(service)?;
    if let Some((name, value)) = option {
        server.set(name, Some(value))?;
    }
    server.at(at)?.start().map(drop)
}

#[test]
fn what_says_more_than_a_line_is_not_served_in_lines() {
    for (service, option) in [
        ("source", None),
        ("reply", None),
        ("reply", Some(("reply", r"no\r\n"))),
        ("hello", Some(("greeting", r"Hello!\nWho are you?"))),
        ("hello", Some(("reply", r"Hello,\n{}!"))),
        ("ok", Some(("reply", r"OK\n"))),
        ("temp", Some(("reply", r"{}\n{}"))),
    ] {
        for (at, instead) in [
            ("lines+memory:one-line", "memory:one-line"),
            ("lines+memory:one-line,max=1k", ":9000"),
            ("lines+tcp://127.0.0.1:0", "127.0.0.1:0"),
        ] {
            let error = in_lines(service, option, at).expect_err(service);
            assert_eq!(error.kind(), Kind::DoesNotFit, "{service}: {error:?}");
            let advice: Vec<_> = error.hints().iter().map(|hint| &hint.advice).collect();
            assert_eq!(advice, [&Advice::Endpoint(instead.to_owned())], "{service}");
        }
    }
}

#[test]
fn what_says_a_line_at_a_time_is_served_in_lines() {
    for (service, option) in [
        ("reply", Some(("reply", "no"))),
        ("hello", Some(("greeting", r"Hello!\n"))), // a packet has its own border
        ("ok", None),
    ] {
        let served = in_lines(service, option, "lines+memory:a-line");
        assert_eq!(served, Ok(()), "{service} {option:?}");
    }
}
