//! The events of captured packets and followed streams.

use std::time::Duration;

use base64::Engine as _;
use hobnob::capture::{
    CapturedFrame, ClosedStream, Decoded, HowClosed, NetLayer, OpenedStream, SegmentFault,
    StreamEvent, StreamWay, TcpFlags, TransportLayer,
};
use hobnob::event::Reason;

use crate::report::json::Json;
use crate::report::line::JsonLine;
use crate::report::packet::{Numbers, end, protocol};

/// The number of TCP among the protocols of IP.
const TCP: u8 = 6;

/// One packet, and what is said of it.
pub(crate) struct CapturedPacket<'a> {
    /// Its number, from 1.
    pub(crate) number: u64,
    pub(crate) frame: &'a CapturedFrame<'a>,
    pub(crate) decoded: &'a Decoded<'a>,
    pub(crate) numbers: Numbers,
    /// It as a line for people.
    pub(crate) line: &'a str,
    /// Whether its bytes are told.
    pub(crate) has_bytes: bool,
}

/// What a capture came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CaptureSummary {
    /// Packets that were shown or written.
    pub(crate) shown: u64,
    /// Packets that the kernel dropped.
    pub(crate) dropped: u64,
    /// Packets that had passed and were left when the capture was cut.
    pub(crate) left: u64,
    /// TCP streams that were followed.
    pub(crate) streams: u64,
    pub(crate) lasted: Duration,
}

impl Json {
    /// A packet.
    pub(crate) fn packet(&mut self, out: &mut Vec<u8>, at: Duration, told: &CapturedPacket<'_>) {
        let mut line = self.line(out, "packet", at);
        line.number("number", told.number);
        line.seconds("stamp", told.frame.at);
        if !told.frame.interface.is_empty() {
            line.text("interface", told.frame.interface);
        }
        line.number("len", told.frame.length as u64);
        if told.frame.is_cut() {
            line.raw("cut", "true");
        }
        if !told.decoded.vlans.is_empty() {
            let ids: Vec<_> = told.decoded.vlans.iter().map(u16::to_string).collect();
            line.raw("vlans", &format!("[{}]", ids.join(",")));
        }
        network(&mut line, told);
        line.text("line", told.line);
        if let Some(flaw) = &told.decoded.flaw {
            line.text("flaw", flaw);
        }
        if told.has_bytes {
            let encoded = base64::engine::general_purpose::STANDARD.encode(told.frame.bytes);
            line.text("b64", &encoded);
        }
        line.end();
    }

    /// Something of a stream; `ordinal` counts what was said each way.
    pub(crate) fn stream(
        &mut self,
        out: &mut Vec<u8>,
        at: Duration,
        event: &StreamEvent<'_>,
        ordinal: u64,
    ) {
        match event {
            StreamEvent::Opened(opened) => self.stream_opened(out, at, opened),
            StreamEvent::Said { id, way, at: time, bytes } => {
                let mut line = self.line(out, "data", at);
                line.number("id", *id);
                line.text("dir", dir(*way));
                line.seconds("stamp", *time);
                line.number("seq", ordinal);
                line.number("len", bytes.len() as u64);
                line.payload(bytes);
                line.end();
            }
            StreamEvent::Faulty { id, way, at: time, fault, offset, length } => {
                let mut line = self.line(out, "segment", at);
                line.number("id", *id);
                line.text("dir", dir(*way));
                line.seconds("stamp", *time);
                line.text(
                    "what",
                    match fault {
                        SegmentFault::Retransmitted => "retransmitted",
                        SegmentFault::OutOfOrder => "out-of-order",
                    },
                );
                line.number("offset", *offset);
                line.number("len", *length);
                line.end();
            }
            StreamEvent::Missed { id, way, at: time, bytes } => {
                let mut line = self.line(out, "segment", at);
                line.number("id", *id);
                line.text("dir", dir(*way));
                line.seconds("stamp", *time);
                line.text("what", "not-captured");
                line.number("len", *bytes);
                line.end();
            }
            StreamEvent::Closed(closed) => self.stream_closed(out, at, closed),
        }
    }

    fn stream_opened(&mut self, out: &mut Vec<u8>, at: Duration, opened: &OpenedStream) {
        let mut line = self.line(out, "open", at);
        line.number("id", opened.id);
        line.text("name", "sniff");
        line.text("transport", &protocol(TCP).to_lowercase());
        line.text("local", &opened.server.to_string());
        line.text("peer", &opened.client.to_string());
        let times = opened.times;
        let steps = [("syn", times.asked), ("syn_ack", times.answered), ("ack", times.shaken)];
        if times.asked.is_some() {
            line.object("handshake", |line| {
                for (name, time) in steps {
                    if let Some(time) = time {
                        line.seconds(name, time);
                    }
                }
            });
        }
        line.end();
    }

    fn stream_closed(&mut self, out: &mut Vec<u8>, at: Duration, closed: &ClosedStream) {
        let mut line = self.line(out, "close", at);
        line.number("id", closed.id);
        let reset = match closed.how {
            HowClosed::Reset(way) => Some(way),
            _ => None,
        };
        let ends = [
            (StreamWay::Up, "peer", closed.up.is_ended),
            (StreamWay::Down, "upstream", closed.down.is_ended),
        ];
        line.objects("ends", ends, |line, (way, by, is_ended)| {
            line.text("dir", dir(way));
            line.text("by", by);
            let how = if reset == Some(way) { "rst" } else { "none" };
            line.text("how", if is_ended { "fin" } else { how });
        });
        let reason = reason(closed.how);
        line.text("reason", reason.word());
        if let Some(limit) = reason.limit() {
            line.text("limit", limit);
        }
        line.number("in", closed.up.bytes);
        line.number("out", closed.down.bytes);
        line.seconds("lasted", closed.lasted);
        line.number("retrans", closed.retransmitted());
        line.number("segments", closed.segments);
        line.number("out_of_order", closed.out_of_order());
        line.number("missed", closed.up.missed + closed.down.missed);
        line.end();
    }

    /// Packets that the kernel had no room for.
    pub(crate) fn packets_dropped(&mut self, out: &mut Vec<u8>, at: Duration, count: u64) {
        let mut line = self.line(out, "note", at);
        line.text("what", "dropped");
        line.text("limit", "ring");
        line.number("count", count);
        line.end();
    }

    /// A sentence that is worth knowing.
    pub(crate) fn remark(&mut self, out: &mut Vec<u8>, at: Duration, text: &str) {
        let mut line = self.line(out, "note", at);
        line.text("what", "note");
        line.text("message", text);
        line.end();
    }

    /// How a capture went.
    pub(crate) fn captured(
        &mut self,
        out: &mut Vec<u8>,
        at: Duration,
        name: &str,
        summary: &CaptureSummary,
    ) {
        let mut line = self.line(out, "summary", at);
        line.text("verb", "sniff");
        line.text("name", name);
        line.number("sessions", summary.streams);
        line.number("shown", summary.shown);
        line.number("dropped", summary.dropped);
        if summary.left > 0 {
            line.number("left", summary.left);
        }
        line.seconds("lasted", summary.lasted);
        line.end();
    }
}

/// The layers of a packet, field by field.
fn network(line: &mut JsonLine<'_>, told: &CapturedPacket<'_>) {
    let Some(NetLayer::Ip(ip)) = &told.decoded.net else {
        if let Some(NetLayer::Arp(_)) = &told.decoded.net {
            line.text("proto", "arp");
        }
        return;
    };
    let ports = told.decoded.transport.as_ref().and_then(TransportLayer::ports);
    let proto = protocol(ip.protocol).to_lowercase();
    line.text("proto", &proto);
    line.text("src", &end(ip.source, ports.map(|(port, _)| port)));
    line.text("dst", &end(ip.destination, ports.map(|(_, port)| port)));
    match &told.decoded.transport {
        Some(TransportLayer::Tcp(segment)) => {
            line.text("flags", &segment.flags.to_string());
            if let Some(numbers) = told.numbers {
                line.number("seq", numbers.sequence.into());
                if segment.flags.has(TcpFlags::ACK) {
                    line.number("ack", numbers.acknowledgment.into());
                }
            }
            line.number("win", segment.window.into());
            line.number("payload", segment.length as u64);
        }
        Some(TransportLayer::Udp(packet)) => line.number("payload", packet.length as u64),
        Some(TransportLayer::Icmp(message)) => {
            line.number("kind", message.kind.into());
            line.number("code", message.code.into());
        }
        Some(TransportLayer::Igmp(message)) => line.number("kind", message.kind.into()),
        None => {}
    }
}

fn dir(way: StreamWay) -> &'static str {
    match way {
        StreamWay::Up => "up",
        StreamWay::Down => "down",
    }
}

fn reason(how: HowClosed) -> Reason {
    match how {
        HowClosed::Ended(_) => Reason::Eof,
        HowClosed::Reset(_) => Reason::Reset,
        HowClosed::StillOpen | HowClosed::Replaced => Reason::Stopped,
        HowClosed::Forgotten => Reason::Limit("streams"),
    }
}
