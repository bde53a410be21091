//! Guests of the house, each in one file and none touching the library: what is to come must find its seam there.

mod declining;
mod given_up;
mod keeping;
mod kept;
mod parlour;
mod portless;
mod slipping;
mod within;

use hobnob::address::Address;
use hobnob::conn::listener::{Accepted, Listener};
use hobnob::conn::{Boxed, Conn, Facts};
use hobnob::endpoint::{Form, Target};
use hobnob::engine::Resolved;
use hobnob::error::{Error, Kind};
use hobnob::spec::{Shape, Spec};
use hobnob::transport::{Place, Terms, Transport, TransportRow};
use std::sync::Mutex;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// A transport to which whatever comes is handed by the test.
struct Handed(Mutex<Option<mpsc::UnboundedReceiver<Accepted>>>);

impl std::fmt::Debug for Handed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handed")
    }
}

/// An endpoint of such a transport, of this form and shape, and the hand.
fn handed(form: Form, shape: Shape) -> (Resolved, mpsc::UnboundedSender<Accepted>) {
    const SPEC: Spec =
        Spec { name: "handed", summary: "", options: &[], examples: &[], is_built_in: true };
    let (hand, coming) = mpsc::unbounded_channel();
    // A row lives as long as the program; a test has one.
    let transport: &'static Handed = Box::leak(Box::new(Handed(Mutex::new(Some(coming)))));
    let row: &'static TransportRow = Box::leak(Box::new(TransportRow {
        spec: &SPEC,
        form,
        shape,
        socket: None,
        has_opening: true,
        transport: Some(transport),
        twins: |_| Vec::new(),
    }));
    (Resolved::of(row, Target::Name("handed".to_owned())), hand)
}

impl Transport for Handed {
    fn bind<'a>(&'a self, _: &'a Place, _: &'a Terms) -> Boxed<'a, Vec<Box<dyn Listener>>> {
        let coming = self.0.lock().expect("not poisoned").take().expect("bound once");
        Box::pin(async move { Ok(vec![Box::new(Coming(coming)) as _]) })
    }

    fn connect<'a>(&'a self, _: &'a Place, _: &'a Terms, _: Option<&'a Facts>) -> Boxed<'a, Conn> {
        Box::pin(async { Err(Error::new(Kind::ConnectionRefused, "nobody dials it")) })
    }
}

/// Yields what it is handed; once nobody can hand it anything, there is no more.
struct Coming(mpsc::UnboundedReceiver<Accepted>);

impl Listener for Coming {
    fn address(&self) -> Address {
        Address::name("handed")
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted> {
        self.0.poll_recv(cx).map(|accepted| accepted.unwrap_or(Accepted::NoMore))
    }
}
