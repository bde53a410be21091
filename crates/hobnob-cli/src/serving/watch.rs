//! Sees servers to their end, and has told what happens meanwhile.

use std::time::Duration;

use hobnob::engine::{Running, Summary};
use hobnob::error::{Error, Result};

use crate::control;
use crate::process::signals::{Quit, Signals};
use crate::process::{BROKEN_PIPE, output_failed};
use crate::report::show::count;
use crate::serving::teller::Teller;

/// Time between two pulls while much comes.
const BUSY: Duration = Duration::from_millis(1);
/// How long the last words may take once somebody has asked for the end: to a person, who sees that a terminal takes
/// nothing, and to a program, whose events are not to be lost so soon.
const LAST_WORDS: Duration = Duration::from_millis(500);
const LAST_EVENTS: Duration = Duration::from_secs(1);
/// As many events at once are much.
const MUCH: usize = 512;

/// Tells until all are over; answers the exit code. `by` has asked for their end already.
pub(crate) async fn watch(
    all: &[Running],
    mut teller: Teller,
    host: Option<control::ControlSocket>,
    mut signals: Signals,
    by: Option<Quit>,
) -> Result<u8> {
    signals.are_for_a_server();
    let mut asked = 0_u32;
    if let Some(by) = by {
        stop(all, &mut teller, &mut asked, by);
    }
    let summaries = {
        let finished = finished(all);
        tokio::pin!(finished);
        loop {
            let told = teller.pump();
            // A server outlives the reader of its log. Without a reader of its events it drains.
            if teller.is_unheard() && asked == 0 {
                asked = 1;
                all.iter().for_each(Running::drain);
            }
            let interval = if told > MUCH { BUSY } else { teller.interval() };
            tokio::select! {
                summaries = &mut finished => break summaries,
                () = teller.rest((told > 0).then_some(interval)) => {}
                by = signals.next() => stop(all, &mut teller, &mut asked, by),
            }
        }
    };
    let is_for_programs = teller.tells_programs();
    let last_words = async {
        if let Some(host) = host {
            host.close().await;
        }
        teller.finish(&summaries).await;
    };
    let within = if is_for_programs { LAST_EVENTS } else { LAST_WORDS };
    // A signal gives up what nobody reads, and not what is being written.
    let too_long = async {
        if asked == 0 {
            signals.next().await;
        }
        tokio::time::sleep(within).await;
    };
    tokio::select! {
        () = last_words => {}
        () = too_long => {}
    }
    match all.iter().find_map(Running::failure) {
        Some(error) if has_no_reader(&error) => Ok(BROKEN_PIPE),
        // As an event it was told already.
        Some(error) if teller.tells_programs() => Ok(error.kind().exit_code()),
        Some(error) => Err(error),
        None => teller.failure().map_or(Ok(0), output_failed),
    }
}

/// Whether the session over standard output ended because its reader has left, which is no error of ours.
fn has_no_reader(error: &Error) -> bool {
    error.call().is_some_and(|call| call.text == "write(1)" && call.outcome == "EPIPE")
}

async fn finished(all: &[Running]) -> Vec<Summary> {
    let mut summaries = Vec::new();
    for running in all {
        summaries.push(running.finished().await);
    }
    summaries
}

/// The first signal lets sessions come to their ends, the second cuts them.
fn stop(all: &[Running], teller: &mut Teller, asked: &mut u32, by: Quit) {
    if by == Quit::HungUp && *asked > 0 {
        return;
    }
    *asked += 1;
    if *asked > 1 {
        all.iter().for_each(Running::cut);
        return;
    }
    let open = all.iter().map(Running::open).sum();
    all.iter().for_each(Running::drain);
    let is_typed = by == Quit::Typed;
    if is_typed {
        teller.end_typed_line();
    }
    if open > 0 {
        let it = if open == 1 { "it" } else { "them" };
        let again = if is_typed { format!(" (Ctrl-C again to drop {it})") } else { String::new() };
        teller.say_sentence(&format!("closing {}{again}", count(open, "session")));
    }
}
