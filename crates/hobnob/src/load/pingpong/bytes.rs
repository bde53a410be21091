//! Messages and replies over bytes: replies come in the order of the messages, in whatever pieces.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::terms::PingPongTerms;
use crate::codec::pattern::Search;
use crate::conn::{Conn, scratch};
use crate::error::Result;
use crate::load::driver::{Mismatch, Round, Stray, Talker, Upshot, ended};

/// Bytes of a reply that are kept, to show them where they are wrong.
const KEPT: usize = 256;

/// A talker on a conn of bytes.
pub(super) struct BytesTalker {
    conn: Conn,
    number: usize,
    terms: Arc<PingPongTerms>,
    /// Rounds that have begun, the first of which is the next to be answered.
    under_way: VecDeque<Round>,
    /// How many of these are answered, and are still to be told, each with the bytes of its reply.
    answered: VecDeque<u64>,
    /// Messages that are to be sent, and how much of them was.
    unsent: Vec<u8>,
    sent: usize,
    is_flushed: bool,
    /// Bytes of the next reply that have come.
    got: usize,
    /// How far the search for its end has come, where it is no echo.
    search: Option<Search>,
    /// What its first bytes are, where it is no echo.
    seen: Vec<u8>,
    wrong: Option<Box<Mismatch>>,
    /// Whether a reply was wrong: where the next one begins is not known.
    is_lost: bool,
}

impl BytesTalker {
    pub(super) fn new(conn: Conn, number: usize, terms: Arc<PingPongTerms>) -> Self {
        BytesTalker {
            conn,
            number,
            search: terms.expected.search(),
            terms,
            under_way: VecDeque::new(),
            answered: VecDeque::new(),
            unsent: Vec::new(),
            sent: 0,
            is_flushed: true,
            got: 0,
            seen: Vec::new(),
            wrong: None,
            is_lost: false,
        }
    }

    /// Sends what is to be sent, as far as the conn takes it.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.sent < self.unsent.len() {
            let piece = &self.unsent[self.sent..];
            self.sent += std::task::ready!(self.conn.channel().poll_send(cx, piece))?;
            self.is_flushed = false;
        }
        if !self.is_flushed {
            std::task::ready!(self.conn.channel().poll_flush(cx))?;
            self.is_flushed = true;
        }
        self.unsent.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Takes in what has come; false at the end of the stream.
    fn poll_in(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        scratch::with(|buffer| {
            let received = std::task::ready!(self.conn.channel().poll_recv(cx, buffer))?;
            let Some(length) = received else { return Poll::Ready(Ok(false)) };
            self.take(&buffer[..length]);
            Poll::Ready(Ok(true))
        })
    }

    /// Goes through bytes that came: each reply that is whole, and the beginning of another one.
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_lost {
            let Some(round) = self.under_way.get(self.answered.len()).copied() else {
                return self.lose_track(Mismatch::new(b"", bytes));
            };
            let taken = match self.search {
                None => self.take_echo(round, bytes),
                Some(_) => self.take_match(bytes),
            };
            bytes = &bytes[taken..];
        }
    }

    fn lose_track(&mut self, wrong: Box<Mismatch>) {
        (self.wrong, self.is_lost) = (Some(wrong), true);
    }

    fn take_echo(&mut self, round: Round, bytes: &[u8]) -> usize {
        let payload = &self.terms.payload;
        let length = (payload.size() - self.got).min(bytes.len());
        if !payload.is_at(self.got, &bytes[..length], self.number, round.number) {
            let message = payload.message(self.number, round.number);
            let before = &message[..self.got];
            self.lose_track(Mismatch::new(&message, &[before, bytes].concat()));
            return bytes.len();
        }
        self.got += length;
        if self.got == payload.size() {
            self.answer();
        }
        length
    }

    fn take_match(&mut self, bytes: &[u8]) -> usize {
        let Some(search) = &mut self.search else { return bytes.len() };
        let found = self.terms.expected.find(search, bytes);
        let length = found.unwrap_or(bytes.len());
        self.got += length;
        let room = KEPT.saturating_sub(self.seen.len());
        self.seen.extend_from_slice(&bytes[..length.min(room)]);
        if found.is_some() {
            self.answer();
        }
        length
    }

    fn answer(&mut self) {
        self.answered.push_back(self.got as u64);
        self.got = 0;
        self.search = self.terms.expected.search();
        self.seen.clear();
    }

    /// What to tell first: replies that are there, before more is sent or received.
    fn tell(&mut self) -> Option<Upshot> {
        if let Some(received) = self.answered.pop_front() {
            let round = self.under_way.pop_front()?;
            return Some(Upshot::Done { round, sent: self.terms.payload.size() as u64, received });
        }
        let wrong = self.wrong.take()?;
        Some(match self.under_way.pop_front() {
            Some(round) => Upshot::Wrong(round, wrong),
            None => Upshot::Stray(Stray::Strange),
        })
    }

    /// The conn has ended: a reply that had begun is a wrong one.
    fn at_the_end(&mut self) -> Upshot {
        let expected = self.terms.expected.words().as_bytes();
        match self.under_way.front() {
            Some(round) if self.got > 0 && !self.terms.expected.is_echo() => {
                let round = *round;
                let mismatch = Mismatch::new(expected, &std::mem::take(&mut self.seen));
                self.got = 0;
                self.under_way.pop_front();
                Upshot::Wrong(round, mismatch)
            }
            _ => Upshot::Broken(ended()),
        }
    }
}

impl Talker for BytesTalker {
    fn room(&self) -> usize {
        if self.is_lost { 0 } else { self.terms.depth.saturating_sub(self.under_way.len()) }
    }

    fn begin(&mut self, round: Round) {
        self.terms.payload.write(self.number, round.number, &mut self.unsent);
        self.under_way.push_back(round);
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: Duration) -> Poll<Upshot> {
        loop {
            if let Some(came) = self.tell() {
                return Poll::Ready(came);
            }
            if self.is_lost {
                return Poll::Ready(Upshot::GivenUp);
            }
            // A peer that takes nothing may still have something to say.
            if let Poll::Ready(Err(error)) = self.poll_out(cx) {
                return Poll::Ready(Upshot::Broken(error));
            }
            match std::task::ready!(self.poll_in(cx)) {
                Ok(true) => {}
                Ok(false) => return Poll::Ready(self.at_the_end()),
                Err(error) => return Poll::Ready(Upshot::Broken(error)),
            }
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.conn.channel().poll_end(cx)
    }
}
