//! TCP connections put together again from their segments: how they began, what was said in order, what came again or out
//! of order, and how they ended.

mod lane;
mod told;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use super::decode::Decoded;
use super::headers::{NetLayer, TcpFlags, TcpSegment, TransportLayer};
use lane::StreamLane;

pub use told::{
    ClosedStream, HowClosed, OpenedStream, SegmentFault, StreamEvent, StreamTimes, StreamTotals,
    StreamWay,
};

/// Streams that are followed at once; the oldest makes room.
const MOST_STREAMS: usize = 4_096;
/// Bytes behind a gap that are kept for all streams, and for one direction of one.
const MOST_HELD: usize = 64 << 20;
const MOST_HELD_OF_ONE: usize = 1 << 20;

/// Follows the TCP streams of packets that are given in the order of their capture. What it keeps is bounded: 4,096
/// streams, and 64 MiB that came before what belongs in front of it.
#[derive(Debug, Default)]
pub struct StreamFollower {
    streams: HashMap<StreamKey, FollowedStream>,
    /// In the order of their beginnings; also those that are not followed any more.
    order: VecDeque<(StreamKey, u64)>,
    begun: u64,
    held: usize,
}

/// The two ends of a connection, the smaller first.
type StreamKey = (SocketAddr, SocketAddr);

/// One connection.
#[derive(Debug)]
struct FollowedStream {
    id: u64,
    client: SocketAddr,
    server: SocketAddr,
    times: StreamTimes,
    /// Whether its beginning was told.
    is_told: bool,
    is_closed: bool,
    last: Duration,
    segments: u64,
    up: StreamLane,
    down: StreamLane,
    /// The direction whose end came first.
    ended_first: Option<StreamWay>,
}

impl StreamFollower {
    /// Takes one packet; false: it is of no TCP stream, or only a part of a packet.
    pub fn packet(
        &mut self,
        at: Duration,
        decoded: &Decoded<'_>,
        mut tell: impl FnMut(StreamEvent<'_>),
    ) -> bool {
        let (Some(NetLayer::Ip(ip)), Some(TransportLayer::Tcp(segment))) =
            (&decoded.net, &decoded.transport)
        else {
            return false;
        };
        if ip.fragment.is_some() {
            return false;
        }
        let source = SocketAddr::new(ip.source, segment.source_port);
        let destination = SocketAddr::new(ip.destination, segment.destination_port);
        let key = if source <= destination { (source, destination) } else { (destination, source) };
        let is_new_one = segment.flags.has(TcpFlags::SYN) && !segment.flags.has(TcpFlags::ACK);
        if let Some(stream) = self.streams.get(&key)
            && is_new_one
            && stream.is_replaced_by(source, segment)
        {
            self.forget(key, HowClosed::Replaced, &mut tell);
        }
        if !self.streams.contains_key(&key) {
            // A reset, or an end, of something that was over before is no stream.
            if segment.flags.has(TcpFlags::RST) {
                return true;
            }
            self.begin(key, source, destination, segment, at, &mut tell);
        }
        let stream = self.streams.get_mut(&key).expect("it was there, or has just begun");
        let before = stream.held();
        let room = (MOST_HELD - self.held.min(MOST_HELD)).min(MOST_HELD_OF_ONE);
        stream.segment(at, source, segment, room, &mut tell);
        self.held = self.held + stream.held() - before;
        true
    }

    /// Tells what is still open when no more packets come.
    pub fn finish(&mut self, mut tell: impl FnMut(StreamEvent<'_>)) {
        while let Some((key, id)) = self.order.pop_front() {
            if self.streams.get(&key).is_some_and(|stream| stream.id == id) {
                self.forget(key, HowClosed::StillOpen, &mut tell);
            }
        }
    }

    /// How many streams have begun.
    pub fn streams(&self) -> u64 {
        self.begun
    }

    fn begin(
        &mut self,
        key: StreamKey,
        source: SocketAddr,
        destination: SocketAddr,
        segment: &TcpSegment<'_>,
        at: Duration,
        tell: &mut impl FnMut(StreamEvent<'_>),
    ) {
        while self.streams.len() >= MOST_STREAMS {
            let Some((oldest, id)) = self.order.pop_front() else { break };
            if self.streams.get(&oldest).is_some_and(|stream| stream.id == id) {
                self.forget(oldest, HowClosed::Forgotten, tell);
            }
        }
        if self.order.len() >= 2 * MOST_STREAMS {
            let StreamFollower { streams, order, .. } = self;
            order.retain(|(key, id)| streams.get(key).is_some_and(|stream| stream.id == *id));
        }
        self.begun += 1;
        let is_client = match (segment.flags.has(TcpFlags::SYN), segment.flags.has(TcpFlags::ACK)) {
            (true, is_answer) => !is_answer,
            // In the middle of it: servers have the smaller port, as a rule.
            (false, _) => source.port() >= destination.port(),
        };
        let (client, server) =
            if is_client { (source, destination) } else { (destination, source) };
        self.order.push_back((key, self.begun));
        let stream = FollowedStream::new(self.begun, client, server, at);
        self.streams.insert(key, stream);
    }

    fn forget(&mut self, key: StreamKey, how: HowClosed, tell: &mut impl FnMut(StreamEvent<'_>)) {
        let Some(mut stream) = self.streams.remove(&key) else { return };
        self.held -= stream.held().min(self.held);
        stream.leave(how, tell);
    }
}

impl FollowedStream {
    fn new(id: u64, client: SocketAddr, server: SocketAddr, at: Duration) -> Self {
        FollowedStream {
            id,
            client,
            server,
            times: StreamTimes { first: at, ..StreamTimes::default() },
            is_told: false,
            is_closed: false,
            last: at,
            segments: 0,
            up: StreamLane::default(),
            down: StreamLane::default(),
            ended_first: None,
        }
    }

    fn held(&self) -> usize {
        self.up.held() + self.down.held()
    }

    /// Whether a SYN is of a new connection between the same ends, and not one that came again.
    fn is_replaced_by(&self, source: SocketAddr, segment: &TcpSegment<'_>) -> bool {
        self.is_closed || source != self.client || !self.up.began_at(segment.sequence)
    }

    fn segment(
        &mut self,
        at: Duration,
        source: SocketAddr,
        segment: &TcpSegment<'_>,
        room: usize,
        tell: &mut impl FnMut(StreamEvent<'_>),
    ) {
        // What comes late to a connection that is over belongs to it, and changes nothing.
        if self.is_closed {
            return;
        }
        self.segments += 1;
        self.last = at;
        let way = if source == self.client { StreamWay::Up } else { StreamWay::Down };
        let is_answer = segment.flags.has(TcpFlags::ACK);
        if segment.flags.has(TcpFlags::SYN) {
            self.shake(at, way);
        } else {
            let is_third = way == StreamWay::Up && is_answer && self.times.answered.is_some();
            if is_third && self.times.shaken.is_none() && !segment.flags.has(TcpFlags::RST) {
                self.times.shaken = Some(at);
            }
            self.open(tell);
        }
        if segment.flags.has(TcpFlags::RST) {
            return self.close(HowClosed::Reset(way), tell);
        }
        let id = self.id;
        if is_answer {
            let other = self.lane(way.back());
            other.acknowledged(segment.acknowledgment, &mut |said| {
                tell(said.event(id, way.back(), at));
            });
        }
        let lane = self.lane(way);
        lane.segment(segment, room, &mut |said| tell(said.event(id, way, at)));
        if segment.flags.has(TcpFlags::FIN) {
            self.ended_first.get_or_insert(way);
        }
        if self.up.is_ended_and_heard() && self.down.is_ended_and_heard() {
            self.close(HowClosed::Ended(self.ended_first.unwrap_or(way)), tell);
        }
    }

    fn lane(&mut self, way: StreamWay) -> &mut StreamLane {
        match way {
            StreamWay::Up => &mut self.up,
            StreamWay::Down => &mut self.down,
        }
    }

    /// A SYN: the first of each way counts.
    fn shake(&mut self, at: Duration, way: StreamWay) {
        let time = match way {
            StreamWay::Up => &mut self.times.asked,
            StreamWay::Down => &mut self.times.answered,
        };
        time.get_or_insert(at);
    }

    fn open(&mut self, tell: &mut impl FnMut(StreamEvent<'_>)) {
        if !std::mem::replace(&mut self.is_told, true) {
            let (client, server, times) = (self.client, self.server, self.times);
            tell(StreamEvent::Opened(OpenedStream { id: self.id, client, server, times }));
        }
    }

    fn close(&mut self, how: HowClosed, tell: &mut impl FnMut(StreamEvent<'_>)) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        self.open(tell);
        let (id, last) = (self.id, self.last);
        for way in [StreamWay::Up, StreamWay::Down] {
            self.lane(way).flush(&mut |said| tell(said.event(id, way, last)));
        }
        tell(StreamEvent::Closed(ClosedStream {
            id: self.id,
            client: self.client,
            server: self.server,
            how,
            at: last,
            lasted: last.saturating_sub(self.times.first),
            segments: self.segments,
            up: self.up.totals(),
            down: self.down.totals(),
        }));
    }

    /// It is not followed any more.
    fn leave(&mut self, how: HowClosed, tell: &mut impl FnMut(StreamEvent<'_>)) {
        // Both ends were there, and only the last acknowledgment was not seen.
        let how = match self.ended_first {
            Some(first) if self.up.is_ended() && self.down.is_ended() => HowClosed::Ended(first),
            _ => how,
        };
        self.close(how, tell);
    }
}

#[cfg(test)]
mod tests;
