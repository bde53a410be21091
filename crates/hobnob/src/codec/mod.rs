//! Formats: bytes in, meaning out. No socket, no clock.

pub(crate) mod float;
pub mod hidden;
pub mod http;
pub mod icmp;
pub mod ip;
pub(crate) mod pattern;
pub(crate) mod template;
pub mod text;
