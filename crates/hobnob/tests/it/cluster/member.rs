//! Somebody in the room, over a conn inside this process: what it says, and all that it was shown.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::conn::Conn;
use hobnob::engine::{Dialer, parse};
use tokio::sync::{mpsc, watch};

use super::judge::MemberLog;
use crate::stage::soon;

/// What members have said, or that they came, and when.
#[derive(Default)]
pub(super) struct Said(Mutex<Vec<(String, Duration)>>);

impl Said {
    pub(super) fn note(&self, line: String, at: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((line, at));
    }

    pub(super) fn lines(&self) -> Vec<(String, Duration)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a member is told to do.
enum Deed {
    Say(String),
    /// It reads nothing for so long.
    Doze(Duration),
}

/// A member. Dropping it ends its conn.
pub(super) struct Member {
    pub(super) name: String,
    deeds: mpsc::UnboundedSender<Deed>,
    log: Arc<watch::Sender<MemberLog>>,
}

impl Member {
    /// Comes in by this door under a name of its own.
    pub(super) async fn enter(door: &str, name: &str, node: &str, clock: Clock) -> Option<Self> {
        let endpoint = parse(door).expect("an endpoint");
        let conn = Dialer::default().dial(&endpoint).await.ok()?.conn;
        let (deeds, to_do) = mpsc::unbounded_channel();
        let log =
            MemberLog { name: name.to_owned(), node: node.to_owned(), ..MemberLog::default() };
        let log = Arc::new(watch::Sender::new(log));
        let member = Member { name: name.to_owned(), deeds, log };
        member.say(name);
        tokio::spawn(stay(conn, to_do, member.log.clone(), clock));
        soon("a welcome", member.until(|log| log.is_over || log.since.is_some())).await;
        member.with(|log| !log.is_over).then_some(member)
    }

    /// Says a line. Where its node is gone, nobody hears it.
    pub(super) fn say(&self, text: &str) {
        drop(self.deeds.send(Deed::Say(text.to_owned())));
    }

    /// Reads nothing for so long.
    pub(super) fn doze(&self, time: Duration) {
        drop(self.deeds.send(Deed::Doze(time)));
    }

    /// Looks at what it was shown.
    pub(super) fn with<T>(&self, look: impl FnOnce(&MemberLog) -> T) -> T {
        look(&self.log.borrow())
    }

    /// Waits until what it was shown is like this.
    pub(super) async fn until(&self, is_so: impl Fn(&MemberLog) -> bool) {
        // The log is there as long as its member.
        drop(self.log.subscribe().wait_for(|log| is_so(log)).await);
    }
}

/// Does what it is told, and keeps what it is shown, until its conn or its member is gone.
async fn stay(
    mut conn: Conn,
    mut to_do: mpsc::UnboundedReceiver<Deed>,
    log: Arc<watch::Sender<MemberLog>>,
    clock: Clock,
) {
    let (mut room, mut part) = (vec![0; 1 << 16], Vec::new());
    loop {
        tokio::select! {
            deed = to_do.recv() => match deed {
                Some(Deed::Say(text)) if conn.send(format!("{text}\n").as_bytes()).await.is_ok() => {}
                Some(Deed::Doze(time)) => tokio::time::sleep(time).await,
                _ => break,
            },
            got = conn.recv(&mut room) => match got {
                Ok(Some(length)) => {
                    part.extend_from_slice(&room[..length]);
                    log.send_modify(|log| {
                        while let Some(end) = memchr::memchr(b'\n', &part) {
                            let line: Vec<u8> = part.drain(..=end).take(end).collect();
                            log.hear(clock.now(), String::from_utf8(line).expect("UTF-8"));
                        }
                    });
                }
                _ => break,
            },
        }
    }
    log.send_modify(|log| log.is_over = true);
}
