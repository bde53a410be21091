//! Packets as they pass an interface: captured, filtered, decoded, kept in files, and put together to streams.
//!
//! | what | where |
//! |---|---|
//! | an interface, through a ring that the kernel writes (packet(7)) | [`LiveCapture`] |
//! | a file, pcap or pcapng | [`CaptureReader`], [`CaptureWriter`] |
//! | which packets: `tcp and port 9000` | [`Filter`] |
//! | what the headers of a packet say | [`decode()`] |
//! | what was said in a TCP connection, in order | [`StreamFollower`] |
//! | sequence numbers as people read them, from the first on | [`SequenceOrigins`] |
//!
//! Everything that comes from a packet or a file is hostile: each part is bounded in memory and panics at nothing.
//!
//! ```
//! use hobnob::capture::{CaptureReader, Filter, TransportLayer, decode};
//! # use hobnob::capture::{CaptureWriter, CapturedFrame, LinkType};
//! # let mut file = Vec::new();
//! # let mut writer = CaptureWriter::new(&mut file, "a test").expect("a vector");
//! # let bytes = [&[0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1][..],
//! #     &[0, 53, 0, 53, 0, 10, 0, 0, b'h', b'i']].concat();
//! # let at = std::time::Duration::from_secs(1);
//! # let frame = CapturedFrame { at, link: LinkType::Raw, interface: "", bytes: &bytes, length: 30 };
//! # writer.frame(&frame).expect("a vector");
//! let filter = Filter::parse("udp and port 53")?;
//! let mut reader = CaptureReader::new(&file[..])?;
//! while let Some(frame) = reader.frame()? {
//!     let decoded = decode(&frame);
//!     if let (true, Some(TransportLayer::Udp(packet))) = (filter.matches(&frame), decoded.transport) {
//!         println!("{} B to port {}", packet.payload.len(), packet.destination_port);
//!     }
//! }
//! # Ok::<(), hobnob::Error>(())
//! ```

mod decode;
mod file;
mod filter;
mod follow;
mod frame;
mod headers;
mod live;
mod sequence;
#[cfg(test)]
mod testing;

pub use decode::{Decoded, decode};
pub use file::{CaptureReader, CaptureWriter};
pub use filter::Filter;
pub use follow::{
    ClosedStream, HowClosed, OpenedStream, SegmentFault, StreamEvent, StreamFollower, StreamTimes,
    StreamTotals, StreamWay,
};
pub use frame::{CapturedFrame, LinkType};
pub use headers::{
    ArpMessage, EthernetAddresses, Fragment, IcmpMessage, IgmpMessage, IpLayer, NetLayer,
    TcpChoice, TcpFlags, TcpSegment, TransportLayer, UdpPacket,
};
pub use live::{CaptureCounts, LiveCapture};
pub use sequence::{SegmentNumbers, SequenceOrigins};

use crate::error::{Error, Result};

/// Gives up every right for good: capabilities, those that programs could bring back, and root itself, in whose place this
/// user and group come. To be called once all that needs a right is open, and before other threads are started, for each
/// has capabilities of its own.
pub fn give_up_rights(user: u32, group: u32) -> Result<()> {
    crate::socket::give_up_rights(user, group).map_err(|error| Error::from_io("capset()", &error))
}
