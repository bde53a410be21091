//! Rounds over packets: probes go out at their times, whether or not earlier ones are back.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use super::probe::Probes;
use super::round::{PingEvent, PingTerms};
use super::tally::{PingSummary, Tally};
use crate::address::Address;
use crate::clock::{self, Clock};
use crate::conn::Conn;
use crate::error::{Error, Kind, Result};
use crate::socket::{ErrorReport, Objection, ask_for_objections, objections};

/// Bytes of the largest packet.
const LARGEST: usize = 65_536;
/// Copies that come behind the last round are waited for at least so long.
const LEAST_LINGER: Duration = Duration::from_millis(20);

/// A conn, and the rounds on it.
pub(super) struct Probing {
    conn: Conn,
    clock: Clock,
    terms: PingTerms,
    probes: Probes,
    tally: Tally,
    /// What is to be told.
    told: VecDeque<PingEvent>,
    /// When the next round begins.
    due: Duration,
    /// Until when copies are waited for, once all rounds are over.
    lingers: Option<Duration>,
    is_held: bool,
    timer: Pin<Box<Sleep>>,
    draft: Vec<u8>,
    incoming: Vec<u8>,
}

impl Probing {
    pub(super) fn new(conn: Conn, terms: PingTerms, clock: Clock) -> Self {
        // Without it an error is told of no round, as it would be without us.
        conn.descriptor().map(ask_for_objections);
        Probing {
            conn,
            clock,
            terms,
            probes: Probes::of(clock::draw_seed()),
            tally: Tally::new(),
            told: VecDeque::new(),
            due: clock.now(),
            lingers: None,
            is_held: false,
            timer: Box::pin(tokio::time::sleep_until(clock.instant_in(Duration::ZERO))),
            draft: Vec::new(),
            incoming: vec![0; LARGEST],
        }
    }

    pub(super) fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    pub(super) fn summary(&self) -> &PingSummary {
        self.tally.summary()
    }

    pub(super) fn peer(&self) -> &Address {
        &self.conn.facts().peer
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<PingEvent>>> {
        loop {
            if let Some(event) = self.told.pop_front() {
                return Poll::Ready(Ok(Some(event)));
            }
            if self.poll_hear(cx)?.is_ready() {
                continue;
            }
            let now = self.clock.now();
            if let Some((round, sent)) = self.tally.oldest()
                && now >= sent.saturating_add(self.terms.patience)
            {
                self.told.push_back(self.tally.lose(round));
                continue;
            }
            if self.is_over(now) {
                return Poll::Ready(Ok(None));
            }
            if self.may_begin(now) && self.poll_ask(cx, now)?.is_ready() {
                continue;
            }
            let Some(next) = self.next_time(now) else { return Poll::Pending };
            self.timer.as_mut().reset(self.clock.instant_in(next.saturating_sub(now)));
            ready!(self.timer.as_mut().poll(cx));
        }
    }

    /// Takes one packet, or what was said of ours. Pending: there is nothing.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>> {
        let Poll::Ready(heard) = self.conn.channel().poll_recv(cx, &mut self.incoming) else {
            return Ok(Poll::Pending);
        };
        match heard {
            Ok(Some(length)) => {
                let now = self.clock.now();
                let round = self.probes.read(&self.incoming[..length], self.terms.size);
                match round {
                    Some(round) => self.told.extend(self.tally.back(round, now)),
                    None => self.tally.strange(),
                }
            }
            Ok(None) => {
                return Err(Error::new(
                    Kind::ConnectionBroken,
                    "the other side has ended the conn",
                ));
            }
            Err(error) if error.kind() == Kind::MessageTooLong => self.tally.strange(),
            Err(error) => {
                if !self.hear_objections() {
                    let round = self.tally.youngest().filter(|_| is_about_a_round(&error));
                    let Some(round) = round else { return Err(error) };
                    self.fail(round, error, None);
                }
            }
        }
        Ok(Poll::Ready(()))
    }

    /// Takes what others have said of our packets. False: nobody has said anything.
    fn hear_objections(&mut self) -> bool {
        let Some(socket) = self.conn.descriptor() else { return false };
        let said: Vec<Objection> =
            objections(socket).filter(|said| said.report.reporter.is_some()).collect();
        for said in &said {
            // A router that sends back too little to tell by means the last one, most likely.
            let round = self.probes.find(&said.packet).or_else(|| self.tally.youngest());
            if let Some(round) = round {
                self.fail(round, explained(&said.report), said.report.reporter);
            }
        }
        !said.is_empty()
    }

    fn fail(&mut self, round: u64, error: Error, by: Option<IpAddr>) {
        if self.tally.fail(round) {
            self.told.push_back(PingEvent::Failed { round, error, by });
        }
    }

    fn may_begin(&self, now: Duration) -> bool {
        let is_time =
            if self.terms.interval.is_zero() { self.tally.are_all_over() } else { now >= self.due };
        is_time && !self.is_held && !self.are_all_sent() && self.tally.has_room()
    }

    /// Sends a probe. Pending: the socket takes none at present.
    fn poll_ask(&mut self, cx: &mut Context<'_>, now: Duration) -> Result<Poll<()>> {
        let round = self.tally.next();
        self.probes.write(round, self.terms.size, &mut self.draft);
        let Poll::Ready(sent) = self.conn.channel().poll_send(cx, &self.draft) else {
            return Ok(Poll::Pending);
        };
        match sent {
            Ok(_) => self.begun(now),
            // The kernel tells of an earlier one, and has not sent this one.
            Err(_) if self.hear_objections() => {}
            Err(error) if is_about_a_round(&error) => {
                self.begun(now);
                self.fail(round, error, None);
            }
            Err(error) => return Err(error),
        }
        Ok(Poll::Ready(()))
    }

    fn begun(&mut self, now: Duration) {
        self.tally.sent(now);
        // After a pause of this machine there is no burst.
        self.due = self.due.saturating_add(self.terms.interval).max(now);
    }

    fn are_all_sent(&self) -> bool {
        self.terms.count.is_some_and(|count| self.tally.next() > count)
    }

    /// Whether all rounds are over, and copies were waited for as long as the longest round took.
    fn is_over(&mut self, now: Duration) -> bool {
        if !self.are_all_sent() || !self.tally.are_all_over() {
            return false;
        }
        let longest =
            self.tally.longest().clamp(LEAST_LINGER, self.terms.patience.max(LEAST_LINGER));
        now >= *self.lingers.get_or_insert(now.saturating_add(longest))
    }

    /// When something is to be done, if nothing comes.
    fn next_time(&mut self, now: Duration) -> Option<Duration> {
        let begins = !self.is_held && !self.are_all_sent() && !self.terms.interval.is_zero();
        // One whose time has come waits for the socket, or for room.
        let due = Some(self.due).filter(|due| begins && *due > now);
        let loses = self.tally.oldest().map(|(_, sent)| sent.saturating_add(self.terms.patience));
        [due, loses, self.lingers].into_iter().flatten().min()
    }
}

/// Whether the next round may fare better.
fn is_about_a_round(error: &Error) -> bool {
    let is_passing = matches!(error.kind(), Kind::ConnectionRefused | Kind::Unreachable);
    is_passing || error.errno() == Some(libc::ENOBUFS)
}

/// What somebody has said, in a sentence.
pub(super) fn explained(said: &ErrorReport) -> Error {
    let error = Error::from_io("send()", &io::Error::from_raw_os_error(said.errno));
    if said.is_out_of_reach() {
        return error.with_message("it had passed as many routers as it may (time exceeded)");
    }
    match said.errno {
        libc::ECONNREFUSED => error.with_message("nothing listens on that port (port unreachable)"),
        libc::EMSGSIZE => error.with_message("it is too long for a link on the way"),
        _ => error,
    }
}
