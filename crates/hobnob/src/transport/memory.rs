//! `memory`: conns inside this process, by name. Nothing of the kernel is in the way.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc;

use crate::address::Address;
use crate::conn::listener::{Accepted, Listener};
use crate::conn::{Boxed, Conn, Facts, memory};
use crate::endpoint::{Form, Target};
use crate::error::{Error, Kind, Result};
use crate::spec::{Shape, Spec};
use crate::transport::{Place, Terms, Transport, TransportRow};

/// The row.
pub(crate) static ROW: TransportRow = TransportRow {
    spec: &Spec {
        name: "memory",
        summary: "bytes inside one process, by name",
        options: &[],
        examples: &[],
        is_built_in: true,
    },
    form: Form::Name,
    shape: Shape::Bytes,
    socket: None,
    has_opening: true,
    transport: Some(&InProcess),
    twins: |_| Vec::new(),
};

/// How many peers may wait to be accepted, as in a kernel's backlog.
const BACKLOG: usize = 128;

/// The listeners, by name. The kernel keeps the names of other transports; nobody else keeps these.
static NAMES: Mutex<Option<HashMap<String, mpsc::Sender<Conn>>>> = Mutex::new(None);

fn names() -> MutexGuard<'static, Option<HashMap<String, mpsc::Sender<Conn>>>> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct InProcess;

impl Transport for InProcess {
    fn bind<'a>(&'a self, at: &'a Place, _: &'a Terms) -> Boxed<'a, Vec<Box<dyn Listener>>> {
        Box::pin(async move {
            let name = name(at)?.to_owned();
            let (send, incoming) = mpsc::channel(BACKLOG);
            let mut names = names();
            let taken = names.get_or_insert_default();
            if taken.contains_key(&name) {
                let text = format!("memory:{name} is listened on already");
                return Err(
                    Error::new(Kind::PortInUse, text).hint_endpoint(format!("memory:{name}-2"), "")
                );
            }
            taken.insert(name.clone(), send);
            Ok(vec![Box::new(Registered { name, incoming }) as _])
        })
    }

    fn connect<'a>(
        &'a self,
        to: &'a Place,
        scene: &'a Terms,
        _: Option<&'a Facts>,
    ) -> Boxed<'a, Conn> {
        Box::pin(async move {
            let name = name(to)?;
            let there = Address::name(&format!("memory:{name}"));
            scene.own.check("memory", &there)?;
            let refused = || {
                Error::new(
                    Kind::ConnectionRefused,
                    format!("nothing is listening on memory:{name}"),
                )
            };
            let door =
                names().as_ref().and_then(|names| names.get(name).cloned()).ok_or_else(refused)?;
            let dialler = Address::name(&format!("memory:{name}#"));
            let (here, there) = memory::pair_named(Shape::Bytes, dialler, there);
            door.send(there).await.map_err(|_| refused())?;
            Ok(here)
        })
    }
}

fn name(place: &Place) -> Result<&str> {
    match &place.target {
        Target::Name(name) => Ok(name),
        _ => Err(Error::new(Kind::Bug, "memory was planned without a name")),
    }
}

struct Registered {
    name: String,
    incoming: mpsc::Receiver<Conn>,
}

impl Listener for Registered {
    fn address(&self) -> Address {
        Address::name(&format!("memory:{}", self.name))
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted> {
        let conn = ready!(self.incoming.poll_recv(cx));
        Poll::Ready(conn.map_or(Accepted::NoMore, Accepted::Conn))
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(names) = names().as_mut() {
            names.remove(&self.name);
        }
    }
}
