//! The calls of the library that block, made from inside a runtime: they work, or say what to call in their place.

use std::future::Future;

use hobnob::engine::{Running, parse};
use hobnob::error::Kind;
use hobnob::{Dialer, Server};
use tokio::runtime::Builder;

use crate::stage::soon;

/// Runs it as what a runtime waits for, and as a task of it: of one thread, which a call that blocks it would stop.
fn in_each<F: Future<Output = ()> + Send + 'static>(work: impl Fn() -> F) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work());
    runtime.block_on(async { soon("a task of it", tokio::spawn(work())).await.expect("no panic") });
}

/// One question of a client of this runtime, to an echo of another thread.
async fn echoes(running: &Running) {
    let to = parse(&format!("tcp://{}", running.bound()[0].address)).expect("an endpoint");
    let mut conn = Dialer::default().dial(&to).await.expect("somebody listens").conn;
    conn.send(b"hi").await.expect("it is open");
    let mut room = [0; 8];
    assert_eq!(soon("an echo", conn.recv(&mut room)).await, Ok(Some(2)));
}

#[test]
fn serving_starts_and_ends_inside_a_runtime() {
    in_each(|| async {
        let running = hobnob::serve("echo", "tcp://127.0.0.1:0").expect("it starts");
        echoes(&running).await;
        running.drain();
        assert_eq!(running.wait().sessions, 1);
        let mut server = Server::new("echo").expect("it is built in");
        let running = server.at("tcp://127.0.0.1:0").expect("it fits").start().expect("it starts");
        echoes(&running).await;
        drop(running);
        let mut server = Server::new("echo").expect("it is built in");
        let running =
            server.at("tcp://127.0.0.1:0").expect("it fits").open().await.expect("it opens");
        echoes(&running).await;
        running.cut();
        assert_eq!(soon("the end", running.finished()).await.sessions, 1);
    });
}

#[test]
fn a_relay_starts_and_ends_inside_a_runtime() {
    in_each(|| async {
        let target = hobnob::serve("echo", "tcp://127.0.0.1:0").expect("it starts");
        let to = format!("tcp://{}", target.bound()[0].address);
        let running = hobnob::relay("tcp://127.0.0.1:0", &to).expect("it starts");
        echoes(&running).await;
        running.cut();
        assert_eq!(running.wait().sessions, 1);
        // Dropped as it runs.
        drop(target);
    });
}

#[test]
fn getting_says_inside_a_runtime_what_to_call_there() {
    in_each(|| async {
        let error = hobnob::get("http://127.0.0.1:1/").expect_err("it would block");
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.reasons().concat().contains("Exchange::new"), "{error:?}");
    });
}
