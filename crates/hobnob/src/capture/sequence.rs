//! Sequence numbers of TCP as people read them: counted from the first of a direction.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use super::headers::{TcpFlags, TcpSegment};

/// Directions that are remembered; the oldest makes room.
const MOST: usize = 65_536;

/// The first sequence number of each direction that was seen.
#[derive(Debug, Default)]
pub struct SequenceOrigins {
    origins: HashMap<(SocketAddr, SocketAddr), u32>,
    order: VecDeque<(SocketAddr, SocketAddr)>,
}

/// The numbers of a segment, as they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentNumbers {
    /// The number of its first byte.
    pub sequence: u32,
    /// The number of the byte that is expected next.
    pub acknowledgment: u32,
}

impl SequenceOrigins {
    /// As tcpdump shows them: a segment with SYN, and the first of a direction that is seen, have their own numbers, and
    /// every later one counts from there.
    pub fn numbers(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        segment: &TcpSegment<'_>,
    ) -> SegmentNumbers {
        let own =
            SegmentNumbers { sequence: segment.sequence, acknowledgment: segment.acknowledgment };
        let (way, back) = ((source, destination), (destination, source));
        if segment.flags.has(TcpFlags::SYN) {
            self.set(way, segment.sequence);
            return own;
        }
        let is_answer = segment.flags.has(TcpFlags::ACK);
        if is_answer && !self.origins.contains_key(&back) {
            self.set(back, segment.acknowledgment.wrapping_sub(1));
        }
        let Some(origin) = self.origins.get(&way) else {
            self.set(way, segment.sequence);
            return own;
        };
        let answered = self.origins.get(&back).copied().unwrap_or(0);
        SegmentNumbers {
            sequence: own.sequence.wrapping_sub(*origin),
            acknowledgment: own.acknowledgment.wrapping_sub(answered),
        }
    }

    fn set(&mut self, way: (SocketAddr, SocketAddr), origin: u32) {
        if self.origins.insert(way, origin).is_none() {
            self.order.push_back(way);
        }
        while self.origins.len() > MOST {
            let Some(oldest) = self.order.pop_front() else { return };
            self.origins.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(flags: TcpFlags, sequence: u32, acknowledgment: u32) -> TcpSegment<'static> {
        TcpSegment {
            source_port: 1,
            destination_port: 2,
            sequence,
            acknowledgment,
            flags,
            window: 0,
            options: &[],
            payload: &[],
            length: 0,
        }
    }

    #[test]
    fn numbers_count_from_the_first_of_their_direction() {
        let [a, b] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut origins = SequenceOrigins::default();
        let mut shown = |source, destination, flags, sequence, acknowledgment| {
            let segment = segment(flags, sequence, acknowledgment);
            let numbers = origins.numbers(source, destination, &segment);
            (numbers.sequence, numbers.acknowledgment)
        };
        let both = TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0);
        assert_eq!(shown(a, b, TcpFlags::SYN, u32::MAX, 0), (u32::MAX, 0));
        assert_eq!(shown(b, a, both, 500, 0), (500, 0));
        assert_eq!(shown(a, b, TcpFlags::ACK, 0, 501), (1, 1));
        assert_eq!(shown(b, a, TcpFlags::ACK, 501, 8), (1, 9));
        let c = SocketAddr::from(([127, 0, 0, 1], 3));
        assert_eq!(shown(c, b, TcpFlags::ACK, 70, 90), (70, 90), "in the middle");
        assert_eq!(shown(c, b, TcpFlags::ACK, 80, 95), (10, 6));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut origins = SequenceOrigins::default();
        let to = SocketAddr::from(([10, 0, 0, 1], 80));
        for from in 0..u32::try_from(MOST).expect("small") + 9 {
            let from = SocketAddr::from((std::net::Ipv4Addr::from(from), 1));
            origins.numbers(from, to, &segment(TcpFlags::SYN, 1, 0));
        }
        assert_eq!((origins.origins.len(), origins.order.len()), (MOST, MOST));
    }
}
