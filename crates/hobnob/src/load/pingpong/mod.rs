//! A message and its reply, over and over, on conns that stay open.

mod bytes;
mod packets;
mod terms;

use std::sync::Arc;
use std::time::Duration;

use crate::conn::Boxed;
use crate::endpoint::Endpoint;
use crate::engine::{self, Dialer, Route};
use crate::error::{Error, Kind, Result};
use crate::load::USUAL_PATIENCE;
use crate::load::driver::{Driver, OpenTalker};
use crate::load::payload::{Expected, Payload};
use crate::spec::Shape;

use self::bytes::BytesTalker;
use self::packets::PacketTalker;
use self::terms::PingPongTerms;

/// Bytes of a message, where nobody says otherwise.
const USUAL_SIZE: usize = 64;

/// Sends messages and checks what comes back. Over bytes replies come in the order of the messages; a packet that does not
/// come back within the patience is lost, and is not sent again.
#[derive(Clone)]
pub struct PingPong {
    route: Route,
    terms: Arc<PingPongTerms>,
}

impl PingPong {
    /// Messages of 64 bytes to an echo, one at a time.
    pub fn to(endpoint: &Endpoint, dialer: &Dialer) -> Result<Self> {
        let route = route(endpoint, dialer)?;
        let terms = PingPongTerms {
            payload: Payload::pattern(USUAL_SIZE),
            expected: Expected::echo(),
            depth: 1,
            patience: USUAL_PATIENCE,
        };
        Ok(PingPong { route, terms: Arc::new(terms) })
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

    /// How many messages of a talker are under way at once.
    pub fn depth(mut self, depth: usize) -> Self {
        Arc::make_mut(&mut self.terms).depth = depth.max(1);
        self
    }

    /// After which time a packet is lost.
    pub fn patience(mut self, patience: Duration) -> Self {
        Arc::make_mut(&mut self.terms).patience = patience;
        self
    }
}

/// The way to whoever is to be loaded.
pub(super) fn route(endpoint: &Endpoint, dialer: &Dialer) -> Result<Route> {
    if endpoint.is_stdio() {
        let error = Error::new(Kind::DoesNotFit, "- is one conversation, and a load has many");
        return Err(error.hint_endpoint(":9000", "a server on this machine"));
    }
    engine::resolve(endpoint)?;
    dialer.route(endpoint)
}

impl Driver for PingPong {
    fn open(&self, number: usize) -> Boxed<'static, OpenTalker> {
        let PingPong { route, terms } = self.clone();
        Box::pin(async move {
            let dialed = route.dial().await?;
            let connected = Some(dialed.took);
            Ok(match dialed.conn.shape() {
                Shape::Bytes => {
                    let talker = Box::new(BytesTalker::new(dialed.conn, number, terms));
                    OpenTalker { talker, connected }
                }
                Shape::Packets => {
                    let talker = Box::new(PacketTalker::new(dialed.conn, number, terms));
                    OpenTalker { talker, connected }
                }
            })
        })
    }
}
