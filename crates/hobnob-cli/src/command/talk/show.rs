//! How what comes goes to stdout.

use std::io::IsTerminal as _;
use std::time::Duration;

use hobnob::spec::Shape;

use crate::command::talk::chunk::chunk;
use crate::command::talk::wishes::TalkFlags;
use crate::job::Job;
use crate::report::json::Json;
use crate::report::look::{Look, Paint, View, columns_now};
use crate::report::show::{SafeStream, fold, hex_into, one_line};

/// How received bytes go to stdout.
pub(super) enum Show {
    /// As they are.
    Exact,
    /// Text packets in a pipe: as they are, each on a line of its own.
    Lines(PacketLines),
    /// On a terminal: escaped.
    Safe(SafeStream),
    /// A hex dump of each receive.
    Hex,
    /// On a terminal with messages: both sides, with sizes and times.
    Told(Conversation),
    /// Events.
    Json(Box<Json>),
}

impl Show {
    /// As the flags say, and whether stdout is a terminal.
    pub(super) fn of(job: &Job, wishes: &TalkFlags, shape: Shape) -> Self {
        if wishes.is_json {
            return Show::Json(Box::new(Json::new(job.clock).called("talk")));
        }
        let is_terminal = std::io::stdout().is_terminal();
        if is_terminal && !wishes.messages.is_empty() && job.view != View::Raw {
            return Show::Told(Conversation {
                look: job.out,
                view: job.view,
                is_verbose: wishes.is_verbose,
                last: job.clock.now(),
            });
        }
        match job.view {
            View::Hex => Show::Hex,
            View::Text if is_terminal => Show::Safe(SafeStream::default()),
            View::Text if shape == Shape::Packets => Show::Lines(PacketLines::default()),
            View::Text | View::Raw => Show::Exact,
        }
    }

    /// Adds what was received to `out`; events are written where their numbers are known.
    pub(super) fn bytes(&mut self, out: &mut Vec<u8>, bytes: &[u8], shape: Shape, now: Duration) {
        match self {
            Show::Exact => out.extend_from_slice(bytes),
            Show::Lines(lines) => lines.packet(out, bytes),
            Show::Safe(stream) => {
                let mut text = String::new();
                stream.push(&mut text, bytes);
                if shape == Shape::Packets {
                    stream.end_line(&mut text);
                    if bytes.is_empty() {
                        text.push('\n');
                    }
                }
                out.extend_from_slice(text.as_bytes());
            }
            Show::Hex => {
                let mut text = String::new();
                hex_into(&mut text, bytes, "", usize::MAX);
                out.extend_from_slice(text.as_bytes());
            }
            Show::Told(conversation) => conversation.received(out, bytes, now),
            Show::Json(_) => {}
        }
    }

    /// Adds what is sent to `out`, where both sides are shown.
    pub(super) fn sent(&mut self, out: &mut Vec<u8>, bytes: &[u8], now: Duration) {
        if let Show::Told(conversation) = self {
            conversation.sent(out, bytes, now);
        }
    }

    /// Adds a line of our own to `out`. False: such a line is no part of what is shown.
    pub(super) fn remark(&mut self, out: &mut Vec<u8>, text: &str) -> bool {
        let Show::Told(conversation) = self else { return false };
        for line in fold(text, columns_now().saturating_sub(4)) {
            let line = conversation.look.paint(Paint::Dim, &format!("--  {line}"));
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
        true
    }

    /// Adds what ends the last line.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        if let Show::Safe(stream) = self {
            let mut text = String::new();
            stream.end_line(&mut text);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// Packets with a newline between two of them, unless the first has one at its end. A single packet stays as it is.
#[derive(Debug, Default)]
pub(super) struct PacketLines {
    /// Whether the packet before needs a newline behind it.
    is_open: bool,
}

impl PacketLines {
    fn packet(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        if self.is_open {
            out.push(b'\n');
        }
        out.extend_from_slice(bytes);
        self.is_open = !bytes.ends_with(b"\n");
    }
}

/// Both sides of a conversation, as a person sees them.
pub(super) struct Conversation {
    look: Look,
    view: View,
    is_verbose: bool,
    /// When something passed last.
    last: Duration,
}

impl Conversation {
    fn received(&mut self, out: &mut Vec<u8>, bytes: &[u8], now: Duration) {
        let since = now.saturating_sub(std::mem::replace(&mut self.last, now));
        let text = chunk(bytes, self.look, self.view, self.is_verbose, since, columns_now());
        out.extend_from_slice(text.as_bytes());
    }

    fn sent(&mut self, out: &mut Vec<u8>, bytes: &[u8], now: Duration) {
        self.last = now;
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        out.extend_from_slice(format!("{}  {}\n", self.look.sent(), one_line(line)).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_of_packets_show_and_a_single_one_is_exact() {
        let shown = |packets: &[&str]| {
            let (mut lines, mut out) = (PacketLines::default(), Vec::new());
            for packet in packets {
                lines.packet(&mut out, packet.as_bytes());
            }
            String::from_utf8(out).expect("UTF-8")
        };
        for (packets, text) in [
            (&["68.0 F"][..], "68.0 F"),
            (&["one", "", "two"], "one\n\ntwo"),
            (&["one\n", "two\n"], "one\ntwo\n"),
            (&["one\n", "", "two"], "one\n\ntwo"),
            (&["", ""], "\n"),
        ] {
            assert_eq!(shown(packets), text, "{packets:?}");
        }
    }
}
