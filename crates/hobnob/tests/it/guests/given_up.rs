//! A start that fails or is given up leaves nothing behind; what was done last is taken back first.

use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use hobnob::conn::{Boxed, Conn};
use hobnob::engine::{Server, parse};
use hobnob::error::{Error, Kind};
use hobnob::service::{Made, Service, Site};
#[cfg(feature = "tls")]
use hobnob::session::Dress;
use hobnob::session::Session;
use hobnob::spec::Shape;

use crate::stage::{PATIENCE, soon};

type Log = Arc<Mutex<Vec<&'static str>>>;

/// Opens in two steps, and then as it is told.
struct Opens {
    log: Log,
    last: Last,
}

enum Last {
    Fails,
    NeverEnds,
    Succeeds,
}

impl Service for Opens {
    fn open<'a>(&'a self, site: &'a mut Site) -> Boxed<'a, ()> {
        Box::pin(async move {
            for (done, undone) in [("first", "first back"), ("second", "second back")] {
                self.log.lock().expect("no panic").push(done);
                let log = self.log.clone();
                site.undo(move || log.lock().expect("no panic").push(undone));
            }
            match self.last {
                Last::Fails => Err(Error::new(Kind::NotFound, "no folder")),
                Last::NeverEnds => std::future::pending().await,
                Last::Succeeds => Ok(()),
            }
        })
    }

    fn run<'a>(&'a self, _: &'a Arc<Session>, _: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

fn server(name: &str, last: Last) -> (Server, Log) {
    let log = Log::default();
    let service = Opens { log: log.clone(), last };
    let mut server = Server::of(Made::Service(Box::new(service)), Shape::ALL);
    server.at(&format!("memory:{name}")).expect("it fits");
    (server, log)
}

fn said(log: &Log) -> Vec<&'static str> {
    log.lock().expect("no panic").clone()
}

const ALL_BACK: [&str; 4] = ["first", "second", "second back", "first back"];

#[test]
fn a_step_that_fails_takes_back_those_before_it_in_reverse() {
    let (mut server, log) = server("open-fails", Last::Fails);
    let error = server.start().map(drop).expect_err("it says why");
    assert_eq!(error.kind(), Kind::NotFound);
    assert_eq!(said(&log), ALL_BACK);
    assert!(hobnob::serve("echo", "memory:open-fails").is_ok(), "its name is free");
}

#[tokio::test]
async fn a_start_that_is_given_up_is_taken_back() {
    let (mut server, log) = server("open-given-up", Last::NeverEnds);
    let is_under_way = async {
        while said(&log).len() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        _ = server.open() => panic!("it never ends"),
        () = soon("its steps", is_under_way) => {}
    }
    assert_eq!(said(&log), ALL_BACK, "its threads were joined");
    assert!(hobnob::serve("echo", "memory:open-given-up").is_ok(), "its name is free");
}

#[tokio::test]
async fn what_runs_is_not_taken_back() {
    let (mut server, log) = server("open-succeeds", Last::Succeeds);
    let running = server.open().await.expect("it opens");
    running.cut();
    soon("the end", running.finished()).await;
    drop(running);
    assert_eq!(said(&log), ["first", "second"]);
    let error = server.open().await.map(drop).expect_err("a plan is for one server");
    assert_eq!(error.kind(), Kind::Usage);
}

/// Nothing that was bound stays bound where a later address is taken, and the service is not opened at all.
#[test]
fn a_service_is_opened_after_the_last_address_is_bound() {
    let taken = hobnob::serve("echo", "memory:open-second").expect("it starts");
    let (mut server, log) = server("open-first", Last::Succeeds);
    server.at("memory:open-second").expect("it fits");
    assert!(server.start().is_err());
    assert_eq!(said(&log), [""; 0]);
    assert!(hobnob::serve("echo", "memory:open-first").is_ok(), "its name is free");
    drop(taken);
}

/// A relay whose bind fails leaves no file of decisions, so that the same command works once the port is free.
#[test]
fn a_relay_that_cannot_listen_leaves_no_file_of_decisions() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decisions.jsonl");
    let taken = hobnob::serve("echo", "memory:relay-decisions").expect("it starts");
    let relay = || {
        let mut server = Server::new("relay").expect("it is built in");
        server.set("to", Some("tcp://127.0.0.1:1")).expect("an endpoint");
        server.set("decisions", Some(path.to_str().expect("text"))).expect("a path");
        server.at("memory:relay-decisions").expect("it fits").start()
    };
    assert!(relay().is_err());
    assert!(!Path::new(&path).exists(), "nothing is left behind");
    drop(taken);
    let running = relay().expect("the name is free");
    assert!(path.exists());
    drop(running);
}

/// Dresses its sessions in TLS, and says at the start what is wrong with the files.
#[cfg(feature = "tls")]
struct Dressing;

#[cfg(feature = "tls")]
impl Service for Dressing {
    fn open<'a>(&'a self, site: &'a mut Site) -> Boxed<'a, ()> {
        Box::pin(async move { site.keeper().rehearse(Dress::server("tls,cert=/nowhere/c.pem")) })
    }

    fn run<'a>(&'a self, _: &'a Arc<Session>, _: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(feature = "tls")]
#[test]
fn what_is_wrong_with_a_certificate_is_said_at_the_start() {
    let mut server = Server::of(Made::Service(Box::new(Dressing)), &[Shape::Bytes]);
    let error = server.at("memory:rehearsed").expect("it fits").start().map(drop);
    assert_eq!(error.expect_err("no file").kind(), Kind::NotFound);
}

/// Blocks the thread that it runs on, which no service may do.
struct Blocking(Mutex<mpsc::Receiver<()>>, tokio::sync::mpsc::UnboundedSender<()>);

impl Service for Blocking {
    fn run<'a>(&'a self, _: &'a Arc<Session>, _: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            self.1.send(()).expect("somebody waits");
            // Until the test is over.
            let _ = self.0.lock().expect("no panic").recv();
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_service_that_blocks_its_thread_does_not_hold_up_the_stop_for_ever() {
    tokio::join!(stops_in_spite_of_it(true), stops_in_spite_of_it(false));
}

async fn stops_in_spite_of_it(is_async: bool) {
    let (release, held) = mpsc::channel();
    let (blocks, mut is_blocking) = tokio::sync::mpsc::unbounded_channel();
    let service = Blocking(Mutex::new(held), blocks);
    let mut server = Server::of(Made::Service(Box::new(service)), Shape::ALL);
    server.limits.grace = std::time::Duration::from_millis(10);
    // A thread that is blocked keeps its name until it is let go.
    let at = format!("memory:blocking-{is_async}");
    let running = server.at(&at).expect("it fits").start().expect("it starts");
    let to = parse(&at).expect("an endpoint");
    let _client = hobnob::Dialer::default().dial(&to).await.expect("it listens");
    soon("it blocks", is_blocking.recv()).await;
    running.drain();
    let stopped = async {
        if is_async {
            return running.finished().await;
        }
        tokio::task::spawn_blocking(move || running.wait()).await.expect("no panic")
    };
    let summary = tokio::time::timeout(PATIENCE, stopped).await.expect("it does not hang");
    assert_eq!(summary.dropped, 1, "the one that was left is counted");
    drop(release);
}
