//! One worker of a load: a task that opens its talkers, begins their rounds when they are due, and tells what came of them.
//!
//! It shares nothing with other workers while it runs: a tenth of a second's figures leave it whole.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::coop::unconstrained;
use tokio::time::Sleep;

use crate::clock::Clock;
use crate::error::Error;
use crate::load::bells::Bells;
use crate::load::driver::{Driver, Round, Talker, Upshot, is_ours};
use crate::load::figures::Recorder;
use crate::load::opening::open;
use crate::load::schedule::{Pace, Schedule};
use crate::load::until::Until;
use crate::socket::Alarm;

/// From one telling of figures to the next.
pub(super) const BEAT: Duration = Duration::from_millis(100);
/// What one talker may have come of its rounds before it is the next one's turn.
const TURN: usize = 64;
/// How long all goodbyes together may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What all workers of a load have in common.
pub(super) struct LoadPlan {
    pub(super) driver: Box<dyn Driver>,
    pub(super) schedule: Schedule,
    pub(super) until: Until,
    pub(super) warm_up: Duration,
    pub(super) patience: Duration,
    pub(super) talkers: usize,
    pub(super) workers: usize,
    pub(super) clock: Clock,
}

/// What workers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartSignal {
    /// Others still open their talkers.
    Wait,
    /// The load starts at this time of the clock.
    Start(Duration),
    /// No more rounds.
    Stop,
}

/// A part of the time of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stretch {
    /// The warm-up, which does not count.
    Warm,
    /// What is measured.
    Measured,
    /// After the last round has begun: replies that were still to come.
    After,
}

/// What a worker tells.
pub(super) enum WorkerReport<R> {
    /// Its talkers are open: how long their conns took, and what became of the others.
    Opened { talkers: usize, connects: Vec<Duration>, errors: Vec<Error> },
    /// What came of rounds lately, up to that time of the clock.
    Beat { stretch: Stretch, until: Duration, figures: R },
    /// It is at its end.
    Over(WorkerEnd),
}

/// How a worker came to its end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WorkerEnd {
    /// Rounds that were due and could not begin.
    pub(super) unbegun: u64,
    /// Rounds that were still under way.
    pub(super) unanswered: u64,
    /// When its last talker broke, where all of them did before the end.
    pub(super) broke: Option<Duration>,
    /// When no more rounds began.
    pub(super) stopped: Duration,
}

/// The work of one worker, from its first conn to the last goodbye.
pub(super) async fn work<R: Recorder>(
    plan: Arc<LoadPlan>,
    index: usize,
    to: UnboundedSender<WorkerReport<R>>,
    mut signal: watch::Receiver<StartSignal>,
) {
    let numbers = (index..plan.talkers).step_by(plan.workers).collect();
    let opened = open(&*plan.driver, numbers).await;
    let report = WorkerReport::Opened {
        talkers: opened.talkers.len(),
        connects: opened.connects,
        errors: opened.errors,
    };
    if to.send(report).is_err() {
        return;
    }
    let told = signal.wait_for(|signal| *signal != StartSignal::Wait).await.map(|signal| *signal);
    let mut shift = match told {
        Ok(StartSignal::Start(start)) => {
            Shift::new(&plan, index, opened.talkers, start, to, signal)
        }
        Ok(_) => return drop(to.send(WorkerReport::Over(WorkerEnd::default()))),
        // Nobody waits for it any more.
        Err(_) => return,
    };
    // It goes through all its talkers and then waits, so that it needs no budget.
    unconstrained(poll_fn(|cx| shift.poll(cx))).await;
    shift.finish().await;
}

/// A talker in its place.
struct Slot {
    talker: Option<Box<dyn Talker>>,
    under_way: u64,
    /// Whether it is among those that wait for a round.
    is_waiting: bool,
}

/// A worker at work.
struct Shift<'a, R> {
    plan: &'a LoadPlan,
    slots: Vec<Slot>,
    bells: Bells,
    rung: Vec<usize>,
    /// In an open loop: those with room for a round, the one that has waited longest first.
    waiting: VecDeque<usize>,
    pace: Pace,
    /// Rounds that may still begin.
    left: u64,
    number: u64,
    start: Duration,
    /// When the warm-up is over.
    warm: Duration,
    /// When no more rounds begin.
    end: Option<Duration>,
    /// When no more rounds began.
    stopped: Option<Duration>,
    /// When the last of a count of rounds began, and later when one of them was last heard of.
    counted: Option<Duration>,
    broke: Option<Duration>,
    under_way: u64,
    alive: usize,
    now: Duration,
    figures: R,
    next_beat: Duration,
    timer: Pin<Box<Sleep>>,
    /// What timer and alarm are set for, and whom they wake.
    set_for: (Duration, Option<Duration>),
    woken: Waker,
    /// The runtime's own timer is up to a millisecond late, which would count as the server's.
    alarm: Option<Alarm>,
    to: UnboundedSender<WorkerReport<R>>,
    signal: watch::Receiver<StartSignal>,
}

impl<'a, R: Recorder> Shift<'a, R> {
    fn new(
        plan: &'a LoadPlan,
        index: usize,
        talkers: Vec<Box<dyn Talker>>,
        start: Duration,
        to: UnboundedSender<WorkerReport<R>>,
        signal: watch::Receiver<StartSignal>,
    ) -> Self {
        let count = talkers.len();
        let slot = |talker| Slot { talker: Some(talker), under_way: 0, is_waiting: false };
        let pace = Pace::of(plan.schedule, index, plan.workers);
        let warm = start + plan.warm_up;
        let bells = Bells::of(count);
        (0..count).for_each(|at| bells.ring(at));
        let clock = plan.clock;
        let ahead = start.saturating_sub(clock.now());
        let end = plan.until.time.map(|time| warm.saturating_add(time));
        let edges = [Some(warm), end].into_iter().flatten().filter(|edge| *edge > start);
        let first_beat = edges.fold(start + BEAT, Duration::min);
        Shift {
            plan,
            slots: talkers.into_iter().map(slot).collect(),
            bells,
            rung: Vec::with_capacity(count),
            waiting: VecDeque::new(),
            pace,
            left: plan.until.share(index, plan.workers),
            number: 0,
            start,
            warm,
            end,
            stopped: None,
            counted: None,
            broke: None,
            under_way: 0,
            alive: count,
            now: start,
            figures: R::default(),
            next_beat: first_beat,
            set_for: (Duration::MAX, None),
            woken: Waker::noop().clone(),
            timer: Box::pin(tokio::time::sleep_until(clock.instant_in(ahead))),
            alarm: (!pace.is_closed()).then(|| Alarm::new().ok()).flatten(),
            to,
            signal,
        }
    }

    /// One pass: what the time brings, and those talkers that were woken. Ready when nothing is left to be waited for.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.now = self.plan.clock.now();
        if self.now < self.start {
            std::task::ready!(self.timer.as_mut().poll(cx));
            self.now = self.plan.clock.now().max(self.start);
        }
        self.bells.listen(cx.waker());
        self.look_at_the_time();
        self.begin_what_is_due();
        let mut rung = std::mem::take(&mut self.rung);
        self.bells.take(&mut rung);
        for at in rung.drain(..) {
            self.advance(at);
        }
        self.rung = rung;
        if self.is_over() {
            return Poll::Ready(());
        }
        self.wait(cx)
    }

    /// Tells figures where a beat is over, and stops where the time is up.
    fn look_at_the_time(&mut self) {
        if self.now >= self.next_beat {
            self.beat();
            let is_asked = *self.signal.borrow() == StartSignal::Stop || self.to.is_closed();
            if is_asked && self.stopped.is_none() {
                self.stop(self.now);
            }
            let edges = [Some(self.warm), self.end].into_iter().flatten();
            let edges = edges.filter(|edge| *edge > self.now);
            self.next_beat = edges.fold(self.now + BEAT, Duration::min);
            self.have_all_look();
        }
        if let Some(end) = self.end.filter(|end| self.now >= *end && self.stopped.is_none()) {
            // What was due before the end, and found the worker asleep.
            self.begin_what_is_due();
            self.stop(end);
        }
        if self.has_given_up() {
            self.have_all_look();
        }
    }

    /// Has all talkers polled: their rounds may be lost by now.
    fn have_all_look(&self) {
        (0..self.slots.len()).for_each(|at| self.bells.ring(at));
    }

    fn stretch(&self) -> Stretch {
        match self.stopped {
            Some(_) => Stretch::After,
            // The beat that ends with the warm-up belongs to it.
            None if self.next_beat <= self.warm => Stretch::Warm,
            None => Stretch::Measured,
        }
    }

    fn beat(&mut self) {
        let figures = std::mem::take(&mut self.figures);
        let report = WorkerReport::Beat { stretch: self.stretch(), until: self.now, figures };
        // Nobody may be left who wants to know; the worker stops then.
        let _ = self.to.send(report);
    }

    fn stop(&mut self, at: Duration) {
        self.beat();
        self.stopped = Some(at);
        self.waiting.clear();
    }

    /// When to give up what is still under way, once no more rounds begin.
    fn give_up_at(&self) -> Option<Duration> {
        let since = self.stopped.or(self.counted)?;
        Some(since + self.plan.patience)
    }

    fn has_given_up(&self) -> bool {
        self.give_up_at().is_some_and(|at| self.now >= at)
    }

    fn is_over(&self) -> bool {
        let begins_none = self.stopped.is_some() || self.counted.is_some();
        self.alive == 0 || begins_none && self.under_way == 0 || self.has_given_up()
    }

    /// In an open loop: gives the rounds that are due to those that wait for one.
    fn begin_what_is_due(&mut self) {
        // Each that waits has one, and then the time is looked at again.
        for _ in 0..self.waiting.len() {
            if self.stopped.is_some() || self.left == 0 {
                return;
            }
            let Some(due) = self.pace.next_due().map(|due| self.start + due) else { return };
            if due > self.now || self.end.is_some_and(|end| due >= end) {
                return;
            }
            let Some(at) = self.waiting.pop_front() else { return };
            self.slots[at].is_waiting = false;
            self.begin(at, due);
            self.advance(at);
        }
    }

    fn begin(&mut self, at: usize, due: Duration) {
        let Some(talker) = &mut self.slots[at].talker else { return };
        let _ = self.pace.take();
        talker.begin(Round { number: self.number, due, begun: self.now });
        self.number += 1;
        self.left -= 1;
        if self.left == 0 {
            self.counted = Some(self.now);
        }
        self.slots[at].under_way += 1;
        self.under_way += 1;
    }

    /// Goes on with one talker, until it waits.
    fn advance(&mut self, at: usize) {
        for _ in 0..TURN {
            self.refill(at);
            let mut cx = Context::from_waker(self.bells.waker(at));
            let Some(talker) = &mut self.slots[at].talker else { return };
            match talker.poll_next(&mut cx, self.now) {
                Poll::Pending => return,
                Poll::Ready(came) => self.came(at, came),
            }
        }
        self.bells.ring(at);
    }

    fn came(&mut self, at: usize, came: Upshot) {
        self.now = self.plan.clock.now();
        self.counted = self.counted.map(|_| self.now);
        let slot = &mut self.slots[at];
        match &came {
            Upshot::Done { .. } | Upshot::Lost(_) | Upshot::Wrong(..) | Upshot::Failed(..) => {
                slot.under_way -= 1;
                self.under_way -= 1;
            }
            Upshot::Broken(_) | Upshot::GivenUp => {
                self.under_way -= slot.under_way;
                (slot.talker, slot.under_way) = (None, 0);
                self.alive -= 1;
                // What this machine does not give tells nothing of the server.
                let is_gone = matches!(&came, Upshot::Broken(error) if !is_ours(error));
                if self.alive == 0 && self.stopped.is_none() && is_gone {
                    self.broke = Some(self.now);
                }
            }
            Upshot::Connected(_) | Upshot::Stray(_) => {}
        }
        self.figures.note(came, self.now);
    }

    /// Begins rounds where there is room: in a closed loop at once, in an open one when the next are due.
    fn refill(&mut self, at: usize) {
        let has_room = |slot: &Slot| slot.talker.as_ref().is_some_and(|talker| talker.room() > 0);
        if self.pace.is_closed() {
            let is_time = |now: Duration, end: Option<Duration>| end.is_none_or(|end| now < end);
            while self.stopped.is_none()
                && self.left > 0
                && is_time(self.now, self.end)
                && has_room(&self.slots[at])
            {
                self.begin(at, self.now);
            }
        } else if self.stopped.is_none() && !self.slots[at].is_waiting && has_room(&self.slots[at])
        {
            let due = self.pace.next_due().map(|due| self.start + due);
            // One that is overdue begins right here.
            if self.waiting.is_empty()
                && self.left > 0
                && due.is_some_and(|due| due <= self.now && self.end.is_none_or(|end| due < end))
            {
                self.begin(at, due.unwrap_or(self.now));
                return;
            }
            self.slots[at].is_waiting = true;
            self.waiting.push_back(at);
        }
    }

    /// Has the worker woken for the next thing that the time brings.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let clock = self.plan.clock;
        let due = self.next_begin();
        let end = self.end.filter(|_| self.stopped.is_none());
        let next = [Some(self.next_beat), self.give_up_at(), end, due].into_iter().flatten().min();
        let set_for = (next.unwrap_or(self.next_beat), due);
        if set_for == self.set_for && self.woken.will_wake(cx.waker()) {
            return Poll::Pending;
        }
        self.set_for = set_for;
        self.woken.clone_from(cx.waker());
        self.timer.as_mut().reset(clock.instant_in(set_for.0.saturating_sub(clock.now())));
        if self.timer.as_mut().poll(cx).is_ready() {
            self.again(cx);
        }
        if let (Some(alarm), Some(due)) = (&self.alarm, due) {
            // It fails only for a time that cannot be; the timer above is set as well.
            drop(alarm.set(Some(due.saturating_sub(clock.now()))));
            if alarm.poll_rung(cx).is_ready() {
                self.again(cx);
            }
        }
        Poll::Pending
    }

    /// Has another pass made at once.
    fn again(&mut self, cx: &Context<'_>) {
        self.set_for = (Duration::MAX, None);
        cx.waker().wake_by_ref();
    }

    /// When the next round is to begin, where a talker waits for it.
    fn next_begin(&self) -> Option<Duration> {
        let may_begin = self.stopped.is_none() && self.left > 0 && !self.waiting.is_empty();
        self.pace.next_due().filter(|_| may_begin).map(|due| self.start + due)
    }

    /// Tells the last figures and says goodbye.
    async fn finish(mut self) {
        let stopped = self.stopped.unwrap_or(self.now);
        self.beat();
        let due = stopped.saturating_sub(self.start);
        let unbegun = self.pace.left_within(due).min(self.left);
        let (unanswered, broke) = (self.under_way, self.broke);
        let end = WorkerEnd { unbegun, unanswered, broke, stopped };
        let talkers = self.slots.iter_mut().filter_map(|slot| slot.talker.as_mut());
        let goodbyes = async {
            for talker in talkers {
                // Whoever does not care for a goodbye changes nothing.
                let _ = poll_fn(|cx| talker.poll_end(cx)).await;
            }
        };
        let _ = tokio::time::timeout(GOODBYE, goodbyes).await;
        let _ = self.to.send(WorkerReport::Over(end));
    }
}
