//! The tutorials' first HTTP server: one fixed answer to whatever comes first, then the end.

use super::{Ask, Door, Framing, Made, Reply, Responder, ServiceRow};
use crate::spec::{OptionSpec, Options, Shape, Spec, ValueKind};

/// The row of the table.
pub(crate) static ROW: ServiceRow = ServiceRow {
    spec: &Spec {
        name: "reply",
        summary: "one fixed answer to whatever comes, then end",
        options: &[OptionSpec {
            name: "reply",
            kind: ValueKind::Escaped,
            default: concat!(
                r"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n",
                r"Content-Length: 14\r\nConnection: close\r\n\r\nHello, world!\n"
            ),
            help: r"the answer, byte for byte; \r \n \t \xHH name bytes",
        }],
        examples: &[
            "hobnob serve reply",
            r"hobnob serve reply --reply 'Come back later.\r\n' :2323",
        ],
        is_built_in: true,
    },
    doors: &[Door::only(9000, &[Shape::Bytes, Shape::Packets])],
    is_loud: false,
    make: Some(|options| Ok(Made::Responder(Box::new(Fixed::new(options))))),
};

struct Fixed {
    answer: Box<[u8]>,
}

impl Fixed {
    fn new(options: &Options) -> Self {
        Fixed { answer: options.bytes("reply").unwrap_or_default().into() }
    }
}

impl Responder for Fixed {
    fn framing(&self) -> Framing {
        Framing::Raw
    }

    fn answer(&self, ask: &Ask<'_>, out: &mut Reply) {
        out.push(&self.answer);
        // The peer of a datagram may ask again, so nothing ends.
        if ask.scene.has_opening {
            out.bye("was answered");
        }
    }

    fn says_lines(&self) -> bool {
        !self.answer.contains(&b'\n')
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, make};
    use super::*;

    #[test]
    fn whatever_comes_gets_the_answer_and_the_end() {
        let reply = make(&ROW, &[("reply", r"no\r\n{}\x00")]);
        let said = answer(&*reply, Shape::Bytes, b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(said.bytes(), b"no\r\n{}\0");
        assert!(said.goodbye().is_some());
        assert_eq!(answer(&*reply, Shape::Packets, b"").goodbye(), None);
    }

    #[test]
    fn the_default_is_a_page_that_says_its_length() {
        let reply = make(&ROW, &[]);
        let said = answer(&*reply, Shape::Bytes, b"x");
        let text = std::str::from_utf8(said.bytes()).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
    }
}
