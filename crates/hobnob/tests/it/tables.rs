//! What the tables say of themselves is whole, and true.

use std::collections::HashSet;

use hobnob::engine::{self, DOOR_OPTIONS};
use hobnob::error::Kind;
use hobnob::spec::{OptionSpec, Options, Shape, Spec, ValueKind};
use hobnob::{fault, layer, service, transport};

fn specs() -> Vec<(&'static str, &'static Spec)> {
    let services = service::TABLE.iter().map(|row| ("service", row.spec));
    let layers = layer::TABLE.iter().map(|row| ("layer", &row.spec));
    let transports = transport::TABLE.iter().map(|row| ("transport", row.spec));
    let faults = fault::TABLE.iter().map(|row| ("fault", &row.spec));
    services.chain(layers).chain(transports).chain(faults).collect()
}

fn options() -> Vec<(String, &'static OptionSpec)> {
    let of = |(kind, spec): (&str, &'static Spec)| {
        let owner = format!("{kind} {}", spec.name);
        spec.options.iter().map(move |option| (owner.clone(), option))
    };
    let doors = DOOR_OPTIONS.iter().map(|option| ("every door".to_owned(), option));
    let faults = fault::KEYS.iter().map(|option| ("every fault".to_owned(), option));
    specs().into_iter().flat_map(of).chain(doors).chain(faults).collect()
}

fn is_kebab_case(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    name.split('-').all(is_word)
}

#[test]
fn names_are_unique_and_kebab_case() {
    let mut services = HashSet::new();
    // Layers and transports stand side by side in one endpoint.
    let mut words = HashSet::new();
    let mut faults = HashSet::new();
    for (kind, spec) in specs() {
        assert!(is_kebab_case(spec.name), "{kind} {:?}", spec.name);
        let names = match kind {
            "service" => &mut services,
            "fault" => &mut faults,
            _ => &mut words,
        };
        assert!(names.insert(spec.name), "{kind} {} is there twice", spec.name);
    }
}

#[test]
fn everything_says_what_it_is() {
    for (kind, spec) in specs() {
        let (name, summary) = (spec.name, spec.summary);
        assert!(!summary.is_empty() && summary.len() <= 60, "{kind} {name}: {summary:?}");
        assert!(!summary.ends_with('.') && !summary.contains('\n'), "{kind} {name}: {summary:?}");
    }
    for row in service::TABLE {
        assert!(
            row.doors.iter().all(|door| !door.shapes.is_empty() && door.port > 0),
            "{}",
            row.spec.name
        );
        assert_eq!(row.make.is_some(), row.spec.is_built_in, "{}", row.spec.name);
    }
    for row in transport::TABLE {
        assert_eq!(row.transport.is_some(), row.spec.is_built_in, "{}", row.spec.name);
    }
}

#[test]
fn every_option_is_documented_with_its_unit() {
    for (owner, option) in options() {
        let OptionSpec { name, kind, default, help } = option;
        assert!(is_kebab_case(name) && !name.starts_with("no-"), "{owner}: {name}");
        assert!(!help.is_empty() && !help.contains('\n'), "{owner}: {name} has no help");
        let has_unit = match kind {
            ValueKind::Duration => {
                mentions(help, &["as in", "ms", "second", "long", "time", "wait"])
            }
            ValueKind::Bytes => mentions(help, &["byte"]),
            _ => true,
        };
        assert!(has_unit, "{owner}: {name} does not say in what: {help:?}");
        let unset = default.is_empty();
        assert!(unset || kind.parse(name, default).is_ok(), "{owner}: {name}={default:?}");
        assert!(!matches!(kind, ValueKind::Choice(words) if words.is_empty()), "{owner}: {name}");
    }
}

fn mentions(help: &str, words: &[&str]) -> bool {
    words.iter().any(|word| help.contains(word))
}

#[test]
fn no_item_has_an_option_twice() {
    let mut seen = HashSet::new();
    for (owner, option) in options() {
        assert!(seen.insert((owner.clone(), option.name)), "{owner}: {} twice", option.name);
    }
    for (owner, option) in options().iter().filter(|(owner, _)| owner.starts_with("transport")) {
        let is_the_doors = DOOR_OPTIONS.iter().any(|door| door.name == option.name);
        assert!(!is_the_doors, "{owner}: {} belongs to the engine", option.name);
    }
}

#[test]
fn defaults_make_every_service_and_layer() {
    for row in service::TABLE {
        let made = row.make.map(|make| make(&Options::of(row.spec.options)).map(drop));
        assert!(made.is_none_or(|made| made.is_ok()), "{}", row.spec.name);
    }
    for row in layer::TABLE {
        let made = row.make.map(|make| make(&Options::of(row.spec.options)).map(drop));
        assert!(made.is_none_or(|made| made.is_ok()), "{}", row.spec.name);
    }
}

/// The words of an example that are endpoints: those with a scheme, a colon before a number, a path, a `-`.
fn endpoints(example: &str) -> Vec<&str> {
    let is_other = |word: &str| {
        word.starts_with(['\'']) || word.starts_with("up:") || word.starts_with("down:")
    };
    let words = example.split_whitespace().filter(|word| !is_other(word));
    let looks_like_one = |word: &&str| {
        *word == "-"
            || word.starts_with([':', '/', '@'])
            || word.contains("://")
            || word.split_once(':').is_some_and(|(scheme, _)| !scheme.is_empty())
    };
    words.filter(looks_like_one).collect()
}

#[test]
fn examples_work_as_they_stand() {
    let mut tried = 0;
    for (kind, spec) in specs() {
        let is_wanted = spec.is_built_in && !["memory", "tap"].contains(&spec.name);
        assert!(!is_wanted || !spec.examples.is_empty(), "{kind} {} has no example", spec.name);
        for example in spec.examples {
            let mut words = example.split_whitespace();
            assert_eq!(words.next(), Some("hobnob"), "{example}");
            let verb = words.next().expect("a verb");
            for at in endpoints(example) {
                let parsed =
                    engine::parse(at).unwrap_or_else(|error| panic!("{example}: {error:?}"));
                engine::resolve(&parsed).unwrap_or_else(|error| panic!("{example}: {error:?}"));
                tried += 1;
            }
            if verb == "serve" {
                let service = words.next().expect("a service");
                let mut server = engine::Server::new(service).expect(example);
                for at in endpoints(example) {
                    server.on(&engine::parse(at).expect(example)).expect(example);
                }
            }
        }
    }
    assert!(tried >= 8, "only {tried} endpoints were found in the examples");
}

#[test]
fn what_is_not_built_in_says_so() {
    for row in service::TABLE.iter().filter(|row| !row.spec.is_built_in) {
        let error = engine::Server::new(row.spec.name).err().expect(row.spec.name);
        assert_eq!(error.kind(), Kind::NotBuiltIn, "{}", row.spec.name);
    }
    let refused = |at: &str, shape: Shape| {
        let service = if shape == Shape::Bytes { "echo" } else { "discard" };
        let mut server = engine::Server::new(service).expect("built in");
        let planned = engine::parse(at).and_then(|at| server.on(&at));
        let error = planned.and_then(|server| server.start().map(drop)).expect_err(at);
        assert_eq!(error.kind(), Kind::NotBuiltIn, "{at}: {error:?}");
        assert!(!error.hints().is_empty(), "{at} says nothing to try");
    };
    for row in transport::TABLE.iter().filter(|row| !row.spec.is_built_in) {
        use hobnob::endpoint::Form;
        let name = row.spec.name;
        let at = match row.form {
            Form::HostPort => format!("{name}://127.0.0.1:9000"),
            Form::Host => format!("{name}://127.0.0.1"),
            Form::Number => format!("{name}:3"),
            Form::SocketPath | Form::Path => format!("{name}:/tmp/x"),
            Form::Command | Form::Name | Form::Nothing => format!("{name}:x"),
        };
        refused(&at, row.shape);
    }
    for row in layer::TABLE.iter().filter(|row| !row.spec.is_built_in) {
        refused(&format!("{}+tcp://127.0.0.1:0", row.spec.name), row.above.unwrap_or(Shape::Bytes));
    }
}
