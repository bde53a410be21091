//! One name after the other: what is known of it, and what comes next.

use std::sync::Arc;
use std::time::Duration;

use super::super::name::NodeId;
use super::{
    NameDesk, NameFlight, NameRecord, NameRow, NameRule, NameStage, NameStands, NameTold, NameWish,
    PATIENCE, PAUSE, WINDOW, WriteFault, name_key,
};

impl NameDesk {
    /// A member wants a name. What comes of it is told, and may be told at once.
    pub fn claim(&mut self, now: Duration, seat: u64, name: &str) {
        let (key, name) = (name_key(name), Arc::<str>::from(name));
        let stage = NameStage::Asking(now + PATIENCE);
        match self.rows.get_mut(&key) {
            Some(NameRow { seat: Some(own), stage, .. }) if *own == seat => {
                let has_it = *stage == NameStage::Own;
                self.told.push_back(if has_it {
                    NameTold::Granted { seat, name }
                } else {
                    NameTold::Lent { seat, name }
                });
                return;
            }
            Some(row) if row.seat.is_some() => {
                let by = self.record(&name, true);
                self.told.push_back(NameTold::Taken { seat, name, by });
                return;
            }
            Some(row) => (row.seat, row.name, row.stage) = (Some(seat), name, stage),
            None => {
                let row = NameRow {
                    name,
                    seat: Some(seat),
                    stage,
                    stands: NameStands::Free(0),
                    flight: None,
                    unsettled: None,
                    is_doubted: false,
                    refreshed: None,
                    due: now,
                };
                self.rows.insert(key.clone(), row);
            }
        }
        self.seats.entry(seat).or_default().push(key.clone());
        if self.listening.is_none() {
            self.lend(&key);
        }
        self.act(now, &key);
    }

    /// A member has this name now, and gives back what else it had.
    pub fn keep_only(&mut self, now: Duration, seat: u64, name: &str) {
        let own = name_key(name);
        self.release(now, seat, |key| *key != own);
    }

    /// A member gives back this name alone.
    pub fn give_back(&mut self, now: Duration, seat: u64, name: &str) {
        let given = name_key(name);
        self.release(now, seat, |key| *key == given);
    }

    /// A member has left: it gives back what it had.
    pub fn leave(&mut self, now: Duration, seat: u64) {
        self.release(now, seat, |_| true);
    }

    fn release(&mut self, now: Duration, seat: u64, is_given: impl Fn(&Arc<str>) -> bool) {
        let Some(keys) = self.seats.remove(&seat) else { return };
        let (given, kept): (Vec<_>, Vec<_>) = keys.into_iter().partition(is_given);
        if !kept.is_empty() {
            self.seats.insert(seat, kept);
        }
        for key in given {
            if let Some(row) = self.rows.get_mut(&key) {
                (row.seat, row.due) = (None, now);
            }
            self.act(now, &key);
        }
    }

    fn record(&self, name: &Arc<str>, is_ours: bool) -> NameRecord {
        let owner = if is_ours { self.terms.me } else { NodeId::NOBODY };
        NameRecord { owner, name: name.clone(), node: self.terms.node.clone() }
    }

    /// Does what is due about a name, if nothing is on its way.
    pub(super) fn act(&mut self, now: Duration, key: &Arc<str>) {
        let Some(row) = self.rows.get(key) else { return };
        // Nothing was written for it, so there is nothing to give back.
        let is_untouched = matches!(row.stands, NameStands::Free(_)) && row.unsettled.is_none();
        if row.seat.is_none() && row.flight.is_none() && is_untouched {
            self.rows.remove(key);
            return;
        }
        if row.flight.is_some() || row.due > now || self.listening.is_none() {
            return;
        }
        let may_come =
            |revision| row.unsettled == Some(revision) && self.keeps(NameRule::LateIsOutrun);
        match (row.seat, &row.stands) {
            (_, NameStands::Unknown) => self.fly(now, key, None),
            (Some(_), NameStands::Free(revision)) => self.fly(now, key, Some((*revision, true))),
            (Some(_), NameStands::Ours(revision)) if may_come(*revision) => {
                self.fly(now, key, Some((*revision, true)));
            }
            (Some(_), NameStands::Ours(revision)) => self.own(now, key, *revision),
            (Some(_), NameStands::Theirs(by, revision)) if self.is_gone(now, by.owner) => {
                self.fly(now, key, Some((*revision, true)));
            }
            (Some(seat), NameStands::Theirs(by, _)) => {
                let (by, stage) = (by.clone(), row.stage);
                self.lose(seat, key, by, stage);
            }
            (None, NameStands::Ours(revision)) if self.keeps(NameRule::NamesAreReleased) => {
                self.fly(now, key, Some((*revision, false)));
            }
            (None, NameStands::Free(revision)) if may_come(*revision) => {
                self.fly(now, key, Some((*revision, false)));
            }
            (None, _) => drop(self.rows.remove(key)),
        }
    }

    /// The name is ours: its member is told, and it is written again when that is due.
    fn own(&mut self, now: Duration, key: &Arc<str>, revision: u64) {
        let refresh = self.terms.refresh;
        let Some(row) = self.rows.get_mut(key) else { return };
        let Some(seat) = row.seat else { return };
        let name = row.name.clone();
        match std::mem::replace(&mut row.stage, NameStage::Own) {
            NameStage::Asking(_) => self.told.push_back(NameTold::Granted { seat, name }),
            NameStage::Lent => self.told.push_back(NameTold::Regained { seat, name }),
            NameStage::Own => {}
        }
        match row.refreshed.map(|at| at + refresh) {
            Some(due) if due > now => row.due = due,
            _ => self.fly(now, key, Some((revision, true))),
        }
    }

    /// The name is another one's.
    fn lose(&mut self, seat: u64, key: &Arc<str>, by: NameRecord, stage: NameStage) {
        let Some(row) = self.rows.remove(key) else { return };
        if let Some(keys) = self.seats.get_mut(&seat) {
            keys.retain(|other| other != key);
        }
        let name = row.name;
        self.told.push_back(match stage {
            NameStage::Own => NameTold::Lost { seat, name, by },
            NameStage::Asking(_) | NameStage::Lent => NameTold::Taken { seat, name, by },
        });
    }

    /// Its member waits no longer, and is lent another name.
    pub(super) fn lend(&mut self, key: &Arc<str>) {
        let Some(row) = self.rows.get_mut(key) else { return };
        let (Some(seat), NameStage::Asking(_)) = (row.seat, row.stage) else { return };
        row.stage = NameStage::Lent;
        self.told.push_back(NameTold::Lent { seat, name: row.name.clone() });
    }

    /// Sends a request: to write, what is expected and whether it makes the name ours; or to read.
    fn fly(&mut self, now: Duration, key: &Arc<str>, write: Option<(u64, bool)>) {
        if self.flights >= WINDOW {
            self.queue.push_back(key.clone());
            return;
        }
        let is_careful = self.keeps(NameRule::RevisionIsExpected);
        let Some(row) = self.rows.get_mut(key) else { return };
        self.asked += 1;
        self.flights += 1;
        let (id, key, name) = (self.asked, key.clone(), row.name.clone());
        row.flight = Some(NameFlight { id, at: now, write });
        row.is_doubted = false;
        self.wishes.push_back(match write {
            None => NameWish::Read { id, key },
            Some((revision, is_ours)) => {
                let (record, expected) =
                    (self.record(&name, is_ours), is_careful.then_some(revision));
                NameWish::Write { id, key, record, expected }
            }
        });
    }

    /// Sends what waited for a place among the requests.
    pub(super) fn pump(&mut self, now: Duration) {
        while self.flights < WINDOW {
            let Some(key) = self.queue.pop_front() else { return };
            self.act(now, &key);
        }
    }

    /// What is on its way about a name will not be answered, or its answer says that nobody knows.
    pub(super) fn unanswered(&mut self, now: Duration, key: &Arc<str>) {
        let pause = self.pause();
        let is_asked = self.keeps(NameRule::DoubtIsAsked);
        let Some(row) = self.rows.get_mut(key) else { return };
        let Some(flight) = row.flight.take() else { return };
        self.flights -= 1;
        row.due = now + pause;
        row.stands = match flight.write {
            Some((revision, true)) if !is_asked => {
                row.refreshed = Some(now);
                NameStands::Ours(revision)
            }
            Some((revision, _)) => {
                row.unsettled = Some(revision);
                NameStands::Unknown
            }
            None => NameStands::Unknown,
        };
    }

    fn pause(&mut self) -> Duration {
        Duration::from_millis(self.chance.u64(PAUSE.0..=PAUSE.1))
    }

    /// Ends the request of this number, if it is the one that is on its way about a name.
    fn land(&mut self, key: &Arc<str>, id: u64) -> Option<(&mut NameRow, NameFlight)> {
        let row = self.rows.get_mut(key)?;
        let flight = row.flight.take_if(|flight| flight.id == id)?;
        self.flights -= 1;
        Some((row, flight))
    }

    /// What came of the write with this number: the revision that stands there now.
    pub fn written(
        &mut self,
        now: Duration,
        key: &Arc<str>,
        id: u64,
        done: Result<u64, WriteFault>,
    ) {
        if done == Err(WriteFault::Doubt) {
            if self.rows.get(key).is_some_and(|row| row.flight.is_some_and(|one| one.id == id)) {
                self.unanswered(now, key);
            }
        } else if done == Err(WriteFault::Untaken) {
            let pause = self.pause();
            if let Some((row, _)) = self.land(key, id) {
                row.due = now + pause; // what stands there is what stood before
                if row.is_doubted {
                    row.stands = NameStands::Unknown;
                }
            }
        } else if let Some((row, flight)) = self.land(key, id) {
            row.due = now;
            row.stands = match (done, flight.write) {
                (Ok(revision), Some((_, is_ours))) => {
                    row.unsettled = None;
                    row.refreshed = (is_ours && !row.is_doubted).then_some(flight.at);
                    if is_ours { NameStands::Ours(revision) } else { NameStands::Free(revision) }
                }
                _ => NameStands::Unknown,
            };
            if row.is_doubted {
                row.stands = NameStands::Unknown;
            }
        }
        self.act(now, key);
        self.pump(now);
    }

    /// What the leader has for a name, by the read with this number: the revision, and the record; 0 and none: nothing.
    /// An error: it did not say.
    #[allow(clippy::result_unit_err, reason = "there is nothing to tell")]
    pub fn read(
        &mut self,
        now: Duration,
        key: &Arc<str>,
        id: u64,
        found: Result<(u64, Option<NameRecord>), ()>,
    ) {
        let is_ours = found.as_ref().is_ok_and(|(_, record)| {
            record.as_ref().is_some_and(|record| self.is_ours(record.owner))
        });
        let pause = self.pause();
        if let Ok((revision, Some(record))) = &found {
            self.meet(now, record.owner, *revision);
        }
        let Some((row, _)) = self.land(key, id) else { return };
        row.due = now;
        row.stands = match found {
            _ if row.is_doubted => NameStands::Unknown,
            Err(()) => {
                row.due = now + pause;
                NameStands::Unknown
            }
            Ok((revision, record)) => {
                row.unsettled = row.unsettled.filter(|unsettled| *unsettled == revision);
                match record.filter(|record| record.owner != NodeId::NOBODY) {
                    None => NameStands::Free(revision),
                    Some(_) if is_ours => NameStands::Ours(revision),
                    Some(record) => NameStands::Theirs(record, revision),
                }
            }
        };
        self.act(now, key);
        self.pump(now);
    }

    /// Somebody has written what stands for a name. Whether that concerns us, the leader says.
    pub fn heard(&mut self, now: Duration, revision: u64, record: &NameRecord) {
        let key = name_key(&record.name);
        self.has_written(now, record.owner, revision);
        if self.is_ours(record.owner) {
            return;
        }
        let Some(row) = self.rows.get_mut(&key) else { return };
        let is_known = match &row.stands {
            NameStands::Ours(known) | NameStands::Theirs(_, known) | NameStands::Free(known) => {
                revision <= *known
            }
            NameStands::Unknown => false,
        };
        // A stream that was lost begins again with small revisions, so those of others count where ours is a claim, or is
        // to be one.
        let claims = matches!(row.flight, Some(NameFlight { write: Some((_, true)), .. }));
        if is_known && !claims && !matches!(row.stands, NameStands::Ours(_)) {
            return;
        }
        row.is_doubted = true;
        if row.flight.is_none() {
            (row.stands, row.due) = (NameStands::Unknown, now);
            self.act(now, &key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DeskTerms, REFRESH};
    use super::*;

    fn desk() -> NameDesk {
        let me = NodeId::drawn([1, 1]);
        NameDesk::new(DeskTerms { me, node: "kite".into(), seed: 0, refresh: REFRESH })
    }

    #[test]
    fn names_that_were_never_written_leave_nothing_behind_while_nobody_can_be_asked() {
        let (mut desk, now) = (desk(), Duration::ZERO);
        for number in 0..1_000 {
            let name = format!("x{number}");
            desk.claim(now, 1, &name);
            desk.keep_only(now, 1, &name);
        }
        assert_eq!(desk.rows.len(), 1);
        desk.leave(now, 1);
        assert!(desk.rows.is_empty() && desk.seats.is_empty());
    }

    #[test]
    fn names_that_nobody_took_leave_nothing_behind_either() {
        let (mut desk, now) = (desk(), Duration::ZERO);
        desk.up(now);
        for number in 0..1_000 {
            let name = format!("x{number}");
            desk.claim(now, number, &name);
            let Some(NameWish::Write { id, key, .. }) = desk.wish() else { panic!("a claim") };
            desk.leave(now, number);
            desk.written(now, &key, id, Err(WriteFault::Untaken));
        }
        assert!(desk.rows.is_empty() && desk.seats.is_empty() && desk.flights == 0);
    }

    #[test]
    fn a_claim_under_the_number_before_is_made_again_under_the_new_one() {
        let (mut desk, now) = (desk(), Duration::ZERO);
        desk.up(now);
        desk.claim(now, 1, "Ada");
        let Some(NameWish::Write { id, key, .. }) = desk.wish() else { panic!("a claim") };
        let me = NodeId::drawn([2, 2]);
        desk.reborn(now, me);
        desk.written(now, &key, id, Ok(7));
        let Some(NameWish::Read { id, .. }) = desk.wish() else { panic!("it is asked for") };
        let (name, node) = ("Ada".into(), "kite".into());
        let stands = NameRecord { owner: NodeId::drawn([1, 1]), name, node };
        desk.read(now, &key, id, Ok((7, Some(stands))));
        let Some(NameWish::Write { record, expected, .. }) = desk.wish() else { panic!("anew") };
        assert_eq!((record.owner, expected), (me, Some(7)));
    }

    #[test]
    fn trouble_that_comes_again_and_again_asks_once_for_each_name() {
        let (mut desk, now) = (desk(), Duration::ZERO);
        desk.up(now);
        (0..200).for_each(|seat| desk.claim(now, seat, &format!("x{seat}")));
        (0..100).for_each(|_| desk.trouble(now));
        assert!(desk.queue.len() <= 200 && desk.flights <= WINDOW, "{}", desk.queue.len());
    }
}
