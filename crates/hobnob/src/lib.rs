//! hobnob: a workbench for sockets.

pub mod endpoint;
pub mod error;
pub mod spec;
