//! Applies an endpoint's layers in order, wire first, on the session's own task and under its deadline.

use std::sync::Arc;
use std::time::Duration;

use crate::bus::Bus;
use crate::conn::Conn;
use crate::error::{Error, Kind, Result};
use crate::layer::{Layer, Role, Scene};

/// The layers of one endpoint, application first; shared by its sessions.
#[derive(Clone)]
pub(super) struct Stack {
    layers: Arc<[Box<dyn Layer>]>,
    scene: Arc<Scene>,
}

impl Stack {
    /// Layers that have read all that they need.
    pub(super) fn prepare(mut layers: Vec<Box<dyn Layer>>, scene: Scene) -> Result<Self> {
        for layer in &mut layers {
            layer.prepare(&scene)?;
        }
        Ok(Stack { layers: layers.into(), scene: Arc::new(scene) })
    }

    /// No layers at all.
    pub(super) fn bare(bus: &Bus) -> Self {
        let scene = Scene { bus: bus.clone(), ..Scene::alone(Role::Server) };
        Stack { layers: Arc::new([]), scene: Arc::new(scene) }
    }

    pub(super) fn is_bare(&self) -> bool {
        self.layers.is_empty()
    }

    /// What who dials says to each layer, where it is not the same as here.
    pub(super) fn dialled(&self) -> impl Iterator<Item = Option<Vec<String>>> {
        self.layers.iter().map(|layer| layer.dialled())
    }

    /// Wraps a conn in all the layers. `None`: a layer answered by itself and kept the conn.
    pub(super) async fn dress(&self, conn: Conn, deadline: Duration) -> Result<Option<Conn>> {
        match tokio::time::timeout(deadline, self.wrap(conn)).await {
            Ok(dressed) => dressed,
            Err(_) => Err(late(deadline)),
        }
    }

    async fn wrap(&self, mut conn: Conn) -> Result<Option<Conn>> {
        for layer in self.layers.iter().rev() {
            match layer.wrap(&self.scene, conn).await? {
                Some(wrapped) => conn = wrapped,
                None => return Ok(None),
            }
        }
        Ok(Some(conn))
    }
}

/// The error of a handshake that ran out of its time.
pub(super) fn late(deadline: Duration) -> Error {
    Error::limit("handshake", format!("the handshake was not done within {deadline:?}"))
        .with_kind(Kind::TimedOut)
        .why("the peer may be speaking something else, and waiting as we are")
        .hint_option("timeout", "60s", "to wait longer")
}
