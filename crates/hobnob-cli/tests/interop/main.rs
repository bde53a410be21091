//! hobnob and the programs of others, as they are: Python by hand, nc, ncat, socat, telnet.
#![allow(clippy::disallowed_methods, reason = "a test finds its peers through the environment")]

mod chat;
mod clients;
mod http;
mod peer;
mod relay;
mod scripts;
mod servers;
mod tls;
