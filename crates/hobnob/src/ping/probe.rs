//! What a probe carries: whose it is, and the number of its round. The rest is a pattern that shows damage.

/// Bytes that say whose it is and which round.
pub(super) const LENGTH: usize = 16;

/// The probes of one run. Another run, in this or another process, has another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probes {
    run: u64,
}

impl Probes {
    pub(super) fn of(run: u64) -> Self {
        Probes { run }
    }

    /// Writes the probe of a round, of so many bytes, in place of what is there.
    pub(super) fn write(self, round: u64, size: usize, into: &mut Vec<u8>) {
        into.clear();
        into.extend(self.run.to_be_bytes());
        into.extend(round.to_be_bytes());
        into.extend((0..size.saturating_sub(LENGTH)).map(filler));
    }

    /// The round of a probe that is back whole; none where it is none of ours, or was damaged or cut.
    pub(super) fn read(self, packet: &[u8], size: usize) -> Option<u64> {
        let rest = packet.strip_prefix(&self.run.to_be_bytes())?;
        let (round, rest) = rest.split_first_chunk::<8>()?;
        let is_whole =
            packet.len() == size && rest.iter().enumerate().all(|(at, byte)| *byte == filler(at));
        is_whole.then(|| u64::from_be_bytes(*round))
    }

    /// The round of a probe of which a router has sent a piece back, wherever the probe begins in it.
    pub(super) fn find(self, piece: &[u8]) -> Option<u64> {
        let run = self.run.to_be_bytes();
        let at = piece.windows(run.len()).position(|window| window == run)?;
        piece.get(at + run.len()..)?.first_chunk::<8>().map(|round| u64::from_be_bytes(*round))
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the pattern repeats")]
fn filler(at: usize) -> u8 {
    at as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_found_again_and_a_damaged_one_is_none() {
        let (ours, others) = (Probes::of(7), Probes::of(8));
        let mut packet = Vec::new();
        for size in [LENGTH, 56, 1_400] {
            ours.write(3, size, &mut packet);
            assert_eq!(packet.len(), size);
            assert_eq!((ours.read(&packet, size), others.read(&packet, size)), (Some(3), None));
            assert_eq!(ours.read(&packet[..size - 1], size), None);
            let piece = [&[0; 8], packet.as_slice()].concat();
            assert_eq!((ours.find(&piece), others.find(&piece)), (Some(3), None));
            assert_eq!(ours.find(&piece[..8 + LENGTH - 1]), None);
        }
        packet[100] ^= 1;
        assert_eq!(ours.read(&packet, 1_400), None);
    }
}
