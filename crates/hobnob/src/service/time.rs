//! Tells the time, then ends.

use super::{Ask, Door, Framing, Made, Reply, Responder, ServiceRow, Whence};
use crate::clock::{Clock, rfc3339};
use crate::spec::{Shape, Spec};

/// The row of the table.
pub(crate) static ROW: ServiceRow = ServiceRow {
    spec: &Spec {
        name: "time",
        summary: "the time, then goodbye",
        options: &[],
        examples: &["hobnob serve time", "hobnob serve time udp://:9000"],
        is_built_in: true,
    },
    doors: &[Door::only(9000, &[Shape::Bytes, Shape::Packets])],
    is_loud: false,
    make: Some(|_| Ok(Made::Responder(Box::new(Time)))),
};

struct Time;

impl Responder for Time {
    fn framing(&self) -> Framing {
        Framing::Raw
    }

    fn greet(&self, scene: &Whence<'_>, out: &mut Reply) {
        tell(scene.clock, out);
        out.bye("was told the time");
    }

    fn answer(&self, ask: &Ask<'_>, out: &mut Reply) {
        // Where there was a greeting, the time is told already.
        if !ask.scene.has_opening {
            tell(ask.scene.clock, out);
        }
    }
}

/// UTC to the second, with a newline: `2026-11-21T14:02:09Z`. The same on every machine, and read by every
/// language's date parser.
fn tell(clock: Clock, out: &mut Reply) {
    let now = rfc3339(clock.wall());
    let (seconds, _) = now.split_once('.').unwrap_or((&now, ""));
    out.push(seconds.as_bytes());
    out.push(b"Z\n");
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, greeting, make};
    use super::*;

    fn assert_is_time(said: &[u8]) {
        let pattern = b"0000-00-00T00:00:00Z\n";
        assert_eq!(said.len(), pattern.len());
        for (said, pattern) in said.iter().zip(pattern) {
            assert!(said == pattern || (*pattern == b'0' && said.is_ascii_digit()));
        }
    }

    #[test]
    fn it_tells_the_time_and_ends() {
        let time = make(&ROW, &[]);
        let reply = greeting(&*time);
        assert_is_time(reply.bytes());
        assert!(reply.goodbye().is_some());
        assert!(!answer(&*time, Shape::Bytes, b"what").is_said());
    }

    #[test]
    fn any_datagram_gets_the_time() {
        let time = make(&ROW, &[]);
        let reply = answer(&*time, Shape::Packets, b"");
        assert_is_time(reply.bytes());
        assert_eq!(reply.goodbye(), None);
    }
}
