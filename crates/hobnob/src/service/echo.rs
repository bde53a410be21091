//! Sends back what it gets.

use super::{Ask, Door, Framing, Made, Reply, Responder, ServiceRow};
use crate::spec::{Shape, Spec};

/// The row of the table.
pub(crate) static ROW: ServiceRow = ServiceRow {
    spec: &Spec {
        name: "echo",
        summary: "sends back what it gets",
        options: &[],
        examples: &["hobnob serve echo", "hobnob serve echo udp://:9000 /tmp/echo.sock"],
        is_built_in: true,
    },
    doors: &[Door::only(9000, &[Shape::Bytes, Shape::Packets])],
    is_loud: false,
    make: Some(|_| Ok(Made::Responder(Box::new(Echo)))),
};

struct Echo;

impl Responder for Echo {
    fn framing(&self) -> Framing {
        Framing::Raw
    }

    fn answer(&self, ask: &Ask<'_>, out: &mut Reply) {
        out.push(ask.message);
    }

    fn is_mirror(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, make};
    use super::*;

    #[test]
    fn bytes_come_back_as_they_are() {
        let echo = make(&ROW, &[]);
        assert_eq!(echo.framing(), Framing::Raw);
        assert_eq!(answer(&*echo, Shape::Bytes, b"\xFF\r\n\0").bytes(), b"\xFF\r\n\0");
    }

    /// Case 15: an empty datagram is a message, and so is its answer.
    #[test]
    fn case_15_an_empty_packet_is_answered() {
        let echo = make(&ROW, &[]);
        let reply = answer(&*echo, Shape::Packets, b"");
        assert!(reply.is_said() && reply.bytes().is_empty());
    }
}
