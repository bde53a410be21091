//! The tutorials' acknowledging server: a welcome line, then `OK...` before whatever came.

use super::{Ask, Door, Made, Reply, Responder, ServiceRow, Whence};
use crate::codec::template::Template;
use crate::spec::{OptionSpec, Options, Shape, Spec, ValueKind};

/// The row of the table.
pub(crate) static ROW: ServiceRow = ServiceRow {
    spec: &Spec {
        name: "ok",
        summary: "OK...WHAT YOU SENT, after a welcome line",
        options: &[
            OptionSpec {
                name: "greeting",
                kind: ValueKind::Escaped,
                default: r"Welcome to the server. Type something and hit enter\n",
                help: "what it says first; nothing on datagrams, where nobody arrives",
            },
            OptionSpec {
                name: "reply",
                kind: ValueKind::Escaped,
                default: "OK...{}",
                help: "its answer to a message, which goes in place of each {}",
            },
        ],
        examples: &["hobnob serve ok", "hobnob serve ok --framing chunks --recv 1024"],
        is_built_in: true,
    },
    doors: &[Door::only(9000, &[Shape::Bytes, Shape::Packets])],
    is_loud: false,
    make: Some(|options| Ok(Made::Responder(Box::new(Acknowledge::new(options))))),
};

struct Acknowledge {
    greeting: Box<[u8]>,
    reply: Template,
}

impl Acknowledge {
    fn new(options: &Options) -> Self {
        Acknowledge {
            greeting: options.bytes("greeting").unwrap_or_default().into(),
            reply: Template::new(options.bytes("reply").unwrap_or_default()),
        }
    }
}

impl Responder for Acknowledge {
    fn greet(&self, _scene: &Whence<'_>, out: &mut Reply) {
        if !self.greeting.is_empty() {
            out.push(&self.greeting);
        }
    }

    fn answer(&self, ask: &Ask<'_>, out: &mut Reply) {
        self.reply.fill(ask.message, |part| out.push(part));
    }

    fn says_lines(&self) -> bool {
        let greeting = self.greeting.strip_suffix(b"\n").unwrap_or(&self.greeting);
        !greeting.contains(&b'\n') && self.reply.is_one_line()
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::super::tests::{answer, greeting, make};
    use super::*;
    use crate::codec::text::{Cutter, LINE_CAP, Rule};

    #[test]
    fn it_welcomes_and_acknowledges() {
        let ok = make(&ROW, &[]);
        assert_eq!(
            greeting(&*ok).bytes(),
            b"Welcome to the server. Type something and hit enter\n"
        );
        assert_eq!(answer(&*ok, Shape::Bytes, b"\xFFabc").bytes(), b"OK...\xFFabc");
        assert_eq!(answer(&*ok, Shape::Packets, b"").bytes(), b"OK...");
    }

    #[test]
    fn three_thousand_bytes_by_recv_1024_are_three_messages() {
        let ok = make(&ROW, &[]);
        let mut said = Vec::new();
        let mut cutter = Cutter::new(Rule::Chunks { recv: 1_024 }, LINE_CAP);
        let fed = cutter.feed(&[b'x'; 3_000], |message| {
            said.push(answer(&*ok, Shape::Bytes, message.body).bytes().to_vec());
            ControlFlow::Continue(())
        });
        assert_eq!(fed, Ok(3_000));
        assert_eq!(said.len(), 3);
        assert!(said.iter().all(|answer| answer.starts_with(b"OK...x")));
    }
}
