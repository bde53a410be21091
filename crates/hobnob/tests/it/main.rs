//! The library's integration tests: one binary, a module per question.

mod absurd;
mod architecture;
mod cases;
mod chat;
mod conformance;
mod crew;
mod drain;
mod examples;
mod exchange;
mod faults;
mod goodbyes;
mod grid;
mod guests;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "mail")]
mod imap;
mod inside;
mod kernel;
mod limits;
#[cfg(feature = "mail")]
mod mail;
mod multihomed;
mod parity;
mod places;
mod plans;
mod ports;
mod powers;
mod relay;
mod scale;
mod stage;
mod steering;
mod stops;
#[cfg(feature = "mail")]
mod store;
mod strangers;
mod stuck;
mod tables;
#[cfg(feature = "tls")]
mod tls;
mod users;
mod wording;
