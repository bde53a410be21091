//! Writes pcapng: a section, an interface for each that frames come from, and the frames with their nanoseconds.

use std::collections::HashMap;
use std::io::Write;

use super::pcapng::{INTERFACE, NAME, ORDER, PACKET, RESOLUTION, SECTION};
use crate::capture::frame::{CapturedFrame, LinkType};
use crate::error::{Error, Kind, Result};

/// The block of an interface's counts, and its options.
const STATISTICS: u32 = 5;
const RECEIVED: u16 = 4;
const DROPPED: u16 = 5;
/// The option of a section that names the program.
const APPLICATION: u16 = 4;
/// The option that ends the others.
const END: u16 = 0;
/// Times are in nanoseconds: ten to the power of minus this.
const NANOSECONDS: u8 = 9;
/// Interfaces of one section. Where frames come from more, as in a file that has ever new ones, another section begins.
const MOST_INTERFACES: u32 = 1_024;
/// A section whose length is not told.
const UNTOLD: u64 = u64::MAX;

/// Writes a capture file, in this machine's byte order. What is written at any moment is a whole file.
#[derive(Debug)]
pub struct CaptureWriter<W> {
    to: W,
    /// The numbers of this section's interfaces, by what they have and by their names.
    interfaces: HashMap<LinkType, HashMap<String, u32>>,
    /// How many there are.
    count: u32,
    application: String,
    block: Vec<u8>,
    frames: u64,
}

impl<W: Write> CaptureWriter<W> {
    /// Begins a file that says which program wrote it.
    pub fn new(to: W, application: &str) -> Result<Self> {
        let (interfaces, application) = (HashMap::new(), application.to_owned());
        let mut writer =
            CaptureWriter { to, interfaces, count: 0, application, block: Vec::new(), frames: 0 };
        writer.section()?;
        Ok(writer)
    }

    /// Begins a section, which has no interfaces yet.
    fn section(&mut self) -> Result<()> {
        self.interfaces.clear();
        self.count = 0;
        self.begin(SECTION);
        self.put(&ORDER.to_ne_bytes());
        self.put(&1_u16.to_ne_bytes());
        self.put(&0_u16.to_ne_bytes());
        self.put(&UNTOLD.to_ne_bytes());
        let application = std::mem::take(&mut self.application);
        self.option(APPLICATION, application.as_bytes());
        self.application = application;
        self.option(END, &[]);
        self.end()
    }

    /// Adds a frame, and its interface before it where that is new.
    pub fn frame(&mut self, frame: &CapturedFrame<'_>) -> Result<()> {
        let interface = self.interface(frame.interface, frame.link)?;
        let nanos = u64::try_from(frame.at.as_nanos()).unwrap_or(u64::MAX);
        self.begin(PACKET);
        self.put(&interface.to_ne_bytes());
        self.put(&long(nanos >> 32).to_ne_bytes());
        self.put(&long(nanos & u64::from(u32::MAX)).to_ne_bytes());
        self.put(&long(frame.bytes.len() as u64).to_ne_bytes());
        self.put(&long(frame.length as u64).to_ne_bytes());
        self.put(frame.bytes);
        self.pad();
        self.end()?;
        self.frames += 1;
        Ok(())
    }

    /// Adds how many frames the kernel let pass to the first interface, and how many it dropped. Without a frame there is no
    /// interface, and nothing is added.
    pub fn counts(&mut self, received: u64, dropped: u64) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        self.begin(STATISTICS);
        self.put(&0_u32.to_ne_bytes());
        self.put(&0_u64.to_ne_bytes());
        self.option(RECEIVED, &received.to_ne_bytes());
        self.option(DROPPED, &dropped.to_ne_bytes());
        self.option(END, &[]);
        self.end()
    }

    /// Hands on what is buffered below.
    pub fn flush(&mut self) -> Result<()> {
        self.to.flush().map_err(|error| failed(&error))
    }

    /// How many frames were written.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The number of an interface.
    fn interface(&mut self, name: &str, link: LinkType) -> Result<u32> {
        let known = self.interfaces.get(&link).and_then(|known| known.get(name));
        if let Some(number) = known {
            return Ok(*number);
        }
        if self.count == MOST_INTERFACES {
            self.section()?;
        }
        self.begin(INTERFACE);
        self.put(&link.number().to_ne_bytes());
        self.put(&0_u16.to_ne_bytes());
        self.put(&0_u32.to_ne_bytes());
        if !name.is_empty() {
            self.option(NAME, name.as_bytes());
        }
        self.option(RESOLUTION, &[NANOSECONDS]);
        self.option(END, &[]);
        self.end()?;
        let number = self.count;
        self.interfaces.entry(link).or_default().insert(name.to_owned(), number);
        self.count += 1;
        Ok(number)
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.put(&kind.to_ne_bytes());
        self.put(&0_u32.to_ne_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        self.block.extend_from_slice(bytes);
    }

    fn option(&mut self, kind: u16, value: &[u8]) {
        let value = &value[..value.len().min(u16::MAX.into())];
        let length = u16::try_from(value.len()).expect("it was cut to that");
        self.put(&kind.to_ne_bytes());
        self.put(&length.to_ne_bytes());
        self.put(value);
        self.pad();
    }

    fn pad(&mut self) {
        let length = self.block.len().next_multiple_of(4);
        self.block.resize(length, 0);
    }

    /// Writes the block, with its length at both ends.
    fn end(&mut self) -> Result<()> {
        let length = long(self.block.len() as u64 + 4).to_ne_bytes();
        self.put(&length);
        self.block[4..8].copy_from_slice(&length);
        self.to.write_all(&self.block).map_err(|error| failed(&error))
    }
}

fn failed(error: &std::io::Error) -> Error {
    Error::from_io("write", error).with_kind(Kind::OutputFailed)
}

fn long(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
