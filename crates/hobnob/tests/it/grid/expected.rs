//! What a service says, where a case has to know it. A service that is not listed here must at least survive.

use hobnob::spec::Shape;

/// How a service talks.
#[derive(Clone, Copy)]
pub(crate) enum Talk {
    /// A greeting where somebody arrives, then an answer to each message.
    Answers { greeting: &'static str, answer: fn(&[u8]) -> Vec<u8> },
    /// The same number of bytes at once, then the end; on plain datagrams in answer to each.
    Tells { length: usize },
    /// One answer that ends with this, then the end.
    Once { ending: &'static str },
    /// One answer that begins with this, then the end: no message of the grid's is one of its own.
    Refuses { beginning: &'static str },
    /// Nothing, ever.
    Silent,
    /// Numbered lines for as long as they are taken.
    Pours,
    /// Nobody has told the tests.
    Unknown,
}

pub(crate) fn talk(service: &str) -> Talk {
    let answers = |greeting, answer| Talk::Answers { greeting, answer };
    match service {
        // Behind a relay stands an echo.
        "echo" | "relay" => answers("", <[u8]>::to_vec),
        "hello" => answers("Welcome!", |name| [b"Hello, ", name, b"!"].concat()),
        "ok" => answers("Welcome to the server. Type something and hit enter\n", |message| {
            [b"OK...", message].concat()
        }),
        "upper" => answers("", |message| match std::str::from_utf8(message) {
            Ok(text) => text.to_uppercase().into_bytes(),
            Err(_) => message.to_ascii_uppercase(),
        }),
        "temp" => {
            answers("", |message| match std::str::from_utf8(message).map(str::parse::<u32>) {
                // Python and Rust write such numbers alike: the shortest that reads as the same.
                Ok(Ok(celsius)) => format!("{:?}", f64::from(celsius) * 1.8 + 32.0).into_bytes(),
                _ => b"I understand 20 (Celsius), 20C and 68F.".to_vec(),
            })
        }
        "time" => Talk::Tells { length: "2026-11-21T14:02:09Z".len() },
        "reply" => Talk::Once { ending: "\r\n\r\nHello, world!\n" },
        // What the grid says is no request, and hears so.
        "http" => Talk::Refuses { beginning: "HTTP/1.1 4" },
        "discard" => Talk::Silent,
        "source" => Talk::Pours,
        _ => Talk::Unknown,
    }
}

impl Talk {
    /// Whether what it says is a matter of what it was asked, so that a peer that only asks must clog it.
    pub(crate) fn can_clog(self) -> bool {
        matches!(self, Talk::Answers { .. } | Talk::Pours)
    }

    /// Whether it ends sessions by itself, asked or not.
    pub(crate) fn ends_at_once(self) -> bool {
        matches!(self, Talk::Tells { .. })
    }

    /// Whether this is what it says to these messages; what it should have said otherwise.
    pub(crate) fn check(
        self,
        shape: Shape,
        has_opening: bool,
        messages: &[&[u8]],
        heard: &[Vec<u8>],
    ) -> Result<(), String> {
        let all = heard.concat();
        let shown = || String::from_utf8_lossy(&all[..all.len().min(300)]).into_owned();
        match self {
            Talk::Answers { greeting, answer } => {
                let mut said: Vec<Vec<u8>> =
                    messages.iter().map(|message| answer(message)).collect();
                match shape {
                    Shape::Bytes => said.iter_mut().for_each(|answer| answer.push(b'\n')),
                    Shape::Packets => {}
                }
                if has_opening && !greeting.is_empty() {
                    let greeting = match shape {
                        Shape::Bytes => greeting,
                        Shape::Packets => greeting.trim_end(),
                    };
                    said.insert(0, greeting.into());
                }
                let is_same = match shape {
                    Shape::Bytes => said.concat() == all,
                    Shape::Packets => said == heard,
                };
                if is_same { Ok(()) } else { Err(format!("not {said:?} but {}", shown())) }
            }
            Talk::Tells { length } => {
                let times = if has_opening { 1 } else { messages.len() };
                // A packet has its own border, so the newline may be missing.
                let told: usize = heard.iter().map(|part| part.trim_ascii_end().len()).sum();
                if told == times * length { Ok(()) } else { Err(shown()) }
            }
            Talk::Once { ending } => {
                let is_due = !messages.is_empty();
                let is_said = all.ends_with(ending.as_bytes());
                if is_due == is_said && is_said != all.is_empty() { Ok(()) } else { Err(shown()) }
            }
            Talk::Refuses { beginning } => {
                let is_due = messages.iter().any(|message| !message.is_empty());
                let is_said = all.starts_with(beginning.as_bytes());
                if is_due == is_said && is_said != all.is_empty() { Ok(()) } else { Err(shown()) }
            }
            Talk::Silent => {
                if all.is_empty() {
                    Ok(())
                } else {
                    Err(shown())
                }
            }
            Talk::Pours => check_lines(&all),
            Talk::Unknown => Ok(()),
        }
    }

    /// Whether this packet is what it says to this one, once it has greeted.
    pub(crate) fn check_one(self, message: &[u8], heard: &[u8]) -> Result<(), String> {
        match self {
            Talk::Answers { answer, .. } if answer(message) == heard => Ok(()),
            _ => self.check(Shape::Packets, false, &[message], &[heard.to_vec()]),
        }
    }

    /// Packets that are to come for so many messages, where no end tells that there are no more.
    pub(crate) fn packets(self, messages: usize) -> usize {
        match self {
            Talk::Answers { .. }
            | Talk::Tells { .. }
            | Talk::Once { .. }
            | Talk::Refuses { .. } => messages,
            Talk::Pours => 4.min(messages * 4),
            Talk::Silent | Talk::Unknown => 0,
        }
    }
}

/// Whether each line of 64 bytes begins with its own offset, from 0 on.
pub(crate) fn check_lines(all: &[u8]) -> Result<(), String> {
    for (at, line) in all.chunks_exact(64).enumerate() {
        check_line(at as u64 * 64, line)?;
    }
    Ok(())
}

/// Whether this is the line that stands at this offset.
pub(crate) fn check_line(offset: u64, line: &[u8]) -> Result<(), String> {
    let said = std::str::from_utf8(&line[..20]).ok().and_then(|digits| digits.parse().ok());
    if said == Some(offset) { Ok(()) } else { Err(format!("at {offset} stands {line:?}")) }
}
