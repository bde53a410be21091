//! An interface, as a source of frames.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use nix::net::if_::{if_indextoname, if_nametoindex};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::filter::Filter;
use super::frame::{CapturedFrame, LinkType};
use crate::error::{Advice, Error, Kind, Result, quoted};
use crate::socket::{PacketRing, RingPacket, interfaces, watch};

/// MiB of a ring: the first that the kernel has the memory for.
const SIZES: [u16; 3] = [16, 4, 2];
/// How long a block that is not full may still be with the kernel.
const LAST_BLOCK: Duration = Duration::from_millis(500);
/// What a frame of unknown hardware is called in a file: `LINKTYPE_USER0`.
const UNKNOWN: LinkType = LinkType::Other(147);
/// Where a VLAN tag belongs: behind the two addresses.
const TAG_AT: usize = 12;

/// Frames of an interface, as they pass. The kernel filters them, and writes them into a ring of bounded size; where nobody
/// reads in time they are dropped and counted. On the loopback each counts once, as it arrives. Needs `CAP_NET_RAW`.
pub struct LiveCapture {
    ring: PacketRing,
    watched: Option<AsyncFd<Arc<OwnedFd>>>,
    /// The interface that was asked for, and its number; none: all of them.
    interface: Option<(String, u32)>,
    names: HashMap<u32, String>,
    /// Where a frame gets its VLAN tag back.
    tagged: Vec<u8>,
    taken: u64,
    counts: CaptureCounts,
}

/// What the kernel has counted since a capture began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CaptureCounts {
    /// Frames that passed the filter.
    pub passed: u64,
    /// Those of them for which the ring had no room.
    pub dropped: u64,
}

impl LiveCapture {
    /// Opens an interface, or all of them. Nothing that passed before the filter was there is ever seen. The errors: no
    /// right ([`RawSocketDenied`](Kind::RawSocketDenied)), no such interface, and one whose frames are of an unknown kind.
    pub fn open(interface: Option<&str>, filter: &Filter) -> Result<Self> {
        let interface = match interface {
            None => None,
            Some(name) => {
                let number = if_nametoindex(name).map_err(|errno| unknown(name, &errno.into()))?;
                Some((name.to_owned(), number))
            }
        };
        let ring = open_ring(filter)?;
        let (name, number) = interface.as_ref().map_or(("any", 0), |(name, at)| (name, *at));
        ring.bind(number).map_err(|error| match error.raw_os_error() {
            Some(libc::ENODEV | libc::ENXIO) => unknown(name, &error),
            Some(libc::ENETDOWN) => down(name, &error),
            _ => Error::from_io(&format!("bind({name})"), &error),
        })?;
        let hardware = ring.hardware().map_err(|error| Error::from_io("getsockname()", &error))?;
        if interface.is_some() && LinkType::of_hardware(hardware).is_none() {
            let text = format!("frames of {name} are of a kind that I cannot read");
            let error = Error::new(Kind::DoesNotFit, text);
            return Err(error.why(format!("its hardware has the number {hardware} (ARPHRD)")));
        }
        let (names, tagged) = (HashMap::new(), Vec::new());
        let counts = CaptureCounts::default();
        Ok(LiveCapture { ring, watched: None, interface, names, tagged, taken: 0, counts })
    }

    /// Waits until frames are there. The error: the interface is down or gone, and what it had before is in the ring still.
    /// Needs a runtime; may be given up at any time.
    pub async fn ready(&mut self) -> Result<()> {
        if self.watched.is_none() {
            let watched = watch(self.ring.owner());
            self.watched = Some(watched.map_err(|error| Error::from_io("epoll_ctl()", &error))?);
        }
        let watched = self.watched.as_ref().expect("it was just made");
        let failed = |error: &std::io::Error| Error::from_io("epoll_wait()", error);
        loop {
            if self.ring.has_block() {
                return Ok(());
            }
            let asked = Interest::READABLE | Interest::PRIORITY;
            let mut guard = watched.ready(asked).await.map_err(|error| failed(&error))?;
            if self.ring.has_block() {
                return Ok(());
            }
            if let Some(error) = self.ring.take_error().map_err(|error| failed(&error))? {
                return Err(self.over(&error));
            }
            guard.clear_ready();
        }
    }

    /// Shows each frame of the next block; false: none is there.
    pub fn block(&mut self, mut look: impl FnMut(&CapturedFrame<'_>)) -> bool {
        let LiveCapture { ring, names, tagged, taken, .. } = self;
        ring.block(|packet| {
            *taken += 1;
            let name = names.entry(packet.interface).or_insert_with(|| name_of(packet.interface));
            look(&frame(&packet, name, tagged));
        })
    }

    /// Lets nothing pass any more. What has passed before is still to be shown: [`rest`](Self::rest).
    pub fn stop(&self) -> Result<()> {
        let refused = self.ring.refuse_all();
        refused.map_err(|error| Error::from_io("setsockopt(SO_ATTACH_FILTER)", &error))
    }

    /// After [`stop`](Self::stop), waits for the next block; false: every frame that had passed was shown.
    pub async fn rest(&mut self) -> Result<bool> {
        if self.ring.has_block() {
            return Ok(true);
        }
        if self.left()? == 0 {
            return Ok(false);
        }
        // What is left is handed over by a timer of the kernel's, also of an interface that is gone.
        let next = async { while self.ready().await.is_err() && self.watched.is_some() {} };
        Ok(tokio::time::timeout(LAST_BLOCK, next).await.is_ok())
    }

    /// Frames that have passed, and were neither dropped nor shown yet.
    pub fn left(&mut self) -> Result<u64> {
        let counts = self.counts()?;
        Ok(counts.passed.saturating_sub(counts.dropped).saturating_sub(self.taken))
    }

    /// What the kernel has counted since the capture began.
    pub fn counts(&mut self) -> Result<CaptureCounts> {
        let news = self.ring.counts();
        let news = news.map_err(|error| Error::from_io("getsockopt(PACKET_STATISTICS)", &error))?;
        self.counts.passed += u64::from(news.passed);
        self.counts.dropped += u64::from(news.dropped);
        Ok(self.counts)
    }

    fn over(&self, error: &std::io::Error) -> Error {
        let (name, number) = self.interface.as_ref().map_or(("any", 0), |(name, at)| (name, *at));
        // Another interface may have the name by now.
        match if_nametoindex(name) {
            Ok(found) if found == number => down(name, error),
            _ => Error::new(Kind::InterfaceNotHere, format!("{name} is not there any more"))
                .with_call("getsockopt(SO_ERROR)", error)
                .hint_shell("ip link", "which interfaces there are"),
        }
    }
}

fn open_ring(filter: &Filter) -> Result<PacketRing> {
    let mut sizes = SIZES.iter().copied().peekable();
    loop {
        let size = sizes.next().expect("the last of them has returned");
        let (call, error) = match PacketRing::open(size, filter.program()) {
            Ok(ring) => return Ok(ring),
            Err(failed) => failed,
        };
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => {
                let text = "capturing packets needs a right you do not have";
                return Err(Error::new(Kind::RawSocketDenied, text)
                    .with_call(call, &error)
                    .hint(Advice::Right("cap_net_raw"), "once"));
            }
            Some(libc::ENOMEM) if sizes.peek().is_some() => {}
            _ => return Err(Error::from_io(call, &error)),
        }
    }
}

fn frame<'p>(packet: &RingPacket<'p>, name: &'p str, tagged: &'p mut Vec<u8>) -> CapturedFrame<'p> {
    let (mut bytes, mut length) = (packet.bytes, packet.length);
    if let (Some((kind, value)), Some((addresses, rest))) =
        (packet.tag, packet.bytes.split_at_checked(TAG_AT))
    {
        tagged.clear();
        tagged.extend_from_slice(addresses);
        tagged.extend_from_slice(&kind.to_be_bytes());
        tagged.extend_from_slice(&value.to_be_bytes());
        tagged.extend_from_slice(rest);
        (bytes, length) = (tagged, length + 4);
    }
    let (seconds, nanos) = packet.at;
    let link = LinkType::of_hardware(packet.hardware).unwrap_or(UNKNOWN);
    let at = Duration::from_secs(seconds.into()) + Duration::from_nanos(nanos.into());
    CapturedFrame { at, link, interface: name, bytes, length }
}

fn name_of(number: u32) -> String {
    if_indextoname(number).ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}

fn unknown(name: &str, error: &std::io::Error) -> Error {
    let here = interfaces().unwrap_or_default();
    let here: Vec<_> = here.into_iter().map(|interface| interface.name).collect();
    Error::new(Kind::InterfaceNotHere, format!("there is no network interface {name}"))
        .with_call(format!("if_nametoindex({name})"), error)
        .why(format!("this machine has {}", here.join(", ")))
}

fn down(name: &str, error: &std::io::Error) -> Error {
    Error::new(Kind::InterfaceNotHere, format!("{name} is down"))
        .with_call(format!("bind({name})"), error)
        .hint_shell(format!("sudo ip link set {} up", quoted(name)), "")
}
