//! Packets of a file: every whole one, and then what was wrong with it. A thread of its own reads the file, so that the
//! packets of a pipe are shown as they come, and a signal is heard while none comes.

use std::future::poll_fn;
use std::io::BufReader;
use std::pin::pin;
use std::sync::Arc;

use hobnob::capture::{CaptureReader, Filter};
use hobnob::error::Result;
use hobnob::streams::{self, StdoutWatch};
use hobnob::thread;

use super::shelf::PacketShelf;
use super::show::{LAST_WORDS, PARTING, PacketTeller};
use super::wishes::{PacketFile, SniffFlags};
use crate::process::signals::{Quit, Signals};
use crate::process::{BROKEN_PIPE, output_failed};

/// What happens next.
enum ReadingStep {
    /// Packets are there.
    Packets,
    /// The file is over, or wrong from here on.
    End(Result<()>),
    /// A signal.
    Asked(Quit),
    /// The reader of stdout has left, or a write failed.
    Unread(std::io::Result<()>),
}

pub(super) async fn run(
    wishes: &SniffFlags,
    from: PacketFile,
    mut teller: PacketTeller,
    mut signals: Signals,
) -> Result<u8> {
    let shelf = Arc::new(PacketShelf::default());
    let (filled, filter) = (Arc::clone(&shelf), wishes.filter.clone());
    let reading = thread::run("packets", move || read(from, &filter, &filled));
    let mut reading = pin!(async { reading.await.and_then(|end| end) });
    let mut stdout = StdoutWatch::begin();
    let (mut end, mut asked) = (None, None);
    while end.is_none() && asked.is_none() && !teller.is_enough() {
        let next = async {
            if let Err(error) = teller.room().await {
                return ReadingStep::Unread(Err(error));
            }
            tokio::select! {
                biased;
                end = &mut reading => ReadingStep::End(end),
                () = shelf.news() => ReadingStep::Packets,
                error = teller.broken() => ReadingStep::Unread(Err(error)),
            }
        };
        let next = tokio::select! {
            biased;
            by = signals.next() => ReadingStep::Asked(by),
            () = poll_fn(|cx| stdout.poll_deserted(cx)) => ReadingStep::Unread(Ok(())),
            next = next => next,
        };
        match next {
            ReadingStep::Packets => {}
            ReadingStep::End(how) => end = Some(how),
            ReadingStep::Asked(by) => asked = Some(by),
            ReadingStep::Unread(Ok(())) => return Ok(BROKEN_PIPE),
            ReadingStep::Unread(Err(error)) => return output_failed(&error),
        }
        let mut out = teller.buffer();
        shelf.take().each(|frame| teller.frame(&mut out, frame));
        teller.give(out);
    }
    if let Some(Err(error)) = end.take_if(|end| end.is_err() && teller.has_nothing()) {
        return Err(wishes.of_file(error));
    }
    let within = if asked.is_some() { PARTING } else { LAST_WORDS };
    let told = tokio::select! {
        told = teller.finish(None, 0, within) => told?,
        by = signals.next() => return Ok(by.code()),
    };
    match (end, asked) {
        (Some(Err(error)), _) => Err(wishes.of_file(error)),
        (_, Some(by)) => Ok(by.code()),
        (_, None) => Ok(told.unwrap_or(0)),
    }
}

/// Reads the whole of a file; what passes the filter is put on the shelf.
fn read(from: PacketFile, filter: &Filter, shelf: &PacketShelf) -> Result<()> {
    let from: Box<dyn std::io::Read> = match from {
        PacketFile::Stdin => Box::new(streams::stdin()),
        PacketFile::Opened(file) => Box::new(BufReader::new(file)),
    };
    let mut reader = CaptureReader::new(from)?;
    while let Some(frame) = reader.frame()? {
        if filter.matches(&frame) {
            shelf.put(&frame);
        }
    }
    Ok(())
}
