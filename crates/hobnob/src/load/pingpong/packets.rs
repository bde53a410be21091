//! Messages and replies over packets, which may be lost, overtake each other, or come twice.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::terms::PingPongTerms;
use crate::conn::{Conn, scratch};
use crate::error::Result;
use crate::load::driver::{Mismatch, Round, Stray, Talker, Upshot, ended};

/// Lost rounds that are remembered, to know their replies where they come after all.
const REMEMBERED: usize = 1_024;

/// A talker on a conn of packets.
pub(super) struct PacketTalker {
    conn: Conn,
    number: usize,
    terms: Arc<PingPongTerms>,
    /// Rounds whose packet is sent, in the order of their numbers.
    under_way: VecDeque<Round>,
    /// Rounds whose packet is still to be sent.
    unsent: VecDeque<Round>,
    lost: VecDeque<u64>,
    is_flushed: bool,
    message: Vec<u8>,
}

impl PacketTalker {
    pub(super) fn new(conn: Conn, number: usize, terms: Arc<PingPongTerms>) -> Self {
        let (under_way, unsent, lost) = Default::default();
        let message = Vec::with_capacity(terms.payload.size());
        PacketTalker { conn, number, terms, under_way, unsent, lost, is_flushed: true, message }
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while let Some(round) = self.unsent.front() {
            self.message.clear();
            self.terms.payload.write(self.number, round.number, &mut self.message);
            std::task::ready!(self.conn.channel().poll_send(cx, &self.message))?;
            self.is_flushed = false;
            self.under_way.extend(self.unsent.pop_front());
        }
        if !self.is_flushed {
            std::task::ready!(self.conn.channel().poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// What a packet means.
    fn take(&mut self, packet: &[u8]) -> Upshot {
        let terms = Arc::clone(&self.terms);
        if !terms.payload.tells_rounds() || !terms.expected.is_echo() {
            return self.take_in_order(packet);
        }
        let Some(number) = terms.payload.number_of(packet, self.number) else {
            return match self.under_way.pop_front() {
                Some(round) => Upshot::Wrong(round, self.mismatch(round, packet)),
                None => Upshot::Stray(Stray::Strange),
            };
        };
        if let Some(at) = self.under_way.iter().position(|round| round.number == number)
            && let Some(round) = self.under_way.remove(at)
        {
            return self.judged(round, packet);
        }
        match self.lost.iter().position(|lost| *lost == number) {
            Some(at) => {
                self.lost.remove(at);
                Upshot::Stray(Stray::Late)
            }
            None => Upshot::Stray(Stray::Doubled),
        }
    }

    /// Nothing in a packet says which round it is of: it is the first one's.
    fn take_in_order(&mut self, packet: &[u8]) -> Upshot {
        match self.under_way.pop_front() {
            Some(round) => self.judged(round, packet),
            None if self.lost.pop_front().is_some() => Upshot::Stray(Stray::Late),
            None => Upshot::Stray(Stray::Strange),
        }
    }

    fn judged(&self, round: Round, packet: &[u8]) -> Upshot {
        let PingPongTerms { payload, expected, .. } = &*self.terms;
        let is_right = match expected.search() {
            Some(mut search) => expected.find(&mut search, packet).is_some(),
            None => {
                packet.len() == payload.size()
                    && payload.is_at(0, packet, self.number, round.number)
            }
        };
        if !is_right {
            return Upshot::Wrong(round, self.mismatch(round, packet));
        }
        Upshot::Done { round, sent: payload.size() as u64, received: packet.len() as u64 }
    }

    #[allow(clippy::unnecessary_box_returns, reason = "so it is held by what came of a round")]
    fn mismatch(&self, round: Round, packet: &[u8]) -> Box<Mismatch> {
        let PingPongTerms { payload, expected, .. } = &*self.terms;
        if expected.is_echo() {
            return Mismatch::new(&payload.message(self.number, round.number), packet);
        }
        Mismatch::new(expected.words().as_bytes(), packet)
    }

    /// The round that has waited longest, where it has waited for too long.
    fn lose(&mut self, now: Duration) -> Option<Upshot> {
        let waited = now.saturating_sub(self.under_way.front()?.begun);
        if waited < self.terms.patience {
            return None;
        }
        let round = self.under_way.pop_front()?;
        if self.lost.len() == REMEMBERED {
            self.lost.pop_front();
        }
        self.lost.push_back(round.number);
        Some(Upshot::Lost(round))
    }
}

impl Talker for PacketTalker {
    fn room(&self) -> usize {
        self.terms.depth.saturating_sub(self.under_way.len() + self.unsent.len())
    }

    fn begin(&mut self, round: Round) {
        self.unsent.push_back(round);
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, now: Duration) -> Poll<Upshot> {
        if let Poll::Ready(Err(error)) = self.poll_out(cx) {
            return Poll::Ready(Upshot::Broken(error));
        }
        let came = scratch::with(|buffer| {
            let received = std::task::ready!(self.conn.channel().poll_recv(cx, buffer));
            Poll::Ready(match received {
                Ok(Some(length)) => self.take(&buffer[..length]),
                Ok(None) => Upshot::Broken(ended()),
                Err(error) => Upshot::Broken(error),
            })
        });
        match came {
            Poll::Ready(came) => Poll::Ready(came),
            // What has come by now is not lost.
            Poll::Pending => self.lose(now).map_or(Poll::Pending, Poll::Ready),
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.conn.channel().poll_end(cx)
    }
}
