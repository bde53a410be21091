//! The way to a host, router by router: packets that may pass one more each time, and who says that they passed too many
//! (RFC 792, time exceeded; ip(7) `IP_TTL`, `IP_RECVERR`). It takes no right that the packets do not take by themselves.

use std::net::IpAddr;
use std::time::Duration;

use super::probe::{self, Probes};
use super::probing::explained;
use super::round::USUAL_SIZE;
use super::spelling::ALONE;
use crate::clock;
use crate::conn::Conn;
use crate::endpoint::Endpoint;
use crate::engine::{self, Dialer};
use crate::error::{Error, Kind, Result};
use crate::socket::option::SocketOption;
use crate::socket::{Objection, ask_for_objections, objections};
use crate::spec::Shape;

/// Routers at most, where nobody says otherwise.
const USUAL_MOST: u8 = 30;
/// Packets for each place on the way.
const TRIES: usize = 3;
/// Bytes of the largest packet.
const LARGEST: usize = 65_536;

/// A way that is followed.
pub struct Trace {
    endpoint: Endpoint,
    dialer: Dialer,
    patience: Duration,
    size: usize,
    most: u8,
    /// Routers that the last packets may have passed, the one that drops them included.
    reached: u8,
    is_over: bool,
}

/// One place on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// How many routers away, this one included.
    pub number: u8,
    /// What became of each packet.
    pub answers: Vec<TraceAnswer>,
}

/// What became of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceAnswer {
    /// A router had to drop it, for it had passed as many as it may.
    Passed {
        /// Which.
        by: IpAddr,
        /// Until it was heard.
        took: Duration,
    },
    /// It has arrived.
    Arrived {
        /// Where.
        by: IpAddr,
        /// Until it was heard.
        took: Duration,
    },
    /// Somebody said that it cannot arrive.
    Stopped {
        /// Who.
        by: IpAddr,
        /// Until it was heard.
        took: Duration,
        /// What was said.
        error: Error,
    },
    /// Nobody said anything in time.
    Silent,
}

impl Trace {
    /// Plans to follow the way to an endpoint that gives packets over IP, such as icmp and udp.
    pub fn to(endpoint: &Endpoint, dialer: Dialer) -> Result<Self> {
        let resolved = engine::resolve(endpoint)?;
        let ttl = SocketOption::Ttl.row().spec.name;
        let has_reach = resolved.transport.spec.options.iter().any(|option| option.name == ttl);
        if resolved.shape != Shape::Packets || !has_reach || !resolved.layers.is_empty() {
            let text = format!(
                "the way to {endpoint} cannot be followed: it takes single packets over IP"
            );
            let error = Error::new(Kind::DoesNotFit, text);
            return Err(match endpoint.host() {
                Some(host) => error.hint_endpoint(format!("{ALONE}://{host}"), ""),
                None => error.hint_topic("addresses", "what gives packets"),
            });
        }
        Ok(Trace {
            endpoint: endpoint.clone(),
            dialer,
            patience: Duration::from_secs(1),
            size: USUAL_SIZE,
            most: USUAL_MOST,
            reached: 0,
            is_over: false,
        })
    }

    /// How long an answer may take.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Bytes that each packet carries.
    pub fn size(mut self, size: usize) -> Self {
        self.size = size.max(probe::LENGTH);
        self
    }

    /// Routers at most.
    pub fn most(mut self, most: u8) -> Self {
        self.most = most;
        self
    }

    /// The next place on the way; none behind the last one.
    pub async fn next(&mut self) -> Result<Option<Hop>> {
        if self.is_over || self.reached == self.most {
            return Ok(None);
        }
        self.reached += 1;
        let mut answers = Vec::new();
        for _ in 0..TRIES {
            answers.push(self.ask().await?);
        }
        let is_end = |answer: &TraceAnswer| {
            matches!(answer, TraceAnswer::Arrived { .. } | TraceAnswer::Stopped { .. })
        };
        self.is_over = answers.iter().any(is_end);
        Ok(Some(Hop { number: self.reached, answers }))
    }

    /// Sends one packet that may go so far. Each has a socket of its own, which hears what is said of no other.
    async fn ask(&self) -> Result<TraceAnswer> {
        let mut endpoint = self.endpoint.clone();
        endpoint.set(&format!("{}={}", SocketOption::Ttl.row().spec.name, self.reached))?;
        let mut conn = self.dialer.dial(&endpoint).await?.conn;
        let socket = conn.descriptor();
        let asked = socket.map(ask_for_objections);
        let asked = asked.unwrap_or_else(|| Err(std::io::ErrorKind::Unsupported.into()));
        asked.map_err(|error| Error::from_io("setsockopt(IP_RECVERR)", &error))?;
        let (clock, probes) = (self.dialer.bus().clock(), Probes::of(clock::draw_seed()));
        let mut probe = Vec::new();
        probes.write(1, self.size, &mut probe);
        let began = clock.now();
        let answer = async {
            if let Err(error) = conn.send(&probe).await {
                return said(&conn).ok_or(error).map(TraceHeard::Said);
            }
            let mut room = vec![0; LARGEST];
            loop {
                match conn.recv(&mut room).await {
                    Ok(Some(length)) if probes.read(&room[..length], self.size).is_some() => {
                        return Ok(TraceHeard::Back);
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => return Ok(TraceHeard::Nothing),
                    Err(error) => return said(&conn).ok_or(error).map(TraceHeard::Said),
                }
            }
        };
        let answer = tokio::time::timeout(self.patience, answer).await;
        let took = clock.now().saturating_sub(began);
        let peer = conn.facts().peer.ip().map(|peer| peer.ip());
        Ok(match (answer.unwrap_or(Ok(TraceHeard::Nothing))?, peer) {
            (TraceHeard::Back, Some(by)) => TraceAnswer::Arrived { by, took },
            (TraceHeard::Said(said), peer) => told(&said, peer, took),
            (TraceHeard::Back | TraceHeard::Nothing, _) => TraceAnswer::Silent,
        })
    }
}

enum TraceHeard {
    Back,
    Said(Objection),
    Nothing,
}

/// What somebody has said of the conn's packet.
fn said(conn: &Conn) -> Option<Objection> {
    objections(conn.descriptor()?).find(|said| said.report.reporter.is_some())
}

fn told(said: &Objection, peer: Option<IpAddr>, took: Duration) -> TraceAnswer {
    let report = &said.report;
    match report.reporter {
        Some(by) if report.is_out_of_reach() => TraceAnswer::Passed { by, took },
        // Nobody listens on that port, so that the packet was there.
        Some(by) if report.errno == libc::ECONNREFUSED && peer == Some(by) => {
            TraceAnswer::Arrived { by, took }
        }
        Some(by) => TraceAnswer::Stopped { by, took, error: explained(report) },
        None => TraceAnswer::Silent,
    }
}
