//! Passes on what it gets to an endpoint that it dials, and the answers back.

use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use super::{Door, Made, Service, ServiceRow, Site};
use crate::address::{Address, canonical};
use crate::chunk::{Direction, Side};
use crate::clock::Clock;
use crate::conn::link::{self, Ahead, Broken, LinkEnd, Pipes, Witness};
use crate::conn::{Boxed, Conn, StdioPatience};
use crate::error::{Error, Kind, Result};
use crate::event::{Bent, By, End, Fact, How, Upstream, UpstreamDialed};
use crate::fault::{self, Act, Bend, Hit, Panel, Profile, Setting};
use crate::session::{Decisions, Destination, Session};
use crate::spec::{OptionSpec, Options, Shape, Spec, ValueKind, show_duration};

/// The row of the table.
pub(crate) static ROW: ServiceRow = ServiceRow {
    spec: &Spec {
        name: "relay",
        summary: "any address to any other (--to)",
        options: &[
            OptionSpec {
                name: TO,
                kind: ValueKind::Endpoint,
                default: "",
                help: "where to: an address that each session dials",
            },
            OptionSpec {
                name: "fault",
                kind: ValueKind::Fault,
                default: "",
                help: "bend what passes, as in down:latency=200ms (repeat); see help faults",
            },
            OptionSpec {
                name: "like",
                kind: ValueKind::Named("NETWORK"),
                default: "",
                help: "3g, edge, wifi-bad, satellite or offline: faults that go together",
            },
            OptionSpec {
                name: "decisions",
                kind: ValueKind::Named("FILE"),
                default: "",
                help: "a new file for each decision of a fault, to compare runs",
            },
        ],
        examples: &["hobnob serve relay :9001 --to :9000"],
        is_built_in: true,
    },
    doors: &[Door::only(9001, &[Shape::Bytes, Shape::Packets])],
    is_loud: false,
    make: Some(make),
};

fn make(options: &Options) -> Result<Made> {
    let mut settings = match options.text("like") {
        Some(name) => Profile::settings(name)?,
        None => Vec::new(),
    };
    for text in options.texts("fault") {
        settings.push(Setting::parse(text)?);
    }
    let panel = Panel::default();
    if !settings.is_empty() {
        panel.set(settings)?;
    }
    let path = options.text("decisions").map(str::to_owned);
    Ok(Made::Service(Box::new(Relay { panel, path, decisions: OnceLock::new() })))
}

/// The option that names the endpoint to dial.
const TO: &str = "to";

/// How long a target that had ended has at least, and at most, to drop what it was sent since.
const REFUSAL: Duration = Duration::from_millis(50);
const MOST: Duration = Duration::from_secs(1);

/// How often the kernel is asked whether a client has all, at first and later: it does not tell by itself.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_millis(100);

const REFUSED: &str = "the target had ended, and did not take all that standard input said";

struct Relay {
    panel: Panel,
    /// The file that decisions are written to.
    path: Option<String>,
    decisions: OnceLock<Arc<Decisions>>,
}

impl Service for Relay {
    fn open<'a>(&'a self, site: &'a mut Site) -> Boxed<'a, ()> {
        Box::pin(async move {
            let Some(path) = self.path.clone() else { return Ok(()) };
            let opened = {
                let path = path.clone();
                site.keeper().work(move || Decisions::open(&path)).await??
            };
            site.undo(move || drop(std::fs::remove_file(path)));
            self.panel.log(self.decisions.get_or_init(|| Arc::new(opened)).clone());
            Ok(())
        })
    }

    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            let _noting = Noting { relay: self, session };
            // Boxed, as only the beginning of a session needs it, and thousands lie idle in what follows.
            let (bend, dialed, ahead) = Box::pin(self.begin(session, conn)).await?;
            let mut far = Far::new(session, dialed);
            let passed = link::run(conn, &mut far.conn, ahead, bend, &far.telling).await;
            Box::pin(settle(session, conn, &mut far, passed)).await
        })
    }

    fn panel(&self) -> Option<&Panel> {
        Some(&self.panel)
    }
}

impl Relay {
    /// Dials, if and when the faults let the session dial.
    async fn begin(&self, session: &Arc<Session>, conn: &mut Conn) -> Result<(Bend, Conn, Ahead)> {
        let mut ahead = Ahead::default();
        let entry = self.panel.enter(session.id, session.seed, peer_of(session));
        entry.hits.into_iter().for_each(|hit| tell(session, Direction::In, hit));
        if let Some(fault) = entry.refused_by {
            session.conclude_between(None, Some(fault));
            note_both(session, By::Us);
            return Err(Error::new(Kind::Fault, format!("turned away by the fault {fault}")));
        }
        if !entry.wait.is_zero() {
            wait(entry.wait, session, conn, &mut ahead).await?;
        }
        let dialed = dial(session, conn, &mut ahead).await?;
        Ok((entry.bend, dialed, ahead))
    }
}

/// Writes what was decided about a session, however the session ends.
struct Noting<'a> {
    relay: &'a Relay,
    session: &'a Session,
}

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        if let Some(decisions) = self.relay.decisions.get() {
            decisions.flush(self.session.bus());
        }
    }
}

/// Lets time pass, unless the peer is gone first.
async fn wait(time: Duration, session: &Session, conn: &mut Conn, ahead: &mut Ahead) -> Result<()> {
    tokio::select! {
        error = ahead.read(conn, |bytes| session.note_held(bytes)) => Err(error),
        () = tokio::time::sleep(time) => Ok(()),
    }
}

/// Dials, unless the peer is gone before the dial is done.
async fn dial(session: &Arc<Session>, conn: &mut Conn, ahead: &mut Ahead) -> Result<Conn> {
    let began = session.clock().now();
    let upstream = {
        let mut dialing = pin!(session.dial(Destination::Target(TO)));
        let mut gone = pin!(ahead.read(conn, |bytes| session.note_held(bytes)));
        std::future::poll_fn(|cx| {
            if let Poll::Ready(dialed) = dialing.as_mut().poll(cx) {
                return Poll::Ready(dialed.inspect_err(|error| note_failed(session, error)));
            }
            gone.as_mut().poll(cx).map(Err)
        })
        .await?
    };
    if session.bus().is_watched() {
        let facts = upstream.facts();
        session.emit(Fact::Dialed(Box::new(UpstreamDialed {
            transport: facts.transport,
            local: facts.local.clone(),
            peer: facts.peer.clone(),
            took: session.clock().now().saturating_sub(began),
        })));
        session.tell_learnt(By::Upstream, facts.learnt());
    }
    Ok(upstream)
}

/// What the end of the link means for the session.
async fn settle(
    session: &Session,
    conn: &mut Conn,
    far: &mut Far<'_>,
    passed: Result<LinkEnd, Broken>,
) -> Result<()> {
    far.telling.is_over = passed.is_ok();
    let passed = passed.map_err(|broken| advised(broken, &far.conn));
    if passed.as_ref().is_err_and(|broken| broken.error.kind() == Kind::TlsTruncated) {
        deliver(session, conn).await;
    }
    let finish = passed.map_err(|broken| {
        note_broken(session, &broken);
        let had_ended =
            session.end_of(Direction::Out) == Some(End { by: By::Upstream, how: How::Fin });
        let is_reset = broken.error.kind() == Kind::ConnectionReset;
        if conn.facts().patience().is_some() && had_ended && is_reset {
            return broken.error.with_message(REFUSED);
        }
        broken.error
    })?;
    if conn.facts().patience().is_some() && finish == LinkEnd::SaidLate(Side::Downstream) {
        heed_refusal(session, &mut far.conn).await?;
    }
    judge(session, finish, conn, &far.conn)
}

/// Adds what tells whether it is the target's own doing.
fn advised(Broken { side, error }: Broken, far: &Conn) -> Broken {
    let facts = far.facts();
    // Behind a layer another dial would have to say the same again.
    let is_bare = facts.learnt().is_empty();
    let is_reset = side == Side::Upstream && is_bare && error.kind() == Kind::ConnectionReset;
    let error = match (&facts.peer, facts.transport) {
        (Address::Ip(peer), "tcp") if is_reset => {
            error.hint_dial(peer.to_string(), "does it do so without the relay?")
        }
        (Address::Path(_) | Address::Abstract(_), transport) if is_reset => {
            let to = format!("{transport}:{}", facts.peer);
            error.hint_dial(to, "does it do so without the relay?")
        }
        _ => error,
    };
    Broken { side, error }
}

/// Waits until the client has what was sent to it: the reset that follows takes away what is still on its way. The limit on
/// stalls bounds it where nothing is taken.
async fn deliver(session: &Session, conn: &mut Conn) {
    let mut pause = SHORTEST_LOOK;
    while conn.vitals().is_some_and(|vitals| vitals.is_sending) {
        session.note_stall(Side::Downstream, true);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_LOOK);
    }
}

/// The dialled conn. It is torn down unless both sides had said all: a cut must not look like an end.
struct Far<'a> {
    conn: Conn,
    telling: Telling<'a>,
}

impl<'a> Far<'a> {
    /// Takes it from who has not looked at it: a future keeps the room of what was looked at, although it was moved.
    fn new(session: &'a Session, conn: Conn) -> Self {
        let has_end = conn.facts().has_end;
        let telling = Telling { session, has_end, is_over: false, closed_by: AtomicU8::new(0) };
        Far { conn, telling }
    }
}

impl Drop for Far<'_> {
    fn drop(&mut self) {
        conclude(self.telling.session, &self.conn, self.telling.fault());
        if !self.telling.is_over {
            self.conn.abort();
        }
    }
}

fn conclude(session: &Session, upstream: &Conn, fault: Option<&'static str>) {
    if !session.bus().is_watched() {
        return session.conclude_between(None, fault);
    }
    let vitals = upstream.vitals();
    let upstream = Upstream {
        peer: upstream.facts().peer.clone(),
        round_trip: vitals.map(|vitals| vitals.round_trip),
        resent: vitals.map(|vitals| vitals.resent),
    };
    session.conclude_between(Some(upstream), fault);
}

struct Telling<'a> {
    session: &'a Session,
    /// Whether the dialled side can end its direction, and can be told that the peer has ended.
    has_end: bool,
    /// Whether both sides had said all.
    is_over: bool,
    /// The fault that has ended it, or torn it down: its place in the table, from 1. Small, as thousands lie idle.
    closed_by: AtomicU8,
}

impl Telling<'_> {
    /// Notes the fault. Only the first call counts.
    fn note_fault(&self, name: &str) {
        let place = fault::TABLE.iter().position(|row| row.spec.name == name).map(|at| at + 1);
        let place = place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0);
        // Only the session's own thread writes the mark.
        let _ = self.closed_by.compare_exchange(0, place, Relaxed, Relaxed);
    }

    fn fault(&self) -> Option<&'static str> {
        let place = usize::from(self.closed_by.load(Relaxed)).checked_sub(1)?;
        fault::TABLE.get(place).map(|row| row.spec.name)
    }

    fn how(&self) -> How {
        if self.has_end { How::Fin } else { How::None }
    }
}

impl Witness for Telling<'_> {
    fn ended(&self, by: Side) {
        // The accepted side's end was noted by the tap.
        if by == Side::Upstream {
            self.session.note_end(Direction::Out, By::Upstream, self.how());
        }
    }

    fn waits_for(&self, side: Side) {
        let peer = if side == Side::Upstream { "target" } else { "client" };
        let text = format!(
            "standard input has ended; reading on until the {peer} closes, or Ctrl-C (--wait DUR leaves after so much silence)"
        );
        self.session.emit(Fact::Note(text));
    }

    fn was_cut_short(&self, by: Side) {
        if by == Side::Upstream {
            self.session.note_end(Direction::Out, By::Upstream, How::Truncated);
        }
    }

    /// The tap has noted it.
    fn is_accepted_cut_short(&self) -> bool {
        self.session.end_of(Direction::In).is_some_and(|end| end.how == How::Truncated)
    }

    fn broke(&self, by: Side) {
        if by == Side::Upstream {
            self.session.note_end(Direction::In, By::Upstream, How::Rst);
        }
    }

    fn too_large(&self) {
        self.session.drop_packet();
    }

    fn holds(&self, bytes: usize) {
        self.session.note_held(bytes);
    }

    fn has_room(&self) -> bool {
        self.session.may_hold_more()
    }

    fn peer(&self) -> Option<IpAddr> {
        peer_of(self.session)
    }

    fn is_asked_to_end(&self) -> bool {
        self.session.is_draining()
    }

    fn ends_as_asked(&self) {
        self.session.note_end(Direction::In, By::Us, self.how());
    }

    fn hit(&self, from: Side, hit: Hit) {
        if hit.act == Act::Aborted {
            self.note_fault(hit.kind);
        }
        let direction = match from {
            Side::Downstream => Direction::In,
            Side::Upstream => Direction::Out,
        };
        tell(self.session, direction, hit);
    }

    fn closed_by(&self, fault: &'static str) {
        self.note_fault(fault);
        self.session.note_end(Direction::In, By::Us, How::Fin);
        self.session.note_end(Direction::Out, By::Us, How::Fin);
    }

    fn clock(&self) -> Clock {
        self.session.clock()
    }

    fn pipes(&self) -> Option<&Pipes> {
        self.session.pipes()
    }
}

fn peer_of(session: &Session) -> Option<IpAddr> {
    session.facts.peer.ip().map(|peer| canonical(peer.ip()))
}

fn tell(session: &Session, direction: Direction, Hit { kind, act }: Hit) {
    if session.bus().is_watched() {
        session.emit(Fact::Bent(Box::new(Bent { kind, direction, act })));
    }
}

/// A target that had ended may drop what standard input said since. Its machine says so within a round trip.
async fn heed_refusal(session: &Session, far: &mut Conn) -> Result<()> {
    let round_trip = far.vitals().map(|vitals| vitals.round_trip * 2).unwrap_or_default();
    let left = tokio::time::timeout(round_trip.clamp(REFUSAL, MOST), far.left()).await;
    left.unwrap_or(Ok(())).map_err(|error| {
        note_both(session, By::Upstream);
        error.with_message(REFUSED)
    })
}

/// An end in order that is none for whoever reads and writes the standard streams: not all was taken, or one side was
/// silent for too long and nobody knows whether it had said all. What a target said before it fell silent was an answer.
fn judge(session: &Session, finish: LinkEnd, near: &Conn, far: &Conn) -> Result<()> {
    let side = match finish {
        LinkEnd::Silent(side) => side,
        LinkEnd::Refused(Side::Downstream) if near.facts().patience().is_some() => {
            return Err(Error::new(Kind::ConnectionReset, REFUSED));
        }
        LinkEnd::SaidAll | LinkEnd::SaidLate(_) | LinkEnd::Refused(_) => return Ok(()),
    };
    let (its, direction) = match side {
        Side::Downstream => (near, Direction::In),
        Side::Upstream => (far, Direction::Out),
    };
    let text = match its.facts().patience() {
        Some(StdioPatience { input, .. }) => {
            let time = show_duration(input);
            format!("the other side had ended, and standard input said nothing for {time} since")
        }
        None if session.bytes(direction) > 0 => return Ok(()),
        None => "standard input had ended, and no answer came".to_owned(),
    };
    let error = Error::limit("wait", text).with_kind(Kind::TimedOut);
    Err(error.hint_option("wait", "10s", "to wait longer"))
}

/// Both directions are torn down.
fn note_both(session: &Session, by: By) {
    session.note_end(Direction::In, by, How::Rst);
    session.note_end(Direction::Out, by, How::Rst);
}

/// A target that answers and drops us before we could say a word has ended the session; one that is not there has not.
fn note_failed(session: &Session, error: &Error) {
    if error.kind() == Kind::ConnectionReset {
        note_both(session, By::Upstream);
    }
}

fn note_broken(session: &Session, broken: &Broken) {
    if broken.error.kind() == Kind::Fault {
        note_both(session, By::Us);
    } else if broken.side == Side::Upstream {
        let by = match broken.error.kind() {
            Kind::TimedOut | Kind::Unreachable | Kind::ConnectionRefused => By::Kernel,
            _ => By::Upstream,
        };
        note_both(session, by);
    }
}
