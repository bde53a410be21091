//! Requests and their answers, over and over, on conns that are kept alive.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::codec::http::{AnswerPart, AnswerReader, Head, Version};
use crate::conn::{Boxed, Conn, scratch};
use crate::endpoint::Endpoint;
use crate::engine::{Dialed, Dialer, Route};
use crate::error::{Error, Result};
use crate::exchange::{Exchange, Request};
use crate::load::driver::{Driver, Mismatch, OpenTalker, Round, Talker, Upshot, ended};

/// The first status that is a no.
const FIRST_BAD: u16 = 400;
/// So many conns one after the other that answer nothing end a talker.
const TOLERATED: u32 = 10;

/// A request over and over. An answer is right where its status is below 400 and its body as long as that of the first
/// answer.
#[derive(Clone)]
pub struct Requests {
    route: Route,
    terms: Arc<RequestTerms>,
    depth: usize,
}

struct RequestTerms {
    method: String,
    /// Head and body, as they leave.
    bytes: Vec<u8>,
    /// Bytes of the body of the first answer.
    length: OnceLock<u64>,
}

impl Requests {
    /// `GET` of what the endpoint names.
    pub fn to(endpoint: &Endpoint, dialer: &Dialer) -> Result<Self> {
        Requests::of(endpoint, Request::to("/"), dialer)
    }

    /// This request, with the endpoint's path.
    pub fn of(endpoint: &Endpoint, mut request: Request, dialer: &Dialer) -> Result<Self> {
        if !request.has("connection") {
            request.fields.push(("Connection".to_owned(), "keep-alive".to_owned()));
        }
        let exchange = Exchange::new(endpoint, request)?;
        let mut bytes = exchange.head();
        bytes.extend_from_slice(exchange.request().body.as_deref().unwrap_or_default());
        let method = exchange.request().method.clone();
        let route = dialer.clone().speaking("http").route(endpoint)?;
        let terms = Arc::new(RequestTerms { method, bytes, length: OnceLock::new() });
        Ok(Requests { route, terms, depth: 1 })
    }

    /// So many requests of a talker at once, on one conn.
    pub fn depth(self, depth: usize) -> Self {
        Requests { depth: depth.max(1), ..self }
    }
}

impl Driver for Requests {
    fn open(&self, _: usize) -> Boxed<'static, OpenTalker> {
        let Requests { route, terms, depth } = self.clone();
        Box::pin(async move {
            let dialed = route.dial().await?;
            let talker = RequestTalker {
                answer: AnswerReader::to(&terms.method),
                route,
                terms,
                depth,
                conn: Some(dialed.conn),
                opening: None,
                under_way: VecDeque::new(),
                told: VecDeque::new(),
                unsent: Vec::new(),
                sent: 0,
                is_flushed: true,
                head: None,
                received: 0,
                body: 0,
                failed: 0,
            };
            Ok(OpenTalker { talker: Box::new(talker), connected: Some(dialed.took) })
        })
    }
}

struct RequestTalker {
    route: Route,
    terms: Arc<RequestTerms>,
    depth: usize,
    /// None: the server ended it, and the next round opens another one.
    conn: Option<Conn>,
    opening: Option<Boxed<'static, Dialed>>,
    under_way: VecDeque<Round>,
    told: VecDeque<Upshot>,
    unsent: Vec<u8>,
    sent: usize,
    is_flushed: bool,
    answer: AnswerReader,
    head: Option<Head>,
    /// Bytes of this answer so far, and those of its body.
    received: u64,
    body: u64,
    /// Conns since the last answer.
    failed: u32,
}

impl RequestTalker {
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(conn) = &mut self.conn else { return Poll::Ready(Ok(())) };
        while self.sent < self.unsent.len() {
            let piece = &self.unsent[self.sent..];
            self.sent += std::task::ready!(conn.channel().poll_send(cx, piece))?;
            self.is_flushed = false;
        }
        if !self.is_flushed {
            std::task::ready!(conn.channel().poll_flush(cx))?;
            self.is_flushed = true;
        }
        self.unsent.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_in(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        scratch::with(|buffer| {
            let Some(conn) = &mut self.conn else { return Poll::Pending };
            match std::task::ready!(conn.channel().poll_recv(cx, buffer))? {
                Some(length) => self.take(&buffer[..length]),
                None => self.at_the_end(),
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Goes through bytes that came: the answers that are whole, and the beginning of another one.
    fn take(&mut self, mut bytes: &[u8]) {
        while self.conn.is_some() {
            let before = bytes.len();
            let part = self.answer.next(&mut bytes);
            self.received += (before - bytes.len()) as u64;
            match part {
                Ok(Some(AnswerPart::Head(head))) => self.head = Some(head),
                Ok(Some(AnswerPart::Body(piece))) => self.body += piece.len() as u64,
                Ok(Some(AnswerPart::End)) => self.whole(),
                Ok(Some(AnswerPart::Interim(_) | AnswerPart::Trailers(_))) => {}
                Ok(None) => return,
                Err(_) => {
                    let wrong = Mismatch::new(b"an answer of HTTP/1.1", bytes);
                    let round = self.under_way.pop_front();
                    self.told.extend(round.map(|round| Upshot::Wrong(round, wrong)));
                    self.hang_up();
                }
            }
        }
    }

    /// An answer is whole.
    fn whole(&mut self) {
        self.answer = AnswerReader::to(&self.terms.method);
        let head = self.head.take().unwrap_or_default();
        let (body, received) = (self.body, self.received);
        (self.body, self.received, self.failed) = (0, 0, 0);
        let Some(round) = self.under_way.pop_front() else { return };
        let is_good = head.status < FIRST_BAD;
        let expected = if is_good { *self.terms.length.get_or_init(|| body) } else { body };
        let came = if is_good && body == expected {
            Upshot::Done { round, sent: self.terms.bytes.len() as u64, received }
        } else {
            let wanted = match self.terms.length.get() {
                Some(length) => format!("a status below 400 and {length} bytes"),
                None => "a status below 400".to_owned(),
            };
            let came = format!("{} and {body} bytes", head.status);
            Upshot::Wrong(round, Mismatch::new(wanted.as_bytes(), came.as_bytes()))
        };
        self.told.push_back(came);
        if !is_kept(&head) {
            self.hang_up();
        }
    }

    /// The conn is over: what was asked on it and not answered has failed.
    fn hang_up(&mut self) {
        self.conn = None;
        let failed = self.under_way.drain(..).map(|round| Upshot::Failed(round, ended()));
        self.told.extend(failed);
        self.unsent.clear();
        (self.sent, self.is_flushed, self.body, self.received) = (0, true, 0, 0);
        self.answer = AnswerReader::to(&self.terms.method);
        self.head = None;
    }

    fn broke(&mut self, error: &Error) {
        let rounds = std::mem::take(&mut self.under_way);
        self.told.extend(rounds.into_iter().map(|round| Upshot::Failed(round, error.clone())));
        self.failed += 1;
        self.hang_up();
    }

    fn at_the_end(&mut self) {
        let is_whole = self.head.is_some() && self.answer.end().is_ok();
        if is_whole {
            self.whole();
        }
        self.failed += 1;
        self.hang_up();
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<Duration>> {
        let route = &self.route;
        let open = || -> Boxed<'static, Dialed> {
            let route = route.clone();
            Box::pin(async move { route.dial().await })
        };
        let opening = self.opening.get_or_insert_with(open);
        let dialed = std::task::ready!(opening.as_mut().poll(cx));
        self.opening = None;
        let dialed = dialed?;
        self.conn = Some(dialed.conn);
        Poll::Ready(Ok(dialed.took))
    }
}

/// Whether the server keeps the conn after this answer (RFC 9112 section 9.3).
fn is_kept(head: &Head) -> bool {
    let says = |word: &[u8]| {
        let field = head.field("connection").unwrap_or_default();
        field.split(|byte| *byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(word))
    };
    match head.version {
        Version::Http10 => says(b"keep-alive"),
        Version::Http11 => !says(b"close"),
    }
}

impl Talker for RequestTalker {
    fn room(&self) -> usize {
        self.depth.saturating_sub(self.under_way.len() + self.told.len())
    }

    fn begin(&mut self, round: Round) {
        self.unsent.extend_from_slice(&self.terms.bytes);
        self.under_way.push_back(round);
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: Duration) -> Poll<Upshot> {
        loop {
            if let Some(came) = self.told.pop_front() {
                return Poll::Ready(came);
            }
            if self.failed >= TOLERATED {
                return Poll::Ready(Upshot::Broken(ended()));
            }
            if self.conn.is_none() {
                if self.under_way.is_empty() {
                    return Poll::Pending;
                }
                match std::task::ready!(self.poll_open(cx)) {
                    Ok(took) => return Poll::Ready(Upshot::Connected(took)),
                    Err(error) => return Poll::Ready(Upshot::Broken(error)),
                }
            }
            if let Poll::Ready(Err(error)) = self.poll_out(cx) {
                self.broke(&error);
                continue;
            }
            if let Err(error) = std::task::ready!(self.poll_in(cx)) {
                self.broke(&error);
            }
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.conn {
            Some(conn) => conn.channel().poll_end(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}
