//! Round trips, one after the other: to whom, how often, how long each took, and what became of the rest.
//!
//! What a round is depends on what the endpoint gives. Over packets it is a probe that the other side sends back, as the
//! kernel does over icmp and an echo service over udp. Over bytes it is a dial, handshakes of the layers included. Where
//! the endpoint names http it is a dial and the head of an answer.
//!
//! ```
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
//! use hobnob::engine::{Dialer, parse};
//! use hobnob::ping::{Ping, PingEvent};
//!
//! # runtime.block_on(async {
//! let running = hobnob::serve("echo", "udp://127.0.0.1:0")?;
//! let at = parse(&format!("udp://{}", running.bound()[0].address))?;
//! let mut pinging = Ping::to(&at, Dialer::default())?.count(3).start().await?;
//! while let Some(event) = pinging.next().await? {
//!     let PingEvent::Back(back) = event else { panic!("nothing is lost here") };
//!     println!("{} took {:?}", back.round, back.took);
//! }
//! let summary = pinging.summary();
//! assert_eq!((summary.sent, summary.back, summary.lost()), (3, 3, 0));
//! # Ok::<(), hobnob::Error>(())
//! # })?;
//! # Ok::<(), hobnob::Error>(())
//! ```

mod dialling;
mod jitter;
mod probe;
mod probing;
mod round;
mod spelling;
mod tally;
mod trace;

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use self::dialling::Dialling;
use self::probing::Probing;
use self::round::{PingTerms, check_interval};
use crate::address::Address;
use crate::endpoint::Endpoint;
use crate::engine::{self, Dialer};
use crate::error::{Error, Kind, Result};
use crate::spec::Shape;

pub use self::round::{PingBack, PingEvent, PingWay, USUAL_INTERVAL, USUAL_PATIENCE, USUAL_SIZE};
pub use self::spelling::{ALONE, overs, spelt};
pub use self::tally::PingSummary;
pub use self::trace::{Hop, Trace, TraceAnswer};

/// What is to be pinged, and how.
#[derive(Clone)]
pub struct Ping {
    endpoint: Endpoint,
    dialer: Dialer,
    way: PingWay,
    terms: PingTerms,
}

impl Ping {
    /// Plans to ping an endpoint, with conns that this dialler opens. Nothing is open yet.
    pub fn to(endpoint: &Endpoint, dialer: Dialer) -> Result<Self> {
        let resolved = engine::resolve(endpoint)?;
        let way = match resolved.shape {
            Shape::Packets => PingWay::Probe,
            Shape::Bytes if resolved.protocol.is_some() => PingWay::Request,
            Shape::Bytes if endpoint.is_stdio() => {
                let error = Error::new(Kind::DoesNotFit, "nobody is dialled at -");
                return Err(error.hint_endpoint(":9000", "a round is a dial"));
            }
            Shape::Bytes => PingWay::Dial,
        };
        let terms = PingTerms {
            count: None,
            interval: USUAL_INTERVAL,
            patience: USUAL_PATIENCE,
            size: USUAL_SIZE,
        };
        Ok(Ping { endpoint: endpoint.clone(), dialer, way, terms })
    }

    /// So many rounds; without it they go on until [`Pinging`] is dropped.
    pub fn count(mut self, count: u64) -> Self {
        self.terms.count = Some(count);
        self
    }

    /// The pause from one round to the next. Zero: the next begins as soon as the last one is over.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.terms.interval = interval;
        self
    }

    /// How long a round may take until it is told to be lost.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.terms.patience = patience;
        self
    }

    /// Bytes that a probe carries, at least [`LEAST_SIZE`](Self::LEAST_SIZE). An error where a round is no probe.
    pub fn size(mut self, size: usize) -> Result<Self> {
        if self.way != PingWay::Probe {
            let text = format!("a round over {} is a dial, which has no size", self.endpoint);
            return Err(
                Error::new(Kind::DoesNotFit, text).hint_topic("addresses", "what gives packets")
            );
        }
        if size < Self::LEAST_SIZE {
            let least = Self::LEAST_SIZE;
            let text =
                format!("a probe has at least {least} bytes: it says whose it is, and its number");
            return Err(Error::new(Kind::BadOption, text).hint_option(
                "size",
                least.to_string(),
                "",
            ));
        }
        self.terms.size = size;
        Ok(self)
    }

    /// Bytes of the smallest probe.
    pub const LEAST_SIZE: usize = probe::LENGTH;

    /// What a round is.
    pub fn way(&self) -> PingWay {
        self.way
    }

    /// Who is pinged.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Bytes that a probe carries.
    pub fn probe_size(&self) -> usize {
        self.terms.size
    }

    /// Opens what has to be open before the first round.
    pub async fn start(self) -> Result<Pinging> {
        let dialer = self.dialer.clone().timeout(self.terms.patience);
        let rounds = match self.way {
            PingWay::Probe => {
                let conn = self.dialer.dial(&self.endpoint).await?.conn;
                check_interval(self.terms.interval, &conn.facts().peer)?;
                Rounds::Probing(Box::new(Probing::new(conn, self.terms, dialer.bus().clock())))
            }
            PingWay::Dial => {
                Rounds::Dialling(Box::new(Dialling::conns(&self.endpoint, &dialer, self.terms)?))
            }
            PingWay::Request => {
                Rounds::Dialling(Box::new(Dialling::answers(&self.endpoint, &dialer, self.terms)?))
            }
        };
        Ok(Pinging { rounds })
    }
}

/// Rounds as they are made. Nothing is made while nobody waits for [`next`](Self::next).
pub struct Pinging {
    rounds: Rounds,
}

enum Rounds {
    Probing(Box<Probing>),
    Dialling(Box<Dialling>),
}

impl Pinging {
    /// What comes of the next round that is over; none after the last one. May be given up and called again. An error:
    /// no round can be made any more.
    pub async fn next(&mut self) -> Result<Option<PingEvent>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same, for a future that polls other things, too.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<PingEvent>>> {
        match &mut self.rounds {
            Rounds::Probing(probing) => probing.poll_next(cx),
            Rounds::Dialling(dialling) => dialling.poll_next(cx),
        }
    }

    /// Begins no round while it is held; those under way go on.
    pub fn hold(&mut self, is_held: bool) {
        match &mut self.rounds {
            Rounds::Probing(probing) => probing.hold(is_held),
            Rounds::Dialling(dialling) => dialling.hold(is_held),
        }
    }

    /// What all of it comes to so far.
    pub fn summary(&self) -> &PingSummary {
        match &self.rounds {
            Rounds::Probing(probing) => probing.summary(),
            Rounds::Dialling(dialling) => dialling.summary(),
        }
    }

    /// Who answers, once that is known.
    pub fn peer(&self) -> Option<&Address> {
        match &self.rounds {
            Rounds::Probing(probing) => Some(probing.peer()),
            Rounds::Dialling(dialling) => dialling.peer(),
        }
    }
}
