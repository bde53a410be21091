//! A service that keeps house: work that belongs to no session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use hobnob::conn::{Boxed, Conn};
use hobnob::engine::{Crew, Server, parse};
use hobnob::error::{Error, Kind};
use hobnob::event::Fact;
use hobnob::service::{Made, Service};
use hobnob::session::{Destination, Dress, Keeper, Session};
use hobnob::spec::Shape;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::stage::{Stage, soon};

#[derive(Default)]
struct Swept {
    sessions: AtomicUsize,
    is_swept: AtomicBool,
}

/// Dials an echo while it keeps, asks it something over lines, and sweeps after the last session.
struct Housekeeper {
    swept: Arc<Swept>,
    echo: hobnob::endpoint::Endpoint,
}

impl Service for Housekeeper {
    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            let mut room = [0; 8];
            while conn.recv(&mut room).await?.is_some() {}
            // Off the thread of the sessions.
            let thread = std::thread::current().id();
            let other = session.work(|| std::thread::current().id()).await?;
            assert_ne!(thread, other);
            self.swept.sessions.fetch_add(1, SeqCst);
            Ok(())
        })
    }

    fn keep<'a>(&'a self, keeper: &'a Keeper) -> Boxed<'a, ()> {
        Box::pin(async move {
            let conn = keeper.dial(Destination::Endpoint(&self.echo)).await?;
            let mut conn = keeper.dress(Dress::client("lines", "echo"), conn).await?;
            conn.send(b"anybody?").await?;
            let mut room = [0; 64];
            let heard = conn.recv(&mut room).await?.expect("an answer");
            keeper.emit(Fact::Note(String::from_utf8_lossy(&room[..heard]).into_owned()));
            keeper.asked_to_end().await;
            let sessions = self.swept.sessions.load(SeqCst);
            let swept = self.swept.clone();
            keeper.work(move || swept.is_swept.store(true, SeqCst)).await?;
            keeper.emit(Fact::Note(format!("swept after {sessions}")));
            Ok(())
        })
    }
}

async fn note(stage: &mut Stage) -> String {
    let note = stage.until("a note", |event| match &event.fact {
        Fact::Note(text) => Some(text.clone()),
        _ => None,
    });
    note.await
}

#[tokio::test]
async fn a_keeper_has_powers_and_outlives_the_last_session() {
    let echo = hobnob::serve("echo", "tcp://127.0.0.1:0").expect("it starts");
    let echo_at = parse(&format!("tcp://{}", echo.bound()[0].address)).expect("an endpoint");
    let swept = Arc::new(Swept::default());
    let service = Housekeeper { swept: swept.clone(), echo: echo_at };
    let made = Made::Service(Box::new(service));
    let mut stage = Stage::of(made, "tcp://127.0.0.1:0", |_| {});
    assert_eq!(note(&mut stage).await, "anybody?");
    let client = stage.connect().await;
    stage.opened().await;
    stage.running.drain();
    assert!(!swept.is_swept.load(SeqCst), "a session is open");
    drop(client);
    assert_eq!(note(&mut stage).await, "swept after 1");
    soon("the end", stage.running.finished()).await;
    assert!(swept.is_swept.load(SeqCst));
}

/// What a service cannot do without, and fails, ends it; and says why.
struct Failing;

impl Service for Failing {
    fn run<'a>(&'a self, _: &'a Arc<Session>, _: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn keep<'a>(&'a self, _: &'a Keeper) -> Boxed<'a, ()> {
        Box::pin(async { Err(Error::new(Kind::ConnectionBroken, "the other node is gone")) })
    }
}

#[tokio::test]
async fn a_keeper_that_fails_ends_its_server_and_says_why() {
    let stage = Stage::of(Made::Service(Box::new(Failing)), "memory:failing-keeper", |_| {});
    soon("the end", stage.running.finished()).await;
    let error = stage.running.failure().expect("it says why");
    assert_eq!(error.message(), "the other node is gone");
}

/// What never ends is cut at last, and counted.
struct Endless;

impl Service for Endless {
    fn run<'a>(&'a self, _: &'a Arc<Session>, _: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn keep<'a>(&'a self, _: &'a Keeper) -> Boxed<'a, ()> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_keeper_that_does_not_end_is_cut_and_counted() {
    let mut server = Server::of(Made::Service(Box::new(Endless)), Shape::ALL);
    server.limits.grace = Duration::from_millis(10);
    server.at("memory:endless-keeper").expect("it fits");
    let running = server.start().expect("it starts");
    running.drain();
    assert_eq!(soon("the end", running.finished()).await.dropped, 1);
}

/// After the last session it tells that it was asked to end, and has something to do for so long; or waits for others
/// for so long at most.
struct Slow(Duration, Waits);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Waits {
    Deaf,
    Patiently,
}

impl Service for Slow {
    fn run<'a>(&'a self, _: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            // Who says something keeps the session, whoever asks it to end.
            let mut room = [0; 8];
            if conn.recv(&mut room).await?.is_some() {
                conn.send(b"stay").await?;
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }

    fn keep<'a>(&'a self, keeper: &'a Keeper) -> Boxed<'a, ()> {
        Box::pin(async move {
            keeper.asked_to_end().await;
            keeper.emit(Fact::Note("asked".to_owned()));
            match self.1 {
                Waits::Deaf => tokio::time::sleep(self.0).await,
                Waits::Patiently => keeper.patience(self.0).await,
            }
            keeper.emit(Fact::Note("done".to_owned()));
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_keeper_has_a_grace_of_its_own_whatever_the_sessions_needed() {
    /// What a session does once the server drains.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Peer {
        None,
        Ends,
        Stays,
    }
    let case = |peer| async move {
        // A keeper takes more than a second, and less than its grace.
        let service = Made::Service(Box::new(Slow(Duration::from_millis(1_300), Waits::Patiently)));
        let patient = |server: &mut Server| server.limits.grace = Duration::from_secs(3);
        let mut stage = Stage::of(service, "tcp://127.0.0.1:0", patient);
        let mut client = None;
        if peer != Peer::None {
            let mut stream = stage.connect().await;
            stage.opened().await;
            if peer == Peer::Stays {
                stream.write_all(b"I stay").await.expect("it hears");
                stream.read_exact(&mut [0; 4]).await.expect("it is heard");
            }
            client = Some(stream);
        }
        stage.running.drain();
        if peer == Peer::Ends {
            drop(client.take());
        }
        assert_eq!(note(&mut stage).await, "asked", "{peer:?}");
        assert_eq!(note(&mut stage).await, "done", "{peer:?}");
        let dropped = soon("the end", stage.running.finished()).await.dropped;
        assert_eq!(dropped, u64::from(peer == Peer::Stays), "{peer:?}");
    };
    tokio::join!(case(Peer::None), case(Peer::Ends), case(Peer::Stays));
}

#[tokio::test]
async fn a_keeper_ends_soon_where_somebody_asks_for_it_and_is_cut_where_it_does_not() {
    for (waits, dropped) in [(Waits::Patiently, 0), (Waits::Deaf, 1)] {
        let service = Made::Service(Box::new(Slow(Duration::from_hours(1), waits)));
        let patient = |server: &mut Server| server.limits.grace = Duration::from_hours(1);
        let mut stage = Stage::of(service, &format!("memory:slow-keeper-{waits:?}"), patient);
        stage.running.drain();
        assert_eq!(note(&mut stage).await, "asked");
        stage.running.cut();
        if waits == Waits::Patiently {
            assert_eq!(note(&mut stage).await, "done");
        }
        assert_eq!(soon("the end", stage.running.finished()).await.dropped, dropped, "{waits:?}");
    }
}

#[tokio::test]
async fn a_crew_runs_what_belongs_to_no_server() {
    let crew = Crew::start().expect("threads");
    let here = std::thread::current().id();
    let there = crew.spawn(async { std::thread::current().id() }).await.expect("no panic");
    assert_ne!(here, there);
}
