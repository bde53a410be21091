//! The bytes of a capture file, piece by piece, with their place.

use std::io::Read;
use std::ops::Range;
use std::time::Duration;

use crate::capture::frame::LinkType;
use crate::error::{Error, Kind, Result};

/// The most bytes that a block or a frame may have: no medium has frames of that size.
pub(super) const MOST: u32 = 16 << 20;

/// A file that is being read: one piece of it is in memory.
#[derive(Debug)]
pub(super) struct FileSource<R> {
    from: R,
    piece: Vec<u8>,
    /// Where the piece begins.
    at: u64,
    /// How many frames were read.
    pub(super) frames: u64,
}

/// A frame within the piece.
#[derive(Debug)]
pub(super) struct FoundFrame {
    pub(super) at: Duration,
    pub(super) link: LinkType,
    pub(super) interface: u32,
    pub(super) bytes: Range<usize>,
    pub(super) length: usize,
}

impl<R: Read> FileSource<R> {
    pub(super) fn new(from: R) -> Self {
        FileSource { from, piece: Vec::new(), at: 0, frames: 0 }
    }

    /// Reads the next piece, of so many bytes; false: the file is over, exactly here.
    pub(super) fn fill(&mut self, count: u32) -> Result<bool> {
        self.at += self.piece.len() as u64;
        self.piece.clear();
        self.more(count).map(|came| came > 0 || count == 0)
    }

    /// Adds so many bytes to the piece: all of them, or none where the piece is empty and the file is over.
    pub(super) fn more(&mut self, count: u32) -> Result<u32> {
        let begins = self.piece.is_empty();
        // Memory is taken as bytes come, whatever a length says.
        let read = (&mut self.from).take(count.into()).read_to_end(&mut self.piece);
        let read = read.map_err(|error| Error::from_io("read", &error))?;
        match u32::try_from(read).unwrap_or(count) {
            0 if begins && count > 0 => Ok(0),
            came if came < count => {
                let text = format!("the file ends in the middle of {}", self.what());
                Err(self.refused(text))
            }
            came => Ok(came),
        }
    }

    fn what(&self) -> String {
        format!("packet {}", self.frames + 1)
    }

    /// Asks for a frame of so many bytes, none of which is too many.
    pub(super) fn check_size(&self, size: u32) -> Result<()> {
        if size <= MOST {
            return Ok(());
        }
        Err(self.wrong(&format!("{} says that it has {size} bytes", self.what())))
    }

    /// The piece.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.piece
    }

    /// The error of a file that is not what it seems.
    pub(super) fn wrong(&self, what: &str) -> Error {
        self.refused(format!("this is no capture file that I can read: {what}"))
    }

    fn refused(&self, text: String) -> Error {
        let frames = self.frames;
        let count = if frames == 1 {
            "1 whole packet".to_owned()
        } else {
            format!("{frames} whole packets")
        };
        Error::new(Kind::BadCapture, text)
            .why(format!("at byte {}, behind {count}", self.at))
            .hint_topic("sniff", "which files are read")
    }
}

/// Numbers of a file whose byte order is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// Four bytes; 0 where they are not there, which no caller lets happen.
    pub(super) fn long(self, bytes: &[u8], at: usize) -> u32 {
        let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).unwrap_or_default();
        match self {
            ByteOrder::Little => u32::from_le_bytes(four),
            ByteOrder::Big => u32::from_be_bytes(four),
        }
    }

    /// Two bytes, in the same way.
    pub(super) fn short(self, bytes: &[u8], at: usize) -> u16 {
        let two = bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).unwrap_or_default();
        match self {
            ByteOrder::Little => u16::from_le_bytes(two),
            ByteOrder::Big => u16::from_be_bytes(two),
        }
    }
}
