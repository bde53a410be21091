//! Formats: bytes in, meaning out. No socket, no clock.

#[cfg(feature = "mail")]
mod dots;
#[cfg(feature = "mail")]
pub mod findings;
pub(crate) mod float;
pub mod hidden;
pub mod http;
pub mod icmp;
#[cfg(feature = "mail")]
pub mod imap;
pub mod ip;
#[cfg(any(feature = "mail", feature = "nats"))]
pub mod json;
#[cfg(feature = "mail")]
mod line;
#[cfg(feature = "mail")]
pub mod mime;
pub(crate) mod pattern;
#[cfg(feature = "mail")]
pub mod pop3;
#[cfg(feature = "mail")]
pub mod sasl;
#[cfg(feature = "mail")]
pub mod smtp;
pub(crate) mod template;
pub mod text;
#[cfg(feature = "mail")]
pub mod upgrade;
