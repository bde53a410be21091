//! A transport of one's own: a hatch in a wall inside this process. What a socket would be is a pair in memory;
//! layers, limits, events and services come from hobnob.

use std::sync::Mutex;
use std::task::{Context, Poll};

use hobnob::address::Address;
use hobnob::conn::listener::{Accepted, Listener};
use hobnob::conn::{Boxed, Conn, Facts, memory};
use hobnob::endpoint::{Form, Target};
use hobnob::engine::Resolved;
use hobnob::error::{Error, Kind};
use hobnob::spec::{Shape, Spec};
use hobnob::transport::{Place, Terms, Transport, TransportRow};
use hobnob::{Dialer, Result, Server};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

static ROW: TransportRow = TransportRow {
    spec: &Spec { name: "hatch", summary: "", options: &[], examples: &[], is_built_in: true },
    form: Form::Nothing,
    shape: Shape::Bytes,
    socket: None,
    has_opening: true,
    transport: Some(&HATCH),
    twins: |_| Vec::new(),
};

static HATCH: Hatch = Hatch(Mutex::new(None));

/// Whoever listens behind it takes conns from the other end.
#[derive(Debug)]
struct Hatch(Mutex<Option<UnboundedSender<Conn>>>);

impl Transport for Hatch {
    fn bind<'a>(&'a self, _: &'a Place, _: &'a Terms) -> Boxed<'a, Vec<Box<dyn Listener>>> {
        let (front, back) = unbounded_channel();
        *self.0.lock().expect("nobody panics with it") = Some(front);
        Box::pin(async { Ok(vec![Box::new(Back(back)) as _]) })
    }

    fn connect<'a>(&'a self, _: &'a Place, _: &'a Terms, _: Option<&'a Facts>) -> Boxed<'a, Conn> {
        let (here, there) = memory::pair(Shape::Bytes);
        let front = self.0.lock().expect("nobody panics with it");
        let is_taken = front.as_ref().is_some_and(|front| front.send(there).is_ok());
        let nobody = || Error::new(Kind::ConnectionRefused, "nobody is behind the hatch");
        Box::pin(async move { if is_taken { Ok(here) } else { Err(nobody()) } })
    }
}

struct Back(UnboundedReceiver<Conn>);

impl Listener for Back {
    fn address(&self) -> Address {
        Address::name("hatch")
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted> {
        self.0.poll_recv(cx).map(|conn| conn.map_or(Accepted::NoMore, Accepted::Conn))
    }
}

/// Serves `hello` there; what it says to who comes.
pub(crate) async fn knock() -> Result<String> {
    let hatch = || Resolved::of(&ROW, Target::Nothing);
    let mut server = Server::new("hello")?;
    server.on_resolved(hatch())?;
    let _running = server.start()?;
    let mut conn = Dialer::default().dial_resolved(hatch()).await?.conn;
    let mut room = [0; 64];
    let length = conn.recv(&mut room).await?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&room[..length]).into_owned())
}

#[allow(dead_code, reason = "the tests knock by themselves")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    println!("{}", knock().await?);
    Ok(())
}
