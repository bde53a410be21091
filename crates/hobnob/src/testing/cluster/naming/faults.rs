//! What servers do with names, and what befalls them, links and processes.

use crate::cluster::{NameWish, WriteFault};

use super::{AGE, NameEvent, NameStanding, NameWorld, QUIET};

/// In one of so many courses processes of nodes are stopped.
const STOPS_IN: u8 = 4;

/// How long after a stop its node reads what has come meanwhile.
const CATCH_UP: u64 = 20;

impl NameWorld {
    /// In some courses processes of nodes are stopped, for seconds or for minutes.
    pub(super) fn plan_stops(&mut self) {
        let mut chance = fastrand::Rng::with_seed(!self.trial.seed);
        if chance.u8(..STOPS_IN) > 0 {
            return;
        }
        for _ in 0..chance.usize(1..4) {
            let (at, node) = (chance.u64(..QUIET), chance.usize(..4));
            let time = if chance.bool() { 1_000..20_000 } else { 50_000..95_000 };
            self.at(at, NameEvent::Stop(node, chance.u64(time)));
        }
    }

    /// Puts off what a process that is stopped does when it goes on: first it looks at the time, then it reads what has come.
    /// None: it is put off.
    pub(super) fn put_off(&mut self, event: NameEvent) -> Option<NameEvent> {
        let (at, is_read) = match &event {
            NameEvent::Tick(at)
            | NameEvent::Beat(at)
            | NameEvent::GoSoon(at, _)
            | NameEvent::Ask(at, _) => (*at, false),
            NameEvent::Link(at, _)
            | NameEvent::Written(at, ..)
            | NameEvent::Read(at, ..)
            | NameEvent::Heard(at, ..)
            | NameEvent::Beaten(at, _) => (*at, true),
            _ => return Some(event),
        };
        let until = self.nodes[at].stopped;
        if until <= self.now {
            return Some(event);
        }
        self.at(if is_read { until + CATCH_UP } else { until }, event);
        None
    }

    pub(super) fn serve(&mut self, at: usize, wish: NameWish) {
        let (has_leader, now) = (self.now >= self.leaderless, self.now);
        self.stands.retain(|_, standing| now < standing.since + AGE);
        match wish {
            NameWish::Read { id, key } if has_leader => {
                let (revision, record) = match self.stands.get(&key) {
                    Some(standing) => (standing.revision, Some(standing.record.clone())),
                    None => (0, None),
                };
                self.after(1, 5, NameEvent::Read(at, key, id, (revision, record)));
            }
            NameWish::Write { id, key, record, expected } if has_leader => {
                let stands = self.stands.get(&key).map_or(0, |standing| standing.revision);
                let done = if expected.is_none_or(|expected| expected == stands) {
                    self.last += 1;
                    let last = self.last;
                    if record.owner == self.nodes[at].me {
                        self.landed(at, &key);
                    }
                    let standing =
                        NameStanding { revision: last, record: record.clone(), since: self.now };
                    self.stands.insert(key.clone(), standing);
                    let heard = |other| NameEvent::Heard(other, last, record.clone());
                    self.others(at, heard);
                    self.after(1, 5, heard(at));
                    Ok(last)
                } else {
                    Err(WriteFault::Conflict)
                };
                if !(self.now < self.mute && self.one_in(2)) {
                    let most = if self.now < self.slow { 3_000 } else { 5 };
                    self.after(1, most, NameEvent::Written(at, key, id, done));
                }
            }
            NameWish::Write { id, key, .. } if self.one_in(2) => {
                let fault =
                    if id.is_multiple_of(2) { WriteFault::Untaken } else { WriteFault::Doubt };
                self.after(1, 5, NameEvent::Written(at, key, id, Err(fault)));
            }
            _ => {}
        }
    }

    pub(super) fn fault(&mut self) {
        let lasts = self.now + self.chance.u64(100..9_000);
        let place = self.chance.usize(..4);
        let Some(at) = self.alive(place) else { return };
        match self.chance.u8(..8) {
            0 => self.leaderless = lasts,
            1 => {
                self.slow = lasts;
                for _ in 0..3 {
                    let (soon, place) = (self.chance.u64(self.now..lasts), self.chance.usize(..4));
                    self.at(soon, NameEvent::Go(place));
                }
            }
            2 | 3 => self.mute = lasts,
            4 if self.nodes[at].is_linked => {
                self.at(self.now, NameEvent::Link(at, false));
                self.at(lasts, NameEvent::Link(at, true));
            }
            5 if self.nodes[at].is_linked => {
                let long = self.now + self.chance.u64(55_000..75_000);
                self.at(self.now, NameEvent::Link(at, false));
                self.at(long, NameEvent::Link(at, true));
            }
            6 => {
                self.nodes[at].is_alive = false;
                self.after(10, 2_000, NameEvent::Start);
            }
            7 if self.one_in(3) => {
                // What was on its way comes to servers that know nothing any more.
                self.slow = lasts;
                self.at(lasts, NameEvent::Lose);
            }
            _ => {}
        }
    }

    pub(super) fn stop(&mut self, place: usize, time: u64) {
        let Some(at) = self.alive(place) else { return };
        let until = self.now + time;
        self.nodes[at].stopped = until;
        self.at(until, NameEvent::Resume(at, time));
    }
}
