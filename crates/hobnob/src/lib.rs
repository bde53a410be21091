//! hobnob: a workbench for sockets.

pub mod address;
pub mod bus;
pub mod chunk;
pub mod clock;
pub mod codec;
pub mod conn;
pub mod endpoint;
pub mod engine;
pub mod error;
pub mod event;
pub mod layer;
pub mod service;
pub mod session;
pub mod socket;
pub mod spec;
mod sys;
pub mod testing;
pub mod transport;

pub use engine::serve;
pub use error::{Error, Result};
