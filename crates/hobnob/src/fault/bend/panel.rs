//! The knobs of a relay, or of a service that answers on purpose: what is on, shared by all sessions, and changed while
//! they run.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use super::active::{ActiveSetting, FaultState};
use super::chain::{Chain, Hit, Wanted};
use super::log::{Log, Logged, Logger};
use super::profile::Profile;
use super::setting::Setting;
use super::vocabulary::{LINKS, Vocabulary};
use crate::chunk::Direction;
use crate::error::{Error, Kind, Result};
use crate::fault::outbox::{Act, Decision};
use crate::fault::{Admission, Chance, Seed};
use crate::spec::Shape;

/// The knobs of one server. Clones are the same panel: a server, its sessions and any number of consoles hold one.
///
/// ```
/// use hobnob::fault::Panel;
///
/// let panel = Panel::default();
/// panel.turn(&["down:latency=200ms,jitter=50ms", "up:rate=64k"])?;
/// assert_eq!(panel.state().len(), 3);
/// panel.clear();
/// # Ok::<(), hobnob::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Panel(Arc<SharedKnobs>);

struct SharedKnobs {
    words: &'static Vocabulary,
    /// Whether a fault that is on shuts the door.
    is_down: AtomicBool,
    /// Counts the changes: all that a poll of a session without faults reads.
    changes: AtomicU32,
    board: Mutex<Board>,
}

impl Default for SharedKnobs {
    fn default() -> Self {
        SharedKnobs {
            words: &LINKS,
            is_down: AtomicBool::default(),
            changes: AtomicU32::default(),
            board: Mutex::default(),
        }
    }
}

#[derive(Default)]
pub(super) struct Board {
    shape: Option<Shape>,
    plans: Vec<Arc<ActiveSetting>>,
    /// The sessions' tasks, which must hear of a change although nothing comes.
    wakers: HashMap<u64, Waker>,
    log: Option<Arc<dyn Log>>,
    /// Hits of faults that are off again, by place in the table.
    past: HashMap<&'static str, u64>,
}

/// How a session begins under the faults that are on.
pub struct Entry {
    /// Its hold on the panel.
    pub bend: Bend,
    /// For how long nothing is dialled.
    pub wait: Duration,
    /// The fault that refuses it.
    pub refused_by: Option<&'static str>,
    /// What was done to it.
    pub hits: Vec<Hit>,
}

/// One session's hold on the panel.
pub struct Bend {
    panel: Panel,
    session: u64,
    seed: Seed,
    /// The last change that it has seen; none until its first look, from which on it is woken by changes.
    seen: Option<u32>,
}

impl Panel {
    /// A panel that understands these words.
    pub fn of(words: &'static Vocabulary) -> Self {
        Panel(Arc::new(SharedKnobs { words, ..SharedKnobs::default() }))
    }

    /// The words that it understands.
    pub fn words(&self) -> &'static Vocabulary {
        self.0.words
    }

    /// Turns the knobs: these faults and no others, in this order. One that was on already, word for word, goes on
    /// with what it holds; what others hold goes on its way at once. No byte in flight is lost or repeated.
    pub fn set(&self, settings: Vec<Setting>) -> Result<()> {
        let is_other = |setting: &&Setting| setting.words().option != self.0.words.option;
        if let Some(other) = settings.iter().find(is_other) {
            let text = format!("{other} is no {} of this server", self.0.words.noun);
            return Err(Error::new(Kind::DoesNotFit, text).hint_topic(self.0.words.topic, ""));
        }
        let mut board = self.board();
        if let Some(shape) = board.shape {
            board.place(fitting(settings, shape)?, shape);
        } else {
            board.place(settings, Shape::Bytes);
        }
        self.tell(board);
        Ok(())
    }

    /// The same, of settings as a person writes them.
    pub fn turn(&self, texts: &[&str]) -> Result<()> {
        self.set(self.read(texts)?)
    }

    /// The same, behind those of a kind of network.
    pub fn turn_like(&self, like: &str, texts: &[&str]) -> Result<()> {
        let mut settings = Profile::settings(like)?;
        settings.extend(self.read(texts)?);
        self.set(settings)
    }

    fn read(&self, texts: &[&str]) -> Result<Vec<Setting>> {
        texts.iter().map(|text| Setting::parse_in(text, self.0.words)).collect()
    }

    /// All faults off.
    pub fn clear(&self) {
        let mut board = self.board();
        board.place(Vec::new(), Shape::Bytes);
        self.tell(board);
    }

    /// What is on.
    pub fn settings(&self) -> Vec<Setting> {
        self.board().plans.iter().map(|plan| plan.setting.clone()).collect()
    }

    /// What is on, fault by fault, with what each has hit.
    pub fn state(&self) -> Vec<FaultState> {
        let mut state: Vec<_> = self.board().plans.iter().flat_map(|plan| plan.state()).collect();
        if !self.0.words.has_ways {
            // An answer goes one way.
            for fault in &mut state {
                fault.up = None;
            }
        }
        state
    }

    /// What each fault has hit since the relay began, also those that are off again. Faults that hit nothing are left out.
    pub fn totals(&self) -> Vec<(&'static str, u64)> {
        let board = self.board();
        let mut totals = board.past.clone();
        for plan in &board.plans {
            plan.sum_up(&mut totals);
        }
        let total = |name| totals.get(name).map(|hits| (name, *hits)).filter(|(_, hits)| *hits > 0);
        self.0.words.faults.iter().filter_map(|row| total(row.spec.name)).collect()
    }

    /// From now on each decision of sessions to come is noted there.
    pub fn log(&self, log: Arc<dyn Log>) {
        self.board().log = Some(log);
    }

    /// The relay's: it passes on what has this shape. What is on must fit, and all that is set later.
    pub fn fit(&self, shape: Shape) -> Result<()> {
        let mut board = self.board();
        let settings = board.plans.iter().map(|plan| plan.setting.clone()).collect();
        board.plans.clear();
        board.place(fitting(settings, shape)?, shape);
        board.shape = Some(shape);
        self.tell(board);
        Ok(())
    }

    /// Whether a fault that is on shuts the door of the relay: nobody is to come in.
    pub fn is_down(&self) -> bool {
        self.0.is_down.load(Relaxed)
    }

    /// The relay's: the waker is woken when the knobs are turned. Each door of it has a place of its own, from 0.
    pub fn wake_on_change(&self, place: u64, waker: &Waker) {
        // Sessions are numbered from 1 up, and never meet the doors.
        self.board().wakers.insert(u64::MAX - place, waker.clone());
    }

    /// The relay's: a session of this number, from 1, begins, of a client with this address, if it has one.
    pub fn enter(&self, session: u64, seed: u64, peer: Option<IpAddr>) -> Entry {
        let seed = Seed::new(seed);
        let bend = Bend { panel: self.clone(), seen: None, session, seed };
        let mut entry = Entry { bend, wait: Duration::ZERO, refused_by: None, hits: Vec::new() };
        if !self.was_turned() {
            return entry;
        }
        let board = self.board();
        for plan in &board.plans {
            let own = seed.of(plan.place);
            if !plan.setting.takes(session, own, peer) {
                continue;
            }
            for (index, kind) in plan.setting.kinds().enumerate() {
                let session_seed = own.of(1 + index as u64);
                let chance = Chance { session: session_seed, direction: session_seed };
                let act = match plan.setting.door(index, chance) {
                    None | Some(Admission::Go) => continue,
                    Some(Admission::Wait(time)) => {
                        entry.wait = entry.wait.saturating_add(time);
                        Act::Held(time)
                    }
                    Some(Admission::Refuse) => {
                        entry.refused_by = Some(kind);
                        Act::Aborted
                    }
                };
                plan.hits[index][0].count();
                entry.hits.push(Hit { kind, act });
                if let Some(log) = &board.log {
                    let what = if act == Act::Aborted { "refuse" } else { "wait" };
                    let decision = Decision { at: 0, what, value: None };
                    log.decided(&Logged {
                        session,
                        direction: Direction::In,
                        fault: kind,
                        decision,
                    });
                }
            }
        }
        entry
    }

    /// Whether its knobs were ever turned. One relaxed load.
    pub(crate) fn was_turned(&self) -> bool {
        self.0.changes.load(Relaxed) != 0
    }

    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        self.0.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, board: MutexGuard<'_, Board>) {
        let is_down = board.plans.iter().any(|plan| plan.setting.at_the_door().is_some());
        self.0.is_down.store(is_down, Relaxed);
        self.0.changes.fetch_add(1, Relaxed);
        let wakers: Vec<Waker> = board.wakers.values().cloned().collect();
        drop(board);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// The settings that fit this shape. One that does not fit is left out if it is of a profile, and an error otherwise.
fn fitting(settings: Vec<Setting>, shape: Shape) -> Result<Vec<Setting>> {
    let mut fitting = Vec::new();
    for setting in settings {
        match setting.check(shape) {
            Ok(()) => fitting.push(setting),
            Err(_) if setting.yields() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(fitting)
}

impl Board {
    pub(super) fn plans(&self) -> &[Arc<ActiveSetting>] {
        &self.plans
    }

    pub(super) fn log(&self) -> Option<&Arc<dyn Log>> {
        self.log.as_ref()
    }

    fn place(&mut self, settings: Vec<Setting>, shape: Shape) {
        let mut old = std::mem::take(&mut self.plans);
        let staying = settings.into_iter().map(|setting| {
            let stays = old.iter().position(|plan| plan.setting == setting);
            stays.map(|at| old.remove(at)).ok_or(setting)
        });
        let staying: Vec<_> = staying.collect();
        // Two settings at one place would draw the same lots. A new one takes the place where it stands, unless a setting
        // that stays has that place.
        let taken: HashSet<u64> = staying.iter().flatten().map(|plan| plan.place).collect();
        let mut others = (staying.len() as u64..).filter(|place| !taken.contains(place));
        for (place, plan) in (0..).zip(staying) {
            self.plans.push(plan.unwrap_or_else(|setting| {
                let is_free = !taken.contains(&place);
                let place = if is_free { Some(place) } else { others.next() };
                Arc::new(ActiveSetting::new(setting, place.unwrap_or(u64::MAX), shape))
            }));
        }
        for plan in &old {
            plan.sum_up(&mut self.past);
        }
    }
}

impl Bend {
    /// Whether it has yet to [`refresh`](Self::refresh), or the knobs were turned since. One relaxed load.
    pub fn is_stale(&self) -> bool {
        self.seen != Some(self.panel.0.changes.load(Relaxed))
    }

    /// Makes the chains of both directions, up first, what the knobs say. From then on `waker` is woken when they are
    /// turned, also where nothing passes and nothing bends yet. Of a client with this address, if it has one.
    ///
    /// A fault that shuts the door cuts who is in: its name.
    pub fn refresh(
        &mut self,
        peer: Option<IpAddr>,
        waker: &Waker,
        now: Duration,
        mut chains: [&mut Option<Box<Chain>>; 2],
    ) -> Option<&'static str> {
        let board_of = self.panel.clone();
        let mut board = board_of.board();
        // Under the lock, so that no change falls between what is read here and the waker.
        self.seen = Some(self.panel.0.changes.load(Relaxed));
        for (direction, chain) in Direction::BOTH.into_iter().zip(&mut chains) {
            let wanted = self.wanted(&board, direction, peer);
            if !wanted.is_empty() || chain.is_some() {
                chain.get_or_insert_default().become_row(wanted, now);
            }
            if chain.as_ref().is_some_and(|chain| chain.is_empty()) {
                **chain = None;
            }
        }
        board.wakers.insert(self.session, waker.clone());
        let (plan, index) = board
            .plans
            .iter()
            .find_map(|plan| plan.setting.at_the_door().map(|index| (plan, index)))?;
        plan.hits[index][0].count();
        plan.setting.kinds().nth(index)
    }

    fn wanted(&self, board: &Board, direction: Direction, peer: Option<IpAddr>) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        for plan in board.plans.iter().filter(|plan| plan.setting.is_for(direction)) {
            let own = self.seed.of(plan.place);
            if !plan.setting.takes(self.session, own, peer) {
                continue;
            }
            for index in 0..plan.hits.len() {
                let session = own.of(1 + index as u64);
                let chance = Chance { session, direction: session.of(direction as u64) };
                let logger = |log: &Arc<dyn Log>| Logger {
                    log: log.clone(),
                    session: self.session,
                    direction,
                };
                wanted.push(Wanted {
                    plan: plan.clone(),
                    index,
                    chance,
                    hits: plan.hits[index][direction as usize].clone(),
                    log: board.log.as_ref().map(logger),
                });
            }
        }
        // A fault that decides before the dial has nothing to say later.
        wanted.retain(|wanted| !wanted.plan.setting.faults()[wanted.index].0.is_before_the_dial);
        wanted
    }
}

impl Drop for Bend {
    fn drop(&mut self) {
        if self.seen.is_some() {
            self.panel.board().wakers.remove(&self.session);
        }
    }
}

impl fmt::Debug for Panel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.settings()).finish()
    }
}
