//! pcapng: blocks, each with its length at both ends. A section tells the byte order and has interfaces of its own.

use std::io::Read;
use std::time::Duration;

use super::source::{ByteOrder, FileSource, FoundFrame, MOST};
use crate::capture::frame::LinkType;
use crate::error::Result;

/// The type of the block that begins a section: the same in both byte orders.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
/// The number that tells the byte order of a section.
pub(super) const ORDER: u32 = 0x1a2b_3c4d;
/// Types of the other blocks that are read.
pub(super) const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
pub(super) const PACKET: u32 = 6;
/// Options of an interface.
pub(super) const NAME: u16 = 2;
pub(super) const RESOLUTION: u16 = 9;
const OFFSET: u16 = 14;
/// What stands around the body of a block: its type and its length twice.
const AROUND: u32 = 12;
/// Interfaces of one section, and bytes of a name: no machine has more.
const MOST_INTERFACES: usize = 65_536;
const LONGEST_NAME: usize = 256;

/// What the section so far says.
#[derive(Debug)]
pub(super) struct Pcapng {
    order: ByteOrder,
    interfaces: Vec<FileInterface>,
}

#[derive(Debug)]
struct FileInterface {
    link: LinkType,
    name: String,
    /// The most bytes that were kept of a frame; 0: all.
    most: u32,
    ticks: Ticks,
    /// Seconds to be added to each time.
    offset: i64,
}

/// How finely an interface counts time.
#[derive(Debug, Clone, Copy)]
enum Ticks {
    /// So many in a second.
    Many(u64),
    /// A power of two of them in a second.
    Power(u32),
}

impl Pcapng {
    /// The type of the first block was read.
    pub(super) fn begin<R: Read>(source: &mut FileSource<R>) -> Result<Self> {
        let mut form = Pcapng { order: ByteOrder::Little, interfaces: Vec::new() };
        form.section(source, 4)?;
        Ok(form)
    }

    /// The name of an interface.
    pub(super) fn name(&self, interface: u32) -> &str {
        self.interfaces.get(interface as usize).map_or("", |interface| &interface.name)
    }

    pub(super) fn frame<R: Read>(
        &mut self,
        source: &mut FileSource<R>,
    ) -> Result<Option<FoundFrame>> {
        loop {
            if !source.fill(8)? {
                return Ok(None);
            }
            let kind = self.order.long(source.bytes(), 0);
            if kind == SECTION {
                self.section(source, 8)?;
                continue;
            }
            let body = self.body(source)?;
            match kind {
                INTERFACE => self.interface(source, body)?,
                PACKET | OLD_PACKET | SIMPLE_PACKET => {
                    return self.packet(source, kind, body).map(Some);
                }
                _ => {}
            }
        }
    }

    /// A section begins: `read` bytes of its first block are here.
    fn section<R: Read>(&mut self, source: &mut FileSource<R>, read: u32) -> Result<()> {
        source.more(AROUND - read)?;
        let orders = [ByteOrder::Little, ByteOrder::Big];
        let found = orders.into_iter().find(|order| order.long(source.bytes(), 8) == ORDER);
        let Some(order) = found else {
            return Err(source.wrong("a section does not tell its byte order"));
        };
        self.order = order;
        self.interfaces.clear();
        let body = self.rest(source, AROUND)?;
        if body < 16 {
            return Err(source.wrong("the head of a section is too short"));
        }
        match order.short(source.bytes(), 12) {
            1 => Ok(()),
            version => Err(source.wrong(&format!("it is pcapng of version {version}, and not 1"))),
        }
    }

    /// Reads a block whose type and length are here; its body's length.
    fn body<R: Read>(&self, source: &mut FileSource<R>) -> Result<usize> {
        self.rest(source, 8).map(|body| body as usize)
    }

    /// Reads the rest of a block of which so many bytes are here; its body's length.
    fn rest<R: Read>(&self, source: &mut FileSource<R>, here: u32) -> Result<u32> {
        let length = self.order.long(source.bytes(), 4);
        if length < AROUND.max(here) || !length.is_multiple_of(4) || length > MOST {
            return Err(source.wrong(&format!("a block says that it has {length} bytes")));
        }
        source.more(length - here)?;
        let again = self.order.long(source.bytes(), length as usize - 4);
        if again != length {
            let text = format!("a block says that it has {length} bytes, and at its end {again}");
            return Err(source.wrong(&text));
        }
        Ok(length - AROUND)
    }

    fn interface<R: Read>(&mut self, source: &FileSource<R>, body: usize) -> Result<()> {
        if body < 8 || self.interfaces.len() == MOST_INTERFACES {
            return Err(source.wrong("an interface is too short, or one too many"));
        }
        let (order, bytes) = (self.order, &source.bytes()[8..8 + body]);
        let mut interface = FileInterface {
            link: LinkType::of_number(order.short(bytes, 0)),
            name: String::new(),
            most: order.long(bytes, 4),
            ticks: Ticks::Many(1_000_000),
            offset: 0,
        };
        let mut options = &bytes[8..];
        while let Some((head, rest)) = options.split_at_checked(4) {
            let (kind, length) = (order.short(head, 0), usize::from(order.short(head, 2)));
            let Some(value) = rest.get(..length) else { break };
            match (kind, value) {
                (0, _) => break,
                (NAME, name) => {
                    let name = &name[..name.len().min(LONGEST_NAME)];
                    interface.name = String::from_utf8_lossy(name).into_owned();
                }
                (RESOLUTION, [exponent]) => {
                    let found = Ticks::of(*exponent);
                    interface.ticks = found.ok_or_else(|| {
                        source.wrong(&format!("its times have a resolution of {exponent}"))
                    })?;
                }
                (OFFSET, _) if length == 8 => {
                    let (one, other) = (order.long(value, 0), order.long(value, 4));
                    let (high, low) =
                        if order == ByteOrder::Big { (one, other) } else { (other, one) };
                    interface.offset = (u64::from(high) << 32 | u64::from(low)).cast_signed();
                }
                _ => {}
            }
            options = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn packet<R: Read>(
        &self,
        source: &mut FileSource<R>,
        kind: u32,
        body: usize,
    ) -> Result<FoundFrame> {
        let head = if kind == SIMPLE_PACKET { 4 } else { 20 };
        let Some(room) = body.checked_sub(head) else {
            return Err(source.wrong("the block of a packet is too short"));
        };
        let (order, bytes) = (self.order, &source.bytes()[8..]);
        let number = match kind {
            PACKET => order.long(bytes, 0),
            OLD_PACKET => order.short(bytes, 0).into(),
            _ => 0,
        };
        let Some(interface) = self.interfaces.get(number as usize) else {
            return Err(source.wrong(&format!("there is no interface {number} in its section")));
        };
        let (at, kept, length) = if kind == SIMPLE_PACKET {
            let length = order.long(bytes, 0);
            let most = if interface.most == 0 { u32::MAX } else { interface.most };
            let room = u32::try_from(room).unwrap_or(MOST);
            (Duration::ZERO, length.min(most).min(room), length)
        } else {
            let ticks = u64::from(order.long(bytes, 4)) << 32 | u64::from(order.long(bytes, 8));
            (interface.time(ticks), order.long(bytes, 12), order.long(bytes, 16))
        };
        if kept as usize > room {
            let text = format!(
                "a packet says that it has {kept} bytes, and its block has room for {room}"
            );
            return Err(source.wrong(&text));
        }
        let begin = 8 + head;
        let link = interface.link;
        source.frames += 1;
        Ok(FoundFrame {
            at,
            link,
            interface: number,
            bytes: begin..begin + kept as usize,
            length: length.max(kept) as usize,
        })
    }
}

impl Ticks {
    /// By the option of the interface; none: more than a number holds.
    fn of(exponent: u8) -> Option<Self> {
        let power = u32::from(exponent & 0x7f);
        if exponent & 0x80 != 0 {
            return (power < 64).then_some(Ticks::Power(power));
        }
        10_u64.checked_pow(power).map(Ticks::Many)
    }

    fn duration(self, ticks: u64) -> Duration {
        let many = match self {
            Ticks::Many(many) => many,
            Ticks::Power(power) => 1 << power,
        };
        let rest = u128::from(ticks % many) * 1_000_000_000 / u128::from(many);
        Duration::new(ticks / many, u32::try_from(rest).expect("it is less than a second"))
    }
}

impl FileInterface {
    fn time(&self, ticks: u64) -> Duration {
        let time = self.ticks.duration(ticks);
        let by = Duration::from_secs(self.offset.unsigned_abs());
        let moved = if self.offset < 0 { time.checked_sub(by) } else { time.checked_add(by) };
        moved.unwrap_or(Duration::ZERO)
    }
}
