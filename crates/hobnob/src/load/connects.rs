//! Connect, one message, its reply, the goodbye of both sides: over and over.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use crate::conn::{Boxed, Conn};
use crate::endpoint::Endpoint;
use crate::engine::{Dialer, Route};
use crate::error::{Error, Kind, Result};
use crate::load::USUAL_PATIENCE;
use crate::load::calls::{CallEnd, Calls};
use crate::load::driver::{Driver, Mismatch, OpenTalker, ended};
use crate::load::payload::{Expected, Payload};
use crate::load::pingpong::route;
use crate::spec::Shape;

/// Bytes of a message, where nobody says otherwise.
const USUAL_SIZE: usize = 64;
/// Bytes of one receive.
const RECEIVE: usize = 65_536;

/// A conn for each message. The time of a round is that of all of it; that of the connect alone is told beside it.
#[derive(Clone)]
pub struct Connects {
    route: Route,
    terms: Arc<ConnectTerms>,
}

#[derive(Debug, Clone)]
struct ConnectTerms {
    payload: Payload,
    expected: Expected,
    patience: Duration,
}

impl Connects {
    /// A message of 64 bytes to an echo on each conn.
    pub fn to(endpoint: &Endpoint, dialer: &Dialer) -> Result<Self> {
        let terms = ConnectTerms {
            payload: Payload::pattern(USUAL_SIZE),
            expected: Expected::echo(),
            patience: USUAL_PATIENCE,
        };
        Ok(Connects { route: route(endpoint, dialer)?, terms: Arc::new(terms) })
    }

    /// What is sent.
    pub fn payload(mut self, payload: Payload) -> Self {
        Arc::make_mut(&mut self.terms).payload = payload;
        self
    }

    /// What is to come back.
    pub fn expect(mut self, expected: Expected) -> Self {
        Arc::make_mut(&mut self.terms).expected = expected;
        self
    }

    /// How long a reply is waited for, and then the server's goodbye.
    pub fn patience(mut self, patience: Duration) -> Self {
        Arc::make_mut(&mut self.terms).patience = patience;
        self
    }

    async fn round(self, talker: usize, number: u64) -> Result<CallEnd> {
        let dialed = self.route.dial().await?;
        let mut conn = dialed.conn;
        let Connects { terms, .. } = self;
        let message = terms.payload.message(talker, number);
        conn.send(&message).await?;
        let reply = terms.reply(&mut conn, message.len());
        let mut end = CallEnd {
            sent: message.len() as u64,
            connected: Some(dialed.took),
            ..CallEnd::default()
        };
        let Ok(reply) = tokio::time::timeout(terms.patience, reply).await else {
            if conn.facts().has_end {
                return Err(silent(terms.patience));
            }
            end.is_lost = true;
            return Ok(end);
        };
        let reply = reply?;
        end.received = reply.len() as u64;
        end.wrong = terms.judge(&message, &reply);
        if end.wrong.is_none() && conn.facts().has_end {
            conn.end().await?;
            let goodbye = poll_fn(|cx| conn.channel().poll_recv(cx, &mut [0]));
            match tokio::time::timeout(terms.patience, goodbye).await {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(_))) => end.wrong = Some(Mismatch::new(b"", b"more than the reply")),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(silent(terms.patience)),
            }
        }
        Ok(end)
    }
}

impl ConnectTerms {
    /// What comes, up to the end of the reply.
    async fn reply(&self, conn: &mut Conn, size: usize) -> Result<Vec<u8>> {
        let (mut reply, mut buffer) = (Vec::new(), vec![0; RECEIVE]);
        let mut search = self.expected.search();
        loop {
            let Some(length) = conn.recv(&mut buffer).await? else {
                return if reply.is_empty() { Err(ended()) } else { Ok(reply) };
            };
            reply.extend_from_slice(&buffer[..length]);
            let is_over = match &mut search {
                _ if conn.shape() == Shape::Packets => true,
                None => reply.len() >= size,
                Some(search) => self.expected.find(search, &buffer[..length]).is_some(),
            };
            if is_over {
                return Ok(reply);
            }
        }
    }

    fn judge(&self, message: &[u8], reply: &[u8]) -> Option<Box<Mismatch>> {
        match self.expected.search() {
            None => (message != reply).then(|| Mismatch::new(message, reply)),
            Some(mut search) => {
                let is_right = self.expected.find(&mut search, reply).is_some();
                (!is_right).then(|| Mismatch::new(self.expected.words().as_bytes(), reply))
            }
        }
    }
}

fn silent(patience: Duration) -> Error {
    let patience = crate::spec::show_duration(patience);
    Error::new(Kind::TimedOut, format!("the server said nothing for {patience}")).hint_option(
        "timeout",
        "10s",
        "to wait longer",
    )
}

impl Driver for Connects {
    fn open(&self, number: usize) -> Boxed<'static, OpenTalker> {
        let connects = self.clone();
        Calls::of(move |talker, round| Box::pin(connects.clone().round(talker, round.number)))
            .open(number)
    }
}
