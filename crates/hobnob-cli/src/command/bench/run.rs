//! Loads as they run: one alone, or several in turn.

use hobnob::engine::Crew;
use hobnob::error::Result;
use hobnob::load::{Course, Figures, Load, Measured, Measuring, Stretch};

use super::flags::{BenchFlags, BenchPlan};
use super::machine::Spent;
use super::notes::notes;
use super::panel::LoadPanel;
use super::remote;
use super::rival::Rival;
use crate::job::Job;
use crate::process::signals::{Quit, Signals};
use crate::report::benched::Benched;

/// A bench from its first conn to its last.
pub(super) struct BenchRun<'a> {
    job: &'a Job,
    flags: &'a BenchFlags,
    crew: Crew,
    signals: Signals,
    panel: LoadPanel,
    rivals: Vec<Rival>,
    /// What asked for the end, if anything did.
    asked: Option<Quit>,
}

/// How it came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    /// All was measured.
    Done,
    /// Somebody asked for its end.
    Asked(Quit),
}

/// What one turn came to.
struct Bout {
    measured: Measured,
    course: Course,
    in_time: u64,
    sent: u64,
    received: u64,
}

impl<'a> BenchRun<'a> {
    pub(super) fn new(
        job: &'a Job,
        flags: &'a BenchFlags,
        crew: Crew,
        signals: Signals,
    ) -> Result<Self> {
        let panel = LoadPanel::new(job, flags.lasts())?;
        Ok(BenchRun { job, flags, crew, signals, panel, rivals: Vec::new(), asked: None })
    }

    /// Measures one address.
    pub(super) async fn alone(&mut self, plan: &BenchPlan) -> Result<Halt> {
        self.rivals.push(self.rival(plan));
        let load = self.flags.load(plan)?;
        self.turn(0, load).await?;
        Ok(self.halt())
    }

    /// Measures several, which take turns: forwards and backwards, so that what drifts favours none.
    pub(super) async fn in_turn(&mut self, plans: &[BenchPlan]) -> Result<Halt> {
        for plan in plans {
            self.rivals.push(self.rival(plan));
        }
        for round in 0..self.flags.rounds {
            let mut order: Vec<usize> = (0..plans.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for at in order {
                let load = self.flags.turn(&plans[at])?;
                self.turn(at, load).await?;
                if self.asked.is_some() {
                    return Ok(self.halt());
                }
                if self.rivals[at].has_broken() {
                    return Ok(Halt::Done);
                }
            }
        }
        Ok(Halt::Done)
    }

    fn rival(&self, plan: &BenchPlan) -> Rival {
        let workers = self.crew.count().min(plan.terms.connections).max(1);
        Rival::new(plan.terms.clone(), workers, remote::is_here(&plan.endpoint))
    }

    fn halt(&self) -> Halt {
        self.asked.map_or(Halt::Done, Halt::Asked)
    }

    async fn turn(&mut self, at: usize, load: Load) -> Result<()> {
        let before = Spent::now();
        let bout = self.measure(at, load).await?;
        let spent = Spent::now();
        self.rivals[at].add_spent(spent.own_since(before), spent.busy_since(before));
        let Bout { measured, course, in_time, sent, received } = bout;
        self.rivals[at].add(measured, course, (in_time, sent, received));
        Ok(())
    }

    async fn measure(&mut self, at: usize, load: Load) -> Result<Bout> {
        let mut measuring: Measuring<Figures> = load.start(&self.crew);
        let mut course = Course::default();
        let (mut in_time, mut sent, mut received) = (0, 0, 0);
        self.panel.begin(&self.rivals[at].terms);
        loop {
            // The panel is written on a thread of its own, and no frame is waited for.
            let beat = tokio::select! {
                biased;
                by = self.signals.next(), if self.asked.is_none() => {
                    self.asked = Some(by);
                    if !measuring.has_begun() {
                        break;
                    }
                    measuring.stop();
                    continue;
                }
                beat = measuring.next() => beat?,
            };
            let Some(beat) = beat else { break };
            course.add(beat);
            if beat.stretch == Stretch::Measured {
                in_time += beat.figures.done();
                sent += beat.figures.sent;
                received += beat.figures.received;
            }
            self.panel.beat(beat, &course);
        }
        let measured =
            if measuring.has_begun() { measuring.finish().await? } else { Measured::default() };
        Ok(Bout { measured, course, in_time, sent, received })
    }

    /// Takes the panel away.
    pub(super) async fn clear(&mut self) {
        self.panel.clear().await;
    }

    /// Whether there is something to tell.
    pub(super) fn has_results(&self) -> bool {
        self.rivals.iter().any(|rival| rival.turns() > 0)
    }

    /// What each came to.
    pub(super) fn results(&self) -> Vec<Benched> {
        let is_cut = self.asked.is_some();
        let mut results: Vec<_> = self.rivals.iter().map(|rival| rival.result(is_cut)).collect();
        if !self.job.is_on("quiet") {
            for result in &mut results {
                result.notes = notes(result);
            }
        }
        results
    }
}
