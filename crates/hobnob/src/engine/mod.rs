//! The engine: the only place where the tables meet.
//!
//! ```no_run
//! let running = hobnob::serve("hello", ":9000")?;
//! println!("{:?}", running.bound());
//! running.wait();
//! # Ok::<(), hobnob::Error>(())
//! ```

mod anteroom;
mod backlog;
mod batch;
mod bound;
mod control;
mod dial;
mod door;
mod ending;
mod entrances;
mod fit;
mod house;
mod kept;
mod ledger;
mod life;
mod limits;
mod model;
mod plan;
mod powers;
mod presence;
mod redial;
mod respond;
mod running;
mod seats;
mod serve;
mod server;
mod shards;
mod shutter;
mod stack;
mod sweep;
mod target;
mod trouble;
mod workshop;

pub use crate::codec::text::Cutting;
use crate::error::Result;
use crate::{layer, service, transport};

pub use bound::Bound;
pub use control::{Control, SessionState};
pub use dial::{Dialed, Dialer, LaterLayer, Pump, Route, Waiting};
pub use house::Summary;
pub use limits::{Limits, Network};
pub use model::Model;
pub use plan::{DOOR_OPTIONS, Resolved, grammar, insecure, parse, resolve};
pub use running::{Running, Stop};
pub use server::Server;
pub use shards::Crew;

/// Every service of this build, and those to come.
pub fn services() -> &'static [&'static service::ServiceRow] {
    service::TABLE
}

/// Every layer of this build, and those to come.
pub fn layers() -> &'static [&'static layer::LayerRow] {
    layer::TABLE
}

/// Every transport of this build, and those to come.
pub fn transports() -> &'static [&'static transport::TransportRow] {
    transport::TABLE
}

/// Serves a service on an endpoint until it is stopped: the one-line form of [`Server`].
pub fn serve(service: &str, endpoint: &str) -> Result<Running> {
    Server::new(service)?.at(endpoint)?.start()
}

/// Passes on from one endpoint to another, under faults that [`Running::faults`] turns on, changes and counts.
pub fn relay(listen: &str, to: &str) -> Result<Running> {
    Server::new(service::relay::ROW.spec.name)?.set("to", Some(to))?.at(listen)?.start()
}
