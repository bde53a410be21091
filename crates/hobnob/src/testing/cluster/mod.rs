//! A room over many nodes on a link that is worse than any network, and a judge who has seen everything.
//!
//! A [`ClusterTrial`] runs some nodes against servers that lose, double, delay, reorder, go back, forget, and ack late; the
//! time is made up, and one seed gives one course. What members were shown is judged at the end: [`TrialReport`].
//!
//! ```
//! use hobnob::testing::cluster::ClusterTrial;
//! let report = ClusterTrial::of(7).run();
//! assert!(report.said > 0 && report.is_clean(), "{report:?}");
//! ```
//!
//! A [`NamingTrial`] does the same to the names of members, of which each is to have one owner.
//!
//! A [`FakeHub`] stands in for the servers of a room: nodes that an engine serves link to it by wires of their own, and
//! share the room with no server of NATS.
//!
//! ```
//! use hobnob::spec::Shape;
//! use hobnob::testing::cluster::FakeHub;
//! # fn main() -> hobnob::Result<()> {
//! let hub = FakeHub::default();
//! for node in ["kite", "lark"] {
//!     let room = hub.wire().node(&[("node", node)])?;
//!     let running = hobnob::Server::of(room, &[Shape::Bytes]).at("127.0.0.1:0")?.start()?;
//!     # drop(running);
//! }
//! # Ok(())
//! # }
//! ```

mod hub;
mod judge;
mod naming;
mod servers;
mod world;

pub use hub::{FakeHub, FakeWire};
pub use judge::TrialReport;
pub use naming::{NamingReport, NamingTrial};
pub use world::ClusterTrial;
