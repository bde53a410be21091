//! The blocking models: one thread a connection, and one connection at a time. What a service says on them is the grid's
//! to ask; here is what is theirs alone.

use std::time::Duration;

use hobnob::codec::text::Rule;
use hobnob::engine::{Model, Server, parse};
use hobnob::error::Kind;
use hobnob::event::{Fact, Reason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::kernel::clog;
use crate::stage::child::Child;
use crate::stage::{Stage, ask, connect, hear, pour, reset, rest, soon};

const BLOCKING: [Model; 2] = [Model::Threads, Model::Serial];
const MANY: usize = 500;

fn stage(model: Model, service: &str, set: impl FnOnce(&mut Server)) -> Stage {
    Stage::with(service, "tcp://127.0.0.1:0", |server| {
        server.model = model;
        server.limits.grace = Duration::from_hours(1);
        set(server);
    })
}

/// An echo in a child, with how many threads and descriptors it has while nobody is there.
async fn echo(model: Model) -> (Child, u64, usize) {
    let plan = format!("echo tcp://127.0.0.1:0 model={}", model.name());
    let mut child = Child::serve(&plan).await;
    // Once it answers all its threads are there, and once it has served somebody all its descriptors.
    child.counts().await;
    let threads = child.threads();
    ask(&mut connect(child.address).await, b"warm", b"warm").await;
    child.empties_but(0).await;
    falls_to(threads, || child.threads()).await;
    let descriptors = child.descriptors();
    (child, threads, descriptors)
}

/// Waits until no more are left: a thread ends a little after its session.
async fn falls_to<T: PartialOrd>(least: T, count: impl Fn() -> T) {
    let fall = async {
        while count() > least {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon("the end of the threads", fall).await;
}

#[tokio::test]
async fn five_hundred_at_once_have_a_thread_each_and_leave_nothing() {
    let (mut child, threads, descriptors) = echo(Model::Threads).await;
    let mut clients = Vec::new();
    for _ in 0..MANY / 50 {
        let mut some = JoinSet::new();
        (0..50).for_each(|_| drop(some.spawn(connect(child.address))));
        clients.extend(some.join_all().await);
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let said = format!("{number} says this");
        ask(client, said.as_bytes(), said.as_bytes()).await;
    }
    assert_eq!(child.counts().await, (MANY as u64, 1 + MANY as u64, 0));
    assert_eq!(child.threads(), threads + MANY as u64);
    for client in clients.iter_mut().rev() {
        ask(client, b"still there?", b"still there?").await;
    }
    drop(clients);
    child.empties_but(0).await;
    falls_to(threads, || child.threads()).await;
    falls_to(descriptors, || child.descriptors()).await;
}

#[tokio::test]
async fn five_hundred_one_after_another_are_served_by_one_thread() {
    let (mut child, threads, descriptors) = echo(Model::Serial).await;
    for number in 0..MANY {
        let mut client = connect(child.address).await;
        let said = format!("{number} says this");
        ask(&mut client, said.as_bytes(), said.as_bytes()).await;
        if number % 100 == 0 {
            assert_eq!(child.threads(), threads);
        }
    }
    child.empties_but(0).await;
    assert_eq!(child.counts().await, (0, 1 + MANY as u64, 0));
    falls_to(threads, || child.threads()).await;
    falls_to(descriptors, || child.descriptors()).await;
}

/// Who waits in the kernel's queue has connected, and its words are there; nobody has accepted it.
#[tokio::test]
async fn the_second_client_of_serial_waits_and_that_is_told_with_their_number() {
    let mut stage = stage(Model::Serial, "hello", |_| {});
    let mut first = stage.connect().await;
    hear(&mut first, b"Welcome!").await;
    stage.opened().await;
    assert_eq!(stage.count(|fact| matches!(fact, Fact::Paused { .. })), 0, "nobody waits yet");
    let mut second = stage.connect().await;
    second.write_all(b"B").await.expect("the kernel takes it");
    let waiting = stage.until("pause", |event| match event.fact {
        Fact::Paused { limit: "serial", waiting } => Some(waiting),
        _ => None,
    });
    assert_eq!(waiting.await, Some(1));
    assert_eq!((stage.running.open(), stage.running.summary().sessions), (1, 1));
    ask(&mut first, b"A", b"Hello, A!").await;
    drop(first);
    hear(&mut second, b"Welcome!Hello, B!").await;
    let resumed = |fact: &Fact| matches!(fact, Fact::Resumed { limit: "serial" });
    assert_eq!(stage.counted(resumed).await, 1);
    assert_eq!(stage.running.summary().refused, 0);
}

#[tokio::test]
async fn who_waits_at_a_unix_socket_is_told_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x");
    let at = format!("unix:{}", path.display());
    let mut stage = Stage::with("hello", &at, |server| server.model = Model::Serial);
    let client = async || UnixStream::connect(&path).await.expect("it listens");
    let first = client().await;
    stage.opened().await;
    let mut second = client().await;
    stage.paused("serial").await;
    drop(first);
    let mut heard = [0; 8];
    soon("its turn", second.read_exact(&mut heard)).await.expect("it is greeted");
    assert_eq!(&heard, b"Welcome!");
}

#[tokio::test]
async fn a_silent_client_of_serial_blocks_the_next_until_it_is_idle_for_too_long() {
    let idle = Duration::from_millis(150);
    let mut stage = stage(Model::Serial, "echo", |server| server.limits.idle = Some(idle));
    let mut silent = stage.connect().await;
    stage.opened().await;
    let mut next = stage.connect().await;
    ask(&mut next, b"my turn", b"my turn").await;
    // In the order in which they came: the first is over before the second begins.
    assert_eq!(stage.closed().await.reason, Reason::Timeout("idle"));
    assert_eq!(stage.opened().await, 2);
    assert_eq!(rest(&mut silent).await, (Vec::new(), true), "it was ended in order");
}

#[tokio::test]
async fn a_slow_reader_costs_nobody_else_a_thread_and_gets_all_of_it() {
    let mut stage = stage(Model::Threads, "echo", |server| server.cutting.rule = Rule::Lines);
    let mut slow = stage.connect().await;
    clog(&mut slow).await;
    for _ in 0..3 {
        ask(&mut stage.connect().await, b"quick", b"quick").await;
    }
    slow.shutdown().await.expect("it is open");
    let (heard, is_orderly) = rest(&mut slow).await;
    assert!(is_orderly && heard.len() > 64 * 1_024, "{} bytes", heard.len());
    let whole = stage.until("end", |event| match &event.fact {
        Fact::Closed(closed) if event.session == 1 => Some((**closed).clone()),
        _ => None,
    });
    let whole = whole.await;
    assert_eq!((whole.reason, whole.bytes_out), (Reason::Eof, whole.bytes_in));
    assert_eq!(whole.bytes_out, heard.len() as u64);
}

#[tokio::test]
async fn a_reset_ends_a_thread_and_the_next_is_served() {
    for model in BLOCKING {
        let mut stage = stage(model, "echo", |_| {});
        let mut client = stage.connect().await;
        ask(&mut client, b"one", b"one").await;
        reset(client);
        assert_eq!(stage.closed().await.reason, Reason::Reset, "{model:?}");
        ask(&mut stage.connect().await, b"two", b"two").await;
    }
}

/// Of a drain only `grace` would make a thread stop that sends in vain; a cut does so at once.
#[tokio::test]
async fn a_drain_wakes_who_waits_and_a_cut_who_cannot_send() {
    for model in BLOCKING {
        let mut stage = stage(model, "echo", |server| {
            server.limits.stall = Duration::from_hours(1);
        });
        let (mut idle, mut clients) = (None, Vec::new());
        if model == Model::Threads {
            let mut client = stage.connect().await;
            ask(&mut client, b"idle", b"idle").await;
            idle = Some(client);
        }
        let mut deaf = stage.connect().await;
        clog(&mut deaf).await;
        clients.push(pour(deaf));
        stage.running.drain();
        if let Some(mut client) = idle {
            assert_eq!(rest(&mut client).await, (Vec::new(), true));
            drop(client);
            assert_eq!(stage.closed().await.reason, Reason::Stopped);
        }
        stage.holds(&format!("one is left of {model:?}"), |running| running.open() == 1).await;
        stage.running.cut();
        assert_eq!(stage.closed().await.reason, Reason::Stopped, "{model:?}");
        soon("the end", stage.running.finished()).await;
    }
}

#[tokio::test]
async fn who_still_waits_when_the_drain_begins_is_not_served() {
    let mut stage = stage(Model::Serial, "hello", |_| {});
    let mut first = stage.connect().await;
    hear(&mut first, b"Welcome!").await;
    let mut second = stage.connect().await;
    stage.paused("serial").await;
    stage.running.drain();
    assert!(rest(&mut first).await.1);
    drop(first);
    assert!(rest(&mut second).await.0.is_empty());
    assert_eq!(stage.finish().await.sessions, 1);
}

#[tokio::test]
async fn an_answer_that_is_held_back_holds_up_its_own_thread_alone() {
    let mut stage = stage(Model::Threads, "hello", |server| {
        server.set("delay", Some("1h")).expect("hello has it");
    });
    let mut held = stage.connect().await;
    ask(&mut held, b"A", b"Welcome!").await;
    hear(&mut stage.connect().await, b"Welcome!").await;
    stage.running.cut();
    stage.closed_by(Reason::Stopped).await;
    drop(held);
    soon("the end", stage.running.finished()).await;
}

#[tokio::test]
async fn no_descriptors_left_pauses_threads_and_turns_nobody_away() {
    let plan = "echo tcp://127.0.0.1:0 nofile=120 max-conns=10000 model=threads";
    let mut child = Child::serve(plan).await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut client = connect(child.address).await;
        client.write_all(b"x").await.expect("the kernel has accepted it");
        clients.push(client);
    }
    while !child.line("event").await.contains("open-files") {}
    let inside = usize::try_from(child.counts().await.0).expect("a few");
    assert!((20..60).contains(&inside), "{inside} of 100 are served");
    // Each goes once it is served, so all are.
    for mut client in clients {
        soon("an echo", client.read_u8()).await.expect("it is served in its turn");
    }
    child.empties_but(0).await;
    assert_eq!(child.counts().await.2, 0, "somebody was turned away");
}

#[tokio::test]
async fn a_server_that_is_dropped_cuts_its_threads() {
    for model in BLOCKING {
        let mut stage = stage(model, "echo", |_| {});
        let mut client = stage.connect().await;
        ask(&mut client, b"hi", b"hi").await;
        stage.opened().await;
        drop(stage);
        assert!(rest(&mut client).await.0.is_empty(), "{model:?}");
    }
}

#[tokio::test]
async fn a_server_of_one_session_is_over_after_it_and_who_waits_is_not_served() {
    for model in BLOCKING {
        let stage = stage(model, "hello", |server| server.stop.sessions = Some(1));
        let mut client = stage.connect().await;
        ask(&mut client, b"A", b"Welcome!Hello, A!").await;
        drop(client);
        assert_eq!(soon("the end", stage.running.finished()).await.sessions, 1, "{model:?}");
    }
}

#[test]
fn what_threads_cannot_serve_is_an_error_with_something_to_try() {
    for model in BLOCKING {
        for (service, at, why) in [
            ("chat", "tcp://127.0.0.1:0", "more than its one peer"),
            ("source", "tcp://127.0.0.1:0", "more than its one peer"),
            ("hello", "udp://127.0.0.1:0", "udp is no stream socket"),
            ("echo", "unixgram:@hobnob-models", "unixgram is no stream socket"),
            ("echo", "unixseq:@hobnob-models", "unixseq is no stream socket"),
            ("echo", "memory:models", "memory is no stream socket"),
            ("echo", "lines+tcp://127.0.0.1:0", "lines stands before the socket"),
            #[cfg(feature = "tls")]
            ("echo", "tls://127.0.0.1:0", "tls stands before the socket"),
        ] {
            let mut server = Server::new(service).expect("a service of the table");
            server.on(&parse(at).expect("an endpoint")).expect("it fits");
            server.model = model;
            let error = server.start().err().expect("it is refused");
            assert_eq!(error.kind(), Kind::DoesNotFit, "{service} {at}");
            assert!(error.message().contains(model.name()), "{error:?}");
            assert!(error.reasons().concat().contains(why), "{error:?}");
            assert!(!error.hints().is_empty(), "{error:?}");
        }
    }
}
