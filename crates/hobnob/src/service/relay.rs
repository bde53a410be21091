//! Passes on what it gets to an endpoint that it dials, and the answers back.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::{Made, Row, Service};
use crate::chunk::Direction;
use crate::conn::link::{self, Ahead, Broken, Side, Witness};
use crate::conn::{Boxed, Conn};
use crate::error::{Kind, Result};
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
            // Boxed: only the beginning needs it, and thousands lie idle in what follows.
            let (dialed, ahead) = Box::pin(dial(&self.to, session, conn)).await?;
            let mut far = Far(Some(dialed));
            let Some(upstream) = &mut far.0 else { return Ok(()) };
            let telling = Telling { session, has_end: upstream.facts().has_end };
            let passed = link::run(conn, upstream, ahead, &telling).await;
            conclude(session, upstream);
            if passed.is_ok() {
                far.0 = None;
            }
            passed.map_err(|broken| {
                note_broken(session, &broken);
                broken.error
            })
        })
    }
}

/// Dials, unless the one for whom it is done is gone before it is done.
async fn dial(to: &str, session: &Session, conn: &mut Conn) -> Result<(Conn, Ahead)> {
    let (began, mut ahead) = (session.clock().now(), Ahead::default());
    let upstream = {
        let (mut dialing, mut gone) = (pin!(session.dial(to)), pin!(ahead.read(conn)));
        std::future::poll_fn(|cx| {
            if let Poll::Ready(dialed) = dialing.as_mut().poll(cx) {
                return Poll::Ready(dialed);
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
    Ok((upstream, ahead))
}

/// The dialled conn. Torn down unless both sides had said all: what is cut short must not look like an end.
struct Far(Option<Conn>);

impl Drop for Far {
    fn drop(&mut self) {
        if let Some(upstream) = &mut self.0 {
            upstream.abort();
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

struct Telling<'a> {
    session: &'a Session,
    /// Whether the dialled side can say that it has said all, and be told so.
    has_end: bool,
}

impl Telling<'_> {
    fn how(&self) -> How {
        if self.has_end { How::Fin } else { How::None }
    }
}

impl Witness for Telling<'_> {
    fn ended(&self, by: Side) {
        // The accepted side's end was noted by the tap.
        if by == Side::Upstream {
            self.session.note_end(Direction::Out, By::Upstream, self.how());
        }
    }

    fn broke(&self, by: Side) {
        if by == Side::Upstream {
            self.session.note_end(Direction::In, By::Upstream, How::Rst);
        }
    }

    fn too_large(&self) {
        self.session.bus().drop_by("packet-size", 1);
    }

    fn holds(&self, bytes: usize) {
        self.session.note_held(bytes);
    }

    fn is_asked_to_end(&self) -> bool {
        self.session.is_draining()
    }

    fn ends_as_asked(&self) {
        self.session.note_end(Direction::In, By::Us, self.how());
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
