//! What a step of the demo may do: say a line, wait a little, and talk over the sockets that everybody can talk to.

use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::conn::Conn;
use hobnob::endpoint::Endpoint;
use hobnob::engine::{Dialed, Dialer, Running};
use hobnob::error::{Error, Kind, Result};
use hobnob::fault::Panel;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::fleet::StartedFleet;
use crate::job::Job;
use crate::report::look::Paint;
use crate::report::show::fold;

/// How many steps there are.
pub(super) const STEPS: usize = 5;
/// How long a dial may take, and an answer that must come.
const PATIENCE: Duration = Duration::from_secs(5);
/// Cells of a line, so that it also fits where a terminal is narrow.
const WIDEST: usize = 56;
/// Bytes of one answer.
const ROOM: usize = 1_024;

/// Where it plays.
pub(super) struct Stage<'s> {
    pub(super) job: &'s Job,
    pub(super) started: &'s StartedFleet<'s>,
    /// How long a person may look at one thing that has happened.
    pub(super) beat: Duration,
}

/// A play that is on.
pub(super) struct Play<'s> {
    stage: &'s Stage<'s>,
    say: UnboundedSender<String>,
    spoken: Notify,
}

impl<'s> Play<'s> {
    /// A play on this stage, and where its lines come out.
    pub(super) fn on(stage: &'s Stage<'s>) -> (Self, UnboundedReceiver<String>) {
        let (say, said) = unbounded_channel();
        (Play { stage, say, spoken: Notify::new() }, said)
    }

    /// Resolves when there are lines.
    pub(super) async fn has_spoken(&self) {
        self.spoken.notified().await;
    }

    /// The heading of a step with the line to type; the word PORT in it is the part's port.
    pub(super) async fn step(&self, number: usize, title: &str, part: &str, typed: &str) {
        let look = self.stage.job.err;
        let port = self.running(part).ok().and_then(Running::port);
        let typed = typed.replace("PORT", &port.map(|port| port.to_string()).unwrap_or_default());
        let title = look.paint(Paint::Bold, &format!("{number} of {STEPS}  {title}"));
        self.tell(format!("\n{title}\n  {}", look.paint(Paint::Cyan, &typed)));
        self.beats(2).await;
    }

    /// What came of it.
    pub(super) fn say(&self, text: &str) {
        let look = self.stage.job.err;
        for (number, line) in fold(text, WIDEST).iter().enumerate() {
            let indent = if number == 0 { "  " } else { "    " };
            self.tell(look.paint(Paint::Bold, &format!("{indent}{line}")));
        }
    }

    fn tell(&self, text: String) {
        let _ = self.say.send(text);
        self.spoken.notify_one();
    }

    /// Time to look.
    pub(super) async fn beats(&self, number: u32) {
        tokio::time::sleep(self.stage.beat * number).await;
    }

    /// What times are measured by.
    pub(super) fn clock(&self) -> Clock {
        self.stage.job.clock
    }

    /// The server of the playground that is called so.
    pub(super) fn running(&self, part: &str) -> Result<&Running> {
        let found = self.stage.started.part(part).map(|(_, running)| running);
        found.ok_or_else(|| Error::new(Kind::NotBuiltIn, format!("{part} is not here")))
    }

    /// What the part of this name serves.
    pub(super) fn service(&self, part: &str) -> Option<&str> {
        self.stage.started.part(part).map(|(section, _)| section.service.text.as_str())
    }

    /// Bends what passes a relay, until what comes of it is dropped: also when a key is pressed meanwhile.
    pub(super) fn bend(&self, part: &str, setting: &str) -> Result<BentRelay> {
        let panel = self.running(part)?.faults();
        let no_relay = || Error::new(Kind::DoesNotFit, format!("{part} is no relay"));
        let bent = BentRelay { panel: panel.ok_or_else(no_relay)? };
        bent.panel.turn(&[setting])?;
        Ok(bent)
    }

    /// A conversation with a part.
    pub(super) async fn dial(&self, part: &str) -> Result<Conn> {
        dial(self.running(part)?).await.map(|dialed| dialed.conn)
    }
}

/// A relay that is bent.
pub(super) struct BentRelay {
    panel: Panel,
}

impl Drop for BentRelay {
    fn drop(&mut self) {
        self.panel.clear();
    }
}

/// A conversation with a server.
pub(super) async fn dial(running: &Running) -> Result<Dialed> {
    Dialer::default().timeout(PATIENCE).dial(&endpoint(running)?).await
}

/// How a server is dialled.
fn endpoint(running: &Running) -> Result<Endpoint> {
    let bound = running.bound().first();
    let bound = bound.ok_or_else(|| Error::new(Kind::NotRunning, "it does not listen"))?;
    let port = bound.address.ip().map(|ip| ip.port());
    Ok(port.map_or_else(|| bound.dialled.clone(), |port| bound.dialled.clone().with_port(port)))
}

/// Says a line, and waits for the answer; false: the peer has ended.
pub(super) async fn ask(conn: &mut Conn, line: &str) -> Result<bool> {
    conn.send(line.as_bytes()).await?;
    hear(conn, line.len()).await
}

/// Waits until so much has come; false: the peer has ended first.
pub(super) async fn hear(conn: &mut Conn, mut length: usize) -> Result<bool> {
    let mut buffer = vec![0; ROOM];
    while length > 0 {
        let late = |_| Err(Error::new(Kind::TimedOut, "no answer"));
        let received = tokio::time::timeout(PATIENCE, conn.recv(&mut buffer)).await;
        let Some(received) = received.unwrap_or_else(late)? else { return Ok(false) };
        length = length.saturating_sub(received);
    }
    Ok(true)
}
