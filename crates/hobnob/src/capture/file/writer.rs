//! Writes pcapng: a section, an interface for each that frames come from, and the frames with their nanoseconds.

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
/// A section whose length is not told.
const UNTOLD: u64 = u64::MAX;

/// Writes a capture file, in this machine's byte order. What is written at any moment is a whole file.
#[derive(Debug)]
pub struct CaptureWriter<W> {
    to: W,
    interfaces: Vec<(String, LinkType)>,
    block: Vec<u8>,
    frames: u64,
}

impl<W: Write> CaptureWriter<W> {
    /// Begins a file that says which program wrote it.
    pub fn new(to: W, application: &str) -> Result<Self> {
        let mut writer = CaptureWriter { to, interfaces: Vec::new(), block: Vec::new(), frames: 0 };
        writer.begin(SECTION);
        writer.put(&ORDER.to_ne_bytes());
        writer.put(&1_u16.to_ne_bytes());
        writer.put(&0_u16.to_ne_bytes());
        writer.put(&UNTOLD.to_ne_bytes());
        writer.option(APPLICATION, application.as_bytes());
        writer.option(END, &[]);
        writer.end()?;
        Ok(writer)
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
        if self.interfaces.is_empty() {
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
        let known = self.interfaces.iter().position(|known| known.0 == name && known.1 == link);
        if let Some(at) = known {
            return Ok(long(at as u64));
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
        self.interfaces.push((name.to_owned(), link));
        Ok(long(self.interfaces.len() as u64 - 1))
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
