//! Packets as they pass. A reader of ours that is slow leaves them in the ring, where the kernel counts those that it has
//! to drop; so nothing is held here.

use std::future::poll_fn;
use std::time::Duration;

use hobnob::capture::LiveCapture;
use hobnob::error::{Error, Result};
use hobnob::streams::StdoutWatch;

use super::show::{LAST_WORDS, PARTING, PacketTeller};
use super::wishes::SniffFlags;
use crate::job::Job;
use crate::process::signals::{Quit, Signals};
use crate::process::{BROKEN_PIPE, output_failed};

/// How often the kernel is asked what it has dropped, at most.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// Why no more packets are taken.
enum Over {
    /// As many as were asked for.
    Enough,
    /// Its time, or a signal.
    Asked(Option<Quit>),
    /// The interface.
    Gone(Error),
    /// The reader of stdout has left, or a write failed.
    Unread(std::io::Result<()>),
}

pub(super) async fn run(
    job: &Job,
    wishes: &SniffFlags,
    mut capture: LiveCapture,
    mut teller: PacketTeller,
    mut signals: Signals,
) -> Result<u8> {
    signals.are_for_a_server();
    teller.begin();
    let over = take(job, wishes, &mut capture, &mut teller, &mut signals).await;
    capture.stop()?;
    let is_hurried = matches!(over, Over::Asked(Some(_)));
    let within = if is_hurried { PARTING } else { LAST_WORDS };
    let last_words = async {
        if matches!(over, Over::Asked(_) | Over::Gone(_)) {
            // What is not shown by then is counted.
            rest(&mut capture, &mut teller, within).await?;
        }
        let is_enough = matches!(over, Over::Enough);
        let left = if is_enough { 0 } else { capture.left()? };
        let counts = capture.counts()?;
        teller.finish(Some(counts), left, within).await
    };
    let told = tokio::select! {
        told = last_words => told,
        _again = signals.next() => Ok(None),
    };
    match over {
        Over::Gone(error) => Err(error),
        Over::Unread(Ok(())) => Ok(BROKEN_PIPE),
        Over::Unread(Err(error)) => output_failed(&error),
        Over::Enough | Over::Asked(_) => Ok(told?.unwrap_or(0)),
    }
}

/// Takes packets until something ends it.
async fn take(
    job: &Job,
    wishes: &SniffFlags,
    capture: &mut LiveCapture,
    teller: &mut PacketTeller,
    signals: &mut Signals,
) -> Over {
    let mut stdout = StdoutWatch::begin();
    let deadline = wishes.time.map(|time| job.clock.instant_in(time));
    let mut asked_at = job.clock.now();
    loop {
        let next = async {
            if let Err(error) = teller.room().await {
                return Err(Over::Unread(Err(error)));
            }
            tokio::select! {
                ready = capture.ready() => ready.map_err(Over::Gone),
                error = teller.broken() => Err(Over::Unread(Err(error))),
            }
        };
        let at_deadline = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            by = signals.next() => return Over::Asked(Some(by)),
            () = poll_fn(|cx| stdout.poll_deserted(cx)) => return Over::Unread(Ok(())),
            () = at_deadline => return Over::Asked(None),
            ready = next => if let Err(over) = ready { return over },
        }
        block(capture, teller);
        if teller.is_enough() {
            return Over::Enough;
        }
        if job.clock.now().saturating_sub(asked_at) >= ASKED_EVERY {
            asked_at = job.clock.now();
            match capture.counts() {
                Ok(counts) => teller.counted(counts),
                Err(error) => return Over::Gone(error),
            }
        }
    }
}

fn block(capture: &mut LiveCapture, teller: &mut PacketTeller) {
    let mut out = teller.buffer();
    capture.block(|frame| teller.frame(&mut out, frame));
    teller.give(out);
}

/// Shows what passed before the end, as long as the reader of stdout takes some of it `within` each such time.
async fn rest(
    capture: &mut LiveCapture,
    teller: &mut PacketTeller,
    within: Duration,
) -> Result<()> {
    while !teller.is_enough() && capture.rest().await? {
        match tokio::time::timeout(within, teller.room()).await {
            Ok(Ok(())) => block(capture, teller),
            Ok(Err(_)) | Err(_) => break,
        }
    }
    Ok(())
}
