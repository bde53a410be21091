//! hobnob and the programs of others, as they are: Python by hand, nc, ncat, socat, telnet, curl, nginx, wrk, h11,
//! scapy.
#![allow(clippy::disallowed_methods, reason = "a test finds its peers through the environment")]

mod calls;
mod chat;
mod clients;
#[cfg(feature = "nats")]
mod clusters;
mod explained;
mod framing;
#[cfg(all(feature = "http", feature = "tls"))]
mod get;
mod http;
#[cfg(feature = "mail")]
mod mail;
#[cfg(all(feature = "mail", feature = "tls"))]
mod mailing;
#[path = "../cli/kit/namespace.rs"]
mod namespace;
mod packets;
#[cfg(feature = "tls")]
#[expect(dead_code, reason = "nobody here asks for the development CA's settings")]
#[path = "../../../hobnob/tests/it/tls/papers.rs"]
mod papers;
mod peer;
mod phrases;
mod pings;
#[path = "../../../hobnob/tests/it/ports.rs"]
mod ports;
#[path = "../../../hobnob/tests/it/queues.rs"]
mod queues;
mod relay;
#[cfg(feature = "nats")]
mod rooms;
#[cfg(feature = "nats")]
#[path = "../cli/kit/schema.rs"]
mod schema;
mod scripts;
mod servers;
mod sniff;
#[cfg(feature = "tls")]
mod tls;
