//! Packets of a file: every whole one, and then what was wrong with it.

use std::future::poll_fn;
use std::io::Read;

use hobnob::capture::CaptureReader;
use hobnob::error::Result;
use hobnob::streams::StdoutWatch;

use super::show::{LAST_WORDS, PacketTeller};
use super::wishes::SniffFlags;
use crate::process::signals::Signals;
use crate::process::{BROKEN_PIPE, output_failed};

/// Bytes of lines that are made before they are written.
const BATCH: usize = 64 << 10;

pub(super) async fn run(
    wishes: &SniffFlags,
    from: Box<dyn Read>,
    mut teller: PacketTeller,
    mut signals: Signals,
) -> Result<u8> {
    let mut reader = CaptureReader::new(from).map_err(|error| wishes.of_file(error))?;
    let mut stdout = StdoutWatch::begin();
    let mut wrong = None;
    let mut is_over = false;
    while !is_over && !teller.is_enough() {
        tokio::select! {
            biased;
            by = signals.next() => return Ok(by.code()),
            () = poll_fn(|cx| stdout.poll_deserted(cx)) => return Ok(BROKEN_PIPE),
            room = teller.room() => if let Err(error) = room { return output_failed(&error) },
        }
        let mut out = teller.buffer();
        while out.len() < BATCH && !teller.is_enough() {
            match reader.frame() {
                Ok(Some(frame)) if wishes.filter.matches(&frame) => teller.frame(&mut out, &frame),
                Ok(Some(_)) => {}
                Ok(None) => is_over = true,
                Err(error) => wrong = Some(error),
            }
            if is_over || wrong.is_some() {
                is_over = true;
                break;
            }
        }
        teller.give(out);
    }
    let told = tokio::select! {
        told = teller.finish(None, 0, LAST_WORDS) => told?,
        by = signals.next() => return Ok(by.code()),
    };
    match wrong {
        Some(error) => Err(wishes.of_file(error)),
        None => Ok(told.unwrap_or(0)),
    }
}
