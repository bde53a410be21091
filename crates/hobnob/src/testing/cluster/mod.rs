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

mod judge;
mod naming;
mod servers;
mod world;

pub use judge::TrialReport;
pub use naming::{NamingReport, NamingTrial};
pub use world::ClusterTrial;
