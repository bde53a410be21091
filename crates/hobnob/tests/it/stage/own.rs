//! A transport and services of the tests' own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::{Context, Poll};

use hobnob::address::Address;
use hobnob::conn::listener::{Accepted, Listener};
use hobnob::conn::{Boxed, Conn, Facts, memory};
use hobnob::endpoint::{Form, Target};
use hobnob::engine::{Resolved, Server, parse, resolve};
use hobnob::error::{Error, Kind};
use hobnob::layer::{self, Dressed, Layer};
use hobnob::service::{Made, Service};
use hobnob::session::Session;
use hobnob::spec::{Options, Shape, Spec};
use hobnob::transport::{Place, Terms, Transport, TransportRow};

/// What a scripted listener yields, one after another; then it is silent.
pub(crate) type Script = VecDeque<Box<dyn FnOnce() -> Accepted + Send>>;

/// A transport whose listener follows a script.
pub(crate) struct Scripted(Mutex<Option<Script>>);

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

const SPEC: Spec = Spec {
    name: "scripted",
    summary: "what a test wants to come",
    options: &[],
    examples: &[],
    is_built_in: true,
};

/// Lets a server accept what the script says.
pub(crate) fn script(server: &mut Server, script: Script) {
    // A row lives as long as the program; a test has a handful.
    let transport: &'static Scripted = Box::leak(Box::new(Scripted(Mutex::new(Some(script)))));
    let row: &'static TransportRow = Box::leak(Box::new(TransportRow {
        spec: &SPEC,
        form: Form::Name,
        shape: Shape::Bytes,
        socket: None,
        has_opening: true,
        transport: Some(transport),
        twins: |_| Vec::new(),
    }));
    server.on_resolved(Resolved::of(row, Target::Name("scripted".to_owned()))).expect("bytes fit");
}

impl Transport for Scripted {
    fn bind<'a>(&'a self, _: &'a Place, _: &'a Terms) -> Boxed<'a, Vec<Box<dyn Listener>>> {
        let script = self.0.lock().expect("not poisoned").take().expect("bound once");
        Box::pin(async move { Ok(vec![Box::new(Door(script)) as _]) })
    }

    fn connect<'a>(&'a self, _: &'a Place, _: &'a Terms, _: Option<&'a Facts>) -> Boxed<'a, Conn> {
        Box::pin(async { Err(Error::new(Kind::ConnectionRefused, "nobody dials it")) })
    }
}

struct Door(Script);

impl Listener for Door {
    fn address(&self) -> Address {
        Address::name("scripted")
    }

    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<Accepted> {
        // Silent for good once the script is over: no waker is to be kept.
        self.0.pop_front().map_or(Poll::Pending, |next| Poll::Ready(next()))
    }
}

/// A layer whose handshake never ends.
struct Endless;

impl Layer for Endless {
    fn wrap<'a>(&'a self, _: &'a layer::Surroundings, conn: Conn) -> Boxed<'a, Dressed> {
        Box::pin(async move {
            let _held = conn;
            std::future::pending().await
        })
    }
}

const ENDLESS: layer::LayerRow = layer::LayerRow {
    spec: Spec { name: "endless", ..SPEC },
    below: None,
    above: None,
    is_one_line: false,
    may_decline: false,
    make: Some(|_| Ok(Box::new(Endless))),
};

/// A layer whose handshake fails at once.
struct Failing;

impl Layer for Failing {
    fn wrap<'a>(&'a self, _: &'a layer::Surroundings, _: Conn) -> Boxed<'a, Dressed> {
        Box::pin(async { Err(Error::new(Kind::BadFrame, "gibberish")) })
    }
}

static FAILING: layer::LayerRow = layer::LayerRow {
    spec: Spec { name: "failing", ..SPEC },
    make: Some(|_| Ok(Box::new(Failing))),
    ..ENDLESS
};

/// Lets a server accept TCP under a handshake that never ends.
pub(crate) fn handshaking(server: &mut Server) {
    under(&ENDLESS, server);
}

/// Lets a server accept TCP under a handshake that nobody passes.
pub(crate) fn failing(server: &mut Server) {
    under(&FAILING, server);
}

fn under(layer: &'static layer::LayerRow, server: &mut Server) {
    let mut resolved = resolve(&parse("tcp://127.0.0.1:0").expect("an endpoint")).expect("known");
    resolved.layers.push((layer, Options::default()));
    server.on_resolved(resolved).expect("bytes fit");
}

/// A conn that comes in, and its other end.
pub(crate) fn guest() -> (Conn, Conn) {
    memory::pair(Shape::Bytes)
}

/// A service that is a function.
pub(crate) struct Does<F>(pub(crate) F);

impl<F> Service for Does<F>
where
    F: for<'a> Fn(&'a Arc<Session>, &'a mut Conn) -> Boxed<'a, ()> + Send + Sync,
{
    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        (self.0)(session, conn)
    }
}

/// A service that does nothing, for ever, whatever it is asked.
pub(crate) fn deaf() -> Made {
    does(|_, _| Box::pin(std::future::pending()))
}

/// An echo that holds a session with each peer.
pub(crate) fn echo_sessions() -> Made {
    does(|_, conn| {
        Box::pin(async move {
            let mut room = vec![0; 1 << 16];
            while let Some(length) = conn.recv(&mut room).await? {
                conn.send(&room[..length]).await?;
            }
            Ok(())
        })
    })
}

pub(crate) fn does<F>(run: F) -> Made
where
    F: for<'a> Fn(&'a Arc<Session>, &'a mut Conn) -> Boxed<'a, ()> + Send + Sync + 'static,
{
    Made::Service(Box::new(Does(run)))
}
