//! What is refused before anything is open, and how that is said.

use hobnob::engine::{parse, resolve};
use hobnob::error::{Error, Kind};

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
