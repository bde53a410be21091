//! Loads on real sockets: every transport and layer with every mode, replies that are wrong, packets that are lost, a
//! server that goes.

use std::time::Duration;

use hobnob::endpoint::{Endpoint, Form};
use hobnob::engine::{Crew, Dialer, Server, parse, resolve};
use hobnob::error::Kind;
use hobnob::exchange::Request;
use hobnob::load::{
    Connects, Expected, Figures, Load, Measured, Payload, PingPong, Requests, Schedule,
    TransferWay, Transfers, Until,
};
use hobnob::spec::Shape;

use crate::places;
use crate::ports::Port;
use crate::stage::{Stage, births, soon};

const ROUNDS: u64 = 30;
/// Only what is lost takes this long.
const PATIENCE: Duration = Duration::from_secs(2);
/// Only what hangs takes this long.
const LONG: Duration = Duration::from_secs(20);

/// A server, and what is dialled to reach it.
fn served(service: &str, place: &str, dialling: &str) -> (Stage, Endpoint) {
    let stage = Stage::serve(service, place);
    let to = match stage.running.bound()[0].address.ip() {
        Some(ip) => place.replace(":0", &format!(":{}", ip.port())),
        None => place.to_owned(),
    };
    let to = to.split_once(',').map_or(to.as_str(), |(to, _)| to);
    (stage, parse(&format!("{to}{dialling}")).expect("an endpoint"))
}

async fn run(load: Load, crew: &Crew) -> Measured {
    let load = load.talkers(3).until(Until::rounds(ROUNDS)).patience(LONG);
    let measuring = load.start::<Figures>(crew);
    soon("the end of a load", measuring.finish()).await.expect("it runs")
}

fn is_right(measured: &Measured, what: &str) {
    let figures = &measured.figures;
    assert_eq!((figures.done(), measured.unanswered), (ROUNDS, 0), "{what}");
    assert!(figures.is_flawless(), "{what}: {:?} {:?}", figures.failures, figures.first_wrong);
    assert_eq!(measured.talkers, 3, "{what}");
    assert_eq!(measured.broke, None, "{what}");
}

#[tokio::test]
async fn every_transport_and_layer_takes_every_mode() {
    let (crew, dialer) = (Crew::start().expect("threads"), Dialer::default());
    let papers = tempfile::tempdir().expect("a folder");
    let state = papers.path().display();
    let (listening, dialling) = (format!(",dev-ca={state}"), format!(",ca=dev,dev-ca={state}"));
    let mut cases = 0;
    for (row, fresh) in places::all() {
        let bare = fresh(row.spec.name);
        let mut all = vec![(bare.clone(), String::new(), String::new())];
        if row.shape == Shape::Bytes {
            let (head, rest) = bare.split_once(':').expect("a scheme");
            all.push((format!("lines+{head}:{rest}"), String::new(), String::new()));
            if cfg!(feature = "tls") && row.form == Form::HostPort {
                all.push((format!("tls+{head}:{rest}"), listening.clone(), dialling.clone()));
            }
        }
        for (place, listening, dialling) in all {
            let (stage, to) = served("echo", &format!("{place}{listening}"), &dialling);
            let pingpong = || PingPong::to(&to, &dialer).expect("it fits").patience(LONG);
            let long = Payload::pattern(1_200);
            let one = run(Load::of(pingpong()), &crew).await;
            is_right(&one, &format!("{to} one at a time"));
            assert_eq!((one.figures.sent, one.figures.received), (64 * ROUNDS, 64 * ROUNDS));
            is_right(&run(Load::of(pingpong().depth(5).payload(long)), &crew).await, "five deep");
            let rate = Schedule::rate(2_000.0).expect("a rate");
            is_right(&run(Load::of(pingpong()).schedule(rate), &crew).await, "an open loop");
            let connects = Connects::to(&to, &dialer).expect("it fits").patience(LONG);
            let connects = run(Load::of(connects), &crew).await;
            is_right(&connects, &format!("{to} a conn each"));
            assert_eq!(connects.figures.connects.count(), ROUNDS);
            let both = Transfers::to(&to, TransferWay::Both, &dialer);
            if resolve(&to).expect("it was served").shape == Shape::Packets {
                assert_eq!(both.map(drop).expect_err("packets").kind(), Kind::DoesNotFit);
            } else {
                let both = run(Load::of(both.expect("it fits").size(20_000)), &crew).await;
                is_right(&both, &format!("{to} there and back"));
                assert_eq!(both.figures.received, 20_000 * ROUNDS);
            }
            drop(stage);
            cases += 1;
        }
    }
    assert!(cases >= 12, "only {cases} cases");
}

#[tokio::test]
async fn a_server_that_only_takes_or_only_gives_is_loaded_one_way() {
    let crew = Crew::start().expect("threads");
    let (stage, to) = served("discard", "tcp://127.0.0.1:0", "");
    let up = Transfers::to(&to, TransferWay::Up, &Dialer::default()).expect("it fits").size(50_000);
    let up = run(Load::of(up), &crew).await;
    is_right(&up, "up");
    let summary = stage.finish().await;
    assert_eq!(summary.bytes_in, 50_000 * ROUNDS, "all of it has come before it was over");
    let (_stage, to) = served("source", "tcp://127.0.0.1:0", "");
    let down = Transfers::to(&to, TransferWay::Down, &Dialer::default()).expect("it fits");
    let down = run(Load::of(down.size(50_000)), &crew).await;
    is_right(&down, "down");
    assert_eq!((down.figures.sent, down.figures.received), (0, 50_000 * ROUNDS));
}

#[cfg(feature = "http")]
#[tokio::test]
async fn requests_are_kept_alive_and_judged_by_status_and_length() {
    let (crew, dialer) = (Crew::start().expect("threads"), Dialer::default());
    let stage = Stage::serve("http", "tcp://127.0.0.1:0");
    let to = parse(&format!("http://{}/", stage.address())).expect("an endpoint");
    for depth in [1, 4] {
        let requests = Requests::to(&to, &dialer).expect("it fits").depth(depth);
        let measured = run(Load::of(requests), &crew).await;
        is_right(&measured, "requests");
        assert_eq!(measured.figures.connects.count(), 3, "each conn is kept");
    }
    let mut closing = Request::to("/");
    closing.fields.push(("Connection".to_owned(), "close".to_owned()));
    let closing = Requests::of(&to, closing, &dialer).expect("it fits");
    let measured = run(Load::of(closing), &crew).await;
    is_right(&measured, "a conn for each");
    assert_eq!(measured.figures.connects.count(), ROUNDS);
    let mut bad = Request::to("/");
    "BREW".clone_into(&mut bad.method);
    let bad = Requests::of(&to, bad, &dialer).expect("it can be asked");
    let measured = run(Load::of(bad), &crew).await;
    assert_eq!((measured.figures.done(), measured.figures.wrong), (0, ROUNDS));
    let first = measured.figures.first_wrong.expect("each is");
    assert!(first.came.starts_with(b"4") || first.came.starts_with(b"5"), "{first:?}");
}

/// What is lost and comes after all is late: what is lost for ever is what the relay has dropped.
#[tokio::test]
async fn lost_datagrams_are_those_that_a_relay_has_dropped() {
    let crew = Crew::start().expect("threads");
    let echo = Stage::serve("echo", "udp://127.0.0.1:0");
    let relay = Stage::with("relay", "udp://127.0.0.1:0", |server| {
        let to = format!("udp://{}", echo.address());
        server.set("to", Some(&to)).expect("an endpoint");
        server.set("fault", Some("down:loss=20%")).expect("a fault");
        server.seed = Some(13);
    });
    let to = parse(&format!("udp://{}", relay.address())).expect("an endpoint");
    let pingpong = PingPong::to(&to, &Dialer::default()).expect("it fits");
    // All at once, so that what is lost is waited for once.
    let load = Load::of(pingpong.depth(50).patience(PATIENCE)).patience(PATIENCE);
    let load = load.talkers(2).until(Until::rounds(100));
    let measured = load.start::<Figures>(&crew).finish();
    let measured = soon("the end of a load", measured).await.expect("it runs");
    let figures = &measured.figures;
    assert_eq!((figures.done() + figures.lost, figures.wrong, measured.unanswered), (100, 0, 0));
    let state = relay.running.faults().expect("a relay has them").state();
    let dropped = state[0].down.expect("it is on the way down");
    assert!(dropped > 0 && figures.late <= figures.lost);
    assert_eq!(figures.lost - figures.late, dropped, "{} late", figures.late);
}

#[tokio::test]
async fn a_wrong_reply_is_shown_beside_what_was_expected() {
    let crew = Crew::start().expect("threads");
    for place in ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"] {
        let (_stage, to) = served("upper", place, "");
        let pingpong = PingPong::to(&to, &Dialer::default()).expect("it fits").patience(LONG);
        let given = pingpong.clone().payload(Payload::given(b"shout it\n"));
        let measured = run(Load::of(given), &crew).await;
        assert_eq!(measured.figures.done(), 0, "{to}");
        let first = measured.figures.first_wrong.expect("each is wrong");
        assert_eq!(first.expected, b"shout it\n", "{to}");
        assert!(first.came.starts_with(b"SHOUT IT"), "{to}: {first:?}");
        // Another server than an echo may be right all the same.
        let end = if place.starts_with("tcp") { "\n" } else { "" };
        let expected = Expected::matching(&format!("SHOUT IT{end}")).expect("a pattern");
        let given = Payload::given(format!("shout it{end}").as_bytes());
        let measured = run(Load::of(pingpong.payload(given).expect(expected)), &crew).await;
        assert_eq!((measured.figures.wrong, measured.figures.done()), (0, ROUNDS), "{to}");
    }
}

#[tokio::test]
async fn a_server_that_goes_leaves_what_was_measured_until_then() {
    let crew = Crew::start().expect("threads");
    let mut server = Server::new("echo").expect("a service of the table");
    // Nobody else is given the port once the server is gone.
    let port = Port::draw();
    let to = parse(&format!("tcp://127.0.0.1:{}", port.number)).expect("an endpoint");
    server.on(&to).expect("it fits");
    let running = server.start().expect("it starts");
    for schedule in [Schedule::Closed, Schedule::Rate(500.0)] {
        let pingpong = PingPong::to(&to, &Dialer::default()).expect("it fits");
        let load = Load::of(pingpong).talkers(4).schedule(schedule);
        let mut measuring = load.start::<Figures>(&crew);
        let beat = soon("a beat", measuring.next()).await.expect("it runs").expect("it goes on");
        assert!(beat.figures.is_flawless());
        if schedule == Schedule::Closed {
            measuring.stop();
            let measured = soon("the end", measuring.finish()).await.expect("it runs");
            assert_eq!(measured.broke, None, "it was asked to stop");
            continue;
        }
        running.cut();
        let measured = soon("the end", measuring.finish()).await.expect("it began well");
        assert!(measured.broke.is_some() && measured.figures.done() > 0);
        assert_eq!(measured.figures.failed(), 4, "{:?}", measured.figures.failures);
    }
    // A child that another test begins has a copy of the listener.
    births::settled();
    let nobody = PingPong::to(&to, &Dialer::default()).expect("it fits");
    let refused = soon("an answer", Load::of(nobody).run()).await;
    assert_eq!(refused.map(drop).expect_err("nobody is there").kind(), Kind::ConnectionRefused);
}
