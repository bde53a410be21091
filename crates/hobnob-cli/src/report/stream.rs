//! What was said in a followed stream, for people.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use hobnob::capture::{
    ClosedStream, HowClosed, OpenedStream, SegmentFault, StreamEvent, StreamTimes, StreamWay,
};

use crate::report::look::{Look, Paint, View};
use crate::report::show::{count, hex_into, one_line, size, span, width};

/// The column where a size ends.
const SIZE_ENDS: usize = 71;
/// Columns of a page.
const COLUMNS: usize = 80;

/// Writes streams as lines.
pub(crate) struct StreamWords {
    look: Look,
    view: View,
    is_verbose: bool,
    /// When each stream began, which its times are counted from.
    began: HashMap<u64, Duration>,
}

impl StreamWords {
    pub(crate) fn new(look: Look, view: View, is_verbose: bool) -> Self {
        StreamWords { look, view, is_verbose, began: HashMap::new() }
    }

    /// Adds the lines of an event; `time` shows a time of day.
    pub(crate) fn event(
        &mut self,
        out: &mut String,
        event: &StreamEvent<'_>,
        time: &mut dyn FnMut(Duration) -> String,
    ) {
        match event {
            StreamEvent::Opened(opened) => {
                self.began.insert(opened.id, opened.times.first);
                self.opened(out, opened, time);
            }
            StreamEvent::Said { id, way, at, bytes } => self.said(out, *id, *way, *at, bytes),
            StreamEvent::Faulty { id, way, at, fault, offset, length } => {
                let what = match fault {
                    SegmentFault::Retransmitted => "retransmitted",
                    SegmentFault::OutOfOrder => "out of order",
                };
                let text = match length {
                    0 => what.to_owned(),
                    length => format!("{what}: {} from byte {offset}", size(*length)),
                };
                self.remark(out, *id, *way, *at, &text);
            }
            StreamEvent::Missed { id, way, at, bytes } => {
                self.remark(out, *id, *way, *at, &format!("{} not captured", size(*bytes)));
            }
            StreamEvent::Closed(closed) => {
                self.began.remove(&closed.id);
                closed_line(out, closed);
            }
        }
    }

    fn opened(
        &self,
        out: &mut String,
        opened: &OpenedStream,
        time: &mut dyn FnMut(Duration) -> String,
    ) {
        let (id, client, server) = (opened.id, opened.client, opened.server);
        let _ = writeln!(
            out,
            "#{id}  {client}  {}  {server}    {}",
            self.look.sent(),
            handshake(&opened.times)
        );
        if let Some(asked) = opened.times.asked {
            let _ = write!(out, "    {} SYN", time(asked));
            let steps = [("SYN,ACK", opened.times.answered), ("ACK", opened.times.shaken)];
            let mut last = asked;
            for (name, at) in steps {
                let Some(at) = at else { break };
                let _ = write!(out, "   +{} {name}", short(at.saturating_sub(last)));
                last = at;
            }
            out.push('\n');
        }
    }

    /// The number of the stream, the time since it began, and the gutter.
    fn head(&self, id: u64, way: StreamWay, at: Duration) -> (String, usize) {
        let since = at.saturating_sub(self.began.get(&id).copied().unwrap_or(at));
        let head = format!("#{id}  +{}.{:03}", since.as_secs(), since.subsec_millis());
        let gutter = match way {
            StreamWay::Up => self.look.sent().to_owned(),
            StreamWay::Down => self.look.paint(Paint::Green, self.look.received()),
        };
        let cells = width(&head) + 5;
        (format!("{head}  {gutter}  "), cells)
    }

    fn remark(&self, out: &mut String, id: u64, way: StreamWay, at: Duration, text: &str) {
        let text = self.look.paint(Paint::Dim, &format!("({text})"));
        let _ = writeln!(out, "{}{text}", self.head(id, way, at).0);
    }

    fn said(&self, out: &mut String, id: u64, way: StreamWay, at: Duration, bytes: &[u8]) {
        let (head, cells) = self.head(id, way, at);
        let tail = |used: usize| {
            let length = size(bytes.len() as u64);
            let gap = SIZE_ENDS.saturating_sub(used + width(&length)).max(2);
            self.look.paint(Paint::Dim, &format!("{:gap$}{length}", ""))
        };
        if self.view == View::Hex {
            let _ = writeln!(out, "{}{}", head.trim_end(), tail(cells - 2));
            return hex_into(out, bytes, "    ", self.look.cells.unwrap_or(COLUMNS));
        }
        let lines = passed(bytes, self.is_verbose);
        for (at, line) in lines.iter().enumerate() {
            let shown = match self.view {
                View::Raw => String::from_utf8_lossy(line).into_owned(),
                View::Text | View::Hex => one_line(line),
            };
            if at == 0 {
                out.push_str(&head);
            } else {
                let _ = write!(out, "{:cells$}", "");
            }
            out.push_str(&shown);
            if at + 1 == lines.len() {
                out.push_str(&tail(cells + width(&shown)));
            }
            out.push('\n');
        }
    }
}

/// Bytes line by line: with their newlines, or without those and the one that ends them.
fn passed(bytes: &[u8], has_newlines: bool) -> Vec<&[u8]> {
    if has_newlines {
        return bytes.split_inclusive(|byte| *byte == b'\n').collect();
    }
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let lines = text.split(|byte| *byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect()
}

/// How the beginning was.
fn handshake(times: &StreamTimes) -> String {
    match (times.asked, times.answered, times.shaken) {
        (Some(asked), Some(_), Some(shaken)) => {
            format!("3-way handshake {}", short(shaken.saturating_sub(asked)))
        }
        (Some(_), Some(_), None) => "a handshake without its end".to_owned(),
        (Some(_), None, _) => "a SYN without an answer".to_owned(),
        (None, ..) => "found in its middle".to_owned(),
    }
}

fn closed_line(out: &mut String, closed: &ClosedStream) {
    let port = |way| match way {
        StreamWay::Up => closed.client.port(),
        StreamWay::Down => closed.server.port(),
    };
    let lasted = short(closed.lasted);
    let how = match closed.how {
        HowClosed::Ended(way) => format!("closed by {} (FIN) after {lasted}", port(way)),
        HowClosed::Reset(way) => format!("reset by {} (RST) after {lasted}", port(way)),
        HowClosed::StillOpen => format!("still open after {lasted}"),
        HowClosed::Replaced => format!("replaced by a new connection after {lasted}"),
        HowClosed::Forgotten => "not followed any more: too many streams".to_owned(),
    };
    let _ = write!(out, "#{}  {how}   {}", closed.id, count(closed.segments, "segment"));
    let _ = write!(out, ", {} retransmitted", closed.retransmitted());
    if closed.out_of_order() > 0 {
        let _ = write!(out, ", {} out of order", closed.out_of_order());
    }
    let missed = closed.up.missed + closed.down.missed;
    if missed > 0 {
        let _ = write!(out, ", {} not captured", size(missed));
    }
    let _ = writeln!(out, "\n    up {}, down {}", size(closed.up.bytes), size(closed.down.bytes));
}

/// A span of time, also one that is a part of a millisecond.
fn short(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..1_000 => format!("{micros} us"),
        _ => span(time),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use hobnob::capture::StreamTotals;

    use super::*;

    #[test]
    fn a_stream_reads_like_a_conversation() {
        let [client, server] = [53_142, 9_000].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let at = |micros: u64| Duration::from_micros(1_000_000 + micros);
        let times = StreamTimes {
            first: at(0),
            asked: Some(at(0)),
            answered: Some(at(21)),
            shaken: Some(at(41)),
        };
        let (id, up, down) = (1, StreamWay::Up, StreamWay::Down);
        let totals = StreamTotals { bytes: 7, ..StreamTotals::default() };
        let events = [
            StreamEvent::Opened(OpenedStream { id, client, server, times }),
            StreamEvent::Said { id, way: down, at: at(500), bytes: b"Welcome!\nName?\x1b[2J\n" },
            StreamEvent::Said { id, way: up, at: at(3_214_000), bytes: b"Michael" },
            StreamEvent::Faulty {
                id,
                way: up,
                at: at(3_300_000),
                fault: SegmentFault::Retransmitted,
                offset: 0,
                length: 7,
            },
            StreamEvent::Missed { id, way: down, at: at(3_400_000), bytes: 9 },
            StreamEvent::Closed(ClosedStream {
                id,
                client,
                server,
                how: HowClosed::Ended(up),
                at: at(4_000_000),
                lasted: Duration::from_secs(4),
                segments: 10,
                up: StreamTotals { retransmitted: 1, ..totals },
                down: StreamTotals { missed: 9, ..totals },
            }),
        ];
        let mut words = StreamWords::new(Look::default(), View::Text, false);
        let mut out = String::new();
        for event in &events {
            words.event(&mut out, event, &mut |_| "14:02:11.123456".to_owned());
        }
        insta::assert_snapshot!(out, @r"
        #1  127.0.0.1:53142  »  127.0.0.1:9000    3-way handshake 41 us
            14:02:11.123456 SYN   +21 us SYN,ACK   +20 us ACK
        #1  +0.000  «  Welcome!
                       Name?\x1b[2J                                        19 B
        #1  +3.214  »  Michael                                              7 B
        #1  +3.300  »  (retransmitted: 7 B from byte 0)
        #1  +3.400  «  (9 B not captured)
        #1  closed by 53142 (FIN) after 4.0 s   10 segments, 1 retransmitted, 9 B not captured
            up 7 B, down 7 B
        ");
    }
}
