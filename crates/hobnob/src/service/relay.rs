//! Passes on what it gets to an endpoint that it dials, and the answers back.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::{Made, Row, Service};
use crate::chunk::Direction;
use crate::conn::link::{self, Ahead, Broken, Side, Witness};
use crate::conn::{Boxed, Conn};
use crate::error::{Error, Kind, Result};
use crate::event::{By, Dialed, Fact, How, Upstream};
use crate::session::Session;
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row of the table.
pub static ROW: Row = Row {
    spec: &Spec {
        name: "relay",
        summary: "any address to any other (--to)",
        options: &[OptionSpec {
            name: "to",
            kind: ValueKind::Endpoint,
            default: "",
            help: "where to: an address that each session dials",
        }],
        examples: &["hobnob serve relay :9001 --to :9000"],
        is_built_in: true,
    },
    shapes: &[Shape::Bytes, Shape::Packets],
    is_loud: false,
    protocol: None,
    port: 9001,
    doors: &[],
    make: Some(|options| {
        let to = options.text("to").unwrap_or_default().to_owned();
        Ok(Made::Service(Box::new(Relay { to })))
    }),
};

struct Relay {
    to: String,
}

impl Service for Relay {
    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            let mut ahead = Ahead::default();
            // Boxed: only the beginning needs it, and thousands lie idle in what follows.
            let dialed = Box::pin(dial(&self.to, session, conn, &mut ahead)).await;
            let mut upstream = Far { conn: dialed?, session, is_over: false };
            let passed = upstream.pass(conn, ahead).await;
            passed.map_err(|broken| {
                note_broken(session, &broken);
                broken.error
            })
        })
    }
}

/// Dials, unless the one for whom it is done is gone before it is done.
async fn dial(to: &str, session: &Session, conn: &mut Conn, ahead: &mut Ahead) -> Result<Conn> {
    let began = session.clock().now();
    let upstream = {
        let (mut dialing, mut gone) = (pin!(session.dial(to)), pin!(ahead.read(conn)));
        std::future::poll_fn(|cx| {
            if let Poll::Ready(dialed) = dialing.as_mut().poll(cx) {
                return Poll::Ready(dialed.inspect_err(|error| note_failed(session, error)));
            }
            gone.as_mut().poll(cx).map(Err)
        })
        .await?
    };
    if session.bus().is_watched() {
        let facts = upstream.facts();
        session.emit(Fact::Dialed(Box::new(Dialed {
            transport: facts.transport,
            local: facts.local.clone(),
            peer: facts.peer.clone(),
            took: session.clock().now().saturating_sub(began),
        })));
    }
    Ok(upstream)
}

/// The dialled conn. Torn down unless both sides had said all: what is cut short must not look like an end.
struct Far<'a> {
    conn: Conn,
    session: &'a Session,
    is_over: bool,
}

impl Far<'_> {
    async fn pass(&mut self, conn: &mut Conn, ahead: Ahead) -> Result<(), Broken> {
        let passed = link::run(conn, &mut self.conn, ahead, &Telling(self.session)).await;
        self.is_over = passed.is_ok();
        passed
    }
}

impl Drop for Far<'_> {
    fn drop(&mut self) {
        conclude(self.session, &self.conn);
        if !self.is_over {
            self.conn.abort();
        }
    }
}

fn conclude(session: &Session, upstream: &Conn) {
    if session.bus().is_watched() {
        let vitals = upstream.vitals();
        session.conclude_upstream(Upstream {
            peer: upstream.facts().peer.clone(),
            round_trip: vitals.map(|vitals| vitals.round_trip),
            resent: vitals.map(|vitals| vitals.resent),
        });
    }
}

struct Telling<'a>(&'a Session);

impl Witness for Telling<'_> {
    fn ended(&self, by: Side) {
        // The accepted side's end was noted by the tap.
        if by == Side::Upstream {
            self.0.note_end(Direction::Out, By::Upstream, How::Fin);
        }
    }

    fn broke(&self, by: Side) {
        if by == Side::Upstream {
            self.0.note_end(Direction::In, By::Upstream, How::Rst);
        }
    }

    fn too_large(&self) {
        self.0.bus().drop_by("packet-size", 1);
    }

    fn holds(&self, bytes: usize) {
        self.0.note_held(bytes);
    }

    fn is_asked_to_end(&self) -> bool {
        self.0.is_draining()
    }

    fn ends_as_asked(&self) {
        self.0.note_end(Direction::In, By::Us, How::Fin);
    }
}

/// A target that answers and drops us before we could say a word has ended the session; one that is not there has not.
fn note_failed(session: &Session, error: &Error) {
    if error.kind() == Kind::ConnectionReset {
        session.note_end(Direction::In, By::Upstream, How::Rst);
        session.note_end(Direction::Out, By::Upstream, How::Rst);
    }
}

fn note_broken(session: &Session, broken: &Broken) {
    if broken.side == Side::Upstream {
        let by = match broken.error.kind() {
            Kind::TimedOut | Kind::Unreachable | Kind::ConnectionRefused => By::Kernel,
            _ => By::Upstream,
        };
        session.note_end(Direction::In, by, How::Rst);
        session.note_end(Direction::Out, by, How::Rst);
    }
}
