//! For who writes a transport: what every channel promises, as checks that run on any medium.
//!
//! The kit knows only how to make a connected pair and a clogged one; the checks know only [`Channel`].
//!
//! ```no_run
//! # async fn check() -> hobnob::Result<()> {
//! use hobnob::testing::{Medium, promise};
//! let tcp = Medium::new(|| "tcp://127.0.0.1:0".to_owned())?;
//! promise::half_close(&tcp).await;
//! # Ok(())
//! # }
//! ```
//!
//! [`Channel`]: crate::conn::Channel

#[cfg(feature = "nats")]
pub mod cluster;
mod medium;
pub mod promise;

pub use medium::{Medium, Pair};
