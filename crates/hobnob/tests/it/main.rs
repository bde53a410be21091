//! The library's integration tests: one binary, a module per question.

mod absurd;
mod architecture;
#[cfg(feature = "mail")]
mod burdens;
mod calls;
mod cases;
mod chat;
#[cfg(feature = "nats")]
mod cluster;
mod conformance;
mod crew;
mod drain;
mod examples;
mod exchange;
mod faults;
mod goodbyes;
mod grid;
mod groups;
mod guests;
#[cfg(feature = "http")]
mod http;
mod icmp;
#[cfg(feature = "mail")]
mod imap;
#[cfg(all(feature = "mail", feature = "http"))]
mod inbox;
mod inside;
mod kernel;
#[cfg(feature = "mail")]
mod killed;
mod limits;
mod load;
#[cfg(feature = "mail")]
mod mail;
mod models;
mod multihomed;
mod parity;
mod ping;
mod places;
mod plans;
mod ports;
#[cfg(feature = "mail")]
mod post;
mod powers;
mod queues;
mod raw;
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
