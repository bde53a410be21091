//! hobnob: a workbench for sockets. An endpoint opens into a listener or a conn; layers dress the conn; a session
//! holds it; a service answers it; a tap watches it.
//!
//! ```
//! let running = hobnob::serve("hello", "memory:greeter")?; // or ":9000", "udp://:9999", "/tmp/x.sock"
//! println!("{}", running.bound()[0].address);
//! running.drain();
//! running.wait();
//! # Ok::<(), hobnob::Error>(())
//! ```
//!
//! And the other side of the web: one request, and its answer whole.
//!
//! ```no_run
//! let answer = hobnob::get("https://example.com/")?;
//! println!("{}\n{}", answer.head.status, String::from_utf8_lossy(&answer.body));
//! # Ok::<(), hobnob::Error>(())
//! ```
//!
//! | floor | modules |
//! |---|---|
//! | pure | [`error`], [`spec`], [`address`], [`endpoint`], [`chunk`], [`event`], [`codec`], [`fault`] |
//! | the one door to the kernel | [`socket`], over `sys` |
//! | standard streams that wait, files up to a bound, threads | [`streams`], [`files`], [`thread`] |
//! | the folders of our own, and letters in them | [`home`], [`store`] |
//! | the seam | [`conn`], [`bus`], [`clock`], [`session`] |
//! | what nodes of one room tell each other | [`cluster`] |
//! | the shelves: a contract and a table each | [`transport`], [`layer`], [`service`] |
//! | where the tables meet | [`engine`] |
//! | on the engine: one request and its answer; round trips | [`exchange`], [`ping`] |
//! | rounds by many at once; how long rounds took | [`load`], [`latencies`] |
//! | letters sent and fetched; what catches mail | [`post`], [`mail`] |
//! | packets of an interface or a file | [`capture`] |
//! | for who writes a transport | [`testing`] |
//!
//! Imports go downward only. For the calls of a socket tutorial begin at [`socket::Socket`]; to serve, at
//! [`Server`]; to dial, at [`Dialer`]. The folder `examples` has a service and a transport of one's own, and a server
//! inside a test.

pub mod address;
pub mod bus;
pub mod capture;
pub mod chunk;
pub mod clock;
#[cfg(feature = "nats")]
pub mod cluster;
pub mod codec;
pub mod conn;
#[cfg(feature = "tls")]
mod crypto;
pub mod endpoint;
pub mod engine;
pub mod error;
pub mod event;
pub mod exchange;
pub mod fault;
pub mod files;
pub mod home;
#[cfg(feature = "http")]
mod httpd;
pub mod latencies;
pub mod layer;
pub mod load;
#[cfg(feature = "mail")]
pub mod mail;
pub mod ping;
#[cfg(feature = "mail")]
pub mod post;
pub mod service;
pub mod session;
pub mod socket;
pub mod spec;
#[cfg(feature = "mail")]
pub mod store;
pub mod streams;
mod sys;
pub mod testing;
pub mod thread;
pub mod transport;

pub use engine::{Dialer, Server, relay, serve};
pub use error::{Error, Result};
pub use exchange::get;
pub use service::{Responder, Service};
