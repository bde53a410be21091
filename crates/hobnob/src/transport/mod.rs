//! Transports: how one kind of medium is bound and connected.
//!
//! To add one: a file here with a `TransportRow`, a `mod` line and a line in [`TABLE`]. Nothing else.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> hobnob::Result<()> {
//! use hobnob::{Dialer, engine::parse};
//! for at in ["tcp://127.0.0.1:0", "unix:@hobnob-example-of-transports", "memory:letters"] {
//!     let running = hobnob::serve("echo", at)?;
//!     let bound = &running.bound()[0];
//!     let at = if bound.transport == "tcp" { bound.address.to_string() } else { at.to_owned() };
//!     let mut conn = Dialer::default().dial(&parse(&at)?).await?.conn;
//!     conn.send(b"hi").await?;
//!     assert_eq!(conn.recv(&mut [0; 8]).await?, Some(2));
//! }
//! # Ok(())
//! # }
//! ```

mod contract;
mod hops;
mod icmp;
mod memory;
mod place;
mod raw;
pub mod stdio;
mod tcp;
mod terms;
mod twin;
mod udp;
mod unix;

pub use contract::{Transport, TransportRow};
pub(crate) use hops::{
    name_behind, relays_behind, relays_behind_packet, relays_named, relays_of_dial,
    send_relays_along,
};
pub use place::{Place, SOURCE};
pub use terms::{Own, Terms};
pub use twin::{Twin, over_ip, over_path};

use crate::endpoint::Form;
use crate::spec::{Shape, Spec};

/// Every transport, in the order of the reference page.
pub static TABLE: &[&TransportRow] = &[
    &tcp::ROW,
    &udp::ROW,
    &icmp::ROW,
    &raw::ROW,
    &unix::STREAM,
    &unix::DATAGRAM,
    &unix::SEQPACKET,
    &stdio::ROW,
    &memory::ROW,
    &later(
        &Spec { summary: "streams over UDP, encrypted", ..coming("quic") },
        Form::HostPort,
        Shape::Bytes,
    ),
    &later(
        &Spec { summary: "a program, one process a session", ..coming("exec") },
        Form::Command,
        Shape::Bytes,
    ),
    &later(
        &Spec { summary: "a program on a terminal", ..coming("pty") },
        Form::Command,
        Shape::Bytes,
    ),
    &later(&Spec { summary: "a descriptor handed in", ..coming("fd") }, Form::Number, Shape::Bytes),
    &later(&Spec { summary: "a file", ..coming("file") }, Form::Path, Shape::Bytes),
];

/// A row that is not built in.
const fn later(spec: &'static Spec, form: Form, shape: Shape) -> TransportRow {
    TransportRow {
        spec,
        form,
        shape,
        socket: None,
        has_opening: true,
        transport: None,
        twins: |_| Vec::new(),
    }
}

const fn coming(name: &'static str) -> Spec {
    Spec { name, summary: "", options: &[], examples: &[], is_built_in: false }
}
