//! The tutorials' greeting server: `Welcome!`, then `Hello, NAME!` for each name, until `exit`.

use std::time::Duration;

use super::{Ask, Door, Made, Reply, Responder, ServiceRow, Whence};
use crate::codec::template::Template;
use crate::spec::{OptionSpec, Options, Shape, Spec, ValueKind};

/// The row of the table.
pub(crate) static ROW: ServiceRow = ServiceRow {
    spec: &Spec {
        name: "hello",
        summary: "Welcome!  ->  Hello, NAME!  until exit",
        options: &[
            OptionSpec {
                name: "greeting",
                kind: ValueKind::Escaped,
                default: "Welcome!",
                help: "what it says first; nothing on datagrams, where nobody arrives",
            },
            OptionSpec {
                name: "reply",
                kind: ValueKind::Escaped,
                default: "Hello, {}!",
                help: "its answer to a message, which goes in place of each {}",
            },
            OptionSpec {
                name: "exit",
                kind: ValueKind::Escaped,
                default: "exit",
                help: "the message that ends the session; none on datagrams, where nobody leaves",
            },
            OptionSpec {
                name: "delay",
                kind: ValueKind::Duration,
                default: "",
                help: "how long each answer is held back, as in 200ms or 1s",
            },
        ],
        examples: &[
            "hobnob serve hello",
            "hobnob serve hello udp://:9999",
            "hobnob serve hello --reply 'Good day, {}.' --exit bye --delay 1s",
        ],
        is_built_in: true,
    },
    doors: &[Door::only(9000, &[Shape::Bytes, Shape::Packets])],
    is_loud: false,
    make: Some(|options| Ok(Made::Responder(Box::new(Hello::new(options))))),
};

struct Hello {
    greeting: Box<[u8]>,
    reply: Template,
    /// The word that ends a session; empty: there is none.
    exit: Box<[u8]>,
    /// The detail of the end of a session whose peer said the exit word.
    farewell: String,
    delay: Option<Duration>,
}

impl Hello {
    fn new(options: &Options) -> Self {
        let exit = options.bytes("exit").unwrap_or_default();
        Hello {
            greeting: options.bytes("greeting").unwrap_or_default().into(),
            reply: Template::new(options.bytes("reply").unwrap_or_default()),
            exit: exit.into(),
            farewell: format!("said {}", String::from_utf8_lossy(exit)),
            delay: options.duration("delay").filter(|delay| !delay.is_zero()),
        }
    }

    fn is_exit(&self, ask: &Ask<'_>) -> bool {
        ask.scene.has_opening && !self.exit.is_empty() && *ask.message == *self.exit
    }
}

impl Responder for Hello {
    fn greet(&self, _scene: &Whence<'_>, out: &mut Reply) {
        if !self.greeting.is_empty() {
            out.push(&self.greeting);
        }
    }

    fn answer(&self, ask: &Ask<'_>, out: &mut Reply) {
        if self.is_exit(ask) {
            out.bye(&self.farewell);
            return;
        }
        self.reply.fill(ask.message, |part| out.push(part));
        if let Some(delay) = self.delay {
            out.hold(delay);
        }
    }

    fn says_lines(&self) -> bool {
        let greeting = self.greeting.strip_suffix(b"\n").unwrap_or(&self.greeting);
        !greeting.contains(&b'\n') && self.reply.is_one_line()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, greeting, make};
    use super::*;

    #[test]
    fn it_welcomes_greets_and_lets_go() {
        let hello = make(&ROW, &[]);
        assert_eq!(greeting(&*hello).bytes(), b"Welcome!");
        let reply = answer(&*hello, Shape::Bytes, "张三".as_bytes());
        assert_eq!(reply.bytes(), "Hello, 张三!".as_bytes());
        assert_eq!((reply.goodbye(), reply.held()), (None, None));
        let reply = answer(&*hello, Shape::Bytes, b"exit");
        assert_eq!((reply.is_said(), reply.goodbye()), (false, Some("said exit")));
        assert_eq!(answer(&*hello, Shape::Bytes, b"exit ").goodbye(), None);
    }

    #[test]
    fn a_datagram_has_no_exit() {
        let hello = make(&ROW, &[]);
        let reply = answer(&*hello, Shape::Packets, b"exit");
        assert_eq!((reply.bytes(), reply.goodbye()), (&b"Hello, exit!"[..], None));
    }

    #[test]
    fn a_name_that_is_not_utf8_passes_unchanged() {
        let hello = make(&ROW, &[]);
        assert_eq!(answer(&*hello, Shape::Bytes, b"\xFF\xFE").bytes(), b"Hello, \xFF\xFE!");
    }

    #[test]
    fn every_word_can_be_chosen() {
        let hello = make(
            &ROW,
            &[("greeting", r"Hi\n"), ("reply", "{}, {}!"), ("exit", "bye"), ("delay", "1s")],
        );
        assert_eq!(greeting(&*hello).bytes(), b"Hi\n");
        let reply = answer(&*hello, Shape::Bytes, b"exit");
        assert_eq!(
            (reply.bytes(), reply.held()),
            (&b"exit, exit!"[..], Some(Duration::from_secs(1)))
        );
        assert_eq!(answer(&*hello, Shape::Bytes, b"bye").goodbye(), Some("said bye"));
    }

    #[test]
    fn empty_words_switch_off() {
        let hello = make(&ROW, &[("greeting", ""), ("exit", ""), ("delay", "0s")]);
        assert!(!greeting(&*hello).is_said());
        let reply = answer(&*hello, Shape::Bytes, b"");
        assert_eq!((reply.bytes(), reply.goodbye(), reply.held()), (&b"Hello, !"[..], None, None));
    }
}
