//! A load that runs, and what it came to.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::engine::Crew;
use crate::error::{Error, Kind, Result};
use crate::load::driver::{Upshot, is_ours};
use crate::load::figures::{Figures, Recorder};
use crate::load::worker::{LoadPlan, StartSignal, Stretch, WorkerReport, work};

/// What came of a worker's rounds lately.
pub struct Beat<R> {
    /// Which part of the time it is of.
    pub stretch: Stretch,
    /// Up to when, counted from the start of the load.
    pub until: Duration,
    /// What was noted.
    pub figures: R,
}

/// A load under way. It goes on whether or not it is listened to; dropping it ends it.
pub struct Measuring<R = Figures> {
    reports: UnboundedReceiver<WorkerReport<R>>,
    signal: watch::Sender<StartSignal>,
    clock: Clock,
    /// Workers that have not told yet that their talkers are open.
    opening: usize,
    measured: Measured<R>,
    /// The last beat that was told, which is still to be taken in.
    told: Option<Beat<R>>,
    start: Duration,
    warm_up: Duration,
    working: usize,
    errors: Vec<Error>,
    /// Where there are no threads to work on: the work itself is done while somebody waits here.
    here: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// What a load came to.
#[derive(Clone, Default)]
pub struct Measured<R = Figures> {
    /// What came while it was measured, and of rounds that had begun then.
    pub figures: R,
    /// What came in the warm-up.
    pub warm: R,
    /// Talkers that were open when it began.
    pub talkers: usize,
    /// How long it was measured: from the end of the warm-up until no more rounds began.
    pub lasted: Duration,
    /// Rounds that were due and could not begin, as no talker had room.
    pub unbegun: u64,
    /// Rounds that were still under way when the patience was over.
    pub unanswered: u64,
    /// When the last talker broke, counted from the start, where none was left before the end: what was measured until
    /// then stands.
    pub broke: Option<Duration>,
}

impl<R: Recorder> Measuring<R> {
    /// Starts the workers on the threads of a crew, or here.
    pub(super) fn start(plan: LoadPlan, crew: Option<&Crew>) -> Self {
        let plan = Arc::new(plan);
        let (to, reports) = unbounded_channel();
        let (signal, heard) = watch::channel(StartSignal::Wait);
        let mut here = None;
        for index in 0..plan.workers {
            let work = work(plan.clone(), index, to.clone(), heard.clone());
            match crew {
                Some(crew) => crew.spawn_on(index, work),
                None => here = Some(Box::pin(work) as _),
            }
        }
        Measuring {
            reports,
            signal,
            clock: plan.clock,
            opening: plan.workers,
            measured: Measured::default(),
            told: None,
            start: Duration::ZERO,
            warm_up: plan.warm_up,
            working: plan.workers,
            errors: Vec::new(),
            here,
        }
    }

    /// What came lately; none at the end. May be given up and called again. The error is that no talker could be opened.
    pub async fn next(&mut self) -> Result<Option<&Beat<R>>> {
        self.take_in();
        while self.told.is_none() && self.working > 0 {
            match self.report().await {
                Some(report) => self.heard(report)?,
                None => return Err(Error::new(Kind::Bug, "a worker of the load died")),
            }
        }
        Ok(self.told.as_ref())
    }

    /// Begins no more rounds, and waits for those under way alone.
    pub fn stop(&self) {
        self.signal.send_replace(StartSignal::Stop);
    }

    /// Waits for the end: what it all came to.
    pub async fn finish(mut self) -> Result<Measured<R>> {
        while self.next().await?.is_some() {}
        Ok(self.measured)
    }

    /// Whether all talkers are open, and rounds begin.
    pub fn has_begun(&self) -> bool {
        self.opening == 0
    }

    async fn report(&mut self) -> Option<WorkerReport<R>> {
        let Some(here) = &mut self.here else { return self.reports.recv().await };
        tokio::select! {
            biased;
            report = self.reports.recv() => report,
            () = here => {
                self.here = None;
                self.reports.recv().await
            }
        }
    }

    fn heard(&mut self, report: WorkerReport<R>) -> Result<()> {
        match report {
            WorkerReport::Opened { talkers, connects, errors } => {
                self.measured.talkers += talkers;
                self.errors.extend(errors);
                let note =
                    |time| self.measured.figures.note(Upshot::Connected(time), Duration::ZERO);
                connects.into_iter().for_each(note);
                self.opening -= 1;
                if self.opening == 0 {
                    self.begin()?;
                }
            }
            WorkerReport::Beat { stretch, until, figures } => {
                let until = until.saturating_sub(self.start);
                self.told = Some(Beat { stretch, until, figures });
            }
            WorkerReport::Over(end) => {
                self.working -= 1;
                let measured = &mut self.measured;
                measured.unbegun += end.unbegun;
                measured.unanswered += end.unanswered;
                let broke = end.broke.map(|at| at.saturating_sub(self.start));
                // Others may still have talkers.
                measured.broke = measured.broke.max(broke);
                let measured_for = end.stopped.saturating_sub(self.start + self.warm_up);
                measured.lasted = measured.lasted.max(measured_for);
            }
        }
        Ok(())
    }

    /// All workers are ready: gives the sign, unless there is nothing to begin with.
    fn begin(&mut self) -> Result<()> {
        let at = self.errors.iter().position(is_ours);
        let at = at.or((self.measured.talkers == 0 && !self.errors.is_empty()).then_some(0));
        if let Some(at) = at {
            return Err(self.errors.swap_remove(at));
        }
        let now = self.clock.now();
        for error in self.errors.drain(..) {
            self.measured.figures.note(Upshot::Broken(error), now);
        }
        self.start = now;
        let is_called_off = *self.signal.borrow() == StartSignal::Stop;
        if !is_called_off {
            self.signal.send_replace(StartSignal::Start(now));
        }
        Ok(())
    }

    fn take_in(&mut self) {
        let Some(beat) = self.told.take() else { return };
        match beat.stretch {
            Stretch::Warm => self.measured.warm.merge(beat.figures),
            Stretch::Measured | Stretch::After => self.measured.figures.merge(beat.figures),
        }
    }
}
