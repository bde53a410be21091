//! Rounds over bytes: each is a conn of its own, one after the other.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use super::round::{PingEvent, PingTerms, check_interval};
use super::tally::{PingSummary, Tally};
use crate::address::Address;
use crate::clock::Clock;
use crate::codec::http::{AnswerPart, Request};
use crate::conn::Boxed;
use crate::endpoint::Endpoint;
use crate::engine::{Dialer, Route};
use crate::error::{Error, Kind, Result};
use crate::exchange::{Exchange, Stopwatch};

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a round opens.
#[derive(Clone)]
enum RoundGoal {
    /// A conn, handshakes done.
    Conn(Box<Route>, Arc<Stopwatch>),
    /// The head of an answer.
    Answer(Box<Exchange>, Dialer),
}

impl RoundGoal {
    /// How long it took without the look-up of a name, and who answered.
    async fn reach(self) -> Result<(Duration, Address)> {
        match self {
            RoundGoal::Conn(route, stopwatch) => {
                let mut dialed = route.dial().await?;
                let took = dialed.took.saturating_sub(stopwatch.look_up().unwrap_or_default());
                let peer = dialed.conn.facts().peer.clone();
                // A peer that does not care for a goodbye changes nothing.
                let _ = tokio::time::timeout(GOODBYE, dialed.conn.end()).await;
                Ok((took, peer))
            }
            RoundGoal::Answer(exchange, dialer) => {
                let mut asked = exchange.ask(&dialer).await?;
                while !matches!(asked.part()?, Some(AnswerPart::Head(_))) {
                    asked.receive().await?;
                }
                let (times, peer) = (asked.times(), asked.facts().peer.clone());
                let took = times.first_byte.unwrap_or(times.total);
                asked.close().await;
                Ok((took.saturating_sub(times.look_up.unwrap_or_default()), peer))
            }
        }
    }
}

/// The rounds, of which one at a time is under way.
pub(super) struct Dialling {
    goal: RoundGoal,
    clock: Clock,
    terms: PingTerms,
    tally: Tally,
    under_way: Option<(u64, Duration, Boxed<'static, (Duration, Address)>)>,
    peer: Option<Address>,
    due: Duration,
    is_held: bool,
    timer: Pin<Box<Sleep>>,
}

impl Dialling {
    /// Plans to dial.
    pub(super) fn conns(endpoint: &Endpoint, dialer: &Dialer, terms: PingTerms) -> Result<Self> {
        let stopwatch = Stopwatch::start();
        let watched = dialer.clone().observer(Arc::clone(&stopwatch) as _);
        let goal = RoundGoal::Conn(Box::new(watched.route(endpoint)?), stopwatch);
        Ok(Dialling::new(goal, dialer, terms))
    }

    /// Plans to ask for heads.
    pub(super) fn answers(endpoint: &Endpoint, dialer: &Dialer, terms: PingTerms) -> Result<Self> {
        let request = Request { method: "HEAD".to_owned(), ..Request::to("/") };
        let exchange = Box::new(Exchange::new(endpoint, request)?);
        let goal = RoundGoal::Answer(exchange, dialer.clone());
        Ok(Dialling::new(goal, dialer, terms))
    }

    fn new(goal: RoundGoal, dialer: &Dialer, terms: PingTerms) -> Self {
        let clock = dialer.bus().clock();
        let timer = Box::pin(tokio::time::sleep_until(clock.instant_in(Duration::ZERO)));
        Dialling {
            goal,
            clock,
            terms,
            tally: Tally::new(),
            under_way: None,
            peer: None,
            due: clock.now(),
            is_held: false,
            timer,
        }
    }

    pub(super) fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    pub(super) fn summary(&self) -> &PingSummary {
        self.tally.summary()
    }

    pub(super) fn peer(&self) -> Option<&Address> {
        self.peer.as_ref()
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<PingEvent>>> {
        loop {
            if let Some((round, began, reaching)) = &mut self.under_way {
                let (round, began) = (*round, *began);
                let reached = ready!(reaching.as_mut().poll(cx));
                self.under_way = None;
                return Poll::Ready(self.ended(round, began, reached).map(Some));
            }
            if self.terms.count.is_some_and(|count| self.tally.next() > count) {
                return Poll::Ready(Ok(None));
            }
            let now = self.clock.now();
            if self.is_held {
                return Poll::Pending;
            }
            if now < self.due {
                self.timer.as_mut().reset(self.clock.instant_in(self.due.saturating_sub(now)));
                ready!(self.timer.as_mut().poll(cx));
                continue;
            }
            self.begin(now);
        }
    }

    fn begin(&mut self, now: Duration) {
        let (round, patience) = (self.tally.next(), self.terms.patience);
        let goal = self.goal.clone();
        let reaching = async move {
            let late = Error::new(Kind::TimedOut, "nothing in time");
            tokio::time::timeout(patience, goal.reach()).await.unwrap_or(Err(late))
        };
        self.tally.sent(now);
        self.due = self.due.saturating_add(self.terms.interval).max(now);
        self.under_way = Some((round, now, Box::pin(reaching)));
    }

    fn ended(
        &mut self,
        round: u64,
        began: Duration,
        reached: Result<(Duration, Address)>,
    ) -> Result<PingEvent> {
        match reached {
            Ok((took, peer)) => {
                check_interval(self.terms.interval, &peer)?;
                self.peer = Some(peer);
                let back = self.tally.back(round, began.saturating_add(took));
                back.ok_or_else(|| Error::new(Kind::Bug, "a round that is under way is remembered"))
            }
            Err(error) if matches!(error.kind(), Kind::TimedOut | Kind::ConnectTimeout) => {
                Ok(self.tally.lose(round))
            }
            Err(error) if self.may_pass(&error) => {
                self.tally.fail(round);
                Ok(PingEvent::Failed { round, error, by: None })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the next round may fare better: once one was back, in any case.
    fn may_pass(&self, error: &Error) -> bool {
        use Kind::{
            BadFrame, ConnectionBroken, ConnectionRefused, ConnectionReset, CutShort, IdleTimeout,
            NotFound, TlsTruncated, Unreachable, WouldBlock,
        };
        let is_passing = matches!(
            error.kind(),
            BadFrame
                | ConnectionBroken
                | ConnectionRefused
                | ConnectionReset
                | CutShort
                | IdleTimeout
                | NotFound
                | TlsTruncated
                | Unreachable
                | WouldBlock
        );
        is_passing || self.tally.summary().back > 0 && error.kind() != Kind::TooManyFiles
    }
}
