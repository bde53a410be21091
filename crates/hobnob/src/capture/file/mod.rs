//! Capture files: pcap as tcpdump writes it, and pcapng (draft-ietf-opsawg-pcapng) as tcpdump and Wireshark read it. The
//! reader and the writer are our own: they are small, hold one block in memory, and say at which byte a file is wrong.

mod pcap;
mod pcapng;
mod source;
mod writer;

use std::io::Read;

use super::frame::CapturedFrame;
use crate::error::Result;
use pcap::Pcap;
use pcapng::Pcapng;
use source::FileSource;

pub use writer::CaptureWriter;

/// Reads a capture file frame by frame, of either form. A file that is cut short gives every whole frame first, and then
/// the error.
#[derive(Debug)]
pub struct CaptureReader<R> {
    source: FileSource<R>,
    form: FileForm,
    is_over: bool,
}

#[derive(Debug)]
enum FileForm {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl<R: Read> CaptureReader<R> {
    /// Reads the beginning, which tells the form. The error is [`BadCapture`](crate::error::Kind::BadCapture): it is no such
    /// file.
    pub fn new(from: R) -> Result<Self> {
        let mut source = FileSource::new(from);
        if !source.fill(4)? {
            return Err(source.wrong("the file is empty"));
        }
        let magic: [u8; 4] = source.bytes().try_into().expect("four bytes were read");
        let form = if magic == pcapng::SECTION.to_ne_bytes() {
            FileForm::Pcapng(Pcapng::begin(&mut source)?)
        } else {
            FileForm::Pcap(Pcap::begin(&mut source, magic)?)
        };
        Ok(CaptureReader { source, form, is_over: false })
    }

    /// The next frame; none: the file is over, as it is after an error.
    pub fn frame(&mut self) -> Result<Option<CapturedFrame<'_>>> {
        if self.is_over {
            return Ok(None);
        }
        let read = match &mut self.form {
            FileForm::Pcap(form) => form.frame(&mut self.source),
            FileForm::Pcapng(form) => form.frame(&mut self.source),
        };
        self.is_over = !matches!(read, Ok(Some(_)));
        let Some(found) = read? else { return Ok(None) };
        let interface = match &self.form {
            FileForm::Pcap(_) => "",
            FileForm::Pcapng(form) => form.name(found.interface),
        };
        Ok(Some(CapturedFrame {
            at: found.at,
            link: found.link,
            interface,
            bytes: &self.source.bytes()[found.bytes],
            length: found.length,
        }))
    }

    /// How many frames were read.
    pub fn frames(&self) -> u64 {
        self.source.frames
    }
}

#[cfg(test)]
mod tests;
