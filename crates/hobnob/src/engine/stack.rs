//! Applies an endpoint's layers in order, wire first, on the session's own task and under its deadline.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::bus::Bus;
use crate::conn::Conn;
use crate::error::{Error, Kind, Result};
use crate::layer::{Dressed, Layer, LayerRow, Role, Surroundings};
use crate::spec::{Options, Spec};

/// The layers of one endpoint, application first; shared by its sessions.
#[derive(Clone)]
pub(super) struct Stack {
    coats: Arc<[Coat]>,
    scene: Arc<Surroundings>,
}

/// A layer that is ready, and what it was made from.
struct Coat {
    row: &'static LayerRow,
    options: Options,
    layer: Box<dyn Layer>,
}

/// A conn that one of the layers declined, with so many of the layers beneath that one on it.
pub(super) struct Declined {
    pub conn: Conn,
    pub on: usize,
}

/// What became of a conn that layers were put on.
pub(super) enum Dressing {
    Conn(Conn),
    Answered,
    Declined(Declined),
}

impl Stack {
    /// Makes the layers, and has them read all that they need.
    pub(super) fn prepare(
        layers: Vec<(&'static LayerRow, Options)>,
        scene: Surroundings,
    ) -> Result<Self> {
        let mut coats = Vec::new();
        for (row, options) in layers {
            let make = row.make.ok_or_else(|| not_built_in("layer", &row.spec))?;
            let mut layer = make(&options)?;
            layer.prepare(&scene)?;
            coats.push(Coat { row, options, layer });
        }
        Ok(Stack { coats: coats.into(), scene: Arc::new(scene) })
    }

    /// No layers at all.
    pub(super) fn bare(bus: &Bus) -> Self {
        let scene = Surroundings { bus: bus.clone(), ..Surroundings::alone(Role::Server) };
        Stack { coats: Arc::new([]), scene: Arc::new(scene) }
    }

    pub(super) fn is_bare(&self) -> bool {
        self.coats.is_empty()
    }

    /// The settings that a client gives to each layer, where they are not the same as here.
    pub(super) fn dialled(&self) -> impl Iterator<Item = Option<Vec<String>>> {
        self.coats.iter().map(|coat| coat.layer.dialled())
    }

    /// The certificate of our own that who dials must trust, where a layer made one.
    pub(super) fn vouched_by(&self) -> Option<PathBuf> {
        self.coats.iter().find_map(|coat| coat.layer.vouched_by())
    }

    /// Whether one of its layers may give back a conn on which the other stack's layers can go on.
    pub(super) fn may_leave_to(&self, other: &Stack) -> bool {
        let declining = self.coats.iter().rev().enumerate();
        let mut declining = declining.filter(|(_, coat)| coat.row.may_decline);
        declining.any(|(on, _)| self.shares(on, other))
    }

    /// Whether the lowest `on` layers of both stacks are the same.
    pub(super) fn shares(&self, on: usize, other: &Stack) -> bool {
        let lowest = |stack: &Stack| stack.coats.len().checked_sub(on);
        let (Some(mine), Some(theirs)) = (lowest(self), lowest(other)) else { return false };
        let pairs = self.coats[mine..].iter().zip(&other.coats[theirs..]);
        pairs
            .into_iter()
            .all(|(one, two)| std::ptr::eq(one.row, two.row) && one.options == two.options)
    }

    /// Wraps a conn in all the layers. `None`: a layer answered by itself and kept the conn.
    pub(super) async fn dress(&self, conn: Conn, deadline: Duration) -> Result<Option<Conn>> {
        let dressing = async {
            match self.wrap(conn, 0).await? {
                Dressing::Conn(conn) => Ok(Some(conn)),
                Dressing::Answered => Ok(None),
                Dressing::Declined(_) => Err(declined()),
            }
        };
        within(deadline, dressing).await
    }

    /// Wraps a conn in the layers above those that it has on.
    pub(super) async fn wrap(&self, mut conn: Conn, on: usize) -> Result<Dressing> {
        for (at, coat) in self.coats.iter().rev().enumerate().skip(on) {
            match coat.layer.wrap(&self.scene, conn).await? {
                Dressed::Conn(wrapped) => conn = wrapped,
                Dressed::Answered => return Ok(Dressing::Answered),
                Dressed::Declined(conn) => {
                    return Ok(Dressing::Declined(Declined { conn, on: at }));
                }
            }
        }
        Ok(Dressing::Conn(conn))
    }
}

/// Does handshakes under their deadline.
pub(super) async fn within<T>(
    deadline: Duration,
    handshakes: impl Future<Output = Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(deadline, handshakes).await {
        Ok(done) => done,
        Err(_) => Err(late(deadline)),
    }
}

/// The error of a conn that nobody here takes.
pub(super) fn declined() -> Error {
    Error::new(Kind::BadFrame, "what came is for none of the layers here")
        .why("each of them looked at the first bytes and declined")
}

/// The error of a handshake that ran out of its time.
pub(super) fn late(deadline: Duration) -> Error {
    Error::limit("handshake", format!("the handshake was not done within {deadline:?}"))
        .with_kind(Kind::TimedOut)
        .why("the peer may be speaking something else, and waiting as we are")
        .hint_option("timeout", "60s", "to wait longer")
}

/// The error of a word that is listed and not there.
pub(super) fn not_built_in(what: &str, spec: &Spec) -> Error {
    let text = format!("the {what} {} is not part of this build of hobnob", spec.name);
    Error::new(Kind::NotBuiltIn, text).hint_topic("addresses", "what is")
}
