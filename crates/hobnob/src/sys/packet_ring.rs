//! Frames of an interface through memory that is shared with the kernel: `AF_PACKET` with a ring of blocks (packet(7),
//! `TPACKET_V3` of `linux/if_packet.h`). The kernel fills a block and hands it over; once it is read, it is given back. Where no
//! block is free, frames are dropped, and the kernel counts them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{call, check, info, size_for_kernel, watch};

/// `linux/if_packet.h`.
const PACKET_RX_RING: i32 = 5;
const PACKET_STATISTICS: i32 = 6;
const PACKET_VERSION: i32 = 10;
const TPACKET_V3: i32 = 2;
const TP_STATUS_KERNEL: u32 = 0;
const TP_STATUS_USER: u32 = 1;
const TP_STATUS_VLAN_VALID: u32 = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID: u32 = 1 << 6;
/// Where the fields of a block's header stand (`struct tpacket_block_desc`).
const BLOCK_STATUS: usize = 8;
const BLOCK_PACKETS: usize = 12;
const BLOCK_FIRST: usize = 16;
/// Where the fields of a frame's header stand (`struct tpacket3_hdr`), and of the `sockaddr_ll` behind it.
const NEXT: usize = 0;
const SECONDS: usize = 4;
const NANOSECONDS: usize = 8;
const KEPT: usize = 12;
const LENGTH: usize = 16;
const STATUS: usize = 20;
const BYTES_AT: usize = 24;
const VLAN_TCI: usize = 32;
const VLAN_TPID: usize = 36;
const INTERFACE: usize = 52;
const HARDWARE: usize = 56;
/// A tag whose type the kernel does not tell is one of IEEE 802.1Q.
const ETH_P_8021Q: u16 = 0x8100;

/// Bytes of a block: any frame fits, also one of 64 KiB that is only cut to segments later.
const BLOCK: u32 = 1 << 20;
/// What the kernel wants to be told, and does not use in this version: room for a frame.
const FRAME: u32 = 2_048;
/// Milliseconds after which a block is handed over that is not full.
const PATIENCE: u32 = 20;

/// One instruction of classic BPF (`struct sock_filter`, bpf(4)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Instruction {
    /// What is done.
    pub(crate) code: u16,
    /// How far a comparison that holds jumps.
    pub(crate) jt: u8,
    /// How far one that does not hold jumps.
    pub(crate) jf: u8,
    /// A number, for whatever is done.
    pub(crate) k: u32,
}

impl Instruction {
    /// The instruction of these parts.
    pub(crate) const fn new(code: u16, jt: u8, jf: u8, k: u32) -> Self {
        Instruction { code, jt, jf, k }
    }
}

/// A socket of `AF_PACKET` with its ring.
pub(crate) struct PacketRing {
    fd: Arc<OwnedFd>,
    map: NonNull<u8>,
    blocks: usize,
    /// The block that is filled next.
    next: usize,
}

// SAFETY: the mapping belongs to the ring, and is reached through `&mut` alone.
unsafe impl Send for PacketRing {}

/// One frame of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RingPacket<'r> {
    /// Seconds and nanoseconds since 1970.
    pub(crate) at: (u32, u32),
    /// What was kept of it.
    pub(crate) bytes: &'r [u8],
    /// How long it was.
    pub(crate) length: usize,
    /// The VLAN tag that the kernel has taken out of it: its type and its value.
    pub(crate) tag: Option<(u16, u16)>,
    /// The number of the interface.
    pub(crate) interface: u32,
    /// `ARPHRD_*` of the interface.
    pub(crate) hardware: u16,
}

/// What the kernel has counted since it was asked last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RingCounts {
    /// Frames that passed the filter, the dropped ones too.
    pub(crate) passed: u32,
    /// Those of them for which there was no room.
    pub(crate) dropped: u32,
}

impl PacketRing {
    /// A ring of so many MiB, which nothing comes to yet: the socket belongs to no protocol until [`bind`](Self::bind),
    /// so that no frame passes before the filter is there.
    /// The error has the call that failed.
    pub(crate) fn open(
        mebibytes: u16,
        filter: &[Instruction],
    ) -> Result<Self, (&'static str, io::Error)> {
        let failed = |call| move |error| (call, error);
        let made = call::socket(libc::AF_PACKET, libc::SOCK_RAW, 0);
        let fd = Arc::new(made.map_err(failed("socket(AF_PACKET, SOCK_RAW)"))?);
        attach(&fd, filter).map_err(failed("setsockopt(SO_ATTACH_FILTER)"))?;
        let map = map(&fd, mebibytes).map_err(failed("setsockopt(PACKET_RX_RING)"))?;
        Ok(PacketRing { fd, map, blocks: mebibytes.into(), next: 0 })
    }

    /// Lets frames of this interface come, of every one where its number is 0.
    pub(crate) fn bind(&self, interface: u32) -> io::Result<()> {
        let name = libc::sockaddr_ll {
            sll_family: u16::try_from(libc::AF_PACKET).expect("it is 17"),
            sll_protocol: u16::try_from(libc::ETH_P_ALL).expect("it is 3").to_be(),
            sll_ifindex: i32::try_from(interface).map_err(|_| io::ErrorKind::InvalidInput)?,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let length = size_for_kernel::<libc::sockaddr_ll>();
        // SAFETY: the name is as long as it says, and outlives the call.
        check(unsafe { libc::bind(self.fd.as_raw_fd(), (&raw const name).cast(), length) })?;
        Ok(())
    }

    /// What the interface that it is bound to is: `ARPHRD_*`.
    pub(crate) fn hardware(&self) -> io::Result<u16> {
        // SAFETY: all zero is a value of this structure of integers.
        let mut name: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        let mut length = size_for_kernel::<libc::sockaddr_ll>();
        let (fd, place) = (self.fd.as_raw_fd(), (&raw mut name).cast());
        // SAFETY: the name has room for `length` bytes, and outlives the call.
        check(unsafe { libc::getsockname(fd, place, &raw mut length) })?;
        Ok(name.sll_hatype)
    }

    /// Takes the pending error: the interface is down, or gone.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        info::take_error(self.fd.as_fd())
    }

    /// From here on nothing passes; what has passed is still handed over.
    pub(crate) fn refuse_all(&self) -> io::Result<()> {
        let code = u16::try_from(libc::BPF_RET | libc::BPF_K).expect("it is 6");
        attach(&self.fd, &[Instruction::new(code, 0, 0, 0)])
    }

    /// The socket, for a runtime to watch.
    pub(crate) fn owner(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }

    /// Whether a block is there to be read.
    pub(crate) fn has_block(&self) -> bool {
        self.status().load(Ordering::Acquire) & TP_STATUS_USER != 0
    }

    /// Shows each frame of the next block, and gives the block back; false: none is there.
    pub(crate) fn block(&mut self, mut look: impl FnMut(RingPacket<'_>)) -> bool {
        if !self.has_block() {
            return false;
        }
        // SAFETY: the block lies within the mapping, and the kernel writes nothing to it before it is given back below.
        let block = unsafe { std::slice::from_raw_parts(self.start().as_ptr(), BLOCK as usize) };
        let mut at = long(block, BLOCK_FIRST) as usize;
        for _ in 0..long(block, BLOCK_PACKETS) {
            look(RingPacket::at(block, at));
            at += long(block, at + NEXT) as usize;
        }
        self.status().store(TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % self.blocks;
        true
    }

    /// What the kernel has counted since it was asked last, which sets it to zero.
    pub(crate) fn counts(&self) -> io::Result<RingCounts> {
        // struct tpacket_stats_v3: its third word counts how often the ring was full.
        let mut room = [0; 12];
        call::option(self.fd.as_fd(), libc::SOL_PACKET, PACKET_STATISTICS, &mut room)?;
        Ok(RingCounts { passed: long(&room, 0), dropped: long(&room, 4) })
    }

    fn start(&self) -> NonNull<u8> {
        // SAFETY: `next` is one of the blocks, all of which lie within the mapping.
        unsafe { self.map.add(self.next * BLOCK as usize) }
    }

    fn status(&self) -> &AtomicU32 {
        // SAFETY: the word lies within the mapping, aligned to eight bytes, and lives as long as the ring. The kernel and
        // this process both reach it in one access.
        unsafe { AtomicU32::from_ptr(self.start().add(BLOCK_STATUS).cast().as_ptr()) }
    }
}

impl Drop for PacketRing {
    fn drop(&mut self) {
        // SAFETY: the mapping is the ring's own, as long as it was made, and nobody borrows from it any more.
        unsafe { libc::munmap(self.map.as_ptr().cast(), self.blocks * BLOCK as usize) };
    }
}

impl<'r> RingPacket<'r> {
    fn at(block: &'r [u8], at: usize) -> Self {
        let status = long(block, at + STATUS);
        let begin = at + usize::from(short(block, at + BYTES_AT));
        let kind = match status & TP_STATUS_VLAN_TPID_VALID {
            0 => ETH_P_8021Q,
            _ => short(block, at + VLAN_TPID),
        };
        let [low, high, ..] = long(block, at + VLAN_TCI).to_le_bytes();
        let tag = (kind, u16::from_le_bytes([low, high]));
        RingPacket {
            at: (long(block, at + SECONDS), long(block, at + NANOSECONDS)),
            bytes: &block[begin..begin + long(block, at + KEPT) as usize],
            length: long(block, at + LENGTH) as usize,
            tag: (status & TP_STATUS_VLAN_VALID != 0).then_some(tag),
            interface: long(block, at + INTERFACE),
            hardware: short(block, at + HARDWARE),
        }
    }
}

/// Asks for the ring, and maps it.
fn map(fd: &OwnedFd, mebibytes: u16) -> io::Result<NonNull<u8>> {
    call::set_int_option(fd.as_fd(), libc::SOL_PACKET, PACKET_VERSION, TPACKET_V3)?;
    let blocks = u32::from(mebibytes);
    // struct tpacket_req3: no private area, no features.
    let shape = [BLOCK, blocks, FRAME, blocks * (BLOCK / FRAME), PATIENCE, 0, 0];
    let shape: Vec<u8> = shape.iter().flat_map(|word| word.to_ne_bytes()).collect();
    call::set_option(fd.as_fd(), libc::SOL_PACKET, PACKET_RX_RING, &shape)?;
    watch::tell_errors_to_readers(fd.as_fd())?;
    let length = blocks as usize * BLOCK as usize;
    let (rights, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    // SAFETY: a new mapping of the ring, at an address that the kernel chooses.
    let map = unsafe { libc::mmap(std::ptr::null_mut(), length, rights, flags, fd.as_raw_fd(), 0) };
    if map == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(map.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
}

/// `SO_ATTACH_FILTER` (socket(7)): the program decides in the kernel what passes.
fn attach(fd: &OwnedFd, filter: &[Instruction]) -> io::Result<()> {
    let length = u16::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // The kernel reads the program and leaves it as it is.
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut().cast() };
    let size = size_for_kernel::<libc::sock_fprog>();
    let (level, option) = (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
    let value = (&raw const program).cast();
    // SAFETY: an instruction is laid out as `sock_filter` is; there are as many as is said, and they outlive the call.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, value, size) })?;
    Ok(())
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes were taken"))
}

fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(bytes[at..at + 2].try_into().expect("two bytes were taken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_is_laid_out_as_the_kernel_has_it() {
        assert_eq!(size_of::<Instruction>(), size_of::<libc::sock_filter>());
        assert_eq!(align_of::<Instruction>(), align_of::<libc::sock_filter>());
        for (ours, theirs) in [
            (
                std::mem::offset_of!(Instruction, code),
                std::mem::offset_of!(libc::sock_filter, code),
            ),
            (std::mem::offset_of!(Instruction, jt), std::mem::offset_of!(libc::sock_filter, jt)),
            (std::mem::offset_of!(Instruction, jf), std::mem::offset_of!(libc::sock_filter, jf)),
            (std::mem::offset_of!(Instruction, k), std::mem::offset_of!(libc::sock_filter, k)),
        ] {
            assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn a_frame_is_read_from_where_the_kernel_puts_it() {
        let mut block = vec![0; 256];
        let put = |block: &mut Vec<u8>, at: usize, bytes: &[u8]| {
            block[at..at + bytes.len()].copy_from_slice(bytes);
        };
        let at = 48;
        put(&mut block, at + SECONDS, &7_u32.to_ne_bytes());
        put(&mut block, at + NANOSECONDS, &9_u32.to_ne_bytes());
        put(&mut block, at + KEPT, &3_u32.to_ne_bytes());
        put(&mut block, at + LENGTH, &1_500_u32.to_ne_bytes());
        put(&mut block, at + STATUS, &(TP_STATUS_USER | TP_STATUS_VLAN_VALID).to_ne_bytes());
        put(&mut block, at + BYTES_AT, &82_u16.to_ne_bytes());
        put(&mut block, at + VLAN_TCI, &5_u32.to_ne_bytes());
        put(&mut block, at + INTERFACE, &2_u32.to_ne_bytes());
        put(&mut block, at + HARDWARE, &libc::ARPHRD_ETHER.to_ne_bytes());
        put(&mut block, at + 82, b"abc");
        let packet = RingPacket::at(&block, at);
        assert_eq!((packet.at, packet.bytes, packet.length), ((7, 9), &b"abc"[..], 1_500));
        assert_eq!((packet.tag, packet.interface), (Some((0x8100, 5)), 2));
        assert_eq!(packet.hardware, libc::ARPHRD_ETHER);
    }
}
