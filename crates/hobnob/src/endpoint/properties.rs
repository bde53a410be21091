//! What holds for every endpoint and for every text.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use proptest::prelude::*;

use super::piece::Piece;
use super::stack::Word;
use super::tests::grammar;
use super::{Command, Endpoint, Given, Host, Target};

fn word(name: &str) -> Word {
    Word::new(name, Piece::of(&Arc::from("")))
}

/// Text of characters that mean something to the grammar, and of others.
fn text() -> impl Strategy<Value = String> {
    "([-%25Cc,'=@:/ .]|[a-c]|[^\\p{Cc}]){1,12}"
}

fn host() -> impl Strategy<Value = Host> {
    let zone = prop::option::of("(25)?[a-z0-9.:-]{1,9}");
    prop_oneof![
        Just(Host::Loopback),
        "[a-z_][a-z0-9_-]{0,9}(\\.[a-z例ü][a-z0-9]{0,4}){0,2}\\.?".prop_map(Host::Name),
        any::<[u8; 4]>().prop_map(|bytes| Host::V4(bytes.into())),
        (any::<[u16; 8]>(), zone)
            .prop_map(|(parts, zone)| Host::V6 { address: parts.into(), zone }),
    ]
}

fn argv_word() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), text()]
}

/// A transport with a target that fits its form.
fn medium() -> impl Strategy<Value = (&'static str, Target)> {
    let nonzero = || prop::collection::vec(prop_oneof![1..=u8::MAX, Just(b'/'), Just(b'@')], 1..30);
    let path = || nonzero().prop_map(|bytes| Target::Path(OsString::from_vec(bytes).into()));
    let net =
        (host(), any::<u16>()).prop_map(|(host, port)| Target::Net { host, port: Some(port) });
    let portless = host()
        .prop_filter("a host is needed", |host| *host != Host::Loopback)
        .prop_map(|host| Target::Net { host, port: None });
    let line = "(\\PC|[ ',\n/-]){1,20}"
        .prop_filter("a command is needed", |line| !line.trim().is_empty())
        .prop_map(|line| Target::Command(Command::Line(line)));
    let argv = prop::collection::vec(argv_word(), 1..4)
        .prop_map(|words| Target::Command(Command::Argv(words)));
    let abstract_name = prop::collection::vec(any::<u8>(), 1..107).prop_map(Target::Abstract);
    prop_oneof![
        8 => (prop::sample::select(vec!["tcp", "udp", "quic"]), net),
        1 => (prop::sample::select(vec!["raw", "icmp"]), portless),
        1 => (prop::sample::select(vec!["unix", "unixgram", "unixseq", "file"]), path()),
        1 => (Just("unix"), abstract_name),
        1 => (prop::sample::select(vec!["exec", "pty"]), prop_oneof![line, argv]),
        1 => (Just("fd"), (0..=2_147_483_647_u32).prop_map(Target::Number)),
        1 => (Just("memory"), "[a-z0-9._-]{1,9}".prop_map(Target::Name)),
        1 => (Just("stdio"), Just(Target::Nothing)),
    ]
}

fn setting() -> impl Strategy<Value = Given> {
    let layer = prop::option::of(prop::sample::select(vec!["ws", "tls", "http", "tcp"]));
    let key = prop_oneof![Just("path".to_owned()), "[a-z0-9_-]{1,6}"];
    let value = prop::option::of(prop_oneof![Just(String::new()), text(), "/[a-z/?#%,2C ]{0,5}"]);
    (layer, key, value).prop_map(|(layer, key, value)| {
        let typed = word("").typed().clone();
        Given { layer: layer.map(str::to_owned), key, value, typed }
    })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let layers = prop::sample::subsequence(vec!["ws", "lines", "len32", "telnet", "tls"], 0..=3);
    let settings = prop::collection::vec(setting(), 0..3);
    (any::<bool>(), layers, medium(), settings).prop_map(
        |(is_http, layers, (transport, target), settings)| Endpoint {
            protocol: is_http.then(|| word("http")),
            layers: layers.into_iter().map(word).collect(),
            transport: word(transport),
            target,
            settings,
            typed: word("").typed().clone(),
        },
    )
}

/// Texts that look like endpoints, so that many of them are.
fn likely_text() -> impl Strategy<Value = String> {
    let tokens = prop::sample::select(vec![
        "tcp",
        "udp",
        "unix",
        "tls",
        "ws",
        "wss",
        "http",
        "https",
        "lines",
        "exec",
        "fd",
        "memory",
        "icmp",
        "stdio",
        "-",
        "--",
        "+",
        ":",
        "://",
        "/",
        "//",
        "@",
        ",",
        "=",
        ".",
        "%",
        "%2C",
        "%252C",
        "%40",
        "%00",
        "9000",
        "0",
        "65536",
        "127.0.0.1",
        "[::1]",
        "::1",
        "[fe80::1%25eth0]",
        "host",
        "a b",
        "'",
        "''",
        " ",
        "?",
        "#",
        "k=v",
        "ws.path=/",
        "file",
        "：",
        "é",
        "\n",
        "\0",
    ]);
    prop::collection::vec(tokens, 0..8).prop_map(|tokens| tokens.concat())
}

/// Reads it; what is an endpoint comes back from its own text, what is none has everything an error needs.
fn check(text: &str) -> Result<(), TestCaseError> {
    match Endpoint::parse(text, &grammar()) {
        Ok(endpoint) => {
            let printed = endpoint.to_string();
            let again = Endpoint::parse(&printed, &grammar());
            prop_assert_eq!(again.as_ref(), Ok(&endpoint), "printed {:?}", &printed);
            prop_assert_eq!(again.map(|again| again.to_string()), Ok(printed));
            for setting in endpoint.settings() {
                prop_assert!(text.get(setting.typed.range()).is_some());
            }
        }
        Err(error) => {
            let span = error.span().expect("every error has a span");
            prop_assert!(span.text.get(span.at.clone()).is_some(), "{span:?}");
            prop_assert!(!span.label.is_empty());
            prop_assert!(!(error.hints().is_empty() && error.reasons().is_empty()));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_endpoint_comes_back_from_its_text(endpoint in endpoint()) {
        let printed = endpoint.to_string();
        let again = Endpoint::parse(&printed, &grammar());
        prop_assert_eq!(again.as_ref(), Ok(&endpoint), "printed {:?}", printed);
    }

    #[test]
    fn likely_texts_are_read_or_refused_well(text in likely_text()) {
        check(&text)?;
    }

    #[test]
    fn any_text_is_read_or_refused_well(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn any_option_is_read_or_refused_well(text in any::<String>(), likely in likely_text()) {
        let mut endpoint = Endpoint::parse("wss://h/x", &grammar()).expect("a URL");
        for text in [text, likely] {
            match endpoint.set(&text) {
                Ok(()) => check(&endpoint.to_string())?,
                Err(error) => prop_assert!(error.span().is_some_and(|span| text.get(span.at.clone()).is_some())),
            }
        }
        let again = Endpoint::parse(&endpoint.to_string(), &grammar());
        prop_assert_eq!(again.as_ref(), Ok(&endpoint));
    }
}
