//! What a session may ask of the engine.

use std::sync::{Arc, Mutex, PoisonError};

use crate::codec::text::Cutting;
use crate::conn::{Boxed, Conn, Facts};
use crate::engine::dial::Dialer;
use crate::engine::kept::Kept;
use crate::engine::plan::{self, Ready};
use crate::engine::stack::Stack;
use crate::engine::target::Targets;
use crate::error::{Error, Kind};
use crate::layer::{self, Role};
use crate::session::Powers;

/// What a session may ask of the engine.
pub(super) struct EnginePowers {
    pub dialer: Dialer,
    pub targets: Targets,
    /// Why the last who could not be dialled was not, for a session or to be one.
    pub undialled: Arc<Mutex<Option<Error>>>,
    cutting: Cutting,
    /// What sessions were dressed in before.
    layers: Kept<Stack>,
}

impl EnginePowers {
    pub(super) fn new(dialer: Dialer, targets: Vec<(String, Ready)>, cutting: Cutting) -> Self {
        EnginePowers {
            targets: Targets::new(dialer.clone(), targets),
            dialer,
            undialled: Arc::default(),
            cutting,
            layers: Kept::default(),
        }
    }
}

/// The last word counts: who ends it is who failed last.
pub(super) fn note(undialled: &Mutex<Option<Error>>, error: &Error) {
    *undialled.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
}

impl Powers for EnginePowers {
    fn dial<'a>(&'a self, to: &'a str, asker: &'a Facts) -> Boxed<'a, Conn> {
        Box::pin(async move {
            let dialled = self.targets.dial(to, asker).await;
            dialled.inspect_err(|error| note(&self.undialled, error))
        })
    }

    fn cutting(&self) -> Cutting {
        self.cutting
    }

    fn dress<'a>(&'a self, name: &'a str, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            let stack = self.layers.get(name, || {
                let bus = self.dialer.bus().clone();
                let scene = layer::Scene { bus, ..layer::Scene::alone(Role::Server) };
                Stack::prepare(vec![plan::layer(name)?], scene)
            })?;
            let dressed = stack.dress(conn.take(), self.dialer.scene.timeout).await?;
            *conn = dressed
                .ok_or_else(|| Error::new(Kind::ConnectionBroken, "the layer kept the conn"))?;
            Ok(())
        })
    }
}
