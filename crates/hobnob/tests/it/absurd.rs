//! Values that nobody can mean: an error of the option that has them, or else they hold. Never a panic, never a bug.

use std::time::Duration;

use hobnob::Server;
use hobnob::bus::{Subscription, Wish};
use hobnob::clock::Clock;
use hobnob::endpoint::Endpoint;
use hobnob::engine::{DOOR_OPTIONS, Dialer, Running, parse};
use hobnob::error::{Error, Kind};
use hobnob::event::{Event, Fact};
use hobnob::exchange::{Exchange, Request};
use hobnob::fault::{self, Setting};
use hobnob::spec::{OptionSpec, Options, Spec, ValueKind};
use hobnob::{layer, service, socket, transport};

use crate::stage::{PATIENCE, soon};

const VALUES: [&str; 18] = [
    "",
    "0",
    "0s",
    "-1",
    "-1s",
    "nan",
    "nans",
    "inf",
    "1e30",
    "1e30s",
    "9999999999999999999s",
    "36500d",
    "876001h",
    "9223372036854775808",
    "17179869183g",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999999999999999%",
];

/// Whether anybody could want to try this with an option of the kind: not a path, and nothing that waits for ever.
fn has_number(option: &OptionSpec) -> bool {
    let is_rule = fault::KEYS.iter().any(|key| std::ptr::eq(key, option));
    matches!(
        option.kind,
        ValueKind::Duration
            | ValueKind::Bytes
            | ValueKind::Count
            | ValueKind::Within(..)
            | ValueKind::Percent
            | ValueKind::Rate
            | ValueKind::Mode
            | ValueKind::Flag
    ) || is_rule
}

fn fine(what: &str, error: &Error) {
    assert_ne!(error.kind(), Kind::Bug, "{what}: {error:?}");
    let is_said = !error.message().is_empty();
    assert!(is_said, "{what} says nothing");
}

/// Starts the server, lets somebody come who says a line, and cuts it when that was seen or the session is over.
async fn live(what: &str, mut server: Server) {
    let seen = server.subscribe(Wish { data: true, upstream: false, snap: 16, capacity: 1 << 10 });
    let running = match server.start() {
        Ok(running) => running,
        Err(error) => return fine(what, &error),
    };
    let mut dialed = Dialer::default().dial(&reached(&running)).await;
    match &mut dialed {
        // The other side may be gone: that is what is looked for.
        Ok(dialed) => drop(dialed.conn.send(b"one line\n").await),
        // One that resets at once may do so before the connect returns.
        Err(error) => assert_eq!(error.kind(), Kind::ConnectionReset, "{what}: {error:?}"),
    }
    passed(what, &seen).await;
    running.cut();
    soon(what, running.finished()).await;
    let mut events = Vec::new();
    seen.pull(&mut events);
    for event in &events {
        check(what, event);
    }
}

/// Where its first endpoint is.
fn reached(running: &Running) -> Endpoint {
    parse(&format!("tcp://{}", running.bound()[0].address)).expect("an endpoint")
}

/// Waits until bytes passed or a session is over.
async fn passed(what: &str, seen: &Subscription) {
    let (clock, mut events) = (Clock::start(), Vec::new());
    loop {
        seen.pull(&mut events);
        for event in &events {
            check(what, event);
        }
        let is_it = |event: &Event| {
            matches!(event.fact, Fact::Data(_) | Fact::Closed(_) | Fact::Bent(_))
                || matches!(event.fact, Fact::Failed(_) | Fact::Refused { .. })
        };
        if events.iter().any(is_it) {
            return;
        }
        assert!(clock.now() < PATIENCE, "{what}: nothing passes: {events:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn check(what: &str, event: &Event) {
    match &event.fact {
        Fact::Failed(error) => fine(what, error),
        Fact::Closed(closed) => {
            let detail = closed.detail.as_deref().unwrap_or_default();
            assert!(!detail.contains("bug"), "{what}: {detail}");
        }
        _ => {}
    }
}

fn server_of(service: &str) -> Server {
    Server::new(service).expect("it is built in")
}

#[tokio::test]
async fn no_value_of_an_option_of_a_service_is_a_bug() {
    let own = |row: &&&service::ServiceRow| row.spec.is_built_in && row.targets().next().is_none();
    for row in service::TABLE.iter().filter(own) {
        for (option, value) in tried(row.spec) {
            let what = format!("serve {} --{option} {value:?}", row.spec.name);
            let mut server = server_of(row.spec.name);
            if let Err(error) = server.set(option, Some(value)) {
                fine(&what, &error);
                continue;
            }
            let at = parse("tcp://127.0.0.1:0").expect("one");
            let has_one = row.doors.len() == 1;
            let added = if has_one { server.on(&at) } else { server.door(row.door().name, &at) };
            added.expect("it fits");
            live(&what, server).await;
        }
    }
}

fn tried(spec: &'static Spec) -> impl Iterator<Item = (&'static str, &'static str)> {
    of_options(spec.options.iter().collect())
}

fn of_options(
    options: Vec<&'static OptionSpec>,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let options = options.into_iter().filter(|option| has_number(option));
    options.flat_map(|option| VALUES.into_iter().map(|value| (option.name, value)))
}

#[tokio::test]
async fn no_value_of_an_option_of_an_endpoint_is_a_bug() {
    let tcp = transport::TABLE.iter().find(|row| row.spec.name == "tcp").expect("it is there");
    let options = tcp.spec.options.iter().chain(DOOR_OPTIONS).collect();
    for (option, value) in of_options(options) {
        on_endpoint(&format!("tcp://127.0.0.1:0,{option}={value}")).await;
    }
    for row in layer::TABLE.iter().filter(|row| row.make.is_some() && row.spec.name != "tls") {
        for (option, value) in tried(&row.spec) {
            let at = format!("{}+tcp://127.0.0.1:0,{option}={value}", row.spec.name);
            on_endpoint(&at).await;
        }
    }
    for row in socket::option::TABLE {
        assert!(!row.spec.name.is_empty());
        for value in VALUES.iter().filter_map(|value| row.spec.kind.parse("x", value).ok()) {
            let socket = socket::Socket::new(socket::Family::V4, socket::Type::Stream, 0);
            let set = socket.expect("a socket").set_option(row.option, &value);
            set.unwrap_or_else(|error| fine(row.spec.name, &error));
        }
    }
}

async fn on_endpoint(at: &str) {
    let mut server = server_of("echo");
    match parse(at).and_then(|endpoint| server.on(&endpoint).map(drop)) {
        Err(error) => fine(at, &error),
        Ok(()) => live(at, server).await,
    }
}

#[tokio::test]
async fn no_value_of_an_option_of_a_fault_is_a_bug() {
    let target = hobnob::serve("echo", "tcp://127.0.0.1:0").expect("it starts");
    let to = reached(&target).to_string();
    for row in fault::TABLE {
        let name = row.spec.name;
        let keys: Vec<_> = row.spec.options.iter().chain(fault::KEYS).collect();
        for (option, value) in of_options(keys) {
            let own = row.spec.options.iter().find(|option| option.name == name);
            let first = match own.map(|option| option.kind) {
                None => name.to_owned(),
                Some(ValueKind::Duration) => format!("{name}=1ms"),
                Some(ValueKind::Percent) => format!("{name}=1%"),
                Some(_) => format!("{name}=64k"),
            };
            let spec = if option == name {
                format!("{name}={value}")
            } else {
                format!("{first},{option}={value}")
            };
            if let Err(error) = Setting::parse(&spec) {
                fine(&spec, &error);
                continue;
            }
            let mut server = server_of("relay");
            server.set("to", Some(&to)).expect("an endpoint");
            server.set("fault", Some(&spec)).expect("it was read");
            server.on(&parse("tcp://127.0.0.1:0").expect("one")).expect("it fits");
            live(&spec, server).await;
        }
    }
}

#[tokio::test]
async fn no_limit_is_too_large_for_the_clock_or_the_memory() {
    for all in [false, true] {
        let mut server = server_of("echo");
        let longest = Duration::MAX;
        server.limits.idle = Some(longest);
        (server.limits.stall, server.limits.handshake) = (longest, longest);
        (server.limits.linger, server.limits.grace) = (longest, longest);
        server.limits.peer_idle = longest;
        server.stop.after = Some(longest);
        if all {
            (server.limits.max_conns, server.limits.per_source) = (Some(usize::MAX), usize::MAX);
            (server.limits.accept_rate, server.limits.accept_burst) = (u32::MAX, u32::MAX);
            (server.limits.memory, server.limits.max_peers) = (u64::MAX, usize::MAX);
            server.stop.sessions = Some(u64::MAX);
        }
        server.on(&parse("tcp://127.0.0.1:0").expect("one")).expect("it fits");
        server.on(&parse("udp://127.0.0.1:0").expect("one")).expect("it fits");
        live(&format!("limits, {all}"), server).await;
    }
}

#[tokio::test]
async fn a_dial_may_be_as_patient_as_it_wants() {
    let running = hobnob::serve("echo", "tcp://127.0.0.1:0").expect("it starts");
    let endpoint = reached(&running);
    let dialer = Dialer::default().timeout(Duration::MAX);
    drop(dialer.dial(&endpoint).await.expect("somebody listens"));
    let exchange = Exchange::new(&endpoint, Request::to("/")).expect("planned");
    let mut asked = exchange.ask(&dialer).await.expect("somebody listens");
    asked.set_idle(Some(Duration::MAX));
    // What comes back is no answer, and no panic either.
    while let Ok(None) = asked.part() {
        if asked.receive().await.is_err() {
            break;
        }
    }
}

#[test]
fn a_time_that_no_clock_can_hold_says_so() {
    const IDLE: &[OptionSpec] =
        &[OptionSpec { name: "idle", kind: ValueKind::Duration, default: "", help: "" }];
    for value in ["9999999999999999999s", "876001h", "999999999999999999999999999999d"] {
        let error = Options::of(IDLE).set(IDLE, "idle", Some(value)).expect_err(value);
        assert_eq!(error.kind(), Kind::BadOption);
        assert!(error.message().contains("at most 36500d"), "{error:?}");
    }
    Options::of(IDLE).set(IDLE, "idle", Some("36500d")).expect("that is the longest");
}
