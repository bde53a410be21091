//! Formats: bytes in, meaning out. No socket, no clock.

pub mod float;
pub mod hidden;
pub mod http;
pub mod template;
pub mod text;
