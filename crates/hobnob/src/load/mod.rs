//! Load: rounds over many conns at once, and how long each took.
//!
//! Four values that know nothing of each other make a load: a [`Schedule`] says when rounds are due, a [`Driver`] what a
//! round is, [`Until`] when it is over, and a [`Recorder`] what is counted. Each worker has its own talkers and its own
//! [`Figures`], so that workers share nothing while they run.
//!
//! ```
//! use hobnob::engine::{Dialer, parse};
//! use hobnob::load::{Load, PingPong, Until};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
//! # runtime.block_on(async {
//! let running = hobnob::serve("echo", "127.0.0.1:0")?;
//! let at = parse(&running.bound()[0].address.to_string())?;
//! let load = Load::of(PingPong::to(&at, &Dialer::default())?).talkers(4).until(Until::rounds(100));
//! let measured = load.run().await?;
//! assert_eq!(measured.figures.done(), 100);
//! assert!(measured.figures.is_flawless());
//! println!("p99 {:?}", measured.figures.latencies.share(0.99));
//! # Ok::<(), hobnob::Error>(())
//! # })?;
//! # Ok::<(), hobnob::Error>(())
//! ```
//!
//! A round of your own is a closure: [`each`].

mod bells;
mod calls;
mod connects;
mod contest;
mod course;
mod driver;
mod figures;
mod http;
mod measuring;
mod opening;
mod payload;
mod pingpong;
mod schedule;
mod transfers;
mod until;
mod worker;

use std::time::Duration;

use crate::clock::Clock;
use crate::engine::Crew;
use crate::error::Result;

use self::worker::LoadPlan;

pub use self::calls::{CallEnd, Calls, each};
pub use self::connects::Connects;
pub use self::contest::{Contest, Ratio};
pub use self::course::{Course, CourseSlot};
pub use self::driver::{Driver, Mismatch, OpenTalker, Round, Stray, Talker, Upshot, is_ours};
pub use self::figures::{Failure, Figures, Recorder};
pub use self::http::Requests;
pub use self::measuring::{Beat, Measured, Measuring};
pub use self::payload::{Expected, Payload};
pub use self::pingpong::PingPong;
pub use self::schedule::Schedule;
pub use self::transfers::{TransferWay, Transfers};
pub use self::until::Until;
pub use self::worker::Stretch;

/// How long a reply is waited for at the end, and a packet's at all.
pub const USUAL_PATIENCE: Duration = Duration::from_secs(1);

/// A load that is planned, and nothing is open yet.
pub struct Load {
    driver: Box<dyn Driver>,
    schedule: Schedule,
    until: Until,
    talkers: usize,
    warm_up: Duration,
    patience: Duration,
}

impl Load {
    /// The rounds of a driver, by one talker in a closed loop, until it is stopped.
    pub fn of(driver: impl Driver) -> Self {
        Load {
            driver: Box::new(driver),
            schedule: Schedule::Closed,
            until: Until::default(),
            talkers: 1,
            warm_up: Duration::ZERO,
            patience: USUAL_PATIENCE,
        }
    }

    /// When rounds are due.
    pub fn schedule(self, schedule: Schedule) -> Self {
        Load { schedule, ..self }
    }

    /// When it is over.
    pub fn until(self, until: Until) -> Self {
        Load { until, ..self }
    }

    /// So many talkers at once, each with its conn.
    pub fn talkers(self, talkers: usize) -> Self {
        Load { talkers: talkers.max(1), ..self }
    }

    /// So long before what is measured.
    pub fn warm_up(self, warm_up: Duration) -> Self {
        Load { warm_up, ..self }
    }

    /// How long replies are waited for once no more rounds begin.
    pub fn patience(self, patience: Duration) -> Self {
        Load { patience, ..self }
    }

    /// Runs it on the threads of a crew, one worker a thread.
    pub fn start<R: Recorder>(self, crew: &Crew) -> Measuring<R> {
        Measuring::start(self.plan(crew.count(), crew.clock()), Some(crew))
    }

    /// Runs it in the task that waits for it, one worker in all.
    pub fn start_here<R: Recorder>(self) -> Measuring<R> {
        Measuring::start(self.plan(1, Clock::start()), None)
    }

    /// Runs it in this task to its end.
    pub async fn run(self) -> Result<Measured> {
        self.start_here().finish().await
    }

    fn plan(self, most_workers: usize, clock: Clock) -> LoadPlan {
        LoadPlan {
            workers: most_workers.min(self.talkers).max(1),
            driver: self.driver,
            schedule: self.schedule,
            until: self.until,
            warm_up: self.warm_up,
            patience: self.patience,
            talkers: self.talkers,
            clock,
        }
    }
}

#[cfg(test)]
mod tests;
