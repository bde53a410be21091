//! pcap, the older form (draft-ietf-opsawg-pcap): a head, then frames, each with a head of its own.

use std::io::Read;
use std::time::Duration;

use super::source::{ByteOrder, FileSource, FoundFrame};
use crate::capture::frame::LinkType;
use crate::error::Result;

/// The first number of a file whose times have microseconds, and of one whose times have nanoseconds.
const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// The bytes of the head behind that number, and of a frame's head.
const HEAD: u32 = 20;
const FRAME_HEAD: u32 = 16;

/// What the head of a file says.
#[derive(Debug)]
pub(super) struct Pcap {
    order: ByteOrder,
    link: LinkType,
    /// Nanoseconds of what a time counts behind its seconds.
    unit: u32,
}

impl Pcap {
    pub(super) fn begin<R: Read>(source: &mut FileSource<R>, magic: [u8; 4]) -> Result<Self> {
        let known = [(MICROSECONDS, 1_000), (NANOSECONDS, 1)];
        let orders = [ByteOrder::Little, ByteOrder::Big];
        let found = orders.into_iter().find_map(|order| {
            let number = order.long(&magic, 0);
            known.iter().find(|(magic, _)| *magic == number).map(|(_, unit)| (order, *unit))
        });
        let Some((order, unit)) = found else {
            return Err(source.wrong("it begins as neither pcap nor pcapng does"));
        };
        if !source.fill(HEAD)? {
            return Err(source.wrong("its head is cut short"));
        }
        let version = order.short(source.bytes(), 0);
        if version != 2 {
            return Err(source.wrong(&format!("it is pcap of version {version}, and not 2")));
        }
        // The upper bits may say how long a checksum at the end of each frame is.
        let link = order.long(source.bytes(), 16) & u32::from(u16::MAX);
        let link = LinkType::of_number(u16::try_from(link).expect("its upper bits are gone"));
        Ok(Pcap { order, link, unit })
    }

    pub(super) fn frame<R: Read>(
        &mut self,
        source: &mut FileSource<R>,
    ) -> Result<Option<FoundFrame>> {
        if !source.fill(FRAME_HEAD)? {
            return Ok(None);
        }
        let long = |at| self.order.long(source.bytes(), at);
        let (seconds, fraction, kept, length) = (long(0), long(4), long(8), long(12));
        source.check_size(kept)?;
        source.more(kept)?;
        source.frames += 1;
        let fraction = u64::from(fraction) * u64::from(self.unit);
        let begin = FRAME_HEAD as usize;
        Ok(Some(FoundFrame {
            at: Duration::from_secs(seconds.into()) + Duration::from_nanos(fraction),
            link: self.link,
            interface: 0,
            bytes: begin..begin + kept as usize,
            length: length.max(kept) as usize,
        }))
    }
}
